"""The next points of one pair, from that pair's own history, by a stock Optuna sampler."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.samplers import BaseSampler, GPSampler, RandomSampler, TPESampler
from optuna.trial import BaseTrial, create_trial

from lossearch._random import stream
from lossearch.errors import InputError
from lossearch.records.optuna import in_memory_study
from lossearch.space import Dimension, Point, Space, Value
from lossearch.study.initial_design import quasi_random, to_unit
from lossearch.study.own_sampler import PREFIX, OwnSampler, pass_over

Observation = tuple[Mapping[str, Value], Sequence[float]]
"""A point's searched values, and its trial's value under each objective."""

NEAR = 0.05
"""Points of one batch closer than this share of every range are copies of each other."""


def distribution(dimension: Dimension) -> BaseDistribution:
    """Return the Optuna distribution of a dimension."""
    if dimension.choices:
        return CategoricalDistribution(dimension.choices)
    if dimension.integer:
        return IntDistribution(int(dimension.low), int(dimension.high), log=dimension.log)
    return FloatDistribution(dimension.low, dimension.high, log=dimension.log)


MODELS: dict[str, Callable[[int], BaseSampler]] = {
    # the initial design has done the random start; multivariate and constant_liar are stated, since their
    # defaults have changed between versions
    "tpe": lambda seed: TPESampler(seed=seed, n_startup_trials=1, multivariate=True, constant_liar=True),
    "gp": lambda seed: GPSampler(seed=seed, n_startup_trials=1, deterministic_objective=False),
    "random": lambda seed: RandomSampler(seed=seed),
}
"""Samplers that are asked for the points after the initial design."""
SAMPLERS = (*MODELS, "qmc", "grid", "brute")
"""All samplers; the rest give every point at once."""
OBJECT = (
    "The sampler {name} is an object of yours, which records cannot hold: go on in Python, by "
    "lossearch.search(..., sampler=...) with the same one."
)


def _near(dimensions: Sequence[Dimension], a: Mapping[str, Value], b: Mapping[str, Value]) -> bool:
    return all(abs(to_unit(d, a[d.name]) - to_unit(d, b[d.name])) < NEAR for d in dimensions)


def suggested(trial: BaseTrial, dimension: Dimension, name: str) -> Value:
    """Return the value that a trial gives a dimension, under this name."""
    d = dimension
    if d.choices:
        return d.choices[d.choices.index(trial.suggest_categorical(name, d.choices))]
    if d.integer:
        return trial.suggest_int(name, int(d.low), int(d.high), log=d.log)
    return trial.suggest_float(name, d.low, d.high, log=d.log)


def _tidy(dimension: Dimension, value: Value) -> Value:
    if dimension.choices or dimension.integer:
        return value
    rounded = float(f"{float(value):.6g}")
    return min(max(rounded, dimension.low), dimension.high)


def learns(sampler: str) -> bool:
    """Return whether a sampler is asked for the points after the initial design."""
    return sampler in MODELS or sampler.startswith(PREFIX)


def refuse_missing(sampler: str, own: OwnSampler | None) -> None:
    """Refuse to begin or go on by the name of a sampler that is an object of the user's.

    Raises:
        InputError: the object is not there.
    """
    if own is None and sampler.startswith(PREFIX):
        raise InputError(OBJECT.format(name=sampler))


def _sampler_study(
    name: str,
    own: OwnSampler | None,
    directions: Sequence[str],
    seed: int,
    asked: int,
    spaces: Mapping[str, BaseDistribution],
) -> optuna.Study:
    """Return a study to ask: of the sampler of this name, or of the user's own, asked for so many points before."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        if own is None:
            refuse_missing(name, own)
            return in_memory_study(directions, MODELS[name](seed % 2**32))
        study = in_memory_study(directions, own.make(seed % 2**32))
        pass_over(study, asked, spaces)
        return study


def propose(
    dimensions: Sequence[Dimension],
    observed: Sequence[Observation],
    n: int,
    *,
    sampler: str,
    directions: Sequence[str],
    seed: int,
    taken: int,
    own: OwnSampler | None = None,
) -> list[dict[str, Value]]:
    """Return ``n`` points from a model of the pair's own trials.

    The answer depends on the arguments alone: the in-memory study is rebuilt from ``observed`` each time,
    so a resumed study goes on as if it had never stopped. A point near another of the same batch is
    replaced by the next of a quasi-random sequence. ``taken`` is how many points the pair has had, where
    the quasi-random sequence goes on. ``own`` is the user's sampler, where ``sampler`` is the name of one.
    """
    spaces = {d.name: distribution(d) for d in dimensions}
    # the word is part of the seed: another would give other points
    study = _sampler_study(sampler, own, directions, stream(seed, "advisor", taken), taken, spaces)
    study.add_trials(
        [
            create_trial(params=dict(point), distributions=spaces, values=values)
            for point, values in observed
            if all(
                point[d.name] in d.choices if d.choices else d.low <= float(point[d.name]) <= d.high
                for d in dimensions
            )
        ]
    )
    asked = [study.ask(spaces).params for _ in range(n)]
    spare = iter(quasi_random(dimensions, taken, 4 * n, seed))
    points: list[dict[str, Value]] = []
    for values in asked:
        point = {d.name: _tidy(d, values[d.name]) for d in dimensions}
        while any(_near(dimensions, point, p) for p in points):
            other = next(spare, None)
            if other is None:
                break
            point = other
        points.append(point)
    return points


def propose_freely(
    space: Space,
    observed: Sequence[tuple[Point, Sequence[float]]],
    n: int,
    *,
    sampler: str,
    directions: Sequence[str],
    seed: int,
    own: OwnSampler | None = None,
) -> list[Point]:
    """Return ``n`` points from one model of all trials, free to choose the pair.

    ``observed`` has every finished trial's point, and its value under each objective.
    """
    choice = CategoricalDistribution(space.names)
    spaces = {"pair": choice}
    done = len(observed)
    study = _sampler_study(sampler, own, directions, stream(seed, "adaptive", done), done, spaces)
    for point, seen in observed:
        whole = {**spaces, **{d.name: distribution(d) for d in space.dimensions(point.pair)}}
        params = {"pair": point.pair, **space.searched(point)}
        study.add_trial(create_trial(params=params, distributions=whole, values=seen))
    points = []
    for _ in range(n):
        trial = study.ask({"pair": choice})
        pair = trial.params["pair"]
        values: dict[str, Value] = {}
        for d in space.dimensions(pair):
            values[d.name] = _tidy(d, suggested(trial, d, d.name))
        points.append(space.point(pair, values))
    return points
