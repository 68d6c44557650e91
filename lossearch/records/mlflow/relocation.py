"""Absolute paths inside an MLflow sqlite database, rewritten when its directory has moved."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from lossearch.errors import StoreError

_LOCATIONS = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
)


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
