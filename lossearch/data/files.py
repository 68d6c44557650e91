"""Tables in files: CSV and Parquet."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from lossearch._registry import did_you_mean
from lossearch.data.columns import duplicates
from lossearch.errors import InputError

CSV_SUFFIXES = (".csv", ".tsv", ".csv.gz", ".tsv.gz")
PARQUET_SUFFIXES = (".parquet", ".pq")
DELIMITERS = ",;\t|"
_DELIMITER_NAMES = {";": "semicolons", "\t": "tabs", "|": "vertical bars"}


def is_file_name(spec: str) -> bool:
    """Return whether a data name is a path rather than a problem's name."""
    known = spec.lower().endswith((*CSV_SUFFIXES, *PARQUET_SUFFIXES))
    return known or (":" not in spec and ("/" in spec or Path(spec).is_file()))


def find_column(name: str, names: Sequence[str], where: str) -> str:
    """Return ``name`` where it is a column.

    Raises:
        InputError: it is not; the message has the columns and the likeliest one.
    """
    if name in names:
        return name
    shown = ", ".join(names[:30]) + (", ..." if len(names) > 30 else "")
    raise InputError(f"{where} has no column {name!r}.{did_you_mean(name, names)} Columns: {shown}.")


def target_columns(target: str | None, names: Sequence[str], where: str) -> list[str]:
    """Return the target's column, or the columns of a comma-separated target.

    Raises:
        InputError: none was named, or it is not there.
    """
    if target is None:
        shown = ", ".join(names[:30]) + (", ..." if len(names) > 30 else "")
        raise InputError(f"{where}: say which column is the target (target = '...'). Columns: {shown}.")
    if target in names or "," not in target:
        return [find_column(target, names, where)]
    return [find_column(part.strip(), names, where) for part in target.split(",")]


def is_parquet(path: Path) -> bool:
    """Return whether a file's name says that it is Parquet."""
    return path.name.lower().endswith(PARQUET_SUFFIXES)


def check_file(path: Path) -> None:
    """Refuse a path where there is no file.

    Raises:
        InputError: there is none; the message has the likeliest one.
    """
    if not path.is_file():
        raise _missing_file(path)


def _missing_file(path: Path) -> InputError:
    folder = path.parent
    if not folder.is_dir():
        return InputError(f"There is no file {path}: the folder {folder} does not exist.")
    data = [p.name for p in folder.iterdir() if p.name.lower().endswith((*CSV_SUFFIXES, *PARQUET_SUFFIXES))]
    return InputError(f"There is no file {path}.{did_you_mean(path.name, data)}")


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _check_header(path: Path, header: list[str], target: str | None) -> None:
    double = duplicates(header)
    if double and not all(map(_is_number, double)):
        raise InputError(
            f"{path.name}: two columns are named {double[0]!r}; every column needs its own name."
        )
    wanted = [] if target is None else [target, *(p.strip() for p in target.split(","))]
    positions = header == [str(i) for i in range(len(header))]
    if any(map(_is_number, header)) and not positions and not any(w in header for w in wanted):
        raise InputError(
            f"{path.name}: the first line looks like data, not column names: {', '.join(header[:6])}"
            f"{', ...' if len(header) > 6 else ''}. Add a line of column names on top."
        )


def _first_lines(path: Path) -> list[str]:
    """Return the line of column names and the line below it."""
    lines = pd.read_csv(
        path,
        header=None,
        nrows=2,
        sep="\x01",
        dtype=str,
        keep_default_na=False,
        encoding="utf-8",
        quoting=csv.QUOTE_NONE,
    )
    return [str(cell) for cell in lines[0]]


def _read_csv(path: Path, target: str | None) -> tuple[pd.DataFrame, tuple[str, ...]]:
    first = _first_lines(path)
    delimiter = max(DELIMITERS, key=first[0].count)
    header, *below = ([cell.strip() for cell in row] for row in csv.reader(first, delimiter=delimiter))
    _check_header(path, header, target)
    if any(len(row) > len(header) for row in below):
        raise InputError(
            f"{path.name}: rows have more cells than the {len(header)} column names of the first line."
        )
    frame = pd.read_csv(path, sep=delimiter, encoding="utf-8", skipinitialspace=True, low_memory=False)
    frame.columns = pd.Index(header)
    _check_text_header(path, frame)
    notes = (
        () if delimiter == "," else (f"{path.name}: columns are divided by {_DELIMITER_NAMES[delimiter]}",)
    )
    return frame, notes


def _check_text_header(path: Path, frame: pd.DataFrame) -> None:
    """Refuse a first line whose every cell also stands below it, as only data would."""
    if len(frame) and all((frame[name].astype(str) == name).any() for name in frame.columns):
        raise InputError(
            f"{path.name}: the first line looks like data, not column names: {', '.join(frame.columns[:6])}. "
            "Add a line of column names on top."
        )


def _read(path: Path, target: str | None) -> tuple[pd.DataFrame, tuple[str, ...]]:
    try:
        if is_parquet(path):
            return pd.read_parquet(path), ()
        return _read_csv(path, target)
    except InputError:
        raise
    except pd.errors.EmptyDataError as error:
        raise InputError(f"{path.name} is empty.") from error
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path.name} is not UTF-8 text (it holds the byte {error.object[error.start]:#04x}): save it as UTF-8."
        ) from error
    except pd.errors.ParserError as error:
        raise InputError(f"{path.name} is not a regular table: {str(error).strip()}.") from error
    except (OSError, ValueError) as error:
        raise InputError(f"{path.name} cannot be read: {str(error).strip()}") from error


def read_table(path: Path, target: str | None = None) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Return the table in a CSV or Parquet file, and notes.

    Args:
        path: where it is; its ending says which format.
        target: the target's column; where the first line holds it, that line is taken for column names.

    Raises:
        InputError: there is no such file, or it is empty, not UTF-8, irregular or without column names.
    """
    check_file(path)
    if not path.name.lower().endswith((*CSV_SUFFIXES, *PARQUET_SUFFIXES)):
        known = ", ".join((*CSV_SUFFIXES, *PARQUET_SUFFIXES))
        raise InputError(f"{path.name} is of no known format. Known: {known}.")
    frame, notes = _read(path, target)
    if len(frame) == 0:
        raise InputError(f"{path.name} has column names and no rows.")
    return frame, notes
