"""The pruning rule: which trials end early, by what earlier trials of the same pair scored there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import accumulate

import optuna
from optuna.pruners import PercentilePruner
from optuna.trial import TrialState, create_trial

from lossearch._epochs import thin
from lossearch.records.optuna import in_memory_study
from lossearch.records.trial import TrialRecord
from lossearch.space import Point
from lossearch.training.contract import SCORED_EPOCHS, TrainSettings

RUNG_SHARES = (1 / 8, 1 / 4, 1 / 2)
"""Shares of the epochs after which it is decided whether a trial goes on."""
MIN_TRIALS = 8
"""Earlier trials of the pair, with a score at that epoch, below which nothing is pruned."""
PERCENTILE = 50.0
"""Per cent of the earlier trials that a trial may be as bad as."""

IntermediateValues = Mapping[int, float]
"""Mean score by epoch."""


def rungs(epochs: int) -> tuple[int, ...]:
    """Return the epochs after which a trial of this length may be pruned: some of those that are recorded."""
    recorded = thin(epochs, SCORED_EPOCHS)[:-1]
    nearest = {min(recorded, key=lambda e: abs(e - share * epochs)) for share in RUNG_SHARES if recorded}
    return tuple(sorted(nearest))


class Pruning:
    """Decides for the trials of one round; implements ``contract.Prune``.

    A trial is pruned where its score lies below the median of the earlier trials' at the same epoch,
    by Optuna's percentile pruner. It is asked about an in-memory study of the pair, which holds trials of
    earlier rounds only: so a decision depends on neither order nor chunk nor what else is in training,
    and is the same after a kill. Trials pruned earlier count for as far as they went; without them the
    bar would rise round by round.
    """

    def __init__(self, earlier: Sequence[TrialRecord], direction: str, settings: TrainSettings) -> None:
        self._direction, self._settings = direction, settings
        self._pruner = PercentilePruner(PERCENTILE, n_startup_trials=MIN_TRIALS, n_min_trials=MIN_TRIALS)
        self._earlier: dict[str, list[IntermediateValues]] = {}
        for record in earlier:
            if record.intermediate_values:
                self._earlier.setdefault(record.point.pair, []).append(
                    self._values(record.intermediate_values)
                )
        self._studies: dict[str, optuna.Study] = {}
        self._seen: dict[Point, dict[int, float]] = {}

    def __getstate__(self) -> dict[str, object]:
        """Return what another process needs: an Optuna study cannot be sent, and is made there again."""
        return {**vars(self), "_studies": {}}

    def __call__(self, point: Point, epoch: int, mean: float) -> bool:
        """Return whether a point is pruned after an epoch, from 1, at which it scored ``mean``."""
        seen = self._seen.setdefault(point, {})
        if epoch == 1:
            # a second attempt begins anew
            seen.clear()
        epochs = int(self._settings.of(point).epochs)
        if epoch in thin(epochs, SCORED_EPOCHS):
            seen[epoch] = mean
        if epoch not in rungs(epochs) or len(self._earlier.get(point.pair, ())) < MIN_TRIALS:
            return False
        value = self._values(seen)[epoch]
        trial = create_trial(state=TrialState.RUNNING, intermediate_values={epoch: value})
        return self._pruner.prune(self._study(point.pair), trial)

    def _values(self, scores: IntermediateValues) -> IntermediateValues:
        """Return a trial's value by epoch: its score there, or the best so far."""
        if self._settings.epoch == "last":
            return scores
        best = max if self._direction == "maximize" else min
        epochs = sorted(scores)
        return dict(zip(epochs, accumulate((scores[e] for e in epochs), best), strict=True))

    def _study(self, pair: str) -> optuna.Study:
        if pair not in self._studies:
            study = in_memory_study([self._direction])
            study.add_trials(
                [
                    create_trial(value=values[max(values)], intermediate_values=dict(values))
                    for values in self._earlier[pair]
                ]
            )
            self._studies[pair] = study
        return self._studies[pair]
