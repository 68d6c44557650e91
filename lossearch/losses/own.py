"""Losses of a user's own: named as ``module:function`` wherever a loss is named, or functions that are not declared.

They stand in sums of losses too, as in ``module:function + 0.5*dice``: a sum that holds one is named, and found by other
processes, by itself with the place of each in it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache, update_wrapper
from typing import TYPE_CHECKING, Any

from lossearch._imports import is_reference, load_object, reference_to
from lossearch._lazy import torch
from lossearch._places import names_in, places_in, with_names
from lossearch._text import listed
from lossearch.errors import InputError, refuse
from lossearch.kinds import KINDS, TargetForm
from lossearch.losses.combination import Composed
from lossearch.losses.composed import composed, is_expression
from lossearch.losses.declaration import Loss
from lossearch.losses.encodings import ENCODINGS
from lossearch.losses.ranges import RANGES

if TYPE_CHECKING:
    from torch import Tensor

_NATURAL = {
    TargetForm.REAL: "standardised",
    TargetForm.ZERO_ONE: "zero_one",
    TargetForm.INDEX: "index",
    TargetForm.SHARES: "shares_from_raw",
}
"""How targets come to a loss that does not say what it wants."""
UNDECLARED = "not declared"
"""The source of a loss that is a plain function or module."""


def own_places(name: str) -> tuple[str, ...]:
    """Return where the losses of a user's own are that a loss's name holds: itself, those in a sum, or none."""
    if is_expression(name):
        return places_in(name)
    return (name,) if is_reference(name) else ()


def own_loss(name: str, kind: str | None = None) -> Loss:
    """Return the loss that ``module:function`` or ``module.function`` names, or a sum that holds such.

    Args:
        name: where it is.
        kind: the kind of task, for which a function that is not declared is taken; None takes no such function.

    Raises:
        InputError: there is none, or it is not declared.
    """
    if is_expression(name):
        return loss_of_sum(name, kind)
    found = load_object(name, "loss")
    if isinstance(found, Loss):
        return found
    if kind is not None and callable(found):
        return as_loss(found, kind)
    raise InputError(
        f"{name} is a {type(found).__name__}, not a declared loss. "
        "Put @lossearch.loss(task=..., encoding=..., domain=..., source=..., example=...) above the function."
    )


def loss_of_sum(text: str, kind: str | None = None, given: Mapping[str, Loss] | None = None) -> Loss:
    """Return the loss that an expression stands for, with losses of the user's own in it.

    Args:
        text: the expression, with ``module:function`` for those that are to be found.
        kind: the kind of task; by default the first of the first of the user's own losses.
        given: losses that may stand there by their names.

    Raises:
        UnreadableError: it cannot be read; the message points at the place.
        InputError: no kind of task is said, and its first loss is not found or not declared.
    """
    from lossearch.losses import losses_for

    known = given or {}
    first = next((known[name] for name in names_in(text) if name in known), None)
    places = places_in(text)
    if kind is None:
        refuse(
            [] if first or places else [f"{text!r} holds no loss of yours: say for which kind of task it is."]
        )
        kind = (first or own_loss(places[0])).kinds[0]
    table = losses_for(kind)
    if first is None and not places:
        return table[text]

    @cache
    def own(name: str) -> Loss | None:
        found = own_loss(name, kind) if is_reference(name) else known.get(name)
        refuse(for_other_tasks([] if found is None else [found], kind))
        return found

    return composed(text, table, own)


def for_other_tasks(losses: Iterable[Loss], kind: str) -> list[str]:
    """Return a sentence for each of these losses that does not serve a kind of task."""
    return [
        f"Loss {x.name!r} is declared for {listed(x.kinds)} tasks; this task is {kind}."
        for x in losses
        if kind not in x.kinds
    ]


def parts_of(loss: Loss) -> tuple[Loss, ...]:
    """Return the losses of the user's own that one is made of: itself, where it is no sum of others."""
    return loss.own if isinstance(loss, Composed) else (loss,)


