"""Any loss of classes with targets that are a little unsure: label smoothing (Szegedy et al. 2016) beyond cross-entropy.

With probability ``smoothing`` the label is drawn anew among all classes, and the loss is what is expected then:
``(1 - smoothing) L(f, y) + smoothing / C sum_c L(f, c)``, which is linear, and so cross-entropy of smoothed targets, for
cross-entropy itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from lossearch._class_axis import over_classes
from lossearch._lazy import torch
from lossearch.errors import InputError
from lossearch.kinds import TargetForm
from lossearch.losses.declaration import Loss
from lossearch.losses.encodings import ENCODINGS, Encoding
from lossearch.losses.parameter import Parameter

if TYPE_CHECKING:
    from torch import Tensor

SMOOTHING = Parameter(
    "smoothing", 0.1, 0.0, 0.3, words="share of the label that is given to all classes", valid=(0.0, 0.999)
)  # fmt: skip


def smoothed(loss: Loss) -> Loss:
    """Return the loss with smoothed labels; its parameter is called smoothing.

    Raises:
        InputError: it reads no single label of a row, or has such a parameter itself.
    """
    problem = _problem(loss)
    if problem:
        raise InputError(f"{loss.name} {problem}.")
    encoding = _encoding(loss)
    values: dict[str, Any] = {f.name: getattr(loss, f.name) for f in fields(loss)}
    return Loss(
        **{
            **values,
            "encodings": (encoding.name,),
            "fn": _Smoothed(loss.fn, encoding),
            "fused": {a: _Smoothed(fn, encoding) for a, fn in loss.fused.items()},
            "derivative": loss.derivative and _Smoothed(loss.derivative, encoding, derived=True),
            "fused_derivative": {
                a: _Smoothed(fn, encoding, derived=True) for a, fn in loss.fused_derivative.items()
            },
            "probability": {a: _Sharpened(fn, loss.form) for a, fn in loss.probability.items()},
            "params": (*loss.params, SMOOTHING),
            "equivalent": {},
            "contains": (),
            "example": None,
        }
    )


def _encoding(loss: Loss) -> Encoding:
    """Return how smoothed labels are coded: as 0 and 1, which probabilities reach, rather than -1 and 1 where both may be."""
    known = [ENCODINGS[name] for name in loss.encodings]
    return max(known, key=lambda e: 0.0 if e.codes is None else e.codes[0])


def _problem(loss: Loss) -> str:
    if loss.form not in (TargetForm.ZERO_ONE, TargetForm.INDEX):
        return "reads no classes: numbers have no labels to be smoothed"
    if loss.joint or loss.gathers:
        return "reads several labels together: smooth the other terms"
    return "has smoothed labels already" if SMOOTHING.name in loss.defaults else ""


@dataclass(frozen=True)
class _Smoothed:
    """What a function of output and encoded target gives where the label is drawn anew now and then."""

    fn: Callable[..., Tensor]
    encoding: Encoding
    derived: bool = False
    """Whether it is a derivative, which has the output's shape."""

    def __call__(self, output: Tensor, target: Tensor, *, smoothing: float | Tensor, **params: Any) -> Tensor:
        given = self.fn(output, target, **params)
        every = [self.fn(output, code, **params) for code in self._codes(output, target)]
        rows = self.encoding.form is TargetForm.INDEX
        wide = over_classes(smoothing) if self.derived and rows else smoothing
        return (1 - wide) * given + wide * sum(every) / len(every)

    def _codes(self, output: Tensor, target: Tensor) -> list[Tensor]:
        """Return the encoded target that each class would be, wherever the target has one."""
        one_a_row = self.encoding.form is TargetForm.INDEX
        classes = output.shape[-1] if one_a_row else 2
        axes = output.ndim - 1 if one_a_row else target.ndim
        shape = target.shape[:axes]
        nothing, unit = output.new_zeros(()), output.new_ones(())
        found = [
            self.encoding.encode(torch.full(shape, c, device=output.device), classes, nothing, unit)
            for c in range(classes)
        ]
        return [f if f.dtype == torch.int64 else f.to(output.dtype) for f in found]


@dataclass(frozen=True)
class _Sharpened:
    """The probability whose smoothed version a loss's own probability is."""

    fn: Callable[..., Tensor]
    form: TargetForm

    def __call__(self, raw: Tensor, *, smoothing: float | Tensor, **params: Any) -> Tensor:
        found = self.fn(raw, **params)
        rows = self.form is TargetForm.INDEX
        classes = raw.shape[-1] if rows else 2
        wide = over_classes(smoothing) if rows else smoothing
        sharp = ((found - wide / classes) / (1 - wide)).clamp(0, 1)
        return sharp / sharp.sum(dim=-1, keepdim=True) if rows else sharp
