"""A task: nothing leaks between parts, a seed means one thing, and what was inferred is said."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.compose import ColumnTransformer
from sklearn.preprocessing import StandardScaler

from lossearch.data.preparation import MAX_CATEGORIES, fit, make_plan
from lossearch.data.sources import Dataset, from_arrays, read_data
from lossearch.errors import InputError
from lossearch.kinds import KINDS
from lossearch.metrics.registry import METRICS, metrics_for
from lossearch.tasks.build import make_task
from lossearch.tasks.task import Fold, Part, Task

N = 120
G = np.random.default_rng(5)
TOWNS = ["Ulm", "Bonn", "Kiel", "Jena"]
TABLE = pd.DataFrame(
    {
        "age": np.where(G.random(N) < 0.2, np.nan, G.normal(40, 9, N)),
        "income": G.lognormal(8, 1, N),
        "town": G.choice(TOWNS, N, p=[0.5, 0.3, 0.18, 0.02]),
    }
)
REAL = G.normal(100, 15, N)
ROWS = {"train": "0:60", "validation": "60:90", "test": "90:120"}


def message(call: Callable[[], object]) -> str:
    with pytest.raises(InputError) as caught:
        call()
    return str(caught.value)


def same(one: Part, other: Part) -> bool:
    return torch.equal(one.x, other.x) and torch.equal(one.y, other.y)


def rows_in(task: Task, dataset: Dataset, fold: Fold) -> tuple[set[float], set[float]]:
    """Tell the rows of a fold by their targets, which are all different."""
    assert len(set(dataset.y)) == N
    return tuple(set(part.y.flatten().tolist()) for part in (fold.train, fold.validation))


# Leakage


def spoiled(rows: slice) -> pd.DataFrame:
    """The table with other numbers and (known) names in some rows."""
    table = TABLE.copy()
    where = table.index[rows]
    table.loc[where, "age"] = 1e6
    table.loc[where, "income"] = -1e9
    table.loc[where, "town"] = "Kiel"
    return table


@pytest.mark.parametrize("part", ["validation", "test"])
def test_other_parts_rows_change_nothing_in_training_rows(part: str) -> None:
    rows = slice(60, 90) if part == "validation" else slice(90, 120)
    y = REAL.copy()
    y[rows] = 1e6
    clean = make_task(from_arrays(TABLE, REAL), rows=ROWS).fold(0)
    other = make_task(from_arrays(spoiled(rows), y), rows=ROWS).fold(0)
    assert same(clean.train, other.train)
    assert clean.statistics == other.statistics
    assert same(clean.validation, other.validation) is (part == "test")


def test_validation_rows_drawn_by_seed_change_nothing_in_training_rows() -> None:
    dataset = from_arrays(TABLE, REAL)
    task = make_task(dataset, dtype=torch.float64)
    for seed in range(4):
        clean = task.fold(seed)
        _, drawn = rows_in(task, dataset, clean)
        rows = np.flatnonzero(np.isin(REAL, list(drawn)))
        table, y = TABLE.copy(), REAL.copy()
        table.loc[rows, "income"] = -1e9
        table.loc[rows, "age"] = 1e6
        y[rows] = 1e6
        other = make_task(from_arrays(table, y), dtype=torch.float64).fold(seed)
        assert same(clean.train, other.train)
        assert clean.statistics == other.statistics
        assert not same(clean.validation, other.validation)


def test_new_names_and_gaps_in_test_rows_change_nothing_else() -> None:
    table = TABLE.copy()
    table.loc[table.index[90:], "town"] = "Rome"
    table.loc[table.index[90:], "income"] = np.nan
    clean, other = (make_task(from_arrays(t, REAL), rows=ROWS) for t in (TABLE, table))
    assert same(clean.fold(0).train, other.fold(0).train)
    assert same(clean.fold(0).validation, other.fold(0).validation)
    test = other.test(0)
    assert test is not None
    assert torch.isfinite(test.x).all()


def test_target_range_is_read_off_rows_that_are_not_test() -> None:
    y = REAL.copy()
    y[90:] = 1e6
    facts = make_task(from_arrays(TABLE, y), rows=ROWS).facts
    assert (facts.low, facts.high) == (REAL[:90].min(), REAL[:90].max())


def test_statistics_are_the_training_rows() -> None:
    task = make_task(from_arrays(TABLE, REAL))
    for seed in range(3):
        fold = task.fold(seed)
        y = fold.train.y.double()
        assert fold.statistics.mean == pytest.approx([float(y.mean())], rel=1e-6)
        assert fold.statistics.std == pytest.approx([float(y.std(correction=0))], rel=1e-5)
        assert fold.statistics.scale == pytest.approx([float(y.abs().mean())], rel=1e-6)
        numbers = fold.train.x[:, :2].double()
        assert numbers.mean(dim=0).tolist() == pytest.approx([0, 0], abs=1e-6)
        assert numbers.std(dim=0, correction=0).tolist() == pytest.approx([1, 1], rel=1e-5)


def test_scaling_is_scikit_learns_and_targets_keep_their_units() -> None:
    dataset = read_data("diabetes")
    task = make_task(dataset, rows={"train": "0:200", "validation": "200:400"}, dtype=torch.float64)
    scaler = ColumnTransformer([("all", StandardScaler(), list(dataset.x.columns))]).fit(dataset.x[:200])
    assert task.fold(0).validation.x.numpy() == pytest.approx(scaler.transform(dataset.x[200:400]), abs=1e-12)
    assert torch.equal(task.fold(0).validation.y[:, 0], torch.tensor(dataset.y[200:400]))
    plain = make_task(dataset, scale=False, standardize_target=False, dtype=torch.float64).fold(0)
    assert plain.statistics.mean == (0.0,)
    assert plain.statistics.std == (1.0,)
    assert set(plain.train.x.flatten().tolist()) <= set(dataset.x.to_numpy().flatten().tolist())


# Seeds


def test_a_seed_means_the_same_rows_whatever_else_differs() -> None:
    dataset = from_arrays(TABLE, REAL)
    one = make_task(dataset, seed=3)
    other = make_task(dataset, seed=3, metric="mae", hidden=(5,), metrics=["r2"], standardize_target=False)
    for seed in (4, 0, 2**60):
        assert same(one.fold(seed).train, other.fold(seed).train)
        assert same(one.fold(seed).validation, other.fold(seed).validation)
        assert same(one.test(seed), other.test(seed))


def test_the_test_part_is_the_same_rows_for_every_seed_and_in_no_fold() -> None:
    dataset = from_arrays(TABLE, REAL)
    task = make_task(dataset, dtype=torch.float64)
    tests = [task.test(seed) for seed in range(4)]
    assert all(torch.equal(t.y, tests[0].y) for t in tests)
    held = set(tests[0].y.flatten().tolist())
    assert len(held) == task.sizes["test"] == 24
    seen = set()
    for seed in range(4):
        train, validation = rows_in(task, dataset, task.fold(seed))
        assert not held & (train | validation)
        assert not train & validation
        assert len(train | validation) == N - 24
        seen.add(frozenset(validation))
    assert len(seen) == 4


def test_folds_are_kept_and_do_not_depend_on_what_was_asked_before() -> None:
    task, fresh = (make_task(from_arrays(TABLE, REAL)) for _ in range(2))
    assert task.fold(1) is task.fold(1)
    for seed in range(70):
        task.fold(seed)
    assert same(task.fold(2).train, fresh.fold(2).train)


def test_given_parts_are_one_fold_for_every_seed() -> None:
    task = make_task(from_arrays(TABLE, REAL), rows=ROWS)
    assert task.fold(9).seed == 9
    assert task.fold(9).train.x is task.fold(1).train.x


def test_given_arrays_as_parts() -> None:
    task = make_task(
        from_arrays(
            TABLE[:60], REAL[:60], validation=(TABLE[60:90], REAL[60:90]), test=(TABLE[90:], REAL[90:])
        )
    )
    by_rows = make_task(from_arrays(TABLE, REAL), rows=ROWS)
    assert task.sizes == by_rows.sizes == {"train": 60, "validation": 30, "test": 30}
    assert same(task.fold(0).train, by_rows.fold(0).train)
    assert same(task.test(0), by_rows.test(0))
    assert message(lambda: from_arrays(TABLE, REAL, test=(TABLE.rename(columns={"age": "years"}), REAL))) == (
        "The parts of X have different columns: ['age', 'income', 'town'] and ['years', 'income', 'town']."
    )


@pytest.mark.parametrize("test", [False, "rows"])
def test_no_test_part(test: Any) -> None:
    dataset = from_arrays(TABLE, REAL)
    task = (
        make_task(dataset, test=False)
        if test is False
        else make_task(dataset, rows={"train": ":60", "validation": "60:"})
    )
    assert task.test(0) is None
    assert task.sizes["test"] == 0
    assert any("no test part" in note for note in task.notes)


def test_the_callers_random_state_is_left_alone(random_states: Callable[[], object]) -> None:
    before = random_states()
    task = make_task(read_data("iris"))
    task.fold(3)
    assert random_states() == before


# Preparation


@pytest.mark.parametrize("seed", range(12))
def test_the_number_of_inputs_is_the_same_for_every_seed(seed: int) -> None:
    # Two rows of "Jena" and gaps in "age": some seeds have none of them among the training rows.
    task = make_task(from_arrays(TABLE, REAL))
    assert task.fold(seed).train.x.shape[1] == task.fold(seed).validation.x.shape[1] == 1 + 1 + 1 + len(TOWNS)


def test_a_name_the_training_rows_lack_is_zero_everywhere() -> None:
    x = pd.DataFrame({"town": ["Ulm", "Bonn"] * 30 + ["Rome"] * 5, "n": np.arange(65.0)})
    plan = make_plan(x, np.arange(65))
    transform = fit(plan, x[:60])
    assert transform(x[60:])[:, 1:].tolist() == [[0.0, 0.0, 0.0]] * 5
    assert transform(x[:1])[:, 1:].tolist() == [[0.0, 0.0, 1.0]]


def test_rare_names_share_an_input_and_ids_are_left_out() -> None:
    n = 400
    x = pd.DataFrame(
        {
            "street": [f"s{i % 60}" for i in range(n)],
            "id": [f"i{i}" for i in range(n)],
            "n": np.arange(n) * 1.0,
        }
    )
    task = make_task(from_arrays(x, np.arange(n) % 2))
    assert {task.fold(seed).train.x.shape[1] for seed in range(4)} == {1 + MAX_CATEGORIES}
    assert "column 'id' is left out: 320 different names in 320 rows" in task.notes
    assert "column 'street': the 29 most frequent of 60 names, the rest as one" in task.notes


def test_missing_numbers_become_the_training_median() -> None:
    x = np.array([[1.0], [2.0], [9.0], [np.nan], [np.nan]])
    plan = make_plan(x, np.arange(5), scale=False)
    assert fit(plan, x[:4])(x).tolist() == [[1, 0], [2, 0], [9, 0], [2, 1], [2, 1]]


def test_no_column_left() -> None:
    x = pd.DataFrame({"a": [1.0] * 40, "b": ["same"] * 40})
    assert message(lambda: make_task(from_arrays(x, np.arange(40) % 2))) == (
        "No feature column is left: column 'a' is left out: it has one value only; "
        "column 'b' is left out: it has one value only."
    )


def test_images_keep_their_shape_and_are_scaled_as_one() -> None:
    images = G.integers(0, 255, (60, 3, 4, 5)).astype(np.uint8)
    task = make_task(from_arrays(images, np.arange(60) % 3))
    x = task.fold(0).train.x
    assert x.shape == (36, 3, 4, 5)
    assert (float(x.mean()), float(x.std(correction=0))) == pytest.approx((0, 1), abs=1e-5)
    assert task.network(3)(x).shape == (36, 3)


# Form


@pytest.mark.parametrize(
    ("name", "y_shape", "y_type", "n_out"),
    [
        ("circles", (600, 1), torch.float32, 1),
        ("blobs", (600,), torch.int64, 3),
        ("regression", (600, 1), torch.float64, 1),
    ],
)
def test_canonical_targets(name: str, y_shape: tuple[int, ...], y_type: torch.dtype, n_out: int) -> None:
    task = make_task(read_data(name))
    fold = task.fold(0)
    assert (tuple(fold.train.y.shape), fold.train.y.dtype, task.n_out) == (y_shape, y_type, n_out)
    assert fold.train.x.dtype == torch.float32
    assert make_task(read_data(name), dtype=torch.float64).fold(0).train.x.dtype == torch.float64


@pytest.mark.parametrize("kind", KINDS)
def test_metrics_of_a_task(kind: str) -> None:
    name = {
        "regression": "diabetes", "count": "doctor_visits", "binary": "circles", "multiclass": "iris",
        "multilabel": "multilabel", "positive": "repair_costs", "angles": "wind", "compositional": "time_use",
        "probabilistic": "uneven_spread", "ordinal": "ratings", "segmentation": "discs_and_rings", "reconstruction": "digits",
    }[kind]  # fmt: skip
    task = make_task(read_data(name), kind=kind)
    assert set(task.metrics) == set(metrics_for(kind))
    assert task.metric in task.metrics
    asked = make_task(read_data("circles"), metric="f1", metrics=["keras2_accuracy"])
    assert asked.metric is METRICS["f1"]
    assert METRICS["keras2_accuracy"] in asked.metrics


def test_notes_say_what_was_inferred() -> None:
    assert make_task(read_data("breast_cancer")).notes == (
        "binary: y has 2 values, 0 and 1; 'benign' is class 1",
        "metric accuracy: the smallest of 2 classes has 37.4% of the rows (share of rows classed right; more is better)",
        (
            "test part 20% of the rows, drawn in proportion to the classes; "
            "validation part 25% of the rest, drawn in proportion to the classes"
        ),
        "model mlp(64-64, relu, init torch): 6209 weights",
    )


def test_the_metric_of_a_rare_class_is_balanced() -> None:
    y = (np.arange(N) < 15).astype(int)
    assert make_task(from_arrays(TABLE, y)).metric.name == "balanced_accuracy"


def test_digest_covers_what_a_score_depends_on() -> None:
    dataset = from_arrays(TABLE, REAL)
    base = make_task(dataset).digest
    assert make_task(from_arrays(TABLE.copy(), REAL.copy(), name="other name")).digest == base
    assert make_task(dataset, metrics=["r2"]).digest == base
    others = [
        make_task(from_arrays(spoiled(slice(0, 1)), REAL)),
        make_task(dataset, metric="mae"),
        make_task(dataset, hidden=(7,)),
        make_task(dataset, init="he_uniform"),
        make_task(dataset, scale=False),
        make_task(dataset, standardize_target=False),
        make_task(dataset, seed=1),
        make_task(dataset, validation=0.3),
        make_task(dataset, test=False),
        make_task(dataset, rows=ROWS),
        make_task(dataset, dtype=torch.float64),
    ]
    digests = [base, *(t.digest for t in others)]
    assert len(set(digests)) == len(digests)


def test_a_task_goes_to_another_process() -> None:
    task = make_task(from_arrays(TABLE, REAL))
    task.fold(0)
    copy = pickle.loads(pickle.dumps(task))  # noqa: S301 - what multiprocessing does
    assert same(copy.fold(0).train, task.fold(0).train)
    assert copy.digest == task.digest


def test_parts_given_twice() -> None:
    dataset = from_arrays(TABLE[:90], REAL[:90], test=(TABLE[90:], REAL[90:]))
    assert message(lambda: make_task(dataset, rows=ROWS)) == (
        "Parts were given both with the data and by rows: give them once."
    )


@pytest.mark.parametrize(
    ("rows", "expected"),
    [(106, (200, 32)), (600, (110, 32)), (1999, (30, 32)), (2000, (60, 64)), (60_000, (10, 256))],
)
def test_budget_grows_with_the_rows(rows: int, expected: tuple[int, int]) -> None:
    assert all(kind.budget(rows) == expected for kind in KINDS.values())
