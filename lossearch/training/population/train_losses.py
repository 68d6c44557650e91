"""The losses of an epoch's steps, computed for many steps at once.

A step needs its losses' derivatives only. The losses themselves are a curve's; few operations on all the
outputs of an epoch cost a fraction of many on a batch each.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from lossearch.training.population.criteria import Criteria

KEPT_BYTES = 16 * 2**20
"""Bytes of outputs that are kept before their losses are computed."""


@dataclass
class TrainLosses:
    """Keeps what the steps of an epoch put out until their losses are asked for."""

    criteria: Criteria
    raw: list[Tensor] = field(default_factory=list)
    encoded: list[Mapping[str, Tensor]] = field(default_factory=list)
    known: list[Sequence[Tensor | None]] = field(default_factory=list)
    computed: list[Tensor] = field(default_factory=list)
    reported: int = 0
    """How many entries of ``computed`` have been given as new."""

    def add(
        self,
        raw: Tensor,
        encoded: Mapping[str, Tensor],
        known: Sequence[Tensor | None],
    ) -> None:
        """Keep one step's outputs (S, C, B, n_out), which may then be overwritten, and its targets.

        ``known`` are the losses of each slice that has them already.
        """
        whole = [k for k in known if k is not None]
        if len(whole) == len(known):
            self.computed.append(torch.cat(whole, dim=1).unsqueeze(0))
            return
        # rows innermost where the network has them so
        across = raw.stride(3) != 1
        self.raw.append(raw.transpose(2, 3).clone().transpose(2, 3) if across else raw.clone())
        self.encoded.append(encoded)
        self.known.append(known)
        if len(self.raw) * raw.nbytes > KEPT_BYTES:
            self._compute()

    def all(self) -> Tensor:
        """Return the losses (steps, S, C) of all steps since the start of the epoch."""
        self._compute()
        return torch.cat(self.computed)

    def new(self) -> Tensor:
        """Return the losses (steps, S, C) of the steps since this was last called."""
        self._compute()
        fresh = self.computed[self.reported :]
        self.reported = len(self.computed)
        return torch.cat(fresh)

    def _compute(self) -> None:
        start = 0
        while start < len(self.raw):
            end = start
            while end < len(self.raw) and self.raw[end].shape == self.raw[start].shape:
                end += 1
            self.computed.append(self._losses(slice(start, end)))
            start = end
        self.raw, self.encoded, self.known = [], [], []

    def _losses(self, steps: slice) -> Tensor:
        """Return the losses of steps with batches of one size."""
        outputs, targets = self.raw[steps], self.encoded[steps]
        # joined along what is innermost or next to it, so that the layout stays
        raw = torch.cat([o.transpose(2, 3) for o in outputs], dim=3).transpose(2, 3)
        encoded = {n: torch.cat([t[n] for t in targets], dim=2) for n in targets[0]}
        rest = iter(self.criteria.losses(raw, encoded, len(outputs), unknown=True))
        each = []
        for i in range(len(self.criteria.slices)):
            known = [k for step in self.known[steps] if (k := step[i]) is not None]
            each.append(torch.stack(known) if known else next(rest))
        return torch.cat(each, dim=2)
