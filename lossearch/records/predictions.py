"""What confirmed pairs said of each row, in Parquet: ``predictions.parquet``, one line a row and replicate.

Columns: pair, seed, part ("test" or "validation"), row (its number in the data as given), group (where rows
have one), outcome of the replicate, target, and what the pair's predictions hold: label, probability,
score, output, value and distribution; several numbers a row are ``probability_0``, ``probability_1``, ... Of a diverged
replicate all of these are null. Numbers have the type they were computed in. More zeros and ones a row than a table
should have columns, such as a mask's pixels, are eight to a byte in one column, ``label_bits_256`` for 256 of them. The
parameters of an output's distribution follow on those of the output before it. So are bytes as they are, those of the steps of a mask's
scores: ``steps_bytes_256``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from lossearch._json import replacing
from lossearch._lazy import pd, torch
from lossearch.kinds import KINDS, Predictions
from lossearch.records.damage import reading
from lossearch.training.contract import Outcome

if TYPE_CHECKING:
    from torch import Tensor

    from lossearch.tasks.task import Part

FILE = "predictions.parquet"
MOST_COLUMNS = 64
"""More zeros and ones a row are packed."""
_BITS, _BYTES = "_bits_", "_bytes_"
STEPS_FIELD = "steps"
_KEYS = ["pair", "seed", "part", "outcome", "row"]


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
        said = _columns(f, getattr(predictions, f))
        columns |= {k: v if isinstance(v, pa.Array) else pa.array(v, mask=unknown) for k, v in said.items()}
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


def read_predictions(folder: Path, part: str | None = None, *, steps: bool = True) -> pd.DataFrame:
    """Return what was predicted, of one part or of both, in the order it was written.

    Args:
        folder: the study's directory.
        part: "test" or "validation".
        steps: whether those of scores are read, which are large.

    Raises:
        StoreError: there is no such file, or it is damaged.
    """
    found = _read(folder / FILE, part)
    left = [] if steps else [c for c in found.column_names if c.startswith(f"{STEPS_FIELD}{_BYTES}")]
    frame: pd.DataFrame = found.drop_columns(left).to_pandas()
    return frame


def numbers(frame: pd.DataFrame, name: str) -> NDArray[np.generic] | None:
    """Return a field of :func:`read_predictions`, (N,) or (N, C); None where the frame has none."""
    if name in frame:
        return frame[name].to_numpy()
    packed = next((c for c in frame.columns if c.startswith(f"{name}{_BITS}")), None)
    if packed is not None:
        return _unpacked(frame[packed].to_list(), int(packed.rpartition("_")[2]))
    whole = next((c for c in frame.columns if c.startswith(f"{name}{_BYTES}")), None)
    if whole is not None:
        return np.frombuffer(b"".join(frame[whole]), dtype=np.uint8).reshape(len(frame), -1)
    several = [c for c in frame.columns if c.rpartition("_")[0] == name]
    several.sort(key=lambda c: int(c.rpartition("_")[2]))
    return frame[several].to_numpy() if several else None


def _in_bytes(table: NDArray[np.uint8]) -> pa.Array:
    """Return rows of bytes, each as one value."""
    return pa.array([row.tobytes() for row in table], pa.binary())


def _unpacked(rows: Sequence[bytes], count: int) -> NDArray[np.uint8]:
    """Return the zeros and ones, (N, count)."""
    held = np.frombuffer(b"".join(rows), dtype=np.uint8).reshape(len(rows), -1)
    return np.unpackbits(held, axis=1, count=count)


def _columns(name: str, values: Tensor) -> dict[str, NDArray[np.generic] | pa.Array]:
    table = (values.flatten(1) if values.ndim > 2 else values).detach().cpu().numpy()
    if values.dtype == torch.int64:
        table = table.astype(np.int32)
    table = table[:, 0] if table.ndim == 2 and table.shape[1] == 1 else table
    if table.ndim == 1:
        return {name: np.ascontiguousarray(table)}
    if name == STEPS_FIELD:
        return {f"{name}{_BYTES}{table.shape[1]}": _in_bytes(table)}
    if table.shape[1] > MOST_COLUMNS and ((table == 0) | (table == 1)).all():
        return {f"{name}{_BITS}{table.shape[1]}": _in_bytes(np.packbits(table.astype(np.uint8), axis=1))}
    return {f"{name}_{i}": np.ascontiguousarray(column) for i, column in enumerate(table.T)}


def _read(path: Path, part: str | None) -> pa.Table:
    # opened by us: a data set reader would take the directory's name for a partition
    with reading(path), path.open("rb") as file:
        found = pq.read_table(file, filters=None if part is None else [("part", "=", part)])
        found.select(_KEYS)  # of another table it says what is not there
        return found.replace_schema_metadata()


def _kept(path: Path, keep: Collection[tuple[str, int]]) -> pa.Table:
    table = _read(path, None)
    wanted = pd.MultiIndex.from_tuples(sorted(keep))
    here = pd.MultiIndex.from_arrays([table["pair"].to_pandas(), table["seed"].to_pandas()])
    return table.filter(pa.array(here.isin(wanted)))
