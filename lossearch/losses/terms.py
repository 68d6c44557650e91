"""The terms of a sum of losses: what each weighs, and which of its parameters have values of their own."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from lossearch.losses.declaration import PROGRESS, Loss
from lossearch.losses.parameter import Parameter
from lossearch.losses.schedules import Schedule

if TYPE_CHECKING:
    from torch import Tensor

Constant = float | tuple[float, float]
"""A number, or the ends of what is searched."""


@dataclass(frozen=True)
class Scheduled:
    """An amount that changes over the epochs, by a schedule's numbers."""

    schedule: Schedule
    start: Constant
    end: Constant
    when: Constant

    @property
    def numbers(self) -> dict[str, Constant]:
        """What the schedule is told, by what is said behind the name of what changes."""
        return {"start": self.start, "end": self.end, self.schedule.moment: self.when}

    @property
    def text(self) -> str:
        """It as it is written."""
        shown = [self.start, self.end, *([] if self.when == self.schedule.default else [self.when])]
        return f"{self.schedule.name}({','.join(map(as_text, shown))})"

    def params(self, known: Parameter) -> Iterator[Parameter]:
        """Give the parameters of its numbers that are searched, where ``known`` is what changes."""
        share = Parameter("", 0.5, 0.0, 1.0, words="share of the training", valid=(0.0, 1.0))
        for name, amount in self.numbers.items():
            if isinstance(amount, tuple):
                of = share if name == self.schedule.moment else known
                words = f"{of.words}: {name}" if of.words else name
                yield ranged(replace(of, name=f"{known.name}_{name}", words=words), *amount)

    def value(self, name: str, params: Mapping[str, Any]) -> Tensor:
        """Return what ``name`` is, from a sum's parameters and how much of the training is done."""
        start, end, when = (
            params[f"{name}_{n}"] if isinstance(amount, tuple) else amount
            for n, amount in self.numbers.items()
        )
        return self.schedule.value(params.get(PROGRESS, 1.0), start, end, when)


Amount = Constant | Scheduled
"""What a weight or a parameter is: a number, what is searched, or what changes over the training."""


def as_text(amount: Amount) -> str:
    """Return an amount in its shortest form."""
    if isinstance(amount, Scheduled):
        return amount.text
    if isinstance(amount, tuple):
        return f"[{','.join(map(as_text, amount))}]"
    return f"{amount:g}" if float(f"{amount:g}") == amount else repr(amount)


def ranged(known: Parameter, low: float, high: float) -> Parameter:
    """Return a parameter that is searched from low to high."""
    log = known.log and low > 0
    middle = math.sqrt(low * high) if log else (low + high) / 2
    return replace(known, default=middle, low=low, high=high, log=log, search=True)


@dataclass(frozen=True)
class Term:
    """One term of a sum: a loss, what it weighs, and which of its parameters have a value of their own."""

    loss: Loss
    written: str
    weight: Amount = 1.0
    fixed: Mapping[str, float | Scheduled] = field(default_factory=dict)
    penalty: bool = False

    @property
    def text(self) -> str:
        """The term as it is written, in its shortest form."""
        return self.written if self.weight == 1 else f"{as_text(self.weight)}*{self.written}"

    @property
    def of_means(self) -> bool:
        """Whether it is a function of the batch's means rather than a mean over rows."""
        return self.loss.after_mean is not None

    @property
    def changes(self) -> bool:
        """Whether it changes over the training."""
        own = any(isinstance(amount, Scheduled) for amount in (self.weight, *self.fixed.values()))
        return own or self.loss.scheduled


@dataclass(frozen=True)
class Part:
    """A term of a sum, and what stands before the names of its loss's parameters there."""

    term: Term
    prefix: str

    @cached_property
    def names(self) -> Mapping[str, str]:
        """The loss's free parameters -> their names in the sum."""
        free = [p.name for p in self.term.loss.params if p.name not in self.term.fixed]
        return {name: f"{self.prefix}{name}" for name in free}

    @property
    def params(self) -> tuple[Parameter, ...]:
        """The sum's parameters that are of this term, its weight last."""
        found: list[Parameter] = []
        for p in self.term.loss.params:
            amount = self.term.fixed.get(p.name)
            named = replace(p, name=f"{self.prefix}{p.name}")
            if isinstance(amount, Scheduled):
                found += amount.params(named)
            elif amount is None:
                found.append(named)
        weight = self.term.weight
        words = f"weight of {self.term.loss.name}"
        known = Parameter(self.weight_name, 1.0, 0.0, 0.0, True, words=words, valid=(0.0, math.inf))
        if isinstance(weight, Scheduled):
            found += weight.params(known)
        elif isinstance(weight, tuple):
            found.append(ranged(known, *weight))
        return tuple(found)

    @property
    def weight_name(self) -> str:
        """What its weight is called in the sum."""
        return f"{self.term.loss.name}_weight"

    def weight(self, params: Mapping[str, Any]) -> float | Tensor:
        """Return what the term weighs, a number or a tensor from the sum's parameters."""
        given = self.term.weight
        if isinstance(given, Scheduled):
            return given.value(self.weight_name, params)
        return params[self.weight_name] if isinstance(given, tuple) else given

    def own(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Return what the term's loss is called with, from the sum's parameters."""
        loss = self.term.loss
        passed = (*loss.statistics, *((PROGRESS,) if loss.scheduled else ()))
        fixed = {
            own: amount.value(f"{self.prefix}{own}", params) if isinstance(amount, Scheduled) else amount
            for own, amount in self.term.fixed.items()
        }
        given = {name: params[name] for name in passed if name in params}
        return {**{own: params[name] for own, name in self.names.items()}, **fixed, **given}
