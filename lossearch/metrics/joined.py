"""Predictions of different pairs joined, so that one call of a metric scores them all."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from lossearch._lazy import torch
from lossearch.kinds import EVERY_FIELD, Predictions
from lossearch.metrics.metric import Metric

if TYPE_CHECKING:
    from torch import Tensor

FIELDS = ("label", "probability", "score", "value", "output", "distribution", "steps")
_READ = {
    "label": ("label",),
    "score": ("score", "label", "probability"),
    "probability": ("probability", "label"),
    "value": ("value",),
    "distribution": ("distribution",),
    "density": ("distribution",),
}
"""What a metric that needs this field reads, all of it the same thing for every pair: one call serves
all pairs that have the same of these. A metric that needs anything else is called by pair."""


def read_by(metrics: Iterable[Metric]) -> tuple[str, ...]:
    """Return the fields of predictions that metrics may read."""
    needs = {m.needs for m in metrics}
    if not needs <= set(_READ):
        return EVERY_FIELD
    return tuple(dict.fromkeys(name for need in sorted(needs) for name in _READ[need]))


def each_field(predictions: Predictions, change: Callable[[Tensor], Tensor]) -> Predictions:
    """Return predictions with every tensor changed in one way."""
    changed: dict[str, Any] = {n: change(t) for n in FIELDS if (t := getattr(predictions, n)) is not None}
    return replace(predictions, **changed)


def joined(predictions: Sequence[Predictions], axis: int, fields: Sequence[str] = FIELDS) -> Predictions:
    """Return those fields of predictions, which mean the same in all of them, joined along an axis."""
    held = [name for name in fields if getattr(predictions[0], name) is not None]
    parts: dict[str, Any] = {n: torch.cat([getattr(s, n) for s in predictions], dim=axis) for n in held}
    return Predictions(**parts, family=predictions[0].family if "distribution" in held else None)


def together(
    needs: str, predictions: Sequence[Predictions], axis: int
) -> Iterator[tuple[list[int], Predictions]]:
    """Give places in ``predictions``, and their predictions joined, that one call of a metric can score.

    Args:
        needs: the field that the metric needs; predictions that lack it are left out.
        predictions: predictions, one pair each, (..., N[, C]).
        axis: the leading axis they are joined along.
    """
    having = [i for i, one in enumerate(predictions) if getattr(one, needs) is not None]
    if needs not in _READ:
        for i in having:
            yield [i], predictions[i]
        return
    alike: dict[tuple[tuple[str, ...], tuple[str | None, int] | None], list[int]] = {}
    for i in having:
        fields = _fields_read(needs, predictions[i])
        alike.setdefault((fields, _family(fields, predictions[i])), []).append(i)
    for (fields, _), places in alike.items():
        yield places, joined([predictions[i] for i in places], axis, fields)


def _fields_read(needs: str, one: Predictions) -> tuple[str, ...]:
    # the number of classes is that of the scores
    wide = one.score is not None and one.label is not None and one.score.ndim > one.label.ndim
    read = dict.fromkeys((*_READ[needs], *(("score",) if wide else ())))
    return tuple(name for name in read if getattr(one, name) is not None)


def _family(fields: Sequence[str], one: Predictions) -> tuple[str | None, int] | None:
    known = one.distribution if "distribution" in fields else None
    return None if known is None else (one.family, known.shape[-1])
