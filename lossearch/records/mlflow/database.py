"""An MLflow sqlite database: made whole or not at all, and right again when its directory has moved."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from lossearch.errors import StoreError
from lossearch.records.damage import damaged

WHOLE = 0x6C6F7373
"""The sqlite application id of a database that was made to its end here."""


_MADE = {
    "alembic_version": " WHERE 0",
    "workspaces": " WHERE 0",
    "experiments": " WHERE experiment_id <> 0",
}
"""Tables that hold what MLflow puts there itself, and which of their rows others have put there."""

LOCATIONS = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
)
"""Tables and their columns that say where artifacts are."""


def ensure_database(path: Path, artifacts: Path) -> None:
    """Make an MLflow database where there is none, or one that was left half made.

    It is made elsewhere and moved to its place when it is whole: MLflow's migrations commit one by one, and
    a process that dies between two of them leaves what no MLflow can open. One call at a time (see
    :meth:`Store.lock`) for a path. ``artifacts`` is where runs of MLflow's own "Default" experiment keep
    theirs.

    Raises:
        sqlite3.Error, OSError: the file cannot be read or written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if is_there(path):
        return
    part = path.with_name(f".{path.name}.part")
    _remove(part)
    _make(part, artifacts)
    _remove(path, only_journals=True)
    part.replace(path)


def is_there(path: Path) -> bool:
    """Whether a database is there that was not left half made.

    Raises:
        sqlite3.Error: the file cannot be read.
    """
    return path.exists() and not _left_half_made(path)


def copy_database(database: Path, copy: Path) -> None:
    """Copy a database that may be in use; it is not written to.

    Raises:
        sqlite3.Error: it cannot be read.
    """
    with (
        read_only(database) as read,
        closing(sqlite3.connect(copy)) as written,
    ):
        read.backup(written)


def ended_runs(database: Path, run_id: str) -> int | None:
    """Return how many runs that have ended are inside a study's, None where that itself is not there or not finished."""
    if not database.is_file():
        return None
    with suppress(sqlite3.Error), read_only(database) as db:
        parent = (
            "SELECT 1 FROM runs WHERE run_uuid = ? AND status = 'FINISHED' AND lifecycle_stage = 'active'"
        )
        if db.execute(parent, (run_id,)).fetchone() is not None:
            inside = (
                "SELECT count(*) FROM runs JOIN tags USING (run_uuid) WHERE key = 'mlflow.parentRunId' AND value = ? "
                "AND status <> 'RUNNING' AND lifecycle_stage = 'active'"
            )
            found: int = db.execute(inside, (run_id,)).fetchone()[0]
            return found
    return None


@contextmanager
def read_only(database: Path) -> Iterator[sqlite3.Connection]:
    """Open a database to read it; all that may be written is to take back what a killed process left half done.

    Raises:
        sqlite3.Error: it cannot be read.
    """
    with closing(_opened(database, "ro")) as db:
        try:
            db.execute("PRAGMA schema_version").fetchone()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_READONLY_ROLLBACK:
                raise
            # sqlite takes it back when it next reads, which it may not where it is opened to read alone
            with closing(_opened(database, "rw")) as writable:
                writable.execute("PRAGMA schema_version").fetchone()
        yield db


def _opened(database: Path, mode: str) -> sqlite3.Connection:
    return sqlite3.connect(f"{database.as_uri()}?mode={mode}", uri=True, timeout=20)


def check_database(database: Path) -> None:
    """Look whether an MLflow database that is there is whole; nothing is said of one that cannot be read now.

    Raises:
        DamagedError: it is not.
    """
    if not database.is_file():
        if database.exists():
            raise damaged(database, "it is a directory")
        return
    try:
        with read_only(database) as db:
            said = db.execute("PRAGMA quick_check(1)").fetchone()[0]
            db.execute("SELECT 1 FROM experiments LIMIT 1")
    except sqlite3.OperationalError as error:
        if "no such table" in str(error):
            raise damaged(database, str(error)) from error
        return  # in use by another process, which it is no damage to be
    except sqlite3.DatabaseError as error:
        raise damaged(database, str(error)) from error
    if said != "ok":
        raise damaged(database, said.splitlines()[-1])


