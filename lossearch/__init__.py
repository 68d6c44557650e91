"""Which training loss, with which output activation and learning rate, fits a task best, and how sure are we?

The names below are imported when they are first used, so that ``import lossearch`` is quick.
"""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.metadata import version
from types import ModuleType
from typing import TYPE_CHECKING, Any

from lossearch._process import left_as_it_was

if TYPE_CHECKING:
    from lossearch import losses as losses
    from lossearch.api import load, search
    from lossearch.api.comparison import compare
    from lossearch.api.result import Result
    from lossearch.errors import (
        IllegalPairError,
        InputError,
        LossearchError,
        RunFailedError,
        TerminatedError,
    )
    from lossearch.estimators import LossSearchClassifier, LossSearchRegressor
    from lossearch.integrations import LossSearchCallback, suggest
    from lossearch.losses import Loss, loss
    from lossearch.model import FittedModel, load_model
    from lossearch.pairs import Criterion
    from lossearch.pairs.making import criterion
    from lossearch.space import Point

__version__ = version("lossearch")

_HOMES = {
    "Criterion": "pairs",
    "FittedModel": "model",
    "IllegalPairError": "errors",
    "InputError": "errors",
    "Loss": "losses",
    "LossSearchCallback": "integrations",
    "LossSearchClassifier": "estimators",
    "LossSearchRegressor": "estimators",
    "LossearchError": "errors",
    "Point": "space",
    "Result": "api.result",
    "RunFailedError": "errors",
    "TerminatedError": "errors",
    "compare": "api.comparison",
    "criterion": "pairs.making",
    "load": "api",
    "load_model": "model",
    "loss": "losses",
    "search": "api",
    "suggest": "integrations",
}

_MODULES = ("losses",)
"""Modules whose names are for users: ``lossearch.losses.Focal``."""

__all__ = [  # noqa: RUF022 - by use
    "search",
    "load",
    "compare",
    "load_model",
    "Result",
    "FittedModel",
    "Point",
    "criterion",
    "Criterion",
    "loss",
    "Loss",
    "LossSearchClassifier",
    "LossSearchRegressor",
    "LossSearchCallback",
    "suggest",
    "LossearchError",
    "InputError",
    "IllegalPairError",
    "RunFailedError",
    "TerminatedError",
    "__version__",
]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return _imported(name)
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'lossearch' has no attribute {name!r}")
    return getattr(_imported(home), name)


def _imported(name: str) -> ModuleType:
    found = sys.modules.get(f"lossearch.{name}")
    if found is None:
        with left_as_it_was():
            found = import_module(f"lossearch.{name}")
    return found


def __dir__() -> list[str]:
    return sorted([*__all__, *_MODULES])
