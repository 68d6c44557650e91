"""Losses put together in Python as they are in text: ``my_loss + 0.5 * dice``."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Real
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from lossearch.losses.declaration import Loss

Weight = float | Sequence[float]


class Summable:
    """What ``+`` and ``*`` make of losses: the loss that the expression stands for, as its text would.

    Losses, and texts of some beside one (``my_loss + "0.5*focal(gamma=2)"``), are added, and weighted with a number or
    ``[low, high]`` where the weight is to be searched.
    """

    def __add__(self, other: Loss | str) -> Loss:
        """Return the sum with another loss, or with what a text stands for."""
        return _sum(self, other) if _is_term(other) else NotImplemented

    def __radd__(self, other: Loss | str) -> Loss:
        """Return the sum with what stands before."""
        return _sum(other, self) if _is_term(other) else NotImplemented

    def __mul__(self, weight: Weight) -> Loss:
        """Return the loss with a weight."""
        written = _written(weight)
        return NotImplemented if written is None else _read(f"{written}*{self}", self)

    __rmul__ = __mul__


def _is_term(other: object) -> bool:
    return isinstance(other, Summable | str)


def _sum(*terms: object) -> Loss:
    """Return the sum of losses and texts."""
    return _read("+".join(map(str, terms)), *(t for t in terms if isinstance(t, Summable)))


def _written(weight: object) -> str | None:
    """Return a weight as it stands in a text, None where it is none."""
    if isinstance(weight, Real):
        return repr(float(weight))
    if isinstance(weight, Sequence) and not isinstance(weight, str):
        values = [_written(value) for value in weight]
        return None if None in values else f"[{','.join(map(str, values))}]"
    return None


def _read(text: str, *terms: Summable) -> Loss:
    """Return what a text stands for, in which the names of losses do.

    Raises:
        UnreadableError: they have no sum; the message says why.
    """
    from lossearch.losses import loss_of_sum, losses_for, parts_of

    losses = [cast("Any", term) for term in terms]
    first: tuple[str, ...] = losses[0].kinds
    kind = next((k for k in first if all(k in x.kinds for x in losses)), first[0])
    own = {x.name: x for loss in losses for x in parts_of(loss) if losses_for(kind).get(x.name) is not x}
    return loss_of_sum(text, kind, own)
