"""From what was asked for to what will be searched: pairs, ranges, budget, training settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import nn

from lossearch._registry import unknown_name
from lossearch.config import BudgetTable, SpaceTable, TrainTable
from lossearch.errors import IllegalPairError, InputError, refuse
from lossearch.kinds import KINDS
from lossearch.losses import ACTIVATIONS, Activation, Loss, losses_for
from lossearch.metrics.metric import Metric
from lossearch.pairs import Pair, Rejection, find_pair, legal_pairs, pair_up
from lossearch.space import Dimension, Space
from lossearch.study.initial_design import every
from lossearch.study.samplers import MODELS
from lossearch.study.schedule import COVER, MINIMUM, Budget
from lossearch.study.seeds import search_seeds
from lossearch.tasks.task import Task
from lossearch.training.contract import TrainSettings
from lossearch.training.optimizers import OPTIMIZERS, make_optimizer

T = TypeVar("T")
DEFAULT_PER_PAIR = 16
"""Trials a pair gets where nothing is asked for."""


@dataclass(frozen=True)
class Chosen:
    """The pairs of a study, what was left out, and what is worth saying about it."""

    pairs: tuple[Pair, ...]
    rejections: tuple[Rejection, ...] = ()
    notes: tuple[str, ...] = ()


def _known_losses(kind: str, own: Sequence[Loss]) -> dict[str, Loss]:
    wrong = [x for x in own if kind not in x.kinds]
    refuse(
        [
            f"Loss {x.name!r} is declared for {' and '.join(x.kinds)} tasks; this task is {kind}."
            for x in wrong
        ]
    )
    table = losses_for(kind)
    refuse(
        [
            f"Loss {x.name!r} of yours has the name of a built-in one; give it another."
            for x in own
            if x.name in table
        ]
    )
    return {x.name: x for x in own}


def _find_loss(name: str, kind: str, own: Mapping[str, Loss]) -> Loss:
    if name in own:
        return own[name]
    table = losses_for(kind)
    if name in table:
        return table[name]
    raise InputError(unknown_name(f"{kind} loss", name, [*own, *table]))


def _repeats(pairs: Sequence[Pair]) -> list[str]:
    """Return a sentence for each pair whose gradient another of them has too."""
    first: dict[str, Pair] = {}
    for pair in sorted(pairs, key=lambda p: p.equivalent is not None):
        first.setdefault(pair.equivalent or pair.name, pair)
    notes = []
    for pair in pairs:
        other = first[pair.equivalent or pair.name]
        if other is not pair:
            why = pair.loss.equivalent[pair.activation.name].why
            notes.append(
                f"{pair.name} has the same gradient as {other.name} ({why}); trained because it was asked for by name."
            )
    return notes


def _asked_losses(losses: Sequence[Loss], activations: Sequence[Activation] | None, task: Task) -> Chosen:
    """Return the pairs of losses asked for by name.

    Of pairs that repeat each other one is kept, but every loss keeps at least one.
    """
    legal, rejections = legal_pairs(losses, activations, task.facts)
    pairs, unjudged = _judgeable(legal, task)
    rejections += unjudged
    problems = []
    for loss in losses:
        if any(p.loss is loss for p in pairs):
            continue
        found = [pair_up(loss, a, task.facts) for a in activations or ACTIVATIONS.values()]
        repeated, _ = _judgeable([p for p in found if isinstance(p, Pair)], task)
        pairs += repeated
        if not repeated:
            reasons = [str(r) for r in rejections if r.name.partition("/")[0] == loss.name]
            problems.append("\n    ".join([f"{loss.name} cannot be trained on this task:", *reasons]))
    refuse(problems, IllegalPairError)
    names = {p.name for p in pairs}
    return Chosen(tuple(pairs), tuple(r for r in rejections if r.name not in names))


def _asked_pair(name: str, task: Task, own: Mapping[str, Loss]) -> Chosen:
    head = name.partition("/")[0]
    pair = find_pair(name, task.kind, task.facts, own if head in own else None)
    _, unjudged = _judgeable([pair], task)
    refuse([str(r) for r in unjudged], IllegalPairError)
    return Chosen((pair,))


def _judgeable(pairs: Sequence[Pair], task: Task) -> tuple[list[Pair], list[Rejection]]:
    """Return the pairs whose predictions hold what every objective reads, and why not the others.

    An objective is measured, never filled in: a constant predictor's log loss beside a real accuracy is the
    score of no model, and it would stand on the Pareto front.
    """
    kept, left_out = [], []
    for pair in pairs:
        lacking = next((m for m in task.objectives if not pair.gives(m.needs)), None)
        if lacking is None:
            kept.append(pair)
        else:
            left_out.append(_unjudged(pair, lacking, task))
    return kept, left_out


def _unjudged(pair: Pair, metric: Metric, task: Task) -> Rejection:
    others = [m.name for m in task.objectives if m is not metric]
    cure = (
        f"Judge by {others[0]} alone to search it."
        if others
        else "Judge by a metric that does not, to search it."
    )
    return Rejection(pair.name, f"{metric.name} reads the {metric.needs}, and this pair gives none.", cure)


def choose_pairs(table: SpaceTable, task: Task, own: Sequence[Loss] = ()) -> Chosen:
    """Return the pairs that a space table asks for, the conventional pair always among them.

    Raises:
        InputError: every unknown name and illegal pair, in one message.
    """
    mine = _known_losses(task.kind, own)
    problems: list[str] = []
    found: list[Chosen] = []
    activations = (
        None if table.activations is None else _each(table.activations, ACTIVATIONS.__getitem__, problems)
    )
    names = _asked_names(table, mine)
    if names is not None:
        losses = _each(names, lambda name: _find_loss(name, task.kind, mine), problems)
        refuse(problems, IllegalPairError)
        found.append(_asked_losses(losses, activations, task))
    elif table.pairs is None:
        usual = [x for x in losses_for(task.kind).values() if not x.on_request]
        refuse(problems, IllegalPairError)
        pairs, rejections = legal_pairs([*usual, *mine.values()], activations, task.facts)
        kept, unjudged = _judgeable(pairs, task)
        found.append(Chosen(tuple(kept), (*rejections, *unjudged)))
    found += _each(table.pairs or (), lambda name: _asked_pair(name, task, mine), problems)
    refuse(problems, IllegalPairError)
    chosen = {p.name: p for c in found for p in c.pairs}
    notes = []
    cautions = [
        f"{p.name}: {p.loss.caution[p.activation.name]}"
        for p in chosen.values()
        if p.activation.name in p.loss.caution
    ]
    conventional = KINDS[task.kind].conventional
    if conventional not in chosen:
        notes.append(f"{conventional}, the conventional pair, is added: every gain is measured against it.")
        chosen = {conventional: _asked_pair(conventional, task, {}).pairs[0], **chosen}
    notes += _repeats(list(chosen.values()))
    left_out = {r.name: r for c in found for r in c.rejections if r.name not in chosen}
    return Chosen(tuple(chosen.values()), tuple(left_out.values()), (*notes, *cautions))


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


def resolve_space(
    table: SpaceTable, train: TrainTable, task: Task, own: Sequence[Loss] = ()
) -> tuple[Space, tuple[str, ...]]:
    """Return the space and notes on it.

    Raises:
        InputError: names, ranges or pairs that cannot be.
    """
    chosen = choose_pairs(table, task, own)
    optimizer = OPTIMIZERS[train.optimizer]
    lr = table.lr if table.lr is not None else optimizer.lr
    low, high = (lr, lr) if isinstance(lr, float | int) else lr
    params = _ranges(table, chosen.pairs)
    settings = tuple(_setting(name, r, optimizer.options) for name, r in table.settings.items())
    space = Space(task.kind, chosen.pairs, (float(low), float(high)), params, settings, chosen.rejections)
    return space, chosen.notes


def _ranges(table: SpaceTable, pairs: Sequence[Pair]) -> dict[str, Dimension]:
    """Return the ranges, or fixed values, given for the losses' own parameters."""
    declared = {f"{p.loss.name}.{q.name}": q for p in pairs for q in p.loss.params}
    found = {}
    problems = []
    for key, given in table.params.items():
        if key not in declared:
            problems.append(unknown_name("loss parameter in this space", key, sorted(declared) or ("none",)))
            continue
        q = declared[key]
        low, high = (given, given) if isinstance(given, float | int) else given
        wrong = [w for w in map(q.problem, dict.fromkeys((low, high))) if w]
        problems += [f"{key}: {w}" for w in wrong]
        found[key] = Dimension(key, float(low), float(high), q.log, q.integer)
    refuse(problems)
    return found


