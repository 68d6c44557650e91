"""Losses whose predictions may give a class, or a part of a whole, exactly nothing: sparsemax and entmax."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lossearch._class_axis import plus_true_class, true_class
from lossearch._lazy import torch
from lossearch.losses.declaration import loss
from lossearch.losses.heads import Head

if TYPE_CHECKING:
    from torch import Tensor


def _ranked(raw: Tensor) -> tuple[Tensor, Tensor]:
    """Return scores less the highest, sorted from the highest down, and their ranks from 1."""
    ordered = torch.sort(raw - raw.amax(dim=-1, keepdim=True), dim=-1, descending=True).values
    return ordered, torch.arange(1, raw.shape[-1] + 1, dtype=raw.dtype, device=raw.device)


def sparsemax(raw: Tensor) -> Tensor:
    """Return the point of the simplex nearest to scores (..., C), Martins & Astudillo 2016."""
    ordered, ranks = _ranked(raw)
    sums = ordered.cumsum(dim=-1)
    size = (1 + ranks * ordered > sums).sum(dim=-1, keepdim=True)
    threshold = (sums.gather(-1, size - 1) - 1) / size
    return (raw - raw.amax(dim=-1, keepdim=True) - threshold).clamp(min=0)


def entmax15(raw: Tensor) -> Tensor:
    """Return the 1.5-entmax of scores (..., C), Peters, Niculae & Martins 2019, algorithm 2."""
    half = raw / 2
    ordered, ranks = _ranked(half)
    mean = ordered.cumsum(dim=-1) / ranks
    spread = ranks * (ordered.square().cumsum(dim=-1) / ranks - mean.square())
    thresholds = mean - ((1 - spread) / ranks).clamp(min=0).sqrt()
    size = (thresholds <= ordered).sum(dim=-1, keepdim=True)
    threshold = thresholds.gather(-1, size - 1)
    return (half - half.amax(dim=-1, keepdim=True) - threshold).clamp(min=0).square()


def _centred(raw: Tensor) -> Tensor:
    return raw - raw.amax(dim=-1, keepdim=True)


def _sparsemax_derivative(output: Tensor, target: Tensor) -> Tensor:
    return plus_true_class(sparsemax(output), target, -1.0)


@loss(
    task="multiclass",
    encoding="index",
    domain="margins",
    families=("sparse",),
    source="Martins & Astudillo 2016",
    formula="p . f - |p|^2 / 2 - f_y + 1 / 2, with p the point of the simplex nearest to f",
    aliases=("sparsemax", "multiclass_sparsemax_loss"),
    probability={"identity": sparsemax},
    derivative=_sparsemax_derivative,
    on_request=True,
    example=([[0.5, 1.0, -2.0]], [0], 0.5625),
)
def sparsemax_loss(output: Tensor, target: Tensor) -> Tensor:
    """Return the Fenchel-Young loss of sparsemax, 0 where the true class leads by 1."""
    scores = _centred(output)
    # at its maximum in p the value does not change with p (Danskin's theorem)
    p = sparsemax(scores.detach())
    return (p * scores - p.square() / 2).sum(dim=-1) - true_class(scores, target) + 0.5


def _entmax_derivative(output: Tensor, target: Tensor) -> Tensor:
    return plus_true_class(entmax15(output), target, -1.0)


@loss(
    task="multiclass",
    encoding="index",
    domain="margins",
    families=("sparse",),
    source="Peters, Niculae & Martins 2019",
    class_name="Entmax15Loss",
    formula="p . f + 4 / 3 sum_k (p_k - p_k^1.5) - f_y, with p = 1.5-entmax(f)",
    aliases=("entmax15", "entmax"),
    probability={"identity": entmax15},
    derivative=_entmax_derivative,
    on_request=True,
    example=([[0.0, 3.0, 0.0]], [1], 0.0),
)
def entmax15_loss(output: Tensor, target: Tensor) -> Tensor:
    """Return the Fenchel-Young loss of 1.5-entmax, between cross-entropy and sparsemax's."""
    scores = _centred(output)
    p = entmax15(scores.detach())
    return (p * scores + (p - p**1.5) * 4 / 3).sum(dim=-1) - true_class(scores, target)


_SHARES: dict[str, Any] = {
    "task": "compositional",
    "encoding": "shares",
    "domain": "margins",
    "families": ("sparse",),
    "usual": ("identity",),
    "on_request": True,
}


@loss(
    name="sparsemax_loss",
    head=Head("point of the simplex nearest to it", lambda n: n, lambda raw, _: sparsemax(raw)),
    source="Martins & Astudillo 2016",
    formula="p . f - |p|^2 / 2 - y . f + |y|^2 / 2, with p the point of the simplex nearest to f",
    aliases=("sparsemax",),
    derivative=lambda output, target: sparsemax(output) - target,
    example=([[0.5, 1.0, -2.0]], [[0.5, 0.5, 0.0]], 0.0625),
    **_SHARES,
)
def sparsemax_of_shares(output: Tensor, target: Tensor) -> Tensor:
    """Return the Fenchel-Young loss of sparsemax for shares of a whole, of which some may be 0."""
    scores = _centred(output)
    p = sparsemax(scores.detach())
    return ((p - target) * scores + (target.square() - p.square()) / 2).sum(dim=-1)


@loss(
    name="entmax15_loss",
    head=Head("1.5-entmax of it", lambda n: n, lambda raw, _: entmax15(raw)),
    source="Peters, Niculae & Martins 2019",
    class_name="Entmax15Loss",
    formula="p . f + 4 / 3 sum_k (p_k - p_k^1.5 - y_k + y_k^1.5) - y . f, with p = 1.5-entmax(f)",
    aliases=("entmax15", "entmax"),
    derivative=lambda output, target: entmax15(output) - target,
    example=([[0.0, 3.0, 0.0]], [[0.0, 1.0, 0.0]], 0.0),
    **_SHARES,
)
def entmax15_of_shares(output: Tensor, target: Tensor) -> Tensor:
    """Return the Fenchel-Young loss of 1.5-entmax for shares of a whole."""
    scores = _centred(output)
    p = entmax15(scores.detach())
    return ((p - target) * scores + (p - p**1.5 - target + target**1.5) * 4 / 3).sum(dim=-1)


LOSSES = (sparsemax_loss, entmax15_loss, sparsemax_of_shares, entmax15_of_shares)
