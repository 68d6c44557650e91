"""Is a loss safe to search over? The checks that every loss passes, ours and yours."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from textwrap import shorten
from typing import Any

import torch

import lossearch
from lossearch.checks import behaviour as _behaviour
from lossearch.checks import form as _form
from lossearch.checks import minimum as _minimum
from lossearch.checks.scale import divisor, start
from lossearch.losses import Loss, as_loss

_NOT_THE_USERS = tuple(str(Path(str(package.__file__)).parent) for package in (lossearch, torch))


@dataclass(frozen=True)
class Finding:
    """What was checked, whether it holds, and what was seen where it does not."""

    what: str
    ok: bool
    detail: str = ""

    def __str__(self) -> str:
        return f"{'ok' if self.ok else 'FAILED'}  {self.what}" + (f": {self.detail}" if self.detail else "")


@dataclass(frozen=True)
class Check:
    """One check: ``problems`` gives a sentence for everything that does not hold."""

    what: str
    problems: Callable[[Loss], list[str]]

    def __call__(self, loss: Loss) -> Finding:
        """Return the finding; an exception of the loss is a finding too."""
        try:
            with torch.random.fork_rng(devices=[]):
                problems = self.problems(loss)
        except Exception as error:  # noqa: BLE001  # the function under test may raise anything
            problems = [_raised(error)]
        return Finding(self.what, not problems, "; ".join(problems))

    def __str__(self) -> str:
        return self.what


def _raised(error: Exception) -> str:
    """Return what was raised, and at which line of the user's own code."""
    lines = traceback.extract_tb(error.__traceback__)
    own = [x for x in lines if not x.filename.startswith(_NOT_THE_USERS) and Path(x.filename).is_file()]
    where = f" at {Path(own[-1].filename).name}, line {own[-1].lineno}: {own[-1].line}" if own else ""
    return f"raised {type(error).__name__}: {shorten(str(error), 160, placeholder=' ...')}{where}"


def check_loss(loss: Loss) -> list[Finding]:
    """Return what every check finds, up to where values have a wrong shape; never raises for what the loss does.

    Needs no data: rows are drawn from fixed streams, and the caller's random state is left alone.
    """
    return findings(loss, CHECKS)


def findings(loss: Loss, checks: Sequence[Check]) -> list[Finding]:
    """Return what each of these checks finds: where values are of a wrong shape, none of those that compute with them."""
    if _UNREDUCED(loss).ok:
        return [check(loss) for check in checks]
    return [check(loss) for check in checks if check.what in _FIRST]


def told(findings: Sequence[Finding]) -> list[str]:
    """Return a line for each finding; what fails for one cause is one line, with all that fails for it."""
    by_cause: dict[str, list[Finding]] = {}
    for finding in findings:
        by_cause.setdefault(finding.what if finding.ok else finding.detail, []).append(finding)
    return [
        str(replace(same[0], what="; ".join(finding.what for finding in same))) for same in by_cause.values()
    ]


def conclusion(name: str, findings: Sequence[Finding], of: int) -> str:
    """Return what all findings come to, in one line; ``of`` is how many checks there are."""
    failed = sum(not finding.ok for finding in findings)
    if not failed:
        return f"{name} is safe to search over: all {of} checks hold."
    left = f", and {of - len(findings)} wait until then" if len(findings) < of else ""
    return f"{name} is not safe to search over: mend what FAILED ({failed} of {of} checks{left})."


def checks_of(loss: Loss) -> tuple[Check, ...]:
    """Return every check that a loss can be put to: one that is not declared has no example."""
    return CHECKS if loss.example is not None else tuple(check for check in CHECKS if check is not EXAMPLE)


def facts(loss: Loss) -> list[str]:
    """Return what divides a batch and where training starts, of a loss for which that can be computed."""
    try:
        return [divisor(loss), start(loss)]
    except Exception:  # noqa: BLE001  # the function under test may raise anything, and checks have said so
        return []


def check_undeclared(given: Callable[..., Any], kinds: Iterable[str]) -> tuple[Loss, list[Finding]]:
    """Return a function or module that is not declared as a loss for one kind of task, and what every check finds.

    Of the kinds it is that for which most checks hold, the first of equals.

    Raises:
        InputError: it cannot be called as a loss, or takes the mean by what it says itself.
    """
    losses = [as_loss(given, kind) for kind in kinds]
    tried = [(loss, findings(loss, checks_of(loss))) for loss in losses]
    return min(tried, key=lambda found: sum(not finding.ok for finding in found[1]))


_UNREDUCED = Check("it gives one value a row, unreduced", _form.unreduced)
EXAMPLE = Check("the declared example has the declared value", _behaviour.example)
CHECKS = (
    EXAMPLE,
    Check("some activation may meet it", _form.legal),
    Check("its parameters can be searched", _form.parameters),
    Check("it gives one value a row, unreduced", _form.shape),
    Check("a row's value is its own", _form.rows),
    Check("its inputs are left as they are", _form.kept),
    Check("the same input gives the same value, without random numbers", _form.pure),
    Check("autograd agrees with finite differences", _behaviour.gradient),
    Check("declared derivatives agree with autograd", _behaviour.derivatives),
    Check("value and gradient are finite far out", _behaviour.finite),
    Check("half-precision output is as good as float32", _behaviour.half),
    Check("the form on raw output is the loss after the activation", _behaviour.fused),
    Check("it becomes every loss it says it contains", _behaviour.contained),
    Check("it is least at the target, or on its side of the threshold", _minimum.right_side),
    Check("a stack of models gives what each gives alone", _form.stacked),
    Check("it works under torch.func.vmap", _form.vmapped),
    Check("declared probabilities minimise its expectation", _minimum.probability),
    Check("the criterion never broadcasts rows against rows", _form.edges),
)
"""Every check, in the order in which a report prints them."""
NEEDED = (
    Check("some activation may meet it", _form.legal),
    Check("its parameters can be searched", _form.parameters),
    _UNREDUCED,
)
"""Without these a loss cannot be trained at all."""
_FIRST = {EXAMPLE.what, *(check.what for check in NEEDED)}
