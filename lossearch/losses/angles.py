"""Losses of angles. Targets are radians; the network gives a point of the plane for each, whose direction is the angle."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from lossearch._lazy import torch
from lossearch.losses.declaration import loss
from lossearch.losses.heads import Head

if TYPE_CHECKING:
    from torch import Tensor

FLOOR = 1e-3
"""Length below which a point has less and less of a direction; so gradients are finite at the origin."""


def _direction(raw: Tensor, n_out: int) -> Tensor:
    return torch.atan2(raw[..., n_out:], raw[..., :n_out])


POINT = Head("point of the plane", lambda n: 2 * n, _direction)


def _along_and_across(output: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Return where a point lies along the target's direction, and across it."""
    x, y = output.chunk(2, dim=-1)
    cos, sin = target.cos(), target.sin()
    return x * cos + y * sin, y * cos - x * sin


def _in_plane(along: Tensor, across: Tensor, target: Tensor) -> Tensor:
    """Return a derivative in these two as one in the output."""
    cos, sin = target.cos(), target.sin()
    return torch.cat([along * cos - across * sin, along * sin + across * cos], dim=-1)


def _sine_cosine_derivative(output: Tensor, target: Tensor) -> Tensor:
    return output - torch.cat([target.cos(), target.sin()], dim=-1)


@loss(
    task="angles",
    encoding="raw",
    head=POINT,
    source="Bishop 1995; Beyer et al. 2015",
    class_name="SineCosineMSE",
    formula="((a - cos y)^2 + (b - sin y)^2) / 2, the value is the direction of (a, b)",
    aliases=("sincos", "l2_angle"),
    usual=("identity",),
    derivative=_sine_cosine_derivative,
    example=([1.0, 0.0], [math.pi / 2], 1.0),
)
def sine_cosine_mse(output: Tensor, target: Tensor) -> Tensor:
    """Return half of the squared distance to the target's point of the unit circle."""
    x, y = output.chunk(2, dim=-1)
    return ((x - target.cos()).square() + (y - target.sin()).square()) / 2


def _cosine_derivative(output: Tensor, target: Tensor) -> Tensor:
    along, across = _along_and_across(output, target)
    length = (along.square() + across.square() + FLOOR**2).sqrt()
    pull = 1 / length**3
    return _in_plane(-(across.square() + FLOOR**2) * pull, along * across * pull, target)


@loss(
    task="angles",
    encoding="raw",
    head=POINT,
    source="Beyer et al. 2015",
    formula="1 - cos(f - y), f the direction of the output",
    aliases=("biternion", "biternion_cosine"),
    usual=("identity",),
    derivative=_cosine_derivative,
    example=([1.0, 0.0], [math.pi / 2], 1.0),
)
def cosine_angle(output: Tensor, target: Tensor) -> Tensor:
    """Return 1 less the cosine of the error, whatever the length of the output."""
    along, across = _along_and_across(output, target)
    return 1 - along / (along.square() + across.square() + FLOOR**2).sqrt()


def _angular_derivative(output: Tensor, target: Tensor) -> Tensor:
    along, across = _along_and_across(output, target)
    wide = (across.square() + FLOOR**2).sqrt()
    square = along.square() + wide.square()
    return _in_plane(-wide / square, along * across / (wide * square), target)


@loss(
    task="angles",
    encoding="raw",
    head=POINT,
    families=("robust",),
    source="Beyer et al. 2015",
    class_name="AngularMAE",
    formula="|f - y| the short way round, f the direction of the output",
    aliases=("mean_angular_error",),
    usual=("identity",),
    derivative=_angular_derivative,
    example=([2000.0, 0.0], [math.pi / 2], math.pi / 2),
)
def angular_mae(output: Tensor, target: Tensor) -> Tensor:
    """Return the absolute angle between output and target, rounded where the output is short or meets the target."""
    along, across = _along_and_across(output, target)
    return torch.atan2((across.square() + FLOOR**2).sqrt(), along)


def _concentration(output: Tensor) -> Tensor:
    x, y = output.chunk(2, dim=-1)
    return (x.square() + y.square() + FLOOR**4).sqrt()


def _von_mises_derivative(output: Tensor, target: Tensor) -> Tensor:
    length = _concentration(output)
    # the mean cosine of a von Mises distribution
    mean = torch.special.i1e(length) / torch.special.i0e(length)
    pull = mean / length
    return output * torch.cat([pull, pull], dim=-1) - torch.cat([target.cos(), target.sin()], dim=-1)


@loss(
    task="angles",
    encoding="raw",
    head=POINT,
    families=("likelihood", "probabilistic"),
    source="von Mises 1918; Mardia & Jupp 2000",
    class_name="VonMisesNLL",
    formula="log(2 pi I0(k)) - k cos(f - y), k the length of the output and f its direction",
    aliases=("von_mises",),
    usual=("identity",),
    derivative=_von_mises_derivative,
    example=([1.0, 0.0], [math.pi / 2], 2.073791424916524),
)
def von_mises_nll(output: Tensor, target: Tensor) -> Tensor:
    """Return minus the log-density of a von Mises angle: the output's length is how surely it points where it does."""
    along, _ = _along_and_across(output, target)
    length = _concentration(output)
    found: Tensor = math.log(2 * math.pi) + torch.special.i0e(length).log() + length - along
    return found


LOSSES = (sine_cosine_mse, cosine_angle, angular_mae, von_mises_nll)
