"""Losses of two classes, or of labels, that are bounded, so that rows far on the wrong side are given up.

u = s f is the margin, with s the class as -1 or +1 and f the score.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lossearch._lazy import torch
from lossearch.losses.binary import from_half_log_odds
from lossearch.losses.binary_margins import margin_of
from lossearch.losses.declaration import loss
from lossearch.losses.relations import Equivalent

if TYPE_CHECKING:
    from torch import Tensor

_LABELS = ("binary", "multilabel")


def _savage_derivative(output: Tensor, target: Tensor) -> Tensor:
    wrong = torch.sigmoid(-2 * margin_of(output, target))
    return -4 * target * wrong.square() * (1 - wrong)


@loss(
    task=_LABELS,
    encoding="plus_minus_one",
    domain="margins",
    families=(
        "margin",
        "noisy_labels",
    ),
    source="Masnadi-Shirazi & Vasconcelos 2008",
    formula="1 / (1 + exp(2 s f))^2",
    aliases=("savage_loss",),
    probability={"identity": from_half_log_odds},
    equivalent={
        "identity": Equivalent("mse/sigmoid", "1 / (1 + exp(2 s z))^2 = (sigmoid(2z) - y)^2", scale=2)
    },
    derivative=_savage_derivative,
    on_request=True,
    example=(0.5, 1.0, 0.07232948812851325),
)
def savage(output: Tensor, target: Tensor) -> Tensor:
    """Return a loss that is bounded, so that rows far on the wrong side are given up."""
    return torch.sigmoid(-2 * margin_of(output, target)).square()


def _tangent_probability(raw: Tensor) -> Tensor:
    return (raw.arctan() + 0.5).clamp(0, 1)


def _tangent_derivative(output: Tensor, target: Tensor) -> Tensor:
    margin = margin_of(output, target)
    return 4 * target * (2 * margin.arctan() - 1) / (1 + margin.square())


@loss(
    task=_LABELS,
    encoding="plus_minus_one",
    domain="margins",
    families=(
        "margin",
        "noisy_labels",
    ),
    source="Masnadi-Shirazi, Mahadevan & Vasconcelos 2010",
    formula="(2 arctan(s f) - 1)^2",
    aliases=("tangent_loss",),
    probability={"identity": _tangent_probability},
    derivative=_tangent_derivative,
    caution={"identity": "what is right by more than 0.55 is penalised again."},
    on_request=True,
    example=(0.5, 1.0, 0.005285985325433097),
)
def tangent(output: Tensor, target: Tensor) -> Tensor:
    """Return a bounded loss that also penalises scores that are right by far."""
    return (2 * margin_of(output, target).arctan() - 1).square()


def _ramp_derivative(output: Tensor, target: Tensor) -> Tensor:
    margin = margin_of(output, target)
    return -target * ((margin >= -1) & (margin <= 1)) / 2


@loss(
    task=_LABELS,
    encoding="plus_minus_one",
    domain="margins",
    families=(
        "margin",
        "noisy_labels",
    ),
    source="Collobert et al. 2006",
    formula="min(1, max(0, (1 - s f) / 2))",
    aliases=("ramp_loss",),
    derivative=_ramp_derivative,
    kinks=(-1.0, 1.0),
    caution={
        "identity": "its gradient is 0 beyond a score of 1 on the wrong side: such rows never come back."
    },
    on_request=True,
    example=(0.5, 1.0, 0.25),
)
def ramp(output: Tensor, target: Tensor) -> Tensor:
    """Return the hinge cut off at 1: rows on the wrong side by far are given up."""
    return ((1 - margin_of(output, target)) / 2).clamp(0, 1)


def _sigmoid_loss_derivative(output: Tensor, target: Tensor) -> Tensor:
    wrong = torch.sigmoid(-margin_of(output, target))
    return target * (wrong.square() - wrong)


@loss(
    task=_LABELS,
    encoding="plus_minus_one",
    domain="margins",
    families=(
        "margin",
        "noisy_labels",
    ),
    source="Mason et al. 1999",
    formula="sigmoid(-s f)",
    equivalent={"identity": Equivalent("mae/sigmoid", "sigmoid(-s z) = |sigmoid(z) - y|")},
    derivative=_sigmoid_loss_derivative,
    on_request=True,
    example=(0.5, 1.0, 0.3775406687981454),
)
def sigmoid_loss(output: Tensor, target: Tensor) -> Tensor:
    """Return the sigmoid of minus the margin, which is bounded and smooth."""
    return torch.sigmoid(-margin_of(output, target))


def _unhinged_derivative(output: Tensor, target: Tensor) -> Tensor:
    return -target.expand_as(output)


@loss(
    task=_LABELS,
    encoding="plus_minus_one",
    domain="tanh",
    families=(
        "margin",
        "noisy_labels",
    ),
    source="van Rooyen, Menon & Williamson 2015",
    formula="1 - s f, of scores that are bounded",
    aliases=("unhinged_loss", "linear"),
    equivalent={"tanh": Equivalent("mae/sigmoid", "1 - s tanh z = 2 |sigmoid(2z) - y|", factor=2, scale=2)},
    derivative=_unhinged_derivative,
    on_request=True,
    example=(0.5, 1.0, 0.5),
)
def unhinged(output: Tensor, target: Tensor) -> Tensor:
    """Return 1 minus the margin, which has no least value where scores are not bounded."""
    return 1 - margin_of(output, target)


LOSSES = (savage, tangent, ramp, sigmoid_loss, unhinged)
