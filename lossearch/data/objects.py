"""Data from objects in Python: tables, Hugging Face and torch data sets, Lightning data modules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from lossearch.data.containers import is_table, plain
from lossearch.data.dataset import Dataset
from lossearch.data.huggingface.library import is_huggingface
from lossearch.data.huggingface.read import from_huggingface
from lossearch.data.in_memory import from_frame
from lossearch.data.rows import HeldRows, RowSource
from lossearch.data.torch_datasets import from_torch, is_torch
from lossearch.errors import InputError, refuse


def is_data(found: Any) -> bool:
    """Return whether an object holds inputs and targets, and not inputs alone: a table may."""
    return isinstance(found, Dataset) or is_huggingface(found) or is_torch(found) or is_table(found)


def from_object(
    found: Any,
    name: str = "data",
    *,
    target: str | None = None,
    groups: str | None = None,
    time: str | None = None,
    sample_weight: str | None = None,
    split: str | None = None,
    options: Mapping[str, Any] | None = None,
    stream: bool | None = None,
) -> Dataset | None:
    """Return the data set that an object is or holds; None where it is no such object.

    Args:
        found: a :class:`Dataset`; a table; a Hugging Face data set; a torch data set, or those of the training,
            validation and test part; or a Lightning data module.
        name: what to call it.
        target: the target's column, of what has columns by name.
        groups: the column of groups.
        time: the column of time.
        sample_weight: the column of what rows weigh.
        split: the column that says which part a row is in.
        options: ``image_size``, of images in a Hugging Face data set.
        stream: False reads it all into memory.

    Raises:
        InputError: a column is missing, or the data are not fit for use.
    """
    roles: dict[str, Any] = {
        "target": target, "groups": groups, "time": time, "sample_weight": sample_weight, "split": split,
    }  # fmt: skip
    if is_huggingface(found):
        return streamed(
            from_huggingface(found, name=name, roles=roles, options=options, stream=stream), stream
        )
    refuse([f"{name} is a {type(found).__name__}, and takes no data_options."] if options else [])
    if isinstance(found, Dataset) or is_torch(found):
        named = [role for role, column in roles.items() if column is not None]
        what = type(found).__name__
        refuse(
            [f"{role} names a column, and a {what} has no columns of names: leave it out." for role in named]
        )
        return streamed(found if isinstance(found, Dataset) else from_torch(found, name=name), stream)
    if is_table(found):
        return streamed(from_frame(_frame(found), name=name, **roles), stream)
    return None


def as_dataset(data: Any, name: str = "data", **options: Any) -> Dataset:
    """Return the data set that an object is or holds; see :func:`from_object`.

    Raises:
        InputError: it is something else.
    """
    found = from_object(data, name, **options)
    if found is None:
        raise InputError(
            f"data is a {type(data).__name__}; give a name or a path, a table, a Hugging Face data set, torch data sets, "
            "a Lightning data module, or arrays as X and y."
        )
    return found


def streamed(dataset: Dataset, stream: bool | None) -> Dataset:
    """Return a data set whose features are read or held, as was asked."""
    if stream and not isinstance(dataset.x, RowSource):
        return replace(dataset, x=HeldRows(dataset.x))
    if stream is False and isinstance(dataset.x, RowSource):
        return replace(dataset, x=dataset.x.read(np.arange(len(dataset))))
    return dataset


def _frame(table: Any) -> pd.DataFrame:
    frame: pd.DataFrame = plain(table, "data")
    return frame
