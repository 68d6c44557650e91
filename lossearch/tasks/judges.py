"""The metrics of a task: which judges, which is a second objective, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lossearch.data.splits import Splits
from lossearch.errors import refuse
from lossearch.kinds import KINDS, Target
from lossearch.metrics.metric import Metric
from lossearch.metrics.registry import find_metric, metrics_for

Judging = str | Metric | Sequence[str | Metric] | None
"""What judges: a metric or its name, or two of them; None for the usual one."""


@dataclass(frozen=True)
class Judges:
    """The metric that judges, the second objective, all metrics given, and a note on each of the first two."""

    judge: Metric
    second: Metric | None
    every: tuple[Metric, ...]
    notes: tuple[str, ...]


def find_judges(metric: Judging, more: Sequence[str | Metric], target: Target, splits: Splits) -> Judges:
    """Return the metrics of a task.

    Raises:
        InputError: there is no such metric, or there are more than two objectives.
    """
    objectives = tuple(_found(m, target.kind) for m in as_metrics(metric))
    refuse(_more_than_one(objectives))
    if objectives:
        judge, reason = objectives[0], f"{objectives[0].name}: as asked"
    else:
        name, reason = KINDS[target.kind].default_metric(target.y[splits.not_test])
        judge = find_metric(name, target.kind)
    second = objectives[1] if len(objectives) == 2 else None
    asked = [_found(m, target.kind) for m in more]
    every = {m.name: m for m in (judge, *metrics_for(target.kind), *asked, *objectives[1:])}
    notes = [f"metric {reason} ({_in_words(judge)})"]
    if second is not None:
        notes.append(
            f"second objective {second.name} ({_in_words(second)}); {judge.name} alone chooses epochs and judges"
        )
    return Judges(judge, second, tuple(every.values()), tuple(notes))


def as_metrics(metric: Judging) -> tuple[str | Metric, ...]:
    """Return the metrics that were asked for: none, one, or several."""
    return () if metric is None else (metric,) if isinstance(metric, str | Metric) else tuple(metric)


def _found(metric: str | Metric, kind: str) -> Metric:
    return find_metric(metric, kind) if isinstance(metric, str) else metric


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


def _in_words(metric: Metric) -> str:
    return f"{metric.words}; {'more' if metric.sign > 0 else 'less'} is better"
