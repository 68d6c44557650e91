"""The Parquet files of a stage's curves: parts, the joined file, what each holds, and how one is written."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from filelock import FileLock

from lossearch._json import replacing
from lossearch.errors import DamagedError, StoreError
from lossearch.records.copies import Copies, read_copies, with_copies
from lossearch.records.damage import reading
from lossearch.records.store import writing

KEYS = pa.schema(
    [
        ("trial", pa.int64()),
        ("pair", pa.string()),
        ("lr", pa.float64()),
        ("seed", pa.int64()),
        ("epoch", pa.int32()),
        ("outcome", pa.string()),
    ]
)
_NUMBER = "[0-9]" * 6 + "*"
_ATTEMPTS = 20


def only(folder: Path, stage: str, trials: Collection[int], copies: Copies) -> Path:
    """Join the files of a stage into one, of the curves of these trials and their copies, whole or not at all."""
    table, parts = read_stage(folder, stage)
    path = folder / f"{stage}.parquet"
    kept = table.filter(pa.array(np.isin(table["trial"].to_numpy(), [*trials])))
    write_file(path, with_copies(kept, copies))
    for part in parts:
        part.unlink(missing_ok=True)
    return path


def curve_files(folder: Path, stage: str) -> list[Path]:
    """Return the files of a stage that are there: the joined one, and the parts that are not joined yet."""
    joined = folder / f"{stage}.parquet"
    return [*([joined] if joined.exists() else []), *_parts(folder, stage)]


def trials_in(paths: Iterable[Path]) -> set[int]:
    """Return the numbers of the trials whose curves files hold."""
    return {int(n) for path in paths for n in np.unique(read_file(path)["trial"].to_numpy())}


def last_trial(folder: Path, stage: str) -> int:
    """Return the highest number of a trial that curves are kept of, -1 where there are none that can be read.

    Of a file only its footer is read.
    """
    found = [-1, *(int(p.stem.removeprefix("part-")) for p in _parts(folder, stage))]
    joined = folder / f"{stage}.parquet"
    with suppress(DamagedError), reading(joined):
        footer = pq.read_metadata(joined)
        groups = [footer.row_group(i).column(0).statistics for i in range(footer.num_row_groups)]
        found += [int(s.max) for s in groups if s is not None and s.has_min_max]
    return max(found)


def kept_copies(folder: Path, stage: str) -> dict[int, dict[str, Any]]:
    """Return the copies of trials that the files of a stage hold."""
    return read_copies(curve_files(folder, stage))


def _parts(folder: Path, stage: str) -> list[Path]:
    return sorted((folder / stage).glob(f"part-{_NUMBER}.parquet"))


def compact(folder: Path, stage: str) -> Path:
    """Join the parts of a stage into one file. Killed at any moment, it leaves all curves readable once.

    For who has claimed the study: nobody else writes parts meanwhile.
    """
    target = folder / f"{stage}.parquet"
    folder.mkdir(parents=True, exist_ok=True)
    with writing(folder), FileLock(folder / f".{stage}.lock"):
        table, parts = read_stage(folder, stage)
        if parts or not target.exists():
            write_file(target, with_copies(table, kept_copies(folder, stage)))
        for part in parts:
            part.unlink(missing_ok=True)
    return target


def concatenated(tables: Sequence[pa.Table]) -> pa.Table:
    """Return tables as one, whose columns are those that any of them has."""
    return pa.concat_tables([KEYS.empty_table(), *tables], promote_options="default")


def write_file(path: Path, table: pa.Table) -> None:
    """Write a file, whole or not at all."""
    with replacing(path) as temporary:
        # numbers of a curve seldom repeat: looking for those that do takes as long as all the rest
        pq.write_table(table, temporary, compression="zstd", use_dictionary=[*KEYS.names])


def read_stage(folder: Path, stage: str) -> tuple[pa.Table, list[Path]]:
    """Return the rows of a stage, each once, and the parts they came from."""
    for _ in range(_ATTEMPTS):
        parts = _parts(folder, stage)
        try:
            # the parts first: what a compaction removes meanwhile is in the joined file read after them
            tables = [read_file(part) for part in parts]
            joined = folder / f"{stage}.parquet"
            whole = read_file(joined) if joined.exists() else KEYS.empty_table()
        except DamagedError as error:
            if isinstance(error.__cause__, FileNotFoundError):
                continue
            raise
        read = concatenated(tables)
        # a kill may leave a part beside the joined file: the trials of a part are taken from there
        again = np.isin(whole["trial"].to_numpy(), read["trial"].to_numpy())
        return concatenated([whole.filter(pa.array(~again)), read]), parts
    raise StoreError(f"The curves in {folder / stage} kept changing while they were read. Try again.")


def read_file(path: Path) -> pa.Table:
    """Return what a file holds.

    Raises:
        DamagedError: it is missing, or holds something else.
    """
    # opened by us: a data set reader would take the directory's name for a partition
    with reading(path), path.open("rb") as file:
        table = pq.read_table(file).replace_schema_metadata()
        table.select(KEYS.names)  # of another table it says what is not there
        return table
