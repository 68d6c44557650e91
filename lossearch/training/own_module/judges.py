"""The metric that judges a user's module: one of ours of what its criterion meets, or one that it logs."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from lossearch._imports import is_reference
from lossearch._registry import did_you_mean
from lossearch.errors import InputError
from lossearch.kinds import KINDS
from lossearch.metrics.metric import LOGGED, MAXIMIZE, MINIMIZE, SIGN, Metric
from lossearch.metrics.registry import METRICS, find_metric, metrics_for
from lossearch.pairs import find_pair
from lossearch.tasks.judges import judge
from lossearch.tasks.own_module import OwnModule
from lossearch.training.own_module.criterion import RecordingCriterion
from lossearch.training.own_module.probe import Probe
from lossearch.training.own_module.watcher import epoch_scores

PREFIX = re.compile(r"^(val|valid|validation|eval|dev)([_/])")
"""How names of what is logged in validation begin."""
SAME = 1e-3
"""How far what a module logs may be from what its criterion's predictions score, to be the same metric."""


@dataclass(frozen=True, eq=False)
class Choice:
    """What the metric of a module is chosen by: the module, the kind of task, and what it showed."""

    own: OwnModule
    kind: str
    found: Probe

    def unknown(self, name: str) -> str:
        """Return the sentences for a name that is no metric: what the module logs goes before what is ours."""
        logged, title = [*self.found.logged], self.own.title
        ours = [m.name for m in metrics_for(self.kind) if m.name not in logged]
        ours, bare = [] if self.found.validation is None else ours, PREFIX.sub("", name)
        meant = f" Did you mean {find_metric(bare, self.kind).name!r}?" if _is_ours(bare, self.kind) else ""
        hint = did_you_mean(name, logged) or (ours and (meant or did_you_mean(bare, ours))) or ""
        computed = f" lossearch computes {', '.join(ours)}." if ours else ""
        return f"No metric named {name!r}.{hint} {title} logs {', '.join(logged) or 'nothing'} in validation.{computed}"


def choose_judge(
    choice: Choice, asked: str | Metric | Callable[..., Any] | None, direction: str | None, y: Any
) -> tuple[Metric, list[str]]:
    """Return the metric that judges, and a note on it.

    Args:
        choice: the module and what it showed.
        asked: a metric, its name, or a name that the module logs; None for the usual one.
        direction: whether more or less is better, of a metric that only the module knows.
        y: the training targets.

    Raises:
        InputError: there is no such metric, or the module does not show what it reads.
    """
    own, kind, found = choice.own, choice.kind, choice.found
    name = _own_judge(choice, asked, direction)
    if name is None and found.validation is not None:
        name = KINDS[kind].default_metric(y)[0]
    if isinstance(name, Metric) or (name is not None and name not in found.logged and _is_ours(name, kind)):
        if found.validation is None:
            raise InputError(
                f"{own.title} does not show lossearch what it predicts: its validation_step never calls the "
                f"{own.criterion.name}. Call it there, give its raw output in predict_step, or judge by what it logs ({', '.join(found.logged) or 'nothing yet'})."
            )
        judging = name if isinstance(name, Metric) else find_metric(name, kind)
        shown = (
            f"the {own.criterion.name} meets in validation_step"
            if found.predicts is None
            else "predict_step gives"
        )
        return judging, [f"metric {judging.name} ({judging.words}), of what {shown}"]
    if name is None or name not in found.logged:
        if name is not None:
            raise InputError(choice.unknown(str(name)))
        raise InputError(
            f"metric is missing: its validation_step never calls the {own.criterion.name}, so say which of these "
            f"judges. {own.title} logs {', '.join(found.logged) or 'nothing'} in validation."
        )
    return _logged_judge(choice, str(name), direction)


def _own_judge(
    choice: Choice, given: str | Metric | Callable[..., Any] | None, direction: str | None
) -> str | Metric | None:
    """Return what judges, a metric of the user's own where the name is not of one that the module logs."""
    logged = choice.found.logged
    if given is None or (isinstance(given, str) and (given in logged or not is_reference(given))):
        return given
    return judge(given, choice.kind, direction)


def _logged_judge(choice: Choice, name: str, asked: str | None) -> tuple[Metric, list[str]]:
    """Return the metric that a module logs: one of ours where that is what it is, row by row."""
    own, kind, found = choice.own, choice.kind, choice.found
    bare = PREFIX.sub("", name.partition("/dataloader_idx_")[0])
    known = METRICS.get(bare) if not _is_ours(bare, kind) else find_metric(bare, kind)
    if known is not None and kind in known.kinds and found.validation is not None:
        pair = find_pair(KINDS[kind].conventional, kind)
        ours = epoch_scores(RecordingCriterion(pair), [known], found.validation)[known.name]
        if math.isclose(ours, found.logged[name], rel_tol=SAME, abs_tol=SAME):
            return known, [
                f"metric {known.name} ({known.words}): what {own.title} logs as {name} is the same"
            ]
        off = (
            f"; {name} was {found.logged[name]:.4g} where {known.name} of the {own.criterion.name}'s predictions is {ours:.4g}: "
            f"if it is meant to be the same, predict by self.{own.criterion.name}.predict(output)"
        )
    else:
        off = ""
    direction = asked or (known.direction if known is not None else None)
    if direction not in SIGN:
        raise InputError(
            f"Is more of {name!r} better, or less? Say direction = {MAXIMIZE!r} or {MINIMIZE!r}."
        )
    metric = Metric(bare, (kind,), direction, _not_scored, LOGGED, "prior", words=f"as {own.title} logs it")
    if found.validation is None:
        off += (
            f"; call the {own.criterion.name} in validation_step, or return raw output from predict_step, and it goes by "
            "rows too"
        )
    return metric, [f"metric {bare}, as {own.title} logs it as {name}; a verdict goes by seeds alone{off}"]


def _is_ours(name: str, kind: str) -> bool:
    try:
        find_metric(name, kind)
    except InputError:
        return False
    return True


def _not_scored(predictions: Any, target: Tensor) -> Tensor:  # noqa: ARG001 - a metric's signature
    raise TypeError("this metric is logged by the user's module, and not computed")
