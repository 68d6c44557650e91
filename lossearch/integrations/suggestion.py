"""A point of the space from a user's own Optuna trial."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, TypeVar

import optuna
from optuna.distributions import CategoricalDistribution
from optuna.trial import BaseTrial

from lossearch.config import make_config
from lossearch.errors import IllegalPairError, InputError, RunFailedError, StudyMismatchError, refuse
from lossearch.integrations.ranks import publish, taken
from lossearch.kinds import KINDS, TargetFacts
from lossearch.losses import (
    ACTIVATIONS,
    Activation,
    Loss,
    as_loss,
    by_family,
    for_other_tasks,
    losses_for,
    searched_losses,
)
from lossearch.pairs import Pair, find_loss, find_pair, legal_pairs
from lossearch.pairs.equivalence import moved_losses, once_each
from lossearch.space import Dimension, Point, Space, Value
from lossearch.study.resolve import ranges
from lossearch.study.samplers import suggested

T = TypeVar("T")
G = TypeVar("G")
N = TypeVar("N", Activation, Loss, Pair)


def suggest(
    trial: BaseTrial | None,
    task: str = "binary",
    *,
    losses: Sequence[str | Loss | Callable[..., Any]] | None = None,
    activations: Sequence[str] | None = None,
    pairs: Sequence[str] | None = None,
    lr: float | tuple[float, float] = (1e-4, 1e-1),
    params: Mapping[str, Any] | None = None,
    facts: TargetFacts | None = None,
    prefix: str = "",
) -> Point:
    """Return the point that an Optuna trial is to train; ``.criterion()`` of it gives the ``nn.Module``.

    The trial gets one categorical ``pair`` of legal pairs (the conventional one first), ``lr`` on a log
    scale and the loss's own parameters under names such as ``focal.gamma``. All values are strings and
    numbers, so any storage takes them, and ``FixedTrial`` and enqueued trials work.

    Where ``torch.distributed`` runs, rank zero has the trial; the others call this with None, once for each of its
    calls, and get the same point.

    Args:
        trial: the trial that Optuna gave to the objective; None on ranks other than zero.
        task: the kind of task, a name of ``lossearch.kinds.KINDS``.
        losses: names, losses of your own or where they are ("module:function"); every loss of the kind by default.
        activations: output activations; each loss's usual ones by default.
        pairs: exact pairs, in place of ``losses`` and ``activations``.
        lr: (low, high), or one number that is not searched.
        params: ranges or values of the losses' own parameters, as {"focal.alpha": (0.1, 0.9)}; by default what a
            loss declares as searched is, within its range.
        facts: number of outputs and range of the targets; pairs not defined there are left out.
        prefix: put before each parameter's name, where one trial needs two points.

    Raises:
        InputError: unknown names, no legal pair, or a fixed or enqueued value outside the space.
        StudyMismatchError: this study has offered other pairs under the same name before.

    Example:
        >>> import optuna, lossearch
        >>> point = lossearch.suggest(optuna.create_study().ask(), task="multiclass", losses=["cross_entropy", "focal"])
        >>> point.activation, point.criterion().pair.kind
        ('softmax', 'multiclass')
    """
    space = _space(task, losses, activations, pairs, lr, params, facts)
    if trial is None:
        return _point_of_rank_zero(space)
    try:
        name, values = _suggested(trial, space, prefix)
    except Exception as error:
        publish({"problem": str(error)})
        raise
    publish({"pair": name, "values": values})
    return space.point(name, values)


def _point_of_rank_zero(space: Space) -> Point:
    said = taken()
    if "problem" in said:
        raise RunFailedError(f"Rank zero has no point: {said['problem']}")
    if said["pair"] not in space.names:
        raise InputError(
            f"Rank zero trains {said['pair']}, which the space of this rank has not: {', '.join(space.names)}. "
            "Call suggest with the same arguments on every rank, once for each call of rank zero."
        )
    return space.point(said["pair"], said["values"])


def _suggested(trial: BaseTrial, space: Space, prefix: str) -> tuple[str, dict[str, Value]]:
    choice = f"{prefix}pair"
    choices = _choices(trial, choice, space.names)
    name = _asked(lambda: trial.suggest_categorical(choice, choices), trial, choice)
    return name, {d.name: _value(trial, prefix, d) for d in space.dimensions(name)}


def _space(
    task: str,
    losses: Sequence[str | Loss | Callable[..., Any]] | None,
    activations: Sequence[str] | None,
    names: Sequence[str] | None,
    lr: float | tuple[float, float],
    params: Mapping[str, Any] | None,
    facts: TargetFacts | None,
) -> Space:
    low, high = lr if isinstance(lr, tuple | list) else (lr, lr)
    table = losses_for(task)
    facts = facts or TargetFacts(task)
    if not (0 < low <= high < math.inf):
        raise InputError(f"lr is a positive number or (low, high) with 0 < low <= high; got {lr!r}.")
    if names is not None and (losses is not None or activations is not None):
        raise InputError("Give pairs, or losses and activations, but not both.")
    asked = make_config({"space": {"params": params or {}}}).space.params
    moved = moved_losses(asked)
    if names is not None:
        refuse([] if names else ["pairs is empty: name at least one, as in pairs=['bce/sigmoid']."])
        found = _each(names, lambda name: find_pair(name, task, facts))
    elif losses is not None:
        refuse([] if losses else [f"losses is empty: name at least one of {', '.join(table)}."])
        groups, single = by_family(losses, table)
        own = {x.name: x for given in single if not isinstance(given, str) and (x := as_loss(given, task))}
        found = _crossed_pairs(
            _each(single, lambda given: _loss(given, task, own)), True, activations, facts, moved
        )
        of_groups = [p for group in groups for p in _crossed_pairs(group, False, activations, facts, moved)]
        found = list({p.name: p for p in (*found, *once_each(of_groups, found, moved)[0])}.values())
    else:
        found = _crossed_pairs(searched_losses(task), False, activations, facts, moved)
    first = KINDS[task].conventional
    in_order = tuple(sorted(found, key=lambda p: p.name != first))
    return Space(task, in_order, (float(low), float(high)), ranges(asked, in_order))


def _each(given: Sequence[G], find: Callable[[G], N]) -> list[N]:
    """Return what each name stands for, once; what is wrong with any is told together."""
    found, problems = [], []
    for one in given:
        try:
            found.append(find(one))
        except InputError as error:
            problems.append(str(error))
    refuse(problems)
    return list({x.name: x for x in found}.values())


def _loss(given: str | Loss | Callable[..., Any], task: str, own: Mapping[str, Loss]) -> Loss:
    """Return a loss that is named or given; names of sums may hold those of ``own``."""
    if isinstance(given, str):
        return find_loss(given, task, own)
    loss = as_loss(given, task)
    refuse(for_other_tasks([loss], task))
    return loss


def _crossed_pairs(
    losses: Sequence[Loss],
    asked: bool,
    activations: Sequence[str] | None,
    facts: TargetFacts,
    moved: Collection[str],
) -> list[Pair]:
    chosen = None if activations is None else _each(activations, ACTIVATIONS.__getitem__)
    found, rejections = legal_pairs(losses, chosen, facts, moved)
    have = {p.loss.name for p in found}
    left_out = [s.name for s in losses if s.name not in have] if asked or not found else []
    reasons = [str(r) for r in rejections if r.name.partition("/")[0] in left_out]
    refuse(reasons or [f"no legal pair for {s}" for s in left_out], IllegalPairError)
    return found


def _asked(ask: Callable[[], T], trial: BaseTrial, name: str) -> T:
    """Ask the trial; say in this package's words why it refuses."""
    try:
        return ask()
    except ValueError as error:
        raise InputError(f"{name} of trial {trial.number}: {error}") from error


