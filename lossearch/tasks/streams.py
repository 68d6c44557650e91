"""Folds of data that memory does not hold: training rows are read, all others and a sample are held."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch

from lossearch._random import rng
from lossearch._text import size
from lossearch.data import preparation
from lossearch.data.inputs import Inputs
from lossearch.data.rows import Draw, Features, Ids, RowSource, rows_of
from lossearch.data.splits import TEST_SHARE, VALIDATION_SHARE, Splits
from lossearch.errors import InputError
from lossearch.tasks.parts import Parts
from lossearch.tasks.task import Fold, Part

SAMPLE_ROWS = 10_000
"""Training rows held: they fix the inputs' scaling, and training metrics are scored on them."""
HELD_ROWS = 50_000
"""Rows of a validation or test part that is drawn without its share being said."""
HELD_BYTES = 2**30
"""Bytes that one part's held inputs may take."""

Prepare = Callable[[Features, Ids], Part]


@dataclass(frozen=True, eq=False)
class RowStream:
    """Training rows read from their source, one order an epoch, whoever trains on them.

    ``prepare`` makes rows of the source ready for a network; ``seed`` is the study's.
    """

    source: RowSource
    rows: Ids
    prepare: Prepare
    seed: int
    readers: int = 0

    def __len__(self) -> int:
        return len(self.rows)

    def batches(self, epoch: int, sizes: Sequence[int]) -> Iterator[Part]:
        """Give an epoch's batches (from 0) of these sizes, which add up to all rows."""
        pieces = self.source.pieces(self.rows, Draw(self.seed, epoch, self.readers))
        return cut((self.prepare(x, ids) for x, ids in pieces), sizes)


def _joined(parts: Sequence[Part]) -> Part:
    if len(parts) == 1:
        return parts[0]
    rows = [p.rows for p in parts if p.rows is not None]
    weights = [p.sample_weight for p in parts if p.sample_weight is not None]
    return Part(
        torch.cat([p.x for p in parts]),
        torch.cat([p.y for p in parts]),
        np.concatenate(rows) if rows else None,
        sample_weight=torch.cat(weights) if weights else None,
    )


def cut(pieces: Iterator[Part], sizes: Sequence[int]) -> Iterator[Part]:
    """Give rows that come in pieces of any size as parts of the sizes asked."""
    left: Part | None = None
    for wanted in sizes:
        found: list[Part] = []
        lacking = wanted
        while lacking:
            left = next(pieces) if left is None else left
            found.append(left.cut(0, lacking))
            lacking -= len(found[-1])
            left = left.cut(len(found[-1]), len(left)) if len(found[-1]) < len(left) else None
        yield _joined(found)


def drawn_shares(
    test: bool | float | None, validation: float | None, rows: int, held_rows: int | None
) -> tuple[bool | float, float]:
    """Return the shares of drawn parts; where none was said, of no more rows than are held."""
    most = (held_rows or HELD_ROWS) / max(1, rows)
    drawn_test = min(TEST_SHARE, most) if test is None or test is True else test
    return drawn_test, min(VALIDATION_SHARE, most) if validation is None else validation


