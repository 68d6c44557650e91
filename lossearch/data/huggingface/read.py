"""The data set of a Hugging Face data set: its splits are parts, its columns features, targets and sides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np

from lossearch._text import listed
from lossearch.data.arrays import sample_weights, side
from lossearch.data.dataset import Dataset, digest
from lossearch.data.huggingface.columns import (
    held_columns,
    read_columns,
    refuse_too_large,
    table_of,
    used_columns,
)
from lossearch.data.huggingface.images import read_images
from lossearch.data.huggingface.library import is_a
from lossearch.data.huggingface.targets import read_targets
from lossearch.data.images import with_images
from lossearch.data.part_names import PART_NAMES, parts_by_names
from lossearch.data.roles import column_of, column_roles
from lossearch.data.splits import ROLES
from lossearch.errors import InputError, refuse


def from_huggingface(
    found: Any,
    *,
    name: str,
    roles: Mapping[str, str | None],
    options: Mapping[str, Any] | None = None,
    stream: bool | None = None,
) -> Dataset:
    """Return the data set of a Hugging Face data set, whose splits are parts.

    Columns of an image or of lists of one length are arrays, all others make a table.

    Args:
        found: a Dataset or a DatasetDict.
        name: what to call it.
        roles: the columns of target, groups, time and sample_weight; see
            :func:`~lossearch.data.roles.column_roles`.
        options: ``image_size``, of images.
        stream: whether images are decoded batch by batch; None decides by size.

    Raises:
        InputError: it is read from front to back only, lacks a column, or is not fit for use.
    """
    if is_a(found, "IterableDataset", "IterableDatasetDict"):
        raise InputError(
            f"{name} is a Hugging Face {type(found).__name__}, which is read from front to back only: give some of its "
            "rows as Dataset.from_list(list(data.take(10000)), features=data.features)."
        )
    named, notes = _parts(found, name)
    sets = {role: _plain(data, name) for role, data in named.items()}
    schema = _schema(sets, name)
    columns = column_roles(schema, name, **roles)
    used, left_out = used_columns(schema, columns, name)
    refuse_too_large(
        [data.select_columns(held_columns(schema, columns, used)) for data in sets.values()], name
    )
    y, classes = read_targets(sets, schema, columns)
    sides = table_of(sets, list(dict.fromkeys(columns.sides.values())))
    n = len(y)
    starts = np.cumsum([0, *map(len, sets.values())]).tolist()
    parts = {role: np.arange(*ends) for role, ends in zip(sets, pairwise(starts), strict=True)}
    if columns.split is not None and len(parts) > 1:
        raise InputError(
            f"{name} has splits, and split = {columns.split!r} names others: leave it out, or give one split."
        )
    dataset = Dataset(
        name=name,
        x=np.empty((0, 0)),
        y=y,
        target=", ".join(columns.target),
        classes=classes,
        groups=side(column_of(sides, columns.groups), n, "groups"),
        time=side(column_of(sides, columns.time), n, "time"),
        sample_weight=sample_weights(column_of(sides, columns.sample_weight), n),
        parts=parts if len(parts) > 1 else parts_by_names(column_of(sides, columns.split), n),
        notes=(*notes, *left_out),
        categorical=bool(classes),
    )
    options = dict(options or {})
    if is_a(schema[used[0]], "Image"):
        rows, on_images = read_images(sets, schema[used[0]], used[0], name, options)
        return with_images(replace(dataset, notes=(*dataset.notes, *on_images)), rows, stream)
    refuse([f"{name} has no images, and takes no {o}." for o in options])
    cleaned = read_columns(sets, schema, used, name)
    dataset = replace(dataset, x=cleaned.x, readings=cleaned.readings, notes=(*dataset.notes, *cleaned.notes))
    return replace(dataset, digest=digest(dataset))


def _parts(found: Any, name: str) -> tuple[dict[str, Any], list[str]]:
    """Return the data set of each part, in the order of parts, and notes on splits that are none.

    Raises:
        InputError: there is no training split, or two splits are one part.
    """
    if not isinstance(found, Mapping):
        return {"train": found}, []
    if len(found) == 1:
        return {"train": next(iter(found.values()))}, []
    by_role: dict[str, list[str]] = {role: [] for role in ROLES}
    others: list[str] = []
    for split in found:
        role = PART_NAMES.get(str(split).lower())
        (others if role is None else by_role[role]).append(str(split))
    splits = ", ".join(map(str, found))
    refuse([] if by_role["train"] else [f"{name} has splits {splits}, and none of them is called train."])
    refuse(
        [
            f"{name} has {listed(names)} for the {role} part: keep one of them."
            for role, names in by_role.items()
            if len(names) > 1
        ]
    )
    notes = [f"{name}: split {', '.join(others)} left out; parts are {', '.join(ROLES)}"] if others else []
    return {role: found[names[0]] for role, names in by_role.items() if names}, notes


def _plain(data: Any, name: str) -> Any:
    """Return a data set whose nested columns stand side by side, as "outer.inner", and whose rows are as stored.

    Raises:
        InputError: it has no rows, or gives rows through a function of the user's.
    """
    if data.format["type"] == "custom":
        raise InputError(
            f"{name} gives its rows through a function (set_transform, with_transform), which may give others each "
            "time: apply it once, data.map(...), or leave it out (data.reset_format())."
        )
    refuse([] if len(data) else [f"{name} has a split without rows."])
    data = data.with_format(None)
    if not any(isinstance(feature, dict) for feature in data.features.values()):
        return data
    try:
        return data.flatten()
    except ValueError as error:  # a column of sounds or videos beside a nested one
        raise InputError(f"{name} has columns that cannot be read: {error} Remove them.") from error


def _schema(sets: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return the feature of each column.

    Raises:
        InputError: parts have different columns.
    """
    schemas = {role: dict(data.features) for role, data in sets.items()}
    first = schemas["train"]
    for role, schema in schemas.items():
        if schema != first:
            odd = [c for c in {**first, **schema} if first.get(c) != schema.get(c)]
            raise InputError(
                f"{name}: the {role} and the train split have different columns or types of columns ({listed(odd, 5)}): "
                "make them the same (cast_column, remove_columns)."
            )
    return first
