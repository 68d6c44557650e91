"""Scores of every pair under every seed, and on rows drawn again: what all uncertainty comes from.

A score varies with the seed of a training and with the rows it is measured on, and what is said of a pair
must hold over both. So both are drawn again with replacement, the same draws for every pair, rows also the
same for every seed (the pigeonhole bootstrap, Owen 2007).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lossearch._random import rng
from lossearch.errors import InputError, refuse
from lossearch.kinds import Predictions
from lossearch.metrics.joined import each_field, joined, together
from lossearch.metrics.metric import Metric
from lossearch.metrics.registry import is_given, scores
from lossearch.records.evidence import Evidence
from lossearch.verdict.known import alike, constant, leverage, sound

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

COUNTS = 4_000_000
"""Row counts held at once, over all draws of a block."""
ROWS = 200_000
FEWEST = 200
"""A metric that is no mean over rows is computed anew on each draw of rows: on as many draws as hold so
many rows together, and never on fewer than this. Further draws of seeds meet the same rows again."""
MANY = 2**31
"""Rows that there are taken to be where only scores are known."""
ATTEMPTS = 100
"""Times that draws of rows on which a metric is not defined (one class only) are drawn again."""


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


@dataclass(frozen=True)
class _Bundle:
    """Replicates scored on the same rows: flat places in (P, S), and what they predict, (places, N, ...)."""

    rows: Ints
    target: Tensor
    stacks: tuple[tuple[Ints, Predictions], ...]


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
    bundles = tuple(_bundles(evidence))
    shape = (len(evidence.pairs), len(evidence.seeds))
    once = np.ones((1, len(evidence.target)), dtype=np.int64)
    found = _anew(evidence.metric, bundles, once, shape)[0]
    alive = ~np.stack([evidence.diverged[pair] for pair in evidence.pairs])
    lacking = any(evidence.metric.undefined(bundle.target) for bundle in bundles)
    if lacking or not np.isfinite(found[alive]).all():
        raise InputError(_undefined(evidence))
    units = _units(evidence)
    by_rows = _on_drawn_rows(evidence, bundles, units, draws, seed, alive)
    return Draws(
        evidence.pairs,
        np.where(alive, found, evidence.constants),
        weights,
        np.resize(np.where(alive, by_rows, evidence.constants), (draws, *shape)),
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
        filter(None, (evidence.metric.undefined(bundle.target) for bundle in _bundles(evidence))), ""
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


def _bundles(evidence: Evidence) -> Iterator[_Bundle]:
    """Give the replicates that did not diverge, by the rows they were scored on."""
    alike: dict[bytes, list[int]] = {}
    for s, rows in enumerate(evidence.rows):
        alike.setdefault(np.asarray(rows).tobytes(), []).append(s)
    for seeds in alike.values():
        rows = np.asarray(evidence.rows[seeds[0]])
        places, several = [], []
        for p, pair in enumerate(evidence.pairs):
            alive = [s for s in seeds if not evidence.diverged[pair][s]]
            if alive:
                places.append(np.array(alive) + p * len(evidence.seeds))
                several.append(_stacked([evidence.predictions[pair][s] for s in alive]))
        stacks = [
            (np.concatenate([places[i] for i in group]), predictions)
            for group, predictions in together(evidence.metric.needs, several, axis=0)
        ]
        yield _Bundle(rows, evidence.target[torch.from_numpy(rows)], tuple(stacks))


def _stacked(several: Sequence[Predictions]) -> Predictions:
    """Return one pair's predictions under several seeds, (seeds, N, ...)."""
    alone = [each_field(s, lambda t: t.unsqueeze(0)) for s in several]
    return replace(joined(alone, axis=0), codes=several[0].codes)


def _at(predictions: Predictions, rows: Tensor | slice) -> Predictions:
    """Return the predictions (places, N, ...) for some of the N rows."""
    return each_field(predictions, lambda t: t[:, rows])


def _score(metric: Metric, predictions: Predictions, target: Tensor) -> Floats:
    return scores([metric], predictions, target)[metric.name].double().cpu().numpy()


def _on_drawn_rows(
    evidence: Evidence,
    bundles: Sequence[_Bundle],
    units: Ints,
    draws: int,
    seed: int,
    alive: NDArray[np.bool_],
) -> Floats:
    """Return the scores on draws of rows, (draws, P, S); anything where a replicate is not alive."""
    metric = evidence.metric
    generator = rng(seed, "verdict", "rows")
    size = int(units.max()) + 1
    if metric.by_row:
        values = [_of_single_rows(metric, bundle) for bundle in bundles]
    else:
        draws = min(draws, max(FEWEST, ROWS // size))
    found = np.empty((draws, *alive.shape))
    missing = np.arange(draws)
    for _ in range(ATTEMPTS):
        for block in np.array_split(missing, -(-len(missing) * size // COUNTS)):
            drawn = generator.multinomial(size, np.full(size, 1 / size), size=len(block))
            counts = np.where(units >= 0, drawn[:, units], 0)
            found[block] = (
                _means(bundles, values, counts, alive.shape)
                if metric.by_row
                else _anew(metric, bundles, counts, alive.shape)
            )
        missing = missing[np.isnan(found[missing][:, alive]).any(axis=1)]
        if not len(missing):
            return found
    raise InputError(_undefined(evidence))


def _of_single_rows(metric: Metric, bundle: _Bundle) -> list[Floats]:
    """Return what each row alone scores, (N, places), for every stack of a bundle."""
    return [
        np.stack(
            [
                _score(metric, _at(predictions, slice(i, i + 1)), bundle.target[i : i + 1])
                for i in range(len(bundle.rows))
            ]
        )
        for _, predictions in bundle.stacks
    ]


def _means(
    bundles: Sequence[_Bundle], values: Sequence[Sequence[Floats]], counts: Ints, shape: tuple[int, int]
) -> Floats:
    """Return weighted means of what single rows score, (draws, P, S)."""
    found = np.full((len(counts), shape[0] * shape[1]), np.nan)
    for bundle, of_stacks in zip(bundles, values, strict=True):
        weights = counts[:, bundle.rows].astype(np.float64)
        total = weights.sum(axis=1, keepdims=True)
        weights /= np.where(total > 0, total, np.nan)
        for (places, _), value in zip(bundle.stacks, of_stacks, strict=True):
            found[:, places] = weights @ value
    return found.reshape(-1, *shape)


def _anew(metric: Metric, bundles: Sequence[_Bundle], counts: Ints, shape: tuple[int, int]) -> Floats:
    """Return the metric on rows taken as often as they count, (draws, P, S)."""
    found = np.full((len(counts), shape[0] * shape[1]), np.nan)
    for draw, count in zip(found, counts, strict=True):
        for bundle in bundles:
            rows = torch.from_numpy(np.repeat(np.arange(len(bundle.rows)), count[bundle.rows]))
            for places, predictions in bundle.stacks if len(rows) else ():
                draw[places] = _score(metric, _at(predictions, rows), bundle.target[rows])
    return found.reshape(-1, *shape)
