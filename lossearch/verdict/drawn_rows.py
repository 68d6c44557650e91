"""What replicates score on rows drawn again.

A metric that is a mean over rows is computed once on each row, any other one anew on every draw. Whether one of the
user's own is a mean over rows is not known, and found out here: such a metric is called once a model at a time, and
draws times models are many calls.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lossearch._lazy import torch
from lossearch._random import rng
from lossearch.kinds import Predictions
from lossearch.metrics.joined import each_field, joined, together
from lossearch.metrics.metric import Metric
from lossearch.metrics.registry import scores
from lossearch.metrics.scoring import read
from lossearch.records.evidence import Evidence

if TYPE_CHECKING:
    from torch import Tensor

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

COUNTS = 4_000_000
"""Row counts held at once, over all draws of a block."""
ROWS = 200_000
FEWEST = 200
"""A metric that is not known to be a mean over rows is computed on as many draws of rows as hold so many rows
together, and never on fewer than this. Further draws of seeds meet the same rows again."""
ATTEMPTS = 100
"""Times that draws of rows on which a metric is not defined (one class only) are drawn again."""
TRIED = 5
"""Draws of each block, beside those of the least and the largest score, on which a metric is computed anew to see
whether it is the mean of what it says of single rows."""
SAME = 1e-6
"""How far it may be from that by rounding, as a share: numbers of a user's function may be float32."""


@dataclass(frozen=True)
class Bundle:
    """Replicates scored on the same rows: flat places in (P, S), and what they predict, (places, N, ...)."""

    rows: Ints
    target: Tensor
    stacks: tuple[tuple[Ints, Predictions], ...]


def bundles_of(evidence: Evidence) -> Iterator[Bundle]:
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
        yield Bundle(rows, evidence.target[torch.from_numpy(rows)], tuple(stacks))


def _stacked(several: Sequence[Predictions]) -> Predictions:
    """Return one pair's predictions under several seeds, (seeds, N, ...)."""
    alone = [each_field(s, lambda t: t.unsqueeze(0)) for s in several]
    return replace(joined(alone, axis=0), codes=several[0].codes)


def _at(predictions: Predictions, rows: Tensor | slice) -> Predictions:
    """Return the predictions (places, N, ...) for some of the N rows."""
    return each_field(predictions, lambda t: t[:, rows])


def score_once(evidence: Evidence, bundles: Sequence[Bundle]) -> Floats:
    """Return the scores on the rows as they are, (P, S); NaN where a replicate diverged."""
    once = np.ones((1, len(evidence.target)), dtype=np.int64)
    found: Floats = _anew(evidence.metric, bundles, once, _shape(evidence))[0]
    return found


