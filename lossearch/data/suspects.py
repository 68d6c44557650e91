"""What makes a score better than the model: columns that number the rows or tell the target, and repeated rows."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lossearch._text import listed
from lossearch.data.rows import Array, Features, Ids

MIN_ROWS = 10
"""Fewer rows may count by chance."""
MOST_RESTARTS = 2
"""How often a column may begin to count anew: three parts that are given one after another."""
SAMPLES = (50, 2000)
"""Rows looked at first: what holds for all rows holds for some of them too."""
FAR = 100
"""Times the span of the middle half that a value is away from the next."""
WIDE = 64
"""Columns above which rows are hashed as bytes."""

_UNNAMED = re.compile(r"|Unnamed: \d+(\.\d+)?", re.IGNORECASE)
_NUMBERING = {
    "index", "idx", "id", "row", "rowid", "rowname", "rownames", "rownumber", "rownum", "rowno", "no", "nr", "number",
    "sno", "serial", "obs", "observation", "record", "recordid", "recordno",
}  # fmt: skip


def _counts(values: Array) -> bool:
    """Return whether values go 0, 1, 2, ... or 1, 2, 3, ..., from the first again at most a few times."""
    if len(values) < MIN_ROWS or values[0] not in (0, 1) or values[1] != values[0] + 1:
        return False
    restarts = values[1:] == values[0]
    most = min(MOST_RESTARTS, len(values) // MIN_ROWS - 1)
    return bool(restarts.sum() <= most and ((np.diff(values) == 1) | restarts).all())


def _numbers_rows(values: Array) -> bool:
    """Return whether values are 0 to N - 1 or 1 to N in any order."""
    low, high = values.min(), values.max()
    if len(values) < MIN_ROWS or low not in (0, 1) or high - low != len(values) - 1:
        return False
    return len(np.unique(values)) == len(values)


def _is_number_of_row(name: str, values: Array) -> tuple[bool, bool]:
    """Return whether a column may be no more than the number of the row, and whether it surely is."""
    plain = re.sub(r"[^a-z0-9]", "", name.lower())
    unnamed = _UNNAMED.fullmatch(name.strip()) is not None
    if not (unnamed or plain in _NUMBERING):
        return _counts(values), False
    if np.isnan(values).any() or not np.equal(np.mod(values, 1), 0).all():
        return False, False
    # some rows of a table keep their numbers
    different = len(values) >= MIN_ROWS and len(np.unique(values)) == len(values)
    counts = _counts(values) or (different and _numbers_rows(values))
    return counts or different, (unnamed and (counts or different)) or (plain == "index" and counts)


def without_row_numbers(table: pd.DataFrame) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Return a cleaned table without columns that are surely the rows' numbers, and notes on them and on likely ones."""
    sure: list[Any] = []
    notes: list[str] = []
    for name in table.columns[table.dtypes == np.float64]:
        values = table[name].to_numpy()
        likely, surely = _is_number_of_row(str(name), values)
        if surely and table.shape[1] - len(sure) > 1:
            sure.append(name)
            notes.append(f"column {name!r} is left out: it numbers the rows")
        elif likely:
            notes.append(_row_number(repr(name)))
    return table.drop(columns=sure), tuple(notes)


def row_numbers(x: Array) -> tuple[str, ...]:
    """Return notes on columns of an array (N, F) that count the rows."""
    if x.ndim != 2 or len(x) < MIN_ROWS:
        return ()
    likely = np.flatnonzero(np.isin(x[0], (0, 1)) & (x[1] == x[0] + 1) & (x[2] == x[1] + 1))
    return tuple(_row_number(str(i)) for i in likely if _counts(x[:, i]))


def _row_number(name: str) -> str:
    return (
        f"column {name} numbers the rows: leave it out if it is no more than their number, which says nothing of new rows "
        "and, where rows are sorted, tells the target"
    )


# Columns that tell the target


def _same_order(values: Array, y: Array) -> bool:
    """Return whether targets rise, or fall, with values and only with them."""
    a, b = (pd.factorize(v, sort=True)[0] for v in (values, y))
    return bool((a == b).all() or (a == b.max() - b).all())


