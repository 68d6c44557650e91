"""Where data come from: files, built-in problems, OpenML, a user's function; arrays in memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from lossearch.data import builtin as problems
from lossearch.data import files
from lossearch.data import streaming as loaders
from lossearch.data.dataset import Dataset, from_arrays, from_frame
from lossearch.data.rows import HeldRows, RowSource
from lossearch.errors import InputError, refuse

__all__ = ["Dataset", "as_dataset", "from_arrays", "from_frame", "read_data"]


def read_data(
    spec: str,
    *,
    target: str | None = None,
    options: Mapping[str, Any] | None = None,
    groups: str | None = None,
    time: str | None = None,
    stream: bool | None = None,
) -> Dataset:
    """Return the data set that ``spec`` names.

    Args:
        spec: a built-in problem ("circles"), a path ending in .csv, .tsv or .parquet, "openml:554", or
            "module:function" giving (X, y), a DataFrame, torch data sets or a Lightning data module.
        target: the target's column, for tables.
        options: arguments of a built-in problem or of the user's function.
        groups: the column of groups, for tables.
        time: the column of time, for tables.
        stream: whether training rows are read batch by batch rather than held; None decides by size.

    Raises:
        InputError: there is no such data, or it is not fit for use; the message says what to do.
    """
    options = dict(options or {})
    table = {"target": target, "groups": groups, "time": time}
    if files.is_file_name(spec):
        refuse([f"{spec}: a file takes no data_options; got {', '.join(options)}."] if options else [])
        return _as_asked(_read_file(Path(spec), table, stream), stream)
    if spec.startswith("openml:"):
        return _as_asked(problems.read_openml(spec, options, **table), stream)
    if ":" in spec:
        return _as_asked(problems.call_function(spec, options, stream=stream, **table), stream)
    named = [k for k, v in table.items() if v is not None]
    refuse([f"Built-in data {spec!r} takes no {k}: that names a column of a table." for k in named])
    return _as_asked(problems.read_problem(spec, options), stream)


def as_dataset(data: Any, name: str = "data", *, stream: bool | None = None) -> Dataset:
    """Return the data set that an object is, or that it gives.

    Args:
        data: a :class:`Dataset`; a torch data set, or those of the training, validation and test part; or a
            Lightning data module.
        name: what to call it.
        stream: False reads it all into memory.

    Raises:
        InputError: it is something else.
    """
    if isinstance(data, Dataset):
        return _as_asked(data, stream)
    if loaders.is_torch(data):
        return _as_asked(loaders.from_torch(data, name=name), stream)
    raise InputError(
        f"data is a {type(data).__name__}; give a name or a path, torch data sets, a Lightning data module, or "
        "arrays as X and y."
    )


def _read_file(path: Path, table: Mapping[str, str | None], stream: bool | None) -> Dataset:
    files.check_file(path)
    if files.is_parquet(path) and (loaders.is_large(path) if stream is None else stream):
        return loaders.from_parquet(path, **table)
    frame, notes = files.read_table(path, table["target"])
    return from_frame(frame, name=path.name, notes=notes, **table)


def _as_asked(dataset: Dataset, stream: bool | None) -> Dataset:
    """Return a data set in the form asked for."""
    if stream and not isinstance(dataset.x, RowSource):
        return replace(dataset, x=HeldRows(dataset.x))
    if stream is False and isinstance(dataset.x, RowSource):
        return replace(dataset, x=dataset.x.read(np.arange(len(dataset))))
    return dataset
