"""The kind of task, read off the targets, with the reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lossearch._registry import unknown_name
from lossearch.errors import InputError, refuse
from lossearch.kinds import KINDS

MAX_INFERRED_CLASSES = 20
ROWS_PER_INFERRED_CLASS = 5
Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Target:
    """Targets in canonical form: regression (N, T) float64, classes (N,) int64 counted from 0."""

    kind: str
    y: Array
    classes: tuple[str, ...]
    n_out: int
    reason: str

    @property
    def strata(self) -> Array | None:
        """The classes, None for regression."""
        return None if self.kind == "regression" else self.y


def some_rows(mask: Array, limit: int = 5) -> str:
    """Return "row 3" or "rows 1, 5, 7, ..." for the true entries."""
    rows = np.flatnonzero(mask)
    shown = ", ".join(map(str, rows[:limit])) + (", ..." if len(rows) > limit else "")
    return f"row{'' if len(rows) == 1 else 's'} {shown}"


def _class_name(value: Any) -> str:
    if isinstance(value, (float, np.floating)) and float(value).is_integer():
        return str(int(value))
    return str(value)


def _shown(values: Array, limit: int = 6) -> str:
    names = [repr(v) if isinstance(v, str) else _class_name(v) for v in values[:limit]]
    if len(values) > limit:
        return ", ".join(names) + ", ..."
    return " and ".join(names) if len(names) == 2 else ", ".join(names)


def is_text(y: Array) -> bool:
    """Return whether values are names rather than numbers."""
    return y.dtype.kind in "OUS"


def _two_dimensional(y: Array) -> None:
    values = np.unique(y)
    if len(values) > 2 or not np.isin(values, (0, 1)).all():
        return
    if (y.sum(axis=1) == 1).all():
        raise InputError(
            f"y has {y.shape[1]} columns with a single 1 a row: classes as one-hot. "
            "Give class numbers instead: y.argmax(axis=1)."
        )
    raise InputError(
        f"y has {y.shape[1]} columns of 0 and 1: several labels a row, which no kind of task here covers. "
        "Give one column, or kind='regression'."
    )


def infer_kind(y: Array) -> tuple[str, str]:
    """Return the kind of task these targets ask for, and the reason.

    Args:
        y: (N,) or (N, T), without missing values.

    Raises:
        InputError: y is constant, or one-hot, or multi-label.
    """
    if y.ndim == 2:
        _two_dimensional(y)
        return "regression", f"regression: y has {y.shape[1]} columns of numbers"
    values, counts = np.unique(y, return_counts=True)
    k, n = len(values), len(y)
    if k == 1:
        raise InputError(
            f"y has one value only, {_shown(values)}, in all {n} rows: there is nothing to predict. "
            "Is it the right target column?"
        )
    if k == 2:
        return "binary", f"binary: y has 2 values, {_shown(values)}"
    if is_text(y):
        return "multiclass", f"multiclass: y has {k} names, {_shown(values)}"
    if not np.equal(np.mod(y, 1), 0).all():
        return "regression", f"regression: y has {k} different real numbers in {n} rows"
    if k <= MAX_INFERRED_CLASSES and n / k >= ROWS_PER_INFERRED_CLASS and counts.min() > 1:
        return "multiclass", f"multiclass: y has {k} whole numbers, {_shown(values)}"
    return "regression", f"regression: y has {k} different whole numbers in {n} rows"


def _override(y: Array, kind: str) -> str:
    """Return why targets cannot be of the kind asked for, or ''."""
    if kind == "regression":
        if is_text(y):
            return f"y holds names ({_shown(np.unique(y), 3)}), and regression needs numbers"
        return ""
    if y.ndim == 2:
        return f"y has {y.shape[1]} columns, and {kind} needs one"
    values = np.unique(y)
    if kind == "binary" and len(values) != 2:
        return f"y has {len(values)} different values ({_shown(values)}), and binary needs 2"
    fractional = not is_text(y) and not np.equal(np.mod(y, 1), 0).all()
    if kind == "multiclass" and fractional and len(values) > MAX_INFERRED_CLASSES:
        return f"y holds {len(values)} different real numbers, and multiclass needs classes"
    return ""


def _encode(y: Array, kind: str, names: Sequence[str]) -> tuple[Array, tuple[str, ...]]:
    values, codes, counts = np.unique(y, return_inverse=True, return_counts=True)
    own = tuple(names) if len(names) == len(values) else tuple(map(_class_name, values))
    single = [
        f"class {own[i]!r} has a single row ({some_rows(codes == i)}), and every part needs its own"
        for i in np.flatnonzero(counts == 1)
    ]
    if single:
        more = f", and {len(single) - 1} more such classes" if len(single) > 1 else ""
        raise InputError(
            f"y: {single[0]}{more}. Leave such rows out, or merge the class with another. Read as {kind}."
        )
    return codes.astype(np.int64), own


def read_target(y: Array, kind: str | None = None, names: Sequence[str] = ()) -> Target:
    """Return targets in canonical form, with their kind inferred or checked.

    Args:
        y: (N,) numbers or names, or (N, T) numbers, without missing values.
        kind: the kind asked for; None infers it.
        names: class names in the order of the sorted values, where the data set has them.

    Raises:
        InputError: there is one value only, a class has one row, or the kind does not fit.
    """
    if kind is not None and kind not in KINDS:
        raise InputError(unknown_name("kind of task", kind, KINDS))
    if kind is None:
        kind, reason = infer_kind(y)
    else:
        why_not = _override(y, kind)
        if why_not:
            raise InputError(
                f"kind = {kind!r} was asked for, but {why_not}. Leave kind out to have it inferred."
            )
        reason = f"{kind}: as asked"
        if len(np.unique(y)) == 1:
            infer_kind(y)
    if kind == "regression":
        values = y.astype(np.float64)
        columns = values if values.ndim == 2 else values[:, None]
        flat = [i for i in range(columns.shape[1]) if np.ptp(columns[:, i]) == 0]
        refuse(
            [
                f"y column {i} has one value only, {columns[0, i]:g}: there is nothing to predict."
                for i in flat
            ]
        )
        return Target(kind, columns, (), columns.shape[1], reason)
    codes, classes = _encode(y, kind, names)
    if kind == "binary":
        reason += f"; {classes[1]!r} is class 1"
        return Target(kind, codes, classes, 1, reason)
    return Target(kind, codes, classes, len(classes), reason)
