"""The training, validation and test rows of every seed, of data held in memory."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace
from typing import Any

from lossearch.data import preparation
from lossearch.data.inputs import Inputs
from lossearch.data.rows import Features, take
from lossearch.data.splits import Rows, Splits
from lossearch.tasks.parts import Parts
from lossearch.tasks.task import Fold, Part

CACHE_BYTES = 256 * 2**20
MAX_FOLDS = 64


class Folds:
    """The rows of every seed, prepared; the last used are kept.

    Args:
        x: the features of all rows.
        splits: which rows are for what.
        parts: makes rows ready.
        scale: whether inputs are standardised.
        channels_first: whether the network takes images as (N, C, H, W) alone.
    """

    notes: tuple[str, ...] = ()

    def __init__(
        self, x: Features, splits: Splits, parts: Parts, *, scale: bool, channels_first: bool
    ) -> None:
        self._x, self._splits, self._parts = x, splits, parts
        self.plan = preparation.make_plan(x, splits.planned, scale=scale, channels_first=channels_first)
        self._kept: OrderedDict[int, Fold] = OrderedDict()
        self._room = 0

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_kept": OrderedDict()}

    def sizes(self, seed: int) -> dict[str, int]:
        """Return how many rows each part has under a seed."""
        train, validation = self._splits.rows(seed)
        return {"train": len(train), "validation": len(validation), "test": len(self._splits.test)}

    def fold(self, seed: int) -> Fold:
        """Return the training and validation rows of a seed."""
        key = seed if self._splits.by_seed else 0
        if key not in self._kept:
            fold = self._make(key)
            size = fold.train.x.nbytes + fold.validation.x.nbytes
            self._room = int(min(MAX_FOLDS, max(2, CACHE_BYTES // max(1, size))))
            self._kept[key] = fold
            while len(self._kept) > self._room:
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        kept = self._kept[key]
        return kept if kept.seed == seed else replace(kept, seed=seed)

    def test(self, seed: int) -> Part | None:
        """Return the test rows as prepared by a seed's training rows; None where there are none."""
        if not len(self._splits.test):
            return None
        train, _ = self._splits.rows(seed)
        return self._part(preparation.fit(self.plan, take(self._x, train)), self._splits.test)

    def inputs(self, seed: int, whole: bool) -> Inputs:
        """Return how rows become inputs by a seed's training rows, or by all but the test rows."""
        rows = self._splits.not_test if whole else self._splits.rows(seed)[0]
        return preparation.fit_inputs(self.plan, take(self._x, rows))

    def whole(self, seed: int) -> Fold:
        """Return a fold whose training rows are all rows but the test part, a seed's validation rows too."""
        return self._fold(seed, self._splits.not_test, self._splits.rows(seed)[1])

    def _make(self, seed: int) -> Fold:
        return self._fold(seed, *self._splits.rows(seed))

    def _fold(self, seed: int, train: Rows, validation: Rows) -> Fold:
        transform = preparation.fit(self.plan, take(self._x, train))
        statistics = self._parts.statistics(train)
        return Fold(
            seed,
            self._part(transform, train),
            self._part(transform, validation),
            statistics,
            census=self._parts.census(train),
        )

    def _part(self, transform: preparation.Transform, rows: Rows) -> Part:
        return self._parts.part(transform, take(self._x, rows), rows)
