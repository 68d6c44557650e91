"""What ordinal losses share: probabilities of levels from what is said of "above level k", and the heads that say it.

Of K levels, 0 to K - 1, there are K - 1 places to be above of; logits of "above" lie along the last axis.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from lossearch._lazy import functional, torch
from lossearch.losses.heads import Head

if TYPE_CHECKING:
    from torch import Tensor, nn


def levels_above(output: Tensor, target: Tensor) -> Tensor:
    """Return which levels each target lies above, (..., N, K - 1), of output so wide."""
    return target.unsqueeze(-1) > torch.arange(output.shape[-1], device=output.device)


def of_steps(log_reach: Tensor, log_stop: Tensor) -> Tensor:
    """Return log-probabilities of K levels, (..., N, K), of climbing from each level to the next, or stopping there.

    Args:
        log_reach: log-probability of level k + 1 or above where level k is reached, (..., N, K - 1).
        log_stop: log-probability of stopping at level k there, of the same shape.
    """
    return functional.pad(log_reach.cumsum(dim=-1), (1, 0)) + functional.pad(log_stop, (0, 1))


def of_logits(above: Tensor) -> Tensor:
    """Return log-probabilities of K levels, (..., N, K), from logits of "above level k", (..., N, K - 1).

    Where a logit is above one before it, which no distribution is, the smallest so far stands for it; levels between
    equals have next to nothing.
    """
    logits = above.cummin(dim=-1).values
    gap = (logits[..., :-1] - logits[..., 1:]).clamp(min=torch.finfo(above.dtype).tiny)
    return between(logits, torch.log(-torch.expm1(-gap)))


def between(above: Tensor, log_share: Tensor) -> Tensor:
    """Return log-probabilities of K levels, (..., N, K), of logits that fall by gaps, (..., N, K - 2).

    sigmoid(a) - sigmoid(b) = sigmoid(a) sigmoid(-b) (1 - exp(b - a)), of which ``log_share`` is the last logarithm.
    """
    return (
        functional.pad(functional.logsigmoid(above), (1, 0))
        + functional.pad(functional.logsigmoid(-above), (0, 1))
        + functional.pad(log_share, (1, 1))
    )


def fewer_by_one(n_out: int) -> int:
    """Return how many places there are to be above of, K - 1."""
    return n_out - 1


def one(_: int) -> int:
    """Return 1, whatever the number of levels."""
    return 1


def _biases(levels: int) -> nn.Module:
    from lossearch.losses._layers import Biases

    return Biases(levels)


def _thresholds(levels: int) -> nn.Module:
    from lossearch.losses._layers import Thresholds

    return Thresholds(levels)


def _repeated(levels: int) -> nn.Module:
    from lossearch.losses._layers import Repeated

    return Repeated(levels)


def ordered(output: Tensor) -> Tensor:
    """Return how far the score is above each threshold, falling, (..., K - 1), from what ``_layers.Thresholds`` gives."""
    rises = functional.softplus(output[..., 1:]).cumsum(dim=-1)
    return output[..., :1] - functional.pad(rises, (1, 0))


def _logits(raw: Tensor, _: int) -> Tensor:
    return of_logits(raw)


def _conditional(raw: Tensor, _: int) -> Tensor:
    return of_steps(functional.logsigmoid(raw), functional.logsigmoid(-raw))


def proportional_odds(output: Tensor) -> Tensor:
    """Return log-probabilities of K levels, (..., N, K), of logistic thresholds."""
    # of a gap softplus(g) the share is sigmoid(g)
    return between(ordered(output), functional.logsigmoid(output[..., 1:]))


def proportional_probits(output: Tensor) -> Tensor:
    """Return log-probabilities of K levels, (..., N, K), of normal thresholds."""
    above = ordered(output)
    high, low = above[..., :-1], above[..., 1:]
    # the same area on the left of 0, where the logarithm of each end is exact
    right = high + low > 0
    high, low = torch.where(right, -low, high), torch.where(right, -high, low)
    upper = _log_ndtr(high)
    gap = (upper - _log_ndtr(low)).clamp(min=torch.finfo(output.dtype).tiny)
    inner = upper + torch.log(-torch.expm1(-gap))
    return torch.cat([_log_ndtr(-above[..., :1]), inner, _log_ndtr(above[..., -1:])], dim=-1)


def _log_ndtr(x: Tensor) -> Tensor:
    """Return the logarithm of the normal distribution, for which torch.special.log_ndtr has no rule under vmap."""
    below, above = x.clamp(max=0), x.clamp(min=0) / math.sqrt(2)
    tail = torch.log(torch.special.erfcx(-below / math.sqrt(2)) / 2) - below.square() / 2
    return torch.where(x < 0, tail, torch.log1p(-torch.erfc(above) / 2))


def log_binomial(output: Tensor) -> Tensor:
    """Return log-probabilities of K levels, (..., N, K), of as many equal trials as output is wide."""
    trials = output.shape[-1]
    score = output.mean(dim=-1, keepdim=True)
    k = torch.arange(trials + 1, dtype=output.dtype, device=output.device)
    n = torch.full_like(k, trials)
    ways = torch.lgamma(n + 1) - torch.lgamma(k + 1) - torch.lgamma(n - k + 1)
    return ways + k * functional.logsigmoid(score) + (n - k) * functional.logsigmoid(-score)


def _odds(raw: Tensor, _: int) -> Tensor:
    return proportional_odds(raw)


def _probits(raw: Tensor, _: int) -> Tensor:
    return proportional_probits(raw)


def _binomial(raw: Tensor, _: int) -> Tensor:
    return log_binomial(raw)


def _nearness(raw: Tensor, n_out: int) -> Tensor:
    level = torch.arange(n_out, dtype=raw.dtype, device=raw.device)
    return -(raw.mean(dim=-1, keepdim=True) - level).square()


SHARED_SCORE = Head("score and a bias for each level", fewer_by_one, _logits, layer=_biases, inner=one)
EVERY_LEVEL = Head("logit of each level", fewer_by_one, _logits)
STEP_BY_STEP = Head("logit of each step", fewer_by_one, _conditional)
LOGISTIC = Head("score and ordered thresholds", fewer_by_one, _odds, layer=_thresholds, inner=one)
NORMAL = Head("score and ordered thresholds", fewer_by_one, _probits, layer=_thresholds, inner=one)
TRIALS = Head("score of equal trials", fewer_by_one, _binomial, layer=_repeated, inner=one)
INDEX = Head("number in the place of a level", fewer_by_one, _nearness, layer=_repeated, inner=one)
