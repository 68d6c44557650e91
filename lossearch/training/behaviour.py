"""What a pair's loss makes of a network's outputs on the validation part, after an epoch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lossearch.pairs import Pair
from lossearch.pairs.behaviour import MEASURES, saturated, without_gradient

ROWS = 512
"""Validation rows that are looked at, evenly spread over the part."""
EPOCHS = 5
"""Epochs at which they are looked at, the first and the last among them, however many there are."""


@torch.inference_mode(False)
def measured(
    pair: Pair, raw: Tensor, encoded: Tensor, keywords: Mapping[str, Any]
) -> dict[str, NDArray[np.float64]]:
    """Return each measure of outputs, (...), whatever stands beside them.

    ``output_gradient`` is the root mean square, over rows, of the norm of the gradient of a row's loss in its
    outputs; the others are those of ``pairs.behaviour``.

    Args:
        pair: whose outputs they are.
        raw: outputs (..., N, n_out).
        encoded: their encoded targets (..., N[, T]), which broadcast.
        keywords: what the loss is called with besides.
    """
    chosen = _chosen(raw.shape[-2])
    # in float64 and row after row in memory: in other layouts arithmetic rounds otherwise
    raw = raw.detach()[..., chosen, :].cpu().double().contiguous()
    target = encoded.cpu()[..., chosen, :] if encoded.ndim == raw.ndim else encoded.cpu()[..., chosen]
    target = target.double() if target.is_floating_point() else target
    target = target.expand(*raw.shape[:-2], *target.shape[raw.ndim - 2 :]).contiguous()
    own = {k: _doubled(v) for k, v in keywords.items()}
    gradient = _gradient(pair, raw, target, own) * raw.shape[-2]
    lead = raw.shape[:-2]
    # outputs of a replicate that has diverged are not finite
    with np.errstate(over="ignore", invalid="ignore"):
        found = {
            "output_gradient": np.sqrt(_rows(gradient.square().sum(-1), lead).mean(-1)),
            "zero_gradient": _rows(without_gradient(gradient), lead).mean(-1),
            "logit_scale": _rows(raw.abs(), lead).mean(-1),
            "logit_sd": _rows(raw, lead).std(-1),
            "saturation": _rows(saturated(pair.activation, raw), lead).mean(-1),
        }
    return {name: np.asarray(found[name], dtype=np.float64) for name in MEASURES}


def _rows(values: Tensor, lead: torch.Size) -> NDArray[Any]:
    """Return (..., numbers): numpy reduces each row as if it were alone, which torch does not."""
    return np.ascontiguousarray(values.reshape(*lead, -1).numpy())


def _chosen(rows: int) -> Tensor:
    return torch.linspace(0, rows - 1, min(rows, ROWS), dtype=torch.float64).round().long()


def _doubled(value: Any) -> Any:
    if not isinstance(value, Tensor):
        return value
    return value.cpu().double() if value.is_floating_point() else value.cpu()


def _gradient(pair: Pair, raw: Tensor, target: Tensor, keywords: Mapping[str, Any]) -> Tensor:
    """Return the gradient of the mean over rows, declared or by autograd."""
    if pair.has_derivative:
        with torch.no_grad():
            return pair.derivative(raw, target, **keywords)
    with torch.enable_grad():
        own = raw.clone().requires_grad_()
        losses = pair.reduce(pair.values(own, target, **keywords), **keywords)
        (gradient,) = torch.autograd.grad(losses, own, torch.ones_like(losses))
    return gradient
