"""The same predictions with a threshold, or a temperature, that validation rows choose: reported both ways."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from typing import Any

from lossearch.kinds import KINDS
from lossearch.records.study import StudyRecord
from lossearch.report.formatting import class_names, number
from lossearch.report.layout import Column
from lossearch.report.sources import Section, Sources, Table

_TITLE = "With a threshold or a temperature"
_TEMPERATURE = "what logits are divided by"


def tuned(sources: Sources) -> Section | None:
    """Return what a threshold or temperature chosen on validation rows changes on test rows; None where there is none."""
    rows = sources.tuned.to_dict("records")
    if not rows:
        return None
    judge = sources.study.task.metric
    what = {"threshold": _threshold_words(sources.study), "temperature": _TEMPERATURE}
    text = [
        "Nothing is trained again: validation rows choose for each seed "
        + " and ".join(
            f"a {name} ({words})" for name, words in what.items() if name in {r["tuned"] for r in rows}
        )
        + ", and the test rows of that seed are scored with it. The verdict is on predictions as they are.",
        *(_sentence(row) for row in rows if row["metric"] == judge and row["pair"] in sources.order[:1]),
    ]
    order = {pair: place for place, pair in enumerate(sources.order)}
    rows.sort(key=lambda row: (row["metric"] != judge, order.get(row["pair"], len(order))))
    table = _table(rows)
    few = {row["metric"] for row in rows} == {judge}
    return Section(
        "tuned", _TITLE, tuple(text), tables=(table,) if few else (), details=() if few else (table,)
    )


def _threshold_words(study: StudyRecord) -> str:
    kind = KINDS[study.task.kind]
    if kind.maps:
        return "the sigmoid of the score from which a pixel is marked"
    if kind.class_shape(2)[0] == 1:
        return f"the score from which a row is {class_names(study.classes, 2)[1]}"
    return "the score from which a row has a label, for each its own"


def _sentence(row: Mapping[Hashable, Any]) -> str:
    """Return whether tuning helps the best pair by the metric that judges."""
    low, high = row["ci_low"], row["ci_high"]
    known = math.isfinite(low)
    helps = (
        "helps" if known and low > 0 else "harms" if known and high < 0 else "makes no clear difference to"
    )
    between = (
        f" ({number(low, signed=True)} to {number(high, signed=True)} over {row['seeds']} seeds)"
        if known
        else ""
    )
    return (
        f"A {row['tuned']} {helps} {row['pair']}: {row['metric']} {number(row['before'])} as it is, "
        f"{number(row['after'])} with it, gain {number(row['gain'], signed=True)}{between}."
    )


def _table(rows: list[dict[Hashable, Any]]) -> Table:
    def column(title: str, name: str, *, signed: bool = False) -> Column:
        return Column(title, tuple(number(r[name], signed=signed) for r in rows), numeric=True)

    intervals = tuple(
        f"{number(r['ci_low'], signed=True)} to {number(r['ci_high'], signed=True)}"
        if math.isfinite(r["ci_low"])
        else "-"
        for r in rows
    )
    columns = (
        Column("pair", tuple(str(r["pair"]) for r in rows)),
        Column("metric", tuple(str(r["metric"]) for r in rows)),
        Column("chosen", tuple(str(r["tuned"]) for r in rows)),
        column("median", "setting"),
        column("as it is", "before"),
        column("with it", "after"),
        column("gain", "gain", signed=True),
        Column("95 % interval", intervals, numeric=True),
    )
    return Table("Means over fresh seeds on test rows; a gain above 0 is better", columns)
