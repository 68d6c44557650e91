"""What kinds of classes share: one class a row, from two classes up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar
from unicodedata import normalize

import numpy as np

from lossearch.errors import InputError
from lossearch.kinds._kind import Array, Kind
from lossearch.kinds._target import class_name, some_rows


class ClassKind(Kind):
    """A kind of task whose targets are one class a row, counted from 0."""

    kept: ClassVar[tuple[str, ...]] = ("label", "probability", "score")
    figures: ClassVar[tuple[str, ...]] = ("confusion", "ranking", "calibration")

    def strata(self, y: Array) -> Array | None:
        """Return the classes: every part holds them in proportion."""
        return y

    def coded(self, y: Array, names: Sequence[str]) -> tuple[Array, tuple[str, ...]]:
        """Return class numbers (N,) int64, and the classes' names.

        Raises:
            InputError: a class has a single row.
        """
        values, codes, counts = np.unique(y, return_inverse=True, return_counts=True)
        own = tuple(names) if len(names) == len(values) else tuple(map(class_name, values))
        single = [
            f"class {own[i]!r} has a single row ({some_rows(codes == i)}), and every part needs its own"
            for i in np.flatnonzero(counts == 1)
        ]
        if single:
            more = f", and {len(single) - 1} more such classes" if len(single) > 1 else ""
            raise InputError(
                f"y: {single[0]}{more}. Leave such rows out, or merge the class with another. Read as {self.name}."
            )
        return codes.astype(np.int64), own

    def alike(self, classes: Sequence[str]) -> str:
        """Return a sentence on classes whose names differ in spaces, case or the form of letters alone, or ''."""
        by_words: dict[str, list[str]] = {}
        for name in classes:
            by_words.setdefault(" ".join(normalize("NFKC", name).split()).casefold(), []).append(name)
        several = [" and ".join(map(repr, names)) for names in by_words.values() if len(names) > 1]
        return f"; {', '.join(several)} differ in spaces or case alone: one class?" if several else ""

    def default_metric(self, y: Array) -> tuple[str, str]:
        """Return accuracy, or balanced accuracy where a class is rare, and the reason.

        Rare is less than 40 % of an equal share of the rows (of two classes: less than 20 % of the rows):
        accuracy says little there.
        """
        counts = np.unique(y, return_counts=True)[1]
        share = counts.min() / counts.sum()
        if share < 0.4 / len(counts):
            return "balanced_accuracy", (
                f"balanced_accuracy: the smallest of {len(counts)} classes has {share:.1%} of the rows, "
                "so accuracy would reward ignoring it"
            )
        return "accuracy", f"accuracy: the smallest of {len(counts)} classes has {share:.1%} of the rows"
