"""Parquet files, read whole or, where memory does not hold them, by row groups."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from lossearch._text import size
from lossearch.data import columns
from lossearch.data.arrays import is_categorical, sample_weights, side, targets
from lossearch.data.dataset import Dataset
from lossearch.data.levels import leveled
from lossearch.data.part_names import parts_by_names
from lossearch.data.readings import Reading
from lossearch.data.roles import column_of, column_roles
from lossearch.data.rows import SHUFFLE_BYTES, Draw, Features, Ids, Piece, join, loaded, shuffled, take
from lossearch.errors import InputError

SUFFIXES = (".parquet", ".pq")
GROUP_BYTES = 4 * SHUFFLE_BYTES
"""Bytes a row group may take in memory."""


def opened(path: Path) -> pq.ParquetFile:
    """Return a Parquet file with its column names and row groups known.

    Raises:
        InputError: it is no Parquet file.
    """
    try:
        return pq.ParquetFile(path)
    except (OSError, pa.ArrowInvalid) as error:
        raise InputError(f"{path.name} cannot be read: {str(error).strip()}") from error


def data_bytes(path: Path) -> int:
    """Return about how many bytes the table of a Parquet file takes in memory."""
    meta = opened(path).metadata
    stored = sum(meta.row_group(g).total_byte_size for g in range(meta.num_row_groups))
    # columns of few values are stored as codes, which a table in memory spells out
    return int(max(stored, 8 * meta.num_rows * meta.num_columns))


def read_table(path: Path) -> pd.DataFrame:
    """Return the table in a file.

    Raises:
        InputError: it cannot be read.
    """
    try:
        return pd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise InputError(f"{path.name} cannot be read: {str(error).strip()}") from error


@dataclass(frozen=True, eq=False)
class ParquetRows:
    """The features in a Parquet file.

    What each column holds is read off the first row group, and every other must hold the same.
    ``sizes`` are the row groups' numbers of rows; ``numbers`` and ``names`` the cleaned table's columns, which
    come about as ``readings`` say.
    """

    path: Path
    columns: tuple[str, ...]
    sizes: tuple[int, ...]
    numbers: tuple[str, ...]
    names: tuple[str, ...]
    readings: tuple[Reading, ...] = ()
    notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, path: Path, features: Sequence[str]) -> ParquetRows:
        """Return the rows of a file, of whose columns these are features.

        Raises:
            InputError: a row group is too large to be read at once, or a column is not fit for use.
        """
        file = opened(path)
        meta = file.metadata
        sizes = tuple(meta.row_group(g).num_rows for g in range(meta.num_row_groups))
        largest = max(sizes, default=0)
        room = 8 * largest * len(features)
        if room > GROUP_BYTES:
            fitting = GROUP_BYTES // (8 * len(features))
            raise InputError(
                f"{path.name} has a row group of {largest} rows, {size(room)}, and groups are read whole: "
                f"write it with {fitting} rows a group or fewer (row_group_size={fitting} in DataFrame.to_parquet)."
            )
        first = next((g for g, n in enumerate(sizes) if n), None)
        if first is None:
            raise InputError(f"{path.name} has column names and no rows.")
        table, readings, notes = columns.clean(file.read_row_group(first, columns=list(features)).to_pandas())
        text = tuple(map(str, table.columns[table.dtypes != np.float64]))
        numbers = tuple(c for c in map(str, table.columns) if c not in text)
        return cls(path, tuple(features), sizes, numbers, text, readings, notes)

    @property
    def starts(self) -> Ids:
        """The number of each row group's first row."""
        return np.concatenate(([0], np.cumsum(self.sizes)[:-1])).astype(np.int64)

    def __len__(self) -> int:
        return sum(self.sizes)

    def digest(self) -> bytes:
        """Return a hash of the file's bytes."""
        with self.path.open("rb") as file:
            return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).digest()

    def _fetch(self, asked: tuple[int, Ids]) -> pd.DataFrame:
        """Return rows of one group, counted from its first."""
        group, rows = asked
        frame = opened(self.path).read_row_group(group, columns=list(self.columns)).to_pandas()
        try:
            with suppress(InputError):
                return self._conform(frame.iloc[rows])
            return self._conform(frame).iloc[rows]  # what is wrong is told by its row in the group
        except InputError as error:
            raise InputError(f"{self.path.name}, row group {group}: {error}") from error

    def _conform(self, frame: pd.DataFrame) -> pd.DataFrame:
        return columns.conform(frame, self.numbers, self.names, self.readings)

    def _asked(self, rows: Ids) -> list[tuple[int, Ids]]:
        """Return what to fetch of each group for these rows, which are in ascending order."""
        groups = np.searchsorted(np.cumsum(self.sizes), rows, side="right")
        return [(int(g), rows[groups == g] - self.starts[g]) for g in np.unique(groups)]

    def read(self, rows: Ids) -> Features:
        """Return some rows, in the order asked."""
        wanted, back = np.unique(rows, return_inverse=True)
        return take(join([self._fetch(asked) for asked in self._asked(wanted)]), back)

    def pieces(self, rows: Ids, draw: Draw) -> Iterator[Piece]:
        """Give rows by row groups in a drawn order, shuffled within groups that follow each other."""

        def whole() -> Iterator[Piece]:
            asked = self._asked(np.sort(rows))
            asked = [asked[i] for i in draw.order(len(asked), "groups")]
            for (group, own), frame in zip(asked, loaded(self._fetch, asked, draw), strict=True):
                yield frame, own + self.starts[group]

        yield from shuffled(whole(), draw)


def from_parquet(
    path: Path,
    *,
    target: str | None,
    groups: str | None = None,
    time: str | None = None,
    sample_weight: str | None = None,
    split: str | None = None,
) -> Dataset:
    """Return the data set of a Parquet file, of which targets, groups, time and weights are held.

    Args:
        path: where it is.
        target: see :func:`~lossearch.data.roles.column_roles`, as for ``groups`` and ``time``.
        groups: the column of groups.
        time: the column of time.
        sample_weight: the column of what rows weigh.
        split: the column that says which part a row is in.

    Raises:
        InputError: a column is missing or named twice, or the data are not fit for use.
    """
    schema: Any = opened(path).schema_arrow
    index = [c for c in (schema.pandas_metadata or {}).get("index_columns", []) if isinstance(c, str)]
    names = [n for n in schema.names if n not in index]
    roles = column_roles(names, path.name, target, groups, time, sample_weight, split)
    rows = ParquetRows.of(path, roles.features)
    table = opened(path).read(columns=[*roles.target, *roles.sides.values()]).to_pandas()
    held = table.reset_index(drop=True)
    y = leveled([roles.y(held)])
    own = json.dumps([roles.target, roles.sides]).encode()
    return Dataset(
        name=path.name,
        x=rows,
        y=targets(y.columns[0]),
        classes=y.classes,
        target=", ".join(roles.target),
        digest=hashlib.blake2b(rows.digest().hex().encode() + own, digest_size=16).hexdigest(),
        notes=rows.notes,
        readings=rows.readings,
        categorical=is_categorical(roles.y(held)),
        ordered=y.ordered,
        groups=side(column_of(held, roles.groups), len(rows), "groups"),
        time=side(column_of(held, roles.time), len(rows), "time"),
        sample_weight=sample_weights(column_of(held, roles.sample_weight), len(rows)),
        parts=parts_by_names(column_of(held, roles.split), len(rows)),
    )
