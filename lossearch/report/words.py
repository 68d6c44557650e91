"""What a leaderboard says in sentences: what was measured, and what the conventional pair is beaten by."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from lossearch.report.numbers import number


@dataclass(frozen=True)
class Basis:
    """How a study's numbers came to be: what every table and figure of it states."""

    name: str
    metric: str
    direction: str
    optimizer: str
    seeds: int
    conventional: str
    epoch: str = "best"
    min_trials: int = 1
    selected: bool = True
    """Whether each pair's row is the best of several trials."""


def seeds_text(basis: Basis) -> str:
    """Return "mean ± sd over 5 seeds", or "1 seed"."""
    return "1 seed" if basis.seeds == 1 else f"mean ± sd over {basis.seeds} seeds"


def statement(basis: Basis) -> str:
    """Return what the scores are, and that they are optimistic."""
    better = "higher" if basis.direction == "maximize" else "lower"
    return (
        f"{basis.metric}: {seeds_text(basis)}, validation rows, {basis.epoch} epoch; {better} is better. "
        f"Optimiser: {basis.optimizer}. Gain: over the conventional pair {basis.conventional} (ref.). "
        f"{_honesty(basis)}"
    )


def _honesty(basis: Basis) -> str:
    if basis.selected:
        return (
            "These are the search's own scores and optimistic: each is the best of many trials, on the rows it "
            "was chosen on. Confirmation on fresh seeds comes with the verdict."
        )
    chosen = "nothing was chosen" if basis.epoch == "last" else "nothing but the epoch was chosen"
    return f"Each pair has one trial, so {chosen} on these rows."


def gain_sentence(board: pd.DataFrame, basis: Basis) -> str:
    """Return what the best pair gains over the conventional one, "no gain" included."""
    ranked = board[board["rank"].notna()]
    conventional = board[(board["pair"] == basis.conventional) & board["score"].notna()]
    if ranked.empty:
        return "No pair has enough finished trials for a rank."
    if conventional.empty:
        return f"The conventional pair {basis.conventional} has no score, so no gain can be stated."
    best, reference = ranked.iloc[0], conventional.iloc[0]
    if best["rank"] == 1 and best["score"] == reference["score"]:
        return f"No gain: no pair beats the conventional {basis.conventional}."
    gain, spread = float(best["gain"]), float(pd.Series([best["sd"], reference["sd"]]).max())
    shown = (
        f"{best['pair']} leads the conventional {basis.conventional} by {number(gain, spread)} {basis.metric}"
    )
    if spread != spread:  # noqa: PLR0124 - one seed has no spread
        return f"{shown}; with one seed its spread is unknown, so this may be noise."
    if gain <= spread:
        return f"No gain: {shown}, within the spread over seeds (sd {number(spread, spread)})."
    return f"{shown}, more than the spread over seeds (sd {number(spread, spread)})."


def remarks(board: pd.DataFrame, basis: Basis) -> list[str]:
    """Return what a reader has to know of single rows."""
    found = []
    edge = board.loc[board["lr_at_edge"] & board["score"].notna(), "pair"]
    if len(edge):
        found.append(f"* best lr is the lowest or highest tried: {', '.join(edge)}.")
    few = board.loc[board["rank"].isna() & board["score"].notna(), "pair"]
    if len(few):
        found.append(f"Not ranked, fewer than {basis.min_trials} finished trials: {', '.join(few)}.")
    failed = int(board["failed"].sum())
    if failed:
        found.append(f"{failed} failed {'trial is' if failed == 1 else 'trials are'} not counted.")
    return found
