"""What the confirmed pairs of a study said of the same rows: all that a verdict rests on."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from lossearch._lazy import pd, torch
from lossearch._registry import unknown_name
from lossearch.errors import InputError, StoreError
from lossearch.kinds import KINDS, Predictions
from lossearch.metrics.metric import LOGGED, Metric
from lossearch.metrics.registry import METRICS, find_metric, is_given
from lossearch.records.confirmations import PREFIX, Confirmation, Confirmed, read_confirmed
from lossearch.records.predictions import numbers, read_predictions

if TYPE_CHECKING:
    from torch import Tensor

Blocks = Mapping[tuple[str, int], NDArray[np.intp]]
"""Pair and seed -> the lines of the predictions."""


@dataclass(frozen=True)
class Evidence:
    """Predictions of every confirmed pair under every fresh seed.

    ``target`` holds canonical targets of all distinct rows, (R,) or (R, T); ``rows[s]`` are the places in
    it that were scored under seed s, the same for every pair (the test part: the same under every seed).
    ``predictions[pair][s]`` are those for those rows, without leading axes. A replicate that
    diverged (``diverged[pair][s]``) scores ``constants[s]``, what a constant predictor scores. ``groups``
    numbers the group of each row, where rows of one group belong together. ``part`` is "test" or
    "validation". Of a metric that the user's module logs, ``logged[pair]`` are its scores under each seed, (S,), and
    there are no rows.
    """

    kind: str
    metric: Metric
    part: str
    seeds: tuple[int, ...]
    target: Tensor
    rows: Sequence[NDArray[np.int64]]
    predictions: Mapping[str, Sequence[Predictions]]
    diverged: Mapping[str, NDArray[np.bool_]]
    constants: NDArray[np.float64]
    groups: NDArray[np.int64] | None = None
    logged: Mapping[str, NDArray[np.float64]] | None = None

    @property
    def pairs(self) -> tuple[str, ...]:
        """The confirmed pairs."""
        return tuple(self.predictions if self.logged is None else self.logged)


def read_evidence(
    folder: Path,
    kind: str,
    metric: str | Metric,
    part: str | None = None,
    *,
    seeds: int | None = None,
    without: Collection[str] | None = None,
    steps: bool = False,
) -> Evidence:
    """Return what was confirmed, from a study's records alone.

    Predictions of a diverged replicate are zeros. With early stopping: of the pairs that have all seeds.

    Args:
        folder: the study's directory.
        kind: the task's kind.
        metric: by which pairs are judged. A pair that does not give what the metric reads is left out.
        part: "test" or "validation"; by default the part that counts.
        seeds: how many, from the first; by default all that were judged.
        without: pairs to leave out; by default those that were dropped early.
        steps: whether the steps of the scores of masks are read too, which are large.

    Raises:
        StoreError: nothing was confirmed, or the records are damaged.
        InputError: no such part or metric, or a metric that the records cannot know.
    """
    confirmed = read_confirmed(folder)
    if confirmed is None or not confirmed.confirmations:
        raise StoreError(
            f"Nothing was confirmed in {folder}: run the study to its end, with confirm_seeds above 0."
        )
    name = part or confirmed.part
    if name not in confirmed.constants:
        raise InputError(unknown_name("confirmed part", name, list(confirmed.constants)))
    judge = metric if isinstance(metric, Metric) else known_metric(metric, kind)
    judged = confirmed.seeds[: seeds or confirmed.stopping.at or None]
    left = confirmed.stopping.dropped if without is None else without
    running = [c for c in confirmed.confirmations if c.point.pair not in left and len(c.seeds) >= len(judged)]
    if judge.needs == LOGGED:
        return _logged(kind, judge, name, confirmed, judged, running)
    giving = [c for c in running if judge.needs == "codes" or is_given(judge, _form(c))]
    if not giving:
        raise InputError(f"No confirmed pair gives what metric {judge.name!r} reads ({judge.needs}).")
    frame = read_predictions(folder, name, steps=steps)
    return _evidence(kind, judge, name, confirmed, judged, giving, frame)


def known_metric(name: str, kind: str) -> Metric:
    """Return the metric that the records of a task of this kind name.

    Raises:
        InputError: it is a metric of the user's own, of which they hold the name alone.
    """
    if name not in METRICS:
        raise InputError(
            f"Metric {name!r} is none of lossearch's, and records hold a metric's name alone: give the metric "
            "itself, as in metric=my_metric."
        )
    return find_metric(name, kind)


def _evidence(
    kind: str,
    metric: Metric,
    part: str,
    confirmed: Confirmed,
    seeds: tuple[int, ...],
    giving: Sequence[Confirmation],
    frame: pd.DataFrame,
) -> Evidence:
    blocks = cast("Blocks", frame.groupby(["pair", "seed"], sort=False).indices)
    first = giving[0].point.pair
    places = [blocks[first, seed] for seed in seeds]
    every = frame["row"].to_numpy()
    ids, where = np.unique(np.concatenate([every[p] for p in places]), return_index=True)
    distinct = frame.iloc[np.concatenate(places)[where]]
    target = numbers(distinct, "target")
    if target is None:
        raise StoreError(
            "The predictions hold no targets: remove predictions.parquet and run the study again."
        )
    return Evidence(
        kind=kind,
        metric=metric,
        part=part,
        seeds=seeds,
        target=KINDS[kind].tensor(torch.from_numpy(target.copy())),
        rows=[np.searchsorted(ids, every[p]) for p in places],
        predictions={c.point.pair: _predictions(c, frame, blocks, seeds) for c in giving},
        diverged=_diverged(giving, seeds),
        constants=_constants(confirmed, part, metric)[: len(seeds)],
        groups=distinct["group"].to_numpy(np.int64) if "group" in distinct else None,
    )


def _logged(
    kind: str,
    metric: Metric,
    part: str,
    confirmed: Confirmed,
    seeds: tuple[int, ...],
    running: Sequence[Confirmation],
) -> Evidence:
    name = f"{PREFIX[part]}{metric.name}"
    return Evidence(
        kind=kind,
        metric=metric,
        part=part,
        seeds=seeds,
        target=torch.empty(0),
        rows=(),
        predictions={},
        diverged=_diverged(running, seeds),
        constants=_constants(confirmed, part, metric)[: len(seeds)],
        logged={
            c.point.pair: np.array(scores[: len(seeds)], dtype=np.float64)
            for c in running
            if (scores := c.values.get(name)) is not None
        },
    )


def _diverged(confirmations: Sequence[Confirmation], seeds: tuple[int, ...]) -> dict[str, NDArray[np.bool_]]:
    return {
        c.point.pair: np.array([o == "diverged" for o in c.outcomes[: len(seeds)]]) for c in confirmations
    }


def _constants(confirmed: Confirmed, part: str, metric: Metric) -> NDArray[np.float64]:
    of_part = confirmed.constants[part]
    if metric.name in of_part:
        return np.array(of_part[metric.name], dtype=np.float64)
    if any(c.n_diverged for c in confirmed.confirmations):
        raise InputError(
            f"Replicates diverged, and what a constant predictor scores by {metric.name!r} was not recorded. "
            f"Take one of {', '.join(of_part)}, or name it in [task] metrics and run the study under another name."
        )
    return np.full(len(confirmed.seeds), np.nan)


def _predictions(
    confirmation: Confirmation,
    frame: pd.DataFrame,
    blocks: Blocks,
    seeds: Sequence[int],
) -> list[Predictions]:
    pair = confirmation.point.pair
    if any((pair, seed) not in blocks for seed in seeds):
        raise StoreError(
            f"The predictions of {pair} are not all there: remove predictions.parquet and run the study again."
        )
    lines = {seed: blocks[pair, seed] for seed in seeds}
    columns: dict[str, NDArray[Any]] = {}
    for name in confirmation.fields:
        if (column := numbers(frame, name)) is not None:
            columns[name] = column[:, None] if name == "value" and column.ndim == 1 else column
    if "distribution" in columns:
        every = np.concatenate([*lines.values()])
        columns["distribution"] = _by_output(columns["distribution"], every, columns["value"].shape[1])
    return [_of_lines(columns, own, confirmation) for own in lines.values()]


def _by_output(column: NDArray[Any], lines: NDArray[np.intp], n_out: int) -> NDArray[Any]:
    """Return the parameters of one pair's distributions, (N, T, P), where pairs of other families may have more."""
    own = ~np.isnan(column[lines]).all(axis=0)
    return column[:, own if own.any() else slice(n_out)].reshape(len(column), n_out, -1)


def _of_lines(
    columns: Mapping[str, NDArray[Any]], lines: NDArray[np.intp], confirmation: Confirmation
) -> Predictions:
    """Return what one replicate predicted, zeros where that is not known."""
    found: dict[str, Any] = {}
    for name, column in columns.items():
        own = column[lines] if column.dtype == np.uint8 else np.nan_to_num(column[lines], nan=0.0)
        # labels of masks are many: bytes
        found[name] = torch.from_numpy(
            own.astype(np.int64 if own.ndim == 1 else np.uint8) if name == "label" else own
        )
    return Predictions(**found, codes=confirmation.codes, family=confirmation.family)


def _form(confirmation: Confirmation) -> Predictions:
    """Return predictions of the fields that a pair has, and nothing else."""
    fields: dict[str, Any] = dict.fromkeys(confirmation.fields, torch.empty(0))
    return Predictions(**fields, codes=confirmation.codes, family=confirmation.family)
