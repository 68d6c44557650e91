"""From what was confirmed to the verdict, as ``verdict.json`` in the study's directory keeps it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lossearch.records.confirmations import PREFIX, Confirmed
from lossearch.records.evidence import read_evidence
from lossearch.records.jsonable import read_json, write_json
from lossearch.records.trial import TrialRecord
from lossearch.study.confirm import VERDICT
from lossearch.study.plan import Plan
from lossearch.study.rounds import by_pair
from lossearch.verdict import Verdict
from lossearch.verdict.fairness import sensitivity
from lossearch.verdict.judge import judge


def judge_study(
    folder: Path, plan: Plan, confirmed: Confirmed, trials: Sequence[TrialRecord], rope: float | None = None
) -> Verdict:
    """Judge what was confirmed, and write the verdict down.

    Args:
        folder: the study's directory, which holds the predictions.
        plan: the study's plan.
        confirmed: what was confirmed of it.
        trials: every trial of the search.
        rope: differences up to this are equal for practical purposes; None for the metric's default.

    Raises:
        InputError: the predictions hold too little to judge.
    """
    metric = plan.task.metric
    evidence = read_evidence(folder, {"kind": plan.task.kind}, metric=metric)
    history = by_pair(trials)
    falls = {
        pair: fall
        for pair in confirmed.pairs
        if (fall := sensitivity(history[pair], direction=metric.direction)) is not None
    }
    name = f"{PREFIX['validation']}{metric.name}"
    verdict = judge(
        evidence,
        direction=metric.direction,
        conventional=plan.conventional,
        search_scores={c.point.pair: c.search for c in confirmed.confirmations},
        validation_scores={c.point.pair: c.scores[name] for c in confirmed.confirmations},
        sensitivity=falls,
        # epochs, not seconds: what the machine did besides must not decide
        cost={c.point.pair: float(c.epoch) for c in confirmed.confirmations},
        rope=rope,
        seed=plan.budget.seed,
    )
    write_json(folder / VERDICT, verdict.as_json())
    return verdict


def read_verdict(folder: Path) -> Verdict | None:
    """Return the verdict in a study's directory, None where there is none.

    Raises:
        StoreError: the file is damaged.
    """
    path = folder / VERDICT
    return Verdict.from_json(read_json(path)) if path.exists() else None
