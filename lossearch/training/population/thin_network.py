"""A network of two thin layers, written number by number for the compiler.

With few inputs and outputs a matrix product moves more numbers than it multiplies. Written as sums over
inputs and outputs, a layer, its activation and the layer after it are one pass over weights and rows that
keeps no activation: the backward pass computes them again. Both passes and the criteria between are one
compiled function. Weights lie ``across`` replicates (see ``weights.Layout``): the forward pass goes along
rows, and the backward pass, whose sums are over rows, along replicates, so that neither adds up the
numbers of one vector.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from lossearch.training.population.batched_network import Observe, Seeds, Tensors
from lossearch.training.population.compiled import CompiledCriteria, captured, compiled
from lossearch.training.population.criteria import Criteria
from lossearch.training.population.layer_stack import LayerStack
from lossearch.training.population.manual_backward import HIDDEN_ACTIVATIONS, FusedStack
from lossearch.training.population.weights import Weights

MOST_INPUTS, MOST_OUTPUTS = 8, 4
"""Sizes up to which sums are written out: beyond, matrix products are faster."""


class Layers(NamedTuple):
    """The tensors of two layers, seeds and configurations in front; without a bias None."""

    inner: Tensor
    inner_bias: Tensor | None
    outer: Tensor
    outer_bias: Tensor | None

    def behind(self) -> Layers:
        """Return the same with seeds and configurations behind."""
        bias, last = self.inner_bias, self.outer_bias
        return Layers(
            self.inner.movedim((0, 1), (-2, -1)),
            None if bias is None else bias.movedim((0, 1), (-2, -1)),
            self.outer.movedim((0, 1), (-2, -1)),
            None if last is None else last.movedim((0, 1), (-2, -1)),
        )

    def pieces(self) -> list[Tensor]:
        """Return all numbers of a hidden unit apart, (H, S, C), and of an output's bias, (S, C).

        First the outer weights, an output each, then the inner, an input each, then the biases.
        """
        behind = self.behind()
        found = [*behind.outer.unbind(0), *behind.inner.unbind(1)]
        found += [] if behind.inner_bias is None else [behind.inner_bias]
        return found + ([] if behind.outer_bias is None else [*behind.outer_bias.unbind(0)])


def _total(a: Sequence[Tensor], b: Sequence[Tensor], start: Tensor | None = None) -> Tensor:
    """Return the sum of products, written out; with something to begin with each is one operation."""
    products = (one * other for one, other in zip(a, b, strict=True))
    return reduce(torch.add, products) if start is None else reduce(torch.add, products, start)


def _hidden(
    kind: type[nn.Module], weights: Sequence[Tensor], bias: Tensor | None, x: Sequence[Tensor]
) -> Tensor:
    """Return the hidden units from one tensor an input each, broadcast against each other."""
    return HIDDEN_ACTIVATIONS[kind].forward(_total(weights, x, bias))


def forward(kind: type[nn.Module], layers: Layers, x: Tensor) -> Tensor:
    """Return raw output (S, C, O, B) from inputs (S, I, B), weights (S, C, H, I) and (S, C, O, H)."""
    bias = None if layers.inner_bias is None else layers.inner_bias.unsqueeze(3)
    h = _hidden(kind, layers.inner.unsqueeze(3).unbind(4), bias, x[:, None, None].unbind(3))
    raw = torch.stack([(h * w.unsqueeze(3)).sum(2) for w in layers.outer.unbind(2)], dim=2)
    return raw if layers.outer_bias is None else raw + layers.outer_bias.unsqueeze(3)


def backward(kind: type[nn.Module], layers: Layers, x: Tensor, derivatives: Sequence[Tensor]) -> list[Tensor]:
    """Return the gradients of all layers, in pieces as :meth:`Layers.pieces` gives them.

    Inputs ``x`` are (S, I, B); ``derivatives`` are those of the losses in raw output, one a piece of the
    configurations, (S, c, B, O).
    """
    behind = layers.behind()
    # (S, B, 1) an input, (S, B, C) an output, (H, S, 1, C) a hidden unit's weights
    rows = x.unsqueeze(3).unbind(1)
    by_output = [
        torch.cat([s[..., o].transpose(1, 2) for s in derivatives], dim=2)
        for o in range(derivatives[0].shape[3])
    ]
    outer = behind.outer.unsqueeze(3).unbind(0)
    bias = None if behind.inner_bias is None else behind.inner_bias.unsqueeze(2)
    h = _hidden(kind, behind.inner.unsqueeze(3).unbind(1), bias, rows)
    found = [(g * h).sum(2) for g in by_output]
    # a single output's weight is a factor of all sums over rows
    factor: Tensor | float = outer[0].squeeze(2) if len(outer) == 1 else 1.0
    back = HIDDEN_ACTIVATIONS[kind].derivative(
        by_output[0] if len(outer) == 1 else _total(by_output, outer), h
    )
    found += [(back * one).sum(2) * factor for one in rows]
    if layers.inner_bias is not None:
        found.append(back.sum(2) * factor)
    if layers.outer_bias is not None:
        found += [g.sum(1) for g in by_output]
    return found


@dataclass
class ThinStack(LayerStack):
    """Two thin layers, compiled once for each shape of input."""

    across: ClassVar[bool] = True
    keeps_activations: ClassVar[bool] = False

    compiled: dict[tuple[object, ...], Callable[..., Any]] = field(default_factory=dict)
    recent: list[tuple[Tensors, Sequence[Tensor]]] = field(default_factory=list)
    """Weights, and gradients, that were given last, as the compiled functions take them."""

    def __post_init__(self) -> None:
        super().__post_init__()
        linear = [m for _, m in self.layers if isinstance(m, nn.Linear)]
        self.kind = next(type(m) for _, m in self.layers if type(m) in HIDDEN_ACTIVATIONS)
        self.biases = tuple(m.bias is not None for m in linear)

    @classmethod
    def fits(cls, stack: LayerStack) -> bool:
        """Return whether a stack is one linear layer, one activation, one linear layer, with few ends."""
        busy = [m for _, m in stack.layers if not isinstance(m, (nn.Identity, nn.Flatten))]
        if [type(m) in HIDDEN_ACTIVATIONS for m in busy] != [False, True, False]:
            return False
        first, last = busy[0], busy[2]
        if not (isinstance(first, nn.Linear) and isinstance(last, nn.Linear)):
            return False
        return first.in_features <= MOST_INPUTS and last.out_features <= MOST_OUTPUTS

    def forget(self) -> None:
        """Free what was kept for populations of another size."""
        self.compiled.clear()
        self.recent.clear()

    def resized(self, *, compiled: bool) -> LayerStack:
        """Return the network for a population of another size, uncompiled where that identity not repay."""
        if not compiled:
            return FusedStack(self.layers, self.precision)
        self.forget()
        return self

    def evaluate(self, parameters: Tensors, buffers: Tensors, x: Tensor) -> Tensor:
        """Return raw output (S, C, B, n_out) in evaluation mode."""
        del buffers
        return self.outputs(parameters, x)

    def differentiate(
        self,
        criteria: Criteria,
        weights: Weights,
        x: Tensor,
        encoded: Tensors,
        step_seeds: Seeds,
        observe: Observe,
    ) -> bool:
        """Write the gradients of one batch; the criteria are compiled too, where compiling repays."""
        del step_seeds
        assert isinstance(criteria, CompiledCriteria)  # noqa: S101 - both where compiling repays
        raw, total, losses = self.gradients(criteria, weights.views, x, encoded, weights.next_gradients)
        lost = observe(raw, total, losses)
        weights.advance()
        return lost

    @torch.no_grad()
    def outputs(self, parameters: Tensors, x: Tensor) -> Tensor:
        """Return raw output (S, C, B, n_out) from inputs (S, F, B)."""
        kind, biases = self.kind, self.biases

        def function(*given: Tensor) -> Tensor:
            return forward(kind, _layers(given[:-1], biases), given[-1])

        given = [*self._tensors(parameters, len(x)), x]
        key = (x.shape, x.stride())
        if key not in self.compiled:
            self.compiled[key] = compiled(function, ("forward", kind, biases), given)
        raw: Tensor = self.compiled[key](*given)
        return raw.transpose(2, 3)

    @torch.no_grad()
    def gradients(
        self,
        criteria: CompiledCriteria,
        parameters: Tensors,
        x: Tensor,
        encoded: Mapping[str, Tensor],
        into: Tensors,
    ) -> tuple[Tensor, Tensor, list[Tensor | None]]:
        """Write the gradients of all parameters for one batch.

        Inputs ``x`` are (S, F, B).

        Returns:
            Raw output (S, C, B, n_out), its sum, and the losses known of each slice as
            :meth:`Criteria.derivatives` gives them.
        """
        kind, biases, apart = self.kind, self.biases, captured(x.device)
        weights, places = self._tensors(parameters, len(x)), self._tensors(into, len(x))
        n = len(weights)

        def function(criteria: Criteria, *given: Tensor) -> list[Tensor]:
            (x, *targets), layers = given[: 1 + len(encoded)], given[1 + len(encoded) :]
            raw = forward(kind, _layers(layers[:n], biases), x)
            derivatives, known = criteria.derivatives(
                raw.transpose(2, 3), dict(zip(encoded, targets, strict=True))
            )
            found = backward(kind, _layers(layers[:n], biases), x, derivatives)
            outputs = [raw, raw.sum(), *(k for k in known if k is not None)]
            if apart:
                return [*outputs, *found]
            _write(found, _layers(layers[n:], biases))
            return outputs

        identity = ("gradients", kind, biases, *encoded)
        always = weights if apart else [*weights, *places]
        raw, total, *known = criteria.run(function, identity, [x, *encoded.values()], always)
        if apart:
            count = sum(not s.pair.has_derivative for s in criteria.slices)
            known, found = known[:count], known[count:]
            _write(found, _layers(places, biases))
        return raw.transpose(2, 3), total, criteria.by_slice(known)

    def _tensors(self, tensors: Tensors, seeds: int) -> Sequence[Tensor]:
        """Return the tensors of :class:`Layers` that there are."""
        for known, found in self.recent:
            if known is tensors:
                return found
        linear = [prefix for prefix, layer in self.layers if isinstance(layer, nn.Linear)]
        names = [prefix + part for prefix in linear for part in ("weight", "bias")]
        found = [t.detach().view(seeds, -1, *t.shape[1:]) for n in names if (t := tensors.get(n)) is not None]
        # the weights, and gradients of this step and of the one before
        self.recent = [*self.recent[-2:], (tensors, found)]
        return found


def _write(found: Sequence[Tensor], into: Layers) -> None:
    for piece, place in zip(found, into.pieces(), strict=True):
        place.copy_(piece)


def _layers(tensors: Sequence[Tensor], biases: Sequence[bool]) -> Layers:
    left = iter(tensors)
    inner = next(left)
    inner_bias = next(left) if biases[0] else None
    return Layers(inner, inner_bias, next(left), next(left) if biases[1] else None)
