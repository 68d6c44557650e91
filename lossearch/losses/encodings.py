"""How a raw target becomes the numbers a loss trains on. The pair decides; nobody chooses by hand."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lossearch._class_axis import softmax
from lossearch._lazy import functional, torch
from lossearch._registry import Registry
from lossearch.kinds import MOST_ROUNDING, TargetFacts, TargetForm, TargetStatistics
from lossearch.losses.ranges import RANGES, Range

if TYPE_CHECKING:
    from torch import Tensor

Codes = tuple[float, float]


def _linear_back(output: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    return output * scale + shift


@dataclass(frozen=True, repr=False)
class Encoding:
    """Raw targets to what a loss sees.

    ``encode(raw, n_out, shift, scale)`` takes targets of ``form``, with free leading axes, and works in float64.
    ``location`` gives (shift, scale), each (T,), from training statistics. ``held(facts)`` gives the range of
    encoded targets, or why it cannot be used. ``codes`` are the numbers that stand for 0 and 1.
    ``decode(output, shift, scale)`` brings values back.
    """

    name: str
    form: TargetForm
    words: str
    encode: Callable[[Tensor, int, Tensor, Tensor], Tensor]
    held: Callable[[TargetFacts], Range | str]
    location: Callable[[TargetStatistics], tuple[tuple[float, ...], tuple[float, ...]]]
    codes: Codes | None = None
    aliases: tuple[str, ...] = ()
    decode: Callable[[Tensor, Tensor, Tensor], Tensor] = _linear_back

    def __reduce__(self) -> str | tuple[Any, ...]:
        if ENCODINGS.get(self.name) is self:
            return _by_name, (self.name,)
        return super().__reduce__()

    def __str__(self) -> str:
        return self.name

    def __repr__(self) -> str:
        return f"Encoding({self.name!r})"


def _by_name(name: str) -> Encoding:
    return ENCODINGS[name]


def _unmoved(statistics: TargetStatistics) -> tuple[tuple[float, ...], tuple[float, ...]]:
    n = len(statistics.mean)
    return (0.0,) * n, (1.0,) * n


def _always(range_name: str) -> Callable[[TargetFacts], Range | str]:
    return lambda _: RANGES[range_name]


def _unshifted(
    range_name: str, low: float = -math.inf, high: float = math.inf
) -> Callable[[TargetFacts], Range | str]:
    """Return the rule of an encoding that leaves targets at their distance from 0."""

    def held(facts: TargetFacts) -> Range | str:
        if facts.rounding > MOST_ROUNDING:
            return (
                f"targets from {facts.low:.6g} to {facts.high:.6g} lie so far from 0 for their spread that the type of "
                "the weights cannot tell them apart"
            )
        unknown = math.isinf(facts.low) and math.isinf(facts.high)
        if unknown or (facts.low >= low and facts.high <= high):
            return RANGES[range_name]
        return f"targets go from {facts.low:.4g} to {facts.high:.4g}"

    return held


def _linear(raw: Tensor, _: int, shift: Tensor, scale: Tensor) -> Tensor:
    return (raw - shift) / scale


def _within_range(raw: Tensor, _: int, shift: Tensor, scale: Tensor) -> Tensor:
    return ((raw - shift) / scale).clamp(0.0, 1.0)


def _range(statistics: TargetStatistics) -> tuple[tuple[float, ...], tuple[float, ...]]:
    ends = zip(statistics.low, statistics.high, strict=True)
    return statistics.low, tuple(high - low if high > low else 1.0 for low, high in ends)


def _logarithm(raw: Tensor, _: int, shift: Tensor, scale: Tensor) -> Tensor:
    return (raw.to(scale.dtype).log() - shift) / scale


def _exponential(output: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    return torch.exp(output * scale + shift)


def _of_logarithms(statistics: TargetStatistics) -> tuple[tuple[float, ...], tuple[float, ...]]:
    return (statistics.log_mean, statistics.log_std) if statistics.log_mean else _unmoved(statistics)


def _above_zero(facts: TargetFacts) -> Range | str:
    if facts.low > 0 or math.isinf(facts.low):
        return RANGES["real"]
    return f"targets go from {facts.low:.4g}, and numbers at or below 0 have no logarithm"


def _softmax(output: Tensor, _shift: Tensor, scale: Tensor) -> Tensor:
    return softmax(output.to(scale.dtype))


def _zero_one(raw: Tensor, _: int, _shift: Tensor, scale: Tensor) -> Tensor:
    return raw.to(scale.dtype)


def _plus_minus_one(raw: Tensor, _: int, _shift: Tensor, scale: Tensor) -> Tensor:
    return 2 * raw.to(scale.dtype) - 1


def _index(raw: Tensor, _n_out: int, _shift: Tensor, _scale: Tensor) -> Tensor:
    return raw.long()


def _one_hot(raw: Tensor, n_out: int, _shift: Tensor, scale: Tensor) -> Tensor:
    return functional.one_hot(raw.long(), n_out).to(scale.dtype)


def _plus_minus_one_hot(raw: Tensor, n_out: int, shift: Tensor, scale: Tensor) -> Tensor:
    return 2 * _one_hot(raw, n_out, shift, scale) - 1


ENCODINGS = Registry(
    "encoding",
    [
        Encoding(
            "standardised",
            TargetForm.REAL,
            "real, mean 0 and sd 1 over training rows",
            _linear,
            _always("real"),
            lambda s: (s.mean, s.std),
            aliases=("real",),
        ),
        Encoding(
            "nonnegative",
            TargetForm.REAL,
            "0 and up, in units of the mean training target",
            _linear,
            _unshifted("nonnegative", 0.0),
            lambda s: ((0.0,) * len(s.scale), s.scale),
        ),
        Encoding(
            "log",
            TargetForm.REAL,
            "logarithm, mean 0 and sd 1 over training rows",
            _logarithm,
            _above_zero,
            _of_logarithms,
            decode=_exponential,
        ),
        Encoding("raw", TargetForm.REAL, "real, as it comes", _linear, _unshifted("real"), _unmoved),
        Encoding(
            "unit", TargetForm.REAL, "as it comes, 0 to 1", _linear, _unshifted("unit", 0.0, 1.0), _unmoved
        ),
        Encoding(
            "symmetric_unit",
            TargetForm.REAL,
            "as it comes, -1 to 1",
            _linear,
            _unshifted("tanh", -1.0, 1.0),
            _unmoved,
        ),
        Encoding(
            "training_range",
            TargetForm.REAL,
            "0 to 1 over the range of training rows, what lies outside at its end",
            _within_range,
            _always("unit"),
            _range,
        ),
        Encoding(
            "shares", TargetForm.SHARES, "shares that sum to 1", _zero_one, _always("simplex"), _unmoved
        ),
        Encoding(
            "shares_from_raw",
            TargetForm.SHARES,
            "shares that sum to 1, those of the softmax of raw output",
            _zero_one,
            _always("simplex"),
            _unmoved,
            decode=_softmax,
        ),
        Encoding("zero_one", TargetForm.ZERO_ONE, "0 or 1", _zero_one, _always("unit"), _unmoved, (0.0, 1.0)),
        Encoding(
            "plus_minus_one",
            TargetForm.ZERO_ONE,
            "-1 or +1",
            _plus_minus_one,
            _always("tanh"),
            _unmoved,
            (-1.0, 1.0),
        ),
        Encoding(
            "index",
            TargetForm.INDEX,
            "class index",
            _index,
            _always("simplex"),
            _unmoved,
            aliases=("class_index",),
        ),
        Encoding("one_hot", TargetForm.INDEX, "one-hot", _one_hot, _always("simplex"), _unmoved),
        Encoding(
            "plus_minus_one_hot",
            TargetForm.INDEX,
            "one-hot of -1 and +1",
            _plus_minus_one_hot,
            _always("tanh"),
            _unmoved,
        ),
    ],
)
