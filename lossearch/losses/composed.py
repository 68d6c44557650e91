"""Losses put together of others, as people write them: ``bce + 0.5*dice``, ``smooth(focal(gamma=2), 0.1)``.

An expression is a sum of losses of one kind of task, each with a weight: a number, ``[low, high]`` where it is to be
searched, or ``anneal(0, 1)`` and ``switch(0, 1, 0.8)`` where it changes over the epochs. A loss's own parameters stand behind it in the same way, those that do not are searched as ever. ``smooth``
makes any loss of classes one of smoothed labels. A loss of the user's own stands there by its place, ``mine.py:loss + 0.5*dice``,
or by its name where it is given. What is made is a :class:`Loss` like any other.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import reduce

from lossearch._places import is_compound
from lossearch._registry import did_you_mean
from lossearch._text import listed
from lossearch.errors import InputError
from lossearch.losses.amounts import amount_of, ends_of, is_amount, weight_of
from lossearch.losses.combination import combined
from lossearch.losses.declaration import Loss
from lossearch.losses.expression import EXAMPLES, Expression, called, unreadable
from lossearch.losses.penalties import PENALTIES, PENALTY_NAMES
from lossearch.losses.schedules import SCHEDULES
from lossearch.losses.smoothing import SMOOTHING, smoothed
from lossearch.losses.terms import Amount, Scheduled, Term, as_text, ranged

SMOOTH = "smooth"
_MOST_TERMS = 8

Table = Mapping[str, Loss]
Own = Callable[[str], Loss | None]
"""Name or place -> the loss of the user's own there, None where there is none of that name."""


def _no_own(name: str) -> None:  # noqa: ARG001 - none is given
    return None


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
    return _Reader(Expression(text.strip()), table, own).loss()


