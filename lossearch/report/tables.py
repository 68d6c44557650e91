"""Tables for a terminal: rich renderables that also read well as plain text, from 80 columns up."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from lossearch.pairs import Rejection
from lossearch.records.confirmations import Confirmed
from lossearch.report.formatting import MISSING, as_published, number, plus_minus, rate
from lossearch.report.layout import Column, Fitted, aligned, escaped, markdown_table
from lossearch.report.sentences import (
    Basis,
    confirmed_sentences,
    gain_sentence,
    optimism_sentence,
    remarks,
    seeds_text,
    statement,
    verdict_statement,
)
from lossearch.verdict.verdict import Verdict

_CATALOGUE_WIDTH = 110


def leaderboard_table(
    board: pd.DataFrame, basis: Basis, confirmed: Confirmed | None = None
) -> RenderableType:
    """Return the ranked pairs, and under them what is gained and what the scores are.

    Args:
        board: what ``frames.leaderboard`` gives.
        basis: metric, optimiser, seeds, conventional pair.
        confirmed: what was confirmed, where no verdict compares it.
    """
    first = 0 if len(board) and pd.notna(board["rank"].iloc[0]) else None
    honest = [] if confirmed is None else confirmed_sentences(confirmed)
    return Group(
        Fitted(leaderboard_columns(board, basis), bold_row=first),
        Text(),
        *map(Text, [*honest, gain_sentence(board, basis), *remarks(board, basis)]),
        Text(statement(basis), style="dim"),
    )


def verdict_table(
    board: pd.DataFrame, verdict: Verdict, basis: Basis, left_out: Mapping[str, str] | None = None
) -> RenderableType:
    """Return what a verdict says in sentences, and the ranked pairs, the recommended one in bold.

    Args:
        board: what ``standings.standings`` gives.
        verdict: what was judged.
        basis: optimiser and conventional pair.
        left_out: the pairs that were not confirmed and why.
    """
    answer, rest = verdict.sentences[:2], verdict.sentences[2:]
    taken = list(board["pair"]).index(verdict.recommended)
    lines = [*rest, optimism_sentence(verdict, basis), *remarks(board, basis, left_out)]
    return Group(
        *(Text(line, style="bold") for line in answer if line),
        Text(),
        Fitted(verdict_columns(board, verdict), bold_row=taken),
        Text(),
        *(Text(line) for line in lines if line),
        Text(verdict_statement(verdict, basis), style="dim"),
    )


def verdict_columns(board: pd.DataFrame, verdict: Verdict) -> tuple[Column, ...]:
    """Return the headings and texts of a judged leaderboard; "-" stands where there is no number."""
    rows = board.to_dict("records")
    intervals = ["-" if math.isnan(r["score"]) else _interval(r) for r in rows]
    stages = {
        "validation": [number(r["validation_score"], r["sd"]) for r in rows],
        "search": [number(r["search_score"], r["sd"]) for r in rows],
    }
    if verdict.part == "validation":
        del stages["validation"]
    columns = [
        Column("#", tuple(MISSING if pd.isna(r["rank"]) else str(r["rank"]) for r in rows), numeric=True),
        Column("pair", tuple(board["pair"]), splits=True),
        Column("best lr", tuple(rate(r["lr"]) + ("*" if r["lr_at_edge"] else "") for r in rows)),
        Column(
            f"{verdict.part} {verdict.metric}",
            tuple(number(r["score"], r["sd"]) for r in rows),
            numeric=True,
            short=verdict.metric,
        ),
        Column(f"{100 * (1 - verdict.level):g} % interval", tuple(intervals), short="interval"),
        Column("tied", tuple(_tied(r) for r in rows)),
        Column("gain", tuple(_verdict_gain(r, verdict) for r in rows), numeric=True),
        *(Column(k, tuple(v), numeric=True, short=k[:6]) for k, v in stages.items()),
        Column("trials", tuple(str(r["trials"]) for r in rows), numeric=True),
        Column("diverged", tuple(_diverged(r) for r in rows), numeric=True, short="div."),
    ]
    details = Column("parameters", tuple(board["params"]), detail=True)
    return (*columns, details) if any(board["params"]) else tuple(columns)


def leaderboard_columns(board: pd.DataFrame, basis: Basis) -> tuple[Column, ...]:
    """Return the leaderboard's headings and texts; "-" stands where there is no number."""
    scores = aligned([plus_minus(v, s) for v, s in zip(board["score"], board["sd"], strict=True)])
    rates = [rate(v) + ("*" if e else "") for v, e in zip(board["lr"], board["lr_at_edge"], strict=True)]
    ranks = [MISSING if pd.isna(r) else str(r) for r in board["rank"]]
    gains = [_gain(row, basis) for row in board.to_dict("records")]
    columns = (
        Column("#", tuple(ranks), numeric=True),
        Column("pair", tuple(board["pair"]), splits=True),
        Column("best lr", tuple(rates)),
        Column(basis.metric, tuple(scores)),
        Column("gain", tuple(gains), numeric=True),
        Column("trials", tuple(map(str, board["trials"])), numeric=True),
        Column("diverged", tuple(map(str, board["diverged"])), numeric=True, short="div."),
    )
    details = Column("parameters", tuple(board["params"]), detail=True)
    return (*columns, details) if any(board["params"]) else columns