SEARCHABLE = ("batch_size", "epochs", "clip")
"""Training settings that may be searched beside the optimiser's own options."""


def _setting(name: str, given: object, allowed: Sequence[str]) -> Dimension:
    if name not in SEARCHABLE and name not in allowed:
        raise InputError(unknown_name("training setting to search", name, [*SEARCHABLE, *allowed]))
    choices = getattr(given, "choices", None)
    if choices:
        return Dimension(name, choices=tuple(choices))
    low, high = given.low, given.high  # type: ignore[attr-defined]
    integer = given.integer or name in {"batch_size", "epochs"}  # type: ignore[attr-defined]
    return Dimension(name, float(low), float(high), bool(given.log), integer)  # type: ignore[attr-defined]


def resolve_settings(train: TrainTable, epochs: int, batch_size: int) -> TrainSettings:
    """Return how replicates are trained; ``epochs`` and ``batch_size`` stand in where none are given.

    Raises:
        InputError: the optimiser or one of its options is unknown or has no such value.
    """
    make_optimizer(train.optimizer, [nn.Parameter(torch.zeros(1))], 1.0, train.options)
    return TrainSettings(
        epochs=train.epochs or epochs,
        batch_size=train.batch_size or batch_size,
        optimizer=OPTIMIZERS[train.optimizer].name,
        options=dict(train.options),
        schedule=train.schedule,
        clip=train.clip,
        accelerator=train.accelerator,
        precision=train.precision,
        epoch=train.epoch,
        compile=train.compile,
    )


