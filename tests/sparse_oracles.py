"""Sparse distributions of scores by root finding, and the losses that they are the minimisers of."""

from __future__ import annotations

import numpy as np
from scipy import optimize


def sparsest(z):
    """Return the sparsemax of scores (C,)."""
    tau = optimize.brentq(lambda t: np.maximum(z - t, 0).sum() - 1, z.min() - 1, z.max(), xtol=1e-14)
    return np.maximum(z - tau, 0)


def sparser(z):
    """Return the 1.5-entmax of scores (C,)."""
    tau = optimize.brentq(
        lambda t: (np.maximum(z / 2 - t, 0) ** 2).sum() - 1, z.min() / 2 - 1, z.max() / 2, xtol=1e-14
    )
    return np.maximum(z / 2 - tau, 0) ** 2


def half_square(p):
    """Return the entropy, less its sign, whose prediction is the sparsemax."""
    return (p**2).sum() / 2


def half_power(p):
    """Return that of the 1.5-entmax."""
    return (p**1.5 - p).sum() / 0.75


def fenchel_young(z, y, argmax, omega):
    """Return Omega*(z) + Omega(y) - z . y of scores and shares (N, C), Blondel et al. 2020."""
    best = [argmax(score) for score in z]
    return [p @ s - omega(p) + omega(q) - s @ q for p, s, q in zip(best, z, y, strict=True)]
