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
    # Apple's GPUs have no float64
    where = torch.device("cpu") if raw.device.type == "mps" else raw.device
    chosen = _chosen(raw.shape[-2]).to(where)
    # in float64 and row after row in memory: in other layouts arithmetic rounds otherwise
    raw, encoded = raw.detach().to(where)[..., chosen, :].double().contiguous(), encoded.to(where)
    target = encoded[..., chosen, :] if encoded.ndim == raw.ndim else encoded[..., chosen]
    target = target.double() if target.is_floating_point() else target
    target = target.expand(*raw.shape[:-2], *target.shape[raw.ndim - 2 :]).contiguous()
    own = {k: _doubled(v, where) for k, v in keywords.items()}
    gradient = _gradient(pair, raw, target, own) * raw.shape[-2]
    lead = raw.shape[:-2]
    # outputs of a replicate that has diverged are not finite
    with np.errstate(over="ignore", invalid="ignore"):
        found = {
            "output_gradient": np.sqrt(_mean(gradient.square().sum(-1), lead)),
            "zero_gradient": _mean(without_gradient(gradient), lead),
            "logit_scale": _mean(raw.abs(), lead),
            "logit_sd": _spread(raw, lead),
            "saturation": _mean(saturated(pair.activation, raw), lead),
        }
    return {name: np.asarray(found[name], dtype=np.float64) for name in MEASURES}


def _mean(values: Tensor, lead: torch.Size) -> NDArray[Any]:
    rows = _rows(values, lead)
    # on a processor numpy reduces each row as if it were alone, which torch does not
    return rows.numpy().mean(-1) if rows.device.type == "cpu" else rows.double().mean(-1).cpu().numpy()


def _spread(values: Tensor, lead: torch.Size) -> NDArray[Any]:
    rows = _rows(values, lead)
    return rows.numpy().std(-1) if rows.device.type == "cpu" else rows.std(-1, correction=0).cpu().numpy()


def _rows(values: Tensor, lead: torch.Size) -> Tensor:
    return values.reshape(*lead, -1).contiguous()


def _chosen(rows: int) -> Tensor:
    return torch.linspace(0, rows - 1, min(rows, ROWS), dtype=torch.float64).round().long()


def _doubled(value: Any, where: torch.device) -> Any:
    if not isinstance(value, Tensor):
        return value
    return value.to(where, torch.float64) if value.is_floating_point() else value.to(where)


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
