"""Columns that number rows or tell the target, and rows that stand in two parts: left out, or named in a note."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.datasets import load_iris

from lossearch.data.columns import clean
from lossearch.data.sources import from_arrays, read_data
from lossearch.data.suspects import far_values, repeated_rows, telling_columns
from lossearch.tasks.build import make_task

G = np.random.default_rng(0)
N = 60
NOISE = pd.DataFrame(G.normal(size=(N, 3)), columns=list("abc"))
Y = np.sort(np.arange(N) % 2)
COUNTS = "numbers the rows: "
TELLS = "leave it out if it is not known before the target is"
AGAIN = "stand in an earlier part too"


def notes(x: Any, y: Any = Y, **options: Any) -> list[str]:
    return [
        n
        for n in make_task(from_arrays(x, y, **options)).notes
        if any(w in n for w in (COUNTS, TELLS, AGAIN, "numbers the rows"))
    ]


# Columns that number the rows


@pytest.mark.parametrize("name", ["", "Unnamed: 0", "unnamed: 3", "index", "Index", " "])
@pytest.mark.parametrize("start", [0, 1])
@pytest.mark.parametrize("shuffled", [False, True])
def test_an_index_is_left_out_and_nobody_need_give_it(name: str, start: int, shuffled: bool) -> None:
    values = np.arange(N) + start
    x = pd.DataFrame({name: G.permutation(values) if shuffled else values}).join(NOISE)
    task = make_task(from_arrays(x, Y))
    assert f"column {name!r} is left out: it numbers the rows" in task.notes
    assert notes(x) == [f"column {name!r} is left out: it numbers the rows"]
    inputs = task.blueprint.inputs(0, whole=True)
    np.testing.assert_array_equal(inputs(x), inputs(NOISE))
    np.testing.assert_array_equal(inputs(x), inputs(x.rename(columns={name: "other"})))


def test_the_index_of_a_csv(tmp_path: Path) -> None:
    NOISE.assign(y=Y).to_csv(tmp_path / "t.csv")
    data = read_data(str(tmp_path / "t.csv"), target="y")
    assert list(data.x.columns) == ["a", "b", "c"]
    assert "column '' is left out: it numbers the rows" in data.notes
    NOISE.assign(y=Y).sample(40, random_state=0).to_csv(tmp_path / "t.csv")  # such rows keep their numbers
    assert list(read_data(str(tmp_path / "t.csv"), target="y").x.columns) == ["a", "b", "c"]
    for stream in (True, False):
        NOISE.assign(y=Y).reset_index().to_parquet(tmp_path / "t.parquet", index=False)
        data = read_data(str(tmp_path / "t.parquet"), target="y", stream=stream)
        assert "column 'index' is left out: it numbers the rows" in data.notes
        make_task(data)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("day", np.arange(N)),
        ("day", np.arange(N) + 1),
        ("id", G.permutation(N)),
        ("Row ID", G.permutation(N) + 1),
        ("row", np.arange(N)),
        ("index", 2 * np.arange(N)),
        ("id", G.permutation(5 * N)[:N]),
    ],
)
def test_a_column_that_may_be_an_index_is_kept_and_named(name: str, values: Any) -> None:
    found = notes(NOISE.assign(**{name: values}), Y[G.permutation(N)])
    assert len(found) == 1
    assert found[0].startswith(f"column {name!r} {COUNTS}leave it out if ")
    assert name in from_arrays(NOISE.assign(**{name: values}), Y).x


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("age", G.permutation(N)),  # counts, though in no order and of another name
        ("", G.normal(size=N)),
        ("index", G.normal(size=N)),
        ("id", np.where(np.arange(N) == 7, 8, np.arange(N))),
        ("n", np.arange(N) % 10),
        ("n", np.arange(N) + 2),
        ("n", np.where(np.arange(N) == 7, np.nan, np.arange(N))),
    ],
)
def test_other_columns_are_none(name: str, values: Any) -> None:
    x = NOISE.assign(**{name: values})
    assert list(clean(x).x.columns) == list(x.columns)
    assert notes(x, Y[G.permutation(N)]) == []


def test_parts_that_count_for_themselves() -> None:
    x = NOISE.reset_index()
    data = from_arrays(x, Y, validation=(x[:20], Y[20:40]), test=(x[:20], Y[20:40]))
    assert "column 'index' is left out: it numbers the rows" in data.notes


def test_the_only_column_is_kept() -> None:
    assert list(clean(pd.DataFrame({"index": np.arange(N)})).x.columns) == ["index"]


def test_columns_of_an_array_are_named_by_their_place() -> None:
    x = np.c_[NOISE, np.arange(N)]
    assert [n.split(":")[0] for n in notes(x, Y[G.permutation(N)])] == ["column 3 numbers the rows"]


# Columns that tell the target

SHUFFLED = Y[G.permutation(N)]
NAMES = np.array(["no", "yes"], dtype=object)[SHUFFLED]
PRICE = G.normal(size=N)


@pytest.mark.parametrize(
    ("leak", "y", "how"),
    [
        (SHUFFLED, SHUFFLED, "is the target in other words"),
        (5 - 3 * SHUFFLED, SHUFFLED, "is the target in other words"),
        (NAMES, SHUFFLED, "is the target in other words"),
        (SHUFFLED, NAMES, "is the target in other words"),
        (np.where(SHUFFLED, G.choice(["moved", "died"], N), "(none)"), SHUFFLED, "alone tells the target"),
        (np.where(SHUFFLED, 3.0, -2.0) + G.random(N), SHUFFLED, "alone tells the target"),
        (np.where(SHUFFLED, np.nan, PRICE), SHUFFLED, "tells the target by where it is missing"),
        (PRICE, PRICE, "is the target itself"),
        (-3 * PRICE + 1, PRICE, "is the target in other words"),
        (np.exp(PRICE), PRICE, "is the target in other words"),
        (np.where(np.arange(N) == 5, np.nan, PRICE), PRICE, "is the target itself"),
        (
            1 + np.argsort([2, 0, 1])[np.arange(N) % 3],
            np.array([0.5, 7.5, 2.25])[np.arange(N) % 3],
            "is the target in other words",
        ),
        (
            np.array(["x", "y", "z"])[np.arange(N) % 3],
            np.array([0.5, 0.5, 2.25])[np.arange(N) % 3],
            "alone tells the target",
        ),
        (PRICE, np.c_[G.normal(size=N), PRICE], "is the target itself"),
    ],
)
def test_a_column_that_tells_the_target_is_named(leak: Any, y: Any, how: str) -> None:
    x = NOISE.assign(leak=leak)
    assert notes(x, y) == [f"column 'leak' {how}: {TELLS}"]
    assert "leak" in from_arrays(x, y).x


def test_several_such_columns_are_told_at_once() -> None:
    x = np.c_[NOISE, SHUFFLED, 1 - SHUFFLED]
    assert notes(x, SHUFFLED) == [f"column 3 and 4 is the target in other words: {TELLS}"]


@given(st.integers(0, 2**32 - 1), st.sampled_from([2, 3]), st.booleans())
def test_noise_tells_nothing(seed: int, classes: int, names: bool) -> None:
    g = np.random.default_rng(seed)
    y = np.r_[np.arange(classes), g.integers(0, classes, N)]
    x = pd.DataFrame({"a": g.normal(size=len(y)), "b": g.integers(0, 40, len(y)).astype(float)})
    if names:
        x = x.assign(b=x["b"].astype(int).astype(str))
    assert telling_columns(x, y, classes=True) == ()
    assert telling_columns(x[["a"]], g.normal(size=(len(y), 2)), classes=False) == ()


def test_iris_has_no_such_column() -> None:
    x, y = load_iris(return_X_y=True)
    assert telling_columns(x, y, classes=True) == ()


# Rows that occur again


@given(st.data())
def test_repeated_rows_are_counted(data: st.DataObject) -> None:
    n = data.draw(st.integers(3, 30))
    cells = st.sampled_from([0.0, 1.0, np.nan])
    a = np.array(data.draw(st.lists(cells, min_size=n, max_size=n)))
    b = np.array(data.draw(st.lists(st.sampled_from("xy"), min_size=n, max_size=n)), dtype=object)
    y = np.array(data.draw(st.lists(st.integers(0, 1), min_size=n, max_size=n)))
    cut, end = sorted(data.draw(st.tuples(st.integers(1, n - 1), st.integers(1, n))))
    parts = {"training": np.arange(cut), "validation": np.arange(cut, end), "test": np.arange(end, n)}
    keys = [(str(u), v, int(w)) for u, v, w in zip(a, b, y, strict=True)]
    expected = [
        f"{again} of {hi - lo} {name} rows"
        for name, lo, hi in (("validation", cut, end), ("test", end, n))
        if (again := sum(k in keys[:lo] for k in keys[lo:hi]))
    ]
    for x in (pd.DataFrame({"a": a, "b": b}), np.c_[a, b == "x"], np.repeat(np.c_[a, b == "x"], 50, axis=1)):
        found = repeated_rows(x, y, parts)
        assert [f.split(" stand in")[0] for f in found] == ([" and ".join(expected)] if expected else [])


def test_a_task_says_so() -> None:
    x = pd.concat([NOISE, NOISE], ignore_index=True)
    found = notes(x, np.r_[SHUFFLED, SHUFFLED])
    assert len(found) == 1
    assert AGAIN in found[0]
    assert "DataFrame.drop_duplicates" in found[0]
    assert notes(x, np.r_[SHUFFLED, 1 - SHUFFLED]) == []
    given = notes(NOISE, SHUFFLED, test=(NOISE[:7], SHUFFLED[:7]))
    assert given[0].startswith("7 of 7 test rows stand in an earlier part too")


def test_many_columns_and_labels_are_quick() -> None:
    x = G.normal(size=(200, 10_000))
    y = G.integers(0, 2, (200, 20))
    x[:, 77] = 3 - y[:, 5]
    start = time.perf_counter()
    assert telling_columns(x, y, classes=True) == (f"column 77 is the target in other words: {TELLS}",)
    real = G.normal(size=(200, 3))
    x[:, 78] = -np.exp(real[:, 1])
    assert telling_columns(x, real, classes=False) == (f"column 78 is the target in other words: {TELLS}",)
    assert time.perf_counter() - start < 10


@pytest.mark.slow
def test_a_million_rows_are_quick() -> None:
    n = 10**6
    x = (
        pd.DataFrame(G.normal(size=(n, 20)))
        .rename(columns=str)
        .assign(town=G.choice(list("abcd"), n).astype(object))
    )
    y = G.integers(0, 2, n)
    parts = {
        "training": np.arange(n // 2),
        "validation": np.arange(n // 2, n - 10),
        "test": np.arange(n - 10, n),
    }
    start = time.perf_counter()
    assert telling_columns(x, y, classes=True) == repeated_rows(x, y, parts) == ()
    assert time.perf_counter() - start < 20


@pytest.mark.parametrize(
    ("far", "told"),
    [
        ([-999.0] * 3, True),
        ([1e200], True),
        ([np.finfo(float).max, -np.finfo(float).max], True),
        ([40.0], False),
        ([], False),
    ],
)
@pytest.mark.parametrize("table", [False, True])
def test_a_few_values_far_from_all_others_are_told(far: list[float], told: bool, table: bool) -> None:
    values = np.random.default_rng(0).normal(size=200)
    values[[17, 5, 80][: len(far)]] = far
    values[3] = np.nan
    x = np.stack([np.arange(200.0), values], axis=1)
    notes = far_values(pd.DataFrame(x, columns=["a", "b"]) if table else x)
    assert len(notes) == told
    if told:
        assert notes[0].startswith(
            f"column {'b' if table else 1!r}: {len(far)} of 200 values lie far from all others"
        )


def test_skewed_columns_are_no_fault() -> None:
    draw = np.random.default_rng(0)
    x = np.stack([draw.lognormal(0, 1.5, 2000), draw.exponential(size=2000), draw.poisson(0.1, 2000)], axis=1)
    assert far_values(x) == ()
