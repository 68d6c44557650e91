"""Records to tidy tables: one row a pair, one row a trial, one row a point of a curve."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import pandas as pd

from lossearch.metrics.metric import SIGN
from lossearch.records.trial import TrialRecord
from lossearch.space import Point
from lossearch.training.contract import Outcome

_IDS = ("trial", "pair", "lr", "seed", "epoch", "outcome")
_SCORED = (Outcome.COMPLETED, Outcome.DIVERGED)


class PublishedNumbers(Protocol):
    """A row of a published table."""

    @property
    def pair(self) -> str:
        """The pair it was measured with."""
        ...

    @property
    def label(self) -> str:
        """The loss's name as published."""
        ...

    @property
    def metric(self) -> str:
        """The metric it reports."""
        ...

    @property
    def train(self) -> float | None:
        """The published number on training rows."""
        ...

    @property
    def test(self) -> float | None:
        """The published number on held-out rows."""
        ...

    @property
    def note(self) -> str:
        """What to know about it."""
        ...


def best_records(records: Iterable[TrialRecord], *, direction: str) -> dict[str, TrialRecord]:
    """Return each pair's best finished trial; of equals, the first. A diverged trial has a value too."""
    scored = [(v, r) for r in sorted(records, key=lambda r: r.number) if (v := _value(r)) is not None]
    best: dict[str, tuple[float, TrialRecord]] = {}
    for value, record in scored:
        held = best.get(record.point.pair)
        if held is None or SIGN[direction] * (value - held[0]) > 0:
            best[record.point.pair] = (value, record)
    return {pair: record for pair, (_, record) in best.items()}


def leaderboard(
    records: Sequence[TrialRecord],
    *,
    direction: str,
    metric: str,
    pairs: Sequence[str],
    conventional: str,
    min_trials: int = 1,
    searched: Mapping[str, Collection[str]] | None = None,
) -> pd.DataFrame:
    """Return one row a pair, ranked by the best trial's value.

    Columns: ``pair``, ``loss``, ``activation``, ``lr`` and ``params`` of the best trial, ``score`` (its
    value: the mean over seeds) and ``sd`` (over seeds), ``gain`` over the conventional pair's best in
    metric units, positive where better, ``rank``, ``trials`` (finished: completed, pruned or diverged),
    ``diverged``, ``failed``, ``lr_at_edge`` (whether the best lr is the lowest or highest tried), ``trial``,
    ``epoch``, ``seeds``, and ``val_<metric>`` of the best trial for every other metric.

    Equal scores share a rank. A pair with fewer than ``min_trials`` finished trials has none and comes
    after the ranked; pairs without a value come last.

    Args:
        records: the search's trials, in any order.
        direction: "maximize" or "minimize".
        metric: the task's metric.
        pairs: every pair of the space.
        conventional: the pair to which gains refer.
        min_trials: finished trials a pair needs for a rank.
        searched: names of what each pair searches (``loss.parameter``, or a setting): others are not
            shown in ``params``. None shows all.
    """
    best = best_records(records, direction=direction)
    others = sorted(
        {k for r in best.values() for k in r.scores if k.startswith("val_")} - {f"val_{metric}", "val_loss"}
    )
    groups: dict[str, list[TrialRecord]] = {p: [] for p in pairs}
    for record in records:
        groups.setdefault(record.point.pair, []).append(record)
    rows = [_row(pair, group, best.get(pair), metric, others) for pair, group in groups.items()]
    for row in rows:
        shown = best.get(row["pair"])
        if shown is not None and searched is not None:
            row["params"] = params_text(searched_values(shown.point, searched.get(row["pair"], ())))
    frame = pd.DataFrame(rows)
    sign = SIGN[direction]
    reference = next((r["score"] for r in rows if r["pair"] == conventional), math.nan)
    frame["gain"] = sign * (frame["score"] - reference) + 0.0
    enough = frame["score"].notna() & (frame["trials"] >= min_trials)
    frame["rank"] = (-sign * frame["score"]).where(enough).rank(method="min").astype("Int64")
    order = pd.DataFrame(
        {"rank": frame["rank"].astype("Float64").fillna(math.inf), "score": -sign * frame["score"]}
    )
    frame = frame.loc[order.sort_values(["rank", "score"], kind="stable", na_position="last").index]
    return frame[[*_FIRST, *(f for f in frame.columns if f not in _FIRST)]].reset_index(drop=True)


_FIRST = [
    "rank",
    "pair",
    "loss",
    "activation",
    "lr",
    "params",
    "score",
    "sd",
    "gain",
    "trials",
    "diverged",
    "failed",
]


def lr_sensitivity(records: Iterable[TrialRecord], *, metric: str) -> pd.DataFrame:
    """Return one row a trial: pair, lr, value, sd over seeds, outcome, trial; ordered by pair and lr."""
    rows = [
        {
            "pair": r.point.pair,
            "lr": r.point.lr,
            "value": math.nan if _value(r) is None else r.value,
            "sd": r.spread.get(f"val_{metric}", math.nan) if len(r.seeds) > 1 else math.nan,
            "outcome": str(r.outcome),
            "trial": r.number,
        }
        for r in records
    ]
    frame = pd.DataFrame(rows, columns=["pair", "lr", "value", "sd", "outcome", "trial"])
    frame = frame.astype({"lr": float, "value": float, "sd": float})
    return frame.sort_values(["pair", "lr", "trial"], kind="stable").reset_index(drop=True)


