"""From what was asked for to what will be searched: space, budget, training settings."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

from lossearch._options import option
from lossearch._registry import unknown_name
from lossearch.config import BudgetTable, SpaceTable, StudyConfig, TrainTable
from lossearch.config.tables import SEARCHABLE, SearchRange
from lossearch.errors import InputError, refuse
from lossearch.kinds import NONE
from lossearch.losses import Loss
from lossearch.pairs import Pair
from lossearch.space import Dimension, Space
from lossearch.study.budget import INITIAL_POINTS, MINIMUM, Budget
from lossearch.study.own_sampler import OwnSampler, refuse_unusable
from lossearch.study.pairs import choose_pairs
from lossearch.study.quick_look import SECONDS
from lossearch.study.samplers import MODELS, SAMPLERS, learns
from lossearch.study.seeds import search_seeds
from lossearch.tasks.task import Task
from lossearch.tasks.weights import refuse_weighting, weighting_notes
from lossearch.training.contract import WEIGHTINGS, TrainSettings
from lossearch.training.optimizers import OPTIMIZERS, Optimizer
from lossearch.training.precision import PRECISIONS
from lossearch.training.schedules import SCHEDULES

MOST_POINTS = 100_000
"""Points of one pair that the sampler 'brute' lists."""
DEFAULT_PER_PAIR = 16
"""Trials a pair gets where nothing is asked for."""


def refuse_unknown(config: StudyConfig) -> None:
    """Refuse names that no table of components has, before any data are read.

    Raises:
        InputError: every such name, in one message.
    """
    named = (
        *(() if learns(config.budget.sampler) else (("sampler", config.budget.sampler, SAMPLERS),)),
        ("optimiser", config.train.optimizer, OPTIMIZERS),
        ("schedule", config.train.schedule, SCHEDULES),
        ("precision", config.train.precision, PRECISIONS),
    )
    refuse([unknown_name(what, name, known) for what, name, known in named if name not in known])


def resolve_space(
    table: SpaceTable,
    train: TrainTable,
    task: Task,
    own: Sequence[Loss] = (),
    named: Sequence[Loss] = (),
) -> tuple[Space, tuple[str, ...]]:
    """Return the space and notes on it; ``own`` and ``named`` as :func:`choose_pairs` takes them.

    Raises:
        InputError: names, ranges or pairs that cannot be.
    """
    weightings = _weightings(table, train)
    fixed = {name: (v,) for name in WEIGHTINGS if isinstance(v := getattr(train, name), str)}
    asked_of = {**fixed, **{name: r.ends for name, r in weightings.items()}}
    for name, choices in asked_of.items():
        for choice in choices:
            refuse_weighting(task, **{**dict.fromkeys(WEIGHTINGS, NONE), name: choice})
    left = [note for choice in asked_of["class_weight"] for note in weighting_notes(task, choice)]
    weighted = task.weighted or bool(weightings) or any(v != (NONE,) for v in fixed.values())
    chosen = choose_pairs(table, task, own, named, weighted=weighted)
    optimizer = OPTIMIZERS[_optimizer(train, task)]
    lr = table.lr if table.lr is not None else optimizer.lr
    low, high = (lr, lr) if isinstance(lr, float | int) else lr
    params = ranges(table.params, chosen.pairs)
    asked = {**table.settings, **weightings}
    allowed = _searchable(task, optimizer)
    settings = tuple(_setting(name, r, allowed) for name, r in asked.items())
    space = Space(
        task.kind, chosen.pairs, (float(low), float(high)), params, settings, chosen.rejections, chosen.added
    )
    return space, (*chosen.notes, *dict.fromkeys(left))


def _optimizer(train: TrainTable, task: Task) -> str:
    """Return the optimiser by which learning rates are searched: of a user's module the first that is known."""
    own = () if task.module is None else task.module.optimizers
    return next((name for name in own if name in OPTIMIZERS), train.optimizer)


