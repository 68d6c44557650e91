"""What the loss of a user's module does while it is trained: seen at some steps, told at each validation."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from lossearch._epochs import thin
from lossearch.pairs import Criterion
from lossearch.pairs.behaviour import saturated, without_gradient
from lossearch.pairs.shapes import lifted

if TYPE_CHECKING:
    import pandas as pd
    from torch.utils.hooks import RemovableHandle

EVERY = 20
"""Of this many steps one is looked at, the first after a validation among them."""
TOLD = 50
"""Validations that a trial's attribute tells of, however many there were."""


@dataclass(frozen=True)
class LossBehaviour:
    """What the loss did since the validation before: means over the steps looked at, NaN where there was none.

    ``gradient_norm`` is that of all parameters together before clipping and the optimiser's step. The others are
    of what the module's criteria were called with while training: the share of rows without a gradient in the
    output, mean size and standard deviation of raw outputs, and the share of activated outputs within 0.001 of an
    end of the activation's range.
    """

    step: int
    """The trainer's ``global_step`` at the validation."""
    epoch: int
    """The epoch it was in, from 1."""
    gradient_norm: float
    zero_gradient: float
    logit_scale: float
    logit_sd: float
    saturation: float

    def measures(self) -> dict[str, float]:
        """Return what was measured, by name."""
        return {k: v for k, v in asdict(self).items() if k not in ("step", "epoch")}


class BehaviourRecorder:
    """Looks at a module's criteria and gradients by hooks that stay no longer than the fit.

    Nothing is read as a number before the validation, so that an accelerator is not made to wait.
    """

    def __init__(self) -> None:
        self.found: list[LossBehaviour] = []
        self._hooks: list[RemovableHandle] = []
        self._seen: dict[str, list[Tensor]] = {}
        self._batches = self._steps = 0
        self._looking = False

    def attach(self, module: nn.Module) -> None:
        """Begin to look at each criterion of a module."""
        self._hooks = [
            m.register_forward_hook(self._look) for m in module.modules() if isinstance(m, Criterion)
        ]

    def detach(self) -> None:
        """Leave the module as it was."""
        for hook in self._hooks:
            hook.remove()
        self._hooks = []

    def batch_begins(self) -> None:
        """Choose whether this batch is looked at."""
        self._looking = self._batches % EVERY == 0
        self._batches += 1

    def batch_ends(self) -> None:
        """Look away: a criterion may be called in validation too."""
        self._looking = False

    def before_step(self, module: nn.Module) -> None:
        """Look at the gradients that an optimiser is about to follow, at some of its steps."""
        if self._steps % EVERY == 0:
            gradients = [p.grad for p in module.parameters() if p.grad is not None]
            if gradients:
                self._note("gradient_norm", nn.utils.get_total_norm(gradients))
        self._steps += 1

    def validated(self, step: int, epoch: int) -> None:
        """Close what was seen since the validation before."""
        seen = {k: float(torch.stack(v).float().mean()) for k, v in self._seen.items()}
        names = ("gradient_norm", "zero_gradient", "logit_scale", "logit_sd", "saturation")
        self.found.append(LossBehaviour(step, epoch, **{k: seen.get(k, math.nan) for k in names}))
        self._seen, self._batches, self._steps = {}, 0, 0

    def _look(self, criterion: nn.Module, inputs: tuple[Any, ...], _: Any) -> None:
        if not self._looking or not isinstance(criterion, Criterion) or not inputs:
            return
        given: Tensor = inputs[0]
        with torch.no_grad():
            raw = lifted(_rows(given.detach()))
            self._note("logit_scale", raw.abs().mean())
            self._note("logit_sd", raw.std(correction=0))
            self._note("saturation", saturated(criterion.pair.activation, raw).float().mean())
        if given.requires_grad:
            given.register_hook(self._look_at_gradient)

    def _look_at_gradient(self, gradient: Tensor) -> None:
        self._note("zero_gradient", without_gradient(_rows(gradient)).float().mean())

    def _note(self, name: str, value: Tensor) -> None:
        self._seen.setdefault(name, []).append(value.detach())


def _rows(output: Tensor) -> Tensor:
    return output.unsqueeze(-1) if output.ndim == 1 else output.flatten(1)


def frame(found: Sequence[LossBehaviour]) -> pd.DataFrame:
    """Return one row a validation, from 1."""
    # imported here: an objective that does not ask needs no pandas
    import pandas as pd

    names = list(LossBehaviour.__dataclass_fields__)
    index = pd.RangeIndex(1, len(found) + 1, name="validation")
    return pd.DataFrame([asdict(b) for b in found], columns=names, index=index)


def as_attribute(found: Sequence[LossBehaviour]) -> Mapping[str, list[float | int | None]]:
    """Return some of the validations as lists of four digits, without NaN: what a trial's attribute holds."""
    kept = [found[i - 1] for i in thin(len(found), TOLD)] if found else []
    return {name: [_short(getattr(b, name)) for b in kept] for name in LossBehaviour.__dataclass_fields__}


def _short(value: float) -> float | int | None:
    if isinstance(value, int):
        return value
    return float(f"{value:.4g}") if math.isfinite(value) else None
