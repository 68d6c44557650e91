"""Losses of the margin u = s f for two classes, or for labels, with s the class as -1 or +1 and f the score."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lossearch._lazy import torch
from lossearch.losses.binary import MARGIN, from_half_log_odds, from_score
from lossearch.losses.declaration import loss
from lossearch.losses.parameter import Parameter
from lossearch.losses.relations import Equivalent

if TYPE_CHECKING:
    from torch import Tensor

_LABELS = ("binary", "multilabel")
_FARTHEST = 50.0
"""How far on the wrong side the exponential loss goes on as a line; nothing learns from e^50 anyway."""


def _cubed_hinge_probability(raw: Tensor, *, margin: float | Tensor) -> Tensor:
    z = (raw / margin).clamp(-1, 1)
    right, wrong = (1 + z).square(), (1 - z).square()
    return right / (right + wrong)


def _cubed_hinge_derivative(output: Tensor, target: Tensor, *, margin: float | Tensor) -> Tensor:
    return -3 * target * (margin - target * output).clamp(min=0).square()


@loss(
    task=_LABELS,
    encoding="plus_minus_one",
    domain="margins",
    families=("margin",),
    source="Janocha & Czarnecki 2017",
    formula="max(0, margin - s f)^3",
    params=(MARGIN,),
    probability={"identity": _cubed_hinge_probability},
    derivative=_cubed_hinge_derivative,
    on_request=True,
    example=(0.5, 1.0, 0.125),
)
def cubed_hinge(output: Tensor, target: Tensor, *, margin: float | Tensor) -> Tensor:
    """Return the cube of how far the score falls short of the margin."""
    return (margin - target * output).clamp(min=0) ** 3


def _smoothed_hinge_probability(raw: Tensor, *, gamma: float | Tensor) -> Tensor:
    size = raw.abs().clamp(max=1)
    likelier = torch.where(size <= gamma - 1, (1 + size) / 2, gamma / (gamma + 1 - size)).clamp(0.5, 1)
    return torch.where(raw >= 0, likelier, 1 - likelier)


def _smoothed_hinge_derivative(output: Tensor, target: Tensor, *, gamma: float | Tensor) -> Tensor:
    return -target * ((1 - target * output).clamp(min=0) / gamma).clamp(max=1)


@loss(
    task=_LABELS,
    encoding="plus_minus_one",
    domain="margins",
    families=("margin",),
    source="Zhang 2004; Rennie & Srebro 2005",
    formula="h^2 / (2 gamma) where h <= gamma, else h - gamma / 2, with h = max(0, 1 - s f)",
    aliases=("smooth_hinge", "quadratically_smoothed_hinge", "huberised_hinge"),
    params=(
        Parameter("gamma", 1.0, 0.05, 2.0, log=True, words="width of the rounded corner", valid=(1e-6, 2.0)),
    ),
    probability={"identity": _smoothed_hinge_probability},
    derivative=_smoothed_hinge_derivative,
    on_request=True,
    example=(0.5, 1.0, 0.125),
)
def smoothed_hinge(output: Tensor, target: Tensor, *, gamma: float | Tensor) -> Tensor:
    """Return the hinge with a rounded corner."""
    short = (1 - target * output).clamp(min=0)
    near = short.clamp(max=gamma)
    return near.square() / (2 * gamma) + short - near


def _modified_huber_derivative(output: Tensor, target: Tensor) -> Tensor:
    return -2 * target * (1 - target * output).clamp(0, 2)


@loss(
    task=_LABELS,
    encoding="plus_minus_one",
    domain="margins",
    families=("margin",),
    source="Zhang 2004",
    formula="max(0, 1 - s f)^2 where s f >= -1, else -4 s f",
    probability={"identity": from_score},
    derivative=_modified_huber_derivative,
    on_request=True,
    example=(-2.0, 1.0, 8.0),
)
def modified_huber(output: Tensor, target: Tensor) -> Tensor:
    """Return the squared hinge, which beyond a score of 1 on the wrong side goes on as a line."""
    short = (1 - target * output).clamp(min=0)
    near = short.clamp(max=2)
    return near.square() + 4 * (short - near)


def _sparsemax_derivative(output: Tensor, target: Tensor) -> Tensor:
    return _modified_huber_derivative(output, target) / 4


@loss(
    task=_LABELS,
    encoding="plus_minus_one",
    domain="margins",
    families=("margin",),
    source="Martins & Astudillo 2016; Blondel et al. 2020",
    formula="0 where s f >= 1, (1 - s f)^2 / 4 where |s f| < 1, else -s f",
    aliases=("sparsemax_loss", "sparsemax"),
    probability={"identity": from_score},
    equivalent={"identity": Equivalent("modified_huber/identity", "a quarter of it", factor=0.25)},
    derivative=_sparsemax_derivative,
    on_request=True,
    example=(0.5, 1.0, 0.0625),
)
def sparsemax_binary(output: Tensor, target: Tensor) -> Tensor:
    """Return the Fenchel-Young loss of sparsemax for two classes."""
    return modified_huber(output, target) / 4


def margin_of(output: Tensor, target: Tensor) -> Tensor:
    """Return how far scores are on the right side."""
    return target * output


def _exponential_derivative(output: Tensor, target: Tensor) -> Tensor:
    return -target * torch.exp(-margin_of(output, target).clamp(min=-_FARTHEST))


@loss(
    task=_LABELS,
    encoding="plus_minus_one",
    domain="margins",
    families=("margin",),
    source="Freund & Schapire 1997",
    formula="exp(-s f)",
    aliases=("exponential_loss", "adaboost"),
    probability={"identity": from_half_log_odds},
    derivative=_exponential_derivative,
    caution={"identity": "one row far on the wrong side outweighs all others, a mislabelled one too."},
    on_request=True,
    example=(0.5, 1.0, 0.6065306597126334),
)
def exponential(output: Tensor, target: Tensor) -> Tensor:
    """Return the exponential of minus the margin, beyond 50 on the wrong side its tangent."""
    margin = margin_of(output, target)
    near = margin.clamp(min=-_FARTHEST)
    return torch.exp(-near) * (1 + near - margin)


def _perceptron_derivative(output: Tensor, target: Tensor) -> Tensor:
    # at the kink itself as torch's clamp has it
    return -target * (margin_of(output, target) <= 0)


@loss(
    task=_LABELS,
    encoding="plus_minus_one",
    domain="margins",
    families=("margin",),
    source="Rosenblatt 1958",
    formula="max(0, -s f)",
    aliases=("perceptron_loss",),
    derivative=_perceptron_derivative,
    kinks=(0.0,),
    caution={"identity": "scores of 0 cost nothing, so that without a margin they may end there."},
    on_request=True,
    example=(-0.5, 1.0, 0.5),
)
def perceptron(output: Tensor, target: Tensor) -> Tensor:
    """Return how far the score is on the wrong side."""
    return (-margin_of(output, target)).clamp(min=0)


LOSSES = (cubed_hinge, smoothed_hinge, modified_huber, sparsemax_binary, exponential, perceptron)
