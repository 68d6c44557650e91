"""What may be given as an argument of ``search``, in whatever form, as what a study is made of."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from lossearch._imports import own_class
from lossearch.api.components import shown
from lossearch.config.toml import is_plain
from lossearch.errors import InputError, refuse
from lossearch.networks.architecture import NETWORKS
from lossearch.networks.factory import own_factory
from lossearch.records.trial import TrialRecord
from lossearch.study.prepare import ModuleObjects
from lossearch.study.progress import Listener


def rows_of(values: Any, name: str) -> tuple[Any, Any] | None:
    """Return X and y of a part that is given by its rows; None where it is not.

    Raises:
        InputError: it is several things, and not these two.
    """
    if values is None or isinstance(values, (bool, int, float, str)):
        return None
    if isinstance(values, (tuple, list)) and len(values) == 2:
        return values[0], values[1]
    found = f"{len(values)} things" if isinstance(values, (tuple, list)) else f"a {type(values).__name__}"
    also = "or say which part each row is in, split=['train', 'validation', ...]"
    if callable(getattr(values, "get_n_splits", None)):
        raise InputError(
            f"{name} is {found}, which divides rows in several ways: give one share of the rows, as 0.2 (rows of one group "
            f"stay together by groups=), {also}."
        )
    raise InputError(f"{name} is {found}: give its rows as (X, y), or its share of the rows, as 0.2, {also}.")


def share_of(value: Any) -> Any:
    """Return a share as Python's own number, anything else as it is."""
    return value.item() if isinstance(value, np.generic) else value


def model_of(model: Any) -> str | Callable[..., nn.Module] | None:
    """Return a factory of networks, or the name of one.

    Raises:
        InputError: it is neither.
    """
    return model if model is None or isinstance(model, str) else own_factory(model, NETWORKS)[0]


def listener_of(listener: Any) -> Listener | None:
    """Return a listener, which may be anything that has its methods.

    Raises:
        InputError: it lacks some.
    """
    hooks = ("note", "started", "trial_done", "finished")
    lacking = [hook for hook in hooks if not callable(getattr(listener, hook, None))]
    if listener is not None and (lacking or isinstance(listener, type)):
        without = f" without {', '.join(lacking)}" if lacking else ""
        raise InputError(
            f"listener is {shown(listener)}{without}: give an object of a class derived from "
            "lossearch.study.progress.Listener."
        )
    if listener is None or isinstance(listener, Listener):
        return listener
    return _Hearing(listener)


class _Hearing(Listener):
    """What hears by an object that has the first methods of a listener, and no others."""

    def __init__(self, other: Any) -> None:
        self.other = other

    def note(self, text: str) -> None:
        """Pass on."""
        self.other.note(text)

    def started(self, total: int, resumed: int) -> None:
        """Pass on."""
        self.other.started(total, resumed)

    def trial_done(
        self, record: TrialRecord, done: int, total: int, best: TrialRecord | None, failed: int
    ) -> None:
        """Pass on."""
        self.other.trial_done(record, done, total, best, failed)

    def finished(self, reason: str) -> None:
        """Pass on."""
        self.other.finished(reason)


def plain_value(value: Any) -> Any:
    """Return a number or an array of numpy's or torch's as Python's own, anything else as it is."""
    if isinstance(value, (np.generic, np.ndarray, torch.Tensor)):
        return value.tolist()
    return value


def goes_with_data(options: Mapping[str, Any], names: Sequence[str]) -> list[str]:
    """Return a sentence for each option that is for named data alone, and was given beside X and y."""
    return [
        f"{name} is for data that are named or read; with X and y leave it out."
        for name in names
        if options.get(name)
    ]


@dataclass(frozen=True)
class GivenModule:
    """A module as it was given: what of it a study file can name, and the objects; None where there is none."""

    named: Mapping[str, Any]
    objects: ModuleObjects | None


def module_of(
    module: Any, datamodule: Any, trainer: Mapping[str, Any] | None, others: Mapping[str, Any]
) -> GivenModule:
    """Return a user's module and its data, as a study takes them.

    Args:
        module: the class, a function, or a name.
        datamodule: its data, likewise, or a data module, or loaders.
        trainer: arguments of its Trainer.
        others: the other options of the search, with ``module_args`` and ``datamodule_args``.

    Raises:
        InputError: one is not what it should be.
    """
    if module is None:
        refuse(
            [
                f"{name} goes with module=, the LightningModule that is trained on it."
                for name, value in (("datamodule", datamodule), ("trainer_kwargs", trainer))
                if value is not None
            ]
        )
        return GivenModule({}, None)
    args, data_args = others.get("module_args") or {}, others.get("datamodule_args") or {}
    named: dict[str, Any] = {
        "module": own_class(module, "module")[1],
        "module_args": _plain_part(args),
        "datamodule_args": _plain_part(data_args),
        "trainer_kwargs": _plain_part(trainer or {}),
    }
    if isinstance(datamodule, (str, type)) or inspect.isfunction(datamodule):
        named["datamodule"] = own_class(datamodule, "datamodule")[1]
    given = ModuleObjects(
        None if isinstance(module, str) else module,
        args,
        None if isinstance(datamodule, str) else datamodule,
        data_args,
        trainer or {},
    )
    return GivenModule(named, given)


def _plain_part(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return those values that a study file can hold."""
    return {k: v for k, v in values.items() if is_plain(v)}
