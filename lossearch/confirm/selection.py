"""What is confirmed: the best trial of every pair that can be judged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lossearch.records.trial import TrialRecord, best_of
from lossearch.study.history import History, by_pair, last_attempts
from lossearch.study.plan import Plan
from lossearch.training.contract import Outcome


@dataclass(frozen=True)
class Selection:
    """The best trial of every pair that can be judged, by pair why others cannot, and of how many trials."""

    trials: tuple[TrialRecord, ...]
    left_out: Mapping[str, str]
    of: int = 0


def select_points(plan: Plan, trials: Sequence[TrialRecord], min_trials: int) -> Selection:
    """Return the trials to be confirmed.

    Where pairs get the same budget, each is judged on as many of its first trials as the pair with the
    fewest has had: time may have run out within a round. Where the sampler was free, the best point of all
    is confirmed alone, since pairs that got different budgets are not compared.

    Args:
        plan: the study's plan.
        trials: every trial, failed attempts included.
        min_trials: finished trials that a pair needs, where it has so many points.
    """
    history = by_pair(trials)
    needed = {pair: min(min_trials, plan.schedule.points_of(pair)) for pair in plan.space.names}
    short = {pair: n for pair in needed if (n := len(_finished(history.get(pair, ())))) < needed[pair]}
    left_out = {
        pair: f"{n} finished {'trial' if n == 1 else 'trials'}, and {needed[pair]} are needed"
        for pair, n in short.items()
    }
    found = []
    for pair, own in _level(plan, {p: history[p] for p in needed if p not in short}).items():
        best = best_of([r for r in own if r.outcome is Outcome.COMPLETED], plan.task.metric.sign)
        if best is None:
            left_out[pair] = "no trial was completed: every replicate of each diverged or was pruned"
        else:
            found.append(best)
    only = best_of(found, plan.task.metric.sign)
    if plan.budget.mode == "adaptive" and only is not None:
        found = [only]
    return Selection(tuple(found), left_out, len(last_attempts(trials)))


def _finished(records: Sequence[TrialRecord]) -> list[TrialRecord]:
    return [r for r in records if r.outcome is not Outcome.FAILED]


def _level(plan: Plan, history: History) -> History:
    """Return as many first trials of every pair as the unfinished pair with the fewest has had."""
    if plan.budget.mode != "equal":
        return history
    unfinished = [len(own) for pair, own in history.items() if len(own) < plan.schedule.points_of(pair)]
    return {pair: own[: min(unfinished, default=None)] for pair, own in history.items()}
