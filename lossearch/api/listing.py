"""The studies of a store, one row each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from lossearch._urls import Url
from lossearch.api.loading import load_among
from lossearch.api.result import Result
from lossearch.errors import LossearchError
from lossearch.records.places import given_urls
from lossearch.records.store import Store


def studies(
    store: str | Path = "mlruns", *, storage: str | Iterable[str] | None = None
) -> list[dict[str, Any]]:
    """Return the studies of a store, one row each: name, task, metric, trials, best pair, score, verdict and problem.

    Args:
        store: where their records are.
        storage: the Optuna storages, one or several, that some are recorded in outside of the store; no other is opened.

    Raises:
        InputError: ``storage`` cannot be read as URLs.
    """
    given = given_urls("storage", storage)
    if not Path(store).exists():
        return []
    opened = Store.open(store, create=False)
    names = sorted((*opened.studies(), *opened.without_record()))
    return [_row(opened, name, given) for name in names]


def _row(store: Store, name: str, storages: Sequence[Url]) -> dict[str, Any]:
    row: dict[str, Any] = dict.fromkeys(
        ("name", "task", "trials", "metric", "best", "score", "verdict", "problem")
    )
    row["name"] = name
    try:
        return row | _answer(load_among(store, name, storages))
    except LossearchError as error:
        return {**row, "problem": str(error)}


def _answer(result: Result) -> dict[str, Any]:
    row: dict[str, Any] = {
        "task": f"{result.declared.task.name} ({result.declared.task.kind})",
        "trials": len(result.trials),
        "metric": result.declared.task.metric,
        "problem": " ".join(result.since),
    }
    if result.leader is not None:
        row |= {"best": result.best.pair, "score": _score(result, result.best.pair)}
    row["verdict"] = _in_words(result)
    return row


def _score(result: Result, pair: str) -> float:
    if result.verdict is None:
        board = result.search_leaderboard
        return float(board["score"][board["pair"] == pair].iloc[0])
    return next(found.score for found in result.verdict.ranking if found.pair == pair)


def _in_words(result: Result) -> str:
    if result.verdict is None:
        if result.confirmed is not None:
            return "none: pairs not compared"
        if result.declared.quick:
            return "none: a quick look"
        done, planned = len(result.trials), result.declared.planned or 0
        return f"none: {done} of {planned} trials" if done < planned else "none: not confirmed"
    if result.verdict.nothing_learned:
        return "no pair is measurably better than a constant predictor"
    if len(result.tied) == 1:
        return f"{result.verdict.leader} is best of {len(result.verdict.ranking)}"
    return f"{len(result.tied)} of {len(result.verdict.ranking)} tie, {result.verdict.leader} leads"
