"""Output and target in the shape and type that pairs read, checked at the edge and not in each loss."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lossearch._lazy import torch
from lossearch.errors import InputError
from lossearch.kinds import KINDS
from lossearch.losses import CATALOGUE
from lossearch.pairs.pair import Pair

if TYPE_CHECKING:
    from torch import Tensor


def lifted(raw: Tensor) -> Tensor:
    """Return half-precision output as float32, any other as it is: losses are not computed in half."""
    return raw.float() if raw.dtype in (torch.float16, torch.bfloat16) else raw


def canonical(pair: Pair, raw_output: Tensor, raw_target: Tensor) -> tuple[Tensor, Tensor]:
    """Return output (N, n_out) and target in the shape and type the encoding reads, both checked.

    Half-precision output is lifted to float32. Raises InputError, naming what came.
    """
    raw = KINDS[pair.kind].flat(raw_output)
    if raw.ndim != 2 or not raw.is_floating_point():
        raise InputError(f"{pair.name} takes float output of shape (N, n_out); got {_shape(raw_output)}.")
    raw = lifted(raw)
    n_out = pair.n_out(raw.shape[-1])
    if n_out is None:
        raise InputError(
            f"{pair.name} takes no output of {raw.shape[-1]} numbers a row{_what_is_read(pair)}."
        )
    try:
        return raw, KINDS[pair.kind].checked(raw_target, len(raw), n_out, pair.name)
    except InputError as error:
        meant_otherwise = raw.shape[-1] > 1 and raw_target.shape[:1] == raw.shape[:1]
        raise InputError(f"{error}{_for_other_tasks(pair) if meant_otherwise else ''}") from None


def _what_is_read(pair: Pair) -> str:
    """Return what a loss with a head reads, as the end of a message."""
    head = pair.loss.head
    if head is None:
        return ""
    several = f", {head.width(1)} numbers for one target" if head.width(1) > 1 else ""
    return f": it reads a {head.name} for each that is predicted{several}"


def _for_other_tasks(pair: Pair) -> str:
    """Return for which other kinds of task there is a loss of this name, as the end of a message."""
    others = [
        name
        for name, table in CATALOGUE.items()
        if name != pair.kind and pair.loss.name in table and not (KINDS[name].like or KINDS[name].yields)
    ]
    said = ", ".join(f"task={name!r}" for name in others)
    return f" This is {pair.loss.name} for {pair.kind} tasks; there is {said} too." if others else ""


def _shape(tensor: Tensor) -> str:
    return f"{tuple(tensor.shape)} {str(tensor.dtype).removeprefix('torch.')}"
