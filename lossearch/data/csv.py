"""CSV files: which cells divide its lines, whether its first line has column names, and the table."""

from __future__ import annotations

import csv
import gzip
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate, dropwhile, islice
from pathlib import Path
from typing import Any

import pandas as pd

from lossearch._memory import free_memory
from lossearch._notation import notation_of
from lossearch._numerals import IDENTIFIER
from lossearch._text import size
from lossearch.data.column_names import meant
from lossearch.data.columns import duplicates
from lossearch.data.dataset import PEAK
from lossearch.errors import InputError

SUFFIXES = (".csv", ".tsv", ".csv.gz", ".tsv.gz")
DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}
TOP_BYTES = 2**22
MAX_COMMENTS = 1000
"""Bytes and lines at the top among which the column names are looked for."""
DECIDING = 1000
"""Cells that say whether a column has decimal commas."""
_EXCEL = re.compile(r'"?sep=(.)"?', re.IGNORECASE)


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
    except MemoryError as error:
        raise _too_large(path, "more memory than there is", None) from error
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path.name} is not UTF-8 text (it holds the byte {error.object[error.start]:#04x}): save it as UTF-8."
        ) from error
    except pd.errors.ParserError as error:
        if "out of memory" in str(error):  # which pandas tells as if it were the table's fault
            raise _too_large(path, "more memory than there is", None) from error
        raise InputError(f"{path.name} is not a regular table: {str(error).strip()}.") from error
    except (OSError, ValueError) as error:
        raise InputError(f"{path.name} cannot be read: {str(error).strip()}") from error


@dataclass(frozen=True)
class _Top:
    """What stands above the data: bytes before the column names, the delimiter, the names, and a line of data."""

    start: int
    delimiter: str
    header: list[str]
    below: list[str]


def _read(path: Path, target: str | None) -> tuple[pd.DataFrame, tuple[str, ...]]:
    top = _top(path)
    header, delimiter = top.header, top.delimiter
    _check_header(path, header, target)
    if len(top.below) > len(header):
        raise InputError(
            f"{path.name}: rows have more cells than the {len(header)} column names of the first line."
        )
    _refuse_too_large(path, top)
    frame = _table(path, top, low_memory=False)
    frame.columns = pd.Index(header)
    if len(frame) and all((frame[name].astype(str) == name).any() for name in header):
        raise _no_header(path, header)  # every cell of the first line also stands below it
    divided = f"{path.name}: columns are divided by {DELIMITERS.get(delimiter, repr(delimiter))}"
    return _as_written(path, top, frame), () if delimiter == "," else (divided,)


def _refuse_too_large(path: Path, top: _Top) -> None:
    """Refuse a file whose table memory does not hold, as the lines at its top say.

    Raises:
        InputError: it does not.
    """
    with _opened(path) as file:
        file.seek(top.start)
        lines = file.read(TOP_BYTES)
        raw: Any = getattr(file, "fileobj", None)
        packed = 1.0 if raw is None else raw.tell() / max(1, file.tell())
    if len(lines) < TOP_BYTES:
        return
    known = lines[: lines.rindex(b"\n") + 1] if b"\n" in lines else lines
    try:
        held = (
            pd.read_csv(io.BytesIO(known), sep=top.delimiter, skipinitialspace=True)
            .memory_usage(deep=True)
            .sum()
        )
    except (ValueError, UnicodeDecodeError):  # reading it all tells what is wrong
        return
    needed = PEAK * path.stat().st_size / packed * held / len(known)
    if needed > (free := free_memory()):
        raise _too_large(path, f"about {size(needed)} of memory, and {size(free)} are free", top.delimiter)


def _too_large(path: Path, takes: str, delimiter: str | None) -> InputError:
    """Return what to do with a file that memory does not hold."""
    stem = path.name.lower().removesuffix(".gz").removesuffix(".csv").removesuffix(".tsv")
    parquet = path.with_name(f"{path.name[: len(stem)]}.parquet")
    divided = "" if delimiter in {",", None} else f", c.ParseOptions(delimiter={delimiter!r})"
    options = f"c.ReadOptions(block_size=2**26){divided}"
    return InputError(
        f"{path.name} takes {takes}: give some of its rows, or write it as Parquet, which is read batch by batch:\n"
        f'python -c "import pyarrow.csv as c, pyarrow.parquet as p; r = c.open_csv({str(path)!r}, {options}); '
        f'w = p.ParquetWriter({str(parquet)!r}, r.schema); [w.write_batch(b) for b in r]; w.close()"'
    )


def _table(path: Path, top: _Top, **options: Any) -> pd.DataFrame:
    with _opened(path) as file:
        file.seek(top.start)
        frame: pd.DataFrame = pd.read_csv(
            file, sep=top.delimiter, encoding="utf-8", skipinitialspace=True, **options
        )
    return frame


def _as_written(path: Path, top: _Top, frame: pd.DataFrame) -> pd.DataFrame:
    """Return a table whose text is as it stands in the file, and so are post codes and telephone numbers.

    Of what pandas takes for missing only empty cells are left out: "NA" may be a name. Where commas are decimal,
    dots may stand between thousands, and so are left to stand.
    """
    text = [i for i, name in enumerate(frame) if _may_be_names(frame[name])]
    whole = [i for i, c in enumerate(frame) if _is_whole(frame[c])]
    padded = whole if whole and _has_identifiers(path, top.delimiter) else []
    grouped = [i for i, c in enumerate(frame) if pd.api.types.is_float_dtype(frame[c].dtype)]
    grouped = grouped if any(_has_decimal_comma(frame[c]) for c in frame) else []
    wanted = sorted({*text, *padded, *grouped})
    if not wanted:
        return frame
    raw = _table(path, top, usecols=wanted, dtype=str, keep_default_na=False)
    for i, name in zip(wanted, raw, strict=True):
        codes = i in padded and raw[name].str.fullmatch(rf"\s*{IDENTIFIER}\s*").any()
        if i in text or codes or (i in grouped and _has_dots_between_thousands(raw[name])):
            frame[frame.columns[i]] = raw[name].where(raw[name].str.strip() != "")
    return frame


def _may_be_names(column: pd.Series[Any]) -> bool:
    """Return whether a column has missing cells, and beside them text or nothing."""
    missing = column.isna()
    return bool(
        missing.all() or (missing.any() and pd.api.types.infer_dtype(column, skipna=True) == "string")
    )


def _has_decimal_comma(column: pd.Series[Any]) -> bool:
    """Return whether a column is text that can only be numbers with a decimal comma."""
    if pd.api.types.infer_dtype(column, skipna=True) != "string":
        return False
    try:
        found = notation_of(column.dropna().iloc[:DECIDING], "", "").notation
    except InputError:
        return False
    return found is not None and found.decimal == ","


def _has_dots_between_thousands(column: pd.Series[str]) -> bool:
    """Return whether cells that pandas took for decimals may be thousands in a file that has decimal commas."""
    cells = column[column.str.contains(".", regex=False)].str.strip()
    return len(cells) > 0 and bool(cells.str.fullmatch(r"[+-]?[1-9][0-9]{0,2}(\.[0-9]{3})+").all())


def _is_whole(column: pd.Series[Any]) -> bool:
    if pd.api.types.is_bool_dtype(column.dtype) or not pd.api.types.is_numeric_dtype(column.dtype):
        return False
    return bool((column.dropna() % 1 == 0).all()) and bool(column.notna().any())


def _opened(path: Path) -> gzip.GzipFile | io.BufferedReader:
    return gzip.open(path, "rb") if path.name.lower().endswith(".gz") else path.open("rb")


def _has_identifiers(path: Path, delimiter: str) -> bool:
    """Return whether a cell may be digits that are a name, such as a post code with leading zeros or a telephone number."""
    edge = b'["\\s' + re.escape(delimiter.encode()) + b"]"
    search = re.compile(b"(?:^|" + edge + b")" + IDENTIFIER.encode() + b"(?=" + edge + b"|$)").search
    with _opened(path) as file:
        return any(search(line) for line in file)


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Give the lines at the top of a file that are not empty, with the bytes that stand before each."""
    with _opened(path) as file:
        top = file.read(TOP_BYTES)
    found = top.splitlines(keepends=True)
    for start, line in zip(accumulate(map(len, found), initial=0), found, strict=False):
        if line.strip():
            yield start, line.decode("utf-8-sig").rstrip("\r\n")


def _top(path: Path) -> _Top:
    """Return what stands above the data.

    A first line "sep=;", as Excel writes it, names the delimiter. Lines with # in front are comments, but the
    last of them holds the column names where they belong to the data below it.
    """
    lines = list(islice(_lines(path), MAX_COMMENTS))
    excel = _EXCEL.fullmatch(lines[0][1]) if lines else None
    lines = lines[1:] if excel else lines
    rest = list(dropwhile(lambda line: line[1].startswith("#"), lines))[:2]
    comment = next((line for line in reversed(lines) if line[1].startswith("#")), None)
    if not rest and comment is None:
        raise pd.errors.EmptyDataError
    first = rest[0][1] if rest else ""
    shared = [d for d in DELIMITERS if comment and first.count(d) == comment[1].count(d) > 0]
    delimiter = excel[1] if excel else max(shared or DELIMITERS, key=(first or str(comment)).count)
    rows = [(i, _cells(line, delimiter)) for i, line in rest]
    if comment and (shared or not rows):
        name, *others = _cells(comment[1], delimiter)
        if name == "#" or not rows or any(map(_is_number, rows[0][1])):
            rows.insert(0, (comment[0], [name.lstrip("# ") or "#", *others]))
    return _Top(rows[0][0], delimiter, rows[0][1], rows[1][1] if len(rows) > 1 else [])


def _cells(line: str, delimiter: str) -> list[str]:
    return [cell.strip() for cell in next(csv.reader([line], delimiter=delimiter))]


def _check_header(path: Path, header: list[str], target: str | None) -> None:
    double = duplicates(header)
    if double and not all(map(_is_number, double)):
        raise InputError(
            f"{path.name}: two columns are named {double[0]!r}; every column needs its own name."
        )
    wanted = [] if target is None else [target, *(p.strip() for p in target.split(","))]
    positions = header == [str(i) for i in range(len(header))]
    if any(map(_is_number, header)) and not positions and not any(meant(w, header) for w in wanted):
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
