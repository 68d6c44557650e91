"""The index of a store: a table of its studies, each with its answer and a link to its report."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote

from lossearch.report.formatting import MISSING, number
from lossearch.report.layout import Column
from lossearch.report.sources import Report, Section, Table

_UNSURE = "Scores without tied pairs are the search's own, and optimistic: such a study has no verdict."


@dataclass(frozen=True)
class StudyRow:
    """What an index says of a study; what is None is not known.

    ``spread`` is the sd of the score over seeds; ``tied`` how many of ``ranked`` pairs tie with the best; ``created`` in
    seconds since 1970; ``page`` the file of its report beside the index.
    """

    name: str
    kind: str
    metric: str
    created: float
    trials: int
    best: str | None = None
    score: float | None = None
    spread: float | None = None
    gain: float | None = None
    tied: tuple[str, ...] = ()
    ranked: int = 0
    page: str | None = None


def index_report(store: str, rows: Sequence[StudyRow], problems: Mapping[str, str]) -> Report:
    """Return the index of a store as a report, the newest study first.

    ``problems`` says of each study that cannot be shown why.
    """
    newest = sorted(rows, key=lambda row: -row.created)
    count = len(rows)
    text = () if rows else ("There is no study that can be shown.",)
    sections = [
        Section("studies", "Studies", text, tables=(_table(newest),) if rows else ()),
    ]
    if problems:
        columns = (
            Column("study", tuple(problems)),
            Column("why", tuple(problems.values()), wraps=True),
        )
        sections.append(
            Section("problems", "Not shown", tables=(Table("Studies that cannot be read", columns),))
        )
    return Report(
        title=f"Studies of {store}",
        subtitle="Which loss, activation and learning rate fit each task",
        lead=(f"{count} {'study' if count == 1 else 'studies'}. {_UNSURE}",),
        facts=(),
        sections=tuple(sections),
    )


def _table(rows: Sequence[StudyRow]) -> Table:
    def column(heading: str, cell: Callable[[StudyRow], str], *, numeric: bool = False) -> Column:
        return Column(heading, tuple(map(cell, rows)), numeric=numeric)

    columns = (
        column("study", lambda r: r.name),
        column("kind", lambda r: r.kind),
        column("metric", lambda r: r.metric),
        column("best pair", lambda r: r.best or MISSING),
        column("score", lambda r: number(r.score, r.spread), numeric=True),
        column(
            "tied with the best",
            lambda r: f"{len(r.tied)} of {r.ranked}" if r.tied else MISSING,
            numeric=True,
        ),
        column("gain", lambda r: number(r.gain, r.spread, signed=True), numeric=True),
        column("trials", lambda r: str(r.trials), numeric=True),
        column(
            "begun", lambda r: datetime.fromtimestamp(r.created, UTC).strftime("%Y-%m-%d %H:%M"), numeric=True
        ),
    )
    links = tuple(None if r.page is None else quote(r.page) for r in rows)
    return Table(
        "Newest first; gain over the conventional pair, positive is better; times are UTC",
        columns,
        links=links,
    )
