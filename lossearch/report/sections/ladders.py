"""What the parameters bring that a loss has beyond a simpler one it contains."""

from __future__ import annotations

from lossearch.diagnostics.ladders import rungs
from lossearch.diagnostics.special_cases import special_cases
from lossearch.report import frames
from lossearch.report.formatting import MISSING, number
from lossearch.report.layout import Column
from lossearch.report.sources import Section, Sources, Table


def ladders(sources: Sources) -> Section | None:
    """Return a sentence and a row for each loss and the simpler one it contains; None where no searched loss contains another."""
    study = sources.study
    found = rungs(special_cases(study.task.kind, study.space.pairs), sources.verdict)
    if not found:
        return None
    table = frames.ladder(found)

    def numbers(name: str) -> tuple[str, ...]:
        return tuple(MISSING if v != v else number(v) for v in table[name])  # noqa: PLR0124 - NaN

    columns = [
        Column("loss", tuple(table["general"])),
        Column("contains", tuple(table["special"])),
        Column("at", tuple(table["where"])),
        *(Column(name, numbers(name), numeric=True) for name in ("difference", "low", "high")),
        Column("what is added", tuple(table["use"])),
    ]
    said = (
        "A loss that contains a simpler one has more to tune; whether that helps is judged on fresh seeds, never by the "
        f"search. Differences are in {study.task.metric}, positive where the added parameters help."
    )
    caption = "Losses, the simpler ones they contain, and what their added parameters bring"
    return Section(
        "ladders",
        "What added parameters bring",
        (said, *map(str, found)),
        tables=(Table(caption, tuple(columns)),),
    )
