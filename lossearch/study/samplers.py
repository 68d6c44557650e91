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
from optuna.trial import create_trial

from lossearch._random import stream
from lossearch.records.optuna import in_memory_study
from lossearch.space import Dimension, Point, Space, Value
from lossearch.study.initial_design import quasi_random, to_unit

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


def _tpe(seed: int) -> BaseSampler:
    # The initial design has done the random start; multivariate and constant_liar are stated, since their
    # defaults have changed between versions.
    return TPESampler(seed=seed, n_startup_trials=1, multivariate=True, constant_liar=True)


def _gp(seed: int) -> BaseSampler:
    return GPSampler(seed=seed, n_startup_trials=1, deterministic_objective=False)


def _random(seed: int) -> BaseSampler:
    return RandomSampler(seed=seed)


MODELS: dict[str, Callable[[int], BaseSampler]] = {"tpe": _tpe, "gp": _gp, "random": _random}
"""Samplers that are asked for the points after the initial design."""
SAMPLERS = (*MODELS, "qmc", "grid", "brute")
"""All samplers; the rest give every point at once."""


def _inside(dimensions: Sequence[Dimension], values: Mapping[str, Value]) -> bool:
    return all(
        values[d.name] in d.choices if d.choices else d.low <= float(values[d.name]) <= d.high
        for d in dimensions
    )


def _near(dimensions: Sequence[Dimension], a: Mapping[str, Value], b: Mapping[str, Value]) -> bool:
    return all(abs(to_unit(d, a[d.name]) - to_unit(d, b[d.name])) < NEAR for d in dimensions)


def _tidy(dimension: Dimension, value: Value) -> Value:
    if dimension.choices or dimension.integer:
        return value
    rounded = float(f"{float(value):.6g}")
    return min(max(rounded, dimension.low), dimension.high)


def _sampler_study(sampler: str, directions: Sequence[str], seed: int) -> optuna.Study:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return in_memory_study(directions, MODELS[sampler](seed % 2**32))


def propose(
    dimensions: Sequence[Dimension],
    observed: Sequence[Observation],
    n: int,
    *,
    sampler: str,
    directions: Sequence[str],
    seed: int,
    taken: int,
) -> list[dict[str, Value]]:
    """Return ``n`` points from a model of the pair's own trials.

    The answer depends on the arguments alone: the in-memory study is rebuilt from ``observed`` each time, so a
    resumed study goes on as if it had never stopped. A point near another of the same batch is
    replaced by the next of a quasi-random sequence.

    Args:
        dimensions: what is searched within the pair.
        observed: its finished trials.
        n: how many points.
        sampler: one of :data:`MODELS`.
        directions: "maximize" or "minimize" for each objective, one or two.
        seed: the pair's seed.
        taken: how many points the pair has had, where the quasi-random sequence goes on.
    """
    spaces = {d.name: distribution(d) for d in dimensions}
    # the word is part of the seed: another would give other points
    study = _sampler_study(sampler, directions, stream(seed, "advisor", taken))
    study.add_trials(
        [
            create_trial(params=dict(point), distributions=spaces, values=values)
            for point, values in observed
            if _inside(dimensions, point)
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
) -> list[Point]:
    """Return ``n`` points from one model of all trials, free to choose the pair.

    Args:
        space: pairs and ranges.
        observed: every finished trial's point, and its value under each objective.
        n: how many points.
        sampler: one of :data:`MODELS`.
        directions: "maximize" or "minimize" for each objective, one or two.
        seed: the study's seed.
    """
    choice = CategoricalDistribution(space.names)
    study = _sampler_study(sampler, directions, stream(seed, "adaptive", len(observed)))
    for point, seen in observed:
        spaces = {"pair": choice, **{d.name: distribution(d) for d in space.dimensions(point.pair)}}
        params = {"pair": point.pair, **space.searched(point)}
        study.add_trial(create_trial(params=params, distributions=spaces, values=seen))
    points = []
    for _ in range(n):
        trial = study.ask({"pair": choice})
        pair = trial.params["pair"]
        values: dict[str, Value] = {}
        for d in space.dimensions(pair):
            if d.choices:
                values[d.name] = d.choices[d.choices.index(trial.suggest_categorical(d.name, d.choices))]
            elif d.integer:
                values[d.name] = trial.suggest_int(d.name, int(d.low), int(d.high), log=d.log)
            else:
                values[d.name] = _tidy(d, trial.suggest_float(d.name, d.low, d.high, log=d.log))
        points.append(space.point(pair, values))
    return points
