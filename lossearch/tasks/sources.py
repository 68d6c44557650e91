"""Where data come from: files, built-in problems, OpenML, a user's function; arrays in memory."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lossearch.errors import refuse
from lossearch.tasks import files, problems
from lossearch.tasks.dataset import Dataset, from_arrays, from_frame

__all__ = ["Dataset", "from_arrays", "from_frame", "read_data"]


def read_data(
    spec: str,
    *,
    target: str | None = None,
    options: Mapping[str, Any] | None = None,
    groups: str | None = None,
    time: str | None = None,
) -> Dataset:
    """Return the data set that ``spec`` names.

    Args:
        spec: a built-in problem ("circles"), a path ending in .csv, .tsv or .parquet, "openml:554", or
            "module:function" giving (X, y) or a DataFrame.
        target: the target's column, for tables.
        options: arguments of a built-in problem or of the user's function.
        groups: the column of groups, for tables.
        time: the column of time, for tables.

    Raises:
        InputError: there is no such data, or it is not fit for use; the message says what to do.
    """
    options = dict(options or {})
    table = {"target": target, "groups": groups, "time": time}
    if files.is_file_name(spec):
        refuse([f"{spec}: a file takes no data_options; got {', '.join(options)}."] if options else [])
        frame, notes = files.read_table(Path(spec), target)
        return from_frame(frame, name=Path(spec).name, notes=notes, **table)
    if spec.startswith("openml:"):
        return problems.read_openml(spec, options, **table)
    if ":" in spec:
        return problems.call_function(spec, options, **table)
    named = [k for k, v in table.items() if v is not None]
    refuse([f"Built-in data {spec!r} takes no {k}: that names a column of a table." for k in named])
    return problems.read_problem(spec, options)
