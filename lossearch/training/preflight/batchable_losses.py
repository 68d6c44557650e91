"""Losses that do not give for a stack of models what they give for one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields

import torch
from torch import Tensor

from lossearch._random import generator
from lossearch.kinds import Predictions
from lossearch.pairs import Criterion, Pair
from lossearch.space import Point, Space
from lossearch.tasks.task import Fold
from lossearch.training.population.criteria import pair_slices
from lossearch.training.trainer import first_sentence


def unbatchable_pair(space: Space, names: Sequence[str], folds: Sequence[Fold], n_out: int) -> str | None:
    """Return which of these pairs cannot be computed for a stack of models, and why; None where all can.

    ``folds`` hold a few rows of one or more seeds.
    """
    for name in names:
        points = [
            space.point(
                name,
                {d.name: d.choices[0] if d.choices else end(d.low, d.high) for d in space.dimensions(name)},
            )
            for end in (min, max)
        ]
        try:
            if not _agrees(space[name], points, folds, n_out):
                return f"{name} does not give for a stack of models what it gives for one"
        except Exception as error:  # noqa: BLE001 - a user's loss may raise anything
            return f"{name} cannot be computed for a stack of models ({type(error).__name__}: {first_sentence(error)})"
    return None


def _agrees(pair: Pair, points: Sequence[Point], folds: Sequence[Fold], n_out: int) -> bool:
    rows = min(len(f.train) for f in folds)
    raw = torch.randn(
        len(folds),
        len(points),
        rows,
        pair.width(n_out),
        generator=generator(0, "batchable"),
        dtype=torch.float64,
    ).requires_grad_()
    (whole,) = pair_slices(points, [pair] * len(points), [f.statistics for f in folds], raw)
    y = torch.stack([f.train.y[:rows] for f in folds])
    losses = whole.losses(raw, whole.encode(y, n_out))[0]
    (derivatives,) = torch.autograd.grad(losses.sum(), raw)
    stacked = whole.predictions(raw.detach())
    for s, fold in enumerate(folds):
        for c, point in enumerate(points):
            criterion = Criterion(pair, point.params, fold.statistics).double()
            alone = raw[s, c].detach().requires_grad_()
            loss = criterion.mean(alone, criterion.encode(fold.train.y[:rows], n_out, alone.dtype))
            (derivative,) = torch.autograd.grad(loss, alone)
            if not (_close(losses[s, c], loss) and _close(derivatives[s, c], derivative)):
                return False
            if not _same(stacked, (s, c), criterion.predictions(alone.detach())):
                return False
    return True


def _same(stacked: Predictions, place: tuple[int, int], alone: Predictions) -> bool:
    for f in fields(Predictions):
        ours, theirs = getattr(stacked, f.name), getattr(alone, f.name)
        if isinstance(theirs, Tensor):
            if not (isinstance(ours, Tensor) and _close(ours[place], theirs)):
                return False
        elif ours is not None and isinstance(ours, Tensor):
            return False
    return True


def _close(a: Tensor, b: Tensor) -> bool:
    return a.shape == b.shape and torch.allclose(a.double(), b.double(), rtol=1e-9, atol=1e-9, equal_nan=True)
