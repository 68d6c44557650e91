"""Where Optuna keeps a study: a journal file beside it, any database by URL, or memory."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock
from optuna import Study, create_study, logging
from optuna.samplers import BaseSampler
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from optuna.study import StudyDirection

from lossearch._options import option
from lossearch.errors import StoreError
from lossearch.records.store import Store, hide_password


class JournalLock(JournalFileOpenLock):
    """A journal lock that the system gives back when its process dies.

    Optuna's own leave a file behind, which holds up everybody for half a minute after a kill.
    """

    def __init__(self, filepath: str) -> None:
        super().__init__(filepath)
        self._held = FileLock(self._lock_file, poll_interval=0.002)

    def acquire(self) -> bool:
        """Wait for the lock and take it."""
        self._held.acquire()
        return True

    def release(self) -> None:
        """Give the lock back."""
        self._held.release()


@contextmanager
def quiet_optuna() -> Iterator[None]:
    """Silence Optuna's line a trial; a study has its own progress."""
    before = logging.get_verbosity()
    logging.set_verbosity(logging.WARNING)
    try:
        yield
    finally:
        logging.set_verbosity(before)


def directions_of(names: Sequence[str]) -> list[StudyDirection]:
    """Return Optuna's directions for "maximize" and "minimize"."""
    return [StudyDirection[name.upper()] for name in names]


def in_memory_study(directions: Sequence[str], sampler: BaseSampler | None = None) -> Study:
    """Return a study that is recorded nowhere, to be asked by its sampler, a pruner or an evaluator."""
    with quiet_optuna():
        return create_study(directions=directions_of(directions), sampler=sampler)


def open_storage(store: Store, name: str, url: str | None = None) -> BaseStorage:
    """Open the Optuna storage of a study, making it where there is none.

    Several processes may do so at once. ``url`` is one that SQLAlchemy understands, as "postgresql://...";
    None for the journal in the store.

    Raises:
        StoreError: the storage cannot be opened. Passwords in the URL are not shown.
    """
    if url is None:
        return _open_journal(store.study_dir(name) / "optuna.journal")
    kwargs: dict[str, Any] = {"connect_args": {"timeout": 60}} if url.startswith("sqlite") else {}
    with store.lock(), _told(url):
        return RDBStorage(_absolute(url), engine_kwargs=kwargs)


def reach_storage(url: str) -> None:
    """Ask a database whether it answers, before anything is made that would rely on it.

    Raises:
        StoreError: it does not. Passwords in the URL are not shown.
    """
    if not url.startswith("sqlite"):
        from sqlalchemy import create_engine

        with _told(url):
            create_engine(url).connect().close()


def _open_journal(path: Path) -> BaseStorage:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = JournalLock(str(path))
        backend = JournalFileBackend(str(path), lock_obj=lock)
        _drop_torn_line(path, lock)
        return JournalStorage(backend)
    except (OSError, ValueError, KeyError) as error:
        raise StoreError(
            f"The Optuna journal {path} cannot be opened: {error}. Restore it from a copy, use another {option('store')}, "
            "or remove the study with `lossearch rm`."
        ) from error


def _drop_torn_line(path: Path, lock: JournalLock) -> None:
    """Cut what a writer that died in the middle of a line has left; appending to it would spoil the file."""
    lock.acquire()
    try:
        written = path.read_bytes()
        whole = written.rfind(b"\n") + 1
        if whole < len(written):
            os.truncate(path, whole)
    finally:
        lock.release()


@contextmanager
def _told(url: str) -> Iterator[None]:
    """Say in plain words, and without its password, why a database cannot be opened."""
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except ImportError as error:
        raise StoreError(
            f"No driver for the Optuna storage {hide_password(url)}: {_root(error)}. Install it (`pip install "
            "'psycopg[binary]'` for postgresql:, psycopg2-binary for postgresql+psycopg2:, pymysql for mysql+pymysql:)."
        ) from error
    except (SQLAlchemyError, RuntimeError, ValueError, OSError) as error:
        first = hide_password(str(error).strip().partition("\n")[0])
        raise StoreError(
            f"The Optuna storage {hide_password(url)} cannot be opened: {first}. Expected a URL such as "
            "sqlite:////absolute/path.db or postgresql://user:password@host/database, of a server that answers."
        ) from error


def _root(error: BaseException) -> BaseException:
    cause = error.__cause__ or error.__context__
    return error if cause is None else _root(cause)


def _absolute(url: str) -> str:
    """Return an sqlite URL with its path resolved now; other URLs unchanged."""
    head, mark, path = url.partition(":///")
    if not mark or not head.startswith("sqlite") or path in {"", ":memory:"} or path.startswith("/"):
        return url
    return f"{head}:///{Path(path).resolve().as_posix()}"
