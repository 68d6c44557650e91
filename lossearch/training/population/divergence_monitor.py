"""Which replicates of a population are still finite, and where the others left the finite numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lossearch.training.finiteness import first_cause, first_non_finite
from lossearch.training.population.criteria import PairSlice
from lossearch.training.population.weights import Weights


@dataclass(frozen=True)
class DivergedReplicate:
    """Where a replicate, (seed, configuration), left the finite numbers; as ``contract.Divergence``, step from 1."""

    seed: int
    configuration: int
    what: str
    step: int
    value: float


@dataclass
class DivergenceMonitor:
    """Looks for numbers that are not finite.

    ``alive`` says which replicates, (S, C), are still finite; the others' numbers mean nothing.
    ``lost`` are those found since it was last cleared.
    """

    alive: NDArray[np.bool_]
    lost: list[DivergedReplicate] = field(default_factory=list)

    def may_have_diverged(
        self, raw: Tensor, total: Tensor, slices: Sequence[PairSlice], losses: Sequence[Tensor | None]
    ) -> bool:
        """Return whether an output of a replicate alive, or its loss, may not be finite.

        ``total`` is the sum of the outputs ``raw``, (S, C, B, n_out); ``losses`` are those known of each
        slice, (S, c).
        """
        for own, known in zip(slices, losses, strict=True):
            if known is not None and not math.isfinite(float(known.sum())):
                alive = self.alive[:, own.start : own.end]
                if (~torch.isfinite(known).numpy() & alive).any():
                    return True
        # a sum is finite only if every term is, and cheaper than asking each
        if math.isfinite(float(total)):
            return False
        return bool((~torch.isfinite(raw.sum(dim=(2, 3))).numpy() & self.alive).any())

    def note(
        self,
        bad: NDArray[np.bool_],
        raw: Tensor,
        losses: Tensor,
        weights: Weights,
        *,
        step: int,
        taken: int,
    ) -> None:
        """Note replicates that have just left the finite numbers, and what was first to.

        To be called before gradients are written again: those of the step before are then still at hand.
        ``bad`` and ``losses`` are (S, C), outputs ``raw`` (S, C, N, n_out); ``step`` is the number, from 1,
        of the step that they are of, and ``taken`` how many the weights have taken.
        """
        for s, c in np.argwhere(bad & self.alive).tolist():
            self.alive[s, c] = False
            place = s * self.alive.shape[1] + c
            views = (v[place].detach() for v in weights.views.values())
            gradients = (g[place] for g in weights.gradients.values())
            what, value = first_cause(views, gradients, raw[s, c], float(losses[s, c]))
            at = taken if what in ("gradient", "weights") else step
            self.lost.append(DivergedReplicate(s, c, what, at, value))

    def note_late(self, losses: Tensor, first: int) -> bool:
        """Note each replicate's first loss that is not finite, of steps (steps, S, C) from number ``first``.

        Return whether there was any.
        """
        before = len(self.lost)
        bad = ~torch.isfinite(losses).cpu().numpy()
        for s, c in np.argwhere(bad.any(axis=0) & self.alive).tolist():
            self.alive[s, c] = False
            step = int(bad[:, s, c].argmax())
            self.lost.append(DivergedReplicate(s, c, "loss", first + step, float(losses[step, s, c])))
        return len(self.lost) > before

    def guard(
        self,
        slices: Sequence[PairSlice],
        losses: Tensor,
        outputs: Sequence[Tensor],
        weights: Weights,
        taken: int,
    ) -> bool:
        """Note replicates with a loss, an output (raw or activated) or a weight that is not finite.

        Return whether there were any. ``losses`` are of the validation part, (S, C), ``outputs`` raw
        outputs (S, C, N, n_out) of a part each, from weights that have ``taken`` so many steps.
        """
        total = losses.sum() + weights.flat.sum()
        for raw in outputs:
            total = total + raw.sum() + torch.stack([s.activated(raw).sum() for s in slices]).sum()
        if math.isfinite(float(total)):
            return False
        sums = [losses, *(raw.sum(dim=(2, 3)) for raw in outputs)]
        sums += [torch.cat([s.activated(raw).sum(dim=(2, 3)) for s in slices], dim=1) for raw in outputs]
        sums += [
            v.reshape(self.alive.size, -1).sum(dim=1).view(self.alive.shape) for v in weights.views.values()
        ]
        suspect = ~torch.isfinite(torch.stack([s.to(losses.dtype) for s in sums])).all(dim=0)
        bad = suspect.cpu().numpy() & self.alive
        if not bad.any():
            return False
        activated = [torch.cat([s.activated(raw) for s in slices], dim=1) for raw in outputs]
        every = torch.cat([t for pair in zip(activated, outputs, strict=True) for t in pair], dim=2)
        for s, c in np.argwhere(bad).tolist():
            k = s * self.alive.shape[1] + c
            own = [losses[s, c], every[s, c], *(v[k] for v in weights.views.values())]
            bad[s, c] = first_non_finite(own) is not None
        self.note(bad, every, losses, weights, step=taken, taken=taken)
        return bool(bad.any())
