"""The data set of torch data sets or of a Lightning data module, which is read once for its targets."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from torch.utils.data import DataLoader, IterableDataset, Subset
from torch.utils.data import Dataset as TorchDataset

from lossearch.data.arrays import sample_weights, targets
from lossearch.data.dataset import Dataset
from lossearch.data.rows import Array, ConcatRows
from lossearch.data.samplers import drawn_by
from lossearch.data.splits import ROLES
from lossearch.data.torch_rows import TorchRows, first_pass, torch_rows
from lossearch.errors import InputError, LossearchError, refuse


def is_torch(found: Any) -> bool:
    """Return whether this is a torch data set or loader, several of them, or a Lightning data module."""
    one = (TorchDataset, DataLoader)
    if isinstance(found, Mapping):
        return all(isinstance(data, one) for data in found.values()) and bool(found)
    if isinstance(found, (tuple, list)):
        return all(isinstance(data, one) for data in found) and 0 < len(found) <= len(ROLES)
    return isinstance(found, one) or _is_module(found)


def _is_module(found: Any) -> bool:
    hooks = ("setup", "train_dataloader", "val_dataloader")
    return not isinstance(found, type) and all(callable(getattr(found, name, None)) for name in hooks)


def from_torch(found: Any, *, name: str = "data") -> Dataset:
    """Return the data set of torch data sets, which are read once for their targets.

    Args:
        found: one data set or DataLoader; those of the training, validation and test part, in this order or by these
            names; or a Lightning data module, whose loaders say what the parts are.
        name: what to call it.

    Raises:
        InputError: a part gives no rows, or what is no pair of inputs and target.
    """
    notes: list[str] = []
    given = _of_module(found, name) if _is_module(found) else _of_sets(found, name)
    refuse([f"{name} has no training part; it gives {', '.join(given)}."] if "train" not in given else [])
    read = {
        role: _read(given[role], _part_name(name, role, len(given)), notes) for role in ROLES if role in given
    }
    notes += [
        _on_weights(_part_name(name, role, len(given)), role)
        for role in read
        if read[role].weights is not None
    ]
    known = {role: first_pass(part.rows) for role, part in read.items()}
    rows = ConcatRows(tuple(source for source, _ in known.values()))
    _same_shapes(rows, name)
    parts = {role: np.arange(*ends) for role, ends in zip(known, pairwise(rows.starts), strict=True)}
    hashed = b"".join(role.encode() + source.digest() for role, (source, _) in known.items())
    notes.append(
        f"{name} was read once, {len(rows)} rows, for its targets and to see that all numbers are finite"
    )
    weights = _weights(read["train"].weights, len(known["train"][1]), len(rows))
    hashed += b"" if weights is None else weights.tobytes()
    return Dataset(
        name=name,
        x=rows,
        sample_weight=weights,
        y=targets(np.concatenate([y for _, y in known.values()])),
        parts=parts if len(parts) > 1 else None,
        digest=hashlib.blake2b(hashed, digest_size=16).hexdigest(),
        notes=tuple(notes),
    )


@dataclass(frozen=True)
class _Read:
    """The rows of a part, and what each weighs, None where all weigh the same."""

    rows: TorchRows
    weights: Array | None = None


def _part_name(name: str, role: str, parts: int) -> str:
    return f"{name} ({role})" if parts > 1 else name


def _on_weights(name: str, role: str) -> str:
    if role == "train":
        return f"{name}: rows weigh in the loss as often as the loader's sampler would draw them, and are read once an epoch"
    return (
        f"{name}: how often the loader's sampler would draw a row is not heeded: metrics count every row once"
    )


def _weights(train: Array | None, n: int, total: int) -> Array | None:
    """Return what rows weigh: those of the training part as they were given, others as much as these do on average."""
    own = sample_weights(train, n)
    return None if own is None else np.concatenate((own, np.full(total - n, own.mean())))


def _of_sets(found: Any, name: str) -> dict[str, Any]:
    if isinstance(found, Mapping):
        strange = [role for role in found if role not in ROLES]
        refuse([f"{name} gives a part {role!r}; parts are {', '.join(ROLES)}." for role in strange])
        return dict(found)
    return dict(zip(ROLES, found if isinstance(found, (tuple, list)) else [found], strict=False))


def _of_module(module: Any, name: str) -> dict[str, Any]:
    """Return the loaders of a data module's parts."""
    _asked(module, name, "prepare_data")
    _asked(module, name, "setup", "fit")
    loaders = {"train": _loader(module, name, "train"), "validation": _loader(module, name, "val")}
    if _has(module, "test_dataloader"):
        _asked(module, name, "setup", "test")
        loaders["test"] = _loader(module, name, "test")
    if loaders["train"] is None:
        raise InputError(f"{name} has no training part: give train_dataloader a DataLoader.")
    found = {role: loader for role, loader in loaders.items() if loader is not None}
    for role, loader in found.items():
        one = loader[0] if isinstance(loader, (list, tuple)) and len(loader) == 1 else loader
        if not isinstance(one, DataLoader):
            raise InputError(
                f"{name} ({role}) is a {type(one).__name__}; a part is read from one torch DataLoader: join data sets by "
                "torch.utils.data.ConcatDataset, or give one of them."
            )
        found[role] = one
    return found


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


def _read(given: Any, name: str, notes: list[str]) -> _Read:
    """Return the rows of a data set, or those that a loader draws of its own; notes are added to ``notes``."""
    if not isinstance(given, DataLoader):
        return _Read(torch_rows(given, name))
    # without automatic batching an item of a data set with a length is an item still
    alone = given.batch_sampler is None
    collate = None if alone else given.collate_fn
    if isinstance(given.dataset, IterableDataset):
        return _Read(torch_rows(given.dataset, name, collate, batched=alone, readers=given.num_workers))
    drawn = drawn_by(given)
    notes += [f"{name}: {drawn.note}"] if drawn.note else []
    data = given.dataset if drawn.rows is None else Subset(given.dataset, drawn.rows.tolist())
    return _Read(torch_rows(data, name, collate, readers=given.num_workers), drawn.weights)


def _same_shapes(rows: ConcatRows, name: str) -> None:
    shapes = [np.shape(source.read(np.zeros(1, dtype=np.int64)))[1:] for source in rows.sources]
    if len(set(shapes)) > 1:
        raise InputError(f"The parts of {name} have different shapes: {', '.join(map(str, shapes))}.")
