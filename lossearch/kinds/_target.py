"""The kind of task, read off the targets, with the reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lossearch._lazy import pd
from lossearch._notation import notation_of
from lossearch._numerals import numbers
from lossearch._text import listed
from lossearch.errors import InputError
from lossearch.kinds import KINDS
from lossearch.kinds._kind import Array

MAX_INFERRED_CLASSES = 20
ROWS_PER_INFERRED_CLASS = 5
FAR_OFF = 10
"""How many times the range of the others a value lies beside them, to be taken for an error."""
MOST_STRAYS = 3
"""The most different values that are taken for errors."""
STRAY_SHARE = 0.01
"""The most rows that are, where it is more than one."""
_IF_NAMES = "If they are names of classes, say so: kind = 'multiclass'."


@dataclass(frozen=True, eq=False)
class Target:
    """Targets in the form of their kind of task; ``given`` as numbers or names, before they took it."""

    kind: str
    given: Array
    y: Array
    classes: tuple[str, ...]
    n_out: int
    reason: str
    shape: tuple[int, ...] = ()
    """How the numbers of a row are laid out, as (H, W); () where they are not."""

    @property
    def strata(self) -> Array | None:
        """What parts hold in proportion, a number a row; None where they are drawn at random."""
        return KINDS[self.kind].strata(self.y)


def some_rows(mask: Array, limit: int = 5) -> str:
    """Return "row 3" or "rows 1, 5, 7, ..." for the true entries."""
    rows = np.flatnonzero(mask)
    shown = ", ".join(map(str, rows[:limit])) + (", ..." if len(rows) > limit else "")
    return f"row{'' if len(rows) == 1 else 's'} {shown}"


def class_name(value: object) -> str:
    """Return how a class is written: 1.0 as 1."""
    if isinstance(value, (float, np.floating)) and float(value).is_integer():
        return str(int(value))
    return str(value)


def shown(values: Array, limit: int = 6) -> str:
    """Return a few values for a message."""
    names = [repr(v) if isinstance(v, str) else class_name(v) for v in values[:limit]]
    if len(values) > limit:
        return ", ".join(names) + ", ..."
    return " and ".join(names) if len(names) == 2 else ", ".join(names)


def is_text(y: Array) -> bool:
    """Return whether values are names rather than numbers."""
    return y.dtype.kind in "OUS"


def is_whole(y: Array) -> bool:
    """Return whether values are numbers without fractions."""
    return not is_text(y) and bool(np.equal(np.mod(y, 1), 0).all())


def are_classes(y: Array) -> bool:
    """Return whether more than two different values, (N,), are more likely classes than amounts."""
    values, counts = np.unique(y, return_counts=True)
    few = len(values) <= MAX_INFERRED_CLASSES and len(y) / len(values) >= ROWS_PER_INFERRED_CLASS
    return is_text(y) or (is_whole(y) and few and bool(counts.min() > 1))


def refuse_constant(y: Array) -> None:
    """Raise where there is nothing to predict.

    Raises:
        InputError: y has one value only.
    """
    values = np.unique(y)
    if len(values) == 1:
        raise InputError(
            f"y has one value only, {shown(values)}, in all {len(y)} rows: there is nothing to predict. "
            "Is it the right target column?"
        )


def _refuse_one_hot(y: Array) -> None:
    if y.ndim == 2 and np.isin(y, (0, 1)).all() and (y.sum(axis=1) == 1).all():
        raise InputError(
            f"y has {y.shape[1]} columns with a single 1 a row: classes as one-hot. "
            "Give class numbers instead: y.argmax(axis=1)."
        )


def _far(values: Array, core: Array) -> Array:
    """Return which of some ascending values lie far above or below a core of them and what goes on from it."""
    found = np.zeros(len(values), dtype=bool)
    for ordered, marked in ((values, found), (-values[::-1], found[::-1])):
        inner = ordered[core if marked is found else core[::-1]]
        steps = np.flatnonzero(ordered >= inner[-1])
        gaps, ranges = np.diff(ordered[steps]), ordered[steps[:-1]] - inner[0]
        beyond = np.flatnonzero(gaps > FAR_OFF * ranges)
        if len(beyond):
            marked[steps[beyond[0] + 1] :] = True
    return found


def _refuse_strays(y: Array) -> None:
    """Refuse targets that are a few whole numbers but for single rows, with a fraction or a value far off.

    Args:
        y: (N,) numbers.

    Raises:
        InputError: there are such rows.
    """
    values, places, counts = np.unique(y.astype(np.float64), return_inverse=True, return_counts=True)
    odd = np.mod(values, 1) != 0
    core = counts[~odd] > max(1, STRAY_SHARE * len(y))
    if core.sum() < 2:
        return
    odd[np.flatnonzero(~odd)[_far(values[~odd], core)]] = True
    rows = int(counts[odd].sum())
    rest = values[~odd]
    few = 2 <= len(rest) <= min(MAX_INFERRED_CLASSES, len(y) / ROWS_PER_INFERRED_CLASS)
    if not few or not 0 < odd.sum() <= MOST_STRAYS or rows > max(1, STRAY_SHARE * len(y)):
        return
    told = [f"{class_name(values[i])} in {some_rows(places == i)}" for i in np.flatnonzero(odd)]
    raise InputError(
        f"y holds {listed([class_name(v) for v in rest], 5)} in {len(y) - rows} of {len(y)} rows, and {listed(told)}: "
        "correct such rows, or leave them out. If they are right, say what is predicted: kind = 'regression'."
    )


def _lone_value(y: Array) -> str:
    """Return a note on the one row but for which targets, (N,) numbers, would be classes; '' where there is none."""
    values, places, counts = np.unique(y, return_inverse=True, return_counts=True)
    single = np.flatnonzero(counts == 1)
    if len(single) != 1 or len(values) < 3:
        return ""
    others = y[places != single[0]]
    if len(values) > 3 and not are_classes(others):
        return ""
    (row,) = np.flatnonzero(places == single[0])
    return f"; without row {row}, which alone holds {class_name(y[row])}, they would be classes"


def _refuse_laid_out(y: Array, asked: str | None = None) -> None:
    """Raise where targets of more than two axes go with no kind of task, or not with the one asked for.

    Raises:
        InputError: they do not; it says with which kinds such targets go, and why these do not.
    """
    if y.ndim < 3 or (asked is not None and KINDS[asked].maps):
        return
    possible = [k for k in KINDS.values() if k.maps and not k.own_inputs]
    if asked is None and any(k.asks(y) is not None for k in possible):
        return
    whose = "" if asked is None else f", and kind = {asked!r} was asked for"
    why_not = [
        f" {k.name}: {k.misfit(y)}." if k.misfit(y) else f" For these there is kind = {k.name!r}."
        for k in possible
    ]
    raise InputError(
        f"y has shape {y.shape}{whose}: give one value a row, (N,), or one row of values, (N, T).{''.join(why_not)}"
    )


def infer_kind(y: Array, *, ordered: bool = False) -> tuple[str, str]:
    """Return the kind of task these targets ask for, and the reason.

    Args:
        y: (N,) or (N, T), or laid out as pictures (N, H, W), without missing values.
        ordered: whether the order of the values is that of their type.

    Raises:
        InputError: y is constant, or one-hot, or whole numbers but for single rows.
    """
    _refuse_one_hot(y)
    if y.ndim == 1:
        refuse_constant(y)
    numeric = y.ndim == 1 and y.dtype.kind in "iuf"
    if numeric:
        _refuse_strays(y)
    for kind in KINDS.values() if ordered else ():
        reason = kind.asks_in_order(y)
        if reason is not None:
            return kind.name, f"{kind.name}: {reason}"
    _refuse_laid_out(y)
    for kind in sorted(KINDS.values(), key=lambda k: k.fallback):
        if y.ndim > 2 and not kind.maps:
            continue
        reason = kind.asks(y)
        if reason is not None:
            lone = _lone_value(y) if numeric else ""
            return kind.name, f"{kind.name}: {reason}{lone}"
    raise InputError(f"No kind of task fits these targets; say which: kind = one of {', '.join(KINDS)}.")


def read_target(
    y: Array,
    kind: str | None = None,
    names: Sequence[str] = (),
    *,
    categorical: bool = False,
    ordered: bool = False,
) -> Target:
    """Return targets in the form of their kind, which is inferred or checked.

    Args:
        y: (N,) numbers or names, or (N, T) numbers, without missing values.
        kind: the kind asked for; None infers it.
        names: class names in the order of the sorted values, where the data set has them.
        categorical: whether text is names, whatever it looks like, and so are numbers that have ``names``.
        ordered: whether the order of the values is that of their type.

    Raises:
        UnknownNameError: there is no such kind.
        InputError: there is one value only, a class has one row, or the kind does not fit.
    """
    given, note = _as_numbers(y, kind, categorical=categorical)
    if kind is None:
        kind, reason = infer_kind(_named(given, names) if categorical else given, ordered=ordered)
    else:
        _refuse_laid_out(given, kind)
        why_not = KINDS[kind].misfit(given)
        if why_not:
            raise InputError(
                f"kind = {kind!r} was asked for, but {why_not}. Leave kind out to have it inferred."
            )
        if not KINDS[kind].own_inputs:
            refuse_constant(given)
        reason = f"{kind}: as asked"
    found = KINDS[kind].read(given, names)
    return Target(kind, given, found.y, found.classes, found.n_out, reason + found.note + note, found.shape)


def _named(y: Array, names: Sequence[str]) -> Array:
    """Return the names that values stand for, in their order, where there is one for each."""
    values, codes = np.unique(y, return_inverse=True)
    return np.array(names, dtype=object)[codes] if y.ndim == 1 and len(names) == len(values) else y


def _as_numbers(y: Array, kind: str | None, *, categorical: bool) -> tuple[Array, str]:
    """Return targets that are numbers written as text as numbers, unless classes are asked for, and a note."""
    asked = kind is not None and KINDS[kind].numbers
    named = categorical if kind is None else not asked
    if not is_text(y) or (y.ndim == 1 and named):
        return y, ""
    if y.ndim == 1:
        return _written(pd.Series(y), "y", asked=asked)
    columns = [
        _written(pd.Series(column).infer_objects(), f"y column {i}", asked=True)
        for i, column in enumerate(y.T)
    ]
    if any(is_text(column) for column, _ in columns):
        raise InputError("y has several columns of names; give one column.")
    return np.column_stack([column for column, _ in columns]), next((n for _, n in columns if n), "")


def _written(column: pd.Series[Any], what: str, *, asked: bool) -> tuple[Array, str]:
    """Return a column of text as numbers where it is such, and a note."""
    if pd.api.types.is_numeric_dtype(column.dtype):
        return column.to_numpy(), ""
    found = notation_of(column, what, f"Correct such rows, or leave them out. {_IF_NAMES}", asked=asked)
    note = f"; {found.note}" if found.note else ""
    if found.notation is None:
        return column.to_numpy(dtype=object), note
    values = numbers(column, found.notation, what)
    missing = np.isnan(values)
    if missing.any():
        marks = ", ".join(map(repr, column[missing].unique()[:3]))
        raise InputError(
            f"{what} holds numbers, and {marks} for {missing.sum()} missing values ({some_rows(missing)}): leave those "
            f"rows out. {_IF_NAMES}"
        )
    infinite = np.isinf(values)
    if infinite.any():
        raise InputError(
            f"{what} has {infinite.sum()} infinite values ({some_rows(infinite)}): leave those rows out."
        )
    return values, note
