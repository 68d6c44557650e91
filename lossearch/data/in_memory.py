"""Data sets of arrays and tables in memory, checked."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from lossearch.data.arrays import (
    features,
    is_categorical,
    sample_weights,
    side,
    table_or_numbers,
    targets,
)
from lossearch.data.column_names import called
from lossearch.data.dataset import STREAM_BYTES, Dataset, digest
from lossearch.data.levels import leveled
from lossearch.data.part_names import on_part_names, parts_by_names
from lossearch.data.readings import Reading
from lossearch.data.roles import column_of, column_roles
from lossearch.data.rows import (
    PIECE_BYTES,
    Array,
    ConcatRows,
    Features,
    HeldRows,
    RowSource,
    rows_of,
)
from lossearch.errors import InputError


def _stack(parts: list[Any], what: str) -> Any:
    if all(isinstance(p, pd.DataFrame) for p in parts):
        first = list(parts[0].columns)
        parts = [called(p, first) for p in parts]
        for p in parts:
            if list(p.columns) != first:
                raise InputError(
                    f"The parts of {what} have different columns: {first} and {list(p.columns)}."
                )
        return pd.concat(parts, ignore_index=True)
    if any(isinstance(p, pd.DataFrame) for p in parts):
        kinds = ", ".join(type(p).__name__ for p in parts)
        raise InputError(
            f"The parts of {what} are of different forms ({kinds}): give all as tables, or all as arrays."
        )
    arrays = [np.asarray(p) for p in parts]
    _same_shapes(arrays, what)
    return np.concatenate(arrays)


def _same_shapes(arrays: list[Any], what: str) -> None:
    if len({a.shape[1:] for a in arrays}) > 1:
        shapes = ", ".join(str(a.shape) for a in arrays)
        raise InputError(f"The parts of {what} have different shapes: {shapes}.")


def _features_of(
    parts: list[Any], stream: bool | None
) -> tuple[Features | RowSource, tuple[Reading, ...], tuple[str, ...]]:
    """Return the checked features of all parts, how they were read, and notes; mapped arrays stay where they are."""
    mapped = [p for p in parts if isinstance(p, np.memmap)]
    if stream is None:
        stream = sum(p.nbytes for p in mapped) > STREAM_BYTES
    if stream and mapped:
        _same_shapes(parts, "X")
        sources = tuple(HeldRows(_mapped(p)) for p in parts)
        return sources[0] if len(sources) == 1 else ConcatRows(sources), (), ()
    found = features(_stack(parts, "X") if len(parts) > 1 else parts[0])
    return HeldRows(found.x) if stream else found.x, found.readings, found.notes


def _mapped(x: Any) -> Features:
    """Return an array whose numbers have been checked, a few rows at a time."""
    if not isinstance(x, np.memmap):
        return features(x).x
    step = rows_of(PIECE_BYTES, x[:1])
    for start in range(0, len(x), step):
        try:
            features(x[start : start + step])
        except InputError as error:
            raise InputError(f"X, counted from row {start}: {error}") from error
    return x[:, None] if x.ndim == 1 else x


def _check_length(x: Any, y: Any, part: str) -> None:
    for name, values in (("X", x), ("y", y)):
        if np.ndim(values) == 0:
            raise InputError(
                f"{part} {name} is a single {type(values.item()).__name__}; give one value or row a sample."
            )
        if len(values) == 0:
            raise InputError(f"{part} {name} is empty: shape {values.shape}.")
    if len(x) != len(y):
        raise InputError(f"{part} X has {len(x)} rows and y has {len(y)}; give one target a row.")


def _rows_by_place(x: Any, y: Any, part: str) -> tuple[str, ...]:
    """Return a note where the indexes of X and y differ, which no one reads.

    Raises:
        InputError: they have the same labels in another order.
    """
    tables = (pd.DataFrame, pd.Series)
    if not (isinstance(x, tables) and isinstance(y, tables)) or len(x) != len(y) or x.index.equals(y.index):
        return ()
    if x.index.is_unique and y.index.is_unique and x.index.symmetric_difference(y.index).empty:
        raise InputError(
            f"{part} X and y have the same index in another order: give y.loc[X.index], or y.to_numpy() if rows belong "
            "together by their place."
        )
    return (f"{part.lower()} X and y have different indexes: rows belong together by their place",)


def _pad(values: Any, n: int, total: int, name: str) -> Array | None:
    """Give rows of given parts groups of their own."""
    own = side(values, n, name)
    if own is None or total == n:
        return own
    if name == "time":
        raise InputError(
            "time orders rows before they are split: leave it out where validation or test rows are given."
        )
    return np.asarray(np.concatenate((own, own.max() + 1 + np.arange(total - n))))


def _weights(values: Any, n: int, total: int) -> Array | None:
    """Return what rows weigh; those of given parts as much as the others do on average."""
    own = sample_weights(values, n)
    return own if own is None or total == n else np.concatenate((own, np.full(total - n, own.mean())))


def _none(x: Any) -> Array:
    """Return no targets, (N, 0), for rows that are to be predicted themselves."""
    return np.empty((len(table_or_numbers(x)), 0))


def from_arrays(
    x: Any,
    y: Any,
    *,
    name: str = "data",
    validation: tuple[Any, Any] | None = None,
    test: tuple[Any, Any] | None = None,
    groups: Any = None,
    time: Any = None,
    sample_weight: Any = None,
    split: Any = None,
    target: str | None = None,
    classes: tuple[str, ...] = (),
    stream: bool | None = None,
) -> Dataset:
    """Return a checked data set from arrays, tensors or DataFrames in memory, or memory-mapped arrays.

    Args:
        x: (N, F) numbers, (N, ...) image-like numbers, or a DataFrame with numeric, text, truth-value
            or date columns.
        y: (N,) numbers or names, or (N, T) or (N, H, W) numbers; None where ``x`` itself is to be predicted.
        name: what to call it.
        validation: rows given as the validation part, (X, y).
        test: rows given as the test part, (X, y).
        groups: one value a row of ``x``; rows of one group are never divided between parts.
        time: one value a row of ``x``; later rows become the test and validation parts.
        sample_weight: one number a row of ``x``, from 0 up: what it weighs in the loss.
        split: the part of each row of ``x``: "train", "validation" or "test".
        target: the target's name.
        classes: class names in the order of the sorted values of y.
        stream: whether batches are read from ``x`` rather than from a prepared copy; None does so for
            memory-mapped arrays above ``STREAM_BYTES``.

    Raises:
        InputError: lengths differ, y has missing or infinite values, or something is not a number or name.
    """
    whole = "Training" if validation is not None or test is not None else "The data's"
    placed = _rows_by_place(x, y, whole)
    for part, pair in (("validation", validation), ("test", test)):
        placed += () if pair is None else _rows_by_place(pair[0], pair[1], f"The {part} part's")
    y = _none(x) if y is None else y
    validation, test = (
        (pair[0], _none(pair[0])) if pair is not None and pair[1] is None else pair
        for pair in (validation, test)
    )
    categorical = is_categorical(y)
    named = target or str(getattr(y, "name", None) or "y")
    others = {p: xy for p, xy in (("validation", validation), ("test", test)) if xy is not None}
    of_parts = leveled([y, *(xy[1] for xy in others.values())])
    x, y = table_or_numbers(x), of_parts.columns[0]
    given = {
        part: (table_or_numbers(xy[0], f"{part} X"), y_part)
        for (part, xy), y_part in zip(others.items(), of_parts.columns[1:], strict=True)
    }
    _check_length(x, y, whole)
    parts: dict[str, Array] | None = None
    n = total = len(x)
    every = [x, *(xy[0] for xy in given.values())]
    if given:
        parts = {}
        for part, (x_part, y_part) in given.items():
            _check_length(x_part, y_part, f"The {part} part's")
            parts[part] = np.arange(total, total + len(x_part))
            total += len(x_part)
        y = _stack([y, *(xy[1] for xy in given.values())], "y")
    if split is not None and parts is not None:
        raise InputError(
            "split says which part each row is in, and validation or test rows were given too: give them once."
        )
    if split is not None and time is not None:
        raise InputError("split says which part each row is in: leave time out, which would divide them too.")
    table, readings, notes = _features_of(every, stream)
    dataset = Dataset(
        name=name,
        x=table,
        y=targets(y),
        target=named,
        classes=of_parts.classes or tuple(map(str, classes)),
        groups=_pad(groups, n, total, "groups"),
        time=_pad(time, n, total, "time"),
        sample_weight=_weights(sample_weight, n, total),
        parts=parts_by_names(split, n) if parts is None else parts,
        notes=(*notes, *placed),
        readings=readings,
        categorical=categorical,
        ordered=of_parts.ordered,
    )
    return replace(dataset, digest=digest(dataset))


def from_frame(
    frame: pd.DataFrame,
    *,
    name: str,
    target: str | None,
    groups: str | None = None,
    time: str | None = None,
    sample_weight: str | None = None,
    split: str | None = None,
    notes: tuple[str, ...] = (),
) -> Dataset:
    """Return a data set from a table whose columns hold features, target, groups and time.

    Args:
        frame: the table.
        name: what to call it.
        target: see :func:`~lossearch.data.roles.column_roles`, as for ``groups`` and ``time``.
        groups: the column of groups.
        time: the column of time.
        sample_weight: the column of what rows weigh.
        split: the column that says which part a row is in.
        notes: what to add to the notes.

    Raises:
        InputError: a column is missing or named twice, or the data are not fit for use.
    """
    roles = column_roles(frame.columns, name, target, groups, time, sample_weight, split)
    frame = frame.rename(columns=str)
    dataset = from_arrays(
        frame[roles.features],
        roles.y(frame),
        name=name,
        target=", ".join(roles.target),
        groups=column_of(frame, roles.groups),
        time=column_of(frame, roles.time),
        sample_weight=column_of(frame, roles.sample_weight),
        split=column_of(frame, roles.split),
    )
    return replace(dataset, notes=(*notes, *dataset.notes, *on_part_names(frame[roles.features])))
