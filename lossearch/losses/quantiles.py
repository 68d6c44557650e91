"""Losses of real targets whose minimiser lies where a chosen share of the targets is below: quantiles and expectiles.

``tau`` is what is asked for, not something to be found out: it is searched only where a study names a range for it, and a
metric that fits it should judge.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lossearch.losses.declaration import loss
from lossearch.losses.parameter import Parameter
from lossearch.losses.regression import smooth_l1
from lossearch.losses.relations import Equivalent

if TYPE_CHECKING:
    from torch import Tensor

_TAU = Parameter(
    "tau", 0.5, 0.05, 0.95, search=False, words="share of the targets that lie below what is predicted", valid=(1e-6, 1 - 1e-6)
)  # fmt: skip


def _weight(error: Tensor, tau: float | Tensor) -> Tensor:
    """Return what errors f - y weigh: 1 - tau above the target, tau below it."""
    above = (error > 0).to(error.dtype)
    return above * (1 - tau) + (1 - above) * tau


def _quantile_derivative(output: Tensor, target: Tensor, *, tau: float | Tensor) -> Tensor:
    error = output - target
    return _weight(error, tau) * error.sign()


@loss(
    task="regression",
    encoding="standardised",
    families=("quantiles", "robust"),
    source="Koenker & Bassett 1978",
    formula="max(tau (y - f), (tau - 1) (y - f))",
    aliases=("pinball", "pinball_loss", "quantile_loss"),
    params=(_TAU,),
    equivalent={
        "identity": Equivalent("mae/identity", "at tau 0.5 it is half of the absolute error", factor=0.5)
    },
    derivative=_quantile_derivative,
    kinks=(0.0,),
    on_request=True,
    example=(0.5, 2.0, 0.75),
)
def quantile(output: Tensor, target: Tensor, *, tau: float | Tensor) -> Tensor:
    """Return the absolute error, weighted by the side it is on; its minimiser is the tau-quantile."""
    error = output - target
    return _weight(error, tau) * error.abs()


def _expectile_derivative(output: Tensor, target: Tensor, *, tau: float | Tensor) -> Tensor:
    error = output - target
    return 2 * _weight(error, tau) * error


@loss(
    task="regression",
    encoding="standardised",
    families=("quantiles",),
    source="Newey & Powell 1987",
    formula="|tau - (y < f)| (y - f)^2",
    aliases=("expectile_loss", "asymmetric_least_squares"),
    params=(_TAU,),
    equivalent={
        "identity": Equivalent("mse/identity", "at tau 0.5 it is half of the squared error", factor=0.5)
    },
    derivative=_expectile_derivative,
    on_request=True,
    example=(0.5, 2.0, 1.125),
)
def expectile(output: Tensor, target: Tensor, *, tau: float | Tensor) -> Tensor:
    """Return the squared error, weighted by the side it is on; its minimiser is the tau-expectile."""
    error = output - target
    return _weight(error, tau) * error.square()


def _huber_quantile_derivative(
    output: Tensor, target: Tensor, *, tau: float | Tensor, delta: float | Tensor
) -> Tensor:
    error = output - target
    return _weight(error, tau) * (error / delta).clamp(-1, 1)


@loss(
    task="regression",
    encoding="standardised",
    families=("quantiles", "robust"),
    source="Dabney et al. 2018",
    formula="|tau - (y < f)| huber(y - f, delta) / delta",
    aliases=("quantile_huber",),
    params=(
        _TAU,
        Parameter("delta", 1.0, 0.01, 1.0, log=True, words="error where it turns linear", valid=(1e-6, 1e6)),
    ),
    equivalent={
        "identity": Equivalent(
            "huber/identity", "at tau 0.5 it is half of huber at the same delta, divided by it", factor=0.5
        )
    },
    derivative=_huber_quantile_derivative,
    on_request=True,
    example=(0.5, 2.0, 0.5),
)
def huber_quantile(output: Tensor, target: Tensor, *, tau: float | Tensor, delta: float | Tensor) -> Tensor:
    """Return Huber's loss, weighted by the side the error is on."""
    return _weight(output - target, tau) * smooth_l1(output, target, beta=delta)


LOSSES = (quantile, expectile, huber_quantile)
