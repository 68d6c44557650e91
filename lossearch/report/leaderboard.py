"""How a leaderboard is printed: its columns, declared once, and the sentences around them.

A terminal, Markdown and a report show some of the columns each; what stands in a cell is the same everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from lossearch._lazy import pd
from lossearch._text import escaped
from lossearch.records.confirmations import Confirmed
from lossearch.records.study import StudyRecord
from lossearch.report.formatting import MISSING, number, plus_minus, rate, typical_spread
from lossearch.report.frames import baselines
from lossearch.report.layout import Column, Fitted, markdown_table
from lossearch.report.sentences import (
    AT_EDGE,
    baselines_sentence,
    confirmed_sentences,
    edge_sentence,
    gain_sentence,
    remarks,
    statement,
    verdict_statement,
)
from lossearch.verdict.verdict import Verdict

SEARCH = ("rank", "pair", "lr", "mean and sd", "gain", "trials", "diverged", "params")
CONFIRMED = (
    "rank", "pair", "lr", "score", "interval", "tied", "gain", "validation", "search", "trials",
    "diverged and seeds", "params",
)  # fmt: skip
REPORT = (
    "pair", "rank", "score", "interval", "sd", "tied", "gain and interval", "lr", "params", "trials",
    "diverged seeds",
)  # fmt: skip
"""Names of the columns that are shown: of a search, of a verdict, and of a verdict in a report."""

_Row = Mapping[Any, Any]


def columns(board: pd.DataFrame, study: StudyRecord, verdict: Verdict | None = None) -> dict[str, Column]:
    """Return every column that a leaderboard can show, by name; "-" stands where there is no number.

    ``board`` is that of ``frames.search_leaderboard``, with a verdict that of
    ``frames.confirmed_leaderboard``.
    """

    def column(heading: str, cell: Callable[[_Row], str], *, numeric: bool = True, **more: Any) -> Column:
        return Column(heading, tuple(cell(row) for row in board.to_dict("records")), numeric=numeric, **more)

    sd = typical_spread(board["sd"])
    found = {
        "rank": column("#", lambda r: MISSING if pd.isna(r["rank"]) else str(r["rank"])),
        "pair": column("pair", lambda r: str(r["pair"]), numeric=False, splits=True),
        "lr": column("best lr", lambda r: rate(r["lr"]) + "*" * r["lr_at_edge"], numeric=False),
        "mean and sd": column(
            study.task.metric, lambda r: plus_minus(r["score"], r["sd"], sd), numeric=False
        ),
        "gain": column("gain", lambda r: _gain(r, study, sd)),
        "trials": column("trials", lambda r: str(r["trials"]), goes=3),
        "diverged": column("diverged", lambda r: str(r["diverged"]), short="div.", goes=2),
    }
    if any(board["params"]):
        found["params"] = column("parameters", lambda r: str(r["params"]), numeric=False, detail=True)
    if verdict is None:
        return found
    judged = f"{verdict.part} {verdict.metric}"
    found |= {
        "score": column(judged, lambda r: number(r["score"], sd), short=verdict.metric),
        "interval": column(
            f"{verdict.confidence} interval",
            lambda r: _interval(r, "ci_low", "ci_high", sd),
            numeric=False,
            short="interval",
            goes=1,
        ),
        "sd": column("sd over seeds", lambda r: number(r["sd"], sd)),
        "tied": column(
            "tied",
            lambda r: MISSING if pd.isna(r["rank"]) else "yes" if r["tied"] else "no",
            numeric=False,
        ),
        "gain and interval": column(
            f"gain over {study.conventional}", lambda r: _gain(r, study, sd, interval=True)
        ),
        "search": column("search", lambda r: number(r["search_score"], sd), goes=4),
        "diverged and seeds": column("diverged", _diverged, short="div.", goes=2),
        "diverged seeds": column("diverged seeds", lambda r: _diverged_seeds(r) or MISSING),
    }
    if verdict.part != "validation":
        shown = column("validation", lambda r: number(r["validation_score"], sd), short="valida", goes=5)
        found["validation"] = shown
    return found


def baseline_interval(row: _Row, sd: float) -> str:
    """Return the interval of a baseline's score."""
    found = _interval(row, "ci_low", "ci_high", sd)
    return "unknown" if found == MISSING else found


def _gain(row: _Row, study: StudyRecord, sd: float, *, interval: bool = False) -> str:
    own = row["pair"] == study.conventional and not pd.isna(row["score"])
    gain = "ref." if own else number(row["gain"], sd, signed=True)
    shown = _interval(row, "gain_low", "gain_high", sd, signed=True) if interval else MISSING
    return gain if shown == MISSING else f"{gain} ({shown})"


def _interval(row: _Row, low: str, high: str, sd: float, *, signed: bool = False) -> str:
    if pd.isna(row[low]) or pd.isna(row[high]):
        return MISSING
    return " to ".join(number(row[end], sd, signed=signed) for end in (low, high))


