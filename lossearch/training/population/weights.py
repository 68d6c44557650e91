"""The weights of a population: one flat tensor, and a view of it for every parameter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn


class Weights:
    """Parameters of K replicates as K x shape views of one flat tensor, gradients likewise.

    One flat tensor makes an optimiser step a handful of operations whatever the number of layers;
    blocks of one parameter lie together so that each is contiguous. Buffers are kept apart.
    """

    def __init__(self, parameters: Mapping[str, Tensor], buffers: Mapping[str, Tensor]) -> None:
        self.count = next(iter(parameters.values())).shape[0]
        self.shapes = {name: p.shape[1:] for name, p in parameters.items()}
        self.flat = torch.cat([p.detach().reshape(-1) for p in parameters.values()])
        self.grad = torch.zeros_like(self.flat)
        self.views, self.gradients = self._views(self.flat), self._views(self.grad)
        for view, grad in zip(self.views.values(), self.gradients.values(), strict=True):
            view.requires_grad_()
            view.grad = grad
        self.buffers = {name: b.detach().clone() for name, b in buffers.items()}

    @classmethod
    def of(cls, networks: Sequence[nn.Module], arms: int) -> Weights:
        """Return the weights of S networks, each repeated for ``arms`` replicates: seed by seed."""

        def stack(tensors: Sequence[Tensor]) -> Tensor:
            return torch.stack(list(tensors)).repeat_interleave(arms, dim=0)

        parameters = {
            name: stack([dict(n.named_parameters())[name] for n in networks])
            for name, _ in networks[0].named_parameters()
        }
        buffers = {
            name: stack([dict(n.named_buffers())[name] for n in networks])
            for name, _ in networks[0].named_buffers()
        }
        return cls(parameters, buffers)

    def _views(self, flat: Tensor) -> dict[str, Tensor]:
        sizes = [self.count * shape.numel() for shape in self.shapes.values()]
        parts = torch.split(flat, sizes)
        return {
            name: part.view(self.count, *shape)
            for (name, shape), part in zip(self.shapes.items(), parts, strict=True)
        }

    def spread(self, values: Tensor) -> Tensor:
        """Return one value a replicate, (K,), laid out like the flat tensor."""
        return torch.cat([values.repeat_interleave(shape.numel()) for shape in self.shapes.values()])

    def views_of(self, flat: Tensor) -> dict[str, Tensor]:
        """Return views of another tensor that is laid out like the flat one."""
        return self._views(flat)

    def clip(self, most: float) -> None:
        """Scale each replicate's gradient to at most this norm, as torch.nn.utils.clip_grad_norm_ does."""
        squares = [g.flatten(1).square().sum(dim=1) for g in self.gradients.values()]
        factor = (most / (torch.stack(squares).sum(dim=0).sqrt() + 1e-6)).clamp(max=1.0)
        for g in self.gradients.values():
            g.mul_(factor.view(-1, *[1] * (g.ndim - 1)))

    def state(self, replicate: int, flat: Tensor | None = None) -> dict[str, Tensor]:
        """Return the state_dict of one replicate, of other weights of this layout where given."""
        views = self.views if flat is None else self._views(flat)
        found = {name: v[replicate].detach().clone() for name, v in views.items()}
        return found | {name: b[replicate].clone() for name, b in self.buffers.items()}
