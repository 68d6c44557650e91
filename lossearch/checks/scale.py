"""What a loss is divided by, and how large it is where training starts: no faults, but worth knowing."""

from __future__ import annotations

import torch

from lossearch.checks.samples import draw, keywords, pairs_of
from lossearch.kinds import KINDS
from lossearch.losses import Loss
from lossearch.pairs.legality import find_pair
from lossearch.pairs.pair import Pair

_START = 0.1
"""What outputs are multiplied by to be of the size that fresh weights give."""
_FAR = 30.0
"""From how many times as large a start is worth a word."""


def divisor(loss: Loss) -> str:
    """Say what a batch is divided by."""
    if loss.gathers:
        return "A batch is divided by its rows: several numbers a row are averaged, and the loss is made of their means."
    if loss.after_mean is not None:
        return "A batch is divided by its rows, before after_mean."
    return f"A batch is divided by its rows{' and outputs' if loss.elementwise else ''}."


def start(loss: Loss) -> str:
    """Say how large value and gradient are at outputs of fresh weights, beside the conventional pair of the kind of task."""
    kind = loss.kinds[0]
    usual = find_pair(KINDS[kind].conventional, kind)
    at, like = _at_start(next(p for p in pairs_of(loss) if p.kind == kind)), _at_start(usual)
    said = f"Training starts at {at[0]:.3g}, with a gradient of {at[1]:.3g} a row"
    ratio = max(abs(at[0] / like[0]), at[1] / like[1])
    if ratio < _FAR:
        return f"{said}."
    return (
        f"{said}; {usual.name} at {like[0]:.3g} with {like[1]:.3g}. Divide it by {ratio:.0f}: learning rates far below the "
        "others' may lie outside the range that is searched, and clipping and sums of losses go by size."
    )


def _at_start(pair: Pair) -> tuple[float, float]:
    """Return the loss of a batch, and the mean norm of a row's gradient."""
    sample = draw(pair, 64)
    raw = (_START * sample.raw).requires_grad_()
    value = pair.reduce(pair.values(raw, sample.encoded, **keywords(pair.loss)), **pair.loss.defaults)
    (slope,) = torch.autograd.grad(value, raw)
    return float(value.detach()), float(slope.norm(dim=-1).sum())