def curves(frame: pd.DataFrame, trials: Mapping[str, int], *, points: int = 200) -> pd.DataFrame:
    """Return mean and sd over seeds of every curve, for one trial a pair, thinned to what a plot can show.

    Args:
        frame: per-replicate curves with columns trial, pair, lr, seed, epoch and one column a curve.
        trials: pair -> number of the trial to show, in the order to show them.
        points: at most so many epochs a pair, first and last among them.

    Returns:
        One row a pair, curve and epoch: pair, trial, lr, curve, epoch, mean, sd, seeds (those that are
        finite at that epoch; a diverged replicate ends early).
    """
    names = [c for c in frame.columns if c not in _IDS]
    parts = [
        _curves_of(frame[frame["trial"] == number], pair, names, points) for pair, number in trials.items()
    ]
    columns = ["pair", "trial", "lr", "curve", "epoch", "mean", "sd", "seeds"]
    parts = [p for p in parts if len(p)]
    return pd.concat(parts, ignore_index=True)[columns] if parts else pd.DataFrame(columns=columns)


def published(
    rows: Sequence[PublishedNumbers], records: Iterable[TrialRecord], *, metric: str, direction: str
) -> pd.DataFrame:
    """Return published numbers beside ours, one row a published row and metric.

    Where a row was published in a metric other than the task's, ours in the task's metric follows it,
    without a published number.

    Returns:
        Columns label, pair, metric, train, train_sd, published_train, validation, validation_sd,
        published_test, note, trained (whether the pair has a finished trial).
    """
    best = best_records(records, direction=direction)
    found = []
    for row in rows:
        record = best.get(row.pair)
        found.append(_published(row, record, row.metric, row.train, row.test, row.note))
        if row.metric != metric:
            found.append(_published(row, record, metric, None, None, ""))
    return pd.DataFrame(found).drop_duplicates(ignore_index=True)


def searched_values(point: Point, names: Collection[str]) -> dict[str, Any]:
    """Return those of a point's own values that are among the names searched (``loss.parameter``, or a setting)."""
    own = {k: v for k, v in point.params.items() if f"{point.loss}.{k}" in names}
    return own | {k: v for k, v in point.settings.items() if k in names}


def params_text(values: Mapping[str, Any]) -> str:
    """Return ``gamma=2, batch_size=32``."""
    return ", ".join(f"{k}={v:.4g}" if isinstance(v, float) else f"{k}={v}" for k, v in values.items())


def _value(record: TrialRecord) -> float | None:
    usable = record.outcome in _SCORED and record.value is not None and math.isfinite(record.value)
    return record.value if usable else None


def _row(
    pair: str, group: Sequence[TrialRecord], best: TrialRecord | None, metric: str, others: Sequence[str]
) -> dict[str, Any]:
    loss, _, activation = pair.partition("/")
    outcomes = [r.outcome for r in group]
    row: dict[str, Any] = {
        "pair": pair,
        "loss": loss,
        "activation": activation,
        "lr": math.nan,
        "params": "",
        "score": math.nan,
        "sd": math.nan,
        "trials": sum(o is not Outcome.FAILED for o in outcomes),
        "diverged": outcomes.count(Outcome.DIVERGED),
        "failed": outcomes.count(Outcome.FAILED),
        "lr_at_edge": False,
        "trial": pd.NA,
        "epoch": pd.NA,
        "seeds": 0,
        **dict.fromkeys(others, math.nan),
    }
    return row if best is None else row | _of_best(best, group, metric, others)


def _of_best(
    best: TrialRecord, group: Sequence[TrialRecord], metric: str, others: Sequence[str]
) -> dict[str, Any]:
    tried = {r.point.lr for r in group if r.outcome is not Outcome.FAILED}
    return {
        "lr": best.point.lr,
        "params": params_text({**best.point.params, **best.point.settings}),
        "score": best.value,
        "sd": best.spread.get(f"val_{metric}", math.nan) if len(best.seeds) > 1 else math.nan,
        "lr_at_edge": len(tried) > 2 and best.point.lr in (min(tried), max(tried)),
        "trial": best.number,
        "epoch": pd.NA if best.epoch is None else best.epoch,
        "seeds": len(best.seeds),
        **{k: best.scores.get(k, math.nan) for k in others},
    }


def _curves_of(frame: pd.DataFrame, pair: str, names: Sequence[str], points: int) -> pd.DataFrame:
    if frame.empty:
        return frame
    epochs = np.unique(frame["epoch"].to_numpy())
    shown = epochs[np.unique(np.linspace(0, len(epochs) - 1, min(points, len(epochs))).round().astype(int))]
    values = frame.loc[frame["epoch"].isin(shown), ["epoch", *names]]
    long = values.melt(id_vars="epoch", value_vars=list(names), var_name="curve")
    long = long[np.isfinite(long["value"])]
    grouped = long.groupby(["curve", "epoch"], sort=True)["value"]
    found: pd.DataFrame = grouped.agg(mean="mean", sd="std", seeds="count").reset_index()
    return found.assign(pair=pair, trial=int(frame["trial"].iloc[0]), lr=float(frame["lr"].iloc[0]))


def _published(
    row: PublishedNumbers,
    record: TrialRecord | None,
    metric: str,
    train: float | None,
    test: float | None,
    note: str,
) -> dict[str, Any]:
    scores: Mapping[str, float] = record.scores if record else {}
    spread: Mapping[str, float] = record.spread if record and len(record.seeds) > 1 else {}
    return {
        "label": row.label,
        "pair": row.pair,
        "metric": metric,
        "train": scores.get(f"train_{metric}", math.nan),
        "train_sd": spread.get(f"train_{metric}", math.nan),
        "published_train": math.nan if train is None else train,
        "validation": scores.get(f"val_{metric}", math.nan),
        "validation_sd": spread.get(f"val_{metric}", math.nan),
        "published_test": math.nan if test is None else test,
        "note": note,
        "trained": record is not None,
    }