def _one_to_one(values: Array, y: Array) -> bool:
    a, b = pd.factorize(values)[0], pd.factorize(y)[0]
    pairs = len(pd.unique(a.astype(np.int64) * (b.max() + 1) + b))
    return bool(pairs == a.max() + 1 == b.max() + 1)


def _named_alike(values: Array, y: Array, rows: int) -> bool:
    """Return whether each of a few names, for so many rows in all, stands beside one class only."""
    names, different = pd.factorize(values)
    if len(different) > rows / MIN_ROWS:
        return False
    return len(pd.unique(names.astype(np.int64) * (y.max() + 1) + y)) == len(different)


def _tells(values: Array, y: Array, rows: int, *, classes: bool) -> str:
    """Return how a column of some of ``rows`` rows tells their targets, (N,), '' where it does not."""
    numeric = values.dtype.kind != "O"
    missing = np.isnan(values) if numeric else np.zeros(len(values), dtype=bool)
    if missing.any():
        if classes and _one_to_one(missing, y):
            return "tells the target by where it is missing"
        values, y = values[~missing], y[~missing]
        if len(y) < MIN_ROWS or len(np.unique(y)) < 2:
            return ""
    if classes:
        return _tells_classes(values, y, rows)
    if numeric and np.array_equal(values, y):
        return "is the target itself"
    if numeric and _same_order(values, y):
        return "is the target in other words"
    different = pd.factorize(y)[0]
    return _tells_classes(values, different, rows) if different.max() + 1 <= rows / MIN_ROWS else ""


def _tells_classes(values: Array, y: Array, rows: int) -> str:
    if _one_to_one(values, y):
        return "is the target in other words"
    alone = _named_alike(values, y, rows) if values.dtype.kind == "O" else _apart(values[:, None], y)[0]
    return "alone tells the target" if alone else ""


def telling_columns(x: Features, y: Array, *, classes: bool) -> tuple[str, ...]:
    """Return notes on columns of a table or an array (N, F) by which alone every target can be told.

    Args:
        x: cleaned features.
        y: class numbers (N,), or real targets (N, T).
        classes: which of the two.
    """
    if x.ndim != 2 or len(x) < MIN_ROWS:
        return ()
    targets = y.reshape(len(y), -1).T
    found = {name: how for target in targets for name, how in _telling(x, target, classes=classes)}
    if not found:
        return ()
    ways = {how: [repr(n) for n, h in found.items() if h == how] for how in found.values()}
    return tuple(
        f"column {listed(names, 5)} {how}: leave it out if it is not known before the target is"
        for how, names in ways.items()
    )


def _telling(x: Features, y: Array, *, classes: bool) -> Iterator[tuple[Hashable, str]]:
    places: Sequence[Any] = _possible(x, y, classes=classes)
    for most in (*SAMPLES, len(x)):
        rows = _some(len(x), most)
        if len(np.unique(y[rows])) < 2:
            continue
        how = {i: _tells(_column(x, i, rows), y[rows], len(x), classes=classes) for i in places}
        places = [i for i in places if how[i]]
        if rows.size == len(x):
            yield from ((_name(x, i), how[i]) for i in places)
            return


def _possible(x: Features, y: Array, *, classes: bool) -> list[int]:
    """Return the places of columns that may tell targets, by a few rows of all columns of numbers at once."""
    rows = _some(len(x), SAMPLES[0])
    numeric = _numeric(x)
    some = x.iloc[rows, numeric] if isinstance(x, pd.DataFrame) else x[rows]
    table = np.asarray(some, dtype=np.float64)
    few = len(np.unique(y)) <= len(y) / MIN_ROWS
    y = y[rows]
    fitting = np.isnan(table).any(axis=0)
    if classes or few:
        fitting |= _apart(table, y)
    if not classes:
        steps = np.diff(table[np.argsort(y, kind="stable")], axis=0)
        fitting |= (steps >= 0).all(axis=0) | (steps <= 0).all(axis=0)
    return sorted({*range(x.shape[1])} - {*numeric[~fitting].tolist()})


def _apart(table: Array, y: Array) -> Array:
    """Return for which columns each class has an interval of values of its own."""
    ends = np.array([(table[y == c].min(axis=0), table[y == c].max(axis=0)) for c in np.unique(y)])
    order = np.argsort(ends[:, 0], axis=0)
    low, high = (np.take_along_axis(ends[:, k], order, axis=0) for k in (0, 1))
    return np.asarray((low[1:] > high[:-1]).all(axis=0))


