"""Points that need no model: a spread of learning rates, quasi-random in everything else."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np

from lossearch._lazy import stats
from lossearch._random import stream
from lossearch.space import Dimension, Value


def from_unit(dimension: Dimension, share: float) -> Value:
    """Return the value at a share (0 to 1) of a dimension, on its own scale."""
    if dimension.choices:
        return dimension.choices[min(int(share * len(dimension.choices)), len(dimension.choices) - 1)]
    if dimension.log:
        value = dimension.low * (dimension.high / dimension.low) ** share
    else:
        value = dimension.low + (dimension.high - dimension.low) * share
    value = min(max(value, dimension.low), dimension.high)
    return round(value) if dimension.integer else float(f"{value:.6g}")


def to_unit(dimension: Dimension, value: Value) -> float:
    """Return where a value lies in a dimension, 0 to 1, on its own scale; the inverse of :func:`from_unit`."""
    if dimension.choices:
        return dimension.choices.index(value) / max(len(dimension.choices) - 1, 1)
    number = float(value)
    if dimension.log:
        return math.log(number / dimension.low) / math.log(dimension.high / dimension.low)
    return (number - dimension.low) / (dimension.high - dimension.low)


def spread_order(n: int) -> list[int]:
    """Return 0..n-1 so ordered that every beginning of it is spread out: middle, ends, gaps."""
    order = [n // 2] if n else []
    places = np.arange(n)
    apart = np.abs(places - n // 2)
    while len(order) < n:
        order.append(int(apart.argmax()))  # the first of equals
        apart = np.minimum(apart, np.abs(places - order[-1]))
    return order


def quasi_random(dimensions: Sequence[Dimension], start: int, n: int, seed: int) -> list[dict[str, Value]]:
    """Return points ``start`` to ``start + n`` of one scrambled Halton sequence (Halton 1960; Owen 2017)."""
    if not dimensions:
        return [{} for _ in range(n)]
    sequence = stats.qmc.Halton(
        d=len(dimensions), scramble=True, rng=np.random.default_rng(stream(seed, "halton"))
    )
    if start:
        sequence.fast_forward(start)
    return [
        {d.name: from_unit(d, u) for d, u in zip(dimensions, row, strict=True)} for row in sequence.random(n)
    ]


def space_filling(dimensions: Sequence[Dimension], n: int, seed: int) -> list[dict[str, Value]]:
    """Return ``n`` points: learning rate log-spaced from end to end, quasi-random in the rest.

    The learning rates are the same for every pair, in an order whose every beginning is spread out.
    """
    lr = next((d for d in dimensions if d.name == "lr"), None)
    others = quasi_random([d for d in dimensions if d.name != "lr"], 0, n, seed)
    if lr is None:
        return others
    shares = np.linspace(0, 1, n) if n > 1 else np.array([0.5])
    return [
        {"lr": from_unit(lr, float(shares[i])), **o} for i, o in zip(spread_order(n), others, strict=True)
    ]


def grid(dimensions: Sequence[Dimension], n: int) -> list[dict[str, Value]]:
    """Return at most ``n`` points of an even grid, spread out at every beginning."""
    levels = [
        len(d.choices) if d.choices else max(int(round(n ** (1 / len(dimensions)), 9)), 1) for d in dimensions
    ]
    axes = [
        [from_unit(d, i / max(k - 1, 1)) for i in range(k)] for d, k in zip(dimensions, levels, strict=True)
    ]
    points = list(itertools.product(*axes))
    chosen = [points[i] for i in spread_order(len(points))][:n]
    return [dict(zip((d.name for d in dimensions), p, strict=True)) for p in chosen]


def full_factorial(dimensions: Sequence[Dimension]) -> list[dict[str, Value]] | None:
    """Return every point of a finite space, None where a dimension is continuous."""
    axes: list[Sequence[Value]] = []
    for d in dimensions:
        if d.choices:
            axes.append(d.choices)
        elif d.integer:
            axes.append(range(int(d.low), int(d.high) + 1))
        else:
            return None
    names = [d.name for d in dimensions]
    return [dict(zip(names, p, strict=True)) for p in itertools.product(*axes)]
