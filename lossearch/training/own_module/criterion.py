"""A criterion that notes what it is called with: what a module predicts, and of which targets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from lossearch.errors import InputError
from lossearch.pairs import Criterion, Pair
from lossearch.pairs.shapes import canonical, lifted

_ENDED = (
    "end it by criterion.pair.ended(body, {n}), of a body that gives criterion.pair.body_width({n}) numbers, or leave the "
    "loss out."
)
Rows = tuple[Tensor, Tensor]
"""Raw output and canonical targets of rows."""


def all_rows(parts: Sequence[Rows]) -> Rows:
    """Return the rows of several batches, on the CPU."""
    raw, target = zip(*parts, strict=True)
    return torch.cat(raw).cpu(), torch.cat(target).cpu()


@dataclass
class Calls:
    """Raw output and targets of one batch, each time that a criterion met them; targets None where it predicted."""

    met: list[tuple[Tensor, Tensor]] = field(default_factory=list)
    read: list[Tensor] = field(default_factory=list)
    by_criterion: bool = True
    """Whether it was the criterion that met them."""

    def note(self, output: Tensor) -> None:
        """Note raw output (N, n_out) of which targets are not known."""
        self.read.append(lifted(output.unsqueeze(-1) if output.ndim == 1 else output).detach())

    def rows(self, batch: Any, pair: Pair) -> Rows | None:
        """Return raw output and canonical targets of the batch's rows; None where it does not show them.

        Targets of a batch whose output the criterion only read are its second part, as in (inputs, targets).
        """
        if self.met:
            distinct = {(raw.data_ptr(), target.data_ptr()): (raw, target) for raw, target in self.met}
            raws, targets = zip(*distinct.values(), strict=True)
            return torch.cat(raws), torch.cat(targets)
        if not self.read or not isinstance(batch, (tuple, list)) or len(batch) != 2:
            return None
        raw, target = self.read[-1], batch[1]
        if not isinstance(target, Tensor) or target.ndim == 0 or len(target) != len(raw):
            return None
        try:
            return canonical(pair, raw, target)
        except InputError:
            return None


class RecordingCriterion(Criterion):
    """A criterion like any other, that notes what it meets while ``calls`` is set.

    ``n_out`` is how many numbers a row the task predicts, None where that is not known.
    """

    calls: Calls | None = None
    n_out: int | None = None

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        # a module that is tried is at the start of its training
        self.progress = 0.0

    @contextmanager
    def recording(self) -> Iterator[Calls]:
        """Give what it meets inside."""
        calls = self.calls = Calls()
        try:
            yield calls
        finally:
            self.calls = None

    def _canonical(self, raw_output: Tensor, raw_target: Tensor) -> tuple[Tensor, Tensor]:
        raw, target = super()._canonical(raw_output, raw_target)
        self._check_width(raw)
        if self.calls is not None:
            self.calls.met.append((raw.detach(), target.detach()))
        return raw, target

    def _check_width(self, raw: Tensor) -> None:
        """Refuse output that is of another number of classes to a loss with a head of its own."""
        if self.pair.loss.head is None or self.n_out in (None, self._n_out(raw)):
            return
        n = self.n_out or 0
        raise InputError(
            f"{self.pair.name} reads {self.pair.width(n)} numbers a row here, and the network gives {raw.shape[-1]}: "
            f"{_ENDED.format(n=n)}"
        )

    def predictions(self, raw_output: Tensor) -> Any:
        """Return label, probability, score and value of each row."""
        if self.calls is not None:
            self.calls.note(raw_output)
        return super().predictions(raw_output)
