"""Damaged records: what is said of a file that cannot be read, and of what is lost with it."""

from __future__ import annotations

import errno
import json
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from fnmatch import fnmatch
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

from pyarrow import ArrowException
from safetensors import SafetensorError

from lossearch._options import either
from lossearch.errors import DamagedError, InputError, LossearchError, StoreError

T = TypeVar("T")

TRIALS = "optuna.journal"
"""The file of a study's trials, where no other storage was asked for."""

_HELD = {
    "store.json": "where the store was and the version of its layout; no study is lost with it",
    "mlflow.db": "the MLflow view; nothing else is lost with it",
    "studies/*/study.json": "what the study is; its trials and its confirmation are other files",
    "studies/*/optuna.journal": "trials; the confirmation and its verdict are other files",
    "studies/*/search.parquet": "curves of trials; leaderboard and verdict do not need them",
    "studies/*/search/part-*.parquet": "curves of a trial; leaderboard and verdict do not need them",
    "studies/*/confirm.json": "the confirmation on fresh seeds, without which there is no verdict; trials are not lost with it",
    "studies/*/confirm.parquet": "curves of confirmed pairs; leaderboard and verdict do not need them",
    "studies/*/predictions.parquet": "what confirmed pairs predicted; leaderboard and verdict are other files",
    "studies/*/verdict.json": "the verdict, which follows from the confirmation and its predictions",
    "studies/*/weights/*": "the weights of a trial's replicates; nothing else is lost with them",
    "studies/*/models/*": "the fitted model of a pair; nothing else is lost with it",
    "studies/*/.holder.json": "who holds the study",
    "studies/*/workers.json": "who trains what of it",
}
"""Files of a store, and what is in each."""

_TRACES = ("studies/*/.*", "studies/*/workers.json")
"""What a process that was refused may leave of a study that it has not begun."""
_FORBIDDEN = (errno.EACCES, errno.EPERM)
_UNREADABLE = (
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    AssertionError,
    OSError,
    ArrowException,
    SafetensorError,
    zlib.error,
    RecursionError,
)
"""What readers raise where a file holds something else than what was written."""


def damaged(path: Path, why: str, study: Path | None = None) -> DamagedError:
    """Return the error that says of a file what is wrong with it, what is lost, and what to do.

    ``study`` is the directory of the study whose trials the file holds, where it lies elsewhere.
    """
    return DamagedError(path, f"is damaged: {why}", _consequence(path, study))


def missing(path: Path, study: Path | None = None) -> DamagedError:
    """Return the same of a file that ought to be there."""
    return DamagedError(path, "is missing", _consequence(path, study))


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Say in plain words of a record that is read inside why it cannot be.

    Raises:
        DamagedError: it is missing, or holds something else than what was written.
        StoreError: it may not be read.
    """
    try:
        yield
    except LossearchError:
        raise
    except FileNotFoundError as error:
        raise missing(path) from error
    except _UNREADABLE as error:
        if isinstance(error, OSError) and error.errno in _FORBIDDEN:
            raise StoreError(f"{path} cannot be read: {error.strerror}.") from error
        raise damaged(path, _why(path, error)) from error


def read_record(path: Path, made: Callable[[dict[str, Any]], T]) -> T:
    """Return what is made of the values of a JSON file.

    Raises:
        DamagedError: it is missing, or holds something else than what was written.
        StoreError: it may not be read, or ``made`` says so.
    """
    with reading(path):
        plain = _values(json.loads(path.read_text(encoding="utf-8")))
        try:
            return made(plain)
        except StoreError:
            raise
        except InputError as error:
            raise damaged(path, str(error).rstrip(".")) from error


def place_aside(path: Path) -> Path:
    """Return where what is damaged is kept: beside it, under a name that is free."""
    return next(p for n in count(1) if not (p := path.with_name(f"{path.name}.damaged-{n}")).exists())


def set_aside(path: Path) -> Path:
    """Move what is damaged, of an sqlite database its journals too, and return where to.

    Raises:
        StoreError: it cannot be moved.
    """
    kept = place_aside(path)
    try:
        path.rename(kept)
        for ending in ("-journal", "-wal", "-shm"):
            with suppress(FileNotFoundError):
                path.with_name(path.name + ending).rename(kept.with_name(kept.name + ending))
    except OSError as error:
        raise StoreError(f"{path} cannot be moved aside: {error.strerror or error}.") from error
    return kept


def is_record(path: Path) -> bool:
    """Whether a file is one of those that a study which was begun keeps in a store."""
    inside = _inside(path)
    return any(fnmatch(inside, name) for name in _HELD) and not any(fnmatch(inside, t) for t in _TRACES)


def _values(plain: Any) -> dict[str, Any]:
    if not isinstance(plain, dict):
        raise TypeError(f"it holds {json.dumps(plain)[:40]} where names and values were written")
    return plain


def _why(path: Path, error: Exception) -> str:
    if isinstance(error, KeyError):
        return f"{error} is not in it"
    text = getattr(error, "strerror", None) or str(error)
    elsewhere = getattr(error, "filename", None)
    if elsewhere is not None and Path(elsewhere) != path:
        text = f"{text} ({elsewhere})"
    return next(iter(text.strip().splitlines()), type(error).__name__).rstrip(".")


def _consequence(path: Path, study: Path | None = None) -> str:
    inside = _inside(path)
    if study is not None:
        path, inside = study / TRIALS, f"studies/{study.name}/{TRIALS}"
    held = next((held for name, held in _HELD.items() if fnmatch(inside, name)), None)
    if held is None:
        return "Restore it from a copy, or make it again."
    root, parts = path.parents[inside.count("/")], inside.split("/")
    name = parts[1] if parts[0] == "studies" else "NAME"
    how = either(
        f"lossearch.api.repair({name!r}, {str(root)!r})", f"`lossearch repair {name} --store {root}`"
    )
    return f"It holds {held}. {how} makes again what can be and keeps what is damaged beside it."


def _inside(path: Path) -> str:
    """Return the path of a record within its store, that of another file as it is."""
    parts = path.parts
    if "studies" not in parts:
        return path.name
    at = len(parts) - 1 - parts[::-1].index("studies")
    return "/".join(parts[at:])