class StreamedFolds:
    """The one fold of streamed data, whatever the seed, and its test rows.

    A fixed sample of the training rows is held: it says how inputs are scaled, and training metrics are
    scored on it. Validation and test rows are held whole, or at most ``held_rows`` of each.

    Args:
        source: where features are read from.
        splits: which rows are for what; what a seed would draw is drawn once, by the study's.
        parts: makes rows ready.
        scale: whether inputs are standardised.
        channels_first: whether the network takes images as (N, C, H, W) alone.
        held_rows: rows of each part that are held at most, None for the whole validation and test part.
        readers: processes that read ahead.
        seed: the study's.

    Raises:
        InputError: the validation or the test part is too large to be held.
    """

    def __init__(
        self,
        source: RowSource,
        splits: Splits,
        parts: Parts,
        *,
        scale: bool,
        channels_first: bool,
        held_rows: int | None,
        readers: int,
        seed: int,
    ) -> None:
        self._source, self._parts, self._seed, self._readers = source, parts, seed, readers
        self._train, validation = splits.rows(seed)
        most = min(held_rows or SAMPLE_ROWS, rows_of(HELD_BYTES, source.read(self._train[:1])))
        self._sample = self._some(self._train, max(2, most), "training sample")
        self._known = source.read(self._sample)
        known = np.arange(len(self._sample))
        self.plan = preparation.make_plan(self._known, known, scale=scale, channels_first=channels_first)
        self._transform = preparation.fit(self.plan, self._known)
        self._sampled = parts.part(self._transform, self._known, self._sample)
        self._validation = self._kept(validation, held_rows, "validation")
        self._test = self._kept(splits.test, held_rows, "test")

    def _some(self, rows: Ids, most: int, name: str) -> Ids:
        if len(rows) <= most:
            return rows
        return np.sort(rng(self._seed, name).choice(rows, most, replace=False))

    def _kept(self, rows: Ids, held_rows: int | None, part: str) -> Ids:
        rows = rows if held_rows is None else self._some(rows, held_rows, f"{part} sample")
        row = self._sampled.x[0].nbytes
        if len(rows) * row > HELD_BYTES:
            raise InputError(
                f"The {part} part has {len(rows)} rows of {row} bytes, {size(len(rows) * row)}; it is held "
                f"in memory to be scored, in {size(HELD_BYTES)} at most. Set held_rows = "
                f"{HELD_BYTES // row} in [task] to score a fixed sample of so many rows, or give a smaller part."
            )
        return rows

    @property
    def notes(self) -> tuple[str, ...]:
        """What is different where rows are streamed."""
        known = len(self._sample)
        words = "all" if known == len(self._train) else f"a fixed sample of {known} of the"
        order = (
            f"{len(self._train)} training rows are read batch by batch, in one order an epoch for every replicate "
            "(drawn from the study's seed): seeds vary weights and random layers only"
        )
        return order, f"inputs are prepared by, and training metrics scored on, {words} training rows"

    def sizes(self, seed: int) -> dict[str, int]:  # noqa: ARG002 - the same under every seed
        """Return how many rows are trained on, and held for validation and test."""
        return {"train": len(self._train), "validation": len(self._validation), "test": len(self._test)}

    @cached_property
    def _fold(self) -> Fold:
        return Fold(
            self._seed,
            self._sampled,
            self._read(self._validation),
            self._parts.statistics(self._train),
            self._stream(self._train),
            self._parts.census(self._train),
        )

    @cached_property
    def _test_part(self) -> Part:
        return self._read(self._test)

    def _read(self, rows: Ids) -> Part:
        return self._prepared(self._source.read(rows), rows)

    def _prepared(self, x: Features, rows: Ids) -> Part:
        return self._parts.part(self._transform, x, rows)

    def _stream(self, rows: Ids) -> RowStream:
        return RowStream(self._source, rows, self._prepared, self._seed, self._readers)

    def fold(self, seed: int) -> Fold:
        """Return the rows, which are the same under every seed."""
        return replace(self._fold, seed=seed)

    def test(self, seed: int) -> Part | None:  # noqa: ARG002 - the same under every seed
        """Return the test rows that are held; None where there are none."""
        return self._test_part if len(self._test) else None

    def inputs(self, seed: int, whole: bool) -> Inputs:  # noqa: ARG002 - the same under every seed
        """Return how rows become inputs."""
        return preparation.fit_inputs(self.plan, self._known)

    def whole(self, seed: int) -> Fold:
        """Return a fold whose training rows are all rows but the test part."""
        rows = np.union1d(self._train, self._validation)
        return replace(
            self._fold,
            seed=seed,
            statistics=self._parts.statistics(rows),
            stream=self._stream(rows),
            census=self._parts.census(rows),
        )
