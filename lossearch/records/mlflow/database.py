"""An MLflow sqlite database: made whole or not at all, and right again when its directory has moved."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from lossearch.errors import StoreError

WHOLE = 0x6C6F7373
"""The sqlite application id of a database that was made to its end here."""


_RECORDED = (
    ("experiments", " WHERE experiment_id <> 0"),
    ("runs", ""),
    ("registered_models", ""),
)

_LOCATIONS = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
)


def ensure_database(path: Path, artifacts: Path) -> None:
    """Make an MLflow database where there is none, or one that was left half made.

    It is made beside its place and moved there when it is whole: MLflow's migrations commit one by one, and
    a process that dies between two of them leaves what no MLflow can open. One call at a time (see
    :meth:`Store.lock`) for a path. ``artifacts`` is where runs of MLflow's own "Default" experiment keep
    theirs.

    Raises:
        sqlite3.Error, OSError: the file cannot be read or written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and not _left_half_made(path):
        return
    part = path.with_name(f".{path.name}.part")
    _remove(part)
    _make(part, artifacts)
    _remove(path, only_journals=True)
    part.replace(path)


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
                for table, column in _LOCATIONS
                if _has(db, table, column)
                for head in heads
            )
    except sqlite3.Error as error:
        raise StoreError(
            f"The store was moved from {old} to {new}, and the artifact locations in {database} could not be "
            f"rewritten: {error}. Stop whatever has it open (such as `lossearch ui`) and try again."
        ) from error


def _make(path: Path, artifacts: Path) -> None:
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    store: Any = SqlAlchemyStore  # it has no annotations
    store(f"sqlite:///{path.as_posix()}", artifacts.as_uri()).engine.dispose()
    with closing(sqlite3.connect(path)) as db, db:
        # MLflow places it beside the working directory where it is given no root of its own
        db.execute("UPDATE experiments SET artifact_location = ?", ((artifacts / "default").as_uri(),))
        db.execute(f"PRAGMA application_id = {WHOLE}")


def _left_half_made(path: Path) -> bool:
    """Whether a database is not known to be whole and holds nothing that anybody recorded."""
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=20)) as db:
        if db.execute("PRAGMA application_id").fetchone()[0] == WHOLE:
            return False
        tables = {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        return all(
            db.execute(f"SELECT 1 FROM {table}{where} LIMIT 1").fetchone() is None  # noqa: S608 - our own names
            for table, where in _RECORDED
            if table in tables
        )


def _remove(path: Path, *, only_journals: bool = False) -> None:
    for ending in ("-journal", "-wal", "-shm", *(() if only_journals else ("",))):
        with suppress(FileNotFoundError):
            os.remove(f"{path}{ending}")  # noqa: PTH107 - a name and an ending


def _has(db: sqlite3.Connection, table: str, column: str) -> bool:
    found = db.execute("SELECT 1 FROM pragma_table_info(?) WHERE name = ?", (table, column))
    return found.fetchone() is not None


def _rewrite(db: sqlite3.Connection, table: str, column: str, old: str, new: str) -> int:
    # substr, because LIKE would read % and _ in a path as wildcards
    statement = (
        f"UPDATE {table} SET {column} = ? || substr({column}, ?) "  # noqa: S608 - both names are our own
        f"WHERE {column} = ? OR substr({column}, 1, ?) = ?"
    )
    return db.execute(statement, (new, len(old) + 1, old, len(old) + 1, old + "/")).rowcount
