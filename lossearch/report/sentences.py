"""What a leaderboard says in sentences: what was measured, and what the conventional pair is beaten by."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from lossearch._lazy import pd
from lossearch._options import either, option
from lossearch._text import listed
from lossearch.config import make_config
from lossearch.config.toml import parse_toml
from lossearch.diagnostics.weighting import WeightingEffect, is_weighted
from lossearch.kinds import KINDS
from lossearch.records.confirmations import Confirmed
from lossearch.records.study import StudyRecord
from lossearch.report.formatting import number, plus_minus, rate
from lossearch.report.frames import baselines
from lossearch.space import Point
from lossearch.verdict.verdict import Verdict

AT_EDGE = "is the lowest or highest tried"
"""What :func:`edge_sentence` says of a learning rate."""
NAMED = 4
"""So many pairs are listed by name."""
WIDER = 10.0
"""Factor by which a range is worth widening at an end where the best lies."""
CLEAR = 2.0
"""Standard errors, over seeds, by which a pair must be ahead to be worth a closer look."""


def seeds_text(study: StudyRecord) -> str:
    """Return "mean ± sd over 5 seeds", or "1 seed"."""
    return "1 seed" if study.search.seeds == 1 else f"mean ± sd over {study.search.seeds} seeds"


def statement(study: StudyRecord, board: pd.DataFrame) -> str:
    """Return what the search's scores are, and that they are optimistic."""
    done = int(board["trials"].sum() + board["failed"].sum())
    caution = "" if study.quick else f" {_caution(study, done)}"
    return (
        f"{study.task.metric}: {seeds_text(study)}, validation rows, {study.train.epoch} epoch; {better(study)} is better. "
        f"Optimiser: {study.train.optimizer}. Gain: over the conventional pair {study.conventional} (ref.).{caution}"
    )


def verdict_statement(verdict: Verdict, study: StudyRecord) -> str:
    """Return what the scores of a verdict are."""
    return (
        f"{verdict.metric}: mean over {verdict.seeds} fresh seeds on {verdict.rows} {verdict.part} rows, with its "
        f"{verdict.confidence} interval over seeds and rows; {better(study)} is better. Optimiser: "
        f"{study.train.optimizer}. Gain: over the conventional pair {study.conventional} (ref.). Tied: not significantly "
        f"worse than the best when all pairs are compared. Search: {_searched(study)}"
    )


def _searched(study: StudyRecord) -> str:
    if study.selected:
        return "the score each point was chosen by, which is optimistic."
    return f"{seeds_text(study)}, validation rows; each pair has one point, so none was chosen."


def optimism_sentence(verdict: Verdict, study: StudyRecord) -> str:
    """Return how much better the leader looked in the search than it is; nothing where that is not known."""
    leader = next(r for r in verdict.ranking if r.pair == verdict.leader)
    if not study.selected or verdict.optimism is None or leader.search is None or leader.validation is None:
        return ""
    shown = [number(v, leader.sd) for v in (leader.search, leader.validation)]
    chance = ": below 0 by chance, as fresh seeds happened to score better" if verdict.optimism < 0 else ""
    return (
        f"Optimism of the search: {number(verdict.optimism, leader.sd, signed=True)} (in it {verdict.leader} had {shown[0]} on "
        f"validation rows, under fresh seeds {shown[1]}){chance}."
    )


def confirmed_sentences(confirmed: Confirmed) -> list[str]:
    """Return what was confirmed where no verdict compares it, a sentence each, and what baselines score there."""
    simple = baselines(confirmed).to_dict("records")
    beside = "; ".join(f"{row['baseline']} {plus_minus(row['score'], row['sd'])}" for row in simple)
    return [
        *(
            f"Confirmed on {len(c.seeds)} fresh seeds: {c.point.pair} at lr {rate(c.point.lr)} scores {confirmed.metric} "
            f"{plus_minus(c.scores.get(c.judged), c.spread.get(c.judged))} on {confirmed.part} rows."
            for c in confirmed.confirmations
        ),
        *([f"Baselines on the same rows, with nothing searched: {beside}."] if beside else []),
    ]


def baselines_sentence(simple: pd.DataFrame) -> str:
    """Return what the baselines of ``frames.baselines`` are; nothing where there are none."""
    if simple.empty:
        return ""
    return (
        f"Baselines ({', '.join(simple['baseline'])}): simple models of scikit-learn on the same rows and inputs, "
        "with nothing searched, fitted under the same fresh seeds. They say what a score is worth; the verdict leaves "
        "them out."
    )


