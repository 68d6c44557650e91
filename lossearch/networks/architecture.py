"""The network of a fitted model, by what builds it again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import nn

from lossearch._random import seeded_build
from lossearch.errors import InputError
from lossearch.networks.factories import MLP, Network, make_network

DTYPES = {"float32": torch.float32, "float64": torch.float64}


@dataclass(frozen=True)
class Architecture:
    """What builds a network: "mlp" with its ``hidden`` widths, or "module:function".

    ``seed`` is that of the replicate: a network may hold numbers that its state_dict does not.
    """

    factory: str
    input_shape: tuple[int, ...]
    n_out: int
    dtype: str
    seed: int
    hidden: tuple[int, ...] = ()
    init: str = "torch"

    @classmethod
    def of(cls, network: Network, n_out: int, seed: int) -> Architecture:
        """Return what builds the networks of a task, under a replicate's seed."""
        factory = network.factory
        own = (factory.hidden, factory.init) if isinstance(factory, MLP) else ((), "torch")
        name = "mlp" if isinstance(factory, MLP) else network.name
        dtype = str(network.dtype).removeprefix("torch.")
        return cls(name, tuple(network.input_shape), n_out, dtype, seed, *own)

    @property
    def own(self) -> bool:
        """Whether it is a factory of the user's."""
        return self.factory != "mlp"

    def build(self, factory: Callable[..., nn.Module] | None = None) -> nn.Module:
        """Return a fresh network in evaluation mode.

        Args:
            factory: the user's function itself, where its name does not lead to it; not used for "mlp".

        Raises:
            InputError: it cannot be found or built.
        """
        network = make_network(
            (factory or self._named()) if self.own else None,
            input_shape=self.input_shape,
            rows=1,
            hidden=None if self.own else self.hidden,
            init=self.init,
            dtype=DTYPES[self.dtype],
        )
        return seeded_build(lambda: network(self.n_out), self.seed).eval()

    def _named(self) -> str:
        module, _, function = self.factory.partition(":")
        if module == "__main__" or "<" in function:
            raise InputError(
                f"The network of this model was built by {self.factory}, which no name leads to. "
                "Give the function: lossearch.load_model(DIR, model=FUNCTION)."
            )
        return self.factory

    def as_json(self) -> dict[str, Any]:
        """Return plain values, the inverse of :meth:`from_json`."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Architecture:
        """Return the architecture that :meth:`as_json` described."""
        own = {"input_shape": tuple(values["input_shape"]), "hidden": tuple(values["hidden"])}
        return cls(**{**values, **own})