def place_of(loss: Loss) -> str:
    """Return where a loss is by its function, whether or not another process finds it there."""
    if isinstance(loss, Composed):
        return with_names(loss.name, {x.name: place_of(x) for x in loss.own})
    return reference_of(loss) or f"{loss.fn.__module__}:{loss.fn.__qualname__}"


def reference_of(loss: Loss | Callable[..., Any]) -> str | None:
    """Return the name by which another process finds a loss, None where it is not in a module of its own."""
    if isinstance(loss, Composed):
        places = {x.name: place for x in loss.own if (place := reference_of(x)) is not None}
        return with_names(loss.name, places) if places and len(places) == len(loss.own) else None
    made_of = inspect.unwrap(loss.fn) if isinstance(loss, Loss) else loss
    declared = isinstance(loss, Loss) and loss.source != UNDECLARED
    return reference_to(loss if declared else made_of, made_of)


def as_loss(given: Loss | Callable[..., Any], kind: str) -> Loss:
    """Return a function or module that is not declared as a loss for one kind of task; a declared one as it is.

    It is taken to read raw output and targets in their natural coding, and must give values that are not reduced.

    Raises:
        InputError: it cannot be called so, reduces its values, or has learnable numbers.
    """
    if isinstance(given, Loss):
        return given
    name = getattr(given, "__name__", type(given).__name__)
    problem = _problem(given, name)
    if problem:
        raise InputError(f"Loss {name}: {problem}")
    kind = KINDS[kind].name
    return Loss(
        name=name,
        kinds=(kind,),
        fn=_function(given, by_row=KINDS[kind].form.by_row),
        domain=RANGES["real"],
        encodings=(_NATURAL[KINDS[kind].form],),
        formula=(inspect.getdoc(given) or "").split("\n")[0],
        source=UNDECLARED,
        usual=("identity",),
    )


def assumptions(losses: Sequence[Loss]) -> list[str]:
    """Return a note on each loss that is not declared: what it was taken to be."""
    return [
        f"Loss {x.name!r} is not declared: it is given raw output and targets as {ENCODINGS[x.encodings[0]].words}. "
        "@lossearch.loss above it says otherwise, and what else may be said."
        for x in losses
        if x.source == UNDECLARED
    ]


def _problem(given: Callable[..., Any], name: str) -> str:
    """Return what is wrong with a function or module as a loss, '' where nothing is."""
    if isinstance(given, type):
        return f"it is a class; give an object of it, as {name}()."
    if not name.isidentifier():
        return "it has no name of its own: write it with def, or declare it with @lossearch.loss(name=...)."
    if getattr(given, "reduction", "none") != "none":
        return "it takes the mean or the sum over the rows: make it with reduction='none', so that each row has its value."
    if isinstance(given, torch.nn.Module) and next(given.parameters(), None) is not None:
        return "it has learnable numbers, which belong to a head: declare it with @lossearch.loss(head=...)."
    try:
        inspect.signature(given).bind(None, None)
    except (TypeError, ValueError):
        return "it is called with output and target alone: give other arguments defaults, or declare them as params."
    return ""


def _function(given: Callable[..., Tensor], *, by_row: bool) -> Callable[..., Tensor]:
    """Return a function or module as a function; ``by_row``: one that knows of rows and classes alone, as torch's do."""
    if not by_row and not isinstance(given, torch.nn.Module):
        return given

    def per_sample(output: Tensor, target: Tensor) -> Tensor:
        if not by_row or target.ndim < 2:
            return given(output, target)
        if target.is_floating_point():  # shares, a number a class
            values = given(output.flatten(0, -2), target.flatten(0, -2))
            return values.reshape(target.shape[:-1]) if values.shape == (target[..., 0].numel(),) else values
        values = given(output.flatten(0, -2), target.flatten())
        return values.reshape(target.shape) if values.numel() == target.numel() else values

    if isinstance(given, torch.nn.Module):
        # no name leads to an object: it must not be taken for its class's function
        per_sample.__doc__, per_sample.__module__ = type(given).__doc__, type(given).__module__
        return per_sample
    return update_wrapper(per_sample, given)
