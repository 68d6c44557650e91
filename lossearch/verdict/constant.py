"""What pairs know beyond a constant predictor: whether a model has learned anything at all."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lossearch._lazy import torch
from lossearch.kinds import KINDS, Predictions
from lossearch.metrics.joined import each_field
from lossearch.records.evidence import Evidence
from lossearch.verdict.bootstrap import Draws, resample
from lossearch.verdict.known import ROUNDING
from lossearch.verdict.multiple_testing import differences, quantiles

if TYPE_CHECKING:
    from torch import Tensor

_NAME = "a constant predictor"


@dataclass(frozen=True)
class Learned:
    """What a constant predictor scores on the judged rows, and for each pair whether it is measurably better.

    That is None where nothing could be better, as one that knows the classes' shares is perfectly calibrated.
    """

    constant: float
    better: tuple[bool | None, ...]


def learned(evidence: Evidence, drawn: Draws, *, sign: int, level: float, draws: int, seed: int) -> Learned:
    """Return which pairs are measurably better than a constant predictor, each held against it alone.

    Whether these networks have learned is for the rows to say, not for the seeds: few of them leave open what others
    would give. The predictor knows the judged rows' own targets, as nothing else is known of it here.

    Args:
        evidence: what the pairs predicted.
        drawn: what that scores on ``draws`` draws of seeds and rows with this ``seed``.
        sign: 1 where more is better, else -1.
        level: chance of calling a pair better that is not.
        draws: how many.
        seed: of the draws.
    """
    if evidence.logged is not None:
        return Learned(drawn.constant, (None,) * len(drawn.pairs))
    none = np.zeros(len(evidence.seeds), dtype=np.bool_)
    stands = {_NAME: [_constant(evidence, rows) for rows in evidence.rows]}
    constant = resample(replace(evidence, predictions=stands, diverged={_NAME: none}), draws, seed)
    n = len(drawn.pairs)
    both = replace(
        drawn,
        pairs=(*drawn.pairs, _NAME),
        scores=np.concatenate([drawn.scores, constant.scores]),
        by_rows=np.concatenate([drawn.by_rows, constant.by_rows], axis=1),
        alike=np.arange(n + 1),
    )
    found = differences(both, np.arange(n), np.full(n, n))
    score = float(constant.scores.mean())
    if math.isclose(score, drawn.high if sign > 0 else drawn.low, abs_tol=ROUNDING):
        return Learned(score, (None,) * n)
    apart = (both.by_rows[:, :n] - both.by_rows[:, n:]).mean(axis=2)
    se = apart.std(axis=0) * math.sqrt(both.units / (both.units - 1))
    found = replace(found, se=se, share=np.zeros_like(se))
    z = quantiles(found, level)
    better = (sign * found.value > found.as_distance(z)) & (z <= found.surest)
    return Learned(score, tuple(better.tolist()))


def _constant(evidence: Evidence, rows: NDArray[np.int64]) -> Predictions:
    target = evidence.target[torch.from_numpy(np.asarray(rows))]
    said = KINDS[evidence.kind].constant(evidence.metric.constant, target, len(target), 1)
    return each_field(said, lambda t: t[0])


def seeds_of_one_label(several: Sequence[Predictions], ended: NDArray[np.bool_]) -> int:
    """Return under how many seeds, of those that did not diverge, one pair predicts the same of every row."""
    labels = [s.label for s, over in zip(several, ended, strict=True) if not over and s.label is not None]
    return sum(_same(label) for label in labels)


def _same(label: Tensor) -> bool:
    return len(label) > 1 and bool((label == label[0]).all())
