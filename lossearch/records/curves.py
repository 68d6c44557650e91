"""Per-replicate curves in Parquet: one part a trial while a stage runs, one file when it is done.

Columns: trial, pair, lr, seed, epoch (counted from 1), outcome of the replicate, and every curve as float64,
null where a replicate has none. A replicate that ended before its first epoch was scored has no rows.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from filelock import FileLock
from numpy.typing import NDArray

from lossearch._json import replacing
from lossearch.errors import StoreError
from lossearch.training.contract import ReplicateResult

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
_ATTEMPTS = 20
_LEFT_SECONDS = 3600.0


@dataclass(frozen=True)
class MeanCurve:
    """A curve's mean and sd over seeds, one value an epoch; of the replicates that got so far, finite only."""

    mean: NDArray[np.float64]
    sd: NDArray[np.float64]


MeanCurves = Mapping[str, MeanCurve]


def write_part(folder: Path, stage: str, number: int, results: Sequence[ReplicateResult]) -> Path:
    """Write the curves of one trial as a part, whole or not at all; writing them again replaces it."""
    path = folder / stage / f"part-{number:06d}.parquet"
    _write(path, _joined([_trial_table(number, results)] if results else []))
    return path


def rewrite(
    folder: Path,
    stage: str,
    results: Mapping[int, Sequence[ReplicateResult]],
    keep: Collection[tuple[int, int]] = (),
) -> Path:
    """Write the joined file of a stage anew, whole or not at all.

    Curves of before stay for the trials and seeds to ``keep``; all others go.
    """
    table, _ = _read(folder, stage)
    here = pd.MultiIndex.from_arrays([table["trial"].to_pandas(), table["seed"].to_pandas()])
    wanted = pd.MultiIndex.from_tuples(sorted(keep), names=[None, None]) if keep else here[:0]
    kept = table.filter(pa.array(here.isin(wanted)))
    tables = [_trial_table(number, results[number]) for number in sorted(results) if results[number]]
    path = folder / f"{stage}.parquet"
    _write(path, _joined([kept, *tables]))
    return path


def read_curves(folder: Path, stage: str) -> pd.DataFrame:
    """Return all curves of a stage written so far, by trial; safe while others write or compact.

    Raises:
        StoreError: a file is damaged.
    """
    table, _ = _read(folder, stage)
    frame: pd.DataFrame = table.to_pandas()
    return frame.sort_values(["trial", "seed", "epoch"], kind="stable", ignore_index=True)


def compact(folder: Path, stage: str) -> Path:
    """Join the parts of a stage into one file. Killed at any moment, it leaves all curves readable once."""
    target = folder / f"{stage}.parquet"
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / f".{stage}.lock"):
        table, parts = _read(folder, stage)
        if parts or not target.exists():
            _write(target, table)
        for part in parts:
            part.unlink(missing_ok=True)
        _sweep(folder, stage)
    return target


def _sweep(folder: Path, stage: str) -> None:
    """Remove what killed writers left: a joined file at once, for this one holds the lock, a part when it is old."""
    parts = (folder / stage).glob(".part-*.tmp")
    old = [p for p in parts if p.exists() and time.time() - p.stat().st_mtime > _LEFT_SECONDS]
    for left in (*folder.glob(f".{stage}.parquet.*.tmp"), *old):
        left.unlink(missing_ok=True)


def mean_curves(results: Iterable[ReplicateResult]) -> dict[str, MeanCurve]:
    """Return the curves of a trial's replicates as mean and sd over seeds."""
    return _mean_curves([result.curves for result in results])


def mean_curves_of(frame: pd.DataFrame, trial: int) -> dict[str, MeanCurve]:
    """Return the same from a frame of :func:`read_curves`."""
    rows = frame[frame["trial"] == trial]
    names = [c for c in frame.columns if c not in KEYS.names]
    replicates = [
        {name: group[name].to_numpy(np.float64) for name in names if group[name].notna().any()}
        for _, group in rows.sort_values(["seed", "epoch"]).groupby("seed", sort=True)
    ]
    return _mean_curves(replicates)


def _mean_curves(replicates: Sequence[Mapping[str, NDArray[np.float64]]]) -> dict[str, MeanCurve]:
    names = list(dict.fromkeys(name for curves in replicates for name in curves))
    return {name: _mean_curve([c[name] for c in replicates if name in c]) for name in names}


