"""Published numbers beside ours: the figures of others that a study file quotes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from lossearch._lazy import pd
from lossearch.config.tables import PublishedRow
from lossearch.records.study import StudyRecord
from lossearch.records.trial import TrialRecord
from lossearch.report.formatting import as_published, plus_minus
from lossearch.report.frames import best_records
from lossearch.report.layout import Column, Fitted
from lossearch.report.sentences import seeds_text


def published_numbers(
    rows: Sequence[PublishedRow], records: Iterable[TrialRecord], *, metric: str, direction: str
) -> pd.DataFrame:
    """Return published numbers beside ours, one row a published row and metric.

    Where a row was published in a metric other than the task's, ours in the task's metric follows it,
    without a published number.

    Returns:
        Columns label, pair, metric, train, train_sd, published_train, validation, validation_sd,
        published_test, note, trained (whether the pair has a finished trial).
    """
    best = best_records(records, direction=direction)
    found = []
    for row in rows:
        record = best.get(row.pair)
        found.append(_published(row, record, row.metric, row.train, row.test, row.note))
        if row.metric != metric:
            found.append(_published(row, record, metric, None, None, ""))
    return pd.DataFrame(found).drop_duplicates(ignore_index=True)


def _published(
    row: PublishedRow,
    record: TrialRecord | None,
    metric: str,
    train: float | None,
    test: float | None,
    note: str,
) -> dict[str, Any]:
    scores: Mapping[str, float] = record.scores if record else {}
    spread: Mapping[str, float] = record.spread if record and len(record.seeds) > 1 else {}
    return {
        "label": row.label,
        "pair": row.pair,
        "metric": metric,
        "train": scores.get(f"train_{metric}", math.nan),
        "train_sd": spread.get(f"train_{metric}", math.nan),
        "published_train": math.nan if train is None else train,
        "validation": scores.get(f"val_{metric}", math.nan),
        "validation_sd": spread.get(f"val_{metric}", math.nan),
        "published_test": math.nan if test is None else test,
        "note": note,
        "trained": record is not None,
    }


def published_table(frame: pd.DataFrame, study: StudyRecord) -> RenderableType:
    """Return ours beside the published numbers, with the notes under the table."""
    rows = frame.to_dict("records")
    notes = [n for n in dict.fromkeys(r["note"] for r in rows) if n]
    marks = {n: f" [{i}]" for i, n in enumerate(notes, start=1)}
    heads = [r for i, r in enumerate(rows) if i == 0 or _which(r) != _which(rows[i - 1])]
    columns = [
        Column("pair", tuple(r["pair"] if any(r is h for h in heads) else "" for r in rows), splits=True),
        Column("metric", tuple(r["metric"] + marks.get(r["note"], "") for r in rows)),
        Column("train", tuple(_ours(r, "train") for r in rows)),
        Column(
            "published", tuple(as_published(r["published_train"]) for r in rows), numeric=True, short="publ."
        ),
        Column("validation", tuple(_ours(r, "validation") for r in rows)),
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
            f"Ours: {seeds_text(study)}, optimiser {study.train.optimizer}. The published numbers are of one run; "
            "they stand beside our training and validation rows."
        ),
    ]
    return Group(Fitted(columns), Text(), *map(Text, lines))


def _ours(row: Mapping[Any, Any], part: str) -> str:
    return plus_minus(row[part], row[f"{part}_sd"])


def _which(row: Mapping[Any, Any]) -> tuple[str, str]:
    return row["label"], row["pair"]


def _renamed(row: Mapping[Any, Any]) -> bool:
    return str(row["label"]) not in (str(row["pair"]), str(row["pair"]).partition("/")[0])
