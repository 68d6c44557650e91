"""The tables of a study file. An option of a study is declared here, once, at its key, and nowhere else.

Name, type, limits, default and help stand at the key; the command line, ``--set``, ``lossearch.search`` and
their help follow. Beside each table stands a ``TypedDict`` of the same keys, which editors and type checkers
read: ``lossearch.search(**options: Unpack[SearchOptions])``.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

from pydantic import Field

from lossearch.config.fields import Number, PairName, Table, Text
from lossearch.config.option import Key, keys_of
from lossearch.config.tables.budget import BudgetOptions, BudgetTable
from lossearch.config.tables.records import RecordsOptions, RecordsTable
from lossearch.config.tables.space import SEARCHABLE, SearchRange, SpaceOptions, SpaceTable
from lossearch.config.tables.task import Rows, TaskOptions, TaskTable
from lossearch.config.tables.train import TrainOptions, TrainTable


class PublishedRow(Table):
    """A published figure, shown beside ours: which pair, by which metric, and what was printed."""

    pair: PairName
    label: Text
    metric: Text
    train: Number | None = None
    test: Number | None = None
    note: Annotated[str, Field(strict=True)] = ""


class StudyConfig(Table):
    """A whole study file."""

    task: TaskTable = TaskTable()
    space: SpaceTable = SpaceTable()
    budget: BudgetTable = BudgetTable()
    train: TrainTable = TrainTable()
    records: RecordsTable = RecordsTable()
    published: tuple[PublishedRow, ...] = ()

    @property
    def name(self) -> str:
        """The study's name: as given, else from its data."""
        return self.records.name or name_of(self.task.data or self.task.module)


class SearchOptions(TaskOptions, SpaceOptions, BudgetOptions, TrainOptions, RecordsOptions, total=False):
    """What ``lossearch.search`` takes by name and hands on as it is."""


TABLES: dict[str, type[Table]] = {
    "task": TaskTable,
    "space": SpaceTable,
    "budget": BudgetTable,
    "train": TrainTable,
    "records": RecordsTable,
}
KEYS: tuple[Key, ...] = tuple(keys_of(TABLES))


def name_of(data: str | None) -> str:
    """Return the name a study has from its data, fit for a directory."""
    if data is None:
        return "study"
    source = data if data.startswith("openml:") else data.rpartition(":")[2]
    path = Path(source)
    stem = path.stem if path.suffix in (".csv", ".parquet") else path.name or source
    return re.sub(r"[^A-Za-z0-9._-]+", "-", stem).strip("._-")[:100].rstrip(".") or "study"


__all__ = [
    "KEYS",
    "SEARCHABLE",
    "TABLES",
    "BudgetTable",
    "PublishedRow",
    "RecordsTable",
    "Rows",
    "SearchOptions",
    "SearchRange",
    "SpaceTable",
    "StudyConfig",
    "TaskTable",
    "TrainTable",
    "name_of",
]
