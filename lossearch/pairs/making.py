"""A criterion from what names it: a pair's name, text with parameters, a mapping, or a module."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, cast, overload

from torch import nn

from lossearch._places import names_in
from lossearch.errors import InputError
from lossearch.kinds import TargetStatistics
from lossearch.losses import Loss, as_loss
from lossearch.pairs.criterion import Criterion
from lossearch.pairs.legality import find_pair, infer_kind
from lossearch.pairs.weights import ClassWeight, PosWeight, given_table
from lossearch.pairs.written import read_criterion

Written = str | Mapping[str, Any]
"""A criterion as text, ``"focal/sigmoid(gamma=2)"``, or as a mapping, ``{"pair": "focal/sigmoid", "gamma": 2}``."""


@overload
def criterion(
    name: Written | Criterion,
    *,
    task: str | None = None,
    losses: Sequence[Loss | Callable[..., Any]] = (),
    statistics: TargetStatistics | None = None,
    class_weight: ClassWeight = None,
    pos_weight: PosWeight = None,
    **params: float,
) -> Criterion: ...
@overload
def criterion(name: nn.Module) -> nn.Module: ...
def criterion(
    name: Written | nn.Module,
    *,
    task: str | None = None,
    losses: Sequence[Loss | Callable[..., Any]] = (),
    statistics: TargetStatistics | None = None,
    class_weight: ClassWeight = None,
    pos_weight: PosWeight = None,
    **params: float,
) -> Criterion:
    """Return the criterion of a pair, for use in any training loop.

    A module that writes ``self.criterion = lossearch.criterion(criterion)`` may be given any of the forms below.

    Args:
        name: ``loss/activation``, as in ``"focal/sigmoid"``; Keras and torch names are accepted. Parameters may
            stand behind it, ``"focal/sigmoid(gamma=2)"``, and the kind of task, ``"mse/sigmoid(task=multilabel)"``; a
            mapping has the same by name, ``{"pair": "focal/sigmoid", "gamma": 2}``. The text of a point is
            ``point.text``. A module is returned as it is.
        task: the kind of task, where the pair exists for several.
        losses: losses of your own to look the name up in first, declared or not.
        statistics: location and scale of regression targets; without them targets are taken as they are. Losses that
            read how many rows each class has need ``TargetStatistics(class_counts=((900, 100),))``.
        class_weight: what rows of each class weigh, as ``{0: 1, 1: 5}``; a class that is not named weighs 1.
        pos_weight: of 0/1 targets, what class 1 weighs, or each label where it is there; a number, or one a label.
        params: the loss's own hyper-parameters.

    Raises:
        UnknownNameError: no such loss, activation, kind or parameter.
        IllegalPairError: the combination is not legal; the message has the reason and the cure.
        InputError: ``name`` has none of these forms, or says again what stands beside it.

    Example:
        >>> import lossearch
        >>> lossearch.criterion("focal/sigmoid", gamma=1.5)
        Criterion(focal/sigmoid, gamma=1.5, alpha=-1.0)
        >>> lossearch.criterion("focal/sigmoid(gamma=1.5)").params["gamma"]
        1.5
        >>> lossearch.criterion({"pair": "mse/identity", "task": "regression"})
        Criterion(mse/identity)
    """
    if isinstance(name, nn.Module):
        named = {
            "task": task, "statistics": statistics, "class_weight": class_weight, "pos_weight": pos_weight,
        }  # fmt: skip
        beside = {**params, **{k: v for k, v in named.items() if v is not None}}
        _refuse_beside(beside, f"a {type(name).__name__} is a criterion already")
        return cast("Criterion", name)  # LightningCLI reads above that this function gives one
    if isinstance(name, Mapping):
        return _from_mapping(
            name,
            task=task,
            losses=losses,
            statistics=statistics,
            class_weight=class_weight,
            pos_weight=pos_weight,
            **params,
        )
    if not isinstance(name, str):
        raise InputError(
            f"A criterion is given by its pair, as 'focal/sigmoid', by a mapping or as a module; got a {type(name).__name__}. "
            "That of a point is point.criterion(), and its text point.text."
        )
    text = read_criterion(name)
    written = {**text.params, **({} if text.task is None else {"task": text.task})}
    said = [k for k, v in (("task", task), ("pos_weight", pos_weight)) if v is not None]
    twice = [k for k in (*params, *said) if k in written]
    _refuse_beside(twice, f"{name!r} says so itself")
    task = task or text.task
    pos_weight = text.params.get("pos_weight", pos_weight)
    params = {**{k: v for k, v in text.params.items() if k != "pos_weight"}, **params}
    own = {loss.name: loss for loss in (_declared(x, task) for x in losses)}
    head = text.pair.rpartition("/")[0]
    first = next((own[name] for name in (head, *names_in(head)) if name in own), None)
    kind = task or (infer_kind(text.pair) if first is None else first.kinds[0])
    found = find_pair(text.pair, kind, losses=own)
    return Criterion(found, params, statistics, given_table(found, class_weight, pos_weight))


def _declared(given: Loss | Callable[..., Any], task: str | None) -> Loss:
    if isinstance(given, Loss):
        return given
    if task is None:
        raise InputError(
            "A loss that is not declared is one for any kind of task: say which, as task='binary'."
        )
    return as_loss(given, task)


def _from_mapping(given: Mapping[str, Any], **beside: Any) -> Criterion:
    if not isinstance(given.get("pair"), str):
        raise InputError(
            f"A criterion's mapping has its pair, as {{'pair': 'focal/sigmoid'}}; got keys {[*given]}."
        )
    said = {k: v for k, v in beside.items() if v is not None and v != ()}
    _refuse_beside([k for k in given if k in said], "the mapping says so itself")
    found: Criterion = criterion(given["pair"], **said, **{k: v for k, v in given.items() if k != "pair"})
    return found


def _refuse_beside(given: Collection[str], why: str) -> None:
    if given:
        raise InputError(f"Leave out {', '.join(given)}: {why}.")
