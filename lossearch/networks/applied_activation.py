"""Does a network apply an activation to its output? Found by trying: one keeps what it gives in a range.

Inputs far out and weights drawn anew drive a network without an activation at its end beyond any bound, on both
sides. One that never leaves a range has something in ``forward`` that keeps it there, whatever it is written as.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

DRAWS = 24
"""Draws of weights, the first as the network has them: those of a deep network agree in sign within a draw."""
FAR = 100.0
"""A network that gives values beyond this on both sides is raw."""
_GAINS = (1.0, 10.0, 1000.0)
"""Deviations of drawn weights, in units of what keeps values as large as they are; in turn."""
_SCALES = (30.0, 1000.0)
"""How far out inputs are, beside the given ones."""
_NUMBERS, _FEWEST, _MOST = 2**17, 4, 32
"""Numbers of input at each scale, and rows that they are at least and at most."""
_ROUND = 1e-4
_CURE = "Remove it: the network gives raw output, and the pair adds the activation."


@dataclass(frozen=True)
class OutputRange:
    """What was seen of a network's output: its smallest and largest value, and what held of every row.

    ``draws`` are those of weights that gave finite numbers.
    """

    low: float = math.inf
    high: float = -math.inf
    sums_to_one: bool = True
    log_sums_to_zero: bool = True
    draws: int = 0

    @property
    def raw(self) -> bool:
        """Whether values have gone far on both sides."""
        return self.low < -FAR and self.high > FAR

    @property
    def certain(self) -> bool:
        """Whether enough draws gave numbers to rule chance out."""
        return 2 * self.draws >= DRAWS

    def within(self, low: float, high: float) -> bool:
        """Return whether every value was in a range, up to rounding."""
        return low - _ROUND <= self.low and self.high <= high + _ROUND

    def seen(self, outputs: list[Tensor]) -> OutputRange:
        """Return what is known after one more draw of weights, of which these are finite rows of output."""
        if not outputs:
            return self
        rows = torch.cat(outputs)
        several = rows.shape[-1] > 1
        return OutputRange(
            min(self.low, float(rows.min())),
            max(self.high, float(rows.max())),
            self.sums_to_one and several and bool(((rows.sum(dim=-1) - 1).abs() < _ROUND).all()),
            self.log_sums_to_zero and several and bool((rows.logsumexp(dim=-1).abs() < _ROUND).all()),
            self.draws + 1,
        )


def output_range(network: nn.Module, x: Tensor) -> OutputRange:
    """Return what a network in evaluation mode can give. Its weights are lost.

    A draw or an input that it fails on is left out: indices, for one, cannot be far out. It ends as soon as the
    network is known to be raw. Draws from torch's global random state.

    Args:
        network: a fresh network, whose weights are drawn anew in place.
        x: a few rows of its input.
    """
    inputs = list(_inputs(x))
    gains = list(_GAINS)
    found = OutputRange()
    for draw in range(DRAWS):
        gain = gains[draw % len(gains)]
        if draw:
            redraw(network, gain)
        outputs = [rows for part in inputs if len(rows := _finite_rows(network, part))]
        found = found.seen(outputs)
        if found.raw:
            break
        if draw and not outputs and len(gains) > 1:
            gains.remove(gain)  # too much for so many layers
    return found


def _inputs(x: Tensor) -> Iterator[Tensor]:
    """Give the rows themselves, then random ones at each scale; whole numbers may be indices, and are left."""
    yield x
    if not x.is_floating_point():
        return
    rows = min(_MOST, max(_FEWEST, _NUMBERS // max(1, x[:1].numel())))
    for scale in _SCALES:
        yield scale * torch.randn((rows, *x.shape[1:]), dtype=x.dtype)


@torch.no_grad()
def redraw(network: nn.Module, gain: float) -> None:
    """Draw a network's weights anew in place, ``gain`` times what keeps values as large as they are."""
    for p in network.parameters():
        if p.requires_grad and p.is_floating_point():
            fan_in = p.numel() // max(1, len(p)) if p.ndim > 1 else 1
            p.normal_(std=gain / math.sqrt(max(1, fan_in)))


