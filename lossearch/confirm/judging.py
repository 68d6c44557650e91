"""From what was confirmed to the verdict, as ``verdict.json`` in the study's directory keeps it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict, Unpack

from lossearch._json import write_json
from lossearch.diagnostics.fairness import sensitivity
from lossearch.records.confirmations import PREFIX, Confirmed, EarlyStopping
from lossearch.records.damage import read_record
from lossearch.records.evidence import read_evidence
from lossearch.records.store import recording
from lossearch.records.study import StudyRecord
from lossearch.records.trial import TrialRecord
from lossearch.study.history import by_pair
from lossearch.verdict import Verdict
from lossearch.verdict.decision import judge
from lossearch.verdict.early_stopping import combined, level_share

if TYPE_CHECKING:
    from lossearch.study.plan import Question

VERDICT = "verdict.json"
"""What is said of a confirmation; it goes with it."""


class PairFacts(TypedDict, total=False):
    """What is known of pairs besides their predictions, as ``judge`` takes it."""

    search_scores: Mapping[str, float]
    validation_scores: Mapping[str, float]
    sensitivity: Mapping[str, float]
    cost: Mapping[str, float]


def judge_study(
    folder: Path,
    question: Question,
    confirmed: Confirmed,
    trials: Sequence[TrialRecord],
    rope: float | None = None,
) -> Verdict:
    """Judge what was confirmed, and write the verdict down.

    Args:
        folder: the study's directory, which holds the predictions.
        question: what is to be answered.
        confirmed: what was confirmed of it.
        trials: every trial of the search.
        rope: differences up to this are equal for practical purposes; None for the metric's default.

    Raises:
        InputError: the predictions hold too little to judge.
    """
    metric = question.metric
    history = by_pair(trials)
    falls = {
        pair: fall
        for pair in confirmed.pairs
        if (fall := sensitivity(history[pair], direction=metric.direction)) is not None
    }
    name = f"{PREFIX['validation']}{metric.name}"
    said: dict[int, Verdict] = {}
    for at in confirmed.stopping.past or (len(confirmed.seeds),):
        said[at] = analyse(
            folder,
            question,
            replace(confirmed.stopping, at=at),
            rope=rope,
            search_scores={c.point.pair: c.search for c in confirmed.confirmations},
            validation_scores={c.point.pair: c.scores[name] for c in confirmed.confirmations},
            sensitivity=falls,
            # epochs, not seconds: what the machine did besides must not decide
            cost={c.point.pair: float(c.epoch) for c in confirmed.confirmations},
        )
        rope = said[at].rope
    verdict = combined(said, confirmed.stopping.dropped)
    with recording(folder):
        write_json(folder / VERDICT, verdict.as_json())
    return verdict


def analyse(
    folder: Path,
    question: Question,
    stopping: EarlyStopping,
    *,
    rope: float | None = None,
    **known: Unpack[PairFacts],
) -> Verdict:
    """Judge the pairs that were not dropped before on the seeds they have; without early stopping, all on all seeds.

    Args:
        folder: the study's directory, which holds the predictions.
        question: what is to be answered.
        stopping: how far the confirmation has come.
        rope: differences up to this are equal for practical purposes; None for the metric's default.
        known: what else ``judge`` is told of the pairs.

    Raises:
        InputError: the predictions hold too little to judge.
    """
    evidence = read_evidence(
        folder,
        question.kind,
        question.metric,
        seeds=stopping.at,
        without=[pair for pair, at in stopping.dropped.items() if at < stopping.at],
    )
    return judge(
        evidence,
        direction=question.metric.direction,
        conventional=question.conventional,
        rope=rope,
        share=level_share(stopping.analyses, stopping.at),
        seed=question.seed,
        **known,
    )


def read_verdict(folder: Path) -> Verdict | None:
    """Return the verdict in a study's directory, None where there is none.

    Raises:
        StoreError: the file is damaged.
    """
    path = folder / VERDICT
    return read_record(path, Verdict.from_json) if path.exists() else None


def ought_to_be_judged(study: StudyRecord, confirmed: Confirmed | None) -> bool:
    """Whether a study that ran to its end, and compares pairs, has several that were confirmed."""
    several = confirmed is not None and len(confirmed.confirmations) > 1
    whole = (study.ended, study.unjudged, study.search.mode) == ("finished", None, "equal")
    return several and whole
