"""Losses for counts of which some are 0 for a reason of their own.

Outputs are a mean in units of the mean training count, as softplus gives it, and the log-odds of such a zero; the value is
the mean of all. Values are minus the log-likelihood, divided by the mean count, but for what the output has no part in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lossearch._lazy import functional, torch
from lossearch.losses.count import log_softplus, poisson_nll
from lossearch.losses.declaration import loss
from lossearch.losses.heads import Head
from lossearch.losses.positive import neg_binomial_nll

if TYPE_CHECKING:
    from torch import Tensor


def _mean(raw: Tensor, n_out: int) -> Tensor:
    return functional.softplus(raw[..., :n_out]) * torch.sigmoid(-raw[..., n_out:])


_COUNTS: dict[str, Any] = {
    "task": "count",
    "encoding": "nonnegative",
    "head": Head("mean count and the odds of another reason for 0", lambda n: 2 * n, _mean),
    "targets": "nonnegative",
    "cure": poisson_nll.cure,
    "families": ("likelihood",),
    "statistics": ("scale",),
    "usual": ("identity",),
    "on_request": True,
}


def _inflated(
    odds: Tensor, target: Tensor, log_zero: Tensor, others: Tensor, scale: float | Tensor
) -> Tensor:
    """Return the values of a distribution to which zeros are added.

    Args:
        odds: log-odds of an added zero.
        target: counts, by their mean.
        log_zero: log-probability that the distribution gives to 0.
        others: minus its log-likelihood, by the mean count.
        scale: the mean count.
    """
    at_zero = -torch.logaddexp(functional.logsigmoid(odds), functional.logsigmoid(-odds) + log_zero) / scale
    return torch.where(target > 0, others + functional.softplus(odds) / scale, at_zero)


@loss(
    source="Lambert 1992",
    class_name="ZeroInflatedPoissonNLL",
    formula="-log(w + (1 - w) exp(-f)) where y = 0, else -log(1 - w) + f - y log f, in counts, w = sigmoid",
    aliases=("zip", "zero_inflated_poisson"),
    example=([0.0, 0.0], [3.0], 2.4858331228648836),
    **_COUNTS,
)
def zero_inflated_poisson_nll(output: Tensor, target: Tensor, *, scale: float | Tensor) -> Tensor:
    """Return minus the log-likelihood of a Poisson count that is 0 besides with a predicted probability."""
    raw, odds = output.chunk(2, dim=-1)
    mean = functional.softplus(raw)
    return _inflated(odds, target, -mean * scale, mean - target * log_softplus(raw), scale)


@loss(
    source="Greene 1994; Lopez et al. 2018",
    class_name="ZeroInflatedNegBinomialNLL",
    formula="-log(w + (1 - w) (1 + alpha f)^(-1 / alpha)) where y = 0, else -log(1 - w) + neg_binomial_nll, in counts, w = sigmoid",
    aliases=("zinb", "zero_inflated_negative_binomial"),
    params=neg_binomial_nll.params,
    example=([0.0, 0.0], [3.0], 2.6639198497823964),
    **_COUNTS,
)
def zero_inflated_neg_binomial_nll(
    output: Tensor, target: Tensor, *, alpha: float | Tensor, scale: float | Tensor
) -> Tensor:
    """Return the same of a negative binomial count of given spread."""
    raw, odds = output.chunk(2, dim=-1)
    unit = torch.as_tensor(scale, dtype=raw.dtype, device=raw.device)
    log_zero = -torch.log1p(alpha * unit * functional.softplus(raw)) / alpha
    others = neg_binomial_nll.fused["softplus"](raw, target, alpha=alpha, scale=scale)
    return _inflated(odds, target, log_zero, others, scale)


LOSSES = (zero_inflated_poisson_nll, zero_inflated_neg_binomial_nll)
