"""What was tried: learning rates, curves, every trial, budget, fairness, effects."""

from __future__ import annotations

import math
from collections.abc import Sequence

from lossearch.diagnostics.effects import (
    Effects,
    design_effects,
    effects_sentence,
    replicate_scores,
    tuned_effects,
)
from lossearch.diagnostics.fairness import OwnRange, SearchSummary, search_summaries
from lossearch.diagnostics.special_cases import confirmed_shortfalls, searched_shortfalls, special_cases
from lossearch.diagnostics.tuning_curves import crossings, tuning_curves
from lossearch.diagnostics.weighting import WeightingEffect, weighting_effects
from lossearch.losses import losses_for
from lossearch.records.trial import Stage
from lossearch.report import frames
from lossearch.report.figures.parallel import parallel_picture
from lossearch.report.figures.training import curves_picture, sensitivity_picture
from lossearch.report.figures.tuning_curves import is_whole, tuning_picture
from lossearch.report.formatting import MISSING, number, rate
from lossearch.report.layout import Column
from lossearch.report.sentences import weighting_sentences
from lossearch.report.sources import Section, Sources, Table

_OPEN = "These are too few trials for bands: one end of each is open, and only the other is drawn."


def learning_rates(sources: Sources) -> Section:
    """Return the score against the learning rate, pair by pair."""
    tried = frames.lr_sensitivity(sources.trials, metric=sources.study.task.metric)
    usable = tried[tried["value"].notna()]
    if usable.empty:
        return Section("learning_rates", "Learning rates", ("No trial has a score yet.",))
    text = ["Each dot is a trial of the search: its mean over seeds and their sd; the star is the best."]
    diverged = int((tried["outcome"] == "diverged").sum())
    if diverged:
        text.append(
            f"{diverged} of {len(tried)} trials diverged (crosses): they score what a constant predictor does."
        )
    return Section(
        "learning_rates",
        "Learning rates",
        tuple(text),
        (sensitivity_picture(tried, sources.study, sources.order),),
    )


def learning_curves(sources: Sources) -> Section:
    """Return training and validation curves of each pair's best trial."""
    best = frames.best_records(sources.trials, direction=sources.study.task.direction)
    shown = {p: best[p].number for p in sources.order if p in best}
    curves = sources.curves if "trial" in sources.curves else None
    found = None if curves is None else frames.curves(curves, shown)
    if found is None or found.empty:
        return Section("learning_curves", "Learning curves", ("The curves are not recorded.",))
    text = (
        (
            "Each pair's best trial. Losses have units of their own and cannot be compared between pairs; the "
            f"{sources.study.task.metric} can."
        ),
    )
    return Section("learning_curves", "Learning curves", text, (curves_picture(found, sources.study),))


def trials(sources: Sources) -> Section:
    """Return every trial as a line over what was searched."""
    searched = {p: list(names) for p, names in sources.study.space.pairs.items()}
    picture = parallel_picture(sources.trials, sources.study, searched, sources.order)
    if picture is None:
        return Section("trials", "All trials", ("Fewer than two trials have a score.",))
    text = ("One line a trial of the search; the stronger, the better.",)
    return Section("trials", "All trials", text, (picture,))


def budget(sources: Sources) -> Section:
    """Return what so many trials typically find."""
    study = sources.study
    found = tuning_curves(sources.trials, direction=study.task.direction)
    picture = tuning_picture(sorted(found, key=lambda c: sources.order.index(c.pair)), study)
    if picture is None:
        why = "This needs five independent trials of a pair (those of the initial design)."
        return Section("budget", "How many trials", (why,))
    crossed = [str(c) for c in crossings(found, direction=study.task.direction) if c.clear]
    text = (
        (
            f"The best validation {study.task.metric} that a search of so many trials typically finds, from the trials whose "
            "points no earlier result has chosen."
        ),
        *(() if any(is_whole(c).any() for c in found) else (_OPEN,)),
        *(crossed or ["By these bands no pair is sure to overtake another as trials are added."]),
    )
    return Section("budget", "How many trials", text, (picture,))


def fairness(sources: Sources) -> Section:
    """Return what each pair was given, and what it made of it."""
    rows = search_summaries(
        sources.trials,
        direction=sources.study.task.direction,
        lr=sources.study.space.lr,
        pairs=sources.order,
        settings=sorted({n for names in sources.study.space.pairs.values() for n in names if "." not in n}),
        own=own_ranges(sources),
    )
    text = [
        (
            "Every pair is given the same number of trials, over the same learning rates. Sensitivity is what is lost, "
            f"in {sources.study.task.metric}, by a learning rate three times too high or too low."
        )
    ]
    named = set(sources.board.loc[sources.board["lr_at_edge"], "pair"])
    near = [e.pair for e in rows if e.at_edge and e.pair not in named]
    if near:
        text.append(f"Best learning rate near the edge of its range: {', '.join(near)}.")
    text += _shortfalls(sources)
    counts = {e.trials for e in rows}
    if len(counts) > 1:
        text.append(f"Not all pairs had the same number of trials ({min(counts)} to {max(counts)}).")
    return Section("fairness", "Fairness", tuple(text), tables=(_fairness_table(rows, sources),))


