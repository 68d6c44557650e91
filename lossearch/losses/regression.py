"""Losses for real targets. ``output`` and ``target`` are of one shape, in the encoding's units."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from lossearch._lazy import functional, torch
from lossearch.losses.declaration import loss
from lossearch.losses.parameter import Parameter
from lossearch.losses.relations import Contained, Equivalent

if TYPE_CHECKING:
    from torch import Tensor

_REAL = ("standardised", "nonnegative", "symmetric_unit", "unit")
_EXP = {
    "exp": "exp overflows float32 above 88: a large step may end the training as diverged; softplus does not."
}
_CLAMP = 1e-7
"""Keras's epsilon."""
_RMSE_FLOOR = 1e-8
"""Added under the root, whose gradient at exactly 0 is not a number."""


def _squared_derivative(output: Tensor, target: Tensor) -> Tensor:
    return 2 * (output - target)


@loss(
    task=("regression", "count", "angles"),
    encoding=_REAL,
    source="Legendre 1805; Gauss 1809",
    formula="(f - y)^2",
    aliases=(
        "mean_squared_error",
        "mse_loss",
        "l2",
        "l2_loss",
        "MSE",
        "MeanSquaredError",
        "MSELoss",
        "squared_error",
    ),
    usual=("identity",),
    caution=_EXP,
    derivative=_squared_derivative,
    example=(0.5, 2.0, 2.25),
)
def mse(output: Tensor, target: Tensor) -> Tensor:
    """Return the squared error; its minimiser is the mean."""
    return (output - target).square()


def _absolute_derivative(output: Tensor, target: Tensor) -> Tensor:
    return (output - target).sign()


@loss(
    task=("regression", "count"),
    encoding=_REAL,
    families=("robust",),
    source="Boscovich 1757; Laplace 1793",
    formula="|f - y|",
    aliases=(
        "mean_absolute_error",
        "l1_loss",
        "l1",
        "MAE",
        "MeanAbsoluteError",
        "L1Loss",
        "absolute_error",
    ),
    usual=("identity",),
    caution=_EXP,
    derivative=_absolute_derivative,
    kinks=(0.0,),
    example=(0.5, 2.0, 1.5),
)
def mae(output: Tensor, target: Tensor) -> Tensor:
    """Return the absolute error; its minimiser is the median."""
    return (output - target).abs()


def _root(mean: Tensor) -> Tensor:
    return (mean + _RMSE_FLOOR).sqrt()


_BATCH = "a root over the batch is not a mean over samples: its gradient depends on the batch size, so keep that fixed."


@loss(
    task="regression",
    encoding=_REAL,
    source="Gauss 1809",
    formula="sqrt(mean over the batch of (f - y)^2)",
    aliases=("root_mean_squared_error", "RMSE", "RootMeanSquaredError", "rmse_loss"),
    usual=("identity",),
    caution=dict.fromkeys(("identity", "sigmoid", "tanh", "softplus"), _BATCH)
    | {"exp": f"{_BATCH} Besides, {_EXP['exp']}"},
    after_mean=_root,
    example=(0.5, 2.0, 2.25),
)
def rmse(output: Tensor, target: Tensor) -> Tensor:
    """Return the squared error; the root is taken after the mean over the batch."""
    return (output - target).square()


def _huber_derivative(output: Tensor, target: Tensor, *, delta: float | Tensor) -> Tensor:
    return torch.clamp(output - target, -delta, delta)  # type: ignore[arg-type]  # numbers or tensors alike


@loss(
    task="regression",
    encoding=_REAL,
    families=("robust",),
    source="Huber 1964",
    formula="e^2 / 2 where |e| <= delta, else delta (|e| - delta / 2), with e = f - y",
    aliases=("huber_loss", "Huber", "HuberLoss"),
    params=(
        Parameter(
            "delta",
            1.0,
            0.01,
            10.0,
            log=True,
            words="error, in units of the encoded target, where it turns linear",
        ),
    ),
    # errors above 10 standard deviations apart, and those below a hundredth of one
    contains=(
        Contained("mse", {"delta": 10.0}, factor=0.5),
        Contained("mae", {"delta": 0.01}, factor=0.01, near=0.05),
    ),
    usual=("identity",),
    caution=_EXP,
    derivative=_huber_derivative,
    example=(0.5, 2.0, 1.0),
)
def huber(output: Tensor, target: Tensor, *, delta: float | Tensor) -> Tensor:
    """Return the squared error near 0 and the absolute error beyond ``delta``."""
    error = (output - target).abs()
    near = torch.clamp(error, max=delta)
    return 0.5 * near.square() + delta * (error - near)


def _log_cosh_derivative(output: Tensor, target: Tensor) -> Tensor:
    return torch.tanh(output - target)


@loss(
    task="regression",
    encoding=_REAL,
    families=("robust",),
    source="Chen et al. 2019",
    formula="log cosh(f - y)",
    aliases=("logcosh", "LogCosh", "log_cosh_loss", "LogCoshLoss"),
    usual=("identity",),
    caution=_EXP,
    derivative=_log_cosh_derivative,
    example=(1.0, 0.0, 0.4337808304830271),
)
def log_cosh(output: Tensor, target: Tensor) -> Tensor:
    """Return log cosh of the error, written so that it does not overflow."""
    error = (output - target).abs()
    return error + functional.softplus(-2 * error) - math.log(2)


