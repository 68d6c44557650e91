"""The parts of a report, each made from the records that are there."""

from __future__ import annotations

from lossearch.report.sections import (
    answer,
    behaviour,
    ladders,
    metrics,
    predictions,
    provenance,
    search,
    tuned,
)
from lossearch.report.sources import Report, Sources


def make_report(sources: Sources) -> Report:
    """Return a study's report; a section whose records are missing says so in a sentence."""
    study = sources.study
    sections = (
        answer.leaderboard(sources),
        answer.differences(sources),
        answer.optimism(sources),
        metrics.metrics(sources),
        tuned.tuned(sources),
        search.learning_rates(sources),
        search.learning_curves(sources),
        behaviour.behaviour(sources),
        predictions.predictions(sources),
        search.effects(sources),
        ladders.ladders(sources),
        search.fairness(sources),
        search.budget(sources),
        search.trials(sources),
        provenance.limits(sources),
        provenance.reproduce(sources),
    )
    return Report(
        title=study.name,
        subtitle=(
            f"Which loss, activation and learning rate fit {study.task.name} ({study.task.kind}, judged by "
            f"{study.task.metric}, trained by {study.train.optimizer})"
        ),
        lead=(*answer.lead(sources), *sources.lost),
        facts=answer.facts(sources),
        sections=tuple(s for s in sections if s is not None),
    )
