"""What simple models score on the rows that the confirmed pairs are judged on: a constant predictor, and linear models."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lossearch.diagnostics.pareto import intervals
from lossearch.kinds import KINDS, Baseline, Predictions
from lossearch.metrics.joined import each_field
from lossearch.metrics.metric import LOGGED
from lossearch.metrics.registry import scores
from lossearch.records.confirmations import PREFIX, BaselineScores
from lossearch.records.evidence import Evidence
from lossearch.records.predictions import row_numbers
from lossearch.tasks.task import Fold, Part, Task

MOST_NUMBERS = 20_000_000
"""Numbers of inputs, times outputs, that the fits of one baseline see in all: about a few seconds on one core."""

MOST_JUDGED = 1_000_000
"""Numbers judged, over all seeds, up to which a baseline has an interval: of more it takes minutes, and is narrow."""

_CONSTANTS = {
    "prior": "class shares",
    "majority": "majority class",
    "mean": "mean of the training rows",
    "median": "median of the training rows",
}
"""What a constant predictor is called, by what the metric is met by."""

_ALONE = "baseline"

Constants = Mapping[str, Mapping[str, Sequence[float]]]
"""What a constant predictor scores: part -> metric -> one number a seed."""


def constant_baseline(
    task: Task,
    part: str,
    seeds: tuple[int, ...],
    constants: Constants,
    rows_of: Callable[[int], tuple[Tensor, Part] | None],
) -> tuple[BaselineScores, ...]:
    """Return the constant predictor that the judging metric is met by; none by a metric that only a module knows.

    Args:
        task: what is judged.
        part: which counts.
        seeds: under which.
        constants: what it scores.
        rows_of: seed -> training targets, and the rows that count; None where they are not known.
    """
    metric = task.metric
    judged = constants.get(part, {}).get(metric.name, ())
    if metric.needs == LOGGED or not np.isfinite(judged).all() or not len(judged):
        return ()
    known = {seed: rows for seed in seeds if (rows := rows_of(seed)) is not None}
    said = {seed: (rows, _constant(task, train, len(rows))) for seed, (train, rows) in known.items()}
    return (
        BaselineScores(
            _constant_name(task),
            metric.constant.replace(" ", "_"),
            seeds,
            {f"{PREFIX[part]}{metric.name}": tuple(map(float, judged))},
            _interval(task, part, said),
        ),
    )


def _constant(task: Task, train: Tensor, rows: int) -> Predictions:
    said = KINDS[task.kind].constant(task.metric.constant, train, rows, task.n_out)
    return each_field(said, lambda t: t[0])


def _interval(
    task: Task, part: str, said: Mapping[int, tuple[Part, Predictions]]
) -> tuple[float, float] | None:
    """Return the interval of the mean score over seeds and rows; None where there are too few of them, or too many.

    Args:
        task: says by which metric.
        part: which counts.
        said: seed -> the rows that count, and what is predicted of them.
    """
    parts = {seed: rows for seed, (rows, _) in said.items()}
    if not 0 < sum(rows.y.numel() for rows in parts.values()) <= MOST_JUDGED:
        return None
    numbers = [row_numbers(rows, seed, part) for seed, rows in parts.items()]
    ids, first = np.unique(np.concatenate(numbers), return_index=True)
    groups = [rows.groups for rows in parts.values() if rows.groups is not None]
    evidence = Evidence(
        kind=task.kind,
        metric=task.metric,
        part=part,
        seeds=tuple(said),
        target=torch.cat([rows.y for rows in parts.values()])[torch.from_numpy(first)],
        rows=[np.searchsorted(ids, n) for n in numbers],
        predictions={_ALONE: [predictions for _, predictions in said.values()]},
        diverged={_ALONE: np.zeros(len(said), dtype=np.bool_)},
        constants=np.zeros(len(said)),
        groups=np.concatenate(groups)[first] if len(groups) == len(parts) else None,
    )
    found = intervals(evidence).get(_ALONE)
    return None if found is None else (found.low, found.high)


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

    def __call__(self, seeds: Sequence[int]) -> tuple[BaselineScores, ...]:
        """Return the scores of every model, of the seeds that there is time for."""
        fold = self.task.fold(seeds[0])
        if fold.stream is not None or not fold.train.x.is_floating_point():
            return ()
        affordable = seeds[: MOST_NUMBERS // max(1, fold.train.x.numel() * self.task.n_out)]
        found = (self._of(baseline, affordable) for baseline in KINDS[self.task.kind].baselines)
        return tuple(b for b in found if b is not None)

    def _of(self, baseline: Baseline, seeds: Sequence[int]) -> BaselineScores | None:
        said = {seed: found for seed in seeds if (found := self._said(baseline, seed)) is not None}
        scored = {seed: self._scored(*found) for seed, found in said.items()}
        sound = {seed: found for seed, found in scored.items() if found}
        names = set.intersection(*map(set, sound.values())) if sound else set()
        if f"{PREFIX[self.part]}{self.task.metric.name}" not in names:
            return None
        values = {name: tuple(found[name] for found in sound.values()) for name in sorted(names)}
        interval = _interval(self.task, self.part, {seed: said[seed] for seed in sound})
        return BaselineScores(baseline.name, baseline.key, tuple(sound), values, interval)

    def _said(self, baseline: Baseline, seed: int) -> tuple[Part, Predictions] | None:
        """Return the rows that count, and what is predicted of them; None where nothing can be fitted or predicted."""
        fold, part = self.task.fold(seed), self.part_of(seed)
        inputs, judged = _flat(fold.train.x), _flat(part.x)
        if not (np.isfinite(inputs).all() and np.isfinite(judged).all()):
            return None
        with warnings.catch_warnings():
            # that 100 steps are few is no news to who did not ask for them
            warnings.simplefilter("ignore")
            try:
                fitted = baseline.fit(inputs, fold.train.y, _weights(fold), self.task.n_out)
            except (ValueError, np.linalg.LinAlgError):
                return None  # numbers too large to compute with: what was trained is not lost for that
            return None if fitted is None else (part, fitted(judged))

    def _scored(self, part: Part, said: Predictions) -> dict[str, float]:
        """Return the finite scores under one seed."""
        found = scores(self.task.metrics, each_field(said, lambda t: t.unsqueeze(0)), part.y)
        finite = {name: float(score[0]) for name, score in found.items() if np.isfinite(float(score[0]))}
        return {f"{PREFIX[self.part]}{name}": score for name, score in finite.items()}


def _flat(x: Tensor) -> NDArray[np.float64]:
    found: NDArray[np.float64] = x.double().reshape(len(x), -1).numpy()
    return found


def _weights(fold: Fold) -> NDArray[np.float64] | None:
    weight = fold.train.sample_weight
    return None if weight is None else weight.double().numpy()
