"""Losses that are one another but for a factor, a constant or a scale of the output: declared, and searched once."""

from __future__ import annotations

import itertools

import optuna
import pytest
import torch
from test_families import space

import lossearch
from lossearch.checks.samples import CLASSES, encoded, keywords
from lossearch.kinds import KINDS, TargetFacts
from lossearch.losses import ACTIVATIONS, losses_for
from lossearch.pairs import Pair, pair_up
from lossearch.pairs.equivalence import stands_for

SCALES = (0.5, 1.0, 2.0)


def by_row(kind):
    """Return the pairs of a kind whose rows have a value of their own, on outputs that no head reads."""
    found = [
        pair_up(x, a, TargetFacts(kind)) for x in losses_for(kind).values() for a in ACTIVATIONS.values()
    ]
    pairs = [p for p in found if isinstance(p, Pair)]
    return [p for p in pairs if p.loss.head is None and not p.loss.gathers and p.loss.after_mean is None]


def slopes(pair, scale):
    """Return the gradients (N, n) in outputs of both signs that are ``scale`` times as large."""
    form, stream = KINDS[pair.kind].form, torch.Generator().manual_seed(0)
    n = CLASSES if form.by_row or pair.loss.joint else 1
    raw = torch.randn(60, n, generator=stream, dtype=torch.float64)
    target = encoded(pair, KINDS[pair.kind].sample(torch.randn(60, n, generator=stream)))
    given = (scale * raw).requires_grad_()
    target = target.to(given) if target.is_floating_point() else target
    (found,) = torch.autograd.grad(pair.values(given, target, **keywords(pair.loss)).sum(), given)
    return found


def same(a, b):
    """Return whether one gradient is the other times a positive number."""
    factor = (a * b).sum() / (b * b).sum()
    return bool(factor > 0) and torch.allclose(a, factor * b, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_the_same_is_declared(kind):
    found = {(p, s): slopes(p, s) for p in by_row(kind) for s in SCALES}
    pairs = list(dict.fromkeys(p for p, _ in found))
    for a, b in itertools.combinations(pairs, 2):
        if a.loss is b.loss or not any(
            same(found[a, 1.0], found[b, s]) for s in SCALES if found[b, s].shape == found[a, 1.0].shape
        ):
            continue
        inner = {(x.loss.name, c.of(x.activation.name)) for x in (a, b) for c in x.loss.contains}
        contained = {(a.loss.name, b.name), (b.loss.name, a.name)} & inner
        # where a loss ends in one of its limits on targets like these: |f - y| is never above 1
        bounded = a.activation.range.bounded and KINDS[kind].form is KINDS["regression"].form
        assert contained or bounded or stands_for(a) == stands_for(b), f"{a} and {b} of {kind} tasks"


@pytest.mark.parametrize(
    ("kind", "options", "left", "searched"),
    [
        ("regression", {"losses": ["quantiles", "mae"]}, {"quantile", "expectile"}, {"mse", "mae", "huber_quantile"}),
        ("regression", {"losses": ["quantiles", "huber"]}, {"huber_quantile"}, {"quantile", "huber"}),
        ("regression", {"losses": ["mae", "quantile"]}, set(), {"mae", "quantile"}),
        ("regression", {"losses": ["all"], "params": {"quantile.tau": 0.9}}, {"expectile"}, {"quantile", "mae"}),
        ("regression", {"losses": ["all"], "params": {"huber.delta": [0.1, 1]}}, set(), {"huber", "smooth_l1"}),
        ("binary", {"losses": ["hinge", "mae"], "activations": ["tanh", "sigmoid"], "params": {"hinge.margin": 2}}, set(),
         {"hinge", "mae"}),
        ("multiclass", {"losses": ["noisy_labels", "cross_entropy"]}, {"kl_div"}, {"cross_entropy"}),
    ],
    ids=lambda value: str(sorted(value) if isinstance(value, set) else value),
)  # fmt: skip
def test_a_gradient_is_searched_once_unless_it_is_asked_for_or_its_parameters_are_elsewhere(
    kind, options, left, searched
):
    found = space(kind, **options)
    names = {p.loss.name for p in found.pairs}
    assert not names & left
    assert names >= searched


def test_what_is_asked_for_by_name_is_not_called_the_same_where_its_parameter_is_elsewhere():
    trial = optuna.create_study().ask()
    asked = {"losses": ["mae", "quantile"], "lr": 0.1}
    with pytest.raises(lossearch.IllegalPairError, match="same as mae/identity"):
        lossearch.suggest(trial, "regression", **asked)
    assert lossearch.suggest(trial, "regression", params={"quantile.tau": 0.9}, **asked).pair
