"""What simple models score on the rows that the confirmed pairs are judged on: a constant predictor, and linear models."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from lossearch.kinds import KINDS, Baseline
from lossearch.metrics.joined import each_field
from lossearch.metrics.metric import LOGGED
from lossearch.metrics.registry import scores
from lossearch.records.confirmations import PREFIX, BaselineScores
from lossearch.tasks.task import Fold, Part, Task

MOST_NUMBERS = 20_000_000
"""Numbers of inputs, times outputs, that the fits of one baseline see in all: about a few seconds on one core."""

_CONSTANTS = {
    "prior": "class shares",
    "majority": "majority class",
    "mean": "mean of the training rows",
    "median": "median of the training rows",
}
"""What a constant predictor is called, by what the metric is met by."""

Constants = Mapping[str, Mapping[str, Sequence[float]]]
"""What a constant predictor scores: part -> metric -> one number a seed."""


def constant_baseline(
    task: Task, part: str, seeds: tuple[int, ...], constants: Constants
) -> tuple[BaselineScores, ...]:
    """Return the constant predictor that the judging metric is met by; none by a metric that only a module knows.

    Args:
        task: what is judged.
        part: which counts.
        seeds: under which.
        constants: what it scores.
    """
    metric = task.metric
    judged = constants.get(part, {}).get(metric.name, ())
    if metric.needs == LOGGED or not np.isfinite(judged).all() or not len(judged):
        return ()
    return (
        BaselineScores(
            _constant_name(task), seeds, {f"{PREFIX[part]}{metric.name}": tuple(map(float, judged))}
        ),
    )


def _constant_name(task: Task) -> str:
    """Return what the constant predictor is called that the judging metric is met by."""
    constant, kind = task.metric.constant, KINDS[task.kind]
    name = _CONSTANTS.get(constant, f"{constant} of the training rows")
    if kind.class_shape(task.n_out)[0] == 1:
        return name
    return f"{name} of each {'pixel' if kind.maps else 'label'}"


@dataclass(frozen=True)
class LinearBaselines:
    """Fits a kind's linear models under each seed, on that seed's training rows, scaled as for the networks.

    ``part_of(seed)`` gives the rows that count. Too many numbers are seen under fewer seeds, and beyond
    ``MOST_NUMBERS`` not at all.
    """

    task: Task
    part: str
    part_of: Callable[[int], Part]
    before: Sequence[BaselineScores] = field(default=())

    def __call__(self, seeds: Sequence[int]) -> tuple[BaselineScores, ...]:
        """Return the scores of every model, of the seeds that there is time for; those known before are not fitted again."""
        fold = self.task.fold(seeds[0])
        if fold.stream is not None or not fold.train.x.is_floating_point():
            return ()
        affordable = seeds[: MOST_NUMBERS // max(1, fold.train.x.numel() * self.task.n_out)]
        found = (self._of(baseline, affordable) for baseline in KINDS[self.task.kind].baselines)
        return tuple(b for b in found if b is not None)

    def _of(self, baseline: Baseline, seeds: Sequence[int]) -> BaselineScores | None:
        known = {
            seed: {name: values[i] for name, values in b.values.items()}
            for b in self.before
            if b.name == baseline.name
            for i, seed in enumerate(b.seeds)
        }
        by_seed = {seed: known.get(seed) or self._scored(baseline, seed) for seed in seeds}
        sound = {seed: found for seed, found in by_seed.items() if found}
        names = set.intersection(*map(set, sound.values())) if sound else set()
        if f"{PREFIX[self.part]}{self.task.metric.name}" not in names:
            return None
        values = {name: tuple(found[name] for found in sound.values()) for name in sorted(names)}
        return BaselineScores(baseline.name, tuple(sound), values)

    def _scored(self, baseline: Baseline, seed: int) -> dict[str, float]:
        """Return the finite scores under one seed; none where nothing can be fitted, or predicted of the rows that count."""
        fold, part = self.task.fold(seed), self.part_of(seed)
        inputs, judged = _flat(fold.train.x), _flat(part.x)
        if not (np.isfinite(inputs).all() and np.isfinite(judged).all()):
            return {}
        with warnings.catch_warnings():
            # that 100 steps are few is no news to who did not ask for them
            warnings.simplefilter("ignore")
            try:
                fitted = baseline.fit(inputs, fold.train.y, _weights(fold), self.task.n_out)
            except (ValueError, np.linalg.LinAlgError):
                return {}  # numbers too large to compute with: what was trained is not lost for that
            if fitted is None:
                return {}
            said = each_field(fitted(judged), lambda t: t.unsqueeze(0))
        found = scores(self.task.metrics, said, part.y)
        finite = {name: float(score[0]) for name, score in found.items() if np.isfinite(float(score[0]))}
        return {f"{PREFIX[self.part]}{name}": score for name, score in finite.items()}


def _flat(x: Tensor) -> NDArray[np.float64]:
    found: NDArray[np.float64] = x.double().reshape(len(x), -1).numpy()
    return found


def _weights(fold: Fold) -> NDArray[np.float64] | None:
    weight = fold.train.sample_weight
    return None if weight is None else weight.double().numpy()