def _diverged_seeds(row: _Row) -> str:
    return "" if pd.isna(row["diverged_seeds"]) else f"{row['diverged_seeds']} of {row['seeds']}"


def _diverged(row: _Row) -> str:
    """Return how many trials of the search diverged, and how many of the fresh seeds where any did."""
    seeds = _diverged_seeds(row)
    return f"{row['diverged']}+{seeds}" if seeds and row["diverged_seeds"] else str(row["diverged"])


@dataclass(frozen=True)
class Leaderboard:
    """A leaderboard as people read it: the answer, the ranked pairs, and what to know of them.

    ``bold`` is the row to take; the last rows, ``below``, are of baselines; ``basis`` says what the numbers are.
    """

    answer: tuple[str, ...]
    columns: tuple[Column, ...]
    bold: int | None
    notes: tuple[str, ...]
    basis: str
    below: int = 0

    def __rich__(self) -> RenderableType:
        return Group(
            *(Text(line, style="bold") for line in self.answer),
            *([Text()] if self.answer else []),
            Fitted(self.columns, bold_row=self.bold, below=self.below),
            Text(),
            *map(Text, self.notes),
            Text(self.basis, style="dim"),
        )

    def to_markdown(self, title: str = "") -> str:
        """Return it as Markdown, with a heading where there is a title."""
        above, below = ([f"{escaped(t)}\n" for t in texts] for texts in (self.answer, self.notes))
        rows = markdown_table(self.columns)
        heading = [f"# {escaped(title)}\n"] if title else []
        return "\n".join([*heading, *above, *rows, "", *below, f"{escaped(self.basis)}\n"])


def make_leaderboard(
    board: pd.DataFrame,
    study: StudyRecord,
    verdict: Verdict | None = None,
    confirmed: Confirmed | None = None,
) -> Leaderboard:
    """Return the leaderboard of a search, or of a verdict.

    ``board`` as in :func:`columns`.
    """
    simple = baselines(confirmed)
    if verdict is None:
        shown = _chosen(columns(board, study), SEARCH)
        said = [] if confirmed is None else confirmed_sentences(confirmed)
        notes = (*said, gain_sentence(board, study), edge_sentence(board, study), *remarks(board, study))
        first = 0 if len(board) and pd.notna(board["rank"].iloc[0]) else None
        return Leaderboard((), shown, first, _below(notes), statement(study, board))
    shown = _chosen(_with_baselines(columns(board, study, verdict), simple, board), CONFIRMED)
    left_out = confirmed.left_out if confirmed else {}
    answer, rest = verdict.sentences[:2], verdict.sentences[2:]
    notes = (*rest, *remarks(board, study, left_out), baselines_sentence(simple))
    return Leaderboard(
        answer=tuple(filter(None, answer)),
        columns=shown,
        bold=None if verdict.nothing_learned else list(board["pair"]).index(verdict.recommended),
        notes=_below(notes),
        basis=verdict_statement(verdict, study),
        below=len(simple),
    )


def _below(notes: Iterable[str]) -> tuple[str, ...]:
    """Return the notes under the table, with the mark of its cells before the one that explains it."""
    return tuple(f"* {note}" if AT_EDGE in note else note for note in notes if note)


def report_columns(
    board: pd.DataFrame,
    study: StudyRecord,
    verdict: Verdict | None = None,
    simple: pd.DataFrame | None = None,
) -> tuple[Column, ...]:
    """Return the columns that a report shows, with a verdict the rows of the ``simple`` baselines under those of pairs."""
    if verdict is None:
        return _chosen(columns(board, study), SEARCH)
    return _chosen(_with_baselines(columns(board, study, verdict), simple, board), REPORT)


def _with_baselines(
    found: Mapping[str, Column], simple: pd.DataFrame | None, board: pd.DataFrame
) -> dict[str, Column]:
    """Return columns with a row for each baseline below: its score, interval and sd, to the digits of the pairs'."""
    spread = typical_spread(board["sd"])
    rows = [] if simple is None else simple.to_dict("records")
    own: dict[str, Callable[[_Row], str]] = {
        "pair": lambda r: str(r["baseline"]),
        "score": lambda r: number(r["score"], spread),
        "interval": lambda r: baseline_interval(r, spread),
        "sd": lambda r: number(r["sd"], spread),
    }

    def cells(name: str, column: Column) -> tuple[str, ...]:
        nothing = "" if column.detail else MISSING
        return tuple(own[name](row) if name in own else nothing for row in rows)

    return {
        name: replace(column, cells=(*column.cells, *cells(name, column))) for name, column in found.items()
    }


def _chosen(found: Mapping[str, Column], names: tuple[str, ...]) -> tuple[Column, ...]:
    return tuple(found[name] for name in names if name in found)
