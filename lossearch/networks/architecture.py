"""Networks by name: what builds those of a task, and what builds that of a fitted model again."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

import torch
from torch import nn

import lossearch.networks
from lossearch._imports import leads_somewhere
from lossearch._random import seeded_build
from lossearch._registry import Registry
from lossearch.errors import InputError, refuse
from lossearch.networks.factory import BuiltIn, Factory, Network, own_factory

DEFAULT = "mlp"
DTYPES = {"float32": torch.float32, "float64": torch.float64}


def _every() -> list[type[BuiltIn]]:
    """Return the network of every file here that has one, the default first."""
    names = (m.name for m in iter_modules(lossearch.networks.__path__, "lossearch.networks."))
    modules = (import_module(name) for name in names if name != __name__)
    found = [module.NETWORK for module in modules if hasattr(module, "NETWORK")]
    return sorted(found, key=lambda network: (network.name != DEFAULT, network.name))


NETWORKS: Registry[type[BuiltIn]] = Registry("model", _every())
"""The built-in networks."""


def _built_in(name: str, arguments: Mapping[str, Any]) -> BuiltIn:
    """Return a built-in network with these arguments.

    Raises:
        InputError: it has no such argument, or not with such a value.
    """
    known = NETWORKS[name].arguments()
    strange = [a for a in arguments if a not in known]
    others = {a: [n.name for n in NETWORKS.values() if a in n.arguments()] for a in strange}
    refuse([f"{a} is for model = {_or(others[a])}; leave it out." for a in strange])
    return NETWORKS[name](**arguments)


def _or(names: Iterable[str]) -> str:
    return " or ".join(map(repr, names))


def takes_channels_first(model: Any) -> bool:
    """Return whether a model is the name of a built-in network for images as (C, H, W)."""
    return isinstance(model, str) and model in NETWORKS and (NETWORKS[model].axes or ("",))[0] == "C"


def default_model(usual: str, input_shape: tuple[int, ...]) -> str:
    """Return the network that a kind of task usually has, or the default one where that takes no such rows."""
    return usual if NETWORKS[usual].takes(input_shape) else DEFAULT


def make_network(
    model: Any,
    *,
    input_shape: tuple[int, ...],
    rows: int,
    hidden: Sequence[int] | None = None,
    init: str = "torch",
    dtype: torch.dtype = torch.float32,
) -> Network:
    """Return what builds the networks of a task.

    Args:
        model: the name of a built-in network, None for the default one; "module:function"; or a function that
            gives an nn.Module. It is called by name with those of n_in, n_out and input_shape that its
            signature has, and with what it needs under other usual names (in_features, num_classes, ...). Or a
            network, of which copies are given.
        input_shape: shape of one row.
        rows: how many training rows there are.
        hidden: widths (channels) of a built-in network's hidden layers.
        init: how "mlp" draws its first weights: "torch" or "he_uniform".
        dtype: of the weights.

    Raises:
        InputError: the model is not a factory, or cannot take such rows, ``hidden`` or ``init``.
    """
    asked = {"hidden": hidden, "init": None if init == "torch" else init}
    arguments = {name: value for name, value in asked.items() if value is not None}
    model = DEFAULT if model is None else model
    if not (isinstance(model, str) and model in NETWORKS):
        if arguments:
            raise InputError(
                "hidden and init are for built-in networks; leave them out where model is your own."
            )
        factory, name = own_factory(model, NETWORKS)
        return Network(factory, name, input_shape, dtype)
    network = NETWORKS[model]
    if not network.takes(input_shape):
        axes = ", ".join(network.axes or ())
        others = [n.name for n in NETWORKS.values() if n.takes(input_shape)]
        raise InputError(
            f"model {network.name!r} takes rows of shape ({axes}), and a row here has shape {input_shape}: "
            f"give X as (N, {axes}), or take model = {_or(others)}."
        )
    built_in = _built_in(network.name, {**network.defaults(rows), **arguments})
    return Network(built_in, str(built_in), input_shape, dtype)


@dataclass(frozen=True)
class Architecture:
    """What builds a network again: a built-in one's ``name`` and ``arguments``, or a user's "module:function".

    ``seed`` is that of the replicate: a network may hold numbers that its state_dict does not.
    """

    name: str
    arguments: Mapping[str, Any]
    input_shape: tuple[int, ...]
    n_out: int
    dtype: str
    seed: int

    @classmethod
    def of(cls, network: Network, n_out: int, seed: int) -> Architecture:
        """Return what builds the networks of a task, under a replicate's seed."""
        factory = network.factory
        named = (factory.name, asdict(factory)) if isinstance(factory, BuiltIn) else (network.name, {})
        return cls(*named, network.input_shape, n_out, str(network.dtype).removeprefix("torch."), seed)

    @property
    def own(self) -> bool:
        """Whether it is a factory of the user's."""
        return self.name not in NETWORKS

    @property
    def code(self) -> str | None:
        """The name that leads to a user's factory; None where none does, or it is a built-in network."""
        return self.name if self.own and leads_somewhere(self.name) else None

    def __str__(self) -> str:
        return self.name if self.own else str(_built_in(self.name, self.arguments))

    def build(self, factory: Factory | str | None = None) -> nn.Module:
        """Return a fresh network in evaluation mode.

        Args:
            factory: the user's function, or the name that leads to it; not used for built-in ones.

        Raises:
            InputError: it is not given, or cannot be found or built.
        """
        made = self._own(factory) if self.own else _built_in(self.name, self.arguments)
        network = Network(made, self.name, self.input_shape, DTYPES[self.dtype])
        return seeded_build(lambda: network(self.n_out), self.seed).eval()

    def _own(self, factory: Factory | str | None) -> Factory:
        if factory is None:
            raise InputError(
                f"The network of this model was built by {self.name}, which no name leads to. "
                "Give the function: lossearch.load_model(DIR, model=FUNCTION)."
            )
        return own_factory(factory, NETWORKS)[0]

    def as_json(self) -> dict[str, Any]:
        """Return plain values, the inverse of :meth:`from_json`."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Architecture:
        """Return the architecture that :meth:`as_json` described, in this release or in the one before."""
        if "factory" in values:
            values = _from_factory(**values)
        return cls(**{**values, "input_shape": tuple(values["input_shape"])})


def _from_factory(factory: str, hidden: Sequence[int], init: str, **others: Any) -> dict[str, Any]:
    """Return the values of a format that had an MLP's arguments beside its name, and other networks' in it."""
    described = re.fullmatch(r"(\w+)\(([\d-]*), relu(?:, init (\w+))?\)", factory)
    if described:
        name, joined, init = described.groups()
        own = {"hidden": [int(n) for n in joined.split("-") if n], **({"init": init} if init else {})}
        return {**others, "name": name, "arguments": own}
    return {
        **others,
        "name": factory,
        "arguments": {} if ":" in factory else {"hidden": hidden, "init": init},
    }
