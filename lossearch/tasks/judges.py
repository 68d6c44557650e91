"""The metrics of a task: which judges, which is a second objective, and why."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lossearch._imports import is_reference
from lossearch.errors import refuse
from lossearch.kinds import KINDS, Target
from lossearch.metrics.metric import Metric
from lossearch.metrics.own import as_metric, own_metric
from lossearch.metrics.registry import find_metric, metrics_for

if TYPE_CHECKING:
    from lossearch.data.splits import Splits

Judge = str | Metric | Callable[..., Any]
"""A metric or its name, or what can be taken as one: a function f(y_true, y_pred), or a torchmetrics object."""
Judging = Judge | Sequence[Judge] | None
"""What judges: a metric, or two of them; None for the usual one. (metric, "maximize") says which way it is better."""


@dataclass(frozen=True)
class Judges:
    """The metric that judges, the second objective, all metrics given, and a note on each of the first two."""

    judge: Metric
    second: Metric | None
    every: tuple[Metric, ...]
    notes: tuple[str, ...]


def find_judges(
    metric: Judging,
    more: Sequence[Judge],
    target: Target,
    splits: Splits,
    direction: str | None = None,
) -> Judges:
    """Return the metrics of a task.

    Args:
        metric: what judges, and a second objective.
        more: metrics beside the usual ones.
        target: says of which kind the task is.
        splits: the parts of the data.
        direction: of a metric of the user's own that does not say whether more is better.

    Raises:
        InputError: there is no such metric, or there are more than two objectives.
    """
    asked_for = as_metrics(metric)
    objectives = tuple(judge(m, target.kind, direction) for m in asked_for)
    refuse(_idle(direction, objectives))
    refuse(_more_than_one(objectives))
    if objectives:
        first, reason = objectives[0], f"{objectives[0].name}: {_as_asked(asked_for[0], objectives[0])}"
    else:
        name, reason = KINDS[target.kind].default_metric(target.y[splits.not_test])
        first = find_metric(name, target.kind)
    second = objectives[1] if len(objectives) == 2 else None
    asked = [judge(m, target.kind, direction) for m in more]
    every = {m.name: m for m in (first, *metrics_for(target.kind), *asked, *objectives[1:])}
    notes = [f"metric {reason} ({_in_words(first, target)})"]
    if second is not None:
        notes.append(
            f"second objective {second.name} ({_in_words(second, target)}); {first.name} alone chooses epochs and judges"
        )
    return Judges(first, second, tuple(every.values()), tuple(notes))


def as_metrics(metric: Judging) -> tuple[Judge, ...]:
    """Return the metrics that were asked for: none, one, or several."""
    several = isinstance(metric, Sequence) and not isinstance(metric, str)
    return () if metric is None else tuple(metric) if several else (metric,)  # type: ignore[arg-type,return-value]


def judge(metric: Judge, kind: str, direction: str | None = None) -> Metric:
    """Return a metric by its name, by where one of the user's own is, or the thing itself.

    Raises:
        InputError: there is none, or it cannot be one.
    """
    if not isinstance(metric, str):
        return as_metric(metric, kind, direction)
    return own_metric(metric, kind, direction) if is_reference(metric) else find_metric(metric, kind)


def _idle(direction: str | None, metrics: Sequence[Metric]) -> list[str]:
    """Return what is wrong with a direction that no metric needs."""
    if direction is None or any(m.direction == direction for m in metrics):
        return []
    said = ", ".join(f"{m.name} is better the {'more' if m.sign > 0 else 'less'}" for m in metrics)
    return [
        f"direction = {direction!r} is for a metric of your own; {said or 'none is given'}. Leave it out."
    ]


def _more_than_one(metrics: Sequence[Metric]) -> list[str]:
    """Return what is wrong with several objectives."""
    names = [m.name for m in metrics]
    if len(metrics) > 2:
        return [
            (
                f"A study has one metric or two; got {len(names)}: of three, nearly every trial is better than any "
                f"other in one. Keep the two that matter ({', '.join(names[:2])}); every usual metric is recorded "
                "and reported anyway."
            )
        ]
    if len(set(names)) < len(names):
        return [f"Both metrics are {names[0]}. Give it once, or another beside it."]
    return []


def _as_asked(given: Judge, found: Metric) -> str:
    """Return that a metric was asked for, and by which other name."""
    return f"{given!r}, as asked" if given in found.aliases else "as asked"


def _in_words(metric: Metric, target: Target) -> str:
    """Return what a metric is, with the class that it judges by the name it has in the data."""
    classes, place = target.classes, metric.of_class
    named = "" if place is None or place >= len(classes) else f", which is {classes[place]!r}"
    return f"{metric.words}{named}; {'more' if metric.sign > 0 else 'less'} is better"
