"""Losses for labels, each of which is there or not, most of them not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lossearch._lazy import functional, torch
from lossearch.losses.declaration import loss
from lossearch.losses.parameter import Parameter
from lossearch.losses.relations import Contained

if TYPE_CHECKING:
    from torch import Tensor


def _clipped_log_odds(raw: Tensor, clip: float | Tensor) -> tuple[Tensor, Tensor]:
    """Return p less ``clip``, at least 0, and the logarithm of what is left of 1."""
    shifted = (torch.sigmoid(raw) - clip).clamp(min=0)
    # without a clip log(1 - p) is known from raw output, exact too where p is 1
    plain = torch.as_tensor(clip, dtype=raw.dtype, device=raw.device) == 0
    left = torch.where(plain, torch.zeros_like(shifted), shifted)
    return shifted, torch.where(plain, functional.logsigmoid(-raw), torch.log1p(-left))


def _asymmetric_from_raw(
    raw: Tensor,
    target: Tensor,
    *,
    gamma_neg: float | Tensor,
    gamma_pos: float | Tensor,
    clip: float | Tensor,
) -> Tensor:
    there = torch.exp(gamma_pos * functional.logsigmoid(-raw)) * -functional.logsigmoid(raw)
    shifted, log_left = _clipped_log_odds(raw, clip)
    absent = _power(shifted, gamma_neg) * -log_left
    return target * there + (1 - target) * absent


def _power(base: Tensor, exponent: float | Tensor) -> Tensor:
    """Return a power of numbers from 0 up, whose gradient at 0 is 0 for exponents below 1 too."""
    positive = base > 0
    safe = torch.where(positive, base, torch.ones_like(base))
    zero = torch.as_tensor(exponent, dtype=base.dtype, device=base.device) == 0
    return torch.where(positive, safe**exponent, zero.to(base.dtype).expand_as(base))


@loss(
    task=("binary", "multilabel"),
    encoding="zero_one",
    domain="unit",
    families=("imbalance",),
    source="Ridnik et al. 2021",
    formula="-y (1 - p)^gamma_pos log p - (1 - y) q^gamma_neg log(1 - q), q = max(p - clip, 0)",
    class_name="ASL",
    aliases=("asymmetric_loss", "AsymmetricLoss"),
    params=(
        Parameter(
            "gamma_neg", 4.0, 0.0, 6.0, words="how far easy absent labels are passed over", valid=(0.0, 100.0)
        ),
        Parameter("gamma_pos", 1.0, 0.0, 2.0, words="the same of labels that are there", valid=(0.0, 100.0)),
        Parameter(
            "clip",
            0.05,
            0.0,
            0.2,
            words="probability below which an absent label costs nothing",
            valid=(0.0, 0.9),
        ),
    ),
    contains=(
        Contained("bce", {"gamma_neg": 0.0, "gamma_pos": 0.0, "clip": 0.0}),
        Contained("focal", {"clip": 0.0}, shared={"gamma_neg": "gamma", "gamma_pos": "gamma"}),
    ),
    fused={"sigmoid": _asymmetric_from_raw},
    caution={"sigmoid": "it only ranks: set a threshold of its own where labels are to be told from scores."},
    on_request=True,
    example=(0.5, 1.0, 0.34657359027997264),
)
def asl(
    output: Tensor,
    target: Tensor,
    *,
    gamma_neg: float | Tensor,
    gamma_pos: float | Tensor,
    clip: float | Tensor,
) -> Tensor:
    """Return the cross-entropy, less of it for what is right, and still less where a label is absent."""
    shifted = (output - clip).clamp(min=0)
    there = _power(1 - output, gamma_pos) * -output.clamp(min=torch.finfo(output.dtype).tiny).log()
    return target * there - (1 - target) * _power(shifted, gamma_neg) * torch.log1p(-shifted)


LOSSES = (asl,)
