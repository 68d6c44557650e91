"""What the callback reads off a trial before and after training, and what it refuses."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import optuna
import torch
from optuna.distributions import CategoricalDistribution
from optuna.trial import BaseTrial
from torch import nn

from lossearch._registry import unknown_name
from lossearch.errors import InputError
from lossearch.losses.schedules import share_done
from lossearch.metrics.metric import MINIMIZE, SIGN
from lossearch.metrics.registry import METRICS
from lossearch.pairs import Criterion

TRIAL, STUDY = "lossearch.trial", "lossearch.study"
STATE, PAIR, REASON = OF_ONE_TRIAL = ("lossearch.state", "lossearch.pair", "lossearch.reason")
"""Tags of a run in MLflow."""

ELSEWHERE = (
    "LossSearchCallback was made in another process than the one that trains: strategies such as ddp_spawn, ddp_fork and "
    "ddp_notebook train copies in processes of their own, of which Lightning gives back weights and last metrics alone. What "
    "the callback saw, and that a trial was pruned, would be lost, and the study would not hear of it. Use strategy='ddp'. "
    "help(lossearch.LossSearchCallback) has the loop for it."
)

_PART = re.compile(r"(?:train|training|val|valid|validation|test)[_/.\- ]")
_A_LOSS = re.compile(rf"(?:{_PART.pattern})?loss(?:_epoch|_step)?")


def direction_of(study: optuna.Study | None, asked: str | None, monitor: str = "") -> str:
    """Return "maximize" or "minimize" from what was asked and what the study says.

    Args:
        study: the trial's, None where it has none.
        asked: what was asked for.
        monitor: what is monitored; a metric of ours by its name has a direction of its own.

    Raises:
        InputError: neither says it, or they contradict each other, or nobody asked for what contradicts the metric.
    """
    if asked is not None and asked not in SIGN:
        raise InputError(f"direction is 'maximize' or 'minimize'; got {asked!r}.")
    known = study.directions[0].name.lower() if study and len(study.directions) == 1 else None
    if asked is not None and known is not None and asked != known:
        raise InputError(f"direction={asked!r} contradicts the study, whose direction is {known!r}.")
    found = asked or known
    if found is None:
        why = "the study has several objectives" if study else "this trial has no study"
        raise InputError(f"Say direction='maximize' or direction='minimize': {why}.")
    metric = METRICS.get(_PART.sub("", monitor, count=1))
    if asked is None and metric is not None and metric.direction != found:
        default = " (Optuna's default)" if found == MINIMIZE else ""
        raise InputError(
            f"{monitor!r} is to be {metric.direction}d, and the study's direction is {found!r}{default}: its "
            f"best trial would be the worst. Make it with optuna.create_study(direction={metric.direction!r}), or say "
            f"direction={found!r} here if it is another metric."
        )
    return found


def refuse_a_loss(trial: BaseTrial, monitor: str) -> None:
    """Refuse to judge by a loss where the trial chose between losses.

    Raises:
        InputError: ``monitor`` is the training loss, whose unit depends on the pair.
    """
    if not _A_LOSS.fullmatch(monitor.lower()):
        return
    for distribution in trial.distributions.values():
        if isinstance(distribution, CategoricalDistribution):
            pairs = [c for c in distribution.choices if isinstance(c, str) and "/" in c]
            losses = list(dict.fromkeys(p.partition("/")[0] for p in pairs))
            if len(losses) > 1:
                raise InputError(
                    f"monitor={monitor!r} would compare values of different losses ({', '.join(losses)}), "
                    "which have different units. Monitor a metric, such as 'val_accuracy'."
                )


def monitored(monitor: str, logged: Mapping[str, Any]) -> float:
    """Return the monitored number of what validation logged.

    Raises:
        InputError: it is not among it.
    """
    if monitor not in logged:
        raise InputError(absent(monitor, logged))
    return float(logged[monitor])


def criteria(module: nn.Module) -> list[Criterion]:
    """Return the criteria that a module holds."""
    return [m for m in module.modules() if isinstance(m, Criterion)]


def done(trainer: Any) -> float | None:
    """Return how much of a training is done in the epoch that begins; None where it has no end that is known."""
    if (trainer.max_epochs or 0) > 0:
        return share_done(int(trainer.current_epoch), int(trainer.max_epochs))
    return min(trainer.global_step / trainer.max_steps, 1.0) if trainer.max_steps > 0 else None


def trained(module: nn.Module, optimizers: Sequence[torch.optim.Optimizer]) -> list[str]:
    """Return in words which criteria and learning rates a module is trained with."""
    written = [c.extra_repr() for c in criteria(module)]
    return [*written, *(f"lr {float(g['lr']):.6g}" for o in optimizers for g in o.param_groups)]


def unlike(zero: Sequence[str], other: Sequence[str], rank: int) -> str:
    """Return the sentence for two ranks that train different points."""
    return (
        f"Rank zero trains {', '.join(zero)}, and rank {rank} {', '.join(other)}: one model has one loss. Ask Optuna "
        "on rank zero alone, and give the others its point: suggest(None) there, or a FixedTrial of its parameters."
    )


def absent(monitor: str, logged: Iterable[str]) -> str:
    """Return the sentence for a monitored name that validation did not log."""
    names = sorted(logged)
    call = f"call self.log({monitor!r}, value) in validation_step"
    if not names:
        return f"Nothing is logged when validation ends: {call}."
    return f"{unknown_name('logged metric', monitor, names)} Monitor one of these, or {call}."


def searched(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return a trial's parameters with loss and activation beside the pair."""
    pair = pair_of(params)
    loss, slash, activation = pair.partition("/")
    return {**params, "loss": loss, "activation": activation} if slash and ", " not in pair else {**params}


def pair_of(params: Mapping[str, Any]) -> str:
    """Return the pair that a trial's parameters name, '' where there is none."""
    found = [v for k, v in params.items() if k.endswith("pair") and isinstance(v, str) and "/" in v]
    return ", ".join(found)


def tags(trial: BaseTrial, study: str, state: str, reason: str) -> dict[str, str]:
    """Return the tags of a trial's run; what there is nothing to say of is left out."""
    every = {
        STATE: state,
        TRIAL: str(trial.number),
        STUDY: study,
        PAIR: pair_of(trial.params),
        REASON: reason,
    }
    return {k: v for k, v in every.items() if v}
