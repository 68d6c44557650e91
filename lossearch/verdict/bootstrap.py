"""Scores of every pair under every seed, and on rows drawn again: what all uncertainty comes from.

A score varies with the seed of a training and with the rows it is measured on, and what is said of a pair
must hold over both. So both are drawn again with replacement, the same draws for every pair, rows also the
same for every seed (the pigeonhole bootstrap, Owen 2007).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lossearch._random import rng
from lossearch.errors import InputError, refuse
from lossearch.metrics.registry import is_given
from lossearch.records.evidence import Evidence
from lossearch.verdict.drawn_rows import bundles_of, score_draws, score_once
from lossearch.verdict.known import alike, constant, leverage, sound

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

MANY = 2**31
"""Rows that there are taken to be where only scores are known."""


@dataclass(frozen=True)
class Draws:
    """What P pairs scored under S seeds, and what they score on B draws of seeds and rows.

    ``scores`` is (P, S); ``seeds`` (B, S) the weight of each seed in a draw, 1 in all; ``by_rows``
    (B, P, S) the scores on a draw's rows. ``units`` is how many rows, or groups of rows, were drawn from, and
    ``leverage`` the largest share of the score's range, ``low`` to ``high``, that one of them alone may change.
    Pairs of one number in ``alike`` predict the same, but for rounding. ``constant`` is what a constant
    predictor scores.
    """

    pairs: tuple[str, ...]
    scores: Floats
    seeds: Floats
    by_rows: Floats
    units: int
    leverage: float
    low: float
    high: float
    alike: Ints
    constant: float


def resample(evidence: Evidence, draws: int, seed: int) -> Draws:
    """Return the scores of an evidence, and what they are on draws of its seeds and rows.

    A draw takes as many seeds and as many rows (whole groups, where rows have groups) as there are, with
    replacement. Where rows differ by seed, a row counts under each seed that scored it as often as it was
    drawn. Draws of rows on which the metric is not defined are drawn again. All draws depend on seeds and
    rows alone: another pair changes none of them. A diverged replicate scores its constant in every draw.

    Of scores that a module logs, seeds alone are drawn.

    Args:
        evidence: what the pairs predicted.
        draws: how many draws of seeds; of rows as many, or fewer where the metric is no mean over rows.
        seed: of the draws.

    Raises:
        InputError: there are less than two seeds, or rows; a pair lacks what the metric reads; or the
            metric is not defined on these rows.
    """
    _check(evidence)
    n = len(evidence.seeds)
    weights = rng(seed, "verdict", "seeds").multinomial(n, np.full(n, 1 / n), size=draws) / n
    if evidence.logged is not None:
        return _of_seeds_alone(evidence, weights)
    bundles = tuple(bundles_of(evidence))
    found = score_once(evidence, bundles)
    alive = ~np.stack([evidence.diverged[pair] for pair in evidence.pairs])
    lacking = any(evidence.metric.undefined(bundle.target) for bundle in bundles)
    if lacking or not np.isfinite(found[alive]).all():
        raise InputError(_undefined(evidence))
    units = _units(evidence)
    by_rows = score_draws(evidence, bundles, units, draws, seed)
    if by_rows is None:
        raise InputError(_undefined(evidence))
    return Draws(
        evidence.pairs,
        np.where(alive, found, evidence.constants),
        weights,
        np.resize(np.where(alive, by_rows, evidence.constants), (draws, *found.shape)),
        int(units.max()) + 1,
        leverage(evidence, units),
        evidence.metric.low,
        evidence.metric.high,
        alike(evidence),
        constant(evidence),
    )


def _of_seeds_alone(evidence: Evidence, weights: Floats) -> Draws:
    """Return the draws of scores of which no rows are known: these rows are taken for all there are."""
    scores = np.stack(list((evidence.logged or {}).values()))
    ended = np.stack([evidence.diverged[pair] for pair in evidence.pairs])
    scores = np.where(ended, evidence.constants, scores)
    if not np.isfinite(scores).all():
        raise InputError(
            f"{evidence.metric.name} is not a finite number on the {evidence.part} part under every seed."
        )
    metric = evidence.metric
    return Draws(
        evidence.pairs, scores, weights, np.broadcast_to(scores, (len(weights), *scores.shape)), MANY, 0.0,
        metric.low, metric.high, np.arange(len(scores)), float(np.mean(evidence.constants)),
    )  # fmt: skip


def _check(evidence: Evidence) -> None:
    metric, problems = evidence.metric, []
    if len(evidence.seeds) < 2:
        problems.append(
            f"A verdict needs at least 2 seeds, to know how results vary; here is {len(evidence.seeds)}. "
            "Raise confirm_seeds."
        )
    if not evidence.pairs:
        problems.append("A verdict needs at least 1 confirmed pair; here is none.")
    if evidence.logged is None and _units(evidence).max() < 1:
        problems.append(f"A verdict needs at least 2 {evidence.part} rows or groups of rows. Hold out more.")
    lacking = [p for p in evidence.predictions if not all(is_given(metric, s) for s in sound(evidence, p))]
    if lacking:
        problems.append(
            f"{metric.name} reads the {metric.needs}, which these pairs do not have: {', '.join(lacking)}. "
            "Judge by another metric, or leave them out."
        )
    refuse(problems)


def _undefined(evidence: Evidence) -> str:
    lacks = next(
        filter(None, (evidence.metric.undefined(bundle.target) for bundle in bundles_of(evidence))), ""
    )
    where = (
        f"the {evidence.part} part: {lacks}"
        if lacks
        else f"the {evidence.part} rows, or on most draws of them"
    )
    return (
        f"{evidence.metric.name} is not defined on {where}. Judge by another metric, or hold out more rows."
    )


def _units(evidence: Evidence) -> Ints:
    """Return the number of the row, or group, that each row is drawn with; -1 for rows nobody scored."""
    scored = np.unique(np.concatenate([np.asarray(rows) for rows in evidence.rows]))
    units = np.full(len(evidence.target), -1)
    groups = scored if evidence.groups is None else evidence.groups[scored]
    units[scored] = np.unique(groups, return_inverse=True)[1]
    return units