@torch.no_grad()
def _finite_rows(network: nn.Module, x: Tensor) -> Tensor:
    """Return output (n, n_out) in float64 for those of the rows that give finite numbers; none where it fails."""
    try:
        output = network(x).double().reshape(len(x), -1)
    except Exception:  # noqa: BLE001 - a user's network may fail in any way on such input
        return torch.empty(0, 1)
    rows: Tensor = output[torch.isfinite(output).all(dim=-1)]
    return rows


def _softmax_twice(n_out: int) -> str:
    floor = math.log(1 + (n_out - 1) / math.e)
    return f"applied twice, softmax leaves cross_entropy a floor: it cannot go below {floor:.3f} for {n_out} classes."


def _sigmoid_twice() -> str:
    one, zero = math.log(1 + math.exp(-1)), math.log(2)
    return (
        f"applied twice, sigmoid leaves bce a floor: it cannot go below {one:.3f} for class 1, {zero:.3f} for "
        f"class 0, {(one + zero) / 2:.3f} for as many of each."
    )


def _signs(seen: OutputRange, n_out: int, *, jointly: bool) -> Iterator[tuple[bool, str]]:
    """Yield each sign of an activation already applied: whether it is there, and what it means."""
    yield (
        seen.low == seen.high,
        f"gives {seen.low:g} for every row, as a softmax over one output does; nothing can be learnt.",
    )
    yield (
        seen.sums_to_one and seen.within(0, 1),
        f"gives rows that sum to 1, as after a softmax; {_softmax_twice(n_out)}",
    )
    yield (
        seen.log_sums_to_zero,
        "gives log-probabilities, as log_softmax does; margins and squared errors would be taken of logarithms.",
    )
    yield seen.within(0, 1), f"gives values from 0 to 1 alone, as after a sigmoid; {_sigmoid_twice()}"
    yield (
        seen.within(-1, 1),
        "gives values from -1 to 1 alone, as after a tanh; a score or a target beyond cannot be met.",
    )
    yield (
        seen.within(0, math.inf),
        "gives no value below 0, as after a ReLU, softplus or exp; a score or a scaled target below 0 cannot be met.",
    )
    # classes weigh against each other: minus a distance is a sound score of one
    yield (
        seen.within(-math.inf, 0) and not jointly,
        "gives no value above 0, as after a logsigmoid; a score or a scaled target above 0 cannot be met.",
    )


@dataclass(frozen=True)
class Finding:
    """That a network's output is not raw, in words, and whether that is certain."""

    words: str
    certain: bool


def applied_activation(seen: OutputRange, n_out: int, *, jointly: bool = False) -> Finding | None:
    """Return what says that a network applies an activation to its output; None for raw output.

    Args:
        seen: what it was found to give.
        n_out: how many numbers a row it gives.
        jointly: whether these are scores of classes that exclude each other.
    """
    if seen.raw or not seen.draws or (seen.low == seen.high and not seen.certain):
        return None
    sign = next((words for found, words in _signs(seen, n_out, jointly=jointly) if found), None)
    if sign is not None:
        tried = "whatever its weights and however far out its inputs"
        return Finding(f"The network has an activation at its end: {tried}, it {sign} {_CURE}", seen.certain)
    if jointly and seen.high <= 0:
        return None
    ends = [f"below {seen.low:.3g}"] * (seen.low > -FAR) + [f"above {seen.high:.3g}"] * (seen.high < FAR)
    words = (
        f"The network gave no value {' or '.join(ends)}, whatever its weights and however far out its inputs: it may "
        "have an activation at its end. If so, remove it: the pair adds the activation."
    )
    return Finding(words, certain=False)
