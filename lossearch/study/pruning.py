"""Which trials are given up before their end, by what earlier trials of the same pair scored there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import accumulate

import optuna
from optuna.pruners import PercentilePruner
from optuna.trial import TrialState, create_trial

from lossearch._epochs import thin
from lossearch.records.trial import TrialRecord
from lossearch.space import Point
from lossearch.study.optuna_study import quiet_optuna
from lossearch.training.contract import SCORED_EPOCHS, TrainSettings

SHARES = (1 / 8, 1 / 4, 1 / 2)
"""Shares of the epochs after which a trial is looked at."""
LEAST = 8
"""Earlier trials of the pair, with a score at that epoch, below which nothing is given up."""
KEPT = 50.0
"""Per cent of the earlier trials that a trial may be as bad as."""

Course = Mapping[int, float]
"""Mean score by epoch."""


def rungs(epochs: int) -> tuple[int, ...]:
    """Return the epochs after which a trial of this length is looked at: some of those that are recorded."""
    recorded = thin(epochs, SCORED_EPOCHS)[:-1]
    nearest = {min(recorded, key=lambda e: abs(e - share * epochs)) for share in SHARES if recorded}
    return tuple(sorted(nearest))


class Pruning:
    """Decides for the trials of one round; implements ``contract.Prune``.

    A trial is given up where its score lies below the median of the earlier trials' at the same epoch,
    by Optuna's percentile pruner. It is asked about an in-memory study of the pair, which holds trials of
    earlier rounds only: so a decision depends on neither order nor chunk nor what else is in training,
    and is the same after a kill. Trials given up earlier count for as far as they went; without them the
    bar would rise round by round.

    Args:
        earlier: trials told in earlier rounds.
        direction: "maximize" or "minimize".
        settings: how replicates are trained: for how long, and whether a trial is worth its best epoch.
    """

    def __init__(self, earlier: Sequence[TrialRecord], direction: str, settings: TrainSettings) -> None:
        self._direction, self._settings = direction, settings
        self._pruner = PercentilePruner(KEPT, n_startup_trials=LEAST, n_min_trials=LEAST)
        self._courses: dict[str, list[Course]] = {}
        for record in earlier:
            if record.intermediate_values:
                self._courses.setdefault(record.point.pair, []).append(
                    self._worth(record.intermediate_values)
                )
        self._studies: dict[str, optuna.Study] = {}
        self._seen: dict[Point, dict[int, float]] = {}

    def __getstate__(self) -> dict[str, object]:
        """Return what another process needs: an Optuna study cannot be sent, and is made there again."""
        return {**vars(self), "_studies": {}}

    def __call__(self, point: Point, epoch: int, mean: float) -> bool:
        """Return whether a point is given up after an epoch, from 1, at which it scored ``mean``."""
        seen = self._seen.setdefault(point, {})
        if epoch == 1:
            # a second attempt begins anew
            seen.clear()
        epochs = int(self._settings.of(point).epochs)
        if epoch in thin(epochs, SCORED_EPOCHS):
            seen[epoch] = mean
        if epoch not in rungs(epochs) or len(self._courses.get(point.pair, ())) < LEAST:
            return False
        worth = self._worth(seen)[epoch]
        trial = create_trial(state=TrialState.RUNNING, intermediate_values={epoch: worth})
        return self._pruner.prune(self._study(point.pair), trial)

    def _worth(self, course: Course) -> Course:
        """Return what a trial is worth by epoch: its score there, or the best so far."""
        if self._settings.epoch == "last":
            return course
        best = max if self._direction == "maximize" else min
        epochs = sorted(course)
        return dict(zip(epochs, accumulate((course[e] for e in epochs), best), strict=True))

    def _study(self, pair: str) -> optuna.Study:
        if pair not in self._studies:
            direction = optuna.study.StudyDirection[self._direction.upper()]
            with quiet_optuna():
                study = optuna.create_study(direction=direction)
            study.add_trials(
                [
                    create_trial(value=course[max(course)], intermediate_values=dict(course))
                    for course in self._courses[pair]
                ]
            )
            self._studies[pair] = study
        return self._studies[pair]
