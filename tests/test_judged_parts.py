"""Parts on which a metric says nothing are refused before anything is trained, whichever part and metric."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import lossearch
from lossearch.data.dataset import Dataset
from lossearch.errors import InputError
from lossearch.kinds import KINDS
from lossearch.metrics.registry import EVERY_METRIC
from lossearch.tasks.build import make_task
from lossearch.tasks.judged_parts import check_judged

N = 120
EVERY = [(m, kind) for m in EVERY_METRIC for kind in m.kinds]
ROWS = {
    "validation part": {"train": "40:120", "validation": "0:20", "test": "20:40"},
    "test part": {"train": "40:120", "validation": "20:40", "test": "0:20"},
}


def targets(kind):
    """Targets whose first 20 rows are all alike."""
    rng = np.random.default_rng(0)
    y = {
        "binary": np.arange(N) % 2,
        "multiclass": np.arange(N) % 3,
        "ordinal": np.arange(N) % 3,
        "multilabel": (np.arange(N)[:, None] + np.arange(3)) % 2,
        "segmentation": (np.arange(N)[:, None, None] + np.arange(4).reshape(2, 2)) % 2,
        "reconstruction": rng.normal(size=(N, 3)),
        "count": rng.poisson(2.0, N),
        "regression": rng.normal(size=N),
        "probabilistic": rng.normal(size=N),
        "positive": rng.gamma(2.0, size=N),
        "angles": rng.uniform(-3, 3, N),
        "compositional": rng.dirichlet([2.0, 2.0, 2.0], N),
    }[kind]
    y[:20] = {"regression": -1, "positive": 1, "compositional": np.eye(3)[0]}.get(kind, 0)
    return y


def first_rows(kind):
    """The target that is all alike, in the form that metrics read."""
    return in_form(kind, targets(kind)[:20])


def in_form(kind, y):
    """Targets in the form that metrics read."""
    given = torch.as_tensor(y)
    return KINDS[kind].tensor(KINDS[kind].flat(given) if given.ndim > 2 else given)


def task_of(kind, metric, rows=None, y=None, **more):
    x = np.random.default_rng(1).normal(size=(N, 2)).astype(np.float32)
    if KINDS[kind].own_inputs:
        x = targets(kind).astype(np.float32)
    return make_task(
        Dataset("d", x, targets(kind) if y is None else y, digest="d"),
        kind=kind,
        metric=metric,
        rows=rows,
        **more,
    )


@pytest.mark.parametrize("part", ROWS)
@pytest.mark.parametrize(("metric", "kind"), EVERY, ids=[f"{m.name} of {k}" for m, k in EVERY])
def test_every_metric_refuses_a_part_on_which_it_says_nothing(metric, kind, part):
    task = task_of(kind, metric.name, ROWS[part])
    if not metric.undefined(first_rows(kind)):
        assert check_judged(task, (0, 1)) == []
        return
    with pytest.raises(
        InputError, match=f"{metric.name} is not defined on the {part}: .*judge by another metric"
    ) as told:
        check_judged(task, (0, 1))
    assert "nan" not in str(told.value)


@pytest.mark.parametrize(("metric", "kind"), EVERY, ids=[f"{m.name} of {k}" for m, k in EVERY])
def test_a_metric_that_is_not_a_number_says_so_beforehand(metric, kind):
    """Whatever a target is, the score of a constant predictor is a number wherever the metric is defined."""
    y = targets(kind)
    for held in (y[:20], y[20:40], y[:1], y[15:25]):
        target, train = in_form(kind, held), in_form(kind, y)
        said = KINDS[kind].constant(metric.constant, train, len(held), 3)
        if not metric.undefined(target):
            assert torch.isfinite(metric.fn(said, target)).all()


def test_the_second_objective_is_asked_too():
    task = task_of("binary", ["accuracy", "auroc"], ROWS["validation part"])
    with pytest.raises(
        InputError, match="auroc is not defined on the validation part: it holds one class only"
    ):
        check_judged(task, (0,))


def test_a_validation_part_that_a_seed_draws_is_named_by_the_seed():
    y = np.zeros(N)
    y[:3] = [1.0, 2.0, 3.0]
    task = task_of("regression", "r2", y=y, test=False)
    with pytest.raises(
        InputError, match=r"r2 is not defined on the validation part( of seed \d of 20)?: every target is 0"
    ):
        check_judged(task, tuple(range(20)))


def test_classes_that_a_part_lacks_are_noted():
    y = np.arange(N) % 3
    y[:20] %= 2
    task = task_of("multiclass", "balanced_accuracy", ROWS["validation part"], y)
    (note,) = check_judged(task, (0,))
    assert note == "The validation part lacks class 2: balanced_accuracy says nothing of such rows there."
    assert check_judged(task_of("multiclass", "accuracy", ROWS["validation part"], y), (0,)) == []


@pytest.mark.parametrize("given", ["validation", "test"])
def test_a_search_refuses_before_it_trains(given, tmp_path):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(90, 2))
    y = (x[:, 0] > 0).astype(int)
    parts = {"validation": (x[:20], np.arange(20) % 2), "test": (x[20:40], np.arange(20) % 2)}
    parts[given] = (parts[given][0], np.ones(20, int))
    with pytest.raises(
        InputError, match=f"auroc is not defined on the {given} part: it holds one class only"
    ):
        lossearch.search(x, y, metric="auroc", store=str(tmp_path), name="one_class", **parts)
    assert not any(tmp_path.rglob("*.parquet"))
