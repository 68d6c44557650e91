"""A study held by one process, and taken back where that process was refused before it recorded anything."""

from __future__ import annotations

import hashlib
import os
import shutil
import socket
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Self

import psutil
from filelock import FileLock, Timeout
from pydantic import Field, TypeAdapter

from lossearch._json import half_written, write_json
from lossearch._lazy import sqlalchemy
from lossearch._options import option
from lossearch.errors import LossearchError, StoreError, StudyRunningError
from lossearch.records.damage import read_record, set_aside
from lossearch.records.database import connect_args
from lossearch.records.links import refuse_links
from lossearch.records.optuna import told
from lossearch.records.store import LOCK, Store, writing

RUNNING, HOLDER = ".running", ".holder.json"
LOCKS = {LOCK, RUNNING, HOLDER}
_LIBPQ = ("psycopg", "psycopg2")
_KEPT_ALIVE = {"keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3}
"""How a database learns within a minute that the machine of a holder is gone."""


@dataclass(frozen=True)
class Holder:
    """A process that holds a study; ``since`` in seconds since 1970."""

    host: str
    pid: Annotated[int, Field(gt=0)]
    since: Annotated[float, Field(ge=0, lt=2**40)]

    @classmethod
    def here(cls) -> Self:
        """Return this process."""
        return cls(socket.gethostname(), os.getpid(), time.time())

    @property
    def alive(self) -> bool:
        """Whether it still runs, as far as this machine can see: of processes elsewhere it knows nothing else."""
        if self.host != socket.gethostname():
            return True
        try:
            return psutil.Process(self.pid).create_time() <= self.since + 1
        except psutil.NoSuchProcess:
            return False

    def __str__(self) -> str:
        begun = datetime.fromtimestamp(self.since).astimezone().strftime("%Y-%m-%d %H:%M:%S %Z")
        return f"process {self.pid} on {self.host} (since {begun})"


_READER = TypeAdapter(Holder)


def holder(store: Store, name: str) -> Holder | None:
    """Return who holds a study, or held it and ended without letting go; None where nobody does.

    Raises:
        DamagedError: the file that says so is damaged.
    """
    path = store.study_dir(name) / HOLDER
    return read_record(path, _READER.validate_python) if path.exists() else None


def _known(store: Store, name: str) -> Holder | None:
    """Return the same, None where the file is damaged: the lock decides, not what it says."""
    with suppress(StoreError):
        return holder(store, name)
    return None


@contextmanager
def claim(
    store: Store, name: str, storage: str | None = None, note: Callable[[str], None] = lambda _: None
) -> Iterator[Callable[[], None]]:
    """Hold a study against any other process that would write to it: the locks of a process that dies are let go.

    Args:
        store: it is in.
        name: of the study.
        storage: the URL of the database where Optuna keeps it, which holds it against processes on other machines.
        note: is told who held it before and ended without letting go.

    Yields:
        What holds it again where that database went down meanwhile, and so let go; it raises what this does.

    Raises:
        StudyRunningError: another process holds it; the message says which.
        StoreError: the store cannot be written, or there is a link in the study's directory.
    """
    folder = store.study_dir(name)
    lock = FileLock(folder / RUNNING, timeout=0)
    # under the store's lock, so that nobody takes hold of a file that its holder is about to remove
    with store.lock(), writing(store.root):
        folder.mkdir(parents=True, exist_ok=True)
        refuse_links(folder)
        try:
            lock.acquire()
        except Timeout as error:
            raise StudyRunningError(_held(name, _known(store, name))) from error
        before, mine = _known(store, name), Holder.here()
    try:
        with _in_database(storage, name, mine) as hold:
            with writing(store.root):
                # whoever wrote here is gone
                for left in half_written(folder):
                    left.unlink(missing_ok=True)
                if before is None and (folder / HOLDER).exists():
                    set_aside(folder / HOLDER)
                write_json(folder / HOLDER, mine)
            if before is not None:
                note(
                    f"{str(before).capitalize()} ended without closing this study; it goes on from what is recorded."
                )
            try:
                yield hold
            finally:
                # a disk that became read-only meanwhile; whoever comes next sees that this process is gone
                with suppress(OSError):
                    (folder / HOLDER).unlink(missing_ok=True)
    finally:
        lock.release()


def _held(name: str, by: Holder | str | None) -> str:
    return (
        f"Study {name!r} is being run by {by or 'another process'}. Wait for it, end it, or run under another "
        f"{option('name')}."
    )


@contextmanager
def _in_database(storage: str | None, name: str, mine: Holder) -> Iterator[Callable[[], None]]:
    """Hold a study by a lock of the PostgreSQL server where it is kept, which is let go with the connection."""
    if storage is None or not storage.startswith("postgres"):
        yield lambda: None
        return
    key = int.from_bytes(hashlib.blake2b(f"lossearch {name}".encode(), digest_size=8).digest(), signed=True)
    with told(storage) as found:
        # a name of the connection, by which another process is told who holds it
        named = {**connect_args(found), "application_name": f"lossearch {mine.pid} {mine.host}"[:63]}
        if sqlalchemy.make_url(found.whole).get_driver_name() in _LIBPQ:
            named |= _KEPT_ALIVE
        engine = sqlalchemy.create_engine(
            found.whole, poolclass=sqlalchemy.NullPool, isolation_level="AUTOCOMMIT", connect_args=named
        )
    with ExitStack() as connections:

        def hold() -> None:
            connections.close()
            with told(storage):
                connection = engine.connect()
            # a server that went down has let go
            connections.callback(_close, connection)
            if not connection.execute(
                sqlalchemy.text("SELECT pg_try_advisory_lock(:key)"), {"key": key}
            ).scalar():
                raise StudyRunningError(
                    _held(name, connection.execute(sqlalchemy.text(_WHO), {"key": key}).scalar())
                )

        hold()
        yield hold


def _close(connection: sqlalchemy.Connection) -> None:
    with suppress(sqlalchemy.exc.SQLAlchemyError):
        connection.close()


_WHO = """
    SELECT a.application_name || ', connected from ' || coalesce(host(a.client_addr), 'its own machine')
    FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
    WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1 AND l.database = (
        SELECT oid FROM pg_database WHERE datname = current_database()
    ) AND (l.classid::bigint << 32) + l.objid::bigint = :key
    LIMIT 1
"""


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
