"""What a report is made of: sections of sentences, pictures and tables, and the records they are drawn from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from lossearch._lazy import pd
from lossearch.diagnostics.agreement import Preference
from lossearch.diagnostics.pareto import Pareto
from lossearch.records.confirmations import Confirmed
from lossearch.records.evidence import Evidence
from lossearch.records.study import StudyRecord
from lossearch.records.trial import TrialRecord
from lossearch.report.figures.canvas import Picture
from lossearch.report.figures.plane import Plane
from lossearch.report.layout import Column
from lossearch.verdict.verdict import Verdict


@dataclass(frozen=True)
class Sources:
    """The records of a study that a report is made from. What is None or empty is left out of it.

    ``study`` is the study's own description, ``trials`` its trials, ``board`` what
    ``frames.search_leaderboard`` gives, ``curves`` every replicate's curves. ``planes`` are what pairs predict
    over the plane of two inputs. ``pareto`` shows trials and pairs under two metrics at once; ``importances``
    are, for each pair that searches more than a learning rate in trials enough, the shares of the score's
    variance that each searched number explains. ``tuned`` is what thresholds and temperatures chosen on validation rows
    change, as ``diagnostics.tuned`` has it. ``preferences`` are of metrics that have another best pair than the judge, None
    where nobody asked. ``lost`` says of each record that cannot be read what is missing here.
    """

    study: StudyRecord
    trials: Sequence[TrialRecord]
    board: pd.DataFrame
    curves: pd.DataFrame = field(default_factory=pd.DataFrame)
    verdict: Verdict | None = None
    evidence: Evidence | None = None
    confirmed: Confirmed | None = None
    planes: Sequence[Plane] = ()
    pareto: Pareto | None = None
    importances: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    tuned: pd.DataFrame = field(default_factory=pd.DataFrame)
    lost: Sequence[str] = ()
    preferences: Sequence[Preference] | None = None

    @property
    def order(self) -> tuple[str, ...]:
        """The pairs, best first: by the verdict where there is one, else by the search."""
        judged = [r.pair for r in self.verdict.ranking] if self.verdict else []
        return tuple(dict.fromkeys([*judged, *self.board["pair"]]))


@dataclass(frozen=True)
class Table:
    """A table with a caption; ``header`` is the column whose cells name their rows, ``strong`` the rows that stand out.

    The last rows, as many as are ``below``, stand under a line. ``links`` are the addresses that the rows' names lead to.
    """

    caption: str
    columns: tuple[Column, ...]
    header: int = 0
    strong: frozenset[int] = frozenset()
    below: int = 0
    links: tuple[str | None, ...] = ()

    @property
    def rows(self) -> list[tuple[str, ...]]:
        """The cells, row by row."""
        return list(zip(*(c.cells for c in self.columns), strict=True))


@dataclass(frozen=True)
class Section:
    """One part of a report. ``details`` are tables that a page folds, ``code`` texts (caption, text) shown as they are."""

    name: str
    title: str
    text: tuple[str, ...] = ()
    pictures: tuple[Picture, ...] = ()
    tables: tuple[Table, ...] = ()
    details: tuple[Table, ...] = ()
    code: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Report:
    """A whole report: the answer in a few sentences, facts (label, value), and the sections."""

    title: str
    subtitle: str
    lead: tuple[str, ...]
    facts: tuple[tuple[str, str], ...]
    sections: tuple[Section, ...]
