"""What builds networks: a built-in one by its declaration, a user's own by its function."""

from __future__ import annotations

import copy
import hashlib
import inspect
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any, ClassVar, NamedTuple

import torch
from torch import nn

from lossearch._imports import is_reference, lightning_classes, load_function
from lossearch._registry import unknown_name
from lossearch.errors import InputError
from lossearch.networks.own_head import Ended, ended, flat

Factory = Callable[..., nn.Module]
_ALIASES = {
    **dict.fromkeys(
        ("in_features", "n_features", "num_features", "input_dim", "in_dim", "d_in", "input_size", "n_inputs",
         "num_inputs", "n_features_in", "n_input", "d_input", "in_size", "inputs", "fan_in", "i"),
        "n_in",
    ),
    **dict.fromkeys(
        ("out_features", "output_dim", "out_dim", "d_out", "output_size", "n_outputs", "num_outputs", "n_classes",
         "num_classes", "n_labels", "num_labels", "n_output", "d_output", "out_size", "outputs", "fan_out", "o"),
        "n_out",
    ),
    **dict.fromkeys(("in_shape", "row_shape"), "input_shape"),
    **dict.fromkeys(("in_channels", "in_chans", "n_channels", "num_channels"), "channels"),
}  # fmt: skip
"""What a factory may call what it needs; an argument with a default is filled by its first name alone."""
_CLASSES = ("n_classes", "num_classes", "n_labels", "num_labels")
"""What else is filled though it has a default: a thousand classes are nobody's wish."""
_REST = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


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


@dataclass(frozen=True, eq=False)
class Template:
    """A factory that gives copies of one network: every replicate starts from its weights, but for its head."""

    network: nn.Module

    def __call__(self) -> nn.Module:
        """Return a copy."""
        return copy.deepcopy(self.network)

    @cached_property
    def name(self) -> str:
        """The network's class, and a hash of its weights: other weights make another study."""
        found = hashlib.blake2b(digest_size=4)
        for key, tensor in self.network.state_dict().items():
            found.update(key.encode())
            if isinstance(tensor, torch.Tensor):
                found.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
        of = type(self.network)
        return f"{of.__module__}:<{of.__qualname__} {found.hexdigest()}>"


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
        return self.ended(n_out).network

    def ended(self, n_out: int) -> Ended:
        """Return a fresh network with ``n_out`` outputs a row, and what was done to its head.

        A factory that is not told of them may give any: its head is replaced then. That of a network that was
        given itself is drawn anew each time.

        Raises:
            InputError: the factory gives no nn.Module, or asks for something it is not offered.
        """
        n_in = math.prod(self.input_shape)
        offered = {"n_in": n_in, "n_out": n_out, "input_shape": self.input_shape}
        call = _given(self.factory, self.name, offered)
        network = self.factory(*call.positional, **call.named)
        if not isinstance(network, nn.Module):
            raise InputError(
                f"Model {self.name} gave {type(network).__name__}; it must give a torch.nn.Module, fresh each time."
            )
        _refuse_lightning(network, f"Model {self.name} gave")
        network = network.to(self.dtype)
        if isinstance(self.factory, BuiltIn) or has_lazy_layers(network):
            return Ended(network)
        x = torch.zeros((2, *self.input_shape), dtype=self.dtype)
        anew = isinstance(self.factory, Template)
        found = ended(network, None if call.told else n_out, x, anew=anew)
        return replace(found, network=flat(found.network, n_out, x))


def has_lazy_layers(network: nn.Module) -> bool:
    """Return whether some weights have no size before the first forward pass."""
    return any(isinstance(p, nn.parameter.UninitializedParameter) for p in network.parameters())


class _Call(NamedTuple):
    """What a factory is called with, and whether it is told how many outputs there are to be."""

    positional: list[Any]
    named: dict[str, Any]
    told: bool


