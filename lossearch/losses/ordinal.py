"""Losses of levels in an order whose networks say how far up a row is: logits of "above", a score and thresholds.

Levels are counted from 0 to K - 1. Each loss is the sum over a row's own terms, and the batch's is the mean over rows.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from lossearch._class_axis import softmax, true_class
from lossearch._lazy import functional, torch
from lossearch.losses._levels import (
    EVERY_LEVEL,
    INDEX,
    LOGISTIC,
    NORMAL,
    SHARED_SCORE,
    STEP_BY_STEP,
    TRIALS,
    levels_above,
    log_binomial,
    proportional_odds,
    proportional_probits,
)
from lossearch.losses.declaration import Loss, loss

if TYPE_CHECKING:
    from torch import Tensor

_declared: Callable[..., Callable[[Callable[..., Tensor]], Loss]] = partial(
    loss, task="ordinal", encoding="index", usual=("identity",)
)
_PROBABLE: dict[str, Any] = {"probability": {"identity": softmax}}
"""Predictions are made of log-probabilities."""


def _binary(output: Tensor, target: Tensor) -> Tensor:
    return functional.softplus(output) - levels_above(output, target) * output


def _binary_derivative(output: Tensor, target: Tensor) -> Tensor:
    return torch.sigmoid(output) - levels_above(output, target).to(output.dtype)


@_declared(
    head=SHARED_SCORE,
    source="Cao, Mirjalili & Raschka 2020",
    formula="sum_{k<K-1} -log sigmoid(z_k) if y > k, else -log sigmoid(-z_k); z_k = score + b_k",
    aliases=("coral_loss", "CoralLoss"),
    derivative=_binary_derivative,
    example=([[1.0, -1.0]], [1], 0.6265233750364456),
    **_PROBABLE,
)
def coral(output: Tensor, target: Tensor) -> Tensor:
    """Return the sum of a binary cross-entropy for each level but the highest, of one score with a bias for each."""
    return _binary(output, target).sum(dim=-1)


@_declared(
    head=EVERY_LEVEL,
    source="Frank & Hall 2001; Li & Lin 2007; Niu et al. 2016",
    formula="sum_{k<K-1} -log sigmoid(z_k) if y > k, else -log sigmoid(-z_k)",
    aliases=("or_cnn", "ordinal_binary", "frank_hall"),
    derivative=_binary_derivative,
    on_request=True,
    example=([[1.0, -1.0]], [1], 0.6265233750364456),
    **_PROBABLE,
)
def extended_binary(output: Tensor, target: Tensor) -> Tensor:
    """Return the same of logits with weights of their own, which may contradict each other."""
    return _binary(output, target).sum(dim=-1)


def _reached(output: Tensor, target: Tensor) -> Tensor:
    return target.unsqueeze(-1) >= torch.arange(output.shape[-1], device=output.device)


def _corn_derivative(output: Tensor, target: Tensor) -> Tensor:
    return _binary_derivative(output, target) * _reached(output, target)


@_declared(
    head=STEP_BY_STEP,
    source="Shi, Cao & Raschka 2021",
    formula="sum_{k<K-1, k<=y} -log sigmoid(z_k) if y > k, else -log sigmoid(-z_k)",
    aliases=("corn_loss", "CornLoss", "continuation_ratio"),
    families=("likelihood",),
    derivative=_corn_derivative,
    example=([[1.0, -1.0]], [0], 1.3132616875182228),
    **_PROBABLE,
)
def corn(output: Tensor, target: Tensor) -> Tensor:
    """Return a binary cross-entropy for each step that the row came to: whether it went on to the next level.

    It is minus the log-likelihood of a continuation-ratio model. The paper divides a batch's sum by the steps come to, this
    by the rows, so that a row counts the same in every batch: they differ by the mean number of steps, 1 to K - 1.
    """
    return (_binary(output, target) * _reached(output, target)).sum(dim=-1)


@_declared(
    head=LOGISTIC,
    source="McCullagh 1980",
    formula="-log(sigmoid(t_y - s) - sigmoid(t_{y-1} - s)), thresholds t in order",
    aliases=("proportional_odds", "ordered_logit", "cumulative_logit"),
    families=("likelihood",),
    example=([[0.5, 0.3]], [1], 1.5600163018485624),
    **_PROBABLE,
)
def cumulative_link(output: Tensor, target: Tensor) -> Tensor:
    """Return minus the log-likelihood of one score against thresholds that are learned, and stay in order.

    Output is the score less the lowest threshold, and the distances between thresholds before softplus.
    """
    return -true_class(proportional_odds(output), target)


@_declared(
    head=NORMAL,
    source="McCullagh 1980; Aitchison & Silvey 1957",
    formula="-log(Phi(t_y - s) - Phi(t_{y-1} - s)), thresholds t in order",
    aliases=("ordered_probit",),
    families=("likelihood",),
    on_request=True,
    example=([[0.5, 0.3]], [1], 1.1088865108427575),
    **_PROBABLE,
)
def cumulative_probit(output: Tensor, target: Tensor) -> Tensor:
    """Return the same of normal errors in the place of logistic ones."""
    return -true_class(proportional_probits(output), target)


@_declared(
    head=TRIALS,
    source="da Costa & Cardoso 2005; Beckham & Pal 2017",
    class_name="BinomialCE",
    formula="-log Binomial(y; K - 1, sigmoid(s))",
    aliases=("unimodal", "binomial"),
    families=("likelihood",),
    on_request=True,
    example=([[0.0, 0.0]], [1], 0.6931471805599453),
)
def binomial_ce(output: Tensor, target: Tensor) -> Tensor:
    """Return minus the log-likelihood of a binomial distribution of one score, which has a single peak.

    No probabilities are given of it: its distributions are those of one number alone.
    """
    return -true_class(log_binomial(output), target)


def _index_derivative(output: Tensor, target: Tensor) -> Tensor:
    error = output.mean(dim=-1, keepdim=True) - target.unsqueeze(-1)
    return (2 / output.shape[-1] * error).expand_as(output)


@_declared(
    head=INDEX,
    source="Kramer et al. 2001",
    formula="(s - y)^2, y as a number from 0 to K - 1",
    aliases=("ordinal_regression", "mse_of_index"),
    derivative=_index_derivative,
    on_request=True,
    example=([[0.5, 0.5]], [2], 2.25),
)
def index_regression(output: Tensor, target: Tensor) -> Tensor:
    """Return the squared error of one score as the level's number; the nearest level is predicted."""
    return (output.mean(dim=-1) - target).square()


LOSSES = (
    coral, corn, cumulative_link, extended_binary, cumulative_probit, binomial_ce, index_regression,
)  # fmt: skip
