"""Data sets whose features are read and not held: Parquet files, torch data sets, Lightning data modules."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    IterableDataset,
    RandomSampler,
    SequentialSampler,
)
from torch.utils.data import Dataset as TorchDataset

from lossearch.data import columns, parquet
from lossearch.data.arrays import side, targets
from lossearch.data.dataset import STREAM_BYTES, Dataset
from lossearch.data.files import find_column, target_columns
from lossearch.data.rows import JoinedRows
from lossearch.data.splits import ROLES
from lossearch.data.torch_sources import TorchRows, first_pass, torch_rows
from lossearch.errors import InputError, refuse


def is_large(path: Path) -> bool:
    """Return whether a Parquet file is more than is held in memory without being asked."""
    return parquet.data_bytes(path) > STREAM_BYTES


def from_parquet(
    path: Path, *, target: str | None, groups: str | None = None, time: str | None = None
) -> Dataset:
    """Return the data set of a Parquet file, of which targets, groups and time are held.

    Args:
        path: where it is.
        target: the target's column, or several with commas between them.
        groups: the column that says which rows belong together; not a feature.
        time: the column that orders the rows; not a feature.

    Raises:
        InputError: a column is missing or named twice, or the data are not fit for use.
    """
    names = parquet.named_columns(path)
    double = columns.duplicates(names)
    refuse([f"Two columns are named {c!r}: every column needs its own name." for c in double])
    wanted = target_columns(target, names, path.name)
    sides = {
        k: find_column(c, names, path.name) for k, c in (("groups", groups), ("time", time)) if c is not None
    }
    beside = [name for name in names if name not in {*wanted, *sides.values()}]
    if not beside:
        raise InputError(
            f"{path.name} has no column beside the target {', '.join(wanted)!r}: there is nothing to learn from."
        )
    rows = parquet.ParquetRows.of(path, beside)
    held = parquet.read_columns(path, [*wanted, *sides.values()])
    own = json.dumps([wanted, sides]).encode()
    return Dataset(
        name=path.name,
        x=rows,
        y=targets(held[wanted[0]] if len(wanted) == 1 else held[wanted]),
        target=", ".join(wanted),
        groups=side(held[sides["groups"]], len(rows), "groups") if groups else None,
        time=side(held[sides["time"]], len(rows), "time") if time else None,
        digest=hashlib.blake2b(parquet.file_digest(path).encode() + own, digest_size=16).hexdigest(),
        notes=rows.notes,
    )


def is_torch(found: Any) -> bool:
    """Return whether this is a torch data set, several of them, or a Lightning data module."""
    if isinstance(found, Mapping):
        return all(isinstance(data, TorchDataset) for data in found.values()) and bool(found)
    if isinstance(found, (tuple, list)):
        return all(isinstance(data, TorchDataset) for data in found) and 0 < len(found) <= len(ROLES)
    return isinstance(found, TorchDataset) or _is_module(found)


def _is_module(found: Any) -> bool:
    return all(
        callable(getattr(found, name, None)) for name in ("setup", "train_dataloader", "val_dataloader")
    )


def from_torch(found: Any, *, name: str = "data", target: str | None = None) -> Dataset:
    """Return the data set of torch data sets, which are read once for their targets.

    Args:
        found: one data set; those of the training, validation and test part, in this order or by these
            names; or a Lightning data module, whose loaders say what the parts are.
        name: what to call it.
        target: the target's name.

    Raises:
        InputError: a part gives no rows, or what is no pair of inputs and target.
    """
    notes: list[str] = []
    sources = _of_module(found, name, notes) if _is_module(found) else _of_sets(found, name)
    refuse([f"{name} has no training part; it gives {', '.join(sources)}."] if "train" not in sources else [])
    known = {role: first_pass(sources[role]) for role in ROLES if role in sources}
    rows = JoinedRows(tuple(source for source, _, _ in known.values()))
    _same_shapes(rows, name)
    y = targets(np.concatenate([y for _, y, _ in known.values()]))
    ends = [*rows.starts[1:]]
    parts = {role: np.arange(a, b) for role, a, b in zip(known, rows.starts, ends, strict=False)}
    found_digest = hashlib.blake2b(digest_size=16)
    for role, (_, _, hashed) in known.items():
        found_digest.update(role.encode() + hashed)
    notes.append(
        f"{name} was read once, {len(rows)} rows, for its targets and to see that all numbers are finite"
    )
    return Dataset(
        name=name,
        x=rows,
        y=y,
        target=target or "y",
        parts=parts if len(parts) > 1 else None,
        digest=found_digest.hexdigest(),
        notes=tuple(notes),
    )


def _of_sets(found: Any, name: str) -> dict[str, TorchRows]:
    if isinstance(found, Mapping):
        strange = [role for role in found if role not in ROLES]
        refuse([f"{name} gives a part {role!r}; parts are {', '.join(ROLES)}." for role in strange])
        sets = dict(found)
    else:
        sets = dict(zip(ROLES, found if isinstance(found, (tuple, list)) else [found], strict=False))
    several = len(sets) > 1
    return {role: torch_rows(data, f"{name} ({role})" if several else name) for role, data in sets.items()}


def _of_module(module: Any, name: str, notes: list[str]) -> dict[str, TorchRows]:
    module.prepare_data()
    module.setup("fit")
    loaders = {"train": module.train_dataloader(), "validation": module.val_dataloader()}
    # the hook that is not overridden raises
    if not module.test_dataloader.__module__.endswith(".core.hooks"):
        module.setup("test")
        loaders["test"] = module.test_dataloader()
    return {role: _of_loader(loader, f"{name} ({role})", notes) for role, loader in loaders.items()}


def _of_loader(loader: Any, name: str, notes: list[str]) -> TorchRows:
    if isinstance(loader, (list, tuple)) and len(loader) == 1:
        loader = loader[0]
    if not isinstance(loader, DataLoader):
        raise InputError(f"{name} is a {type(loader).__name__}; a part is read from one torch DataLoader.")
    plain = type(loader.sampler) in (RandomSampler, SequentialSampler) and (
        loader.batch_sampler is None or type(loader.batch_sampler) is BatchSampler
    )
    if not (plain or isinstance(loader.dataset, IterableDataset)):
        notes.append(f"{name}: the loader's own sampler is not used; every row is read once an epoch")
    # without automatic batching an item of a data set with a length is an item still
    alone = loader.batch_sampler is None
    batched = alone and isinstance(loader.dataset, IterableDataset)
    collate = None if alone else loader.collate_fn
    return torch_rows(loader.dataset, name, collate, batched=batched, readers=loader.num_workers)


def _same_shapes(rows: JoinedRows, name: str) -> None:
    shapes = [np.shape(source.read(np.zeros(1, dtype=np.int64)))[1:] for source in rows.sources]
    if len(set(shapes)) > 1:
        raise InputError(f"The parts of {name} have different shapes: {', '.join(map(str, shapes))}.")
