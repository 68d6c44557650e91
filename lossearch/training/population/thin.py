"""A network of two thin layers, written number by number for the compiler.

With few inputs and outputs a matrix product moves more numbers than it multiplies. Written as sums over
inputs and outputs, a layer, its activation and the layer after it are one pass over weights and rows that
keeps no activation: the backward pass computes them again, hidden units innermost, where sums over rows
need no sum across a vector.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_flatten, tree_unflatten

from lossearch.training.population.compiled import compiled
from lossearch.training.population.fused import FusedStack
from lossearch.training.population.networks import LayerStack, Tensors

MOST_INPUTS, MOST_OUTPUTS = 8, 4
"""Sizes up to which sums are written out: beyond, matrix products are faster."""
ACTIVATIONS: Mapping[type[nn.Module], Callable[[Tensor], Tensor]] = {
    nn.ReLU: torch.relu,
    nn.Tanh: torch.tanh,
    nn.Sigmoid: torch.sigmoid,
}
SLOPES: Mapping[type[nn.Module], Callable[[Tensor, Tensor], Tensor]] = {
    nn.ReLU: lambda g, h: torch.where(h > 0, g, 0.0),
    nn.Tanh: lambda g, h: g * (1 - h * h),
    nn.Sigmoid: lambda g, h: g * h * (1 - h),
}
"""Activation -> its backward pass from gradient and output."""


class Layers(NamedTuple):
    """The tensors of two layers, seeds and arms in front; without a bias None."""

    inner: Tensor
    inner_bias: Tensor | None
    outer: Tensor
    outer_bias: Tensor | None


def _hidden(
    kind: type[nn.Module], weights: Sequence[Tensor], bias: Tensor | None, x: Sequence[Tensor]
) -> Tensor:
    """Return the hidden units from one tensor an input each, broadcast against each other."""
    total = weights[0] * x[0]
    for w, one in zip(weights[1:], x[1:], strict=True):
        total = total + w * one
    return ACTIVATIONS[kind](total if bias is None else total + bias)


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
    outer = list(zip(slopes.unsqueeze(4).unbind(2), layers.outer.unsqueeze(3).unbind(2), strict=True))
    back = outer[0][0] * outer[0][1]
    for g, w in outer[1:]:
        back = back + g * w
    back = SLOPES[kind](back, h)
    into.inner.copy_(torch.stack([(back * one).sum(2) for one in rows], dim=3))
    into.outer.copy_(torch.stack([(g * h).sum(2) for g, _ in outer], dim=2))
    if into.inner_bias is not None:
        into.inner_bias.copy_(back.sum(2))
    if into.outer_bias is not None:
        into.outer_bias.copy_(slopes.sum(3))


@dataclass
class ThinStack(FusedStack):
    """Two thin layers, compiled once for each shape of input."""

    forms: dict[tuple[object, ...], Callable[..., Any]] = field(default_factory=dict)
    x: Tensor | None = None
    """The inputs of the last forward pass."""

    @classmethod
    def fits(cls, stack: LayerStack) -> bool:
        """Return whether a stack is one linear layer, one activation, one linear layer, with few ends."""
        busy = [m for _, m in stack.layers if not isinstance(m, (nn.Identity, nn.Flatten))]
        if [type(m) in ACTIVATIONS for m in busy] != [False, True, False]:
            return False
        first, last = busy[0], busy[2]
        if not (isinstance(first, nn.Linear) and isinstance(last, nn.Linear)):
            return False
        return first.in_features <= MOST_INPUTS and last.out_features <= MOST_OUTPUTS

    def forget(self) -> None:
        """Free what was kept for populations of another size."""
        super().forget()
        self.forms.clear()
        self.x = None

    @property
    def kind(self) -> type[nn.Module]:
        """The activation between the layers."""
        return next(type(m) for _, m in self.layers if type(m) in ACTIVATIONS)

    def _of(self, tensors: Tensors, seeds: int) -> Layers:
        found = []
        for name, layer in self.layers:
            if isinstance(layer, nn.Linear):
                for part in ("weight", "bias"):
                    own = tensors.get(f"{name}.{part}")
                    found.append(None if own is None else own.detach().view(seeds, -1, *own.shape[1:]))
        return Layers(*found)  # type: ignore[arg-type]

    @torch.no_grad()
    def forward(self, parameters: Tensors, x: Tensor, step_seeds: Sequence[int] | None) -> Tensor:
        """Return raw output (S, A, B, n_out), keeping what :meth:`backward` needs."""
        del step_seeds
        self.x = x
        raw: Tensor = self._run(forward, self._of(parameters, len(x)), x)
        return raw.transpose(2, 3)

    @torch.no_grad()
    def backward(
        self, slopes: Sequence[Tensor], parameters: Tensors, gradients: Mapping[str, Tensor]
    ) -> None:
        """Write the gradients of all parameters, given the losses' slopes in the raw output, arms after arms."""
        assert self.x is not None  # noqa: S101 - after a forward pass
        seeds = len(self.x)
        layers = self._of(parameters, seeds)
        across, x = layers.inner.transpose(2, 3).contiguous(), self.x.transpose(1, 2).contiguous()
        whole = slopes[0] if len(slopes) == 1 else torch.cat(list(slopes), dim=1)
        self._run(backward, layers, across, x, whole.transpose(2, 3), self._of(gradients, seeds))

    def _run(self, function: Callable[..., Any], *given: Layers | Tensor) -> Any:
        """Return what a function of layers and tensors returns, compiled for their shapes."""
        leaves, tree = tree_flatten(given)
        present = [leaf is not None for leaf in leaves]
        flat = [leaf for leaf in leaves if leaf is not None]
        key = (function, *(t.shape for t in flat))
        if key not in self.forms:
            kind = self.kind

            def of_flat(*tensors: Tensor) -> Any:
                left = iter(tensors)
                return function(kind, *tree_unflatten([next(left) if p else None for p in present], tree))

            self.forms[key] = compiled(of_flat, flat)
        return self.forms[key](*flat)
