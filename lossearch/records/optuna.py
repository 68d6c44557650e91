"""Where Optuna keeps a study: a journal file beside it, any database by URL, or memory."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock
from optuna import Study, create_study, logging
from optuna.exceptions import OptunaError, StorageInternalError
from optuna.samplers import BaseSampler
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from optuna.study import StudyDirection

from lossearch._lazy import sqlalchemy
from lossearch._urls import Url
from lossearch.errors import LossearchError, StoreError
from lossearch.records.damage import TRIALS, damaged, missing, reading
from lossearch.records.database import connect_args, reach_database, require_storage, unrecorded
from lossearch.records.patience import StorageAwayError, is_away, root_of
from lossearch.records.places import absolute, sqlite_file, sqlite_path
from lossearch.records.store import Store


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
        return _open_journal(journal_of(store, name))
    with store.lock(), told(url) as found:
        storage = RDBStorage(absolute(found.whole), engine_kwargs={"connect_args": connect_args(found)})
        if not found.startswith("sqlite"):
            sqlalchemy.event.listen(storage.engine, "handle_error", _lost)
        return storage


def _lost(context: sqlalchemy.ExceptionContext) -> None:
    """Tell a lost connection at once: Optuna itself would do again what may have been done, and double a trial."""
    if context.is_disconnect:
        raise StorageAwayError("The Optuna storage does not answer.") from context.original_exception


def journal_of(store: Store, name: str) -> Path:
    """Return the journal of a study, whether it is there or not."""
    return store.study_dir(name) / TRIALS


def trials_file(store: Store, name: str, url: str | None = None) -> Path | None:
    """Return the file that holds a study's trials; None where a server does."""
    if url is None:
        return journal_of(store, name)
    return None if sqlite_path(url) is None else sqlite_file(url)


@contextmanager
def reading_trials(store: Store, name: str, url: str | None = None) -> Iterator[None]:
    """Say in plain words why a storage that is read inside cannot be; arguments as for :func:`read_storage`.

    Raises:
        DamagedError: its file is missing, or holds something else than the trials of the study.
        StoreError: it does not answer, or holds no such study. Passwords in the URL are not shown.
    """
    folder, file = store.study_dir(name), trials_file(store, name, url)
    if file is not None and not file.is_file():
        raise damaged(file, "it is a directory", folder) if file.exists() else missing(file, folder)
    with told(url) if url is not None else _journal_errors(journal_of(store, name)):
        try:
            yield
        except (LookupError, TypeError, AttributeError) as error:
            if url is None:
                raise
            if file is None:
                raise StoreError(f"The Optuna storage {Url(url)} cannot be read: {error}.") from error
            raise damaged(file, str(error), folder) from error
        except (sqlalchemy.exc.SQLAlchemyError, StorageInternalError) as error:
            if file is None or not _is_broken(root_of(error)):
                raise
            raise damaged(file, str(root_of(error)), folder) from error


def _is_broken(error: BaseException) -> bool:
    """Whether an error of sqlite is about what a file holds, and not about getting at it."""
    text = str(error)
    return type(error) is sqlite3.DatabaseError or "no such table" in text or "no such column" in text


def read_storage(store: Store, name: str, url: str | None = None) -> BaseStorage:
    """Open the Optuna storage of a study to read it, inside :func:`reading_trials`: nothing is made, locked or cut.

    Args:
        store: which holds the study.
        name: of the study.
        url: as ``places.storage_of`` gives it; None for the journal in the store.
    """
    if url is None:
        return JournalStorage(_WrittenJournal(str(journal_of(store, name))))
    found = Url(url)
    address = _only_read(found) if found.startswith("sqlite") else found.whole
    return RDBStorage(address, engine_kwargs={"connect_args": connect_args(found)}, skip_table_creation=True)


def _only_read(url: Url) -> str:
    """Return an sqlite URL by which nothing is written or made."""
    parsed = sqlalchemy.make_url(url.whole)
    file = parsed.database or ""
    if not file.startswith("file:"):
        file = sqlite_file(url).as_uri()
    only_read = parsed.set(database=file).update_query_dict({"mode": "ro", "uri": "true"})
    return only_read.render_as_string(hide_password=False)


class _WrittenJournal(JournalFileBackend):
    """A journal that is there, to be read. One that a dead writer left in the middle of a line is read up to there."""

    def append_logs(self, logs: list[dict[str, Any]]) -> None:  # noqa: ARG002 - Optuna's signature
        """Refuse: whoever writes has opened the study by running it."""
        raise StoreError(
            f"The Optuna journal {self._file_path} was opened to be read, and is not written to."
        )


def reach_storage(url: str) -> None:
    """Ask a database whether it answers, before anything is made that would rely on it.

    Raises:
        InputError: it keeps no study.
        StoreError: it does not answer. Passwords in the URL are not shown.
    """
    with told(url) as found:
        require_storage(found)
        if not found.startswith("sqlite"):
            reach_database(found)


def _open_journal(path: Path) -> BaseStorage:
    with _journal_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = JournalLock(str(path))
        backend = JournalFileBackend(str(path), lock_obj=lock)
        _drop_torn_line(path, lock)
        return JournalStorage(backend)


@contextmanager
def _journal_errors(path: Path) -> Iterator[None]:
    """Say in plain words why a journal cannot be opened: it may not be, or it is damaged."""
    with reading(path):
        try:
            yield
        except OptunaError as error:
            raise ValueError(str(error)) from error


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
def told(text: str) -> Iterator[Url]:
    """Give the URL, and say in plain words, without its password, why a database cannot be opened."""
    try:
        url = Url(text)
    except ValueError as error:
        raise StoreError(f"The Optuna storage {error}.") from None
    try:
        yield url
    except LossearchError:
        raise
    except ImportError as error:
        raise StoreError(
            f"No driver for the Optuna storage {url}: {root_of(error)}. Install it (`pip install "
            "'psycopg[binary]'` for postgresql:, psycopg2-binary for postgresql+psycopg2:, pymysql for mysql+pymysql:)."
        ) from url.cause(error)
    except (sqlalchemy.exc.SQLAlchemyError, StorageInternalError, RuntimeError, ValueError, OSError) as error:
        # Optuna's own says only that something failed
        why = root_of(error) if isinstance(error, StorageInternalError) else error
        away = is_away(error) and not url.startswith("sqlite")
        raise (StorageAwayError if away else StoreError)(
            f"The Optuna storage {url} cannot be opened: {url.said(why)}. Expected a URL such as sqlite:////absolute/path.db "
            f"or postgresql://user@host/database, of a server that answers.{unrecorded(url, 'storage')}"
        ) from url.cause(error)
