"""Rows to try a loss on: raw output and encoded target of a pair, drawn from a stream of their own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize
from torch import Tensor

from lossearch._random import generator
from lossearch.kinds import TargetFacts, TargetForm, TargetStatistics
from lossearch.losses import ACTIVATIONS, Loss, Parameter, Range
from lossearch.pairs.legality import pair_up
from lossearch.pairs.pair import Pair

STATISTICS = {"mean": 0.3, "std": 1.7, "scale": 1.3}
"""Training statistics a loss is given where it asks for some."""
CLASSES = 3
COUNTS = (50.0, 30.0, 20.0)
"""How many rows the classes have."""


@dataclass(frozen=True)
class Sample:
    """Raw output (..., N, n_out) and the encoded target that fits it."""

    raw: Tensor
    encoded: Tensor


def pairs_of(loss: Loss) -> list[Pair]:
    """Return every legal pair of a loss, by its declaration alone."""
    found = [pair_up(loss, a, TargetFacts(k)) for k in loss.kinds for a in ACTIVATIONS.values()]
    return [p for p in found if isinstance(p, Pair)]


def keywords(loss: Loss, **params: Any) -> dict[str, Any]:
    """Return what ``fn`` is given beside output and target: parameters and training statistics."""
    return {**loss.defaults, **{name: _statistic(loss, name) for name in loss.statistics}, **params}


def statistics(loss: Loss) -> TargetStatistics:
    """Return training statistics as a criterion of one output, or of :data:`CLASSES`, takes them."""
    counts = COUNTS if loss.form is TargetForm.INDEX else COUNTS[:2]
    return (
        TargetStatistics(class_counts=(counts,)) if "class_counts" in loss.statistics else TargetStatistics()
    )


def _statistic(loss: Loss, name: str) -> float | Tensor:
    if name != "class_counts":
        return STATISTICS[name]
    counts = torch.tensor(COUNTS, dtype=torch.float64)
    return counts if loss.form is TargetForm.INDEX else counts[None, :2]


def outputs(loss: Loss) -> int:
    """Return how many numbers a network gives a row here."""
    return 1 if loss.elementwise else CLASSES


def widths(loss: Loss) -> tuple[int, ...]:
    """Return how many numbers a row to try it with."""
    return (1, 2) if loss.elementwise else (CLASSES,)


def encoded(pair: Pair, target: Tensor, dtype: torch.dtype = torch.float64) -> Tensor:
    """Return class targets as the pair trains on them."""
    zero, one = torch.zeros(1, dtype=dtype), torch.ones(1, dtype=dtype)
    return pair.encoding.encode(target, outputs(pair.loss), zero, one)


def reals(
    pair: Pair, shape: tuple[int, ...], stream: torch.Generator, dtype: torch.dtype = torch.float64
) -> Tensor:
    """Return encoded regression targets inside what the loss and the encoding hold."""
    held = pair.encoding.held(TargetFacts(pair.kind))
    low, high = pair.loss.targets.low, pair.loss.targets.high
    if isinstance(held, Range):
        low, high = max(low, held.low), min(high, held.high)
    unit = torch.rand(shape, generator=stream, dtype=dtype) * 0.9 + 0.05
    if high < float("inf"):
        return low + (high - low) * unit
    return torch.logit(unit) if low == float("-inf") else low - 2 * torch.log(unit)


def shares(shape: tuple[int, ...], stream: torch.Generator, dtype: torch.dtype = torch.float64) -> Tensor:
    """Return rows of numbers above 0 that sum to 1."""
    return torch.softmax(1.5 * torch.randn(shape, generator=stream, dtype=dtype), dim=-1)


def draw(pair: Pair, rows: int, *lead: int, outs: int | None = None) -> Sample:
    """Return a sample of ``rows`` rows, with leading axes ``lead``."""
    stream = generator(0, "losses", pair.name, rows)
    n_out, head = outs or outputs(pair.loss), pair.loss.head
    width = n_out if head is None else head.width(n_out)
    raw = 1.5 * torch.randn((*lead, rows, width), generator=stream, dtype=torch.float64)
    shape = (*lead, rows) if pair.loss.form is TargetForm.INDEX else (*lead, rows, n_out)
    if pair.loss.form is TargetForm.SHARES:
        return Sample(raw, shares(shape, stream))
    if pair.loss.form is TargetForm.REAL:
        return Sample(raw, reals(pair, shape, stream))
    classes = CLASSES if pair.loss.form is TargetForm.INDEX else 2
    return Sample(raw, encoded(pair, torch.randint(classes, shape, generator=stream)))


def away_from_kinks(pair: Pair, sample: Sample, distance: float = 0.05) -> Sample:
    """Return the rows of a sample whose errors and margins are not near a declared kink."""
    output, target = pair.activation(sample.raw), sample.encoded
    if not pair.loss.kinks or target.shape != output.shape:
        return sample
    near = torch.zeros(len(output), dtype=torch.bool)
    for kink in pair.loss.kinks:
        for what in (output - target, output * target, output):
            near |= ((what - kink).abs() < distance).any(dim=-1)
    return Sample(sample.raw[~near], target[~near])


def stacks(params: tuple[Parameter, ...], k: int) -> dict[str, Tensor]:
    """Return k values of each parameter over its range, (k,)."""
    return {p.name: torch.linspace(p.low, p.high, k, dtype=torch.float64) for p in params}


def minimised(risk: Callable[[Tensor], Tensor], n_out: int) -> Tensor:
    """Return the raw output (n_out,) that minimises ``risk`` of outputs (M, n_out).

    One output is scanned, twice as fine the second time; more are descended from 0.
    """
    if n_out == 1:
        grid = torch.linspace(-15, 15, 3001, dtype=torch.float64)
        best = grid[risk(grid[:, None]).argmin()]
        fine = best + torch.linspace(-0.02, 0.02, 4001, dtype=torch.float64)
        return fine[risk(fine[:, None]).argmin()].unsqueeze(0)

    def value_and_derivative(z: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        point = torch.tensor(z[None, :], requires_grad=True)
        value = risk(point).sum()
        (derivative,) = torch.autograd.grad(value, point)
        return value.item(), derivative[0].numpy()

    found = minimize(value_and_derivative, np.zeros(n_out), jac=True, method="BFGS", options={"gtol": 1e-9})
    return torch.as_tensor(found.x)