def _shortfalls(sources: Sources) -> list[str]:
    """Return which pairs did worse than a special case of their own, so that their search was too small."""
    study = sources.study
    cases = special_cases(sources.study.task.kind, sources.study.space.pairs)
    best = frames.best_records(sources.trials, direction=study.task.direction)
    found = list(searched_shortfalls(cases, best, direction=study.task.direction, metric=study.task.metric))
    if sources.verdict is not None:
        found += confirmed_shortfalls(cases, sources.verdict.comparisons)
    return list(map(str, found))


def own_ranges(sources: Sources) -> dict[str, list[OwnRange]]:
    """Return the searched ranges of the losses' own parameters, by pair; where unknown, the default is the middle."""
    known = losses_for(sources.study.task.kind)
    found: dict[str, list[OwnRange]] = {}
    for pair, dimensions in sources.study.space.pairs.items():
        for name, d in dimensions.items():
            loss, dot, own = name.rpartition(".")
            if dot and loss == pair.partition("/")[0] and "low" in d:
                low, high, log = float(d["low"]), float(d["high"]), bool(d["log"])
                middle = math.sqrt(low * high) if log else (low + high) / 2
                declared = known[loss].params if loss in known else ()
                default = {p.name: p.default for p in declared}.get(own, middle)
                found.setdefault(pair, []).append(OwnRange(own, low, high, default, log))
    return found


def _fairness_table(rows: Sequence[SearchSummary], sources: Sources) -> Table:
    def shares(values: Sequence[float | None]) -> tuple[str, ...]:
        return tuple(MISSING if v is None else f"{100 * v:.0f} %" for v in values)

    def numbers(values: Sequence[float | None], spread: float | None = None) -> tuple[str, ...]:
        return tuple(number(v, spread) for v in values)

    spread = float(sources.board["sd"].median()) / 10
    columns = [
        Column("pair", tuple(e.pair for e in rows)),
        Column("trials", tuple(str(e.trials) for e in rows), numeric=True),
        Column("searched numbers", tuple(str(e.searched) for e in rows), numeric=True),
        Column("lr range covered", shares([e.coverage for e in rows]), numeric=True),
        Column("best lr", tuple(rate(e.best_lr) for e in rows), numeric=True),
        Column("its place in the range", shares([e.best_at for e in rows]), numeric=True),
        Column("replicates diverged", shares([e.diverged for e in rows]), numeric=True),
        Column("trials pruned", shares([e.pruned for e in rows]), numeric=True),
        Column(f"best {sources.study.task.metric}", numbers([e.score for e in rows], spread), numeric=True),
        Column("with lr only", numbers([e.default_score for e in rows], spread), numeric=True),
        Column("lr sensitivity", tuple(number(e.sensitivity, e.sensitivity) for e in rows), numeric=True),
        Column("seconds a replicate", tuple(number(e.seconds, e.seconds) for e in rows), numeric=True),
    ]
    return Table("What each pair was given in the search, and what it made of it", tuple(columns))


def effects(sources: Sources) -> Section:
    """Return how much of the variance comes from loss, activation, learning rate and seed."""
    study, verdict = sources.study, sources.verdict
    if "trial" not in sources.curves:
        return Section("effects", "What matters", ("This needs the curves, which are not recorded.",))
    scores = replicate_scores(
        sources.curves, sources.trials, metric=study.task.metric, stage=Stage.INITIAL_DESIGN
    )
    design = design_effects(scores, direction=study.task.direction)
    tuned = tuned_effects(_tuned(sources), direction=study.task.direction)
    sentence = effects_sentence(
        design,
        tuned,
        metric=study.task.metric,
        tied=None if verdict is None else verdict.tied,
        learned=verdict is None or not verdict.nothing_learned,
    )
    said = weighting_sentences(_weighted(sources), study)
    both = (("Over the initial design", design), ("Each pair at its best point", tuned))
    tables = tuple(_effects_table(caption, found) for caption, found in both if found is not None)
    return Section("effects", "What matters", (sentence, *said), tables=(*tables, *_importances(sources)))


def _weighted(sources: Sources) -> tuple[WeightingEffect, ...]:
    task = sources.study.task
    searched = sources.study.space.pairs
    return weighting_effects(sources.trials, searched, metric=task.metric, direction=task.direction)


def _effects_table(caption: str, found: Effects) -> Table:
    shares = tuple(f"{100 * e.share:.0f} %" for e in found.effects)
    names = Column("source", tuple(e.name for e in found.effects))
    return Table(caption, (names, Column("share of the variance", shares, numeric=True)))


def _importances(sources: Sources) -> tuple[Table, ...]:
    """Return what each pair's score depends on; nothing of pairs with too few trials to tell."""
    rows = [(p, name, share) for p, own in sources.importances.items() for name, share in own.items()]
    if not rows:
        return ()
    columns = (
        Column("pair", tuple(p for p, _, _ in rows)),
        Column("searched number", tuple(name for _, name, _ in rows)),
        Column("importance", tuple(f"{100 * share:.0f} %" for *_, share in rows), numeric=True),
    )
    caption = (
        "Within a pair, over its whole ranges, bad values included (fANOVA; shares of each number alone)"
    )
    return (Table(caption, columns),)


def _tuned(sources: Sources) -> dict[str, tuple[float, ...]]:
    if sources.confirmed is None:
        return {}
    common = min((len(c.seeds) for c in sources.confirmed.confirmations), default=0)
    found = {c.point.pair: c.values[c.judged][:common] for c in sources.confirmed.confirmations}
    return {p: v for p, v in found.items() if all(map(math.isfinite, v))}
