"""What a decision threshold or a temperature, chosen on validation rows, changes on test rows.

Nothing is trained again: both are read off what confirmed pairs predicted. A threshold moves labels (F1, balanced accuracy, IoU),
a temperature makes probabilities more or less certain (log loss, calibration; Guo et al. 2017) and leaves labels as they are.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import optimize, stats

from lossearch._lazy import functional, pd, torch
from lossearch.kinds import EVERY_FIELD, STEPS, Predictions
from lossearch.metrics.metric import Metric
from lossearch.metrics.scoring import Score
from lossearch.metrics.segmentation import pixels, pixels_from_steps
from lossearch.records.evidence import Evidence

if TYPE_CHECKING:
    from torch import Tensor

COLUMNS = ("pair", "metric", "tuned", "setting", "before", "after", "gain", "ci_low", "ci_high", "seeds")
_MOST_THRESHOLDS = 200
_LEAST_PROBABILITY = 1e-12
_LOG_TEMPERATURES = (math.log(0.02), math.log(50.0))
_LEVEL = 0.05

Change = Callable[[Predictions], Predictions]


@dataclass(frozen=True)
class Tuning:
    """What is tuned for a metric: ``choose`` gives a setting to print and what it makes of predictions, None for nothing."""

    name: str
    choose: Callable[[Metric, Predictions, Tensor], tuple[float, Change] | None]


@dataclass(frozen=True)
class _OfSeed:
    setting: float
    before: float
    after: float


def tuned(validation: Evidence, test: Evidence, metrics: Sequence[Metric]) -> pd.DataFrame:
    """Return what each confirmed pair scores on test rows as it is, and with what validation rows choose.

    One row a pair and metric that reads labels of two classes, masks, or probabilities: pair, metric, tuned ("threshold" or
    "temperature"), setting (the median over seeds), before and after (means over seeds), gain (positive where it is
    better) with its 95 % interval over seeds (paired t), seeds. Diverged replicates are left out.

    Args:
        validation: evidence of the validation part, whose rows no weights have seen.
        test: evidence of the test part, of the same pairs and seeds.
        metrics: those of the task's kind.
    """
    rows = []
    for pair in test.pairs:
        for metric in metrics:
            tuning = _TUNINGS.get(metric.needs)
            if tuning is not None and (found := _of_seeds(validation, test, pair, metric, tuning)):
                rows.append(_row(pair, metric, tuning, found))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _row(pair: str, metric: Metric, tuning: Tuning, found: Sequence[_OfSeed]) -> dict[str, object]:
    gains = metric.sign * np.array([f.after - f.before for f in found])
    half = math.nan
    if len(gains) > 1:
        half = float(stats.t.ppf(1 - _LEVEL / 2, len(gains) - 1) * stats.sem(gains))
    gain = float(gains.mean())
    setting = float(np.median([f.setting for f in found]))
    before, after = (float(np.mean(v)) for v in zip(*((f.before, f.after) for f in found), strict=True))
    values = (
        pair,
        metric.name,
        tuning.name,
        setting,
        before,
        after,
        gain,
        gain - half,
        gain + half,
        len(found),
    )
    return dict(zip(COLUMNS, values, strict=True))


def _of_seeds(
    validation: Evidence, test: Evidence, pair: str, metric: Metric, tuning: Tuning
) -> list[_OfSeed]:
    """Return what was chosen and scored under each seed under which that can be said."""
    found = []
    for s in range(len(test.seeds)):
        if test.diverged[pair][s] or validation.diverged[pair][s]:
            continue
        known_target, new_target = validation.target[validation.rows[s]], test.target[test.rows[s]]
        if metric.undefined(known_target) or metric.undefined(new_target):
            continue
        chosen = tuning.choose(metric, validation.predictions[pair][s], known_target)
        if chosen is None:
            continue
        setting, change = chosen
        new = test.predictions[pair][s]
        before, after = (_score(metric, p, new_target) for p in (new, change(new)))
        if math.isfinite(before) and math.isfinite(after):
            found.append(_OfSeed(setting, before, after))
    return found


def _score(metric: Metric, predictions: Predictions, target: Tensor) -> float:
    stacked: dict[str, Any] = {
        f: v.unsqueeze(0) for f in EVERY_FIELD if isinstance(v := getattr(predictions, f), torch.Tensor)
    }
    return float(metric.fn(replace(predictions, **stacked), target)[0])


# --- the threshold -------------------------------------------------------------------------------------


def _threshold(metric: Metric, known: Predictions, target: Tensor) -> tuple[float, Change] | None:
    """Choose the score from which a row is of class 1, of several labels for each its own, of pixels one for all.

    That of pixels is a step of their scores, and told as the sigmoid it stands for.
    """
    if known.steps is not None:
        return _threshold_of_masks(metric, known.steps, target)
    score, label = known.score, known.label
    if score is None or label is None or score.shape != label.shape or score.numel() != target.numel():
        return None
    columns, truth = score.double().reshape(len(score), -1), target.reshape(len(target), -1)
    found = torch.stack(
        [
            _best_threshold(metric, columns[:, i], truth[:, i : i + 1], alone=score.ndim == 1)
            for i in range(columns.shape[1])
        ]
    )
    limits = found[0] if score.ndim == 1 else found

    def change(predictions: Predictions) -> Predictions:
        assert predictions.score is not None  # noqa: S101 - of the same pair
        return replace(predictions, label=(predictions.score >= limits).long())

    return float(found.median()), change


def _threshold_of_masks(metric: Metric, steps: Tensor, target: Tensor) -> tuple[float, Change] | None:
    """Choose the step from which a pixel is marked; None where the metric does not go by numbers of pixels."""
    if not isinstance(metric.fn, Score) or metric.fn.summary is not pixels:
        return None
    worth = metric.sign * metric.fn.fn(pixels_from_steps(steps, target))
    limit = int(_middle_of_best(worth))

    def change(predictions: Predictions) -> Predictions:
        assert predictions.steps is not None  # noqa: S101 - of the same pair
        return replace(predictions, label=(predictions.steps >= limit).view(torch.uint8))

    return limit / STEPS, change


def _middle_of_best(worth: Tensor) -> Tensor:
    """Return the place of the middle one of the best."""
    known = worth.nan_to_num(nan=-math.inf)
    best = torch.nonzero(known >= known.max() - 1e-12).flatten()
    return best[(len(best) - 1) // 2]


def _best_threshold(metric: Metric, score: Tensor, truth: Tensor, *, alone: bool) -> Tensor:
    """Return the middle one of the best thresholds between validation scores."""
    values = torch.unique(score)
    if len(values) > _MOST_THRESHOLDS:
        shares = torch.linspace(0, 1, _MOST_THRESHOLDS, dtype=values.dtype)
        values = torch.unique(torch.quantile(values, shares))
    between = torch.cat([values[:1], (values[1:] + values[:-1]) / 2])
    label = (score >= between[:, None]).long()
    worth = metric.sign * metric.fn(Predictions(label=label if alone else label.unsqueeze(-1)), truth)
    return between[_middle_of_best(worth)]


# --- the temperature -----------------------------------------------------------------------------------


def _temperature(_: Metric, known: Predictions, target: Tensor) -> tuple[float, Change] | None:
    """Choose the temperature with the least log loss."""
    given = known.probability
    if given is None or not torch.isfinite(given).all():
        return None
    of_classes = given.numel() != target.numel()

    def log_loss(log_temperature: float) -> float:
        p = _at(given, math.exp(log_temperature), of_classes=of_classes).clamp(min=_LEAST_PROBABILITY)
        if of_classes:
            return float(functional.nll_loss(p.log(), target.long()))
        return float(functional.binary_cross_entropy(p, target.reshape(p.shape).to(p.dtype)))

    best = optimize.minimize_scalar(log_loss, bounds=_LOG_TEMPERATURES, method="bounded")
    temperature = math.exp(float(best.x))

    def change(predictions: Predictions) -> Predictions:
        assert predictions.probability is not None  # noqa: S101 - of the same pair
        return replace(
            predictions, probability=_at(predictions.probability, temperature, of_classes=of_classes)
        )

    return temperature, change


def _at(probability: Tensor, temperature: float, *, of_classes: bool) -> Tensor:
    """Return probabilities whose logits are divided by a temperature, of classes together or of labels each."""
    p = probability.double().clamp(_LEAST_PROBABILITY, 1 - _LEAST_PROBABILITY)
    return (
        torch.softmax(p.log() / temperature, dim=-1) if of_classes else torch.sigmoid(p.logit() / temperature)
    )


_TUNINGS: Mapping[str, Tuning] = {
    "label": Tuning("threshold", _threshold),
    "probability": Tuning("temperature", _temperature),
}
"""Field that a metric reads -> what is tuned for it."""
