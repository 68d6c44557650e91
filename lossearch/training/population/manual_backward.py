"""A stack of layers with its own backward pass: no graph, and no memory asked for in a step.

Small networks spend most of a step on what surrounds the arithmetic: recording a graph, allocating
activations, walking the graph back. Linear layers and three activations whose derivative follows from their
output are enough for most fully connected networks, and are written out here. Others use autograd.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from lossearch.training.population.batched_network import Seeds, Tensors
from lossearch.training.population.layer_stack import LayerStack, drops
from lossearch.training.population.weights import Weights

_ATEN = torch.ops.aten


@dataclass(frozen=True)
class HiddenActivation:
    """An activation whose backward pass follows from its output.

    ``forward`` overwrites what it is given; ``backward`` takes gradient and output, then ``extra``.
    """

    forward: Callable[[Tensor], Tensor]
    backward: Any
    extra: tuple[float, ...] = ()

    def derivative(self, gradient: Tensor, output: Tensor) -> Tensor:
        """Return the gradient in what was activated."""
        found: Tensor = self.backward(gradient, output, *self.extra)
        return found

    def derivative_(self, gradient: Tensor, output: Tensor) -> None:
        """Write it in place of the gradient."""
        self.backward.grad_input(gradient, output, *self.extra, grad_input=gradient)


HIDDEN_ACTIVATIONS: Mapping[type[nn.Module], HiddenActivation] = {
    nn.ReLU: HiddenActivation(torch.relu_, _ATEN.threshold_backward, (0,)),
    nn.Tanh: HiddenActivation(torch.tanh_, _ATEN.tanh_backward),
    nn.Sigmoid: HiddenActivation(torch.sigmoid_, _ATEN.sigmoid_backward),
}
_IDLE = (nn.Identity, nn.Flatten, nn.Dropout)
THIN = 8
"""Inputs up to which a weight gradient is faster computed transposed."""


Back = Callable[["FusedStack", Tensor, Tensors, Tensors], Tensor]
"""Takes the stack, the gradient in what a layer gave, all parameters and their gradients, of which it writes its own;
returns the gradient in what the layer was given."""


@dataclass
class FusedStack(LayerStack):
    """A :class:`LayerStack` that also computes gradients by itself."""

    buffers: dict[tuple[object, ...], Tensor] = field(default_factory=dict)
    tape: list[Back] = field(default_factory=list)
    """What goes back through each layer that was applied."""

    @classmethod
    def fits(cls, stack: LayerStack) -> bool:
        """Return whether every layer of a stack is one of those written out here."""
        kinds = [type(m) for _, m in stack.layers if drops(m) or not isinstance(m, _IDLE)]
        first = kinds.index(nn.Linear)
        known = all(k is nn.Dropout for k in kinds[:first]) and all(
            k in (nn.Linear, nn.Dropout, *HIDDEN_ACTIVATIONS) for k in kinds[first:]
        )
        # an activation overwrites what it is given, which a second one after it must not do
        return known and not any(
            a in HIDDEN_ACTIVATIONS and b in HIDDEN_ACTIVATIONS for a, b in pairwise(kinds)
        )

    def forget(self) -> None:
        """Free what was kept for populations of another size."""
        self.buffers.clear()
        self.tape = []

    def _buffer(self, what: object, shape: Sequence[int], like: Tensor) -> Tensor:
        key = (what, *shape)
        if key not in self.buffers:
            self.buffers[key] = torch.empty(shape, dtype=like.dtype, device=like.device)
        return self.buffers[key]

    @torch.no_grad()
    def __call__(
        self, parameters: Tensors, buffers: Tensors, x: Tensor, step_seeds: Seeds = None, *, training: bool
    ) -> Tensor:
        """Return raw output (S, C, B, n_out) from inputs (S, F, B), keeping what :meth:`backward` needs.

        The next call overwrites it. Without ``step_seeds`` nothing is dropped.
        """
        del buffers, training
        seeds, rows = x.shape[0], x.shape[2]
        masks: Iterator[Tensor] = iter(())
        if self.random and step_seeds is not None:
            masks = iter(self._masks(self._widths(x.shape[1], parameters), rows, step_seeds, x))
        self.tape = []
        h, shared = x, True
        for i, (prefix, layer) in enumerate(self.layers):
            kind = type(layer)
            if kind is nn.Linear:
                h = self._apply(i, prefix, parameters, h, shared=shared)
                shared = False
            elif drops(layer) and (mask := next(masks, None)) is not None:
                h = h * mask[:, 0] if shared else self._drop(i, h, mask)
            elif kind in HIDDEN_ACTIVATIONS:
                h = HIDDEN_ACTIVATIONS[kind].forward(h)
                self.tape.append(partial(_activation_back, applied=HIDDEN_ACTIVATIONS[kind], output=h))
        return h.view(seeds, -1, h.shape[1], rows).transpose(2, 3)

    def _apply(self, i: int, prefix: str, parameters: Tensors, h: Tensor, *, shared: bool) -> Tensor:
        # no method of this very stack, which would then be freed late
        self.tape.append(partial(FusedStack._linear_back, prefix=prefix, h=h, shared=shared))
        w, b = parameters[f"{prefix}weight"], parameters.get(f"{prefix}bias")
        k, width, inputs = w.shape
        out = self._buffer(("h", i), (k, width, h.shape[2]), h)
        left = w.view(h.shape[0], -1, inputs) if shared else w
        target = out.view(h.shape[0], -1, h.shape[2]) if shared else out
        if b is None:
            torch.bmm(left, h, out=target)
        else:
            torch.baddbmm(b.view(target.shape[0], -1, 1), left, h, out=target)
        return out

    def _drop(self, i: int, h: Tensor, mask: Tensor) -> Tensor:
        seeds, rows = mask.shape[0], mask.shape[3]
        out = self._buffer(("d", i), h.shape, h)
        shape = (seeds, -1, h.shape[1], rows)
        torch.mul(h.view(shape), mask, out=out.view(shape))
        self.tape.append(partial(_dropout_back, mask=mask))
        return out

    def _propagate(self, raw: Tensor, derivatives: Sequence[Tensor], weights: Weights) -> None:
        del raw
        self.backward(derivatives, weights.views, weights.gradients)

    @torch.no_grad()
    def backward(
        self, derivatives: Sequence[Tensor], parameters: Tensors, gradients: Mapping[str, Tensor]
    ) -> None:
        """Write the gradients of all parameters, given the losses' derivatives in the raw output, piece by piece."""
        seeds, _, rows, n_out = derivatives[0].shape
        count = sum(s.shape[1] for s in derivatives)
        g = self._buffer("derivative", (seeds * count, n_out, rows), derivatives[0])
        torch.cat([s.transpose(2, 3) for s in derivatives], dim=1, out=g.view(seeds, count, n_out, rows))
        for back in reversed(self.tape):
            g = back(self, g, parameters, gradients)

    def _linear_back(
        self, g: Tensor, parameters: Tensors, gradients: Tensors, *, prefix: str, h: Tensor, shared: bool
    ) -> Tensor:
        """Go back through a linear layer that was applied to rows of all configurations, or to each one's own."""
        self._gradients(prefix, h, g.view(h.shape[0], -1, g.shape[2]) if shared else g, gradients)
        if shared:
            return g
        out, weight = self._buffer(("g", prefix), h.shape, g), parameters[f"{prefix}weight"].transpose(1, 2)
        return torch.mul(weight, g, out=out) if weight.shape[2] == 1 else torch.bmm(weight, g, out=out)

    def _gradients(self, prefix: str, h: Tensor, left: Tensor, gradients: Tensors) -> None:
        weight, bias = gradients[f"{prefix}weight"], gradients.get(f"{prefix}bias")
        rows = h.shape[2]
        inputs, width = h.shape[1], left.shape[1]
        if inputs <= THIN < weight.shape[1]:
            # a row of ones gives the bias's gradient with the weights'
            with_ones = self._buffer(("1", prefix), (len(h), inputs + 1, rows), h)
            with_ones[:, :inputs], with_ones[:, inputs] = h, 1
            across = self._buffer(("t", prefix), (len(h), inputs + 1, width), h)
            torch.bmm(with_ones, left.transpose(1, 2), out=across)
            weight.view(len(h), width, inputs).copy_(across[:, :inputs].transpose(1, 2))
            if bias is not None:
                bias.view(len(h), width).copy_(across[:, inputs])
            return
        torch.bmm(left, h.transpose(1, 2), out=weight.view(len(h), width, inputs))
        if bias is not None:
            ones = self._buffer(("ones", rows), (rows,), h).fill_(1)
            torch.mv(left.view(-1, rows), ones, out=bias.view(-1))


def _activation_back(
    _: FusedStack, g: Tensor, *__: Tensors, applied: HiddenActivation, output: Tensor
) -> Tensor:
    applied.derivative_(g, output)
    return g


def _dropout_back(_: FusedStack, g: Tensor, *__: Tensors, mask: Tensor) -> Tensor:
    seeds, rows = mask.shape[0], mask.shape[3]
    g.view(seeds, -1, g.shape[1], rows).mul_(mask)
    return g
