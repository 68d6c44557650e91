"""Losses of shares whose parts are in an order, as bins of a histogram are: they go by how far shares would have to be moved.

``output`` and ``target`` are (..., N, C) and values (..., N).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lossearch.losses.declaration import loss

if TYPE_CHECKING:
    from torch import Tensor

_ORDERED: dict[str, Any] = {
    "task": "compositional",
    "encoding": "shares",
    "domain": "simplex",
    "caution": {"softmax": "it takes the parts for being in an order, from column to column."},
    "on_request": True,
}
_EXAMPLE = ([[0.25, 0.25, 0.5]], [[0.5, 0.5, 0.0]])


def _ahead(output: Tensor, target: Tensor) -> Tensor:
    """Return by how much what is predicted up to each part exceeds what is there."""
    return (output - target).cumsum(dim=-1)


def _from_ends(each: Tensor) -> Tensor:
    """Return the derivative in parts, of one in cumulated parts."""
    return each.flip(-1).cumsum(dim=-1).flip(-1)


def _squared_emd_derivative(output: Tensor, target: Tensor) -> Tensor:
    return _from_ends(2 * _ahead(output, target))


@loss(
    source="Hou, Yu & Samaras 2016",
    class_name="SquaredEMD",
    formula="sum_k (P_k - Y_k)^2, cumulated shares",
    aliases=("earth_mover_squared",),
    derivative=_squared_emd_derivative,
    example=(*_EXAMPLE, 0.3125),
    **_ORDERED,
)
def squared_emd(output: Tensor, target: Tensor) -> Tensor:
    """Return the squared differences of cumulated shares; its minimiser is the mean shares."""
    return _ahead(output, target).square().sum(dim=-1)


def _emd_derivative(output: Tensor, target: Tensor) -> Tensor:
    return _from_ends(_ahead(output, target).sign())


@loss(
    source="Rubner, Tomasi & Guibas 2000",
    class_name="EMD",
    formula="sum_k |P_k - Y_k|, cumulated shares",
    aliases=("earth_mover", "wasserstein"),
    families=("robust",),
    derivative=_emd_derivative,
    kinks=(0.0,),
    example=(*_EXAMPLE, 0.75),
    **_ORDERED,
)
def emd(output: Tensor, target: Tensor) -> Tensor:
    """Return the earth mover's distance: how much is to be moved, times how many parts far."""
    return _ahead(output, target).abs().sum(dim=-1)


LOSSES = (squared_emd, emd)