@contextmanager
def naming_damage(database: Path | None) -> Iterator[None]:
    """Say of a database that cannot be opened inside whether that is because it is damaged; None is of a server.

    Raises:
        DamagedError: it is.
    """
    try:
        yield
    except StoreError:
        if database is not None:
            check_database(database)
        raise


def relocate(database: Path, old: Path, new: Path) -> int:
    """Replace ``old`` by ``new`` at the head of every artifact location, in one transaction.

    Returns:
        How many locations were rewritten.

    Raises:
        StoreError: the database is locked or damaged; then nothing in it has changed.
    """
    heads = ((old.as_uri(), new.as_uri()), (str(old), str(new)))
    try:
        with closing(sqlite3.connect(database, timeout=20)) as db, db:
            return sum(
                _rewrite(db, table, column, *head)
                for table, column in LOCATIONS
                if has_column(db, table, column)
                for head in heads
            )
    except sqlite3.Error as error:
        raise StoreError(
            f"The store was moved from {old} to {new}, and the artifact locations in {database} could not be "
            f"rewritten: {error}. Stop whatever has it open (such as `lossearch ui`) and try again."
        ) from error


@cache
def empty_database() -> bytes:
    """Return a database without a run, kept for the next store: MLflow's migrations take a second or two."""
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    store: Any = SqlAlchemyStore  # it has no annotations
    with TemporaryDirectory() as folder:
        path = Path(folder, "mlflow.db")
        store(f"sqlite:///{path.as_posix()}", Path(folder).as_uri()).engine.dispose()
        return path.read_bytes()


def _make(path: Path, artifacts: Path) -> None:
    path.write_bytes(empty_database())
    with closing(sqlite3.connect(path)) as db, db:
        # MLflow places it beside the working directory where it is given no root of its own
        db.execute("UPDATE experiments SET artifact_location = ?", ((artifacts / "default").as_uri(),))
        db.execute(f"PRAGMA application_id = {WHOLE}")


def _left_half_made(path: Path) -> bool:
    """Whether a database is MLflow's, or empty, is not known to be whole, and holds nothing that anybody recorded."""
    with read_only(path) as db:
        if db.execute("PRAGMA application_id").fetchone()[0] != 0:  # whole, or of another program
            return False
        found = [
            name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'")
        ]
        if found and not {"experiments", "runs", "registered_models"} & set(found):
            return False  # somebody else's, whatever is in it
        tables = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return all(
            db.execute(f'SELECT 1 FROM "{table}"{_MADE.get(table, "")} LIMIT 1').fetchone() is None  # noqa: S608
            for table in tables
        )


def _remove(path: Path, *, only_journals: bool = False) -> None:
    for ending in ("-journal", "-wal", "-shm", *(() if only_journals else ("",))):
        with suppress(FileNotFoundError):
            os.remove(f"{path}{ending}")  # noqa: PTH107 - a name and an ending


def has_column(db: sqlite3.Connection, table: str, column: str) -> bool:
    """Return whether a database has a table with a column."""
    found = db.execute("SELECT 1 FROM pragma_table_info(?) WHERE name = ?", (table, column))
    return found.fetchone() is not None


def _rewrite(db: sqlite3.Connection, table: str, column: str, old: str, new: str) -> int:
    # substr, because LIKE would read % and _ in a path as wildcards
    statement = (
        f"UPDATE {table} SET {column} = ? || substr({column}, ?) "  # noqa: S608 - both names are our own
        f"WHERE {column} = ? OR substr({column}, 1, ?) = ?"
    )
    return db.execute(statement, (new, len(old) + 1, old, len(old) + 1, old + "/")).rowcount
