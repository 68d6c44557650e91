"""The criteria of a population as one compiled function."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.fx.experimental.proxy_tensor import make_fx

from lossearch.training.population.criteria import PairSlice

Slopes = tuple[list[Tensor], list[Tensor | None]]


def slopes(slices: Sequence[PairSlice], raw: Tensor, encoded: Mapping[str, Tensor]) -> Slopes:
    """Return each slice's slopes (S, arms, B, n_out) in raw output (S, A, B, n_out), and losses that came with it."""
    each = [s.slope(raw[:, s.start : s.end], encoded[s.encoding]) for s in slices]
    return [slope for slope, _ in each], [losses for _, losses in each]


@dataclass
class CompiledSlopes:
    """What :func:`slopes` does, compiled once for each shape of mini-batch.

    Every pair's few operations on few numbers become one pass over all pairs. Compiling takes 10 to 30
    seconds a shape the first time, and less where the compiler's own cache on disk has it.
    """

    slices: Sequence[PairSlice]
    forms: dict[tuple[int, ...], Callable[..., Slopes]] = field(default_factory=dict)

    def __call__(self, raw: Tensor, encoded: Mapping[str, Tensor]) -> Slopes:
        """Return what :func:`slopes` does."""
        if raw.shape not in self.forms:
            self.forms[raw.shape] = self._compiled(raw, encoded)
        return self.forms[raw.shape](raw, dict(encoded))

    def _compiled(self, raw: Tensor, encoded: Mapping[str, Tensor]) -> Callable[..., Slopes]:
        # traced first, autograd included where a slope is not declared: a module of its own then shares
        # the compiler's cache with no other population
        traced = make_fx(lambda r, e: slopes(self.slices, r, e))(raw, dict(encoded))
        mode = "reduce-overhead" if raw.device.type == "cuda" else None
        return torch.compile(traced, dynamic=False, mode=mode)
