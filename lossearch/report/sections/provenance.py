"""How to do it again, what was not searched, and what to know."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from lossearch.report.layout import Column
from lossearch.report.sources import Section, Sources, Table


def reproduce(sources: Sources) -> Section:
    """Return command, versions, seeds and digests."""
    study, task, identity = sources.study, sources.study.task, sources.study.identity()
    both = ", ".join(f"{metric} ({way})" for metric, way in task.objectives.items())
    facts: dict[str, Any] = {
        "study": study.name,
        "digest": study.digest,
        "data": f"{task.name} ({task.kind}), digest {task.data}",
        "rows": ", ".join(f"{n} {part}" for part, n in task.rows.items()),
        "metric": f"{task.metric} ({task.direction})",
        **({"objectives": both} if both else {}),
        "training": ", ".join(f"{k} {v}" for k, v in identity["train"].items() if v not in (None, {}, [])),
        "search": ", ".join(f"{k} {v}" for k, v in identity["search"].items()),
        "trials": len(sources.trials),
    }
    if sources.confirmed is not None:
        facts["confirmation seeds"] = len(sources.confirmed.seeds)
    facts["begun"] = datetime.fromtimestamp(study.created, UTC).strftime("%Y-%m-%d %H:%M UTC")
    if study.git_revision:
        facts["revision of the working directory"] = study.git_revision
    facts |= study.versions
    table = Table(
        "What the study is, and what it ran on",
        (Column("what", tuple(facts)), Column("value", tuple(map(str, facts.values())))),
    )
    text = (
        (
            "Save the study file below and run it: the same data, seeds and versions give the same trials. "
            "Data given in Python have to be given again."
        ),
    )
    file = f"{study.name}.toml"
    code = (("Command", f"lossearch run {file}"), (f"Study file {file}", study.config.strip()))
    return Section("reproduce", "How to reproduce", text, tables=(table,), code=code)


def limits(sources: Sources) -> Section | None:
    """Return what was not searched or not confirmed, with the reasons, and the study's notes."""
    rejected, notes = sources.study.rejections, sources.study.notes
    left_out = sources.confirmed.left_out if sources.confirmed is not None else {}
    if not (rejected or left_out or notes):
        return None
    tables = (_reasons("Searched, but not confirmed", left_out),) if left_out else ()
    reasons = {r.name: f"{r.reason} {r.cure}".strip() for r in rejected}
    details = (_reasons(f"Not searched: {len(reasons)} combinations", reasons),) if rejected else ()
    return Section("notes", "Notes", notes, tables=tables, details=details)


def _reasons(caption: str, reasons: Any) -> Table:
    return Table(
        caption, (Column("pair", tuple(reasons)), Column("why", tuple(reasons.values()), wraps=True))
    )
