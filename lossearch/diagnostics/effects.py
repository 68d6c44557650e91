"""How much of the variance in score comes from the loss, the activation, the learning rate, the seed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lossearch._lazy import pd
from lossearch.records.trial import TrialRecord
from lossearch.verdict.across_tasks.rank_tests import friedman_p
from lossearch.verdict.scale import Scale, merit, scale_of

RESIDUAL = "residual"
_REACH = 3.0


@dataclass(frozen=True)
class Effect:
    """One source of variance: its share of the whole, 0 to 1, and its degrees of freedom."""

    name: str
    share: float
    df: int


@dataclass(frozen=True)
class Effects:
    """Where the variance of a set of scores comes from; shares add up to 1.

    ``p`` is the chance of pair differences as large as these where pairs do not matter, None where the
    design does not say. ``size`` is (pairs, learning rates, seeds).
    """

    effects: tuple[Effect, ...]
    size: tuple[int, int, int]
    p: float | None = None

    def share(self, *names: str) -> float:
        """Return the summed share of some effects."""
        return sum(e.share for e in self.effects if e.name in names)


def replicate_scores(
    curves: pd.DataFrame, records: Sequence[TrialRecord], *, metric: str, stage: str | None = None
) -> pd.DataFrame:
    """Return one row a replicate: pair, loss, activation, lr, seed, trial, score at its trial's epoch.

    A replicate that diverged has no score in the curves; it has what is missing to its trial's mean, for a
    constant predictor's score was put in its place. ``stage`` keeps the trials of one stage alone.
    """
    name = f"val_{metric}"
    usable = [r for r in records if r.value is not None and r.epoch is not None and stage in (None, r.stage)]
    rows = curves.loc[curves["outcome"] == "completed", ["trial", "seed", "epoch", *({name} & {*curves})]]
    by_trial = dict(list(rows.groupby("trial")))
    found = []
    for r in usable:
        at = by_trial.get(r.number, rows.iloc[:0])
        at = at[at["epoch"] == r.epoch]
        scores = dict(zip(at["seed"], at[name], strict=True)) if name in at else {}
        finite = {s: v for s, v in scores.items() if math.isfinite(v)}
        missing = len(r.seeds) - len(finite)
        constant = ((r.value or 0.0) * len(r.seeds) - sum(finite.values())) / missing if missing else math.nan
        found += [
            {
                "pair": r.point.pair,
                "loss": r.point.loss,
                "activation": r.point.activation,
                "lr": r.point.lr,
                "seed": seed,
                "trial": r.number,
                "score": finite.get(seed, constant),
            }
            for seed in r.seeds
        ]
    return pd.DataFrame(found, columns=["pair", "loss", "activation", "lr", "seed", "trial", "score"])


def design_effects(scores: pd.DataFrame, *, direction: str) -> Effects | None:
    """Return what loss, activation, learning rate and seed explain over the initial design.

    It gives every pair the same learning rates under the same seeds, so that the variance splits into parts that
    do not overlap (analysis of variance of a balanced design): losses; activations within a loss; learning
    rates; how far the best rate differs between pairs ("pair x lr", which holds the losses' own parameters
    too, for they change from point to point); seeds; the residual. From each part its share by chance alone is taken off (epsilon squared, Kelley 1935), and given to the residual. Errors enter
    as logarithms, held to three interquartile ranges above the third quartile, so that one exploding
    replicate does not stand for everything.

    Pairs with another set of rates, or a missing trial, are left out. None where fewer than two pairs,
    rates or seeds are left. ``scores`` are those of :func:`replicate_scores`.
    """
    cube, pairs = _balanced(scores)
    if cube is None or min(cube.shape) < 2:
        return None
    return Effects(_decompose(_worth(cube, direction), pairs), cube.shape)


def _worth(scores: NDArray[np.float64], direction: str) -> NDArray[np.float64]:
    """Return numbers to decompose: scores, or errors as logarithms without their far tail."""
    scale = scale_of(direction, scores)
    worth = merit(scores, direction, scale)
    if scale is Scale.DIFFERENCE:
        return worth
    first, third = np.quantile(worth, [0.25, 0.75])
    return np.asarray(np.maximum(worth, first - _REACH * (third - first)), dtype=np.float64)


def _balanced(scores: pd.DataFrame) -> tuple[NDArray[np.float64] | None, list[str]]:
    """Return scores as (pairs, rates, seeds), and the pairs that have all of the commonest rates and seeds."""
    if scores.empty:
        return None, []
    table = scores.pivot_table(index="pair", columns=["lr", "seed"], values="score", sort=True)
    designs = table.notna().value_counts()
    wanted = pd.Series(designs.index[0], index=table.columns)
    kept = table.loc[(table.notna() == wanted).all(axis=1), wanted[wanted].index]
    rates, seeds = (
        kept.columns.get_level_values("lr").unique(),
        kept.columns.get_level_values("seed").unique(),
    )
    if len(rates) * len(seeds) != kept.shape[1]:
        return None, []
    return kept.to_numpy(np.float64).reshape(len(kept), len(rates), len(seeds)), list(kept.index)


def _decompose(values: NDArray[np.float64], pairs: Sequence[str]) -> tuple[Effect, ...]:
    """Return the shares of (pairs, rates, seeds) values; none for the rate where there is one alone."""
    n_pairs, n_rates, n_seeds = values.shape
    centred = values - values.mean()
    by_pair, by_rate, by_seed = (centred.mean(axis=a) for a in ((1, 2), (0, 2), (0, 1)))
    cells = centred.mean(axis=2)
    losses = pd.Series(by_pair).groupby([p.partition("/")[0] for p in pairs])
    by_loss = losses.transform("mean").to_numpy(np.float64)
    n_losses = losses.ngroups
    parts = [
        ("loss", n_rates * n_seeds * _square(by_loss), n_losses - 1),
        ("activation", n_rates * n_seeds * _square(by_pair - by_loss), n_pairs - n_losses),
        ("lr", n_pairs * n_seeds * _square(by_rate), n_rates - 1),
        (
            "pair x lr",
            n_seeds * _square(cells - by_pair[:, None] - by_rate[None, :]),
            (n_pairs - 1) * (n_rates - 1),
        ),
        ("seed", n_pairs * n_rates * _square(by_seed), n_seeds - 1),
    ]
    if n_rates == 1:
        parts = [part for part in parts if "lr" not in part[0]]
    return _shares(parts, _square(centred), values.size - 1)


def tuned_effects(scores: Mapping[str, ArrayLike], *, direction: str) -> Effects | None:
    """Return what the pair and the seed explain once every pair is at its best point.

    Rows are (pairs, seeds), the same seeds for all: the confirmation's, or the search's at each pair's
    best trial. ``p`` is that of Friedman's test in the form of Iman and Davenport 1980, seeds as blocks:
    about these rows, for it does not know that other test rows would rank pairs otherwise. None with
    fewer than two pairs or seeds.
    """
    table = np.array([np.asarray(v, dtype=np.float64) for v in scores.values()])
    if table.ndim != 2 or min(table.shape) < 2:
        return None
    values = _worth(table, direction)
    return Effects(
        _decompose(values[:, None], list(scores)), (len(table), 1, table.shape[1]), friedman_p(values.T)
    )


def _square(values: NDArray[np.float64]) -> float:
    return float((values**2).sum())


def _shares(parts: Sequence[tuple[str, float, int]], total: float, freedom: int) -> tuple[Effect, ...]:
    """Return shares of the variance, what chance alone would give taken off."""
    left = freedom - sum(f for _, _, f in parts)
    noise = max(total - sum(s for _, s, _ in parts), 0.0) / left if left else 0.0
    if total <= 0:
        return (*(Effect(name, 0.0, f) for name, _, f in parts), Effect(RESIDUAL, 1.0, left))
    found = [Effect(name, max(s - f * noise, 0.0) / total, f) for name, s, f in parts]
    return (*found, Effect(RESIDUAL, max(1.0 - sum(e.share for e in found), 0.0), left))


def effects_sentence(
    design: Effects | None,
    tuned: Effects | None,
    *,
    metric: str,
    tied: Sequence[str] | None = None,
    learned: bool = True,
) -> str:
    """Return whether the loss matters here at all, in one sentence.

    ``tied`` are the pairs tied with the best where a verdict says so, which then decides; ``learned`` is whether
    any pair is measurably better than a constant predictor.
    """
    before = (
        ""
        if design is None
        else f"the learning rate, and which rate suits which pair, explains {design.share('lr', 'pair x lr'):.0%} of the variance "
        f"in {metric} over the initial design, loss and activation {design.share('loss', 'activation'):.0%}; "
    )
    share = 0.0 if tuned is None else tuned.share("loss", "activation")
    pairs = 0 if tuned is None else tuned.size[0]
    if tuned is None:
        tail = "what is left once every pair is tuned cannot be said from one pair or one seed"
    elif not learned:
        tail = (
            "whether the loss matters is not known, as no pair is measurably better than a constant predictor"
        )
    elif tied is not None and len(tied) >= pairs:
        tail = f"the loss makes no measurable difference here once each of the {pairs} pairs has its own learning rate"
    elif tied is None and tuned.p is not None and tuned.p > 0.05:
        tail = f"once tuned, the {pairs} pairs do not differ significantly over these seeds ({share:.0%} of the variance)"
    else:
        weight = "matters" if share >= 0.1 else "matters little"
        tail = f"once tuned, the pair still {weight}: it explains {share:.0%} of the variance, the seed {tuned.share('seed'):.0%}"
    said = f"{before}{tail}."
    return said[0].upper() + said[1:]
