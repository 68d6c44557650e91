"""Losses for real targets that heed large errors less than the square does, or one side more. e = f - y."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lossearch._lazy import torch
from lossearch.losses.declaration import loss
from lossearch.losses.parameter import Parameter
from lossearch.losses.relations import Contained

if TYPE_CHECKING:
    from torch import Tensor

_EPS = 1e-6
"""What keeps Barron's loss from dividing by 0 where it is a limit, as in its author's code."""


def _scale(low: float, high: float, default: float = 1.0, name: str = "c") -> Parameter:
    return Parameter(
        name, default, low, high, log=True, words="error, in units of the encoded target, from which less is heeded",
        valid=(1e-6, 1e6),
    )  # fmt: skip


def _pseudo_huber_derivative(output: Tensor, target: Tensor, *, delta: float | Tensor) -> Tensor:
    error = output - target
    return error / torch.sqrt(1 + (error / delta).square())


@loss(
    task="regression",
    encoding="standardised",
    families=("robust",),
    source="Charbonnier et al. 1997; Hartley & Zisserman 2003",
    formula="delta^2 (sqrt(1 + (e / delta)^2) - 1)",
    aliases=("charbonnier", "PseudoHuber", "pseudo_huber_loss"),
    params=(_scale(0.01, 10.0, name="delta"),),
    contains=(
        Contained("mse", {"delta": 10.0}, factor=0.5, near=0.2),
        Contained("mae", {"delta": 0.01}, factor=0.01, near=0.05),
    ),
    derivative=_pseudo_huber_derivative,
    on_request=True,
    example=(0.5, 2.0, 0.8027756377319946),
)
def pseudo_huber(output: Tensor, target: Tensor, *, delta: float | Tensor) -> Tensor:
    """Return a smooth loss between the square near 0 and the absolute error far from it."""
    square = ((output - target) / delta).square()
    return delta**2 * square / (torch.sqrt(1 + square) + 1)


def _barron_terms(error: Tensor, alpha: float | Tensor, c: float | Tensor) -> tuple[Tensor, Tensor, Tensor]:
    shape = torch.as_tensor(alpha, dtype=error.dtype, device=error.device)
    b = (shape - 2).abs() + _EPS
    d = torch.where(shape >= 0, shape + _EPS, shape - _EPS)
    return b, d, torch.log1p((error / c).square() / b)


def _barron_derivative(output: Tensor, target: Tensor, *, alpha: float | Tensor, c: float | Tensor) -> Tensor:
    error = output - target
    _, d, logs = _barron_terms(error, alpha, c)
    return error / c**2 * torch.exp((d / 2 - 1) * logs)


@loss(
    task="regression",
    encoding="standardised",
    families=("robust",),
    source="Barron 2019",
    formula="|alpha - 2| / alpha (((e / c)^2 / |alpha - 2| + 1)^(alpha / 2) - 1), and its limits",
    aliases=("general_robust", "adaptive_robust"),
    params=(
        Parameter(
            "alpha",
            1.0,
            -2.0,
            2.0,
            words="2 is half of mse, 1 pseudo_huber, 0 cauchy, -2 geman_mcclure",
            valid=(-100.0, 2.0),
        ),
        _scale(0.1, 10.0),
    ),
    contains=(
        Contained("mse", {"alpha": 2.0, "c": 1.0}, factor=0.5, near=1e-4),
        Contained("pseudo_huber", {"alpha": 1.0, "c": 1.0}, near=1e-4),
        Contained("cauchy", {"alpha": 0.0}, near=1e-4, shared={"c": "c"}),
        Contained("geman_mcclure", {"alpha": -2.0}, near=1e-4, shared={"c": "c"}),
    ),
    derivative=_barron_derivative,
    on_request=True,
    example=(0.5, 2.0, 0.8027760761193674),
)
def barron(output: Tensor, target: Tensor, *, alpha: float | Tensor, c: float | Tensor) -> Tensor:
    """Return the family of which alpha says how far large errors are heeded."""
    b, d, logs = _barron_terms(output - target, alpha, c)
    return b / d * torch.expm1(d / 2 * logs)


def _cauchy_derivative(output: Tensor, target: Tensor, *, c: float | Tensor) -> Tensor:
    error = output - target
    return 2 * error / (2 * c**2 + error.square())


_REDESCENDING = {"identity": "its gradient fades for large errors: rows that start far off may stay there."}


@loss(
    task="regression",
    encoding="standardised",
    families=("robust",),
    source="Black & Anandan 1996",
    formula="log(1 + (e / c)^2 / 2)",
    aliases=("lorentzian",),
    params=(_scale(0.1, 10.0),),
    caution=_REDESCENDING,
    derivative=_cauchy_derivative,
    on_request=True,
    example=(0.5, 2.0, 0.7537718023763802),
)
def cauchy(output: Tensor, target: Tensor, *, c: float | Tensor) -> Tensor:
    """Return the negative log-likelihood of errors with the tails of a Cauchy distribution."""
    return torch.log1p(((output - target) / c).square() / 2)


def _geman_derivative(output: Tensor, target: Tensor, *, c: float | Tensor) -> Tensor:
    error = output - target
    return 16 * error * c**2 / (error.square() + 4 * c**2).square()


@loss(
    task="regression",
    encoding="standardised",
    families=("robust",),
    source="Geman & McClure 1985",
    formula="2 (e / c)^2 / ((e / c)^2 + 4)",
    params=(_scale(0.3, 10.0),),
    caution=_REDESCENDING,
    derivative=_geman_derivative,
    on_request=True,
    example=(0.5, 2.0, 0.72),
)
def geman_mcclure(output: Tensor, target: Tensor, *, c: float | Tensor) -> Tensor:
    """Return a loss that is bounded by 2."""
    square = ((output - target) / c).square()
    return 2 * square / (square + 4)


def _welsch_derivative(output: Tensor, target: Tensor, *, c: float | Tensor) -> Tensor:
    error = output - target
    return error / c**2 * torch.exp(-(error / c).square() / 2)


@loss(
    task="regression",
    encoding="standardised",
    families=("robust",),
    source="Dennis & Welsch 1978",
    formula="1 - exp(-(e / c)^2 / 2)",
    aliases=("leclerc", "correntropy"),
    params=(_scale(0.3, 10.0),),
    caution=_REDESCENDING,
    derivative=_welsch_derivative,
    on_request=True,
    example=(0.5, 2.0, 0.6753475326416503),
)
def welsch(output: Tensor, target: Tensor, *, c: float | Tensor) -> Tensor:
    """Return a loss that is bounded by 1, and soon reaches it."""
    return -torch.expm1(-((output - target) / c).square() / 2)


def _tukey_derivative(output: Tensor, target: Tensor, *, c: float | Tensor) -> Tensor:
    error = output - target
    return error * (1 - (error / c).square()).clamp(min=0).square()


@loss(
    task="regression",
    encoding="standardised",
    families=("robust",),
    source="Beaton & Tukey 1974",
    formula="c^2 / 6 (1 - (1 - (e / c)^2)^3) where |e| <= c, else c^2 / 6",
    aliases=("tukey", "biweight", "bisquare"),
    params=(_scale(1.0, 10.0, 4.685),),
    caution={"identity": "its gradient is 0 for errors above c: rows that start there stay there."},
    derivative=_tukey_derivative,
    on_request=True,
    example=(0.5, 2.0, 1.0136175814308004),
)
def tukey_biweight(output: Tensor, target: Tensor, *, c: float | Tensor) -> Tensor:
    """Return a loss that is constant for errors above ``c``."""
    inside = (1 - ((output - target) / c).square()).clamp(min=0)
    return c**2 / 6 * (1 - inside**3)


_TUBE = Parameter(
    "epsilon", 0.1, 0.001, 1.0, log=True, words="error, in units of the encoded target, that costs nothing", valid=(1e-9, 1e6)
)  # fmt: skip


def _tube_derivative(output: Tensor, target: Tensor, *, epsilon: float | Tensor) -> Tensor:
    error = output - target
    return error.sign() * (error.abs() >= epsilon)


@loss(
    task="regression",
    encoding="standardised",
    families=("robust",),
    source="Vapnik 1995",
    formula="max(0, |e| - epsilon)",
    aliases=("svr",),
    params=(_TUBE,),
    derivative=_tube_derivative,
    kinks=(-0.1, 0.1),
    on_request=True,
    example=(0.5, 2.0, 1.4),
)
def epsilon_insensitive(output: Tensor, target: Tensor, *, epsilon: float | Tensor) -> Tensor:
    """Return by how much the absolute error is above ``epsilon``."""
    return ((output - target).abs() - epsilon).clamp(min=0)


def _squared_tube_derivative(output: Tensor, target: Tensor, *, epsilon: float | Tensor) -> Tensor:
    error = output - target
    return 2 * error.sign() * (error.abs() - epsilon).clamp(min=0)


@loss(
    task="regression",
    encoding="standardised",
    source="Vapnik 1995",
    formula="max(0, |e| - epsilon)^2",
    params=(_TUBE,),
    derivative=_squared_tube_derivative,
    on_request=True,
    example=(0.5, 2.0, 1.96),
)
def squared_epsilon_insensitive(output: Tensor, target: Tensor, *, epsilon: float | Tensor) -> Tensor:
    """Return the square of how much the absolute error is above ``epsilon``."""
    return ((output - target).abs() - epsilon).clamp(min=0).square()


def _wing_derivative(
    output: Tensor, target: Tensor, *, width: float | Tensor, epsilon: float | Tensor
) -> Tensor:
    error = output - target
    near = width / (epsilon + error.abs())
    return error.sign() * torch.where(error.abs() < width, near, torch.ones_like(near))


@loss(
    task="regression",
    encoding="standardised",
    families=("robust",),
    source="Feng et al. 2018",
    formula="w log(1 + |e| / epsilon) where |e| < w, else |e| - w + w log(1 + w / epsilon)",
    aliases=("wing_loss", "WingLoss"),
    params=(
        Parameter(
            "width",
            1.0,
            0.1,
            10.0,
            log=True,
            words="error up to which small ones are stressed",
            valid=(1e-6, 1e6),
        ),
        Parameter("epsilon", 0.2, 0.05, 5.0, log=True, words="how pointed it is at 0", valid=(1e-6, 1e6)),
    ),
    derivative=_wing_derivative,
    kinks=(-1.0, 0.0, 1.0),
    on_request=True,
    example=(0.5, 2.0, 2.291759469228055),
)
def wing(output: Tensor, target: Tensor, *, width: float | Tensor, epsilon: float | Tensor) -> Tensor:
    """Return a loss that stresses small and middling errors."""
    error = (output - target).abs()
    near = error.clamp(max=width)
    return width * torch.log1p(near / epsilon) + error - near


LOSSES = (
    pseudo_huber, barron, cauchy, geman_mcclure, welsch, tukey_biweight, epsilon_insensitive,
    squared_epsilon_insensitive, wing,
)  # fmt: skip
