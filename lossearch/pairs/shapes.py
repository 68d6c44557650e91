"""Output and target in the shape and type that pairs read, checked at the edge and not in each loss."""

from __future__ import annotations

import torch
from torch import Tensor

from lossearch.errors import InputError
from lossearch.pairs.legality import Pair


def lifted(raw: Tensor) -> Tensor:
    """Return half-precision output as float32, any other as it is: losses are not computed in half."""
    return raw.float() if raw.dtype in (torch.float16, torch.bfloat16) else raw


def canonical(pair: Pair, raw_output: Tensor, raw_target: Tensor) -> tuple[Tensor, Tensor]:
    """Return output (N, n_out) and target in the shape and type the encoding reads, both checked.

    Half-precision output is lifted to float32. Raises InputError, naming what came.
    """
    raw = raw_output.unsqueeze(-1) if raw_output.ndim == 1 else raw_output
    if raw.ndim != 2 or not raw.is_floating_point():
        raise InputError(f"{pair.name} takes float output of shape (N, n_out); got {_shape(raw_output)}.")
    raw = lifted(raw)
    return raw, canonical_target(pair.kind, raw_target, len(raw), raw.shape[-1], pair.name)


def canonical_target(kind: str, target: Tensor, rows: int, n_out: int, who: str) -> Tensor:
    """Return a target checked against the number of rows and outputs, in canonical shape.

    Regression (N, T) float; binary (N, 1) of 0/1; multiclass (N,) class indices.
    """
    if kind == "multiclass":
        return _class_indices(target, rows, n_out, who)
    if target.ndim == 1 and n_out == 1:
        target = target.unsqueeze(-1)
    if tuple(target.shape) != (rows, n_out):
        raise InputError(
            f"{who} met output of shape ({rows}, {n_out}) and target of shape {tuple(target.shape)}; "
            "they must agree row by row and output by output."
        )
    if kind == "regression":
        return target if target.is_floating_point() else target.float()
    if n_out != 1:
        raise InputError(
            f"{who} needs one output; the network gives {n_out}. One output a class is for multiclass pairs, "
            "such as cross_entropy/softmax."
        )
    values = set(torch.unique(target.detach()).tolist())
    if not (values <= {0, 1} or values <= {-1, 1}):
        raise InputError(f"{who} takes binary targets 0/1 or -1/+1; got {_some(target)}.")
    return target.clamp(min=0) if -1 in values else target


def _class_indices(target: Tensor, rows: int, n_out: int, who: str) -> Tensor:
    if n_out < 2:
        raise InputError(
            f"{who} needs one output a class, at least 2; the network gives {n_out}. "
            "One output for two classes is for binary pairs, such as bce/sigmoid."
        )
    if target.ndim == 2 and tuple(target.shape) == (rows, n_out):
        one_hot = ((target == 0) | (target == 1)).all() and (target.sum(-1) == 1).all()
        if not one_hot:
            raise InputError(f"{who} takes class indices or one-hot rows; these rows are not one-hot.")
        return target.long().argmax(-1)
    if tuple(target.shape) != (rows,):
        raise InputError(f"{who} takes {rows} class indices; got target of shape {tuple(target.shape)}.")
    index = target.long()
    wrong = target[(index != target) | (index < 0) | (index >= n_out)]
    if len(wrong):
        raise InputError(f"{who} takes class indices from 0 to {n_out - 1}; got {_some(wrong)}.")
    return index


def _some(values: Tensor) -> str:
    return ", ".join(f"{v:g}" for v in torch.unique(values.detach())[:5].tolist())


def _shape(tensor: Tensor) -> str:
    return f"{tuple(tensor.shape)} {str(tensor.dtype).removeprefix('torch.')}"
