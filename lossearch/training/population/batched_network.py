"""A network applied to a whole population: what each form of it does, and the one for any network, by vmap.

Replicates are ordered seed by seed, C configurations a seed. Configurations of a seed see the same rows, so that what
depends on the rows alone is computed once a seed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.func import functional_call

from lossearch._random import seed_draws, stream
from lossearch.pairs.shapes import lifted
from lossearch.training.population.criteria import Criteria
from lossearch.training.population.dropout import SharedDropout
from lossearch.training.population.weights import Weights
from lossearch.training.precision import PRECISIONS, Precision

Tensors = Mapping[str, Tensor]
Seeds = Sequence[int] | None
"""What a step's random layers are seeded with, one a seed; None where nothing is drawn."""
Observe = Callable[[Tensor, Tensor | None, Sequence[Tensor | None]], bool]
"""Takes a step's raw output (S, C, B, n_out), its sum where that is known, and each slice's losses where they
are known, while the gradients of the step before are at hand; returns whether replicates have been lost."""


class BatchedNetwork:
    """A network for a population: applied to all its replicates at once, and differentiated.

    ``precision`` is that of its products. Parameters and buffers of K = S * C replicates are tensors (K, ...).
    """

    row_axis: ClassVar[int]
    """The axis of rows in the layout of its inputs."""
    known_layers: ClassVar[bool] = True
    """Whether it is written out layer by layer; what it gives is otherwise compared before training."""
    across: ClassVar[bool] = False
    """Whether weights are to lie across replicates; see ``weights.Layout``."""
    keeps_activations: ClassVar[bool] = True
    """Whether memory grows with the rows that are scored at a time."""
    precision: Precision

    def rows(self, x: Tensor) -> Tensor:
        """Return inputs (S, N, ...) in the layout that :meth:`__call__` reads, rows on axis ``row_axis``."""
        raise NotImplementedError

    def __call__(
        self, parameters: Tensors, buffers: Tensors, x: Tensor, step_seeds: Seeds = None, *, training: bool
    ) -> Tensor:
        """Return raw output (S, C, B, n_out)."""
        raise NotImplementedError

    def evaluate(self, parameters: Tensors, buffers: Tensors, x: Tensor) -> Tensor:
        """Return raw output (S, C, B, n_out) in evaluation mode."""
        with self.precision.context(x.device):
            return lifted(self(parameters, buffers, x, training=False))

    def differentiate(
        self,
        criteria: Criteria,
        weights: Weights,
        x: Tensor,
        encoded: Tensors,
        step_seeds: Seeds,
        observe: Observe,
    ) -> bool:
        """Write the gradients of one batch where ``weights`` keeps them; return what ``observe`` does."""
        with self.precision.context(x.device):
            raw = self(weights.views, weights.buffers, x, step_seeds, training=True)
        raw = lifted(raw)
        derivatives, losses = criteria.derivatives(raw.detach(), encoded)
        lost = observe(raw.detach(), None, losses)
        self._propagate(raw, derivatives, weights)
        return lost

    def _propagate(self, raw: Tensor, derivatives: Sequence[Tensor], weights: Weights) -> None:
        """Write the gradients of all parameters, given the losses' derivatives in the raw output."""
        weights.grad.zero_()
        raw.backward(torch.cat(list(derivatives), dim=1))

    def forget(self) -> None:
        """Free what is kept for populations of this size."""

    def resized(self, *, compiled: bool) -> BatchedNetwork:
        """Return the network for a population of another size, which may be compiled anew or not."""
        del compiled
        self.forget()
        return self


@dataclass
class Vmapped(BatchedNetwork):
    """Any network that ``torch.func`` can batch: one call over seeds, within it one over configurations.

    ``random`` says whether it draws at random.
    """

    row_axis: ClassVar[int] = 1
    known_layers: ClassVar[bool] = False

    network: nn.Module
    random: bool
    precision: Precision = PRECISIONS["32-true"]

    def rows(self, x: Tensor) -> Tensor:
        """Return inputs (S, N, ...) as they are."""
        return x

    def __call__(
        self, parameters: Tensors, buffers: Tensors, x: Tensor, step_seeds: Seeds = None, *, training: bool
    ) -> Tensor:
        """Return raw output (S, C, B, n_out) from inputs (S, B, ...)."""
        if self.network.training is not training:
            self.network.train(training)
        seeds = x.shape[0]

        def split(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
            return {n: t.view(seeds, -1, *t.shape[1:]) for n, t in tensors.items()}

        parameters, buffers = split(parameters), split(buffers)
        if training and self.random and step_seeds is not None:
            drawing = torch.vmap(self._drawing, in_dims=(0, 0, None), randomness="same")
            each = []
            for s, seed in enumerate(step_seeds):
                # its random layers draw what the replicate alone would draw
                seed_draws(seed)
                p, b = ({n: t[s] for n, t in tensors.items()} for tensors in (parameters, buffers))
                each.append(drawing(p, b, x[s]))
            return torch.stack(each)
        over_configurations = torch.vmap(self._one, in_dims=(0, 0, None), randomness="error")
        found: Tensor = torch.vmap(over_configurations, randomness="error")(parameters, buffers, x)
        return found

    def _drawing(self, parameters: dict[str, Tensor], buffers: dict[str, Tensor], x: Tensor) -> Tensor:
        with SharedDropout(next(iter(parameters.values()))):
            return self._one(parameters, buffers, x)

    def _one(self, parameters: dict[str, Tensor], buffers: dict[str, Tensor], x: Tensor) -> Tensor:
        raw: Tensor = functional_call(self.network, (parameters, buffers), (x,))
        return raw


def step_seeds(seeds: Sequence[int], step: int) -> list[int]:
    """Return what each seed's random layers are seeded with at a step."""
    return [stream(seed, "step", step) for seed in seeds]