def better(study: StudyRecord) -> str:
    """Return "higher" or "lower"."""
    return "higher" if study.task.direction == "maximize" else "lower"


def _caution(study: StudyRecord, done: int) -> str:
    if study.selected:
        return (
            "These are the search's own scores and optimistic: each is the best of many trials, on the rows it "
            f"was chosen on. There is no verdict: {_why_no_verdict(study, done)}"
        )
    chosen = "nothing was chosen" if study.train.epoch == "last" else "nothing but the epoch was chosen"
    return f"Each pair has one trial, so {chosen} on these rows."


def _why_no_verdict(study: StudyRecord, done: int) -> str:
    if study.search.mode != "equal":
        return "in mode 'adaptive' pairs get different budgets, so they are not compared."
    if study.unjudged is not None:
        return study.unjudged
    if make_config(parse_toml(study.config, "study.json")).budget.confirm_seeds == 0:
        return f"run it with {either('confirm_seeds', '--confirm-seeds')} above 0 for one."
    again = f"The same {either('call', 'command')} goes on from there, and ends with one."
    if study.planned is None:
        return f"it was not run to its end. {again}"
    if done < study.planned:
        return f"{done} of {study.planned} trials are done. {again}"
    return (
        f"its {done} trials are done, and the best of each pair not yet trained again on fresh seeds. {again}"
    )


def gain_sentence(board: pd.DataFrame, study: StudyRecord) -> str:
    """Return what the best pair gains over the conventional one, "no gain" included; of a quick look what it saw."""
    return quick_sentence(board, study) if study.quick else _gain_sentence(board, study)


def _gain_sentence(board: pd.DataFrame, study: StudyRecord) -> str:
    ranked = board[board["rank"].notna()]
    conventional = board[(board["pair"] == study.conventional) & board["score"].notna()]
    if ranked.empty:
        return "No pair has enough finished trials for a rank."
    if conventional.empty:
        return f"The conventional pair {study.conventional} has no score, so no gain can be stated."
    best, reference = ranked.iloc[0], conventional.iloc[0]
    if best["rank"] == 1 and best["score"] == reference["score"]:
        return f"No gain: no pair beats the conventional {study.conventional}."
    gain, spread = float(best["gain"]), float(pd.Series([best["sd"], reference["sd"]]).max())
    shown = f"{best['pair']} leads the conventional {study.conventional} by {number(gain, spread)} {study.task.metric}"
    if spread != spread:  # noqa: PLR0124 - one seed has no spread
        return f"{shown}; with one seed its spread is unknown, so this may be noise."
    if gain <= spread:
        return f"No gain: {shown}, within the spread over seeds (sd {number(spread, spread)})."
    return f"{shown}, more than the spread over seeds (sd {number(spread, spread)})."


def quick_sentence(board: pd.DataFrame, study: StudyRecord) -> str:
    """Return what a quick look saw: which pairs to look at closer, or that there is nothing big."""
    conventional, metric, n = study.conventional, study.task.metric, study.search.seeds
    seen = board[board["score"].notna()]
    unseen = [str(pair) for pair in board["pair"] if pair not in set(seen["pair"])]
    rest = f" Not looked at: {', '.join(unseen)}." if unseen else ""
    go_on = " The same study without quick goes on from here, and ends with a verdict."
    reference = seen[seen["pair"] == conventional]
    if reference.empty or len(seen) < 2:
        return (
            f"A quick look that saw too little: give it more time ({option('timeout', '2m')}).{rest}{go_on}"
        )
    points = seen["trials"]
    few, most = points.min(), points.max()
    times = (
        "one learning rate" if most == 1 else f"{most if few == most else f'{few} to {most}'} learning rates"
    )
    base = reference.iloc[0]
    ahead = []
    for row in seen.to_dict("records"):
        gain = abs(row["score"] - base["score"]) if row["gain"] > 0 else 0.0
        error = ((row["sd"] ** 2 + base["sd"] ** 2) / n) ** 0.5 if n > 1 else float("nan")
        # with one seed the spread is unknown, and all that is ahead is worth a look
        if row["pair"] != conventional and gain > 0 and not gain <= CLEAR * error:
            ahead.append(f"{row['pair']} ({number(row['gain'], row['sd'], signed=True)} {metric})")
    basis = f"{len(seen)} pairs at {times} each, {n} {'seed' if n == 1 else 'seeds'}, on validation rows"
    said = (
        f"Look closer at these, ahead of {conventional}: {', '.join(ahead)}."
        if ahead
        else f"Nothing big here: no pair is clearly ahead of {conventional}; smaller differences, or other learning rates, may be."
    )
    return f"{said} This is a quick look ({basis}), not a verdict.{rest}{go_on}"