def _searchable(task: Task, optimizer: Optimizer) -> tuple[str, ...]:
    """Return the training settings that may be searched."""
    if task.module is None:
        return (*SEARCHABLE, *optimizer.options)
    return ("epochs", "clip", *WEIGHTINGS, *sorted(task.module.settings | task.module.data_settings))


def refuse_configured(train: TrainTable, title: str) -> None:
    """Refuse training settings that a user's module has itself.

    Raises:
        InputError: there are such.
    """
    said = ("optimizer", "options", "schedule", "batch_size", "compile")
    usual = TrainTable()
    own = [name for name in said if getattr(train, name) != getattr(usual, name)]
    of = {"batch_size": "its data module (datamodule_args)"}
    refuse(
        [
            f"{name} is for {of.get(name, 'configure_optimizers')} of {title} to say: leave it out of [train]."
            for name in own
        ]
    )


def _weightings(table: SpaceTable, train: TrainTable) -> dict[str, SearchRange]:
    """Return the searched choices of what classes weigh, as texts; a list in [train] is such choices."""
    several = {n: v for n in WEIGHTINGS if isinstance(v := getattr(train, n), tuple)}
    given = {n for n in WEIGHTINGS if getattr(train, n) != "none"}
    twice = [
        f"{n} is given in [train] and searched in [space] settings: give it once."
        for n in given & {*table.settings}
    ]
    if len(given | (table.settings.keys() & {*WEIGHTINGS})) == len(WEIGHTINGS):
        twice.append(f"{' and '.join(WEIGHTINGS)} both weight the classes: give or search one of them.")
    refuse(twice)
    named = {n: r for n, r in table.settings.items() if n in WEIGHTINGS}
    read = {n: TrainTable.model_validate({n: list(r.choices)}) for n, r in named.items() if r.choices}
    several |= {n: v if isinstance(v := getattr(t, n), tuple) else (v,) for n, t in read.items()}
    return named | {n: SearchRange(choices=v) for n, v in several.items()}


def ranges(
    given_ranges: Mapping[str, float | tuple[float, float]], pairs: Sequence[Pair]
) -> dict[str, Dimension]:
    """Return the ranges, or fixed values, given for the losses' own parameters, by ``loss.parameter``.

    Raises:
        InputError: no loss of these pairs has such a parameter, or it cannot have such a value.
    """
    declared = {f"{p.loss.name}.{q.name}": q for p in pairs for q in p.loss.params}
    found = {}
    problems = []
    for key, given in given_ranges.items():
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


def _setting(name: str, given: SearchRange, allowed: Sequence[str]) -> Dimension:
    if name not in allowed:
        raise InputError(unknown_name("training setting to search", name, allowed))
    if given.choices:
        return Dimension(name, choices=tuple(given.choices))
    low, high = given.ends
    return Dimension(name, float(low), float(high), given.log, given.integer)


def resolve_settings(train: TrainTable, epochs: int, batch_size: int) -> TrainSettings:
    """Return how replicates are trained; ``epochs`` and ``batch_size`` stand in where none are given."""
    given: dict[str, Any] = {field.name: getattr(train, field.name) for field in fields(TrainSettings)}
    # of several weightings each point has its own
    plain: dict[str, Any] = {name: NONE if isinstance(v, tuple) else v for name, v in given.items()}
    read = TrainSettings(**plain)
    return replace(
        read,
        epochs=train.epochs or epochs,
        batch_size=train.batch_size or batch_size,
        optimizer=OPTIMIZERS[train.optimizer].name,
        options=dict(train.options),
    )


