"""The leaderboard that a verdict gives: one row a pair, judged on fresh seeds."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import Any

import pandas as pd

from lossearch.records.confirmations import PREFIX, Confirmation, Confirmed
from lossearch.report.frames import params_text, searched_values
from lossearch.verdict.verdict import Ranked, Verdict

FIRST = [
    "rank",
    "tied",
    "pair",
    "loss",
    "activation",
    "lr",
    "params",
    "score",
    "ci_low",
    "ci_high",
    "sd",
    "gain",
    "gain_low",
    "gain_high",
    "validation_score",
    "search_score",
    "trials",
    "diverged",
    "failed",
    "diverged_seeds",
    "lr_at_edge",
    "trial",
    "epoch",
    "seeds",
]
_OF_SEARCH = ["loss", "activation", "params", "trials", "diverged", "failed", "lr_at_edge"]


def standings(
    board: pd.DataFrame,
    verdict: Verdict,
    confirmed: Confirmed,
    searched: Mapping[str, Collection[str]],
) -> pd.DataFrame:
    """Return one row a pair in the verdict's order, the pairs that are not confirmed last.

    Columns: ``rank``, ``tied`` (with the best), ``pair``, ``loss``, ``activation``, ``lr`` and ``params`` of
    the confirmed point, ``score`` (its mean over the fresh seeds on the judged rows), ``ci_low`` and
    ``ci_high`` (over seeds and rows), ``sd`` (over seeds), ``gain``, ``gain_low`` and ``gain_high`` over the
    conventional pair, positive where better, ``validation_score`` (of the fresh seeds),
    ``search_score`` (by which the point was chosen), ``trials``, ``diverged`` and ``failed`` (of the search),
    ``diverged_seeds`` (of the fresh ones), ``lr_at_edge``, ``trial``, ``epoch``, ``seeds``, and the mean of
    every other metric on the judged rows.

    Args:
        board: what ``frames.leaderboard`` gives of the same study.
        verdict: what was judged.
        confirmed: what was confirmed.
        searched: names of what each pair searches; others are not shown in ``params``.
    """
    search: dict[str, dict[str, Any]] = {row["pair"]: row for row in board.to_dict("records")}  # type: ignore[misc]  # keys are names
    ranked = {r.pair for r in verdict.ranking}
    rows = [
        _judged(search[r.pair], r, confirmed[r.pair], verdict, searched.get(r.pair, ()))
        for r in verdict.ranking
    ]
    rows += [_unjudged(row) for pair, row in search.items() if pair not in ranked]
    frame = pd.DataFrame(rows)
    frame = frame.reindex(columns=[*FIRST, *(c for c in frame.columns if c not in FIRST)])
    whole = dict.fromkeys(("rank", "trial", "epoch", "diverged_seeds"), "Int64")
    return frame.astype({**whole, "tied": bool, "lr_at_edge": bool})


def _judged(
    search: Mapping[str, Any],
    ranked: Ranked,
    confirmation: Confirmation,
    verdict: Verdict,
    searched: Collection[str],
) -> dict[str, Any]:
    prefix = PREFIX[verdict.part]
    shown = {f"{prefix}{verdict.metric}", f"{prefix}loss"}
    point = confirmation.point
    return {
        "rank": ranked.rank,
        "tied": ranked.tied,
        "pair": ranked.pair,
        **{name: search[name] for name in _OF_SEARCH},
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
        "diverged_seeds": ranked.diverged,
        "trial": confirmation.trial,
        "epoch": confirmation.epoch,
        "seeds": len(confirmation.seeds),
        **{k: v for k, v in confirmation.scores.items() if k.startswith(prefix) and k not in shown},
    }


def _unjudged(search: Mapping[str, Any]) -> dict[str, Any]:
    kept = {name: search[name] for name in ("pair", *_OF_SEARCH, "lr", "trial", "epoch")}
    return {**kept, "tied": False, "search_score": search["score"], "seeds": 0}


def _or_nan(value: float | None) -> float:
    return math.nan if value is None else value