def _msle_of_exp(raw: Tensor, target: Tensor, *, scale: float | Tensor) -> Tensor:
    offset = torch.as_tensor(scale, dtype=raw.dtype, device=raw.device).log()
    return (functional.softplus(raw + offset) - torch.log1p(target * scale)).square()


@loss(
    task="regression",
    encoding="nonnegative",
    domain="above_minus_one",
    targets="above_minus_one",
    cure=(
        "Use mse, mae or huber; or shift the targets to 0 and up; or ask for msle_clamped, Keras's variant, "
        "which does not learn below 0."
    ),
    source="scikit-learn, mean_squared_log_error",
    formula="(log(1 + f) - log(1 + y))^2, in original units",
    aliases=(
        "mean_squared_logarithmic_error",
        "mean_squared_log_error",
        "MSLE",
        "MeanSquaredLogarithmicError",
        "squared_log_error",
    ),
    usual=("softplus", "exp"),
    fused={"exp": _msle_of_exp},
    statistics=("scale",),
    example=(3.0, 1.0, 0.4804530139182014),
)
def msle(output: Tensor, target: Tensor, *, scale: float | Tensor) -> Tensor:
    """Return the squared error of log(1 + value); both arrive divided by ``scale`` and are multiplied back."""
    return (torch.log1p(output * scale) - torch.log1p(target * scale)).square()


@loss(
    task="regression",
    encoding="standardised",
    source="Keras, keras.losses.mean_squared_logarithmic_error",
    class_name="MSLEClamped",
    formula="(log(1 + max(f, 1e-7)) - log(1 + max(y, 1e-7)))^2, on the standardised target",
    aliases=("keras_msle",),
    caution={
        "identity": (
            "everything below 0 counts as 0: negative targets are not learned, and where the output is "
            "negative the gradient is 0."
        )
    },
    on_request=True,
    kinks=(_CLAMP,),
    example=(3.0, -0.5, 1.9218117784661892),
)
def msle_clamped(output: Tensor, target: Tensor) -> Tensor:
    """Return the squared error of log(1 + value) with both clamped at 1e-7, as Keras does."""
    return (torch.log1p(output.clamp(min=_CLAMP)) - torch.log1p(target.clamp(min=_CLAMP))).square()


def _half_derivative(output: Tensor, target: Tensor) -> Tensor:
    return output - target


@loss(
    task=("regression", "count"),
    encoding="standardised",
    source="optax, optax.losses.l2_loss",
    class_name="HalfMSE",
    formula="e^2 / 2",
    equivalent={"identity": Equivalent("mse/identity", "half of it", factor=0.5)},
    derivative=_half_derivative,
    on_request=True,
    example=(0.5, 2.0, 1.125),
)
def half_mse(output: Tensor, target: Tensor) -> Tensor:
    """Return half of the squared error."""
    return mse(output, target) / 2


def _lp_derivative(output: Tensor, target: Tensor, *, p: float | Tensor) -> Tensor:
    error = output - target
    return p * error.abs() ** (p - 1) * error.sign()


@loss(
    task="regression",
    encoding="standardised",
    source="Gonin & Money 1989",
    class_name="Lp",
    formula="|e|^p",
    params=(Parameter("p", 1.5, 1.0, 4.0, words="1 is mae, 2 is mse", valid=(1.0, 20.0)),),
    contains=(Contained("mae", {"p": 1.0}), Contained("mse", {"p": 2.0})),
    derivative=_lp_derivative,
    on_request=True,
    example=(0.5, 2.0, 1.8371173070873836),
)
def lp(output: Tensor, target: Tensor, *, p: float | Tensor) -> Tensor:
    """Return a power of the absolute error."""
    return (output - target).abs() ** p


def _smooth_l1_derivative(output: Tensor, target: Tensor, *, beta: float | Tensor) -> Tensor:
    return ((output - target) / beta).clamp(-1, 1)


@loss(
    task="regression",
    encoding="standardised",
    families=("robust",),
    source="Girshick 2015",
    formula="e^2 / (2 beta) where |e| < beta, else |e| - beta / 2",
    aliases=("smooth_l1_loss", "SmoothL1Loss"),
    params=(
        Parameter(
            "beta",
            1.0,
            0.01,
            10.0,
            log=True,
            words="error, in units of the encoded target, where it turns linear",
        ),
    ),
    equivalent={"identity": Equivalent("huber/identity", "huber at delta = beta, divided by beta")},
    derivative=_smooth_l1_derivative,
    on_request=True,
    example=(0.5, 2.0, 1.0),
)
def smooth_l1(output: Tensor, target: Tensor, *, beta: float | Tensor) -> Tensor:
    """Return Huber's loss with a slope of 1 for large errors."""
    return huber(output, target, delta=beta) / beta


LOSSES = (mse, mae, rmse, huber, log_cosh, msle, msle_clamped, half_mse, lp, smooth_l1)
