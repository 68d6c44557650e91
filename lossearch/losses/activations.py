"""Output activations: what turns a network's raw output into a prediction, and its range."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lossearch._class_axis import softmax
from lossearch._lazy import functional, torch
from lossearch._registry import Registry
from lossearch.errors import UnknownNameError
from lossearch.kinds import TargetForm
from lossearch.losses.ranges import RANGES, Range

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, repr=False)
class Activation:
    """A pure function over the last axis of raw outputs, with its range and the forms of target it fits.

    ``derivative(gradient, output)`` is what a gradient in the activated output is in the raw one.
    """

    name: str
    fn: Callable[[Tensor], Tensor]
    range: Range
    forms: tuple[TargetForm, ...]
    aliases: tuple[str, ...] = ()
    derivative: Callable[[Tensor, Tensor], Tensor] | None = None

    def __call__(self, raw: Tensor) -> Tensor:
        """Return the activated output, of the same shape."""
        return self.fn(raw)

    def __reduce__(self) -> str | tuple[Any, ...]:
        if ACTIVATIONS.get(self.name) is self:
            return _by_name, (self.name,)
        return super().__reduce__()

    def __str__(self) -> str:
        return self.name

    def __repr__(self) -> str:
        return f"Activation({self.name!r})"


NOT_OUTPUTS = {
    "relu": "where it is 0 its gradient is 0 too, so such an output never recovers. Use softplus or exp.",
    "log_softmax": "losses take log-probabilities from raw output themselves. Use softmax.",
    "log_sigmoid": "losses take log-probabilities from raw output themselves. Use sigmoid.",
}
"""Activations one might ask for at the output, and why they are not offered."""


class _Activations(Registry[Activation]):
    def __getitem__(self, name: str) -> Activation:
        if name in NOT_OUTPUTS:
            raise UnknownNameError(f"{name} is not an output activation: {NOT_OUTPUTS[name]}")
        return super().__getitem__(name)


def _by_name(name: str) -> Activation:
    return ACTIVATIONS[name]


def _identity(raw: Tensor) -> Tensor:
    return raw


def _sigmoid(raw: Tensor) -> Tensor:
    return torch.sigmoid(raw)


def _tanh(raw: Tensor) -> Tensor:
    return torch.tanh(raw)


def _softplus(raw: Tensor) -> Tensor:
    return functional.softplus(raw)


def _exp(raw: Tensor) -> Tensor:
    return torch.exp(raw)


def _identity_derivative(gradient: Tensor, _: Tensor) -> Tensor:
    return gradient


def _sigmoid_derivative(gradient: Tensor, output: Tensor) -> Tensor:
    return gradient * (output - output.square())


def _tanh_derivative(gradient: Tensor, output: Tensor) -> Tensor:
    return gradient * (1 - output.square())


def _softmax_derivative(gradient: Tensor, output: Tensor) -> Tensor:
    weighted = gradient * output
    return weighted - output * weighted.sum(dim=-1, keepdim=True)


def _exp_derivative(gradient: Tensor, output: Tensor) -> Tensor:
    return gradient * output


_ELEMENTWISE = (TargetForm.REAL, TargetForm.ZERO_ONE)

ACTIVATIONS = _Activations(
    "activation",
    [
        Activation(
            "identity",
            _identity,
            RANGES["real"],
            tuple(TargetForm),
            ("linear", "none"),
            _identity_derivative,
        ),
        Activation("sigmoid", _sigmoid, RANGES["unit"], _ELEMENTWISE, derivative=_sigmoid_derivative),
        Activation("tanh", _tanh, RANGES["tanh"], _ELEMENTWISE, derivative=_tanh_derivative),
        Activation(
            "softmax",
            softmax,
            RANGES["simplex"],
            (TargetForm.INDEX, TargetForm.SHARES),
            derivative=_softmax_derivative,
        ),
        Activation("softplus", _softplus, RANGES["nonnegative"], (TargetForm.REAL,)),
        Activation("exp", _exp, RANGES["nonnegative"], (TargetForm.REAL,), derivative=_exp_derivative),
    ],
)
