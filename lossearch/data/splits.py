"""Which rows are for training, validation and test.

The test part is drawn once, from the study's seed; a replicate's seed draws training and validation
rows from the rest. Parts that were given are used as they are.
"""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import GroupShuffleSplit, StratifiedGroupKFold, train_test_split

from lossearch._random import stream
from lossearch._registry import unknown_name
from lossearch.errors import InputError, refuse

ROLES = ("train", "validation", "test")
TEST_SHARE = 0.2
VALIDATION_SHARE = 0.25
MIN_ROWS = 10
Rows = NDArray[np.int64]
Array = NDArray[Any]
_RANGE = re.compile(r"\s*(\d*)\s*:\s*(\d*)\s*")


@dataclass(frozen=True, eq=False)
class Labels:
    """What a split must respect: classes to keep in proportion, groups to keep whole, order in time."""

    n: int
    strata: Array | None = None
    groups: Array | None = None
    time: Array | None = None
    classes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Splits:
    """The test rows, and how the rest is divided under a seed.

    ``pool`` holds the rows that training and validation are drawn from; where ``validation`` is given,
    the pool is the training part.
    """

    labels: Labels
    pool: Rows
    validation: Rows | None
    test: Rows
    share: float
    words: str

    @property
    def not_test(self) -> Rows:
        """Every row of training or validation, whatever the seed."""
        return self.pool if self.validation is None else np.union1d(self.pool, self.validation)

    @property
    def by_seed(self) -> bool:
        """Whether a seed changes the rows."""
        return self.validation is None and self.labels.time is None

    @property
    def planned(self) -> Rows:
        """The rows that say which inputs there are: training rows, of every seed where seeds draw them."""
        return self.not_test if self.by_seed else self.rows(0)[0]

    def rows(self, seed: int) -> tuple[Rows, Rows]:
        """Return the training and the validation rows of a seed, each in ascending order."""
        if self.validation is not None:
            return self.pool, self.validation
        return draw(self.labels, self.pool, self.share, stream(seed, "validation part"), "validation")


def _by_time(time: Array, rows: Rows, share: float, part: str) -> tuple[Rows, Rows]:
    order = rows[np.argsort(time[rows], kind="stable")]
    times = time[order]
    cut = len(order) - max(1, round(share * len(order)))
    while cut > 0 and times[cut - 1] == times[cut]:
        cut -= 1
    if cut == 0:
        raise InputError(f"The {part} part cannot be the latest rows: too many rows bear the same time.")
    return np.sort(order[:cut]), np.sort(order[cut:])


def _by_group(
    groups: Array, strata: Array | None, rows: Rows, share: float, state: int, part: str
) -> tuple[Rows, Rows]:
    n_groups, folds = len(np.unique(groups)), max(2, round(1 / share))
    if n_groups < folds:
        raise InputError(
            f"{n_groups} groups are too few to draw a {part} part of {share:.0%}: {folds} or more are needed."
        )
    if strata is None:
        splitter = GroupShuffleSplit(n_splits=1, test_size=share, random_state=state)
        kept, taken = next(splitter.split(rows, groups=groups))
        return rows[kept], rows[taken]
    _, counts = np.unique(strata, return_counts=True)
    every = len(counts)
    if counts.max() < folds:
        raise InputError(f"No class has the {folds} rows that a {part} part of {share:.0%} by groups needs.")
    stratified = StratifiedGroupKFold(n_splits=folds, shuffle=True, random_state=state)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # on classes rarer than folds, which is judged below
        found = list(stratified.split(rows, strata, groups))
    for kept, taken in found:
        if len(np.unique(strata[kept])) == every and len(np.unique(strata[taken])) > 1:
            return rows[kept], rows[taken]
    raise InputError(
        f"No {part} part of whole groups leaves every class among the other rows: some class lies in one group only."
    )


def too_few(labels: Labels, rows: Rows, share: float, part: str) -> str:
    """Return why no such share of these rows can be drawn, in a sentence; '' where it can."""
    if len(rows) < MIN_ROWS:
        return f"{len(rows)} rows are too few to draw a {part} part from: {MIN_ROWS} or more are needed."
    if labels.strata is None or labels.groups is not None or labels.time is not None:
        return ""
    values, counts = np.unique(labels.strata[rows], return_counts=True)
    if counts.min() < 2:
        which = values[counts.argmin()]
        name = labels.classes[which] if labels.classes else which
        return f"Class {name!r} has a single row left to draw a {part} part from: it needs 2 or more."
    taken = math.ceil(share * len(rows))
    if min(taken, len(rows) - taken) < len(values):
        return (
            f"A {part} part of {share:.0%} of {len(rows)} rows has {taken} rows, fewer than the "
            f"{len(values)} classes. Give more rows or another share."
        )
    return ""


def draw(labels: Labels, rows: Rows, share: float, seed: int, part: str) -> tuple[Rows, Rows]:
    """Return ``rows`` in two: what is kept, and the part drawn, each in ascending order.

    Raises:
        InputError: there are too few rows, classes or groups.
    """
    refuse([p for p in [too_few(labels, rows, share, part)] if p])
    state = seed % 2**32
    if labels.time is not None:
        return _by_time(labels.time, rows, share, part)
    strata = None if labels.strata is None else labels.strata[rows]
    if labels.groups is not None:
        return _by_group(labels.groups[rows], strata, rows, share, state, part)
    kept, taken = train_test_split(rows, test_size=share, random_state=state, stratify=strata)
    return np.sort(kept), np.sort(taken)


