"""Where an MLflow database says that artifacts are: what is written or shown from there must be in the store."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

from lossearch._options import on_the_command_line, option
from lossearch.errors import StoreError
from lossearch.records.mlflow.database import LOCATIONS, has_column, read_only
from lossearch.records.store import Store

_SERVED = ("mlflow-artifacts", "models", "runs")
"""Schemes that stand for a place that the server or another row of the database names."""


def require_inside(store: Store, places: Iterable[str | None], given: Collection[str] = ()) -> None:
    """Raise where artifacts of a store's own database are not in the store, or a link leads out of it.

    Args:
        store: whose artifacts they are.
        places: as the database has them.
        given: places outside that may be used all the same.

    Raises:
        StoreError: the message names the first such place.
    """
    for place in dict.fromkeys(filter(None, places)):
        path = _path(place)
        served = place in given or urlsplit(place).scheme in _SERVED
        if not served and (path is None or not path.resolve().is_relative_to(store.root)):
            with on_the_command_line():
                named = option("artifact_location", place)
            raise StoreError(
                f"The MLflow database {store.database} places artifacts at {place}, outside of the store, where nothing is read "
                f"or written. Move the database away, and `lossearch sync` writes another; or see it as it is, where you know the "
                f"place: `lossearch ui {named}`."
            )


def places(database: Path) -> Iterator[str]:
    """Yield every place of artifacts that a database names, of MLflow's own first experiment only those in use."""
    with read_only(database) as db:
        for table, column in LOCATIONS:
            if has_column(db, table, column):
                where = " WHERE experiment_id <> 0" if table == "experiments" else ""
                yield from (
                    str(place)
                    for (place,) in db.execute(f"SELECT DISTINCT {column} FROM {table}{where}")  # noqa: S608
                    if place is not None
                )


def _path(place: str) -> Path | None:
    """Return the path of a place on this machine, None of one that is elsewhere."""
    parts = urlsplit(place)
    if parts.scheme not in ("", "file") or parts.netloc not in ("", "localhost"):
        return None
    return Path(os.path.normpath(unquote(parts.path) if parts.scheme else place))