@dataclass(frozen=True)
class _Reader:
    text: Expression
    table: Table
    own: Own

    def loss(self) -> Loss:
        """Return the loss of the whole text."""
        text, whole = self.text.text, self.text.whole
        parsed = self.text.tree()
        found = self._terms(parsed)
        if len(found) > _MOST_TERMS:
            raise unreadable(f"{text!r} has {len(found)} terms; at most {_MOST_TERMS} are added.", whole)
        own = self._own_of(parsed)
        alike = [x.name for i, x in enumerate(own) if x.name in {o.name for o in own[:i]}]
        if alike:
            raise unreadable(
                f"{text!r} holds two losses of yours that are named {alike[0]!r}; give one another name.",
                whole,
            )
        doubled = [t for i, t in enumerate(found) if t.loss.name in {o.loss.name for o in found[:i]}]
        if doubled:
            name = doubled[0].loss.name
            raise unreadable(f"{text!r} adds {name} twice: write it once, with a weight (2*{name}).", whole)
        if all(t.penalty for t in found):
            raise unreadable(
                f"{text!r} holds penalties alone, which no target enters: add them to a loss, as in bce + 0.1*{found[0].loss.name}.",
                whole,
            )
        try:
            made = combined(found)
        except InputError as error:
            raise unreadable(str(error), whole) from None
        return replace(made, own=own)

    def _terms(self, node: ast.expr) -> list[Term]:
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            return [*self._terms(node.left), *self._terms(node.right)]
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
            sides = (node.left, node.right)
            weights = [side for side in sides if is_amount(side)]
            if len(weights) != 1:
                hint = did_you_mean(called(node.left), SCHEDULES)
                raise self.text.fault(node, f"one side of * is a weight, the other a loss.{hint}")
            (of,) = (side for side in sides if side is not weights[0])
            return [replace(self._term(of), weight=weight_of(self.text, weights[0]))]
        if isinstance(node, ast.BinOp):
            raise self.text.fault(node, f"losses are added with + and weighted with * alone, {EXAMPLES}")
        return [self._term(node)]

    def _term(self, node: ast.expr) -> Term:
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            if node.func.id == SMOOTH:
                return self._smoothed(node)
            if node.func.id in SCHEDULES:
                said = ast.unparse(node)
                raise self.text.fault(
                    node, f"a weight or a parameter changes so, as in {said}*{next(iter(self.table))}"
                )
            if node.args:
                raise self.text.fault(node.args[0], "a parameter is given by its name, as in focal(gamma=2)")
            found = reduce(self._given, node.keywords, self._term(node.func))
            said = ",".join(f"{k.arg}={as_text(amount_of(self.text, k.value))}" for k in node.keywords)
            return replace(found, written=f"{found.loss.name}({said})")
        if not isinstance(node, ast.Name):
            raise self.text.fault(node, f"a loss stands here by its name, {EXAMPLES}")
        own = self._own(node)
        if own is not None:
            return Term(own, own.name)
        penalties = PENALTIES[next(iter(self.table.values())).form]
        if node.id in penalties:
            return Term(penalties[node.id], node.id, penalty=True)
        if node.id in self.table:
            return Term(self.table[node.id], self.table[node.id].name)
        names = [*self.table, *penalties, *(a for x in self.table.values() for a in x.aliases)]
        name = self.text.named(node)
        hint = did_you_mean(name, names)
        raise self.text.fault(node, f"no loss named {name!r}.{hint}", known=False)

    def _own_of(self, parsed: ast.expr) -> tuple[Loss, ...]:
        """Return the losses of the user's own that stand in the whole text."""
        names = [node for node in ast.walk(parsed) if isinstance(node, ast.Name)]
        return tuple(dict.fromkeys(x for x in map(self._own, names) if x is not None))

    def _own(self, node: ast.Name) -> Loss | None:
        """Return the loss of the user's own that stands somewhere, None where it is none."""
        try:
            found = self.own(self.text.named(node))
        except InputError as error:
            raise self.text.fault(node, str(error).removesuffix("."), known=False) from None
        if found is None:
            return None
        if not found.name.isidentifier() or found.name in {SMOOTH, *SCHEDULES, *PENALTY_NAMES}:
            raise self.text.fault(
                node, f"a loss named {found.name!r} cannot stand in a sum; give it another name"
            )
        return found

    def _smoothed(self, node: ast.Call) -> Term:
        if not 1 <= len(node.args) <= 2 or node.keywords:
            raise self.text.fault(
                node, "smooth takes a loss, and how much of the label is given to all classes"
            )
        inner = self._term(node.args[0])
        if inner.penalty:
            raise self.text.fault(node.args[0], "a penalty reads no labels that could be smoothed")
        amount = amount_of(self.text, node.args[1]) if len(node.args) == 2 else None
        try:
            found = smoothed(inner.loss)
        except InputError as error:
            raise self.text.fault(node, str(error).removesuffix(".")) from None
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
            raise self.text.fault(keyword, known)
        return self._with(term, keyword.arg, amount_of(self.text, keyword.value), keyword)

    def _with(self, term: Term, name: str, amount: Amount, node: ast.AST) -> Term:
        """Return a term with one of its loss's parameters fixed, changing, or with a range of its own."""
        (known,) = (p for p in term.loss.params if p.name == name)
        if isinstance(amount, Scheduled):
            # what is searched on a logarithmic scale may still begin or end at 0, where it is defined there
            values = [
                v for v in (*ends_of(amount.start), *ends_of(amount.end)) if not v == known.valid[0] == 0
            ]
        else:
            values = [*ends_of(amount)]
        problems = [known.problem(v) for v in values]
        for problem in filter(None, problems):
            raise self.text.fault(node, problem.removesuffix("."))
        if not isinstance(amount, tuple):
            return replace(term, fixed={**term.fixed, name: amount})
        made = ranged(known, *amount)
        params = tuple(made if p is known else p for p in term.loss.params)
        return replace(term, loss=replace(term.loss, params=params))