def _mean_curve(curves: Sequence[NDArray[np.float64]]) -> MeanCurve:
    stacked = np.full((len(curves), max(map(len, curves))), np.nan)
    for row, curve in zip(stacked, curves, strict=True):
        row[: len(curve)] = curve
    finite = np.isfinite(stacked)
    count = finite.sum(axis=0)
    total = np.where(finite, stacked, 0.0).sum(axis=0)
    mean = np.divide(total, count, out=np.full(len(count), np.nan), where=count > 0)
    squares = (np.where(finite, stacked - mean, 0.0) ** 2).sum(axis=0)
    sd = np.sqrt(np.divide(squares, count - 1, out=np.full(len(count), np.nan), where=count > 1))
    return MeanCurve(mean, sd)


def _trial_table(number: int, results: Sequence[ReplicateResult]) -> pa.Table:
    """Return the rows of one trial's replicates, whose columns are those that any of them has."""
    ends = [max((len(c) for c in r.curves.values()), default=0) for r in results]
    point = results[0].replicate.point
    seeds = np.array([int(r.replicate.seed) for r in results], dtype=np.int64)
    outcomes = pa.array([str(r.outcome) for r in results], KEYS.field("outcome").type)
    place = np.repeat(np.arange(len(results)), ends)
    keys = {
        "trial": pa.repeat(pa.scalar(number, pa.int64()), len(place)),
        "pair": pa.repeat(pa.scalar(point.pair), len(place)),
        "lr": pa.repeat(pa.scalar(float(point.lr)), len(place)),
        "seed": pa.array(seeds[place]),
        "epoch": pa.array(np.concatenate([np.arange(1, end + 1, dtype=np.int32) for end in ends])),
        "outcome": outcomes.take(pa.array(place)),
    }
    names = dict.fromkeys(name for r in results for name in r.curves)
    curves = {name: _column([r.curves.get(name) for r in results], ends) for name in names}
    return pa.table({**{name: keys[name] for name in KEYS.names}, **curves})


def _column(curves: Sequence[NDArray[np.float64] | None], ends: Sequence[int]) -> pa.Array:
    """Return one curve of every replicate, null where a replicate has none."""
    lengths = [0 if curve is None else len(curve) for curve in curves]
    values = np.concatenate([np.zeros(0), *(curve for curve in curves if curve is not None)])
    if lengths == list(ends):
        return pa.array(values, type=pa.float64())
    had = np.concatenate([np.arange(end) < length for end, length in zip(ends, lengths, strict=True)])
    every = np.zeros(len(had))
    every[had] = values
    return pa.array(every, type=pa.float64(), mask=~had)


def _joined(tables: Sequence[pa.Table]) -> pa.Table:
    return pa.concat_tables([KEYS.empty_table(), *tables], promote_options="default")


def _write(path: Path, table: pa.Table) -> None:
    with replacing(path) as temporary:
        # numbers of a curve seldom repeat: looking for those that do takes as long as all the rest
        pq.write_table(table, temporary, compression="zstd", use_dictionary=[*KEYS.names])


def _read(folder: Path, stage: str) -> tuple[pa.Table, list[Path]]:
    """Return the rows of a stage, each once, and the parts they came from."""
    for _ in range(_ATTEMPTS):
        parts = sorted((folder / stage).glob("part-*.parquet"))
        try:
            # the parts first: what a compaction removes meanwhile is in the joined file read after them
            tables = [_read_file(part) for part in parts]
            joined = folder / f"{stage}.parquet"
            whole = _read_file(joined) if joined.exists() else KEYS.empty_table()
        except FileNotFoundError:
            continue
        read = _joined(tables)
        # a kill may leave a part beside the joined file: the trials of a part are taken from there
        again = np.isin(whole["trial"].to_numpy(), read["trial"].to_numpy())
        return _joined([whole.filter(pa.array(~again)), read]), parts
    raise StoreError(f"The curves in {folder / stage} kept changing while they were read. Try again.")


def _read_file(path: Path) -> pa.Table:
    try:
        # opened by us: a data set reader would take the directory's name for a partition
        with path.open("rb") as file:
            return pq.read_table(file)
    except pa.ArrowInvalid as error:
        raise StoreError(
            f"{path} is damaged: {error}. Restore it from a copy, or remove it to lose these curves only."
        ) from error
