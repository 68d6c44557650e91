"""What builds networks: a built-in one by its declaration, a user's own by its function."""

from __future__ import annotations

import inspect
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar

import torch
from torch import nn

from lossearch._imports import load_function
from lossearch._registry import unknown_name
from lossearch.errors import InputError

Factory = Callable[..., nn.Module]
_OFFERED = ("n_in", "n_out", "input_shape")


@dataclass(frozen=True)
class BuiltIn(ABC):
    """A network that comes with the package; a file of this folder declares one as its ``NETWORK``.

    A subclass's fields are the arguments a study may set, with their types and defaults. ``axes`` are those of
    one row of input, None where any will do. ``str`` describes it in the records.
    """

    name: ClassVar[str]
    aliases: ClassVar[tuple[str, ...]] = ()
    axes: ClassVar[tuple[str, ...] | None] = None

    @classmethod
    def defaults(cls, rows: int) -> Mapping[str, Any]:  # noqa: ARG003 - for those that need it
        """Return the arguments that depend on the number of training rows."""
        return {}

    @classmethod
    def arguments(cls) -> list[str]:
        """Return the names of its arguments."""
        return [f.name for f in fields(cls)]

    @classmethod
    def takes(cls, input_shape: tuple[int, ...]) -> bool:
        """Return whether rows of this shape can go in."""
        return cls.axes is None or len(cls.axes) == len(input_shape)

    @abstractmethod
    def __call__(self, n_out: int, input_shape: tuple[int, ...]) -> nn.Sequential:
        """Return a fresh network of torch's own layers, under torch's global random state."""


def widths(hidden: Sequence[int]) -> tuple[int, ...]:
    """Return the sizes of hidden layers.

    Raises:
        InputError: one is not a whole number from 1 up.
    """
    found = tuple(int(h) for h in hidden)
    if found != tuple(hidden) or min(found, default=1) < 1:
        raise InputError(f"hidden = {list(hidden)}: widths are whole numbers from 1 up.")
    return found


@dataclass(frozen=True)
class Network:
    """Builds a fresh network of a task under torch's global random state."""

    factory: Factory
    name: str
    input_shape: tuple[int, ...]
    dtype: torch.dtype

    def __call__(self, n_out: int) -> nn.Module:
        """Return a fresh network with ``n_out`` outputs a row.

        Raises:
            InputError: the factory gives no nn.Module, or asks for something it is not offered.
        """
        n_in = math.prod(self.input_shape)
        offered = {"n_in": n_in, "n_out": n_out, "input_shape": self.input_shape}
        wanted = _wanted(self.factory, self.name)
        network = self.factory(**{k: v for k, v in offered.items() if k in wanted})
        if not isinstance(network, nn.Module):
            raise InputError(
                f"Model {self.name} gave {type(network).__name__}; it must give a torch.nn.Module, fresh each time."
            )
        return network.to(self.dtype)


def _wanted(factory: Factory, name: str) -> set[str]:
    """Return which of n_in, n_out and input_shape a factory's signature asks for."""
    try:
        parameters = inspect.signature(factory).parameters.values()
    except (TypeError, ValueError):
        return set()
    named = {p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
    strange = [
        p.name
        for p in parameters
        if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD) and p.name not in _OFFERED
    ]
    if strange:
        raise InputError(
            f"Model {name} asks for {', '.join(strange)}. It is called with those of n_in, n_out and input_shape "
            "that its signature names; give other arguments a default."
        )
    return named & set(_OFFERED)


def own_factory(model: Any, known: Iterable[str]) -> tuple[Factory, str]:
    """Return a user's factory, and its name as ``module:function``.

    Args:
        model: the function, or its name.
        known: the names of the built-in networks, for messages.

    Raises:
        InputError: it is not found, or it is not a factory.
    """
    if isinstance(model, str):
        if ":" not in model:
            raise InputError(f"{unknown_name('model', model, known)} Or name your own as module:function.")
        return load_function(model, "model"), model
    if isinstance(model, nn.Module):
        raise InputError(
            f"model is a {type(model).__name__} object, whose weights every replicate would share. "
            f"Give a factory: lambda: {type(model).__name__}(...)."
        )
    if not callable(model):
        raise InputError(
            f"model is a {type(model).__name__}; give {', '.join(map(repr, known))}, 'module:function' or a function."
        )
    where = getattr(model, "__module__", "")
    return model, f"{where}:{getattr(model, '__qualname__', type(model).__qualname__)}"