def _some(n: int, most: int) -> Ids:
    """Return at most so many of n rows, evenly spaced."""
    return np.unique(np.linspace(0, n - 1, min(most, n)).astype(np.int64))


def _numeric(x: Features) -> Ids:
    """Return the places of columns of numbers."""
    return np.flatnonzero(x.dtypes == np.float64) if isinstance(x, pd.DataFrame) else np.arange(x.shape[1])


def _name(x: Features, i: int) -> Hashable:
    return x.columns[i] if isinstance(x, pd.DataFrame) else i


def _column(x: Features, i: int, rows: Ids) -> Array:
    if isinstance(x, pd.DataFrame):
        column = x.iloc[:, i].iloc[rows]
        return np.asarray(column, dtype=np.float64 if column.dtype == np.float64 else object)
    found: Array = x[rows, i]
    return found


# Rows that occur again


def _hashes(x: Features) -> NDArray[np.uint64]:
    """Return a number for each row, the same for equal rows."""
    if isinstance(x, pd.DataFrame):
        return np.asarray(pd.util.hash_pandas_object(x, index=False), dtype=np.uint64)
    table = np.ascontiguousarray(x.reshape(len(x), -1))
    if table.shape[1] <= WIDE:
        return _hashes(pd.DataFrame(table))
    return np.array([hash(row.tobytes()) for row in table], dtype=np.int64).view(np.uint64)


def repeated_rows(x: Features, y: Array, parts: Mapping[str, Ids]) -> tuple[str, ...]:
    """Return a note on rows of a part that stand, with the same target, in an earlier one too.

    Args:
        x: cleaned features.
        y: targets, (N,) or (N, T).
        parts: the rows of training, validation and test part, in this order.
    """
    with np.errstate(over="ignore"):
        rows = _hashes(x) * np.uint64(31) + _hashes(y.reshape(len(y), -1))
    found = []
    for k, (name, own) in enumerate(parts.items()):
        before = [rows[other] for other in list(parts.values())[:k]]
        again = int(np.isin(rows[own], np.concatenate(before)).sum()) if before else 0
        if again:
            found.append(f"{again} of {len(own)} {name} rows")
    if not found:
        return ()
    note = (
        f"{listed(found)} stand in an earlier part too, features and target alike: if they are the same observations, "
        "drop the repeated ones (DataFrame.drop_duplicates) or name groups, for the scores flatter"
    )
    return (note,)


# Numbers far from all others


def far_values(x: Features) -> tuple[str, ...]:
    """Return notes on numeric columns of a table or an array (N, F) in which a few values lie far from all others.

    They may stand for a missing value (-999, 9999-12-31), and leave the others next to no spread once standardised.
    """
    if x.ndim != 2 or len(x) < MIN_ROWS:
        return ()
    every = np.arange(len(x))
    notes = ((_name(x, i), _far(_column(x, i, every))) for i in _numeric(x).tolist())
    return tuple(f"column {name!r}: {words}" for name, words in notes if words)


def _far(values: Array) -> str:
    known = np.asarray(values, dtype=np.float64)
    half = known[~np.isnan(known)] / 2  # the difference of two such is finite
    n = len(half)
    if n < MIN_ROWS:
        return ""
    quarters = n // 4, 3 * n // 4
    first, third = np.partition(half, quarters)[list(quarters)]
    spread, few = third - first, max(1, n // 20)
    # no gap is wider than all of them together: few columns need be sorted
    if spread <= 0 or half.max() - half.min() <= FAR * spread:
        return ""
    half.sort()
    wide = np.flatnonzero(np.diff(half) > FAR * spread)
    below = max((i + 1 for i in wide if i < few), default=0)
    above = max((n - 1 - i for i in wide if i >= n - 1 - few), default=0)
    if not below + above:
        return ""
    far = 2 * np.unique(np.concatenate([half[:below], half[n - above :]]))
    return (
        f"{below + above} of {len(values)} values lie far from all others ({listed([f'{v:g}' for v in far], 3)}): leave such "
        "cells empty where they stand for a missing value"
    )
