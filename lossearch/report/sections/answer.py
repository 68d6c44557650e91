"""What was found: the verdict, the leaderboard, the differences, the optimism of the search's own scores."""

from __future__ import annotations

import math
from collections.abc import Sequence

from lossearch.diagnostics.pareto import Interval
from lossearch.metrics.metric import SIGN
from lossearch.report.figures.intervals import forest_picture, optimism_picture, scores_picture
from lossearch.report.formatting import MISSING, number, rate
from lossearch.report.frames import baselines, confirmed_leaderboard
from lossearch.report.layout import Column
from lossearch.report.leaderboard import baseline_interval, report_columns
from lossearch.report.sentences import (
    baselines_sentence,
    better,
    confirmed_sentences,
    edge_sentence,
    gain_sentence,
    optimism_sentence,
    remarks,
    statement,
)
from lossearch.report.sources import Section, Sources, Table
from lossearch.verdict.verdict import Comparison, Ranked, Verdict

_ALL_COMPARISONS = 400
_NO_TEST_PART = "There is no test part: these are validation rows, on which the epoch may have been chosen."


def lead(sources: Sources) -> tuple[str, ...]:
    """Return the answer in a few sentences."""
    if sources.verdict is not None:
        return tuple(s for s in sources.verdict.sentences if s)
    said = gain_sentence(sources.board, sources.study)
    if sources.confirmed is not None and sources.confirmed.confirmations:
        return (
            *confirmed_sentences(sources.confirmed),
            said,
            "This is not a verdict: no pairs are compared.",
        )
    return (
        said,
        (
            "This is not a verdict: the best points were not trained again on fresh seeds, so these are the search's "
            "own, optimistic scores."
        ),
    )


def facts(sources: Sources) -> tuple[tuple[str, str], ...]:
    """Return what a reader looks for first, as (label, value)."""
    verdict, board = sources.verdict, sources.board
    if verdict is None:
        ranked = board[board["rank"].notna()]
        if ranked.empty:
            return ()
        row = ranked.iloc[0]
        return (
            ("best in the search", str(row["pair"])),
            (f"{sources.study.task.metric}, validation rows", number(row["score"], row["sd"])),
            ("learning rate", rate(row["lr"])),
        )
    taken = next(r for r in verdict.ranking if r.pair == verdict.recommended)
    rates = dict(zip(board["pair"], board["lr"], strict=True))
    found = [
        ("recommended" if verdict.recommended_learned else "first to try", taken.pair),
        ("learning rate", rate(rates.get(taken.pair))),
        (f"{verdict.metric}, {verdict.part} rows", f"{number(taken.score, taken.sd)} ({_interval(taken)})"),
        ("tied with the best", f"{len(verdict.tied)} of {len(verdict.ranking)} pairs"),
    ]
    found += [
        (
            f"{row['baseline']}, the same rows",
            f"{number(row['score'], taken.sd)} ({baseline_interval(row, taken.sd)})",
        )
        for row in baselines(sources.confirmed).to_dict("records")
    ]
    if taken.gain is not None and taken.pair != verdict.conventional:
        found.append((f"gain over {verdict.conventional}", number(taken.gain, taken.sd, signed=True)))
    return tuple(found)


def leaderboard(sources: Sources) -> Section:
    """Return the ranked pairs, by the verdict where there is one, else by the search."""
    study, verdict, confirmed = sources.study, sources.verdict, sources.confirmed
    if verdict is None or confirmed is None:
        caption = f"Pairs by their best trial in the search ({study.task.metric}, validation rows)"
        table = Table(caption, report_columns(sources.board, study), header=1)
        edge = edge_sentence(sources.board, study)
        words = (*filter(None, [edge]), *remarks(sources.board, study), statement(study, sources.board))
        return Section("leaderboard", "Leaderboard", words, tables=(table,))
    board = confirmed_leaderboard(sources.board, verdict, confirmed, sources.study.space.pairs)
    board, simple = board[board["rank"].notna()], baselines(confirmed)
    strong = frozenset(i for i, pair in enumerate(board["pair"]) if pair == verdict.recommended)
    caption = "Pairs, best first; the recommended one stands out"
    columns = report_columns(board, study, verdict, simple)
    table = Table(caption, columns, strong=strong, below=len(simple))
    text = (
        f"Mean {verdict.metric} on {verdict.rows} {verdict.part} rows over {verdict.seeds} fresh seeds, "
        f"{better(study)} is better; optimiser {study.train.optimizer}. "
        "A pair is tied with the best unless the comparisons of all pairs with each other say that it is worse."
    )
    words = (
        text,
        *remarks(board, study),
        *filter(None, [baselines_sentence(simple)]),
        *([] if verdict.part == "test" else [_NO_TEST_PART]),
    )
    levels = {
        str(row["baseline"]): Interval(row["score"], row["ci_low"], row["ci_high"])
        for row in simple.to_dict("records")
    }
    return Section("leaderboard", "Leaderboard", words, (scores_picture(verdict, levels),), (table,))