def to_markdown(board: pd.DataFrame, basis: Basis, verdict: Verdict | None = None) -> str:
    """Return the leaderboard and its sentences as Markdown, those of a verdict first."""
    if verdict is None:
        lines = [gain_sentence(board, basis), *remarks(board, basis), statement(basis)]
        table = markdown_table(leaderboard_columns(board, basis))
    else:
        said = [escaped(line) + "\n" for line in verdict.sentences]
        lines = [optimism_sentence(verdict, basis), *remarks(board, basis), verdict_statement(verdict, basis)]
        table = [*said, *markdown_table(verdict_columns(board, verdict))]
    return "\n".join([f"# {escaped(basis.name)}", "", *table, *(f"\n{escaped(line)}" for line in lines), ""])


def published_table(frame: pd.DataFrame, basis: Basis) -> RenderableType:
    """Return ours beside the published numbers, with the notes under the table.

    Args:
        frame: what ``frames.published`` gives.
        basis: seeds and optimiser.
    """
    rows = frame.to_dict("records")
    notes = [n for n in dict.fromkeys(r["note"] for r in rows) if n]
    marks = {n: f" [{i}]" for i, n in enumerate(notes, start=1)}
    heads = [r for i, r in enumerate(rows) if i == 0 or _which(r) != _which(rows[i - 1])]
    columns = [
        Column("pair", tuple(r["pair"] if any(r is h for h in heads) else "" for r in rows), splits=True),
        Column("metric", tuple(r["metric"] + marks.get(r["note"], "") for r in rows)),
        Column("train", tuple(aligned([_ours(r, "train") for r in rows]))),
        Column(
            "published", tuple(as_published(r["published_train"]) for r in rows), numeric=True, short="publ."
        ),
        Column("validation", tuple(aligned([_ours(r, "validation") for r in rows]))),
        Column(
            "published", tuple(as_published(r["published_test"]) for r in rows), numeric=True, short="publ."
        ),
    ]
    renamed = [f"{r['pair']} as {r['label']}" for r in heads if _renamed(r)]
    lines = [
        *(f"[{i}] {note}" for i, note in enumerate(notes, start=1)),
        *([f"Published names: {'; '.join(renamed)}."] if renamed else []),
        *(f"{r['pair']}: no finished trial here." for r in heads if not r["trained"]),
        (
            f"Ours: {seeds_text(basis)}, optimiser {basis.optimizer}. The published numbers are of one run; "
            "they stand beside our training and validation rows."
        ),
    ]
    return Group(Fitted(columns), Text(), *map(Text, lines))