def resolve_budget(
    table: BudgetTable,
    space: Space,
    *,
    extend: bool = True,
    objectives: int = 1,
    own: OwnSampler | None = None,
) -> tuple[Budget, tuple[str, ...]]:
    """Return the budget and notes on it.

    Args:
        table: what was asked for.
        space: what is searched.
        extend: whether the learning rate's range may grow once.
        objectives: how many metrics the study has, one or two.
        own: the user's own sampler, which is tried.

    Raises:
        InputError: fewer trials a pair than a verdict needs; the message has the number that is enough
            and what to leave out. Or trials shall be pruned by one metric of two.
    """
    if table.prune and objectives > 1:
        raise InputError(
            "prune = true does not go with two metrics: a trial that lags by the first may lead by the second. "
            "Leave prune out, or judge by one metric."
        )
    if own is not None:
        refuse_unusable(own, ["maximize"] * objectives)
    searched = [p for p in space.names if space.dimensions(p)]
    seeds, prune = search_seeds(table.seed, table.seeds), table.prunes and objectives == 1
    least = Budget(
        1,
        seeds,
        table.mode,
        table.sampler,
        table.seed,
        extend=False,
        seconds=SECONDS if table.quick and table.seconds is None else table.seconds,
        quick=table.quick,
        prune=prune,
        own=own,
    )
    if not searched:
        alone = f"Each of the {len(space.pairs)} pairs has one point only, so there is nothing to search."
        return least, (alone,)
    if table.sampler == "brute":
        _refuse_infinite(space, searched)
    if not learns(table.sampler) and table.mode == "adaptive":
        raise InputError(
            f"Mode 'adaptive' needs a sampler that learns ({', '.join(MODELS)}), not {table.sampler!r}."
        )
    if table.mode == "adaptive":
        return _adaptive(table, space, least)
    single = len(space.pairs) - len(searched)
    given = table.trials if table.trials is not None else DEFAULT_PER_PAIR * len(searched) + single
    per_pair, rest = divmod(given - single, len(searched))
    if per_pair < MINIMUM:
        enough = MINIMUM * len(searched) + single
        keep = max((given - single) // MINIMUM, 0)
        drop = ", ".join(searched[max(keep, 1) :])
        fewer = f", or search fewer pairs, without {drop}" if drop else ""
        raise InputError(
            f"{given} trials over {len(space.pairs)} pairs are {per_pair} a pair; fewer than {MINIMUM} rank luck. "
            f"Give at least {enough} ({option('trials', enough)}){fewer}."
        )
    left = f"{given} trials over {len(searched)} pairs: {per_pair} each; {rest} are not spent, so that every pair gets the same."
    return replace(least, per_pair=per_pair, extend=extend), (left,) if rest else ()


def _adaptive(table: BudgetTable, space: Space, least: Budget) -> tuple[Budget, tuple[str, ...]]:
    total = table.trials if table.trials is not None else DEFAULT_PER_PAIR * len(space.pairs)
    initial = min(INITIAL_POINTS, total // len(space.pairs))
    if initial < 1:
        raise InputError(
            f"{total} trials are fewer than the {len(space.pairs)} pairs. Give at least {len(space.pairs)}."
        )
    note = "Mode 'adaptive' finds one good point; pairs get different budgets, so they are not ranked against each other."
    return replace(least, per_pair=initial, total=total), (note,)


def _refuse_infinite(space: Space, searched: Sequence[str]) -> None:
    large = [(p, math.prod(map(_size, space.dimensions(p)))) for p in searched]
    infinite = [p for p, size in large if math.isinf(size)]
    if not infinite and (most := max(large, key=lambda found: found[1]))[1] > MOST_POINTS:
        raise InputError(
            f"Sampler 'brute' would try {most[1]} points of {most[0]}; at most {MOST_POINTS} can be. "
            "Search fewer settings or narrower ranges, or use another sampler."
        )
    if infinite:
        raise InputError(
            f"Sampler 'brute' needs a finite space; {infinite[0]} has continuous ranges. "
            "Fix lr to one number and give the rest as choices, or use another sampler."
        )


def _size(dimension: Dimension) -> float:
    """Return how many values a dimension has."""
    if dimension.choices:
        return len(dimension.choices)
    return int(dimension.high) - int(dimension.low) + 1 if dimension.integer else math.inf
