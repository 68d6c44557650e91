"""Losses put together of others, as people write them: ``bce + 0.5*dice``, ``smooth(focal(gamma=2), 0.1)``.

An expression is a sum of losses of one kind of task, each with a weight: a number, ``[low, high]`` where it is to be
searched, or ``anneal(0, 1)`` and ``switch(0, 1, 0.8)`` where it changes over the epochs. A loss's own parameters stand behind it in the same way, those that do not are searched as ever. ``smooth``
makes any loss of classes one of smoothed labels. A loss of the user's own stands there by its place, ``mine.py:loss + 0.5*dice``,
or by its name where it is given. What is made is a :class:`Loss` like any other.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, reduce

from lossearch._places import is_compound, without_places
from lossearch._registry import did_you_mean
from lossearch._text import listed
from lossearch.errors import InputError, UnknownNameError
from lossearch.losses.combination import combined
from lossearch.losses.declaration import Loss
from lossearch.losses.penalties import PENALTIES, PENALTY_NAMES
from lossearch.losses.schedules import SCHEDULES
from lossearch.losses.smoothing import SMOOTHING, smoothed
from lossearch.losses.terms import Amount, Constant, Scheduled, Term, as_text, ranged

SMOOTH = "smooth"
_EXAMPLES = "as in bce + 0.5*dice or smooth(focal(gamma=2), 0.1)"
_MOST_TERMS = 8
_SCHEDULES = "a schedule, as anneal(0, 1) or switch(0, 1, 0.8)"

Table = Mapping[str, Loss]
Own = Callable[[str], Loss | None]
"""Name or place -> the loss of the user's own there, None where there is none of that name."""


def _no_own(name: str) -> None:  # noqa: ARG001 - none is given
    return None


class UnreadableError(UnknownNameError):
    """An expression that stands for no loss; ``read`` is how much of it could be read, more for more."""

    read: tuple[bool, int] = (False, 0)


def is_expression(name: str) -> bool:
    """Return whether a loss's name puts losses together, rather than being that of one."""
    return name in PENALTY_NAMES or is_compound(name)


def composed(text: str, table: Table, own: Own = _no_own) -> Loss:
    """Return the loss that an expression stands for.

    Its name is the expression in its shortest form; its parameters have the names of those they are of:
    ``focal_gamma``, ``dice_weight``, ``smoothing``.

    Args:
        text: a sum of losses with weights.
        table: the losses of the kind of task, by name and alias.
        own: finds losses of the user's own, before those of the table.

    Raises:
        UnreadableError: it cannot be read, or such losses have no sum; the message points at the place.
    """
    return _Reader(text.strip(), table, own).loss()


def _unreadable(message: str, at: int, *, known: bool = True) -> UnreadableError:
    found = UnreadableError(message)
    found.read = (known, at)
    return found


