"""A study held by one process, and taken back where that process was refused before it recorded anything."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from lossearch._options import option
from lossearch.errors import LossearchError, StoreError, StudyRunningError
from lossearch.records.store import LOCK, Store

RUNNING = ".running"
LOCKS = {LOCK, RUNNING}


@contextmanager
def claim(store: Store, name: str) -> Iterator[None]:
    """Hold a study against any other process that would write to it.

    Raises:
        StudyRunningError: another process holds it.
    """
    folder = store.study_dir(name)
    lock = FileLock(folder / RUNNING, timeout=0)
    # under the store's lock, so that nobody takes hold of a file that its holder is about to remove
    with store.lock():
        folder.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire()
        except Timeout as error:
            raise StudyRunningError(
                f"Study {name!r} is being run by another process. Wait for it, or run under another {option('name')}."
            ) from error
    try:
        yield
    finally:
        lock.release()


@contextmanager
def opening(store: Store, name: str) -> Iterator[None]:
    """Remove a claimed study's directory if it held nothing and what follows is refused.

    Nothing else is touched: others may be using the store meanwhile.
    """
    new = {p.name for p in store.study_dir(name).iterdir()} <= LOCKS
    try:
        yield
    except LossearchError:
        if new:
            with store.lock():
                remove_tree(store.study_dir(name))
        raise


def remove_tree(place: Path) -> None:
    """Remove a directory; one that dies half-way leaves no half of it under its name.

    Raises:
        StoreError: it cannot be removed.
    """
    gone = place.with_name(f".{place.name}.{uuid.uuid4().hex[:8]}.removed")
    try:
        place.rename(gone)
        shutil.rmtree(gone)
    except OSError as error:
        raise StoreError(
            f"{place} cannot be removed: {error.strerror or error}. Remove it by hand."
        ) from error
