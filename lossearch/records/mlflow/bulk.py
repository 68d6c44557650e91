"""Many runs in one transaction of an sqlite database, as MLflow itself would have written them one by one."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from operator import attrgetter
from typing import TYPE_CHECKING

from lossearch.records.mlflow.rows import Row, Value

if TYPE_CHECKING:
    from sqlalchemy import Engine

Values = tuple[object, ...]

RUNS = 200
"""How many runs a transaction has at most: some 0.3 s of work, which a kill undoes."""

_BUSY_SECONDS = 20.0
_TOGETHER = 100
"""How many rows a statement has: each statement takes turns with all threads of the process."""

_METRIC = ("key", "value", "timestamp", "step", "is_nan", "run_uuid")
COLUMNS = {
    "runs": (
        *("run_uuid", "name", "source_type", "source_name", "entry_point_name", "user_id", "status"),
        *("start_time", "end_time", "deleted_time", "source_version", "lifecycle_stage"),
        *("artifact_uri", "experiment_id"),
    ),
    "tags": ("key", "value", "run_uuid"),
    "params": ("key", "value", "run_uuid"),
    "metrics": _METRIC,
    "latest_metrics": _METRIC,
}
"""Tables and columns of a run in MLflow 3.17. Where the installed MLflow has others its client writes the runs."""


@dataclass(frozen=True)
class BulkWriter:
    """Writes finished runs of one experiment, all of a call or none."""

    engine: Engine
    experiment_id: str
    artifact_location: str

    def write(self, rows: Sequence[Row], tags: Mapping[str, str]) -> list[str]:
        """Write rows as runs that have ``tags`` besides their own; return the runs' ids.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: the database cannot be written; then none of them is.
        """
        ids = [uuid.uuid4().hex for _ in rows]
        found: dict[str, list[Values]] = {table: [] for table in COLUMNS}
        for run_id, row in zip(ids, rows, strict=True):
            for table, values in self._values(run_id, row, {**tags, **row.tags}).items():
                found[table] += values
        # sqlite connections belong to a thread, and are as cheap to open as to keep
        with self.engine.begin() as connection:
            for table, values in found.items():
                for some in _batched(values, _TOGETHER):
                    connection.exec_driver_sql(_insertion(table, len(some)), tuple(chain.from_iterable(some)))
        return ids

    def _values(self, run_id: str, row: Row, tags: Mapping[str, str]) -> dict[str, list[Values]]:
        """Return the values of a run's rows in each table, in the order of its columns."""
        # as MLflow does: the first of two that are equal, and as latest the one of the last step
        metrics = {(v.name, v.step): v for v in reversed(row.metrics)}
        latest = {v.name: v for v in sorted(metrics.values(), key=attrgetter("step"))}

        def logged(values: Iterable[Value]) -> list[Values]:
            return [(v.name, v.value, row.end_ms, v.step, False, run_id) for v in values]

        run = (
            *(run_id, row.name, "UNKNOWN", "", "", tags.get("mlflow.user", "unknown"), row.status),
            *(row.start_ms, row.end_ms, None, "", "active"),
            *(f"{self.artifact_location}/{run_id}/artifacts", int(self.experiment_id)),
        )
        return {
            "runs": [run],
            "tags": [(k, v, run_id) for k, v in {**tags, "mlflow.runName": row.name}.items()],
            "params": [(k, v, run_id) for k, v in row.params.items()],
            "metrics": logged(metrics.values()),
            "latest_metrics": logged(latest.values()),
        }


def bulk_writer(uri: str, experiment_id: str, artifact_location: str) -> BulkWriter | None:
    """Return what writes runs in bulk; None where only MLflow's client can: elsewhere than in an sqlite file, or in other tables."""
    if not uri.startswith("sqlite:///"):
        return None
    from mlflow.store.tracking.dbmodels import models
    from sqlalchemy import create_engine
    from sqlalchemy.pool import NullPool

    tables = models.SqlRun.metadata.tables
    if any(n not in tables or set(tables[n].columns.keys()) != set(known) for n, known in COLUMNS.items()):
        return None
    engine = create_engine(uri, poolclass=NullPool, connect_args={"timeout": _BUSY_SECONDS})
    return BulkWriter(engine, experiment_id, artifact_location.rstrip("/"))


def _insertion(table: str, rows: int) -> str:
    names = COLUMNS[table]
    row = f"({', '.join('?' * len(names))})"
    return f"INSERT INTO {table} ({', '.join(names)}) VALUES {', '.join([row] * rows)}"  # noqa: S608 - our own names


def _batched(values: Sequence[Values], size: int) -> Iterator[Sequence[Values]]:
    """Return the values in parts of a size, the last as long as is left."""
    return (values[i : i + size] for i in range(0, len(values), size))
