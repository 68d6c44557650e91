"""A network of two thin layers, written number by number for the compiler.

With few inputs and outputs a matrix product moves more numbers than it multiplies. Written as sums over
inputs and outputs, a layer, its activation and the layer after it are one pass over weights and rows that
keeps no activation: the backward pass computes them again, hidden units innermost, where sums over rows
need no sum across a vector.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from lossearch.training.population.compiled import compiled
from lossearch.training.population.fused import BENDS, FusedStack
from lossearch.training.population.networks import LayerStack, Tensors

MOST_INPUTS, MOST_OUTPUTS = 8, 4
"""Sizes up to which sums are written out: beyond, matrix products are faster."""


class Layers(NamedTuple):
    """The tensors of two layers, seeds and arms in front; without a bias None."""

    inner: Tensor
    inner_bias: Tensor | None
    outer: Tensor
    outer_bias: Tensor | None


def _total(a: Sequence[Tensor], b: Sequence[Tensor]) -> Tensor:
    """Return the sum of products, written out."""
    return reduce(torch.add, (one * other for one, other in zip(a, b, strict=True)))


def _hidden(
    kind: type[nn.Module], weights: Sequence[Tensor], bias: Tensor | None, x: Sequence[Tensor]
) -> Tensor:
    """Return the hidden units from one tensor an input each, broadcast against each other."""
    total = _total(weights, x)
    return BENDS[kind].forward(total if bias is None else total + bias)


def forward(kind: type[nn.Module], layers: Layers, x: Tensor) -> Tensor:
    """Return raw output (S, A, O, B) from inputs (S, I, B), weights (S, A, H, I) and (S, A, O, H)."""
    bias = None if layers.inner_bias is None else layers.inner_bias.unsqueeze(3)
    h = _hidden(kind, layers.inner.unsqueeze(3).unbind(4), bias, x[:, None, None].unbind(3))
    raw = torch.stack([(h * w.unsqueeze(3)).sum(2) for w in layers.outer.unbind(2)], dim=2)
    return raw if layers.outer_bias is None else raw + layers.outer_bias.unsqueeze(3)


def backward(
    kind: type[nn.Module], layers: Layers, across: Tensor, x: Tensor, slopes: Tensor, into: Layers
) -> None:
    """Write the gradients of all layers, given the slopes (S, A, O, B) of the losses in raw output.

    ``across`` are the inner weights with hidden units innermost, (S, A, I, H), and ``x`` the inputs with
    features innermost, (S, B, I).
    """
    bias = None if layers.inner_bias is None else layers.inner_bias.unsqueeze(2)
    rows = x[:, None, :, None].unbind(4)
    h = _hidden(kind, across.unsqueeze(3).unbind(2), bias, rows)
    said = slopes.unsqueeze(4).unbind(2)
    outer = layers.outer.unbind(2)
    into.outer.copy_(torch.stack([(g * h).sum(2) for g in said], dim=2))
    # a single output's weight is a factor of all sums over rows
    factor: Tensor | float = outer[0] if len(outer) == 1 else 1.0
    back = said[0] if len(outer) == 1 else _total(said, [w.unsqueeze(2) for w in outer])
    back = BENDS[kind].slope(back, h)
    into.inner.copy_(torch.stack([(back * one).sum(2) * factor for one in rows], dim=3))
    if into.inner_bias is not None:
        into.inner_bias.copy_(back.sum(2) * factor)
    if into.outer_bias is not None:
        into.outer_bias.copy_(slopes.sum(3))


@dataclass
class ThinStack(FusedStack):
    """Two thin layers, compiled once for each shape of input."""

    forms: dict[tuple[object, ...], Callable[..., Any]] = field(default_factory=dict)
    x: Tensor | None = None
    """The inputs of the last forward pass."""
    recent: list[tuple[Tensors, Sequence[Tensor]]] = field(default_factory=list)
    """Weights, and gradients, that were given last, as the compiled functions take them."""

    def __post_init__(self) -> None:
        super().__post_init__()
        linear = [m for _, m in self.layers if isinstance(m, nn.Linear)]
        self.kind = next(type(m) for _, m in self.layers if type(m) in BENDS)
        self.biases = [m.bias is not None for m in linear]

    @classmethod
    def fits(cls, stack: LayerStack) -> bool:
        """Return whether a stack is one linear layer, one activation, one linear layer, with few ends."""
        busy = [m for _, m in stack.layers if not isinstance(m, (nn.Identity, nn.Flatten))]
        if [type(m) in BENDS for m in busy] != [False, True, False]:
            return False
        first, last = busy[0], busy[2]
        if not (isinstance(first, nn.Linear) and isinstance(last, nn.Linear)):
            return False
        return first.in_features <= MOST_INPUTS and last.out_features <= MOST_OUTPUTS

    def forget(self) -> None:
        """Free what was kept for populations of another size."""
        super().forget()
        self.forms.clear()
        self.recent.clear()
        self.x = None

    @torch.no_grad()
    def forward(self, parameters: Tensors, x: Tensor, step_seeds: Sequence[int] | None) -> Tensor:
        """Return raw output (S, A, B, n_out), keeping what :meth:`backward` needs."""
        del step_seeds  # nothing here is random
        self.x = x
        kind, biases = self.kind, self.biases

        def of(*given: Tensor) -> Tensor:
            return forward(kind, _layers(given[:-1], biases), given[-1])

        raw: Tensor = self._run(of, ("forward", x.shape, x.stride()), [*self._of(parameters, len(x)), x])
        return raw.transpose(2, 3)

    @torch.no_grad()
    def backward(
        self, slopes: Sequence[Tensor], parameters: Tensors, gradients: Mapping[str, Tensor]
    ) -> None:
        """Write the gradients of all parameters, given the losses' slopes in the raw output, arms after arms."""
        assert self.x is not None  # noqa: S101 - after a forward pass
        seeds, kind, biases = len(self.x), self.kind, self.biases
        layers, into = self._of(parameters, seeds), self._of(gradients, seeds)
        across, x = layers[0].transpose(2, 3).contiguous(), self.x.transpose(1, 2).contiguous()
        whole = slopes[0] if len(slopes) == 1 else torch.cat(list(slopes), dim=1)
        n = len(layers)

        def of(*given: Tensor) -> None:
            across, x, slopes = given[n:-n]
            backward(kind, _layers(given[:n], biases), across, x, slopes, _layers(given[-n:], biases))

        g = whole.transpose(2, 3)
        self._run(of, ("backward", g.shape, g.stride()), [*layers, across, x, g, *into])

    def _of(self, tensors: Tensors, seeds: int) -> Sequence[Tensor]:
        """Return the tensors of :class:`Layers` that there are."""
        for known, found in self.recent:
            if known is tensors:
                return found
        names = [
            f"{name}.{part}" if name else part
            for name, layer in self.layers
            if isinstance(layer, nn.Linear)
            for part in ("weight", "bias")
        ]
        found = [t.detach().view(seeds, -1, *t.shape[1:]) for n in names if (t := tensors.get(n)) is not None]
        self.recent = [*self.recent[-1:], (tensors, found)]
        return found

    def _run(self, function: Callable[..., Any], key: tuple[object, ...], given: list[Tensor]) -> Any:
        """Return what a function of tensors returns, compiled for each key."""
        if key not in self.forms:
            self.forms[key] = compiled(function, (key[0], self.kind, *self.biases), given)
        return self.forms[key](*given)


def _layers(tensors: Sequence[Tensor], biases: Sequence[bool]) -> Layers:
    left = iter(tensors)
    inner = next(left)
    inner_bias = next(left) if biases[0] else None
    return Layers(inner, inner_bias, next(left), next(left) if biases[1] else None)
