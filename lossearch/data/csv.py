"""CSV files: which cells divide its lines, whether its first line has column names, and the table."""

from __future__ import annotations

import csv
from pathlib import Path

import pandas as pd

from lossearch.data.columns import duplicates
from lossearch.errors import InputError

SUFFIXES = (".csv", ".tsv", ".csv.gz", ".tsv.gz")
DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}


def read_csv(path: Path, target: str | None = None) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Return the table in a CSV file, and notes.

    Args:
        path: where it is.
        target: the target's column; where the first line holds it, that line is taken for column names.

    Raises:
        InputError: the file is empty, not UTF-8, irregular or without column names.
    """
    try:
        return _read(path, target)
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


def _read(path: Path, target: str | None) -> tuple[pd.DataFrame, tuple[str, ...]]:
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
    if len(frame) and all((frame[name].astype(str) == name).any() for name in header):
        raise _no_header(path, header)  # every cell of the first line also stands below it
    notes = () if delimiter == "," else (f"{path.name}: columns are divided by {DELIMITERS[delimiter]}",)
    return frame, notes


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


def _check_header(path: Path, header: list[str], target: str | None) -> None:
    double = duplicates(header)
    if double and not all(map(_is_number, double)):
        raise InputError(
            f"{path.name}: two columns are named {double[0]!r}; every column needs its own name."
        )
    wanted = [] if target is None else [target, *(p.strip() for p in target.split(","))]
    positions = header == [str(i) for i in range(len(header))]
    if any(map(_is_number, header)) and not positions and not any(w in header for w in wanted):
        raise _no_header(path, header)


def _no_header(path: Path, header: list[str]) -> InputError:
    shown = ", ".join(header[:6]) + (", ..." if len(header) > 6 else "")
    return InputError(
        f"{path.name}: the first line looks like data, not column names: {shown}. Add a line of column names on top."
    )


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
