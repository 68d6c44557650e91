"""Rows of a data set as a network is given them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from lossearch.data import preparation
from lossearch.data.rows import Array, Features, Ids
from lossearch.kinds import KINDS, Target, TargetStatistics
from lossearch.tasks.task import Census, Part
from lossearch.tasks.weights import census, class_counts


@dataclass(frozen=True, eq=False)
class Parts:
    """Makes parts: inputs by what training rows said, canonical targets, row and group numbers, weights.

    ``sample_weight`` is what each row weighs, None where all weigh the same. ``groups`` are the numbers of groups, one a row; ``standardize`` says whether regression targets are
    standardised for losses that train on real numbers.
    """

    target: Target
    groups: Array | None
    standardize: bool
    dtype: torch.dtype
    sample_weight: Array | None = None

    def part(self, transform: preparation.Transform, x: Features, rows: Ids) -> Part:
        """Return these features, of the rows with these numbers, as a part."""
        inputs = torch.as_tensor(transform(x), dtype=self.dtype)
        groups = None if self.groups is None else self.groups[rows]
        return Part(inputs.contiguous(), self._targets(rows), rows, groups, self._weights(rows))

    def _weights(self, rows: Ids) -> Tensor | None:
        return None if self.sample_weight is None else torch.as_tensor(self.sample_weight[rows])

    def _targets(self, rows: Ids) -> Tensor:
        return KINDS[self.target.kind].tensor(torch.as_tensor(self.target.y[rows]), self.dtype)

    def census(self, train: Ids) -> Census:
        """Return how much of each class there is among training rows.

        Raises:
            InputError: rows weigh 0 all together.
        """
        return census(self.target.kind, self._targets(train), self._weights(train), self.target.n_out)

    def statistics(self, train: Ids) -> TargetStatistics:
        """Return the statistics of training targets that encodings and losses ask for."""
        found = TargetStatistics()
        if KINDS[self.target.kind].scaled:
            laid_out = len(self.target.shape) > 1
            found = preparation.target_statistics(
                self.target.y[train], standardize=self.standardize, pooled=laid_out
            )
        return replace(
            found, class_counts=class_counts(self.target.kind, self.census(train), self.target.n_out)
        )