def remarks(board: pd.DataFrame, study: StudyRecord, left_out: Mapping[str, str] | None = None) -> list[str]:
    """Return what a reader has to know of single rows.

    Of a verdict, ``left_out`` says why pairs were not confirmed.
    """
    found = []
    few = () if study.quick else board.loc[board["rank"].isna() & board["score"].notna(), "pair"]
    if len(few):
        found.append(f"Not ranked, fewer than {study.min_trials} finished trials: {', '.join(few)}.")
    found += [f"Not confirmed: {pair} ({why})." for pair, why in (left_out or {}).items()]
    failed = int(board["failed"].sum())
    if failed:
        found.append(f"{failed} failed {'trial is' if failed == 1 else 'trials are'} not counted.")
    return found


def edge_sentence(board: pd.DataFrame, study: StudyRecord, widens_from: int | None = None) -> str:
    """Return which pairs may do better at learning rates that were not tried, and what to do; nothing where none may.

    Args:
        board: as ``frames.search_leaderboard`` or ``frames.confirmed_leaderboard`` has it.
        study: whose it is.
        widens_from: from so many trials a pair on the search widens its range by itself, None where it never does.
    """
    seen = board[board["score"].notna()]
    edge = seen[seen["lr_at_edge"]]
    if edge.empty:
        return ""
    of = "every pair" if len(edge) == len(seen) > 1 else listed(list(edge["pair"]), NAMED)
    found = f"The best learning rate of {of} {AT_EDGE}"
    if study.quick:
        return f"{found}."
    low, high = _wider(study.space.lr, edge["lr"])
    asked = either(f"lr=({low:.3g}, {high:.3g})", f"--lr {low:.3g}:{high:.3g}")
    more = ""
    if widens_from is not None and seen["trials"].max() < widens_from:
        trials = option("trials", widens_from * len(study.space.pairs))
        more = f", or give {widens_from} trials a pair ({trials}): from there on the search widens the range by itself"
    return (
        f"{found}, so better ones may lie beyond, and losses may differ there: search wider, as a new study "
        f"({asked}){more}."
    )


def _wider(lr: tuple[float, float], best: Iterable[float]) -> tuple[float, float]:
    """Return the range that reaches beyond the best learning rates, of which each is at one of its ends."""
    low, high = lr
    below = [rate for rate in best if rate * rate <= low * high]
    above = [rate for rate in best if rate * rate > low * high]
    return (
        min(low, *below) / WIDER if below else low,
        max(high, *above) * WIDER if above else high,
    )


def weighting_sentences(effects: Sequence[WeightingEffect], study: StudyRecord) -> list[str]:
    """Return what weighting the classes did to the best point of each pair, in a sentence; none where it was not searched."""
    if not effects:
        return []
    each = "; ".join(map(_weighting_words, effects))
    least = min(n for e in effects for n in e.trials)
    return [
        (
            f"Weighting the classes, by each pair's best validation {study.task.metric} with and without: {each}. Both are the "
            f"best of {least} or more trials of the search, and optimistic."
        )
    ]


def _weighting_words(effect: WeightingEffect) -> str:
    without, weighted = (number(v, effect.sd) for v in (effect.without, effect.weighted))
    word = "better" if effect.gain > 0 else "worse" if effect.gain < 0 else "the same"
    by = f" by {number(abs(effect.gain), effect.sd)}" if effect.gain else ""
    within = "" if effect.clear or not effect.gain else ", within the spread over seeds"
    return f"{effect.pair} {word}{by} with {effect.setting} {effect.weighting} ({weighted}, without {without}{within})"


def probability_sentences(points: Iterable[Point], study: StudyRecord) -> list[str]:
    """Return which pairs' probabilities are corrected for weights of classes; nothing where none is weighted."""
    probable = [p for p in points if "label" in KINDS[study.task.kind].gives and is_weighted(p, study.train)]
    names = ", ".join(dict.fromkeys(p.pair for p in probable))
    if not names:
        return []
    return [
        (
            f"Corrected probabilities: classes were weighted in training of {names}, and the odds of each class are divided by "
            "what it weighed, so that probabilities are of the classes as they occur. Labels go by the weighted score, "
            "uncorrected; all other probabilities are as trained."
        )
    ]