def _choices(trial: BaseTrial, name: str, names: tuple[str, ...]) -> tuple[str, ...]:
    """Return these names in the order in which the study has them: to Optuna another order is another choice.

    A storage in memory would take trials of other choices, and samplers would read them wrongly.
    """
    before = _choices_before(trial, name)
    if before is not None and {*before} != {*names}:
        raise StudyMismatchError(
            f"This study has searched other pairs as {name!r} before: {', '.join(before)}; "
            f"now {', '.join(names)}. Optuna keeps the choices of one name for a study's life: "
            "use a new study name, or prefix= to give this space names of its own."
        )
    return before or names


def _choices_before(trial: BaseTrial, name: str) -> tuple[str, ...] | None:
    if not isinstance(trial, optuna.Trial):
        return None
    for other in trial.study.get_trials(deepcopy=False):
        known = other.distributions.get(name)
        if isinstance(known, CategoricalDistribution):
            return tuple(str(c) for c in known.choices)
    return None


def _value(trial: BaseTrial, prefix: str, d: Dimension) -> Value:
    name = prefix + d.name
    value = _asked(lambda: suggested(trial, d, name), trial, name)
    if not d.low <= float(value) <= d.high:
        raise InputError(
            f"{name} of trial {trial.number} is {value:g}, outside {d.low:g} to {d.high:g}: "
            "correct the enqueued or fixed value, or widen the range."
        )
    return value
