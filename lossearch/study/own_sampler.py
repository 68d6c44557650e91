"""An Optuna sampler of the user's own, which chooses the points after the initial design."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler, BruteForceSampler, GridSampler, QMCSampler
from optuna.study import Study
from optuna.trial import TrialState, create_trial

from lossearch.errors import InputError
from lossearch.records.optuna import in_memory_study

PREFIX = "optuna."
"""Begins the name under which such a sampler is recorded."""
_SPACES: dict[str, BaseDistribution] = {
    "lr": FloatDistribution(1e-4, 1.0, log=True),
    "loss.gamma": FloatDistribution(0.0, 5.0),
    "batch_size": CategoricalDistribution((16, 32)),
}
_TRIED = 4


@dataclass(frozen=True)
class OwnSampler:
    """A sampler by its name, and what makes one from a seed; of an object it makes copies."""

    name: str
    make: Callable[[int], BaseSampler]


def pass_over(study: Study, asked: int, spaces: Mapping[str, BaseDistribution]) -> None:
    """Ask a study for as many points as were asked for before, and let them go.

    A copy of a sampler has the random numbers before it that earlier points took.
    """
    for _ in range(asked):
        study.tell(study.ask(dict(spaces)), state=TrialState.FAIL)


def sampler_of(given: Any, others: Mapping[str, Any]) -> tuple[str | None, OwnSampler | None]:
    """Return the name of a sampler, and the sampler where it was given as an object.

    Args:
        given: a name, an object, or None.
        others: the other options of the search.

    Raises:
        InputError: it is neither, or a pruner was given.
    """
    if "pruner" in others:
        raise InputError(
            "pruner is not taken: trials of one round are trained side by side, and a stock pruner would judge each by "
            "those beside it (MedianPruner then prunes none). prune=True with mode='adaptive' gives up trials below the "
            "median of the pair's earlier rounds, by Optuna's PercentilePruner; in an objective of your own, "
            "LossSearchCallback asks your study's pruner."
        )
    if given is None or isinstance(given, str):
        return given, None
    own = own_sampler(given)
    return own.name, own


def own_sampler(given: Any) -> OwnSampler:
    """Return a sampler that was given as an object, a class or a function of a seed.

    Raises:
        InputError: it is none of these, or a sampler that lists points by itself.
    """
    listing = (GridSampler, BruteForceSampler, QMCSampler)
    if isinstance(given, listing) or (isinstance(given, type) and issubclass(given, listing)):
        raise InputError(
            "GridSampler, BruteForceSampler and QMCSampler list points of one space from its first trial on, and every "
            "pair has a space of its own: say sampler='grid', 'brute' or 'qmc'."
        )
    if isinstance(given, BaseSampler):
        return OwnSampler(f"{PREFIX}{type(given).__name__}", lambda _: copy.deepcopy(given))
    if isinstance(given, type) and issubclass(given, BaseSampler):
        return OwnSampler(f"{PREFIX}{given.__name__}", lambda seed: given(seed=seed))  # type: ignore[call-arg]
    if callable(given) and not isinstance(given, type):
        return OwnSampler(f"{PREFIX}{getattr(given, '__name__', type(given).__name__)}", given)
    raise InputError(
        f"sampler is a {type(given).__name__}: give a name (tpe, gp, random, qmc, grid, brute), an Optuna sampler, its "
        "class, or a function of a seed that returns one."
    )


def refuse_unusable(own: OwnSampler, directions: Sequence[str]) -> None:
    """Ask a sampler for points of a small space twice, and refuse what cannot advise a pair.

    Raises:
        InputError: it fails, or gives other points each time.
    """
    try:
        first, second = _asked(own, directions), _asked(own, directions)
    except Exception as error:
        raise InputError(
            f"The sampler {own.name.removeprefix(PREFIX)} cannot be asked for points of a pair: "
            f"{type(error).__name__}: {error}"
        ) from error
    if first != second:
        raise InputError(
            f"The sampler {own.name.removeprefix(PREFIX)} gives other points each time, so that a study could not go on "
            "where it stopped: give it a seed, or give its class or a function, as sampler=lambda seed: "
            "TPESampler(seed=seed)."
        )


def _asked(own: OwnSampler, directions: Sequence[str]) -> list[dict[str, Any]]:
    sampler = own.make(0)
    if not isinstance(sampler, BaseSampler):
        raise InputError(f"it returned a {type(sampler).__name__}, not an Optuna sampler")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        study = in_memory_study(directions, sampler)
        pass_over(study, _TRIED, _SPACES)
        for i in range(_TRIED):
            params = {"lr": 10.0**-i, "loss.gamma": float(i), "batch_size": 16}
            values = [float(i)] * len(directions)
            study.add_trial(create_trial(params=params, distributions=_SPACES, values=values))
        return [study.ask(_SPACES).params for _ in range(_TRIED)]
