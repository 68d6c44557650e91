"""Targets of a population in every encoding that its criteria read, and what its rows weigh."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from lossearch.kinds import KINDS, Table, weights_of_rows
from lossearch.training.population.criteria import WEIGHTS, PairSlice


@dataclass(frozen=True)
class TargetEncoder:
    """Encodes canonical targets for all slices of a population, and weighs their rows.

    ``tables`` say what rows weigh by their class under each seed, None where they are not weighted.
    """

    slices: Sequence[PairSlice]
    n_out: int
    tables: Sequence[Table | None]

    def __call__(self, y: Tensor, sample_weight: Tensor | None) -> dict[str, Tensor]:
        """Return targets (S, N[, T]) in each encoding, (S, 1, N[, T]), and where rows are weighted what they weigh.

        ``sample_weight`` is what rows weigh by themselves, (S, N).
        """
        by_name = {s.encoding: s for s in self.slices}
        found = {name: s.encode(y, self.n_out) for name, s in by_name.items()}
        tables = [table for table in self.tables if table is not None]
        if not tables:
            return found
        kind, dtype = self.slices[0].pair.kind, self.slices[0].dtype
        # in float64, which not every device has
        codes, own = KINDS[kind].class_codes(y.cpu()), None if sample_weight is None else sample_weight.cpu()
        weights = weights_of_rows(torch.tensor(tables, dtype=torch.float64), codes, own)
        return {**found, WEIGHTS: weights.unsqueeze(1).to(dtype).to(y.device)}