def _interval(ranked: Ranked) -> str:
    return f"{number(ranked.low, ranked.sd)} to {number(ranked.high, ranked.sd)}"


def differences(sources: Sources) -> Section:
    """Return the paired differences from the leader, and every comparison."""
    verdict = sources.verdict
    if verdict is None or not verdict.comparisons:
        why = (
            "There is no confirmation to compare pairs by."
            if verdict is None
            else "One pair was confirmed: there is nothing to compare it with."
        )
        return Section("differences", "Paired differences", (why,))
    found = verdict.comparisons[:_ALL_COMPARISONS]
    text = [
        (
            f"Each pair against {verdict.leader}, under the same seeds and on the same rows. The intervals hold for all "
            f"{len(verdict.comparisons)} comparisons at once, so that naming the leader after the fact costs nothing."
        )
    ]
    if verdict.rope > 0:
        text.append(
            f"Differences below {rate(verdict.rope)} {verdict.metric} count as equal in practice (grey band). A relation is "
            "decided where the interval for all comparisons at once decides it; the probabilities are of each alone, so "
            "that equal may be likely where it is undecided."
        )
    if math.isfinite(verdict.detectable):
        shown = number(verdict.detectable, verdict.detectable)
        text.append(f"These seeds and rows would probably (80 %) have shown a difference of {shown}.")
    details = (_comparisons_table(found, verdict),)
    return Section(
        "differences", "Paired differences", tuple(text), (forest_picture(verdict),), details=details
    )


def _comparisons_table(found: Sequence[Comparison], verdict: Verdict) -> Table:
    def column(heading: str, values: Sequence[float], *, share: bool = False) -> Column:
        cells = tuple(f"{v:.2f}" if share else number(v) for v in values)
        return Column(heading, cells, numeric=True)

    columns = (
        Column("pair", tuple(c.a for c in found)),
        Column("against", tuple(c.b for c in found)),
        column("difference", [c.difference for c in found]),
        Column("interval", tuple(f"{number(c.low)} to {number(c.high)}" for c in found), numeric=True),
        column("p (adjusted)", [c.p for c in found]),
        column("effect size", [c.effect for c in found]),
        column("P(better)", [c.better for c in found], share=True),
        column("P(equal)", [c.equal for c in found], share=True),
        column("P(worse)", [c.worse for c in found], share=True),
        Column("relation", tuple(str(c.relation) for c in found)),
    )
    return Table(f"Every comparison in {verdict.metric}; positive is better", columns)


def optimism(sources: Sources) -> Section:
    """Return search, confirmation and test scores side by side, and the search's optimism."""
    verdict = sources.verdict
    if verdict is None or all(r.search is None for r in verdict.ranking):
        why = (
            "Without a confirmation the search's optimism is not known: only fresh seeds can tell by how much its "
            "scores are too good."
            if sources.confirmed is None
            else "No pairs are compared here; what fresh seeds scored stands at the top."
        )
        return Section("optimism", "Optimism of the search", (why,))
    text = [
        "The score by which a point was chosen is too good: it is the best of many. What counts was measured again."
        if sources.study.selected
        else "Each pair has one point, so none was chosen by its score; fresh seeds measured it again."
    ]
    text += [s for s in [optimism_sentence(verdict, sources.study)] if s]
    rows = verdict.ranking
    columns = [
        Column("pair", tuple(r.pair for r in rows)),
        Column("search, validation rows", tuple(number(r.search, r.sd) for r in rows), numeric=True),
        Column("fresh seeds, validation rows", tuple(number(r.validation, r.sd) for r in rows), numeric=True),
        Column("optimism", tuple(_optimism(r, verdict) for r in rows), numeric=True),
    ]
    if verdict.part == "test":
        columns.append(
            Column("fresh seeds, test rows", tuple(number(r.score, r.sd) for r in rows), numeric=True)
        )
    table = Table(f"{verdict.metric} at each stage", tuple(columns))
    return Section("optimism", "Optimism of the search", tuple(text), (optimism_picture(verdict),), (table,))


def _optimism(ranked: Ranked, verdict: Verdict) -> str:
    if ranked.search is None or ranked.validation is None:
        return MISSING
    return number(SIGN[verdict.direction] * (ranked.search - ranked.validation), ranked.sd, signed=True)
