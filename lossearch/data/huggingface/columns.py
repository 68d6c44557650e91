"""Columns of Hugging Face data sets as features: a table, or one array."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from lossearch._memory import free_memory
from lossearch._text import listed, size
from lossearch.data.arrays import features
from lossearch.data.columns import Cleaned
from lossearch.data.containers import plain
from lossearch.data.huggingface.library import LISTS, is_a
from lossearch.data.roles import Roles
from lossearch.data.rows import Array
from lossearch.errors import InputError, refuse


def used_columns(schema: Mapping[str, Any], roles: Roles, name: str) -> tuple[list[str], list[str]]:
    """Return the columns that networks are given, and notes on those they are not.

    Raises:
        InputError: columns are of a type that is no number, text or image, or do not go together.
    """
    images = [c for c in roles.features if is_a(schema[c], "Image")]
    if len(images) > 1:
        raise InputError(
            f"{name} has several columns of images, {listed(images)}: remove all but one of them."
        )
    if images:
        others = [c for c in roles.features if c not in images]
        return images, [f"beside images no other column is used: {listed(others, 5)}"] if others else []
    known = ("Value", "ClassLabel", *LISTS)
    refuse(
        [
            f"{name}: column {c!r} is of type {type(schema[c]).__name__}; numbers, text, classes, images and lists of "
            f"numbers are read. Remove it: data.remove_columns({c!r})."
            for c in roles.features
            if not is_a(schema[c], *known)
        ]
    )
    return roles.features, []


def held_columns(schema: Mapping[str, Any], roles: Roles, used: Sequence[str]) -> list[str]:
    """Return the columns that are read into memory whatever their size: all but images."""
    held = [c for c in used if not is_a(schema[c], "Image")]
    return list(dict.fromkeys([*held, *roles.target, *roles.sides.values()]))


def refuse_too_large(sets: Sequence[Any], name: str) -> None:
    """Refuse tables that memory does not hold.

    Raises:
        InputError: they are.
    """
    # a data set of chosen rows has the table of all
    needed = sum(d.data.nbytes * len(d) / max(1, d.data.num_rows) for d in sets)
    free = free_memory()
    if needed > free:
        rows = int(sum(map(len, sets)) * free / needed / 2)
        raise InputError(
            f"{name} takes {size(needed)} in memory, and {size(free)} are free: give fewer columns "
            f"(data.select_columns) or rows (data.shuffle(seed=0).select(range({rows}))), or write it as Parquet "
            "(data.to_parquet), which is read batch by batch."
        )


def arrow_column(sets: Mapping[str, Any], column: str) -> pa.ChunkedArray:
    """Return a column of all parts, one after another."""
    chunks = [c for d in sets.values() for c in _rows(d, [column]).column(column).chunks]
    return pa.chunked_array(chunks)


def _rows(data: Any, columns: Sequence[str]) -> pa.Table:
    return data.select_columns(list(columns)).with_format("arrow")[:]


def table_of(sets: Mapping[str, Any], columns: Sequence[str]) -> pd.DataFrame:
    """Return columns of all parts as a table."""
    frame = plain({c: arrow_column(sets, c) for c in columns}) if columns else pd.DataFrame()
    return pd.DataFrame(frame)


def read_columns(
    sets: Mapping[str, Any], schema: Mapping[str, Any], used: Sequence[str], name: str
) -> Cleaned[pd.DataFrame | Array]:
    """Return columns as a checked table, or the only column of lists as an array, how they were read, and notes.

    Raises:
        InputError: they are not fit for use.
    """
    lists = {c: array_of(arrow_column(sets, c), c) for c in used if is_a(schema[c], *LISTS)}
    if len(used) == 1 and lists:
        return features(lists[used[0]])
    wide = [c for c, values in lists.items() if values.ndim > 2]
    refuse(
        [
            f"{name}: column {c!r} holds arrays of shape {lists[c].shape[1:]} and there are other columns: keep either "
            f"(data.select_columns)."
            for c in wide
        ]
    )
    columns: dict[str, Any] = {}
    for c in used:
        if c in lists:
            columns.update({f"{c}[{i}]": values for i, values in enumerate(lists[c].T)})
        elif is_a(schema[c], "ClassLabel"):
            columns[c] = _names(arrow_column(sets, c), schema[c].names)
        else:
            columns[c] = arrow_column(sets, c)
    return features(pd.concat([pd.DataFrame(plain({c: values})) for c, values in columns.items()], axis=1))


def _names(codes: pa.ChunkedArray, names: Sequence[str]) -> pd.Series[Any]:
    """Return classes by their names; missing ones are missing."""
    known = codes.to_pandas()
    found = known.map(dict(enumerate(names)))
    return pd.Series(found, dtype=object)


def array_of(column: pa.ChunkedArray, name: str) -> Array:
    """Return lists of one length, of lists or numbers, as an array.

    Raises:
        InputError: they have different lengths, or hold no numbers.
    """
    whole = column.combine_chunks()
    values: Any = pa.concat_arrays(whole.chunks) if isinstance(whole, pa.ChunkedArray) else whole
    values = values.storage if isinstance(values, pa.ExtensionArray) else values
    shape = [len(values)]
    while (
        pa.types.is_nested(values.type) and hasattr(values, "flatten") and not pa.types.is_struct(values.type)
    ):
        lengths = pc.unique(pc.list_value_length(values)).to_pylist()
        if len(lengths) != 1 or lengths in ([None], [0]):
            shown = listed([str(n) for n in sorted(n or 0 for n in lengths)], 4)
            raise InputError(
                f"Column {name!r} holds lists of {shown} values: cut or fill them up to one length."
            )
        shape.append(lengths[0])
        values = values.flatten()
    if not (
        pa.types.is_integer(values.type)
        or pa.types.is_floating(values.type)
        or pa.types.is_boolean(values.type)
    ):
        raise InputError(
            f"Column {name!r} holds lists of {values.type}: lists of numbers are read. Remove it."
        )
    found: Array = values.to_numpy(zero_copy_only=False).reshape(shape)
    return found.astype(np.float64) if found.dtype.kind == "O" else found
