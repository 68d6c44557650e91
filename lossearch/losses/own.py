"""Losses of a user's own, named as ``module:function`` wherever a loss is named."""

from __future__ import annotations

from lossearch._imports import load_object, reference_to
from lossearch.errors import InputError
from lossearch.losses.declaration import Loss


def own_loss(name: str) -> Loss:
    """Return the declared loss that ``module:function`` or ``module.function`` names.

    Raises:
        InputError: there is none, or it is not declared.
    """
    found = load_object(name, "loss")
    if not isinstance(found, Loss):
        raise InputError(
            f"{name} is a {type(found).__name__}, not a declared loss. "
            "Put @lossearch.loss(task=..., encoding=..., domain=..., source=..., example=...) above the function."
        )
    return found


def reference_of(loss: Loss) -> str | None:
    """Return the name by which another process finds a loss, None where it is not in a module of its own."""
    return reference_to(loss, loss.fn)
