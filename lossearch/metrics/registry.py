"""Every metric, by kind of task, and how they are computed.

Every metric works on a stack: predictions (K, N, ...) and targets (N, ...) give K scores.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import replace
from importlib import import_module
from math import isfinite
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Any

import lossearch.metrics
from lossearch._registry import Registry, did_you_mean, unknown_name
from lossearch._text import listed
from lossearch.errors import InputError, UnknownNameError
from lossearch.kinds import KINDS, Predictions, served, with_long_label
from lossearch.losses import CATALOGUE
from lossearch.metrics.metric import Metric
from lossearch.metrics.scoring import Score

if TYPE_CHECKING:
    from torch import Tensor


def _every() -> Iterator[Metric]:
    """Give the metrics of every file here that has some."""
    for found in iter_modules(lossearch.metrics.__path__, "lossearch.metrics."):
        if found.name != __name__:
            for metric in getattr(import_module(found.name), "METRICS", ()):
                yield replace(metric, kinds=served(metric.kinds))


EVERY_METRIC = tuple(_every())
"""Every metric of this package; those of one name are for different kinds of task, and of one direction."""


METRICS: Mapping[str, Metric] = {
    name: min((m for m in EVERY_METRIC if m.name == name), key=lambda m: bool(KINDS[m.kinds[0]].like))
    for name in dict.fromkeys(m.name for m in EVERY_METRIC)
}
"""Metrics by name; of those that share one between kinds of task, the first whose kind is like no other. See :func:`find_metric`."""

_BY_KIND: Mapping[str, Registry[Metric]] = {
    kind: Registry(f"{kind} metric", [m for m in EVERY_METRIC if kind in m.kinds]) for kind in KINDS
}


def metrics_for(kind: str) -> tuple[Metric, ...]:
    """Return the metrics every task of a kind is given, those on request left out."""
    return tuple(m for m in _BY_KIND[kind].values() if not m.on_request)


def metric_rows(kind: str) -> Iterator[dict[str, Any]]:
    """Give what is declared of each metric of a kind of task, as plain values."""
    for metric in _BY_KIND[kind].values():
        low, high = (end if isfinite(end) else None for end in (metric.low, metric.high))
        yield {
            "kind": kind,
            "name": metric.name,
            "judges": metric.words,
            "direction": metric.direction,
            "low": low,
            "high": high,
            "needs": metric.needs,
            "on_request": metric.on_request,
            "aliases": list(metric.aliases),
        }


def _is_loss(name: str) -> bool:
    return name.lower() in {"loss", "val_loss", "train_loss", "test_loss"} or any(
        name in table for table in CATALOGUE.values()
    )


def find_metric(name: str, kind: str) -> Metric:
    """Return the metric of this name (or alias) for a kind of task.

    Raises:
        UnknownNameError: there is no such metric.
        InputError: it is a loss, or judges another kind of task.
    """
    known = _BY_KIND[KINDS[kind].name]
    if name in known:
        return known[name]
    others = [m for m in EVERY_METRIC if name in (m.name, *m.aliases)]
    if others:
        judged = dict.fromkeys(k for m in others if m.fn == others[0].fn for k in m.kinds)
        raise InputError(
            f"Metric {others[0].name!r} judges {listed(list(judged))} tasks; this one is {kind}."
            f"{did_you_mean(name, known)} Metrics for {kind}: {', '.join(known)}."
        )
    if _is_loss(name):
        raise InputError(
            f"{name!r} is a loss, and losses have different units, so it cannot judge between them: "
            f"a metric judges. Metrics for {kind}: {', '.join(known)}."
        )
    aliases = [a for m in known.values() for a in m.aliases]
    raise UnknownNameError(unknown_name(f"{kind} metric", name, known, aliases))


def is_given(metric: Metric, predictions: Predictions) -> bool:
    """Return whether the predictions hold what the metric reads."""
    return getattr(predictions, metric.needs) is not None


def scores(metrics: Iterable[Metric], predictions: Predictions, target: Tensor) -> dict[str, Tensor]:
    """Return name -> (K,) float64 for the metrics these predictions have.

    Args:
        metrics: what to compute; one whose field the predictions lack (no probabilities) is left out.
        predictions: of K models, leading axis K.
        target: (N,), (N, 1) or (N, T), shared by all models.
    """
    kept: dict[Hashable, Any] = {}
    found = {}
    for metric in metrics:
        if is_given(metric, predictions):
            if isinstance(metric.fn, Score):
                found[metric.name] = metric.fn.sharing(kept, predictions, target)
            else:
                found[metric.name] = metric.fn(with_long_label(predictions), target)
    return found


def constant_score(metric: Metric, kind: str, y_train: Tensor, y_validation: Tensor, n_out: int) -> float:
    """Return what a constant predictor fitted on training targets scores on validation targets.

    Args:
        metric: says which constant: class shares, majority class, mean or median.
        kind: the kind of task.
        y_train: canonical training targets.
        y_validation: canonical validation targets.
        n_out: how many numbers are predicted of a row.
    """
    predictions = KINDS[kind].constant(metric.constant, y_train, len(y_validation), n_out)
    return float(metric.fn(predictions, y_validation)[0])
