"""The criteria of a population: each pair on its own slice of the arms, all means summed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from lossearch.losses import TargetStatistics
from lossearch.pairs import Pair, Predictions
from lossearch.space import Point


@dataclass(frozen=True)
class PairSlice:
    """The arms of one pair, ``start`` to ``end``, with what their criterion needs.

    ``params`` are the loss's own parameters, one value an arm, shaped to broadcast; ``fitted`` the
    training statistics it asks for, and ``shift`` and ``scale`` the encoding's, one a seed: (S, 1, 1, T).
    """

    pair: Pair
    start: int
    end: int
    params: Mapping[str, Tensor]
    fitted: Mapping[str, Tensor]
    shift: Tensor
    scale: Tensor

    @property
    def encoding(self) -> str:
        """The name of the encoding."""
        return self.pair.encoding.name

    def encode(self, target: Tensor, n_out: int) -> Tensor:
        """Return encoded targets (S, 1, N[, T]) from canonical targets (S, N[, T])."""
        return self.pair.encoding.encode(target.unsqueeze(1), n_out, self.shift, self.scale)

    def losses(self, raw: Tensor, encoded: Tensor) -> Tensor:
        """Return one mean loss a replicate, (S, arms of this pair), from the whole population's output.

        ``raw`` is (S, A, B, n_out); ``encoded`` (S, 1, B[, T]) is shared by the arms.
        """
        own = raw[:, self.start : self.end]
        wide = encoded.expand(-1, own.shape[1], *encoded.shape[2:])
        return self.pair.reduce(self.pair.values(own, wide, **self.params, **self.fitted))

    def predictions(self, raw: Tensor) -> Predictions:
        """Return what the outputs of this pair's arms, (S, arms, N, n_out), say of each row."""
        return self.pair.predictions(raw, self.shift, self.scale, **self.params, **self.fitted)


def _per_seed(rows: Sequence[Sequence[float]], like: Tensor) -> Tensor:
    return torch.tensor(rows, dtype=like.dtype, device=like.device)[:, None, None, :]


def pair_slices(
    points: Sequence[Point], pairs: Sequence[Pair], statistics: Sequence[TargetStatistics], like: Tensor
) -> list[PairSlice]:
    """Return the slices of arms that are sorted by pair.

    Args:
        points: one an arm, points of one pair next to each other.
        pairs: the pair of each.
        statistics: one a seed.
        like: gives type and device.
    """
    found = []
    start = 0
    while start < len(points):
        end = start
        while end < len(points) and points[end].pair == points[start].pair:
            end += 1
        pair = pairs[start]
        shape = (-1, 1, 1) if pair.loss.elementwise else (-1, 1)
        locations = [pair.encoding.location(s) for s in statistics]
        found.append(
            PairSlice(
                pair,
                start,
                end,
                {
                    name: torch.tensor(
                        [p.params.get(name, default) for p in points[start:end]],
                        dtype=like.dtype,
                        device=like.device,
                    ).view(shape)
                    for name, default in pair.loss.defaults.items()
                },
                {
                    name: _per_seed([getattr(s, name) for s in statistics], like)
                    for name in pair.loss.statistics
                },
                _per_seed([shift for shift, _ in locations], like),
                _per_seed([scale for _, scale in locations], like),
            )
        )
        start = end
    return found