def rejects_table(rejections: Iterable[Rejection]) -> RenderableType:
    """Return the combinations that are not searched, each with its reason and the cure."""
    rows = list(rejections)
    if not rows:
        return Text("Every combination asked for is legal.")
    reasons = tuple(f"{r.reason} {r.cure}".strip() for r in rows)
    return Fitted(
        [Column("not searched", tuple(r.name for r in rows), splits=True), Column("why", reasons, wraps=True)]
    )


def catalogue_table(rows: Sequence[Mapping[str, Any]]) -> RenderableType:
    """Return the catalogue of losses: formula, domain and encoding, activations, parameters, source.

    Args:
        rows: one mapping a loss, as ``lossearch.pairs.catalogue.rows`` gives them.
    """
    note = Text("Activations in parentheses are legal, and searched only when asked for.", style="dim")
    return Group(_Catalogue(rows), Text(), note) if rows else Text("No loss matches.")


class _Catalogue:
    """A table where there is room, else one block a loss."""

    def __init__(self, rows: Sequence[Mapping[str, Any]]) -> None:
        self.entries = [_entry(r) for r in rows]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        if options.max_width >= _CATALOGUE_WIDTH:
            keys = [k for k in self.entries[0] if any(e[k] for e in self.entries)]
            cells = {k: tuple(e[k] for e in self.entries) for k in keys}
            yield Fitted([Column(k, cells[k], wraps=k != "loss") for k in keys], leading=1)
            return
        for entry in self.entries:
            block = Table.grid(padding=(0, 2, 0, 0))
            for label, text in list(entry.items())[1:]:
                if text:
                    block.add_row(Text(f"  {label}", style="dim"), Text(text))
            yield Text(entry["loss"].replace("\n", " "), style="bold")
            yield block


def _entry(row: Mapping[str, Any]) -> dict[str, str]:
    extra = [row["kind"], *(["on request"] if row["on_request"] else [])]
    activations = [a["name"] if a["usual"] else f"({a['name']})" for a in row["activations"]]
    return {
        "loss": f"{row['name']}\n({', '.join(extra)})",
        "formula": row["formula"],
        "takes": f"{row['domain']}; {', '.join(row['encodings'])}",
        "activations": ", ".join(activations),
        "parameters": "; ".join(map(_param_text, row["params"])),
        "source": row["source"],
    }


def _param_text(param: Mapping[str, Any]) -> str:
    searched = f" ({param['low']:g} to {param['high']:g})" if param["search"] else ""
    return f"{param['name']} = {param['default']:g}{searched}"


def _gain(row: Mapping[Any, Any], basis: Basis) -> str:
    if row["pair"] == basis.conventional and not math.isnan(row["score"]):
        return "ref."
    return number(row["gain"], row["sd"], signed=True)


def _interval(row: Mapping[Any, Any]) -> str:
    return f"{number(row['ci_low'], row['sd'])} to {number(row['ci_high'], row['sd'])}"


def _tied(row: Mapping[Any, Any]) -> str:
    return MISSING if pd.isna(row["rank"]) else "yes" if row["tied"] else "no"


def _verdict_gain(row: Mapping[Any, Any], verdict: Verdict) -> str:
    if row["pair"] == verdict.conventional:
        return "ref."
    return number(row["gain"], row["sd"], signed=True)


def _diverged(row: Mapping[Any, Any]) -> str:
    """Return how many trials of the search diverged, and how many of the fresh seeds where any did."""
    seeds = 0 if pd.isna(row["diverged_seeds"]) else int(row["diverged_seeds"])
    return f"{row['diverged']}+{seeds} of {row['seeds']}" if seeds else str(row["diverged"])


def _ours(row: Mapping[Any, Any], part: str) -> str:
    return plus_minus(row[part], row[f"{part}_sd"])


def _which(row: Mapping[Any, Any]) -> tuple[str, str]:
    return row["label"], row["pair"]


def _renamed(row: Mapping[Any, Any]) -> bool:
    return str(row["label"]) not in (str(row["pair"]), str(row["pair"]).partition("/")[0])
