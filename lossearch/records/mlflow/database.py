"""An MLflow sqlite database, made whole or not at all."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

WHOLE = 0x6C6F7373
"""The sqlite application id of a database that was made to its end here."""


def ensure_database(path: Path, artifacts: Path) -> None:
    """Make an MLflow database where there is none, or one that was left half made.

    It is made beside its place and moved there when it is whole: MLflow's migrations commit one by one, and a
    process that dies between two of them leaves what no MLflow can open. One call at a time (see
    :meth:`Store.lock`) for a path.

    Args:
        path: the database's file.
        artifacts: where runs of MLflow's own "Default" experiment keep their artifacts.

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


_RECORDED = (
    ("experiments", " WHERE experiment_id <> 0"),
    ("runs", ""),
    ("registered_models", ""),
)


def _remove(path: Path, *, only_journals: bool = False) -> None:
    for ending in ("-journal", "-wal", "-shm", *(() if only_journals else ("",))):
        with suppress(FileNotFoundError):
            os.remove(f"{path}{ending}")  # noqa: PTH107 - a name and an ending
