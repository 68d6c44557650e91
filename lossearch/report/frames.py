"""Records to tidy tables: one row a pair, one row a trial, one row a point of a curve."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from lossearch._lazy import pd
from lossearch.diagnostics.ladders import Rung
from lossearch.metrics.metric import SIGN
from lossearch.records.confirmations import PREFIX, Confirmation, Confirmed
from lossearch.records.trial import TrialRecord, best_of
from lossearch.space import Point
from lossearch.training.contract import Outcome
from lossearch.verdict.verdict import Ranked, Verdict

_IDS = ("trial", "pair", "lr", "seed", "epoch", "outcome")


def best_records(records: Iterable[TrialRecord], *, direction: str) -> dict[str, TrialRecord]:
    """Return each pair's best finished trial; of equals, the first. A diverged trial has a value too."""
    groups: dict[str, list[TrialRecord]] = {}
    for record in records:
        groups.setdefault(record.point.pair, []).append(record)
    sign = SIGN[direction]
    return {p: best for p, group in groups.items() if (best := best_of(group, sign)) is not None}


def search_leaderboard(
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

    Columns: ``rank``, ``pair``, ``loss``, ``activation``, ``lr`` and ``params`` of the best trial, ``score``
    (its value: the mean over seeds) and ``sd`` (over seeds), ``gain`` over the conventional pair's best in
    metric units, positive where better, ``trials`` (finished: completed, pruned or diverged), ``diverged``,
    ``failed``, ``lr_at_edge`` (whether the best lr is the lowest or highest tried), ``trial``, ``epoch``,
    ``seeds``, and ``val_<metric>`` of the best trial for every other metric.

    Equal scores share a rank. A pair with fewer than ``min_trials`` finished trials has none and comes
    after the ranked; pairs without a value come last. ``pairs`` are all of the space; ``searched`` says
    what each of them searches, and other values are not shown in ``params``; None shows all.
    """
    best = best_records(records, direction=direction)
    others = sorted(
        {k for r in best.values() for k in r.scores if k.startswith("val_")} - {f"val_{metric}", "val_loss"}
    )
    groups: dict[str, list[TrialRecord]] = {p: [] for p in pairs}
    for record in records:
        groups.setdefault(record.point.pair, []).append(record)
    rows = [_row(pair, group, others) for pair, group in groups.items()]
    for row in rows:
        if (found := best.get(row["pair"])) is not None:
            names = None if searched is None else searched.get(found.point.pair, ())
            row.update(_of_best(found, groups[found.point.pair], metric, others, names))
    frame = pd.DataFrame(rows)
    worth = SIGN[direction] * frame["score"]
    frame["gain"] = worth - worth[frame["pair"] == conventional].max() + 0.0
    enough = frame["score"].notna() & (frame["trials"] >= min_trials)
    frame["rank"] = (-worth).where(enough).rank(method="min").astype("Int64")
    order = pd.DataFrame({"rank": frame["rank"], "score": -worth}).sort_values(["rank", "score"]).index
    return frame.loc[order].reset_index(drop=True)


def _row(pair: str, group: Sequence[TrialRecord], others: Sequence[str]) -> dict[str, Any]:
    """Return the row of a pair that has no score yet."""
    loss, _, activation = pair.partition("/")
    outcomes = [r.outcome for r in group]
    return {
        "rank": pd.NA,
        "pair": pair,
        "loss": loss,
        "activation": activation,
        "lr": math.nan,
        "params": "",
        "score": math.nan,
        "sd": math.nan,
        "gain": math.nan,
        "trials": sum(o is not Outcome.FAILED for o in outcomes),
        "diverged": outcomes.count(Outcome.DIVERGED),
        "failed": outcomes.count(Outcome.FAILED),
        "lr_at_edge": False,
        "trial": pd.NA,
        "epoch": pd.NA,
        "seeds": 0,
        **dict.fromkeys(others, math.nan),
    }


def _of_best(
    best: TrialRecord,
    group: Sequence[TrialRecord],
    metric: str,
    others: Sequence[str],
    searched: Collection[str] | None,
) -> dict[str, Any]:
    """Return what a pair's row has from its best trial."""
    tried = {r.point.lr for r in group if r.outcome is not Outcome.FAILED}
    own = {**best.point.params, **best.point.settings}
    return {
        "lr": best.point.lr,
        "params": params_text(own if searched is None else searched_values(best.point, searched)),
        "score": best.value,
        "sd": best.spread.get(f"val_{metric}", math.nan) if len(best.seeds) > 1 else math.nan,
        "lr_at_edge": len(tried) > 2 and best.point.lr in (min(tried), max(tried)),
        "trial": best.number,
        "epoch": pd.NA if best.epoch is None else best.epoch,
        "seeds": len(best.seeds),
        **{k: best.scores.get(k, math.nan) for k in others},
    }


def confirmed_leaderboard(
    board: pd.DataFrame,
    verdict: Verdict,
    confirmed: Confirmed,
    searched: Mapping[str, Collection[str]],
) -> pd.DataFrame:
    """Return one row a pair in the verdict's order, the pairs that are not confirmed last.

    Columns: ``rank``, ``tied`` (with the best), ``pair``, ``loss``, ``activation``, ``lr`` and ``params``
    of the confirmed point, ``score`` (its mean over the fresh seeds on the judged rows), ``ci_low`` and
    ``ci_high`` (over seeds and rows), ``sd`` (over seeds), ``gain``, ``gain_low`` and ``gain_high`` over
    the conventional pair, positive where better, ``validation_score`` (of the fresh seeds),
    ``search_score`` (by which the point was chosen), ``trials``, ``diverged`` and ``failed`` (of the
    search), ``diverged_seeds`` (of the fresh ones), ``lr_at_edge``, ``trial``, ``epoch``, ``seeds``, and
    the mean of every other metric on the judged rows. ``board`` is that of :func:`search_leaderboard`,
    ``searched`` as there.
    """
    search: dict[str, dict[str, Any]] = {row["pair"]: row for row in board.to_dict("records")}  # type: ignore[misc]  # keys are names
    ranked = {r.pair for r in verdict.ranking}
    rows = [
        _confirmed_row(search[r.pair], r, confirmed[r.pair], verdict, searched.get(r.pair, ()))
        for r in verdict.ranking
    ]
    rows += [
        {
            **{name: row[name] for name in (*_OF_SEARCH, "lr", "params", "trial", "epoch")},
            "tied": False,
            "search_score": row["score"],
            "seeds": 0,
        }
        for pair, row in search.items()
        if pair not in ranked
    ]
    whole = dict.fromkeys(("rank", "trial", "epoch", "diverged_seeds"), "Int64")
    return pd.DataFrame(rows).astype({**whole, "tied": bool, "lr_at_edge": bool})


def baselines(confirmed: Confirmed | None) -> pd.DataFrame:
    """Return one row a simple model that is scored on the rows of the confirmed pairs, the constant predictor first.

    Columns: ``baseline``, ``score`` (by the metric that judges, the mean over ``seeds``), ``ci_low`` and ``ci_high``
    (over seeds and rows, as those of pairs; NaN where these are too few, or too many), ``sd`` (over seeds), and
    ``seeds``. No rows where nothing was confirmed, or an earlier release recorded it.
    """
    columns = ["baseline", "score", "ci_low", "ci_high", "sd", "seeds"]
    if confirmed is None:
        return empty(columns)
    judged = f"{PREFIX[confirmed.part]}{confirmed.metric}"
    rows = [
        (b.name, b.scores[judged], *(b.interval or (math.nan, math.nan)), b.spread[judged], len(b.seeds))
        for b in confirmed.baselines
        if judged in b.values
    ]
    return pd.DataFrame(rows, columns=columns)


def ladder(found: Sequence[Rung]) -> pd.DataFrame:
    """Return one row for each loss and the simpler one it contains.

    Columns: the pairs ``general`` and ``special``, ``where`` one is the other, the parameters ``added``, ``difference``
    with ``low`` and ``high`` (positive where the general one is better; NaN where not both were confirmed), and their
    ``use``.
    """
    rows = [
        {
            "general": r.case.general,
            "special": r.case.special,
            "where": r.case.where,
            "added": ", ".join(r.added),
            "difference": math.nan if r.seen is None else r.seen.difference,
            "low": math.nan if r.seen is None else r.seen.low,
            "high": math.nan if r.seen is None else r.seen.high,
            "use": r.use.value,
        }
        for r in found
    ]
    return pd.DataFrame(
        rows, columns=["general", "special", "where", "added", "difference", "low", "high", "use"]
    )


_OF_SEARCH = ("pair", "loss", "activation", "trials", "diverged", "failed", "lr_at_edge")


def _confirmed_row(
    search: Mapping[str, Any],
    ranked: Ranked,
    confirmation: Confirmation,
    verdict: Verdict,
    searched: Collection[str],
) -> dict[str, Any]:
    prefix, point = PREFIX[verdict.part], confirmation.point
    judged = {f"{prefix}{verdict.metric}", f"{prefix}loss"}
    return {
        "rank": ranked.rank,
        "tied": ranked.tied,
        **{name: search[name] for name in ("pair", "loss", "activation")},
        "lr": point.lr,
        "params": params_text(searched_values(point, searched)),
        "score": ranked.score,
        "ci_low": ranked.low,
        "ci_high": ranked.high,
        "sd": ranked.sd,
        "gain": 0.0 if ranked.pair == verdict.conventional else _or_nan(ranked.gain),
        "gain_low": _or_nan(ranked.gain_low),
        "gain_high": _or_nan(ranked.gain_high),
        "validation_score": _or_nan(ranked.validation),
        "search_score": confirmation.search,
        **{name: search[name] for name in ("trials", "diverged", "failed")},
        "diverged_seeds": ranked.diverged,
        "lr_at_edge": search["lr_at_edge"],
        "trial": confirmation.trial,
        "epoch": confirmation.epoch,
        "seeds": len(confirmation.seeds),
        **{k: v for k, v in confirmation.scores.items() if k.startswith(prefix) and k not in judged},
    }


def _or_nan(value: float | None) -> float:
    return math.nan if value is None else value


def lr_sensitivity(records: Iterable[TrialRecord], *, metric: str) -> pd.DataFrame:
    """Return one row a trial: pair, lr, value, sd over seeds, outcome, trial; ordered by pair and lr."""
    rows = [
        {
            "pair": r.point.pair,
            "lr": r.point.lr,
            "value": math.nan if r.value is None else r.value,
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

    ``trials``: pair -> number of the trial to show, in that order.

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


def searched_values(point: Point, names: Collection[str]) -> dict[str, Any]:
    """Return those of a point's own values that are among the names searched (``loss.parameter``, or a setting)."""
    own = {k: v for k, v in point.params.items() if f"{point.loss}.{k}" in names}
    return own | {k: v for k, v in point.settings.items() if k in names}


def params_text(values: Mapping[str, Any]) -> str:
    """Return ``gamma=2, batch_size=32``."""
    return ", ".join(f"{k}={v:.4g}" if isinstance(v, float) else f"{k}={v}" for k, v in values.items())


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


def empty(columns: Sequence[str]) -> pd.DataFrame:
    """Return a table of these columns without rows."""
    return pd.DataFrame(columns=list(columns))
