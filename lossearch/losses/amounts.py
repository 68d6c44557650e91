"""Numbers in an expression of losses: alone, as a range ``[low, high]``, or as what changes, ``anneal(0, 1)``."""

from __future__ import annotations

import ast
import math

from lossearch._registry import did_you_mean
from lossearch.losses.expression import Expression, called
from lossearch.losses.schedules import SCHEDULES
from lossearch.losses.terms import Amount, Constant, Scheduled, as_text

_SCHEDULES = "a schedule, as anneal(0, 1) or switch(0, 1, 0.8)"


def is_amount(node: ast.expr) -> bool:
    """Return whether it is written as an amount, rather than as a loss."""
    if isinstance(node, ast.Call):
        return called(node) in SCHEDULES
    return isinstance(node, ast.Constant | ast.List | ast.Tuple | ast.UnaryOp)


def weight_of(text: Expression, node: ast.expr) -> Amount:
    """Return what a term weighs.

    Raises:
        UnreadableError: it weighs nothing, or less.
    """
    found = amount_of(text, node)
    if isinstance(found, Scheduled):
        values = (*ends_of(found.start), *ends_of(found.end))
        if min(values) < 0 or not any(values):
            raise text.fault(node, "a weight that changes is 0 at one end at most, and above 0 elsewhere")
    elif min(ends_of(found)) <= 0:
        raise text.fault(node, "a weight is above 0")
    return found


def amount_of(text: Expression, node: ast.expr) -> Amount:
    """Return a number, the ends of a range, or what changes."""
    return _scheduled(text, node) if isinstance(node, ast.Call) else _constant(text, node)


def _scheduled(text: Expression, node: ast.Call) -> Scheduled:
    name = called(node)
    if name not in SCHEDULES:
        hint = did_you_mean(name, SCHEDULES)
        raise text.fault(node, f"a number stands here, [low, high], or {_SCHEDULES}.{hint}")
    schedule = SCHEDULES[name]
    given = [*node.args, *(k.value for k in node.keywords if k.arg == schedule.moment)]
    others = [k for k in node.keywords if k.arg != schedule.moment]
    if others or len(given) not in (2, 3) or (len(given) == 2 and schedule.default is None):
        may = "" if schedule.default is None else "if need be "
        said = f"a first and a second value, and {may}{schedule.moment}=, a share of the training"
        raise text.fault(node, f"{name} takes {said}")
    start, end, *rest = (_constant(text, value) for value in given)
    when = rest[0] if rest else schedule.default or 1.0
    if not all(0 < w <= 1 for w in ends_of(when)):
        raise text.fault(given[2], "a share of the training is above 0, and 1 at most")
    if start == end:
        raise text.fault(node, f"from {as_text(start)} to {as_text(end)} nothing changes")
    return Scheduled(schedule, start, end, when)


def _constant(text: Expression, node: ast.expr) -> Constant:
    """Return a number, or the ends of a range."""
    try:
        given = ast.literal_eval(node)
    except ValueError:
        raise text.fault(node, "a number stands here, or [low, high]") from None
    values = given if isinstance(given, list | tuple) else [given]
    if not all(isinstance(v, int | float) and not isinstance(v, bool) and math.isfinite(v) for v in values):
        raise text.fault(node, "a number stands here, or [low, high]")
    if values is not given:
        return float(values[0])
    if len(values) != 2 or values[0] >= values[1]:
        raise text.fault(node, "a range goes from low to high, as in [0.1, 10]")
    return float(values[0]), float(values[1])


def ends_of(constant: Constant) -> tuple[float, ...]:
    """Return the number, or both ends of the range."""
    return constant if isinstance(constant, tuple) else (constant,)
