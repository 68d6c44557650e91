"""The weights of a population: one flat tensor, and a view of it for every parameter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn


@dataclass
class Snapshot:
    """Weights set aside, laid out like those of the population they were taken from."""

    flat: Tensor
    buffers: dict[str, Tensor]


@dataclass(frozen=True)
class Layout:
    """Where each parameter of ``count`` replicates lies in a flat tensor."""

    count: int
    shapes: Mapping[str, torch.Size]

    def views(self, flat: Tensor) -> dict[str, Tensor]:
        """Return a K x shape view for every parameter."""
        parts = torch.split(flat, [self.count * shape.numel() for shape in self.shapes.values()])
        return {
            name: part.view(self.count, *shape)
            for (name, shape), part in zip(self.shapes.items(), parts, strict=True)
        }

    def spread(self, values: Tensor) -> Tensor:
        """Return one value a replicate, (K,), as a flat tensor."""
        return torch.cat([values.repeat_interleave(shape.numel()) for shape in self.shapes.values()])

    def picked(self, flat: Tensor, replicates: Tensor) -> Tensor:
        """Return some replicates' part of a flat tensor, as one."""
        return torch.cat([view.detach()[replicates].reshape(-1) for view in self.views(flat).values()])


class Weights:
    """Parameters of K replicates as K x shape views of one flat tensor, gradients likewise.

    One flat tensor makes an optimiser step a handful of operations whatever the number of layers;
    blocks of one parameter lie together so that each is contiguous. Buffers, and parameters that are
    not trained, are kept apart. ``keys`` maps each key of one network's state_dict to the name here,
    which differs where two layers share a tensor.
    """

    def __init__(
        self, parameters: Mapping[str, Tensor], buffers: Mapping[str, Tensor], keys: Mapping[str, str]
    ) -> None:
        count = next(iter(parameters.values())).shape[0]
        self.layout = Layout(count, {name: p.shape[1:] for name, p in parameters.items()})
        self.keys = dict(keys)
        self.flat = torch.cat([p.detach().reshape(-1) for p in parameters.values()])
        self.buffers = {name: b.detach().clone() for name, b in buffers.items()}
        self._lay_out()

    def _lay_out(self) -> None:
        self.grad = torch.zeros_like(self.flat)
        self.views, self.gradients = self.layout.views(self.flat), self.layout.views(self.grad)
        for view, grad in zip(self.views.values(), self.gradients.values(), strict=True):
            view.requires_grad_()
            view.grad = grad

    @classmethod
    def of(cls, networks: Sequence[nn.Module], arms: int) -> Weights:
        """Return the weights of S networks, each repeated for ``arms`` replicates: seed by seed."""
        trained = {n for n, p in networks[0].named_parameters() if p.requires_grad}
        every = [dict([*n.named_parameters(), *n.named_buffers()]) for n in networks]
        stacked = {
            name: torch.stack([own[name].detach() for own in every]).repeat_interleave(arms, dim=0)
            for name in every[0]
        }
        names = {id(tensor): name for name, tensor in every[0].items()}
        state = networks[0].state_dict(keep_vars=True)
        return cls(
            {n: t for n, t in stacked.items() if n in trained},
            {n: t for n, t in stacked.items() if n not in trained},
            {key: names[id(tensor)] for key, tensor in state.items()},
        )

    def clip(self, most: float) -> None:
        """Scale each replicate's gradient to at most this norm, as torch.nn.utils.clip_grad_norm_ does."""
        norms = [torch.linalg.vector_norm(g.flatten(1), dim=1) for g in self.gradients.values()]
        factor = (most / (torch.linalg.vector_norm(torch.stack(norms), dim=0) + 1e-6)).clamp(max=1.0)
        for g in self.gradients.values():
            g.mul_(factor.view(-1, *[1] * (g.ndim - 1)))

    def snapshot(self) -> Snapshot:
        """Return a copy of all weights."""
        return Snapshot(self.flat.clone(), {n: b.clone() for n, b in self.buffers.items()})

    def store(self, into: Snapshot, chosen: Tensor) -> None:
        """Copy the weights of some replicates, (K,) bool, into a snapshot."""
        stored = self.layout.views(into.flat)
        for name, view in self.views.items():
            stored[name][chosen] = view.detach()[chosen]
        for name, buffer in self.buffers.items():
            into.buffers[name][chosen] = buffer[chosen]

    def select(self, replicates: Tensor) -> None:
        """Keep these replicates only. The flat tensor stays the same object, which an optimiser holds."""
        self.flat.grad = None
        self.flat.data = self.layout.picked(self.flat, replicates)
        self.buffers = {name: b[replicates] for name, b in self.buffers.items()}
        self.layout = replace(self.layout, count=len(replicates))
        self._lay_out()

    def state(self, replicate: int, of: Snapshot | None = None) -> dict[str, Tensor]:
        """Return the state_dict of one replicate, on the CPU; of a snapshot where given."""
        views = self.views if of is None else self.layout.views(of.flat)
        every = {**views, **(self.buffers if of is None else of.buffers)}
        return {key: every[name][replicate].detach().cpu().clone() for key, name in self.keys.items()}
