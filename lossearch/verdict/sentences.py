"""A verdict in plain sentences: the first two carry the answer."""

from __future__ import annotations

import math

from lossearch._text import listed
from lossearch.verdict.verdict import Ranked, Relation, Rule, Verdict

NAMED = 4
"""So many pairs are listed by name."""


def sentences(verdict: Verdict) -> tuple[str, ...]:
    """Return what a verdict says: the answer and the advice, then how far they reach.

    The optimiser is not known here, and has to be named beside them.
    """
    if all(r.diverged == (r.dropped or verdict.seeds) for r in verdict.ranking):
        return (
            f"Every training of every pair diverged ({verdict.seeds} seeds), so nothing is known of them.",
            "Lower the learning rates, or look at the data.",
        )
    if verdict.nothing_learned:
        said = [_nothing_learned(verdict), _to_try(verdict), *_rest(verdict)]
    else:
        said = [_answer(verdict), _advice(verdict), *_rest(verdict)]
    return tuple(sentence for sentence in said if sentence)


def _basis(verdict: Verdict) -> str:
    score = _score(verdict.ranking[0])
    on = f" x {verdict.rows} {verdict.part} rows" if verdict.rows else f" on the {verdict.part} part"
    return f"{verdict.metric} {score} ({verdict.seeds} seeds{on})"


def _nothing_learned(verdict: Verdict) -> str:
    first = verdict.ranking[0].pair
    if len(verdict.ranking) == 1:
        return f"{_no_better(verdict, first)}: it scores {_basis(verdict)}."
    return (
        f"{_no_better(verdict, 'No pair', negated=True)}; the best of them was {first} at {_basis(verdict)}."
    )


def _no_better(verdict: Verdict, pair: str, *, negated: bool = False) -> str:
    was = "was" if negated else "was not"
    return f"{pair} {was} measurably better than predicting a constant always ({verdict.metric} {verdict.constant:.3g})"


def _to_try(verdict: Verdict) -> str:
    """Return what to do before losses are compared."""
    blind = any(r.one_label for r in verdict.ranking)
    more = (
        " a loss or metric made for rare classes (focal; auroc or average_precision need no threshold),"
        if blind
        else ""
    )
    return (
        "So the losses cannot be compared yet. Try more epochs, a wider range of learning rates,"
        f"{more} inputs that say more, or more {verdict.part} rows and confirm_seeds."
    )


def _answer(verdict: Verdict) -> str:
    """Return who is best; before it, where the pair to take is not shown to know more than a constant, that."""
    said = _best(verdict)
    return said if verdict.recommended_learned else f"{_no_better(verdict, verdict.recommended)}: {said}"


def _best(verdict: Verdict) -> str:
    first, alone = verdict.ranking[0], len(verdict.tied) == 1
    basis = _basis(verdict)
    if len(verdict.ranking) == 1:
        return f"{first.pair} scores {basis}; it is the only pair, so nothing was compared."
    if not alone:
        return f"{listed(verdict.tied, NAMED)} tie at {basis}."
    least = min(c.low for c in verdict.comparisons if c.a == verdict.leader)
    # a pair dropped early was told from another leader, itself worse than this one
    margin = f" by at least {least:.2g}" if least > 0 else ""
    others = verdict.ranking[1].pair if len(verdict.ranking) == 2 else "every other pair"
    return f"{first.pair} is best at {basis}; it beats {others}{margin} ({verdict.confidence} confidence)."


def _advice(verdict: Verdict) -> str:
    if len(verdict.ranking) == 1:
        return ""
    reason = "" if verdict.rule is Rule.ALONE else f", {verdict.rule.value}"
    if verdict.recommended_learned:
        return f"Take {verdict.recommended}{reason}{_why(verdict)}."
    better = [r.pair for r in verdict.ranking if r.learned and r.tied]
    beside = f"; measurably better than a constant: {listed(better, NAMED)}" if better else ""
    return f"The first to try is {verdict.recommended}{reason}{_why(verdict)}{beside}."


def _why(verdict: Verdict) -> str:
    take, conventional = verdict.recommended, verdict.conventional
    if len(verdict.tied) == len(verdict.ranking):
        if all(c.relation is Relation.EQUAL for c in verdict.comparisons):
            return f": the loss makes no difference here that matters (none above {verdict.rope:.2g})"
        return ": the loss makes no measurable difference here"
    if conventional is None:
        return ""
    if take == conventional:
        alone = verdict.rule is Rule.ALONE
        return ", the conventional pair" if alone else ": no pair is measurably better"
    gain = verdict.between(take, conventional)
    return (
        f": over the conventional pair {conventional} it gains {gain.difference:.2g} "
        f"({gain.low:.2g} to {gain.high:.2g})"
    )


def _rest(verdict: Verdict) -> list[str]:
    said = []
    if not verdict.rows:
        said.append(
            f"Of the {verdict.part} part only a number a training is known, as the module logs it: this holds for these "
            "rows, by seeds alone, and other rows may say otherwise."
        )
    if verdict.detectable == math.inf:
        said.append(
            f"So few seeds or rows would hardly have shown any difference: raise confirm_seeds, or have more {verdict.part} rows."
        )
    if math.isfinite(verdict.detectable):
        said.append(
            f"A difference of {verdict.detectable:.2g} or more would probably (80 %) have shown; "
            "smaller ones may be there."
        )
    unlearned = [r.pair for r in verdict.ranking if r.learned is False]
    if unlearned and not verdict.nothing_learned:
        said.append(
            f"Not measurably better than a constant predictor ({verdict.metric} {verdict.constant:.3g}): "
            f"{listed(unlearned, NAMED)}."
        )
    blind = [
        f"{r.pair} under {r.one_label} of {r.dropped or verdict.seeds} seeds"
        for r in verdict.ranking
        if r.one_label
    ]
    if blind:
        said.append(f"The same label is predicted of every row: {listed(blind, NAMED)}.")
    dropped = [f"{r.pair} after {r.dropped} seeds" for r in verdict.ranking if r.dropped]
    if dropped:
        said.append(f"Dropped early, as clearly worse: {listed(dropped, NAMED)}.")
    broken = [
        f"{r.pair} under {r.diverged} of {r.dropped or verdict.seeds} seeds"
        for r in verdict.ranking
        if r.diverged
    ]
    if broken:
        said.append(f"Diverged, and scored as a constant predictor: {listed(broken, NAMED)}.")
    if verdict.part == "validation":
        said.append(
            "Where the epoch was chosen on such validation rows, these scores are a little optimistic."
        )
    return said


def _score(ranked: Ranked) -> str:
    """Return a mean score with the digits that its interval supports."""
    half = (ranked.high - ranked.low) / 2
    if not 0 < half < math.inf:
        return f"{ranked.score:.4g}"
    decimals = 1 - math.floor(math.log10(half))
    return f"{ranked.score:.{decimals}f}" if 0 <= decimals <= 6 else f"{ranked.score:.4g}"
