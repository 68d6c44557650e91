"""Rows of a data set as a network is given them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from lossearch.data import preparation
from lossearch.data.rows import Array, Features, Ids
from lossearch.kinds.target import Target
from lossearch.losses import TargetStatistics
from lossearch.tasks.task import Part


@dataclass(frozen=True, eq=False)
class Parts:
    """Makes parts: inputs by what training rows said, canonical targets, row and group numbers.

    ``groups`` are the numbers of groups, one a row; ``standardize`` says whether regression targets are
    standardised for losses that train on real numbers.
    """

    target: Target
    groups: Array | None
    standardize: bool
    dtype: torch.dtype

    def part(self, transform: preparation.Transform, x: Features, rows: Ids) -> Part:
        """Return these features, of the rows with these numbers, as a part."""
        inputs = torch.as_tensor(transform(x), dtype=self.dtype)
        groups = None if self.groups is None else self.groups[rows]
        return Part(inputs.contiguous(), self._targets(rows), rows, groups)

    def _targets(self, rows: Ids) -> Tensor:
        y = self.target.y[rows]
        if self.target.kind == "multiclass":
            return torch.as_tensor(y, dtype=torch.int64)
        return torch.as_tensor(y if y.ndim == 2 else y[:, None], dtype=self.dtype)

    def statistics(self, train: Ids) -> TargetStatistics:
        """Return the statistics of training targets that encodings and losses ask for."""
        if self.target.kind != "regression":
            return TargetStatistics()
        return preparation.target_statistics(self.target.y[train], standardize=self.standardize)
