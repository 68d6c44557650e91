"""Where data come from: files, built-in problems, OpenML, a user's function or objects; arrays in memory."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from lossearch._imports import is_reference, load_function
from lossearch._memory import free_memory
from lossearch._registry import did_you_mean, unknown_name
from lossearch._text import size
from lossearch.data import csv, parquet
from lossearch.data.builtin import PROBLEMS, read_problem
from lossearch.data.dataset import PEAK, STREAM_BYTES, Dataset
from lossearch.data.folders import from_folder
from lossearch.data.in_memory import from_arrays, from_frame
from lossearch.data.objects import as_dataset, from_object, streamed
from lossearch.errors import InputError, LossearchError, refuse

__all__ = ["Dataset", "as_dataset", "from_arrays", "from_frame", "read_data"]

SUFFIXES = (*csv.SUFFIXES, *parquet.SUFFIXES)
OPENML = "openml:"


def read_data(
    spec: str,
    *,
    target: str | None = None,
    options: Mapping[str, Any] | None = None,
    groups: str | None = None,
    time: str | None = None,
    sample_weight: str | None = None,
    split: str | None = None,
    stream: bool | None = None,
) -> Dataset:
    """Return the data set that ``spec`` names.

    Args:
        spec: a built-in problem ("circles"), a path ending in .csv, .tsv or .parquet, a directory of images,
            "openml:554", or "module:function" giving (X, y), a DataFrame, torch data sets or a Lightning data module.
        target: the target's column, for tables.
        options: arguments of a built-in problem, of a directory of images, of OpenML or of the user's function.
        groups: the column of groups, for tables.
        time: the column of time, for tables.
        sample_weight: the column of what rows weigh, for tables.
        split: the column that says which part a row is in, for tables.
        stream: whether training rows are read batch by batch rather than held; None decides by size.

    Raises:
        InputError: there is no such data, or it is not fit for use; the message says what to do.
    """
    options = dict(options or {})
    roles: dict[str, Any] = {
        "target": target, "groups": groups, "time": time, "sample_weight": sample_weight, "split": split,
    }  # fmt: skip
    if _is_folder_name(spec):
        _refuse_columns(f"Directory {spec!r}", roles)
        return from_folder(Path(spec), options, stream=stream)
    if _is_file_name(spec):
        refuse([f"{spec}: a file takes no data_options; got {', '.join(options)}."] if options else [])
        return streamed(_read_file(Path(spec), roles, stream), stream)
    if spec.startswith(OPENML):
        return streamed(_read_openml(spec, options, roles), stream)
    if is_code(spec):
        return streamed(_call_function(spec, options, roles, stream), stream)
    _refuse_columns(f"Built-in data {spec!r}", roles)
    return streamed(read_problem(spec, options), stream)


def _refuse_columns(what: str, roles: Mapping[str, Any]) -> None:
    named = [role for role, column in roles.items() if column is not None]
    refuse([f"{what} takes no {role}: that names a column of a table." for role in named])


def is_code(spec: str) -> bool:
    """Return whether data are named as a user's function is: neither as files are, nor as what is downloaded."""
    if _is_folder_name(spec) or _is_file_name(spec) or spec.startswith(OPENML):
        return False
    return ":" in spec or is_reference(spec)


def _is_folder_name(spec: str) -> bool:
    return Path(spec).is_dir() and spec not in PROBLEMS


def _is_file_name(spec: str) -> bool:
    return spec.lower().endswith(SUFFIXES) or (":" not in spec and ("/" in spec or Path(spec).is_file()))


def _read_file(path: Path, roles: Mapping[str, Any], stream: bool | None) -> Dataset:
    if not path.is_file():
        raise _missing_file(path)
    notes: tuple[str, ...] = ()
    if path.name.lower().endswith(parquet.SUFFIXES):
        held, free = parquet.data_bytes(path), free_memory()
        if stream or (stream is None and (held > STREAM_BYTES or PEAK * held > free)):
            return parquet.from_parquet(path, **roles)
        if PEAK * held > free:
            raise InputError(
                f"{path.name} takes about {size(PEAK * held)} of memory where it is held, and {size(free)} are free: leave "
                "out stream = false, and it is read batch by batch."
            )
        frame = parquet.read_table(path)
    elif path.name.lower().endswith(csv.SUFFIXES):
        frame, notes = csv.read_csv(path, roles["target"])
    else:
        raise InputError(f"{path.name} is of no known format. Known: {', '.join(SUFFIXES)}.")
    if len(frame) == 0:
        raise InputError(f"{path.name} has column names and no rows.")
    return from_frame(frame, name=path.name, notes=notes, **roles)


def _missing_file(path: Path) -> InputError:
    folder = path.parent
    if not folder.is_dir():
        return InputError(f"There is no file {path}: the folder {folder} does not exist.")
    if not path.suffix:
        found = [p.name for p in folder.iterdir() if p.is_dir()]
        return InputError(f"There is no file or directory {path}.{did_you_mean(path.name, found)}")
    data = [p.name for p in folder.iterdir() if p.name.lower().endswith(SUFFIXES)]
    return InputError(f"There is no file {path}.{did_you_mean(path.name, data)}")


def _read_openml(spec: str, options: Mapping[str, Any], roles: Mapping[str, Any]) -> Dataset:
    """Return the data set of "openml:ID", downloaded once and kept by scikit-learn."""
    from sklearn.datasets import fetch_openml

    number = spec.removeprefix(OPENML)
    if not number.isdecimal():
        raise InputError(f"{spec!r} is not of the form openml:ID, with a whole number such as openml:554.")
    ours = {"data_id", "as_frame", "return_X_y"}
    known = [p for p in inspect.signature(fetch_openml).parameters if p not in ours]
    refuse([unknown_name("option of OpenML data", o, known) for o in options if o not in known])
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="A network error occurred")  # the error below says it
            bunch = fetch_openml(data_id=int(number), as_frame=True, **options)
    except (OSError, ValueError) as error:
        raise InputError(
            f"OpenML data set {number} could not be fetched ({error}). It is downloaded on first use; check the "
            "number and the network, or save the table as CSV or Parquet and name that file."
        ) from error
    default = pd.DataFrame(bunch.target).columns if bunch.target is not None else ()
    target = roles["target"] or ", ".join(map(str, default)) or None
    return from_frame(bunch.frame, name=f"openml-{number}", **{**roles, "target": target})


def _call_function(
    spec: str, options: Mapping[str, Any], roles: Mapping[str, Any], stream: bool | None
) -> Dataset:
    """Return the data that a user's "module:function" gives."""
    function = load_function(spec, "data")
    try:
        found = function(**options)
    except LossearchError:
        raise
    except (Exception, SystemExit) as error:
        raise InputError(f"data {spec!r} failed: {type(error).__name__}: {error}") from error
    name = spec.rpartition(":")[2]
    named = from_object(found, name, **roles, stream=stream)
    if named is not None:
        return named
    _refuse_columns(f"data {spec!r} gives no table, and", roles)
    if isinstance(found, tuple) and len(found) == 2:
        return from_arrays(found[0], found[1], name=name, stream=stream)
    raise InputError(
        f"data {spec!r} gave {type(found).__name__}; it must give (X, y), a DataFrame, a Hugging Face data set, torch data "
        "sets or a Lightning data module."
    )
