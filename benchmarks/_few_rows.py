"""Worlds with few test rows, for ``verdict.py``: linear models of a linear truth, whose expected scores are known.

Rows are drawn class by class in the stated shares, as a stratified test part is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray

from lossearch.kinds import Predictions
from lossearch.metrics.metric import Metric
from lossearch.metrics.registry import find_metric
from lossearch.records.evidence import Evidence
from lossearch.verdict.decision import SHARE, judge
from lossearch.verdict.verdict import Relation

Floats = NDArray[np.float64]

INPUTS, SCALE, NOISE = 6, 3.0, 0.5
TRUTH_ROWS, TRUTH_SEEDS = 20_000, 20


def evidence(
    kind: str, metric: Metric, target: torch.Tensor, predictions: dict[str, list[Predictions]]
) -> Evidence:
    """Return what pairs predicted of the same rows under every seed, none having diverged."""
    seeds = len(next(iter(predictions.values())))
    return Evidence(
        kind=kind,
        metric=metric,
        part="test",
        seeds=tuple(range(seeds)),
        target=target,
        rows=[np.arange(len(target))] * seeds,
        predictions=predictions,
        diverged={pair: np.zeros(seeds, bool) for pair in predictions},
        constants=np.full(seeds, np.nan),
    )


@dataclass(frozen=True)
class FewSeen:
    """What one verdict said of few rows: equality that is not so, and which intervals hold the truth."""

    false_equal: bool
    told: bool
    scores_hold: float
    differences_hold: bool
    width: float


@dataclass(frozen=True)
class FewRows:
    """Pairs of one kind of linear model on few rows.

    ``shares`` are those of the classes, empty for regression. A pair's own error has length ``bias`` times 1, or
    as much more as makes it worse by ``gap`` regions of practical equivalence; ``spread`` is what a seed adds.
    """

    metric: str
    rows: int
    shares: tuple[float, ...] = ()
    gaps: tuple[float, ...] = (0.0, 0.0, 1.5, 3.0)
    seeds: int = 20
    bias: float = 0.3
    spread: float = 0.1
    draws: int = 399

    @property
    def kind(self) -> str:
        return {0: "regression", 2: "binary"}.get(len(self.shares), "multiclass")

    @property
    def judge(self) -> Metric:
        return find_metric(self.metric, self.kind)

    @property
    def outputs(self) -> int:
        return 1 if len(self.shares) < 3 else len(self.shares)

    def targets(self, rng: np.random.Generator, x: Floats) -> NDArray[np.generic]:
        """Return targets of inputs, (N, 1) numbers or (N,) classes in the stated shares on average."""
        true = SCALE * x[:, : self.outputs]
        if not self.shares:
            return x[:, :1] + NOISE * rng.normal(size=(len(x), 1))
        if self.outputs == 1:
            return (rng.random(len(x)) < 1 / (1 + np.exp(-true[:, 0] - self.offset()))).astype(np.int64)
        return (true + self.offset() + rng.gumbel(size=true.shape)).argmax(axis=1)

    @cache  # noqa: B019 - worlds are few and small
    def offset(self) -> Floats:
        """Return what shifts the scores to the classes' shares, by bisection or fixed steps on many rows."""
        rng = np.random.default_rng(3)
        true = SCALE * rng.normal(size=(200_000, self.outputs))
        if self.outputs == 1:
            grid = np.linspace(-12, 12, 97)
            share = [(1 / (1 + np.exp(-true[:, 0] - g))).mean() for g in grid]
            return np.array([np.interp(self.shares[1], share, grid)])
        found, noise = np.zeros(self.outputs), rng.gumbel(size=true.shape)
        for _ in range(60):
            share = np.bincount((true + found + noise).argmax(axis=1), minlength=self.outputs) / len(true)
            found += 0.8 * np.log(np.array(self.shares) / np.maximum(share, 1e-4))
        return found

    def draw(self, rng: np.random.Generator, rows: int) -> tuple[Floats, NDArray[np.generic]]:
        """Return inputs and targets, each class in its share."""
        if not self.shares:
            x = rng.normal(size=(rows, INPUTS))
            return x, self.targets(rng, x)
        wanted = [max(1, round(share * rows)) for share in self.shares]
        x = rng.normal(size=(rows * 40, INPUTS))
        y = self.targets(rng, x)
        kept = np.concatenate([np.flatnonzero(y == c)[:n] for c, n in enumerate(wanted)])
        return x[kept], y[kept]

    def said(self, rng: np.random.Generator, x: Floats, biases: Floats, seeds: int) -> Floats:
        """Return raw outputs (pairs, seeds, rows, outputs)."""
        c, k = self.outputs, len(biases)
        turned = np.linalg.qr(rng.normal(size=(k, 3, 3)))[0][:, :, :c]
        own = np.zeros((k, 1, INPUTS, c))
        own[:, 0, 3:] = biases[:, None, None] * turned
        common, apart = rng.normal(size=(1, seeds, INPUTS, c)), rng.normal(size=(k, seeds, INPUTS, c))
        weights = np.eye(INPUTS)[:, :c] + own + self.spread * (common + apart) / np.sqrt(2)
        return np.einsum("nd,ksdc->ksnc", x, weights)

    def predictions(self, raw: Floats) -> Predictions:
        """Return what raw outputs (..., N, outputs) predict."""
        if not self.shares:
            return Predictions(value=torch.from_numpy(raw))
        z = torch.from_numpy(SCALE * raw + self.offset())
        if self.outputs == 1:
            z = z[..., 0]
            p = torch.sigmoid(z)
            return Predictions((z > 0).long(), p, z, output=p, codes=(0.0, 1.0))
        return Predictions(z.argmax(-1), z.softmax(-1), z)

    def evidence(self, rng: np.random.Generator, biases: Floats) -> Evidence:
        x, y = self.draw(rng, self.rows)
        raw = self.said(rng, x, biases, self.seeds)
        predictions = {f"pair {i}": [self.predictions(one) for one in of] for i, of in enumerate(raw)}
        return evidence(self.kind, self.judge, torch.from_numpy(y), predictions)

    def truth(self, bias: float) -> float:
        """Return the expected score over very many seeds and rows."""
        rng = np.random.default_rng(4)
        found = []
        for _ in range(TRUTH_SEEDS):
            x = rng.normal(size=(TRUTH_ROWS, INPUTS))
            y = self.targets(rng, x)
            raw = self.said(rng, x, np.array([bias]), 1)[0]
            found.append(float(self.judge.fn(self.predictions(raw), torch.from_numpy(y))[0]))
        return float(np.mean(found))

    def rope(self) -> float:
        return SHARE if self.judge.sign > 0 else SHARE * self.truth(self.bias)

    def pairs(self) -> tuple[Floats, Floats]:
        """Return the length of each pair's error, and its expected score."""
        lengths = self.bias + np.linspace(0, 1.5, 16) ** 2
        scores = np.array([self.truth(b) for b in lengths])
        lost = self.judge.sign * (scores[0] - scores)
        biases = np.interp(np.array(self.gaps) * self.rope(), lost, lengths)
        return biases, np.interp(biases, lengths, scores)


