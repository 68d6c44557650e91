"""A module of the user's as a replicate starts from it: its weights, criterion, learning rate and settings."""

from __future__ import annotations

from typing import Any

import torch

from lossearch._random import seeded_build
from lossearch.errors import InputError
from lossearch.tasks.own_module import OwnModule
from lossearch.training.contract import Replicate
from lossearch.training.own_module.criterion import RecordingCriterion


def build(own: OwnModule, replicate: Replicate, criterion: RecordingCriterion) -> Any:
    """Return the module of a replicate before its first step, with a criterion in its place."""
    point = replicate.point
    given = {**own.args, **{k: v for k, v in point.settings.items() if k in own.settings}}
    for slot, value in ((own.criterion, criterion), (own.lr, point.lr)):
        if slot.argument:
            given[slot.name] = value
    module = seeded_build(lambda: own.factory(**given), replicate.seed)
    for slot, value in ((own.criterion, criterion), (own.lr, point.lr)):
        if not slot.argument:
            _set(module, slot.name, value)
    for held in _held(module):
        held.attach(module)
    return module


def _held(module: Any) -> list[RecordingCriterion]:
    """Return the criteria that are found in a module."""
    if not isinstance(module, torch.nn.Module):
        return []
    return [m for m in module.modules() if isinstance(m, RecordingCriterion)]


def _set(module: Any, name: str, value: Any) -> None:
    """Set an attribute, and the hyper-parameter of that name where there is one."""
    setattr(module, name, value)
    hparams = getattr(module, "hparams", {})
    if name in hparams:
        hparams[name] = value


def settings_of(own: OwnModule, replicate: Replicate) -> dict[str, Any]:
    """Return the searched settings that the data module takes."""
    return {k: v for k, v in replicate.point.settings.items() if k in own.data_settings}


def held_criterion(module: Any, own: OwnModule) -> RecordingCriterion:
    """Return the criterion that a module was given, wherever it keeps it.

    Raises:
        InputError: it does not keep it.
    """
    if found := _held(module):
        return found[0]
    raise InputError(
        f"{own.title} does not keep the {own.criterion.name} that it is given: write self.criterion = "
        f"{own.criterion.name} in its __init__."
    )
