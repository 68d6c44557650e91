"""What confirmed pairs said of each row, in Parquet: ``predictions.parquet``, one line a row and replicate.

Columns: pair, seed, part ("test" or "validation"), row (its number in the data as given), group (where rows
have one), outcome of the replicate, target, and what the pair's predictions hold: label, probability,
score, output and value; several numbers a row are ``probability_0``, ``probability_1``, ... Of a diverged
replicate all of these are null. Numbers have the type they were computed in.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from numpy.typing import NDArray
from torch import Tensor

from lossearch._json import replacing
from lossearch.errors import StoreError
from lossearch.kinds import KINDS, Predictions
from lossearch.tasks.task import Part
from lossearch.training.contract import Outcome

FILE = "predictions.parquet"


def kept_fields(kind: str, predictions: Predictions) -> tuple[str, ...]:
    """Return what is kept of a pair's predictions: what its metrics read, and nothing twice."""
    return tuple(f for f in KINDS[kind].kept if getattr(predictions, f) is not None)


def row_numbers(part: Part, seed: int, name: str) -> NDArray[np.int64]:
    """Return a number for each row of a part, by which the same row is known under every seed.

    Rows whose place in the data is not known are told apart by their place in the part; validation rows,
    which each seed draws anew, by the seed too.
    """
    if part.rows is not None:
        return part.rows
    return np.arange(len(part), dtype=np.int64) + (0 if name == "test" else seed * len(part))


def prediction_table(
    pair: str,
    seed: int,
    name: str,
    part: Part,
    predictions: Predictions,
    outcome: Outcome,
    fields: Sequence[str],
) -> pa.Table:
    """Return one replicate's predictions of one part as a table.

    ``predictions`` are of these rows, without leading axes; of a diverged replicate any that have the
    shape.
    """
    n = len(part)
    columns: dict[str, object] = {
        "pair": pa.repeat(pair, n),
        "seed": pa.repeat(seed, n),
        "part": pa.repeat(name, n),
        "outcome": pa.repeat(str(outcome), n),
        "row": row_numbers(part, seed, name),
    }
    if part.groups is not None:
        columns["group"] = part.groups
    columns |= _columns("target", part.y)
    unknown = np.full(n, outcome is Outcome.DIVERGED)
    for f in fields:
        columns |= {k: pa.array(v, mask=unknown) for k, v in _columns(f, getattr(predictions, f)).items()}
    return pa.table(columns)


def write_predictions(
    folder: Path, fresh: Iterable[pa.Table], keep: Collection[tuple[str, int]] = ()
) -> Path:
    """Write predictions, whole or not at all.

    Those of before stay for the pairs and seeds to ``keep``; all others go.
    """
    path = folder / FILE
    tables = [*([_kept(path, keep)] if keep else []), *fresh]
    table = pa.concat_tables(tables, promote_options="default")
    real = [f.name for f in table.schema if pa.types.is_floating(f.type)]
    others = [f.name for f in table.schema if f.name not in real]
    with replacing(path) as temporary:
        pq.write_table(
            table, temporary, compression="zstd", use_dictionary=others, use_byte_stream_split=real
        )
    return path


def read_predictions(folder: Path, part: str | None = None) -> pd.DataFrame:
    """Return what was predicted, of one part or of both, in the order it was written.

    Raises:
        StoreError: there is no such file, or it is damaged.
    """
    found: pd.DataFrame = _read(folder / FILE, part).to_pandas()
    return found


def numbers(frame: pd.DataFrame, name: str) -> NDArray[np.generic] | None:
    """Return a field of :func:`read_predictions`, (N,) or (N, C); None where the frame has none."""
    if name in frame:
        return frame[name].to_numpy()
    several = [c for c in frame.columns if c.rpartition("_")[0] == name]
    several.sort(key=lambda c: int(c.rpartition("_")[2]))
    return frame[several].to_numpy() if several else None


def _columns(name: str, values: Tensor) -> dict[str, NDArray[np.generic]]:
    table = values.detach().cpu().numpy()
    if values.dtype == torch.int64:
        table = table.astype(np.int32)
    table = table[:, 0] if table.ndim == 2 and table.shape[1] == 1 else table
    if table.ndim == 1:
        return {name: np.ascontiguousarray(table)}
    return {f"{name}_{i}": np.ascontiguousarray(column) for i, column in enumerate(table.T)}


def _read(path: Path, part: str | None) -> pa.Table:
    try:
        # opened by us: a data set reader would take the directory's name for a partition
        with path.open("rb") as file:
            return pq.read_table(file, filters=None if part is None else [("part", "=", part)])
    except FileNotFoundError as error:
        raise StoreError(
            f"No predictions at {path}: run the study again, and it is confirmed anew."
        ) from error
    except pa.ArrowInvalid as error:
        raise StoreError(
            f"{path} is damaged: {error}. Remove it and run the study again: it is confirmed anew."
        ) from error


def _kept(path: Path, keep: Collection[tuple[str, int]]) -> pa.Table:
    table = _read(path, None)
    wanted = pd.MultiIndex.from_tuples(sorted(keep))
    here = pd.MultiIndex.from_arrays([table["pair"].to_pandas(), table["seed"].to_pandas()])
    return table.filter(pa.array(here.isin(wanted)))
