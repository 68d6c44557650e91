"""A network of linear and element-wise layers applied to a whole population, layer by layer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from lossearch._random import seed_draws
from lossearch.training.population.batched_network import BatchedNetwork, Seeds, Tensors
from lossearch.training.precision import PRECISIONS, Precision

ELEMENTWISE = (
    nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.ELU, nn.SELU, nn.CELU, nn.GELU, nn.SiLU, nn.Mish, nn.Tanh, nn.Sigmoid,
    nn.Softplus, nn.Softsign, nn.Hardtanh, nn.Hardswish, nn.Hardsigmoid, nn.Tanhshrink, nn.LogSigmoid,
)  # fmt: skip
"""Layers without parameters that act on every number alone, whatever the layout."""


def flattened(network: nn.Module) -> list[tuple[str, nn.Module]] | None:
    """Return the layers of a plain stack, each with what the names of its parameters begin with; None of others.

    A layer without parameters that stands at several places is there at each.
    """
    if _hooked(network):
        return None
    if type(network) is nn.Sequential:
        found = []
        # named_children would give a layer that is used twice only once
        for name, child in network._modules.items():  # noqa: SLF001
            inner = None if child is None else flattened(child)
            if inner is None:
                return None
            found += [(f"{name}.{prefix}", m) for prefix, m in inner]
        return found
    return [("", network)] if _known(network) else None


def _known(layer: nn.Module) -> bool:
    if isinstance(layer, nn.Flatten):
        return type(layer) is nn.Flatten and (layer.start_dim, layer.end_dim) == (1, -1)
    if type(layer) is nn.Linear:
        return all(p.requires_grad and not p._backward_hooks for p in layer.parameters())  # noqa: SLF001
    return type(layer) in (nn.Identity, nn.Dropout, *ELEMENTWISE)


def _hooked(module: nn.Module) -> bool:
    """Whether a call does more than the layer's own arithmetic."""
    hooks = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    return any(getattr(module, name, None) for name in hooks) or "forward" in vars(module)


def drops(layer: nn.Module) -> bool:
    """Return whether a layer is a dropout that drops anything."""
    return isinstance(layer, nn.Dropout) and layer.p > 0


def _applied(layer: nn.Module, h: Tensor) -> Tensor:
    """Return an activation of ``h``, which is left as it is."""
    return layer(h.clone() if getattr(layer, "inplace", False) else h)  # type: ignore[no-any-return]


@dataclass
class LayerStack(BatchedNetwork):
    """A stack of linear and element-wise layers, as batched matrix products.

    Activations lie as (replicate, feature, row): bias and weights then apply from the left, the first
    layer is one product a seed, and the products with thin outputs stay fast.
    """

    row_axis: ClassVar[int] = 2

    layers: Sequence[tuple[str, nn.Module]]
    precision: Precision = PRECISIONS["32-true"]

    def __post_init__(self) -> None:
        self.random = [m for _, m in self.layers if isinstance(m, nn.Dropout) and m.p > 0]

    @classmethod
    def made_of(
        cls, network: nn.Module, x: Tensor, precision: Precision = PRECISIONS["32-true"]
    ) -> LayerStack | None:
        """Return the stack of a network for inputs (S, N, ...), None where it holds anything else."""
        layers = flattened(network)
        linear = [m for _, m in layers or () if isinstance(m, nn.Linear)]
        if layers is None or not linear or len(set(linear)) < len(linear):
            return None
        if x.ndim > 3 and not isinstance(layers[0][1], nn.Flatten):
            return None
        return cls(layers, precision)

    def rows(self, x: Tensor) -> Tensor:
        """Return inputs (S, N, ...) as (S, F, N)."""
        return x.flatten(2).transpose(1, 2).contiguous()

    def _masks(self, widths: Sequence[int], rows: int, seeds: Sequence[int], like: Tensor) -> list[Tensor]:
        """Return each dropout layer's scaled mask (S, 1, H, B), the very bits nn.Dropout would draw."""
        drawn: list[list[Tensor]] = [[] for _ in self.random]
        for seed in seeds:
            seed_draws(seed)
            for masks, layer, width in zip(drawn, self.random, widths, strict=True):
                ones = torch.ones(rows, width, dtype=like.dtype, device=like.device)
                masks.append(functional.dropout(ones, layer.p).t())
        return [torch.stack(masks).unsqueeze(1) for masks in drawn]

    def __call__(
        self, parameters: Tensors, buffers: Tensors, x: Tensor, step_seeds: Seeds = None, *, training: bool
    ) -> Tensor:
        """Return raw output (S, C, B, n_out) from inputs (S, F, B)."""
        del buffers
        seeds, rows = x.shape[0], x.shape[2]
        count = next(iter(parameters.values())).shape[0] // seeds
        masks: Iterator[Tensor] = iter(())
        if training and self.random and step_seeds is not None:
            masks = iter(self._masks(self._widths(x.shape[1], parameters), rows, step_seeds, x))
        h, shared, fresh = x, True, False
        for prefix, layer in self.layers:
            if isinstance(layer, nn.Linear):
                h = self._linear(parameters, prefix, h, seeds, shared=shared)
                shared, fresh = False, True
            elif drops(layer):
                mask = next(masks, None)
                if mask is not None:
                    wide = h.view(seeds, 1 if shared else count, -1, rows)
                    h = (wide * mask).view(h.shape)
            elif isinstance(layer, ELEMENTWISE):
                # in place only on a product, whose gradient does not need it
                h = functional.relu_(h) if fresh and type(layer) is nn.ReLU else _applied(layer, h)
                fresh = False
        return h.view(seeds, count, -1, rows).transpose(2, 3)

    def _widths(self, features: int, parameters: Tensors) -> list[int]:
        widths, width = [], features
        for prefix, layer in self.layers:
            if isinstance(layer, nn.Linear):
                width = parameters[f"{prefix}weight"].shape[1]
            elif drops(layer):
                widths.append(width)
        return widths

    def _linear(self, parameters: Tensors, prefix: str, h: Tensor, seeds: int, *, shared: bool) -> Tensor:
        w = parameters[f"{prefix}weight"]
        b = parameters.get(f"{prefix}bias")
        k, out, _ = w.shape
        if shared:
            w = w.view(seeds, -1, w.shape[2])
            product = torch.bmm(w, h) if b is None else torch.baddbmm(b.view(seeds, -1, 1), w, h)
            return product.view(k, out, -1)
        return torch.bmm(w, h) if b is None else torch.baddbmm(b.unsqueeze(2), w, h)