def see_few(world: FewRows, biases: Floats, truths: Floats, index: int) -> list[FewSeen]:
    """Judge one data set, and hold the verdict against the pairs' expected scores."""
    found = world.evidence(np.random.default_rng([5, index]), biases)
    verdict = judge(
        found, direction=found.metric.direction, conventional="pair 0", draws=world.draws, seed=index
    )
    true = {f"pair {i}": t for i, t in enumerate(truths)}
    sign = found.metric.sign
    gaps = {(c.a, c.b): sign * (true[c.a] - true[c.b]) for c in verdict.comparisons}
    return [
        FewSeen(
            false_equal=any(
                c.relation is Relation.EQUAL and abs(gaps[c.a, c.b]) > verdict.rope
                for c in verdict.comparisons
            ),
            told=any(c.p <= verdict.level and gaps[c.a, c.b] == 0 for c in verdict.comparisons),
            scores_hold=float(np.mean([r.low <= true[r.pair] <= r.high for r in verdict.ranking])),
            differences_hold=all(c.low <= gaps[c.a, c.b] <= c.high for c in verdict.comparisons),
            width=float(np.mean([r.high - r.low for r in verdict.ranking])),
        )
    ]


def few_worlds() -> Iterator[tuple[str, FewRows]]:
    even, rare, three = (0.5, 0.5), (0.9, 0.1), (0.5, 0.4, 0.1)
    for n in (5, 20, 50):
        yield f"accuracy, {n} rows", FewRows("accuracy", n, even)
    yield "accuracy, 10 rows, hardly a seed matters", FewRows("accuracy", 10, even, spread=0.01, bias=0.05)
    for n in (10, 20, 50):
        yield f"balanced_accuracy, {n} rows, 10 % positive", FewRows("balanced_accuracy", n, rare)
    yield "f1_macro, 20 rows, 10 % positive", FewRows("f1_macro", 20, rare)
    yield "auroc, 20 rows, 10 % positive", FewRows("auroc", 20, rare)
    yield "average_precision, 20 rows, 10 % positive", FewRows("average_precision", 20, rare)
    yield "balanced_accuracy, 20 rows, 3 classes", FewRows("balanced_accuracy", 20, three)
    yield "log_loss, 20 rows", FewRows("log_loss", 20, even)
    yield "brier, 10 rows", FewRows("brier", 10, even)
    for n in (5, 20, 50):
        yield f"rmse, {n} rows", FewRows("rmse", n)
    yield "r2, 20 rows", FewRows("r2", 20)
    yield "mae, 10 rows, 5 seeds", FewRows("mae", 10, seeds=5)
