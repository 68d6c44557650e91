"""The weights of a population: one flat tensor, and a view of it for every parameter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass
class Snapshot:
    """Weights set aside, laid out like those of the population they were taken from."""

    flat: Tensor
    buffers: dict[str, Tensor]


LINE = 16
"""Numbers of 4 bytes in a processor's cache line, and in its widest vector."""


@dataclass(frozen=True)
class Layout:
    """Where each parameter of ``count`` replicates lies in a flat tensor.

    A parameter's numbers lie replicate after replicate; ``across``, all replicates' first number, then all
    their second, and so on, with some room between, so that neighbours do not compete for one place in the
    processor's cache.
    """

    count: int
    shapes: Mapping[str, torch.Size]
    across: bool = False

    @property
    def _room(self) -> int:
        """Numbers there are for one number of every replicate; across, of 4 bytes, an odd number of lines."""
        return LINE * (-(-self.count // LINE) | 1) if self.across else self.count

    def views(self, flat: Tensor) -> dict[str, Tensor]:
        """Return a K x shape view for every parameter."""
        parts = torch.split(flat, [self._room * shape.numel() for shape in self.shapes.values()])
        return {
            name: part.view(*shape, self._room)[..., : self.count].movedim(-1, 0)
            if self.across
            else part.view(self.count, *shape)
            for (name, shape), part in zip(self.shapes.items(), parts, strict=True)
        }

    def flat(self, parts: Mapping[str, Tensor]) -> Tensor:
        """Return a flat tensor from one tensor K x shape for every parameter."""
        like = next(iter(parts.values()))
        flat = like.new_zeros(self._room * sum(shape.numel() for shape in self.shapes.values()))
        for name, view in self.views(flat).items():
            view.copy_(parts[name])
        return flat

    def spread(self, values: Tensor) -> Tensor:
        """Return one value a replicate, (K,), as a flat tensor."""
        return self.flat({n: values.view(-1, *[1] * len(s)).expand(-1, *s) for n, s in self.shapes.items()})

    def picked(self, flat: Tensor, replicates: Tensor, into: Layout) -> Tensor:
        """Return some replicates' part of a flat tensor, laid out as ``into``."""
        return into.flat({name: view.detach()[replicates] for name, view in self.views(flat).items()})


class Weights:
    """Parameters of K replicates as K x shape views of one flat tensor, gradients likewise.

    One flat tensor makes an optimiser step a handful of operations whatever the number of layers;
    blocks of one parameter lie together, ``across`` as in :class:`Layout`. Buffers, and parameters that are
    not trained, are kept apart. ``keys`` maps each key of one network's state_dict to the name here,
    which differs where two layers share a tensor.
    """

    def __init__(
        self,
        parameters: Mapping[str, Tensor],
        buffers: Mapping[str, Tensor],
        keys: Mapping[str, str],
        *,
        across: bool = False,
    ) -> None:
        count = next(iter(parameters.values())).shape[0]
        self.layout = Layout(count, {name: p.shape[1:] for name, p in parameters.items()}, across)
        self.keys = dict(keys)
        self.flat = self.layout.flat({name: p.detach() for name, p in parameters.items()})
        self.buffers = {name: b.detach().clone() for name, b in buffers.items()}
        self._lay_out()

    def _lay_out(self) -> None:
        self.grad = torch.zeros_like(self.flat)
        self._spare: tuple[Tensor, dict[str, Tensor]] | None = None
        self.views, self.gradients = self.layout.views(self.flat), self.layout.views(self.grad)
        for view, grad in zip(self.views.values(), self.gradients.values(), strict=True):
            view.requires_grad_()
            # autograd's; what lies across has a backward pass of its own, in turn into one of two places
            view.grad = None if self.layout.across else grad

    @classmethod
    def of(cls, networks: Sequence[nn.Module], copies: int, *, across: bool = False) -> Weights:
        """Return the weights of S networks, each repeated for so many replicates: seed by seed."""
        trained = {n for n, p in networks[0].named_parameters() if p.requires_grad}
        every = [dict([*n.named_parameters(), *n.named_buffers()]) for n in networks]
        stacked = {
            name: torch.stack([own[name].detach() for own in every]).repeat_interleave(copies, dim=0)
            for name in every[0]
        }
        names = {id(tensor): name for name, tensor in every[0].items()}
        state = networks[0].state_dict(keep_vars=True)
        return cls(
            {n: t for n, t in stacked.items() if n in trained},
            {n: t for n, t in stacked.items() if n not in trained},
            {key: names[id(tensor)] for key, tensor in state.items()},
            across=across,
        )

    @property
    def next_gradients(self) -> dict[str, Tensor]:
        """Views of where gradients may be written while those of the step before are at hand."""
        if self._spare is None:
            grad = torch.zeros_like(self.grad)
            self._spare = grad, self.layout.views(grad)
        return self._spare[1]

    def advance(self) -> None:
        """Make the next gradients those that are at hand."""
        assert self._spare is not None  # noqa: S101 - they have been written
        before = self.grad, self.gradients
        (self.grad, self.gradients), self._spare = self._spare, before

    def clip(self, most: float) -> None:
        """Scale each replicate's gradient to at most this norm, as torch.nn.utils.clip_grad_norm_ does."""
        norms = [torch.linalg.vector_norm(g.reshape(len(g), -1), dim=1) for g in self.gradients.values()]
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

    def select(self, replicates: Tensor, into: Layout) -> None:
        """Keep these replicates only, laid out as ``into``.

        The flat tensor stays the same object, which an optimiser holds.
        """
        self.flat.grad = None
        self.flat.data = self.layout.picked(self.flat, replicates, into)
        self.buffers = {name: b[replicates] for name, b in self.buffers.items()}
        self.layout = into
        self._lay_out()

    def state(self, replicate: int, of: Snapshot | None = None) -> dict[str, Tensor]:
        """Return the state_dict of one replicate, on the CPU; of a snapshot where given."""
        views = self.views if of is None else self.layout.views(of.flat)
        every = {**views, **(self.buffers if of is None else of.buffers)}
        return {key: every[name][replicate].detach().cpu().clone() for key, name in self.keys.items()}
