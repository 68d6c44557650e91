"""The pairs of a study: those asked for, the legal ones of what was asked for, the conventional one always."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from lossearch.config import SpaceTable
from lossearch.errors import IllegalPairError, InputError, refuse
from lossearch.kinds import KINDS
from lossearch.losses import (
    ACTIVATIONS,
    Activation,
    Loss,
    by_family,
    for_other_tasks,
    losses_for,
    searched_losses,
)
from lossearch.metrics.metric import LOGGED, Metric
from lossearch.pairs import Pair, Rejection, find_loss, find_pair, legal_pairs, pair_up
from lossearch.pairs.equivalence import moved_losses, once_each, repeated, stands_for
from lossearch.tasks.task import Task

T = TypeVar("T")


@dataclass(frozen=True)
class Chosen:
    """The pairs of a study, what was left out, and what is worth saying about it.

    ``added`` is the conventional pair where it was not asked for, else ""; ``repeats`` has pairs that were left out, and
    for each the one of the same gradient that stands for it.
    """

    pairs: tuple[Pair, ...]
    rejections: tuple[Rejection, ...] = ()
    notes: tuple[str, ...] = ()
    added: str = ""
    repeats: Mapping[str, str] = field(default_factory=dict)


def _known_losses(kind: str, own: Sequence[Loss]) -> dict[str, Loss]:
    refuse(for_other_tasks(own, kind))
    table = losses_for(kind)
    found: dict[str, Loss] = {}
    for x in own:
        found.setdefault(x.name, x)
    refuse(
        [
            f"Loss {x.name!r} of yours has the name of a built-in one; give it another."
            for x in own
            if table.get(x.name, x) is not x
        ]
        + [
            f"Two losses of yours are named {x.name!r}; give one another name."
            for x in own
            if found[x.name] != x
        ]
    )
    return {name: x for name, x in found.items() if name not in table}


def _repeats(pairs: Sequence[Pair], moved: Collection[str]) -> list[str]:
    """Return a sentence for each pair whose gradient another of them has too."""
    first: dict[str, Pair] = {}
    for pair in sorted(pairs, key=lambda p: repeated(p, moved) is not None):
        first.setdefault(stands_for(pair, moved), pair)
    notes = []
    for pair in pairs:
        other = first[stands_for(pair, moved)]
        if other is not pair:
            why = pair.loss.equivalent[pair.activation.name].why
            notes.append(
                f"{pair.name} has the same gradient as {other.name} ({why}); trained because it was asked for by name."
            )
    return notes


def _legal(
    losses: Sequence[Loss],
    activations: Sequence[Activation] | None,
    task: Task,
    moved: Collection[str],
    asked: Sequence[Pair] = (),
) -> Chosen:
    """Return the pairs that losses have on a task, of which none was asked for by its own name, nor repeats one that was."""
    pairs, rejections = legal_pairs(losses, activations, task.facts, moved)
    pairs, again = once_each(pairs, asked, moved)
    rejections += [Rejection(name, f"same as {other}, which is searched.") for name, other in again.items()]
    kept, unjudged = _judgeable(pairs, task)
    kept, unread = _readable(kept, task)
    unjudged += unread
    return Chosen(tuple(kept), (*rejections, *unjudged), repeats=again)


def _asked_losses(
    losses: Sequence[Loss],
    activations: Sequence[Activation] | None,
    task: Task,
    moved: Collection[str],
) -> Chosen:
    """Return the pairs of losses asked for by name.

    Of pairs that repeat each other one is kept, but every loss keeps at least one.
    """
    legal, rejections = legal_pairs(losses, activations, task.facts, moved)
    pairs, unjudged = _judgeable(legal, task)
    rejections += unjudged
    problems = []
    for loss in losses:
        if any(p.loss is loss for p in pairs):
            continue
        found = [pair_up(loss, a, task.facts) for a in activations or ACTIVATIONS.values()]
        repeated, unjudged = _judgeable([p for p in found if isinstance(p, Pair)], task)
        pairs += repeated
        if not repeated:
            reasons = unjudged or [r for r in rejections if r.name.partition("/")[0] == loss.name]
            what = (
                "can be trained on this task, but not judged by what was asked for:"
                if unjudged
                else "cannot be trained on this task:"
            )
            problems.append("\n    ".join([f"{loss.name} {what}", *map(str, reasons)]))
    refuse(problems, IllegalPairError)
    names = {p.name for p in pairs}
    return Chosen(tuple(pairs), tuple(r for r in rejections if r.name not in names))


def _asked_pair(name: str, task: Task, own: Mapping[str, Loss]) -> Chosen:
    pair = find_pair(name, task.kind, task.facts, own)
    _, unjudged = _judgeable([pair], task)
    refuse([str(r) for r in unjudged], IllegalPairError)
    return Chosen((pair,))


def _judgeable(pairs: Sequence[Pair], task: Task) -> tuple[list[Pair], list[Rejection]]:
    """Return the pairs whose predictions hold what every objective reads, of outputs there are, and why not the others.

    An objective is measured, never filled in: a constant predictor's log loss beside a real accuracy is the
    score of no model, and it would stand on the Pareto front.
    """
    kept, left_out = [], []
    for pair in pairs:
        lacking = next((m for m in task.objectives if m.needs != LOGGED and not pair.gives(m.needs)), None)
        if lacking is None:
            kept.append(pair)
        else:
            left_out.append(_unjudged(pair, lacking, task))
    return kept, left_out


def _readable(pairs: Sequence[Pair], task: Task) -> tuple[list[Pair], list[Rejection]]:
    """Return the pairs that can read what a module of the user's gives, and why not the others.

    A loss that is named may be another matter: a module can build its end by the criterion that it is given.
    """
    own = task.module
    kept, left_out = [], []
    for pair in pairs:
        head, wanted = pair.loss.head, pair.width(task.n_out)
        if own is not None and head is not None and (head.layer is not None or not own.width):
            why = f"it reads {wanted} numbers a row off a {head.name}, which a module has to end in."
            cure = f"Build its end by criterion.pair.ended(body, {task.n_out}), and name the loss."
            left_out.append(Rejection(pair.name, why, cure))
        elif own is not None and own.width not in (0, wanted):
            why = f"it reads {wanted} numbers a row, and {own.title} gives {own.width}."
            left_out.append(Rejection(pair.name, why, "Search it with a module that gives as many."))
        else:
            kept.append(pair)
    return kept, left_out


def _unjudged(pair: Pair, metric: Metric, task: Task) -> Rejection:
    others = [m.name for m in task.objectives if m is not metric]
    cure = (
        f"Judge by {others[0]} alone to search it."
        if others
        else "Judge by a metric that does not, to search it."
    )
    return Rejection(pair.name, f"{metric.name} reads the {metric.needs}, and this pair gives none.", cure)


def choose_pairs(
    table: SpaceTable,
    task: Task,
    own: Sequence[Loss] = (),
    named: Sequence[Loss] = (),
    *,
    weighted: bool = False,
) -> Chosen:
    """Return the pairs that a space table asks for, the conventional pair always among them.

    Args:
        table: names of losses, activations or pairs.
        task: what they shall be trained on.
        own: losses of the user's own, which are searched in any case.
        named: further ones, which the table may name.
        weighted: whether rows are weighted, so that losses whose rows cannot be are left out.

    Raises:
        InputError: every unknown name and illegal pair, in one message.
    """
    mine = _known_losses(task.kind, own)
    known = _known_losses(task.kind, [*own, *named])
    problems: list[str] = []
    found: list[Chosen] = []
    activations = (
        None if table.activations is None else _each(table.activations, ACTIVATIONS.__getitem__, problems)
    )
    moved = moved_losses(table.params)
    names = _asked_names(table, mine)
    by_family_name: list[Loss] = []
    if names is not None:
        groups, single = by_family(names, losses_for(task.kind))
        by_family_name = list(dict.fromkeys(loss for group in groups for loss in group))
        losses = _each(single, lambda name: find_loss(name, task.kind, known), problems)
        refuse(problems, IllegalPairError)
        found.append(_asked_losses(losses, activations, task, moved))
    elif table.pairs is None:
        usual = searched_losses(task.kind)
        refuse(problems, IllegalPairError)
        found.append(_legal([*usual, *mine.values()], activations, task, moved))
    found += _each(table.pairs or (), lambda name: _asked_pair(name, task, known), problems)
    refuse(problems, IllegalPairError)
    if by_family_name:
        asked = [
            *(p for c in found for p in c.pairs),
            *_asked_pair(KINDS[task.kind].conventional, task, {}).pairs,
        ]
        found.append(_legal(by_family_name, activations, task, moved, asked))
    found = [_weightable(c, table, task) for c in found] if weighted else found
    chosen = {p.name: p for c in found for p in c.pairs}
    notes = []
    cautions = [
        f"{p.name}: {p.loss.caution[p.activation.name]}"
        for p in chosen.values()
        if p.activation.name in p.loss.caution
    ]
    conventional, added = KINDS[task.kind].conventional, ""
    if conventional not in chosen:
        notes.append(f"{conventional}, the conventional pair, is added: every gain is measured against it.")
        chosen = {conventional: _asked_pair(conventional, task, {}).pairs[0], **chosen}
        if not any(conventional in c.repeats.values() for c in found):
            added = conventional
    notes += _repeats(list(chosen.values()), moved)
    left_out = {r.name: r for c in found for r in c.rejections if r.name not in chosen}
    return Chosen(tuple(chosen.values()), tuple(left_out.values()), (*notes, *cautions), added)


def _weightable(chosen: Chosen, table: SpaceTable, task: Task) -> Chosen:
    """Return the pairs whose rows, or labels, can be weighted.

    Raises:
        IllegalPairError: one that cannot was asked for by its own name.
    """
    reasons = {p.name: why for p in chosen.pairs if (why := _unweightable(p, task))}
    cure = "Leave the weights out to search it."
    left_out = tuple(Rejection(name, why, cure) for name, why in reasons.items())
    named = {*(table.pairs or ()), *(table.losses or ())}
    refuse([str(r) for r in left_out if {r.name, r.name.partition("/")[0]} & named], IllegalPairError)
    kept = tuple(p for p in chosen.pairs if p.name not in reasons)
    return replace(chosen, pairs=kept, rejections=(*chosen.rejections, *left_out))


def _unweightable(pair: Pair, task: Task) -> str:
    """Return why rows, or labels, of a pair cannot be weighted, or ''."""
    if not pair.loss.weightable:
        return "rows are weighted, and in this loss a row's value depends on the other rows of its batch."
    if (pair.loss.head is not None or pair.loss.joint) and KINDS[task.kind].weighs_numbers(task.n_out):
        return "labels are weighted one by one, and what this loss reads is not one number a label."
    return ""


def _asked_names(table: SpaceTable, own: Mapping[str, Loss]) -> list[str] | None:
    """Return the losses asked for by name, one's own always among them; None where all usual ones are meant."""
    if table.losses is None and (table.pairs is None or not own):
        return None
    return list(dict.fromkeys([*(table.losses or ()), *own]))


def _each(names: Sequence[str], find: Callable[[str], T], problems: list[str]) -> list[T]:
    """Return what each name stands for; what is wrong with the others goes to ``problems``."""
    found = []
    for name in names:
        try:
            found.append(find(name))
        except InputError as error:
            problems.append(str(error))
    return found