def score_draws(
    evidence: Evidence, bundles: Sequence[Bundle], units: Ints, draws: int, seed: int
) -> Floats | None:
    """Return the scores on draws of rows, (draws, P, S); anything where a replicate diverged.

    Args:
        evidence: what the pairs predicted.
        bundles: the same by the rows it was scored on.
        units: the number of the row, or group, that each row is drawn with; -1 for rows nobody scored.
        draws: how many; fewer are given of a metric that is not known to be a mean over rows.
        seed: of the draws.

    Returns:
        None where the metric is not defined on most draws.
    """
    metric, size = evidence.metric, int(units.max()) + 1
    if not metric.by_row:
        draws = min(draws, max(FEWEST, ROWS // size))
    values = _of_single_rows(metric, bundles, draws)
    if values is not None:
        found = _drawn(evidence, bundles, units, draws, seed, values)
        if found is not None:
            return found
    return _drawn(evidence, bundles, units, draws, seed, None)


def _drawn(
    evidence: Evidence,
    bundles: Sequence[Bundle],
    units: Ints,
    draws: int,
    seed: int,
    values: Sequence[Sequence[Floats]] | None,
) -> Floats | None:
    """Return the scores on draws, by what single rows score where that is given.

    Returns:
        None where the metric is not defined on most draws, or proves to be no mean over rows.
    """
    metric, generator, size = evidence.metric, rng(seed, "verdict", "rows"), int(units.max()) + 1
    shape = _shape(evidence)
    alive = ~np.stack([evidence.diverged[pair] for pair in evidence.pairs])
    found = np.empty((draws, *shape))
    missing = np.arange(draws)
    for _ in range(ATTEMPTS):
        for block in np.array_split(missing, -(-len(missing) * size // COUNTS)):
            drawn = generator.multinomial(size, np.full(size, 1 / size), size=len(block))
            counts = np.where(units >= 0, drawn[:, units], 0)
            if values is None:
                found[block] = _anew(metric, bundles, counts, shape)
                continue
            found[block] = _means(bundles, values, counts, shape)
            if not metric.by_row and not _is_mean(metric, bundles, counts, found[block], alive):
                return None
        missing = missing[np.isnan(found[missing][:, alive]).any(axis=1)]
        if not len(missing):
            return found
    return None


def _shape(evidence: Evidence) -> tuple[int, int]:
    return len(evidence.pairs), len(evidence.seeds)


def _score(metric: Metric, predictions: Predictions, target: Tensor) -> Floats:
    return scores([metric], predictions, target)[metric.name].double().cpu().numpy()


def _of_single_rows(metric: Metric, bundles: Sequence[Bundle], draws: int) -> list[list[Floats]] | None:
    """Return what each row alone scores, (N, places), for every stack of each bundle.

    None where the metric is no mean over rows, or where that is not known and it costs less to leave it so.
    """
    if metric.by_row is False or not (metric.by_row or _is_worth_trying(metric, bundles, draws)):
        return None
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            found = [
                [_by_row(metric, said, b.target, len(places)) for places, said in b.stacks] for b in bundles
            ]
    except Exception:
        if metric.by_row:
            raise
        return None  # a user's function may fail on a single row in any way
    finite = all(np.isfinite(values).all() for of_stacks in found for values in of_stacks)
    return found if metric.by_row or finite else None


def _is_worth_trying(metric: Metric, bundles: Sequence[Bundle], draws: int) -> bool:
    """Return whether there are fewer different rows, with what is tried beside them, than models times draws."""
    stacks = [(read(said, metric.needs), b.target) for b in bundles for _, said in b.stacks]
    models = sum(len(said) for said, _ in stacks)
    return sum(_different(*stack) for stack in stacks) + (TRIED + 2) * models < draws * models


def _different(said: Tensor, target: Tensor) -> int:
    """Return how many different rows there are at most among predictions (places, N, ...) and their target."""
    rows = said.shape[0] * said.shape[1]
    if said[0, :1].numel() > 1 or target[:1].numel() > 1:
        return rows
    return min(rows, len(torch.unique(said)) * len(torch.unique(target)))


def _by_row(metric: Metric, said: Predictions, target: Tensor, places: int) -> Floats:
    """Return what each row alone scores, (N, places); rows of one target are scored together."""
    _, kinds = torch.unique(target, dim=0, return_inverse=True)
    found: Floats = np.empty((len(target), places))
    for kind in range(int(kinds.max()) + 1):
        rows = torch.nonzero(kinds == kind).flatten()
        alone = each_field(_at(said, rows), lambda t: t.flatten(0, 1).unsqueeze(1))
        found[rows.numpy()] = _score(metric, alone, target[rows[:1]]).reshape(places, -1).T
    return found


def _is_mean(
    metric: Metric, bundles: Sequence[Bundle], counts: Ints, means: Floats, alive: NDArray[np.bool_]
) -> bool:
    """Return whether means over rows, (draws, P, S), are what the metric says of some of the draws."""
    level = means[:, alive].mean(axis=1)
    tried = np.unique([*range(min(TRIED, len(level))), level.argmin(), level.argmax()])
    anew = _anew(metric, bundles, counts[tried], alive.shape)[:, alive]
    return np.allclose(anew, means[tried][:, alive], rtol=SAME, atol=SAME * SAME)


def _means(
    bundles: Sequence[Bundle], values: Sequence[Sequence[Floats]], counts: Ints, shape: tuple[int, int]
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


def _anew(metric: Metric, bundles: Sequence[Bundle], counts: Ints, shape: tuple[int, int]) -> Floats:
    """Return the metric on rows taken as often as they count, (draws, P, S)."""
    found = np.full((len(counts), shape[0] * shape[1]), np.nan)
    for draw, count in zip(found, counts, strict=True):
        for bundle in bundles:
            rows = torch.from_numpy(np.repeat(np.arange(len(bundle.rows)), count[bundle.rows]))
            for places, predictions in bundle.stacks if len(rows) else ():
                draw[places] = _score(metric, _at(predictions, rows), bundle.target[rows])
    return found.reshape(-1, *shape)
