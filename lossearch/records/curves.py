"""Per-replicate curves in Parquet: one part a trial while a stage runs, one file when it is done.

Columns: trial, pair, lr, seed, epoch (counted from 1), outcome of the replicate, and every curve as float64,
null where a replicate has none. A replicate that ended before its first epoch was scored has no rows.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from lossearch._lazy import pd
from lossearch.records.copies import with_copies
from lossearch.records.curve_files import KEYS, concatenated, read_stage, write_file
from lossearch.records.trial import TrialRecord
from lossearch.training.contract import ReplicateResult


@dataclass(frozen=True)
class MeanCurve:
    """A curve's mean and sd over seeds, one value an epoch; of the replicates that got so far, finite only."""

    mean: NDArray[np.float64]
    sd: NDArray[np.float64]


MeanCurves = Mapping[str, MeanCurve]


def write_part(
    folder: Path,
    stage: str,
    number: int,
    results: Sequence[ReplicateResult],
    copy: Mapping[str, Any] | None = None,
) -> Path:
    """Write the curves of one trial as a part, whole or not at all; writing them again replaces it.

    ``copy`` is the trial itself, as ``copies.fields_of`` has it.
    """
    path = folder / stage / f"part-{number:06d}.parquet"
    table = concatenated([_trial_table(number, results)] if results else [])
    write_file(path, with_copies(table, {} if copy is None else {number: copy}))
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
    table, _ = read_stage(folder, stage)
    here = pd.MultiIndex.from_arrays([table["trial"].to_pandas(), table["seed"].to_pandas()])
    wanted = pd.MultiIndex.from_tuples(sorted(keep), names=[None, None]) if keep else here[:0]
    kept = table.filter(pa.array(here.isin(wanted)))
    tables = [_trial_table(number, results[number]) for number in sorted(results) if results[number]]
    path = folder / f"{stage}.parquet"
    write_file(path, concatenated([kept, *tables]))
    return path


def read_curves(folder: Path, stage: str) -> pd.DataFrame:
    """Return all curves of a stage written so far, by trial; safe while others write or compact.

    Raises:
        StoreError: a file is damaged.
    """
    table, _ = read_stage(folder, stage)
    frame: pd.DataFrame = table.to_pandas()
    return frame.sort_values(["trial", "seed", "epoch"], kind="stable", ignore_index=True)


def mean_curves(
    results: Sequence[ReplicateResult], names: Collection[str] | None = None
) -> dict[str, MeanCurve]:
    """Return the curves of a trial's replicates, or those of some names, as mean and sd over seeds."""
    return _mean_curves([result.curves for result in results], names)


def mean_curves_of(frame: pd.DataFrame, trial: int) -> dict[str, MeanCurve]:
    """Return the same from a frame of :func:`read_curves`."""
    rows = frame[frame["trial"] == trial]
    names = [c for c in frame.columns if c not in KEYS.names]
    replicates = [
        {name: group[name].to_numpy(np.float64) for name in names if group[name].notna().any()}
        for _, group in rows.sort_values(["seed", "epoch"]).groupby("seed", sort=True)
    ]
    return _mean_curves(replicates)


def recorded_curves(folder: Path, stage: str) -> Callable[[TrialRecord], dict[str, MeanCurve]]:
    """Return a function that gives the mean curves of a stage's trials, as they are written now.

    Raises:
        StoreError: a file is damaged.
    """
    frame = read_curves(folder, stage)
    # the rows of a trial stand together: found by halving, ten thousand trials cost what one does each
    trials = frame["trial"].to_numpy()

    def of(record: TrialRecord) -> dict[str, MeanCurve]:
        first, last = np.searchsorted(trials, [record.number, record.number + 1])
        return mean_curves_of(frame.iloc[first:last], record.number)

    return of


def _mean_curves(
    replicates: Sequence[Mapping[str, NDArray[np.float64]]], names: Collection[str] | None = None
) -> dict[str, MeanCurve]:
    if names is None:
        names = dict.fromkeys(name for curves in replicates for name in curves)
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