@dataclass(frozen=True)
class _Reader:
    text: str
    table: Table
    own: Own

    @cached_property
    def _readable(self) -> tuple[str, Mapping[int, str]]:
        """The text with names in place of places, and those by where they begin."""
        return without_places(self.text)

    def loss(self) -> Loss:
        """Return the loss of the whole text."""
        whole = len(self.text)
        parsed = self._parsed()
        found = self._terms(parsed)
        if len(found) > _MOST_TERMS:
            raise _unreadable(
                f"{self.text!r} has {len(found)} terms; at most {_MOST_TERMS} are added.", whole
            )
        own = self._own_of(parsed)
        alike = [x.name for i, x in enumerate(own) if x.name in {o.name for o in own[:i]}]
        if alike:
            raise _unreadable(
                f"{self.text!r} holds two losses of yours that are named {alike[0]!r}; give one another name.",
                whole,
            )
        doubled = [t for i, t in enumerate(found) if t.loss.name in {o.loss.name for o in found[:i]}]
        if doubled:
            name = doubled[0].loss.name
            raise _unreadable(
                f"{self.text!r} adds {name} twice: write it once, with a weight (2*{name}).", whole
            )
        if all(t.penalty for t in found):
            raise _unreadable(
                f"{self.text!r} holds penalties alone, which no target enters: add them to a loss, as in bce + 0.1*{found[0].loss.name}.",
                whole,
            )
        try:
            made = combined(found)
        except InputError as error:
            raise _unreadable(str(error), whole) from None
        return replace(made, own=own)

    def _parsed(self) -> ast.expr:
        try:
            return ast.parse(self._readable[0], mode="eval").body
        except SyntaxError as error:
            raise self._fault(
                None, f"this is no sum of losses, {_EXAMPLES}", (error.offset or 1) - 1
            ) from None

    def _fault(self, node: ast.AST | None, what: str, at: int = 0, *, known: bool = True) -> UnreadableError:
        """Return the error that points at a place of the text."""
        shown = self.text
        start = min(getattr(node, "col_offset", at), max(len(shown) - 1, 0))
        end = max(getattr(node, "end_col_offset", start + 1), start + 1)
        return _unreadable(
            f"No loss can be made of this:\n  {shown}\n  {' ' * start}{'^' * (end - start)} {what if what.endswith(('.', '?')) else what + '.'}",
            start,
            known=known,
        )

    def _terms(self, node: ast.expr) -> list[Term]:
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            return [*self._terms(node.left), *self._terms(node.right)]
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
            sides = (node.left, node.right)
            weights = [side for side in sides if _is_amount(side)]
            if len(weights) != 1:
                hint = did_you_mean(_called(node.left), SCHEDULES)
                raise self._fault(node, f"one side of * is a weight, the other a loss.{hint}")
            (of,) = (side for side in sides if side is not weights[0])
            return [replace(self._term(of), weight=self._weight(weights[0]))]
        if isinstance(node, ast.BinOp):
            raise self._fault(node, f"losses are added with + and weighted with * alone, {_EXAMPLES}")
        return [self._term(node)]

    def _term(self, node: ast.expr) -> Term:
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            if node.func.id == SMOOTH:
                return self._smoothed(node)
            if node.func.id in SCHEDULES:
                said = ast.unparse(node)
                raise self._fault(
                    node, f"a weight or a parameter changes so, as in {said}*{next(iter(self.table))}"
                )
            if node.args:
                raise self._fault(node.args[0], "a parameter is given by its name, as in focal(gamma=2)")
            found = reduce(self._given, node.keywords, self._term(node.func))
            said = ",".join(f"{k.arg}={as_text(self._amount(k.value))}" for k in node.keywords)
            return replace(found, written=f"{found.loss.name}({said})")
        if not isinstance(node, ast.Name):
            raise self._fault(node, f"a loss stands here by its name, {_EXAMPLES}")
        own = self._own(node)
        if own is not None:
            return Term(own, own.name)
        penalties = PENALTIES[next(iter(self.table.values())).form]
        if node.id in penalties:
            return Term(penalties[node.id], node.id, penalty=True)
        if node.id in self.table:
            return Term(self.table[node.id], self.table[node.id].name)
        names = [*self.table, *penalties, *(a for x in self.table.values() for a in x.aliases)]
        name = self._named(node)
        hint = did_you_mean(name, names)
        raise self._fault(node, f"no loss named {name!r}.{hint}", known=False)

    def _named(self, node: ast.Name) -> str:
        """Return the name or place that stands somewhere."""
        return self._readable[1].get(node.col_offset, node.id)

    def _own_of(self, parsed: ast.expr) -> tuple[Loss, ...]:
        """Return the losses of the user's own that stand in the whole text."""
        names = [node for node in ast.walk(parsed) if isinstance(node, ast.Name)]
        return tuple(dict.fromkeys(x for x in map(self._own, names) if x is not None))

    def _own(self, node: ast.Name) -> Loss | None:
        """Return the loss of the user's own that stands somewhere, None where it is none."""
        try:
            found = self.own(self._named(node))
        except InputError as error:
            raise self._fault(node, str(error).removesuffix("."), known=False) from None
        if found is None:
            return None
        if not found.name.isidentifier() or found.name in {SMOOTH, *SCHEDULES, *PENALTY_NAMES}:
            raise self._fault(
                node, f"a loss named {found.name!r} cannot stand in a sum; give it another name"
            )
        return found

    def _smoothed(self, node: ast.Call) -> Term:
        if not 1 <= len(node.args) <= 2 or node.keywords:
            raise self._fault(node, "smooth takes a loss, and how much of the label is given to all classes")
        inner = self._term(node.args[0])
        if inner.penalty:
            raise self._fault(node.args[0], "a penalty reads no labels that could be smoothed")
        amount = self._amount(node.args[1]) if len(node.args) == 2 else None
        try:
            found = smoothed(inner.loss)
        except InputError as error:
            raise self._fault(node, str(error).removesuffix(".")) from None
        made = replace(inner, loss=found, written=f"{SMOOTH}({inner.written})")
        if amount is None:
            return made
        of = f"{SMOOTH}({inner.written},{as_text(amount)})"
        return replace(self._with(made, SMOOTHING.name, amount, node.args[1]), written=of)

    def _given(self, term: Term, keyword: ast.keyword) -> Term:
        loss = term.loss
        if keyword.arg not in loss.defaults:
            known = (
                f"{loss.name} has no parameter {keyword.arg!r}; it has {listed([*loss.defaults]) or 'none'}"
            )
            raise self._fault(keyword, known)
        return self._with(term, keyword.arg, self._amount(keyword.value), keyword)

    def _with(self, term: Term, name: str, amount: Amount, node: ast.AST) -> Term:
        """Return a term with one of its loss's parameters fixed, changing, or with a range of its own."""
        (known,) = (p for p in term.loss.params if p.name == name)
        if isinstance(amount, Scheduled):
            # what is searched on a logarithmic scale may still begin or end at 0, where it is defined there
            values = [v for v in (*_ends(amount.start), *_ends(amount.end)) if not v == known.valid[0] == 0]
        else:
            values = [*_ends(amount)]
        problems = [known.problem(v) for v in values]
        for problem in filter(None, problems):
            raise self._fault(node, problem.removesuffix("."))
        if not isinstance(amount, tuple):
            return replace(term, fixed={**term.fixed, name: amount})
        made = ranged(known, *amount)
        params = tuple(made if p is known else p for p in term.loss.params)
        return replace(term, loss=replace(term.loss, params=params))

    def _weight(self, node: ast.expr) -> Amount:
        found = self._amount(node)
        if isinstance(found, Scheduled):
            values = (*_ends(found.start), *_ends(found.end))
            if min(values) < 0 or not any(values):
                raise self._fault(
                    node, "a weight that changes is 0 at one end at most, and above 0 elsewhere"
                )
        elif min(_ends(found)) <= 0:
            raise self._fault(node, "a weight is above 0")
        return found

    def _amount(self, node: ast.expr) -> Amount:
        """Return a number, the ends of a range, or what changes."""
        return self._scheduled(node) if isinstance(node, ast.Call) else self._constant(node)

    def _scheduled(self, node: ast.Call) -> Scheduled:
        name = _called(node)
        if name not in SCHEDULES:
            hint = did_you_mean(name, SCHEDULES)
            raise self._fault(node, f"a number stands here, [low, high], or {_SCHEDULES}.{hint}")
        schedule = SCHEDULES[name]
        given = [*node.args, *(k.value for k in node.keywords if k.arg == schedule.moment)]
        others = [k for k in node.keywords if k.arg != schedule.moment]
        if others or len(given) not in (2, 3) or (len(given) == 2 and schedule.default is None):
            may = "" if schedule.default is None else "if need be "
            said = f"a first and a second value, and {may}{schedule.moment}=, a share of the training"
            raise self._fault(node, f"{name} takes {said}")
        start, end, *rest = map(self._constant, given)
        when = rest[0] if rest else schedule.default or 1.0
        if not all(0 < w <= 1 for w in _ends(when)):
            raise self._fault(given[2], "a share of the training is above 0, and 1 at most")
        if start == end:
            raise self._fault(node, f"from {as_text(start)} to {as_text(end)} nothing changes")
        return Scheduled(schedule, start, end, when)

    def _constant(self, node: ast.expr) -> Constant:
        """Return a number, or the ends of a range."""
        try:
            given = ast.literal_eval(node)
        except ValueError:
            raise self._fault(node, "a number stands here, or [low, high]") from None
        values = given if isinstance(given, list | tuple) else [given]
        if not all(
            isinstance(v, int | float) and not isinstance(v, bool) and math.isfinite(v) for v in values
        ):
            raise self._fault(node, "a number stands here, or [low, high]")
        if values is not given:
            return float(values[0])
        if len(values) != 2 or values[0] >= values[1]:
            raise self._fault(node, "a range goes from low to high, as in [0.1, 10]")
        return float(values[0]), float(values[1])


def _is_amount(node: ast.expr) -> bool:
    """Return whether it is written as an amount, rather than as a loss."""
    if isinstance(node, ast.Call):
        return _called(node) in SCHEDULES
    return isinstance(node, ast.Constant | ast.List | ast.Tuple | ast.UnaryOp)


def _called(node: ast.expr) -> str:
    """Return the name of what is called, "" where nothing is."""
    return node.func.id if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else ""


def _ends(constant: Constant) -> tuple[float, ...]:
    return constant if isinstance(constant, tuple) else (constant,)