def resolve_budget(
    table: BudgetTable, space: Space, *, extend: bool = True, objectives: int = 1
) -> tuple[Budget, tuple[str, ...]]:
    """Return the budget and notes on it. ``objectives``: how many metrics the study has, one or two.

    Raises:
        InputError: fewer trials a pair than a verdict needs; the message has the number that is enough
            and what to leave out. Or trials shall be pruned by one metric of two.
    """
    if table.prune and objectives > 1:
        raise InputError(
            "prune = true does not go with two metrics: a trial that lags by the first may lead by the second. "
            "Leave prune out, or judge by one metric."
        )
    searched = [p for p in space.names if space.dimensions(p)]
    seeds = search_seeds(table.seed, table.seeds)
    common = {
        "seeds": seeds,
        "mode": table.mode,
        "sampler": table.sampler,
        "seed": table.seed,
        "seconds": table.seconds,
        "prune": table.prunes and objectives == 1,
    }
    if not searched:
        alone = f"Each of the {len(space.pairs)} pairs has one point only, so there is nothing to search."
        return Budget(per_pair=1, extend=False, **common), (alone,)  # type: ignore[arg-type]
    if table.sampler == "brute":
        _refuse_infinite(space, searched)
    if table.sampler not in MODELS and table.mode == "adaptive":
        raise InputError(
            f"Mode 'adaptive' needs a sampler that learns ({', '.join(MODELS)}), not {table.sampler!r}."
        )
    if table.mode == "adaptive":
        return _adaptive(table, space, common)
    single = len(space.pairs) - len(searched)
    given = table.trials if table.trials is not None else DEFAULT_PER_PAIR * len(searched) + single
    per_pair, rest = divmod(given - single, len(searched))
    if per_pair < MINIMUM:
        enough = MINIMUM * len(searched) + single
        keep = max((given - single) // MINIMUM, 0)
        drop = ", ".join(searched[max(keep, 1) :])
        raise InputError(
            f"{given} trials over {len(space.pairs)} pairs are {per_pair} a pair; fewer than {MINIMUM} rank luck. "
            f"Give at least {enough} (--trials {enough}), or search fewer pairs, without {drop}."
        )
    notes = []
    if rest:
        notes.append(
            f"{given} trials over {len(searched)} pairs: {per_pair} each; {rest} are not spent, so that every pair gets the same."
        )
    return Budget(per_pair=per_pair, extend=extend, **common), tuple(notes)  # type: ignore[arg-type]


def _adaptive(
    table: BudgetTable, space: Space, common: Mapping[str, object]
) -> tuple[Budget, tuple[str, ...]]:
    total = table.trials if table.trials is not None else DEFAULT_PER_PAIR * len(space.pairs)
    cover = min(COVER, total // len(space.pairs))
    if cover < 1:
        raise InputError(
            f"{total} trials are fewer than the {len(space.pairs)} pairs. Give at least {len(space.pairs)}."
        )
    note = "Mode 'adaptive' finds one good point; pairs get different budgets, so they are not ranked against each other."
    return Budget(per_pair=cover, extend=False, total=total, **common), (note,)  # type: ignore[arg-type]


def _refuse_infinite(space: Space, searched: Sequence[str]) -> None:
    infinite = [p for p in searched if every(space.dimensions(p)) is None]
    if infinite:
        raise InputError(
            f"Sampler 'brute' needs a finite space; {infinite[0]} has continuous ranges. "
            "Fix lr to one number and give the rest as choices, or use another sampler."
        )
