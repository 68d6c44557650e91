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
from lossearch.report.layout import Column, Fitted, aligned, escaped, markdown_table
from lossearch.report.numbers import MISSING, as_published, number, plus_minus, rate
from lossearch.report.words import Basis, gain_sentence, remarks, seeds_text, statement

_CATALOGUE_WIDTH = 110


def leaderboard_table(board: pd.DataFrame, basis: Basis) -> RenderableType:
    """Return the ranked pairs, and under them what is gained and what the scores are.

    Args:
        board: what ``frames.leaderboard`` gives.
        basis: metric, optimiser, seeds, conventional pair.
    """
    first = 0 if len(board) and pd.notna(board["rank"].iloc[0]) else None
    return Group(
        Fitted(leaderboard_columns(board, basis), bold_row=first),
        Text(),
        *map(Text, [gain_sentence(board, basis), *remarks(board, basis)]),
        Text(statement(basis), style="dim"),
    )


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


def to_markdown(board: pd.DataFrame, basis: Basis) -> str:
    """Return the leaderboard and its sentences as Markdown."""
    lines = [gain_sentence(board, basis), *remarks(board, basis), statement(basis)]
    table = markdown_table(leaderboard_columns(board, basis))
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
        rows: one mapping a loss, as ``lossearch.losses.catalogue.rows`` gives them.
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


def _ours(row: Mapping[Any, Any], part: str) -> str:
    return plus_minus(row[part], row[f"{part}_sd"])


def _which(row: Mapping[Any, Any]) -> tuple[str, str]:
    return row["label"], row["pair"]


def _renamed(row: Mapping[Any, Any]) -> bool:
    return str(row["label"]) not in (str(row["pair"]), str(row["pair"]).partition("/")[0])
