"""Losses of numbers above 0 that go by ratios or logarithms. ``output`` and ``target`` are in the encoding's units."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from lossearch._lazy import functional, torch
from lossearch.losses.count import log_softplus
from lossearch.losses.declaration import loss
from lossearch.losses.distributions import LEAST_SPREAD, PLACE_AND_SPREAD

if TYPE_CHECKING:
    from torch import Tensor

_CURE = "Use mse, mae or huber; or shift the targets."
_MEDIAN = (
    "brought back from the logarithm it predicts the median, which is below the mean of skewed targets: judged by a metric "
    "that is least at the mean it starts behind."
)
_SMALLEST = 1e-30
"""Added to what is divided by, in units of the mean target."""


def _logs(values: Callable[..., Tensor]) -> dict[str, Callable[..., Tensor]]:
    """Return the forms on raw output of a loss given by the logarithm of the output."""
    return {
        "exp": values,
        "softplus": lambda raw, target: values(log_softplus(raw), target),
    }


def _squared_derivative(output: Tensor, target: Tensor) -> Tensor:
    return 2 * (output - target)


@loss(
    task="regression",
    encoding="log",
    targets="positive",
    cure=_CURE,
    source="Box & Cox 1964; Duan 1983",
    class_name="LogMSE",
    formula="(f - log y)^2, logarithms standardised",
    aliases=("lognormal", "mse_of_log"),
    usual=("identity",),
    caution={"identity": _MEDIAN},
    derivative=_squared_derivative,
    on_request=True,
    example=(0.5, 2.0, 2.25),
)
def log_mse(output: Tensor, target: Tensor) -> Tensor:
    """Return the squared error of the logarithm, the likelihood of a lognormal number of one shape."""
    return (output - target).square()


def _absolute_derivative(output: Tensor, target: Tensor) -> Tensor:
    return (output - target).sign()


@loss(
    task="regression",
    encoding="log",
    targets="positive",
    cure=_CURE,
    families=("robust",),
    source="Tofallis 2015",
    class_name="LogMAE",
    formula="|f - log y|, logarithms standardised",
    aliases=("mae_of_log", "log_ratio"),
    usual=("identity",),
    derivative=_absolute_derivative,
    kinks=(0.0,),
    on_request=True,
    example=(0.5, 2.0, 1.5),
)
def log_mae(output: Tensor, target: Tensor) -> Tensor:
    """Return the absolute error of the logarithm: its minimiser is the median, as that of mae is."""
    return (output - target).abs()


@loss(
    task="regression",
    encoding="log",
    head=PLACE_AND_SPREAD,
    targets="positive",
    cure=_CURE,
    families=("likelihood", "probabilistic"),
    source="Aitchison & Brown 1957",
    class_name="LognormalNLL",
    formula="log s + ((log y - m) / s)^2 / 2 + log(2 pi) / 2, logarithms standardised",
    usual=("identity",),
    caution={"identity": _MEDIAN},
    on_request=True,
    example=([0.5, 0.0], [1.0], 0.8132893168451553),
)
def lognormal_nll(output: Tensor, target: Tensor) -> Tensor:
    """Return minus the log-density of the logarithm, normal with predicted mean and standard deviation."""
    place, raw = output.chunk(2, dim=-1)
    spread = functional.softplus(raw) + LEAST_SPREAD
    return spread.log() + ((target - place) / spread).square() / 2 + math.log(2 * math.pi) / 2


@loss(
    task="regression",
    encoding="nonnegative",
    domain="nonnegative",
    targets="positive",
    cure=_CURE,
    source="Makridakis et al. 1982",
    class_name="MAPE",
    formula="|f - y| / y",
    aliases=("mean_absolute_percentage_error", "MeanAbsolutePercentageError"),
    caution=dict.fromkeys(
        ("exp", "softplus"),
        "its minimiser is a median in which rows weigh 1 / y: it predicts too little of skewed targets.",
    ),
    kinks=(0.0,),
    on_request=True,
    example=(2.0, 4.0, 0.5),
)
def mape(output: Tensor, target: Tensor) -> Tensor:
    """Return the absolute error as a share of the target."""
    return (output - target).abs() / target


def _smape(log_output: Tensor, target: Tensor) -> Tensor:
    # |f - y| / (f + y), which is infinity by infinity far out
    return 2 * torch.tanh((log_output - target.log()).abs() / 2)


@loss(
    task="regression",
    encoding="nonnegative",
    domain="nonnegative",
    targets="positive",
    cure=_CURE,
    families=("robust",),
    source="Makridakis 1993",
    class_name="SMAPE",
    formula="2 |f - y| / (f + y)",
    aliases=("symmetric_mean_absolute_percentage_error",),
    fused=_logs(_smape),
    kinks=(0.0,),
    on_request=True,
    example=(2.0, 4.0, 2 / 3),
)
def smape(output: Tensor, target: Tensor) -> Tensor:
    """Return the absolute error as a share of the mean of output and target, between 0 and 2."""
    return 2 * (output - target).abs() / (output + target + _SMALLEST)


def _of_root(log_output: Tensor, target: Tensor) -> Tensor:
    return (torch.exp(log_output / 2) - target.sqrt()).square()


@loss(
    task=("count", "regression"),
    encoding="nonnegative",
    domain="nonnegative",
    targets="nonnegative",
    cure=_CURE,
    source="Bartlett 1936; Anscombe 1948",
    class_name="SqrtMSE",
    formula="(sqrt f - sqrt y)^2",
    aliases=("anscombe_mse", "squared_error_of_roots"),
    fused=_logs(_of_root),
    on_request=True,
    example=(4.0, 9.0, 1.0),
)
def sqrt_mse(output: Tensor, target: Tensor) -> Tensor:
    """Return the squared error of the root, by which counts have one spread whatever their mean."""
    return (output.sqrt() - target.sqrt()).square()


LOSSES = (log_mse, log_mae, lognormal_nll, mape, smape, sqrt_mse)
