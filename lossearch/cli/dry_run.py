"""What ``lossearch run --dry-run`` prints."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from lossearch._text import duration, size
from lossearch.pairs import Rejection
from lossearch.study.cost import Cost
from lossearch.study.prepared import Prepared

if TYPE_CHECKING:
    from rich.console import RenderableType


def dry_run_lines(prepared: Prepared) -> Sequence[RenderableType]:
    """Return what would be done, for a terminal."""
    from rich.text import Text

    plan, cost = prepared.plan, prepared.cost()
    head = [
        *(f"{note}" for note in (*plan.task.notes, *plan.notes)),
        "",
        f"{len(plan.space.pairs)} pairs: {', '.join(plan.space.names)}",
        (
            f"learning rate {_range(plan.space.lr)} under {plan.settings.optimizer}; "
            f"{plan.settings.epochs} epochs, batches of {plan.settings.batch_size}"
        ),
        (
            f"{plan.total} trials of {len(plan.budget.seeds)} seeds: {cost.replicates} replicates, about "
            f"{duration(cost.seconds)} and {size(cost.disk)} of records"
        ),
        *_then(prepared, cost),
        _how(cost),
        "",
    ]
    return [
        *(Text(line) for line in head),
        rejects_table(plan.space.rejections),
        Text("Nothing was trained or written."),
    ]


def rejects_table(rejections: Iterable[Rejection]) -> RenderableType:
    """Return the combinations that are not searched, each with its reason and the cure."""
    from rich.text import Text

    from lossearch.report.layout import Column, Fitted

    rows = list(rejections)
    if not rows:
        return Text("Every combination asked for is legal.")
    reasons = tuple(f"{r.reason} {r.cure}".strip() for r in rows)
    return Fitted(
        [Column("not searched", tuple(r.name for r in rows), splits=True), Column("why", reasons, wraps=True)]
    )


def _then(prepared: Prepared, cost: Cost) -> list[str]:
    """Return what follows the search."""
    seeds = prepared.config.budget.confirming_seeds
    if prepared.plan.budget.quick:
        seconds = duration(prepared.plan.budget.seconds or 0.0)
        return [
            f"of these, a quick look at what {seconds} of training are enough for: no confirmation, and no verdict"
        ]
    if not seeds:
        return ["no confirmation, and so no verdict"]
    what = "the best point" if prepared.plan.budget.mode == "adaptive" else "the best of every pair"
    seconds = duration(prepared.confirmed * cost.seconds / cost.replicates)
    most, up_to = ("at most ", "up to ") if prepared.config.budget.race else ("", "")
    return [
        f"then {what} on {up_to}{seeds} fresh seeds: {most}{prepared.confirmed} replicates, about {seconds} at most"
    ]


def _how(cost: Cost) -> str:
    """Return how replicates will be trained: how many at a time, by how many processes, in what memory."""
    each = "one by one" if cost.together == 1 else f"{cost.together} together"
    room = "" if cost.memory is None else f", in about {size(cost.memory)} of memory"
    if cost.processes == 1:
        return f"trained {each}{room}"
    return f"trained {each} in each of {cost.processes} processes{room}{' each' if room else ''}"


def _range(lr: tuple[float, float]) -> str:
    return f"{lr[0]:g}" if lr[0] == lr[1] else f"{lr[0]:g} to {lr[1]:g}"