def row_range(text: str, n: int, part: str) -> Rows:
    """Return the rows of "0:500", counted from 0, the end not included.

    Raises:
        InputError: it is not such a range, is empty, or goes past the last row.
    """
    found = _RANGE.fullmatch(str(text))
    if found is None:
        raise InputError(f"Rows of the {part} part: {text!r} is not a range such as '0:500'.")
    low, high = int(found[1] or 0), int(found[2] or n)
    if high > n:
        raise InputError(f"Rows of the {part} part: {text!r} goes past the last of {n} rows.")
    if low >= high:
        raise InputError(f"Rows of the {part} part: {text!r} holds no rows.")
    return np.arange(low, high)


def parts_by_rows(rows: Mapping[str, str], n: int) -> dict[str, Rows]:
    """Return the parts that row ranges name.

    Raises:
        InputError: a part's name or range is wrong, or there is no training part.
    """
    refuse([unknown_name("part", part, ROLES) for part in rows if part not in ROLES])
    if "train" not in rows:
        raise InputError("Given rows name no training part: add train = 'first:last'.")
    return {part: row_range(text, n, part) for part, text in rows.items()}


def _check_parts(parts: Mapping[str, Rows], labels: Labels) -> None:
    problems = []
    names = [role for role in ROLES if role in parts]
    for i, one in enumerate(names):
        if len(parts[one]) < 2:
            problems.append(f"The {one} part has {len(parts[one])} rows; 2 or more are needed.")
        for other in names[i + 1 :]:
            both = len(np.intersect1d(parts[one], parts[other]))
            if both:
                problems.append(
                    f"{both} rows are in both the {one} and the {other} part; parts may not overlap."
                )
            if labels.groups is not None:
                shared = np.intersect1d(labels.groups[parts[one]], labels.groups[parts[other]])
                if len(shared):
                    problems.append(f"{len(shared)} groups have rows in both the {one} and the {other} part.")
    refuse(problems)


def _check_classes(labels: Labels, pool: Rows, others: Mapping[str, Rows]) -> None:
    if labels.strata is None:
        return
    seen = np.unique(labels.strata[pool])
    problems = []
    if len(seen) < 2:
        problems.append("The training part holds one class only: there is nothing to learn.")
    for part, rows in others.items():
        new = np.setdiff1d(labels.strata[rows], seen)
        names = ", ".join(repr(labels.classes[i]) if labels.classes else str(i) for i in new)
        if len(new):
            problems.append(f"The {part} part holds classes that the training part lacks: {names}.")
    refuse(problems)


def _share(value: float | None, default: float, part: str) -> float:
    share = default if value is None else float(value)
    if not 0 < share < 1:
        raise InputError(f"The {part} part's share must lie between 0 and 1; got {share:g}.")
    return share


def make_splits(
    labels: Labels,
    *,
    given: Mapping[str, Rows] | None = None,
    test: bool | float | None = None,
    validation: float | None = None,
    seed: int = 0,
) -> Splits:
    """Return the test rows and how the rest is divided.

    Args:
        labels: what the split must respect.
        given: parts that are used as they are; those not named are drawn.
        test: None or True draws 20 %, a number that share, False none.
        validation: the share of the rest, 25 % by default.
        seed: the study's, which draws the test part.

    Raises:
        InputError: the parts given overlap, or there are too few rows, classes or groups.
    """
    parts = dict(given or {})
    if labels.groups is not None and labels.time is not None:
        raise InputError("Rows can be split by group or by time, not both: give one of groups and time.")
    _check_parts(parts, labels)
    named = np.concatenate(list(parts.values())) if parts else np.empty(0, dtype=np.int64)
    pool = np.sort(parts["train"]) if "train" in parts else np.setdiff1d(np.arange(labels.n), named)
    held = np.sort(parts["test"]) if "test" in parts else np.empty(0, dtype=np.int64)
    share = _share(validation, VALIDATION_SHARE, "validation")
    how = _how(labels)
    words = []
    if "test" in parts:
        words.append("test part as given")
    elif test is False:
        words.append("no test part")
    else:
        test_share = _share(None if test is None or test is True else test, TEST_SHARE, "test")
        pool, held = draw(labels, pool, test_share, stream(seed, "test part"), "test")
        words.append(f"test part {test_share:.0%} of the rows, {how}")
    fixed = np.sort(parts["validation"]) if "validation" in parts else None
    words.append(
        "validation part as given" if fixed is not None else f"validation part {share:.0%} of the rest, {how}"
    )
    _check_classes(labels, pool, {k: v for k, v in (("validation", fixed), ("test", held)) if v is not None})
    splits = Splits(labels, pool, fixed, held, share, "; ".join(words))
    splits.rows(seed)
    return splits


def _how(labels: Labels) -> str:
    if labels.time is not None:
        return "the latest"
    if labels.groups is not None:
        return "by whole groups"
    return "drawn in proportion to the classes" if labels.strata is not None else "drawn at random"
