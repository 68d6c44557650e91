"""The data set of torch data sets or of a Lightning data module, which is read once for its targets."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np
from torch.utils.data import BatchSampler, DataLoader, IterableDataset, RandomSampler, SequentialSampler
from torch.utils.data import Dataset as TorchDataset

from lossearch.data.arrays import targets
from lossearch.data.dataset import Dataset
from lossearch.data.rows import ConcatRows
from lossearch.data.splits import ROLES
from lossearch.data.torch_rows import TorchRows, first_pass, torch_rows
from lossearch.errors import InputError, LossearchError, refuse


def is_torch(found: Any) -> bool:
    """Return whether this is a torch data set, several of them, or a Lightning data module."""
    if isinstance(found, Mapping):
        return all(isinstance(data, TorchDataset) for data in found.values()) and bool(found)
    if isinstance(found, (tuple, list)):
        return all(isinstance(data, TorchDataset) for data in found) and 0 < len(found) <= len(ROLES)
    return isinstance(found, TorchDataset) or _is_module(found)


def _is_module(found: Any) -> bool:
    hooks = ("setup", "train_dataloader", "val_dataloader")
    return not isinstance(found, type) and all(callable(getattr(found, name, None)) for name in hooks)


def from_torch(found: Any, *, name: str = "data") -> Dataset:
    """Return the data set of torch data sets, which are read once for their targets.

    Args:
        found: one data set; those of the training, validation and test part, in this order or by these
            names; or a Lightning data module, whose loaders say what the parts are.
        name: what to call it.

    Raises:
        InputError: a part gives no rows, or what is no pair of inputs and target.
    """
    notes: list[str] = []
    sources = _of_module(found, name, notes) if _is_module(found) else _of_sets(found, name)
    refuse([f"{name} has no training part; it gives {', '.join(sources)}."] if "train" not in sources else [])
    known = {role: first_pass(sources[role]) for role in ROLES if role in sources}
    rows = ConcatRows(tuple(source for source, _ in known.values()))
    _same_shapes(rows, name)
    parts = {role: np.arange(*ends) for role, ends in zip(known, pairwise(rows.starts), strict=True)}
    hashed = b"".join(role.encode() + source.digest() for role, (source, _) in known.items())
    notes.append(
        f"{name} was read once, {len(rows)} rows, for its targets and to see that all numbers are finite"
    )
    return Dataset(
        name=name,
        x=rows,
        y=targets(np.concatenate([y for _, y in known.values()])),
        parts=parts if len(parts) > 1 else None,
        digest=hashlib.blake2b(hashed, digest_size=16).hexdigest(),
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
    _asked(module, name, "prepare_data")
    _asked(module, name, "setup", "fit")
    loaders = {"train": _loader(module, name, "train"), "validation": _loader(module, name, "val")}
    if _has(module, "test_dataloader"):
        _asked(module, name, "setup", "test")
        loaders["test"] = _loader(module, name, "test")
    refuse(
        [f"{name} has no training part: give train_dataloader a DataLoader."]
        if loaders["train"] is None
        else []
    )
    return {
        role: _of_loader(loader, f"{name} ({role})", notes)
        for role, loader in loaders.items()
        if loader is not None
    }


def _has(module: Any, hook: str) -> bool:
    """Return whether a data module has a hook of its own: the one of its base raises."""
    found = getattr(module, hook, None)
    return found is not None and not getattr(found, "__module__", "").endswith(".core.hooks")


def _loader(module: Any, name: str, part: str) -> Any:
    """Return the loader of a part; None where the module has none."""
    hook = f"{part}_dataloader"
    found = _asked(module, name, hook) if _has(module, hook) else None
    return None if found is None or (isinstance(found, (list, tuple)) and not found) else found


def _asked(module: Any, name: str, hook: str, *arguments: str) -> Any:
    """Return what a data module's hook gives.

    Raises:
        InputError: it raised; the message names the hook.
    """
    try:
        return getattr(module, hook)(*arguments)
    except LossearchError:
        raise
    except (Exception, SystemExit) as error:
        raise InputError(
            f"{name}: {hook} of the data module failed: {type(error).__name__}: {error}"
        ) from error


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


def _same_shapes(rows: ConcatRows, name: str) -> None:
    shapes = [np.shape(source.read(np.zeros(1, dtype=np.int64)))[1:] for source in rows.sources]
    if len(set(shapes)) > 1:
        raise InputError(f"The parts of {name} have different shapes: {', '.join(map(str, shapes))}.")