def _given(factory: Factory, name: str, offered: Mapping[str, Any]) -> _Call:
    """Return what a factory is called with, by position where its signature leaves no other way.

    Raises:
        InputError: it needs an argument whose name is not known.
    """
    try:
        parameters = inspect.signature(factory).parameters.values()
    except (TypeError, ValueError):
        return _Call([], {}, told=False)
    needed = {p.name for p in parameters if p.default is p.empty} - {
        p.name for p in parameters if p.kind in _REST
    }
    kinds = {p.kind for p in parameters}
    if inspect.Parameter.VAR_POSITIONAL in kinds and kinds <= {*_REST}:
        return _Call(
            [offered["n_in"], offered["n_out"]], {}, told=False
        )  # whether they are read is not known
    names = {p.name for p in parameters}
    by_place = _by_place([p.name for p in parameters if p.name in needed - {*_ALIASES, *offered}])
    aliases = {a: r for a, r in _ALIASES.items() if a in needed or (a in _CLASSES and a in names)} | by_place
    roles = {**offered, "channels": offered["input_shape"][0]}
    values = {**{alias: roles[role] for alias, role in aliases.items()}, **offered}
    _refuse_unknown([p for p in parameters if p.name in needed - values.keys()], name)
    positional = [values[p.name] for p in parameters if p.kind is p.POSITIONAL_ONLY and p.name in values]
    named = {p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
    told = "n_out" in names or "n_out" in aliases.values()
    return _Call(positional, {k: v for k, v in values.items() if k in named}, told)


def _by_place(needed: Sequence[str]) -> dict[str, str]:
    """Return what two arguments of one letter each are for, whose names say nothing: inputs, then outputs."""
    return dict(zip(needed, ("n_in", "n_out"), strict=True)) if [*map(len, needed)] == [1, 1] else {}


def _refuse_unknown(strange: Sequence[inspect.Parameter], name: str) -> None:
    if strange:
        own = name.rpartition(":")[2]
        filled = ", ".join(("..." if p.kind is p.POSITIONAL_ONLY else f"{p.name}=...") for p in strange)
        raise InputError(
            f"Model {name} asks for {', '.join(p.name for p in strange)}. It is called by name, with those of n_in, "
            "n_out and input_shape (or names as usual: in_features, num_classes, ...) that its signature has. Give "
            f"other arguments a default, or write model=lambda n_in, n_out: {own}({filled})."
        )


def _refuse_lightning(found: Any, what: str) -> None:
    """Refuse a LightningModule, or a class of such.

    Raises:
        InputError: it is one.
    """
    of = found if isinstance(found, type) else type(found)
    if issubclass(of, lightning_classes("LightningModule")):
        raise InputError(
            f"{what} the LightningModule {of.__name__}, whose training_step and configure_optimizers a network has "
            f"not. Have it trained as it is: lossearch.search(module={of.__name__}, datamodule=..., task=...); or give "
            "the network alone (model=lambda n_in, n_out: ...)."
        )


def own_factory(model: Any, known: Iterable[str]) -> tuple[Factory, str]:
    """Return a user's factory, and its name as ``module:function``.

    Args:
        model: the function, or its name.
        known: the names of the built-in networks, for messages.

    Raises:
        InputError: it is not found, or it is not a factory.
    """
    if isinstance(model, str):
        if ":" not in model and not is_reference(model):
            raise InputError(f"{unknown_name('model', model, known)} Or name your own as module:function.")
        return load_function(model, "model"), model
    _refuse_lightning(model, "model is")
    if isinstance(model, nn.Module):
        model = Template(model)
    if isinstance(model, Template):
        return model, model.name
    if not callable(model):
        raise InputError(
            f"model is a {type(model).__name__}; give {', '.join(map(repr, known))}, 'module:function' or a function."
        )
    where = getattr(model, "__module__", "")
    return model, f"{where}:{getattr(model, '__qualname__', type(model).__qualname__)}"
