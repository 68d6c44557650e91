"""Optimisers by name: class, learning rates worth searching, allowed options."""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from lossearch._registry import Registry, unknown_name
from lossearch.errors import InputError, refuse

_NOT_OPTIONS = frozenset({"self", "params", "lr", "maximize", "capturable", "differentiable"})


@dataclass(frozen=True)
class Optimizer:
    """A torch optimiser.

    ``lr`` is the range its learning rate is searched over. ``linear`` says that a step is proportional
    to the learning rate: a population can then step at rate 1 and scale by each replicate's rate.
    """

    name: str
    make: type[torch.optim.Optimizer]
    lr: tuple[float, float]
    linear: bool = True
    aliases: tuple[str, ...] = ()

    @property
    def options(self) -> tuple[str, ...]:
        """Keyword arguments a study may set, from the signature."""
        return tuple(p for p in inspect.signature(self.make.__init__).parameters if p not in _NOT_OPTIONS)

    def __str__(self) -> str:
        return self.name


_SGD_LR = (1e-4, 1.0)
_ADAM_LR = (1e-5, 1e-1)

OPTIMIZERS = Registry(
    "optimiser",
    [
        Optimizer("sgd", torch.optim.SGD, _SGD_LR, aliases=("SGD",)),
        Optimizer("adam", torch.optim.Adam, _ADAM_LR, aliases=("Adam",)),
        Optimizer("adamw", torch.optim.AdamW, _ADAM_LR, aliases=("AdamW",)),
        Optimizer("rmsprop", torch.optim.RMSprop, _ADAM_LR, aliases=("RMSprop", "RMSProp")),
        Optimizer("adagrad", torch.optim.Adagrad, _SGD_LR, aliases=("Adagrad", "AdaGrad")),
        Optimizer("adadelta", torch.optim.Adadelta, (1e-2, 1e1), aliases=("Adadelta", "AdaDelta")),
        Optimizer("adamax", torch.optim.Adamax, _ADAM_LR, aliases=("Adamax", "AdaMax")),
        Optimizer("nadam", torch.optim.NAdam, _ADAM_LR, linear=False, aliases=("NAdam", "Nadam")),
        Optimizer("radam", torch.optim.RAdam, _ADAM_LR, aliases=("RAdam",)),
    ],
)


def make_optimizer(
    name: str, params: Iterable[nn.Parameter], lr: float, options: Mapping[str, Any] | None = None
) -> torch.optim.Optimizer:
    """Return the optimiser of that name over ``params``.

    Raises:
        UnknownNameError: no such optimiser.
        InputError: the learning rate is not a positive number, an option is unknown or has no such value.
    """
    known = OPTIMIZERS[name]
    given: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in (options or {}).items()}
    problems = [
        unknown_name(f"option of {known.name}", k, known.options) for k in given if k not in known.options
    ]
    if not (lr > 0 and math.isfinite(lr)):
        problems.append(f"The learning rate is {lr}; it must be a number above 0.")
    refuse(problems)
    try:
        return known.make(params, lr=lr, **given)  # type: ignore[call-arg]  # every subclass takes lr
    except (TypeError, ValueError, RuntimeError) as error:
        shown = ", ".join(f"{k}={v!r}" for k, v in given.items())
        raise InputError(f"{known.name} refuses {shown or f'lr={lr}'}: {error}") from error
