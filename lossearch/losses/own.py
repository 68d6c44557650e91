"""Losses of a user's own: named as ``module:function`` wherever a loss is named, or functions that are not declared."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from functools import update_wrapper
from typing import Any

from torch import Tensor, nn

from lossearch._imports import load_object, reference_to
from lossearch.errors import InputError
from lossearch.kinds import KINDS, TargetForm
from lossearch.losses.declaration import Loss
from lossearch.losses.encodings import ENCODINGS
from lossearch.losses.ranges import RANGES

_NATURAL = {
    TargetForm.REAL: "standardised",
    TargetForm.ZERO_ONE: "zero_one",
    TargetForm.INDEX: "index",
    TargetForm.SHARES: "shares_from_raw",
}
"""How targets come to a loss that does not say what it wants."""
UNDECLARED = "not declared"
"""The source of a loss that is a plain function or module."""


def own_loss(name: str, kind: str | None = None) -> Loss:
    """Return the loss that ``module:function`` or ``module.function`` names.

    Args:
        name: where it is.
        kind: the kind of task, for which a function that is not declared is taken; None takes no such function.

    Raises:
        InputError: there is none, or it is not declared.
    """
    found = load_object(name, "loss")
    if isinstance(found, Loss):
        return found
    if kind is not None and callable(found):
        return as_loss(found, kind)
    raise InputError(
        f"{name} is a {type(found).__name__}, not a declared loss. "
        "Put @lossearch.loss(task=..., encoding=..., domain=..., source=..., example=...) above the function."
    )


def reference_of(loss: Loss | Callable[..., Any]) -> str | None:
    """Return the name by which another process finds a loss, None where it is not in a module of its own."""
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
    if isinstance(given, nn.Module) and next(given.parameters(), None) is not None:
        return "it has learnable numbers, which belong to a head: declare it with @lossearch.loss(head=...)."
    try:
        inspect.signature(given).bind(None, None)
    except (TypeError, ValueError):
        return "it is called with output and target alone: give other arguments defaults, or declare them as params."
    return ""


def _function(given: Callable[..., Tensor], *, by_row: bool) -> Callable[..., Tensor]:
    """Return a function or module as a function; ``by_row``: one that knows of rows and classes alone, as torch's do."""
    if not by_row and not isinstance(given, nn.Module):
        return given

    def per_sample(output: Tensor, target: Tensor) -> Tensor:
        if not by_row or target.ndim < 2:
            return given(output, target)
        if target.is_floating_point():  # shares, a number a class
            values = given(output.flatten(0, -2), target.flatten(0, -2))
            return values.reshape(target.shape[:-1]) if values.shape == (target[..., 0].numel(),) else values
        values = given(output.flatten(0, -2), target.flatten())
        return values.reshape(target.shape) if values.numel() == target.numel() else values

    if isinstance(given, nn.Module):
        # no name leads to an object: it must not be taken for its class's function
        per_sample.__doc__, per_sample.__module__ = type(given).__doc__, type(given).__module__
        return per_sample
    return update_wrapper(per_sample, given)
