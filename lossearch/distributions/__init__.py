"""Families of distributions of one real number, by name: one file each, found by being here.

A family is stateless: a distribution is a row of its parameters, the last axis of a tensor (..., P), so that a stack of
models, rows and outputs is one tensor. Files whose names begin with an underscore hold what families share.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pkgutil import iter_modules

from lossearch.distributions._family import Family

DISTRIBUTIONS: Mapping[str, Family] = {
    m.name: import_module(f"{__name__}.{m.name}").FAMILY
    for m in iter_modules(__path__)
    if not m.name.startswith("_")
}
"""Every family, by name."""

__all__ = ["DISTRIBUTIONS", "Family"]
