"""The criteria of a population: each pair on its own slice of the configurations, all means summed."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import groupby

import torch
from torch import Tensor

from lossearch.kinds import EVERY_FIELD, Predictions, Table, TargetStatistics, shifts_probabilities
from lossearch.losses.declaration import PROGRESS
from lossearch.metrics.metric import LOGGED, Metric
from lossearch.metrics.registry import is_given
from lossearch.pairs import Pair
from lossearch.pairs.pair import located
from lossearch.space import Point

WEIGHTS = "weights"
"""Where a batch's targets, by encoding, have what its rows weigh, (S, 1, N, K), in the place of an encoding."""


@dataclass(frozen=True)
class PairSlice:
    """The ``c`` configurations of one pair, ``start`` to ``end``, with what their criterion needs.

    ``params`` are the loss's own parameters, one value a configuration, shaped to broadcast; ``fitted`` the
    training statistics it asks for, how much of the training is done where it changes with that, and ``shift`` and
    ``scale`` the encoding's in float64, one a seed: (S, 1, 1, T), statistics of a multiclass loss (S, 1, 1), counts of classes (S, 1, 1, C) or of labels'
    (S, 1, 1, L, 2). ``dtype`` is what it is trained in. ``class_weights`` are
    what classes weigh, (S, 1, 1, K, C); None where none weighs more than another.
    """

    pair: Pair
    start: int
    end: int
    params: Mapping[str, Tensor]
    fitted: Mapping[str, Tensor]
    shift: Tensor
    scale: Tensor
    dtype: torch.dtype
    class_weights: Tensor | None = None

    @property
    def encoding(self) -> str:
        """The name of the encoding."""
        return self.pair.encoding.name

    def encode(self, target: Tensor, n_out: int) -> Tensor:
        """Return encoded targets (S, 1, N[, T]) from canonical targets (S, N[, T])."""
        return self.pair.encode(target.unsqueeze(1), n_out, self.shift, self.scale, self.dtype)

    def gives(self, metric: Metric, n_out: int) -> bool:
        """Return whether predictions of this pair hold what a metric reads, or a module logs it."""
        if metric.needs == LOGGED:
            return True
        shape = (len(self.shift), self.end - self.start, 1, self.pair.width(n_out))
        raw = self.shift.new_zeros(shape, dtype=self.dtype)
        return is_given(metric, self.predictions(raw))

    def losses(self, raw: Tensor, encoded: Tensor, weight: Tensor | None = None, batches: int = 1) -> Tensor:
        """Return one mean loss a replicate for each of so many batches of equal size, (batches, S, c).

        ``raw`` are these configurations' outputs (S, c, N, n_out), batch after batch; ``encoded`` (S, 1, N[, T])
        is shared by them, and so is what rows weigh, (S, 1, N, K).
        """
        wide = encoded.expand(-1, raw.shape[1], *encoded.shape[2:])
        values = self.pair.values(raw, wide, weight, **self.params, **self.fitted)
        by_batch = values.unflatten(2, (batches, -1)).movedim(2, 0)
        return self.pair.reduce(by_batch, **self.params, **self.fitted)

    def derivative(
        self, raw: Tensor, encoded: Tensor, weight: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """Return the derivative of one batch's loss in its outputs (S, c, B, n_out), shaped like them.

        With it the losses (S, c) where it is not known without them.
        """
        if not self.pair.has_derivative:
            own = raw.detach().requires_grad_()
            with torch.enable_grad():
                losses = self.losses(own, encoded, weight)[0]
            (derivative,) = torch.autograd.grad(losses, own, torch.ones_like(losses))
            return derivative, losses.detach()
        with torch.no_grad():
            wide = encoded.expand(-1, raw.shape[1], *encoded.shape[2:])
            return self.pair.derivative(raw, wide, weight, **self.params, **self.fitted), None

    def weight_penalty(self) -> tuple[Tensor, Tensor]:
        """Return what sizes of weights, and half their squares, cost each configuration, (c,)."""
        strength = self.pair.loss.weight_penalty
        like = self.shift.new_zeros(self.end - self.start, dtype=self.dtype)
        if strength is None:
            return like, like
        l1, l2 = strength(**self.params, **self.fitted)
        return _flat(l1, like), _flat(l2, like)

    def activated(self, raw: Tensor) -> Tensor:
        """Return this pair's outputs after the activation, or before one that keeps finite numbers finite."""
        own = raw[:, self.start : self.end]
        span = self.pair.activation.range
        return own if math.isfinite(span.low) and math.isfinite(span.high) else self.pair.activation(own)

    def predictions(self, raw: Tensor, wanted: Collection[str] = EVERY_FIELD) -> Predictions:
        """Return what the outputs of this pair's configurations, (S, c, N, n_out), say of each row."""
        return self.pair.predictions(
            raw, self.shift, self.scale, wanted, self.class_weights, **self.params, **self.fitted
        )


def _flat(value: float | Tensor, like: Tensor) -> Tensor:
    """Return a number, or one a configuration with more axes, as one a configuration."""
    return like + (value.flatten() if isinstance(value, Tensor) else value)


def _stacked(of_seeds: Tensor, axes: int) -> Tensor:
    """Return one row (T,) a seed, (S, T), as (S, 1, ..., T) with so many axes."""
    return of_seeds.view(len(of_seeds), *[1] * (axes - 2), -1)


def _fitted(pair: Pair, name: str, statistics: Sequence[TargetStatistics]) -> Tensor:
    """Return a training statistic of every seed, rounded as a criterion's buffer is, to broadcast as it does."""
    each = [pair.fitted(name, s) for s in statistics]
    known = torch.stack([one for one in each if one is not None])
    if name == "class_counts":
        return known[:, None, None]
    return _stacked(known, 4 if pair.loss.elementwise else 3)


def _slice(
    points: Sequence[Point],
    pair: Pair,
    start: int,
    statistics: Sequence[TargetStatistics],
    like: Tensor,
    class_weights: Tensor | None,
) -> PairSlice:
    loss = pair.loss
    shift, scale = zip(*(pair.encoding.location(s) for s in statistics), strict=True)
    params = {
        name: torch.tensor([p.params.get(name, default) for p in points], dtype=like.dtype)
        .to(like.device)
        .view((-1, 1, 1) if loss.elementwise else (-1, 1))
        for name, default in loss.defaults.items()
    }
    fitted = {name: _fitted(pair, name, statistics).to(like) for name in loss.statistics}
    if loss.scheduled:
        fitted[PROGRESS] = like.new_ones(())
    return PairSlice(
        pair,
        start,
        start + len(points),
        params,
        fitted,
        _stacked(located(shift, like.device), 4),
        _stacked(located(scale, like.device), 4),
        like.dtype,
        class_weights,
    )


def shifting(weights: Sequence[Table | None], like: Tensor) -> Tensor | None:
    """Return what classes weigh under each seed, (S, 1, 1, K, C), None where none weighs more than another."""
    tables = [table for table in weights if table is not None]
    if not any(map(shifts_probabilities, tables)):
        return None
    return torch.tensor(tables, dtype=like.dtype).to(like.device)[:, None, None]


def pair_slices(
    points: Sequence[Point],
    pairs: Sequence[Pair],
    statistics: Sequence[TargetStatistics],
    like: Tensor,
    class_weights: Tensor | None = None,
) -> list[PairSlice]:
    """Return the slices of configurations that are sorted by pair.

    ``points`` and ``pairs`` have one a configuration, ``statistics`` one a seed; ``like`` gives type and
    device; ``class_weights`` are as in :class:`PairSlice`.
    """
    found: list[PairSlice] = []
    for _, members in groupby(zip(points, pairs, strict=True), lambda member: member[0].pair):
        own, (pair, *_) = zip(*members, strict=True)
        start = found[-1].end if found else 0
        found.append(_slice(own, pair, start, statistics, like, class_weights))
    return found


def picked(slices: Sequence[PairSlice], places: Sequence[int]) -> list[PairSlice]:
    """Return the slices of the configurations at these places, which are sorted; they are numbered anew from 0."""
    found: list[PairSlice] = []
    start = 0
    for s in slices:
        own = [c - s.start for c in places if s.start <= c < s.end]
        if own:
            params = {name: p[own] for name, p in s.params.items()}
            found.append(replace(s, start=start, end=start + len(own), params=params))
            start += len(own)
    return found


Derivatives = tuple[list[Tensor], list[Tensor | None]]


@dataclass
class Criteria:
    """The criteria of all configurations, each pair's on its own slice.

    They read targets by encoding, and what rows weigh, where they are weighted, under :data:`WEIGHTS`.
    """

    slices: Sequence[PairSlice]

    @cached_property
    def penalises_weights(self) -> bool:
        """Whether a loss adds something for weights."""
        return any(s.pair.loss.weight_penalty is not None for s in self.slices)

    def train_at(self, progress: float) -> None:
        """Compute losses as they are where so much of the training is done; 1 for validation."""
        for s in self.slices:
            if PROGRESS in s.fitted:
                # in place: compiled functions are given these very tensors
                s.fitted[PROGRESS].fill_(progress)

    def derivatives(self, raw: Tensor, encoded: Mapping[str, Tensor]) -> Derivatives:
        """Return the losses' derivatives in raw output (S, C, B, n_out), a piece (S, c, B, n_out) for each slice.

        With them each slice's losses (S, c), None where the derivative is known without them.
        """
        weight = encoded.get(WEIGHTS)
        each = [s.derivative(raw[:, s.start : s.end], encoded[s.encoding], weight) for s in self.slices]
        return [derivative for derivative, _ in each], [losses for _, losses in each]

    def losses(
        self, raw: Tensor, encoded: Mapping[str, Tensor], batches: int = 1, *, unknown: bool = False
    ) -> list[Tensor]:
        """Return each slice's losses (batches, S, c) of batches of equal size, lying one after another.

        ``unknown`` leaves out the slices whose losses come with their derivatives.
        """
        wanted = [s for s in self.slices if s.pair.has_derivative or not unknown]
        weight = encoded.get(WEIGHTS)
        return [s.losses(raw[:, s.start : s.end], encoded[s.encoding], weight, batches) for s in wanted]
