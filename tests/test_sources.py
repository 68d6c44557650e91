"""Data from anywhere, the kind of task they ask for, and what wrong input is told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn import datasets

from lossearch.data.builtin import PROBLEMS
from lossearch.data.sources import from_arrays, read_data
from lossearch.errors import InputError, UnknownNameError
from lossearch.kinds import KINDS, read_target
from lossearch.tasks.build import make_task

X = np.random.default_rng(0).normal(size=(40, 3))
Y = np.arange(40) % 2


def message(call: Callable[[], object], error: type[Exception] = InputError) -> str:
    with pytest.raises(error) as caught:
        call()
    return str(caught.value)


def frame(n: int = 60) -> pd.DataFrame:
    g = np.random.default_rng(1)
    return pd.DataFrame(
        {
            "age": g.normal(40, 9, n).round(1),
            "town": g.choice(["Ulm", "Bonn", "Kiel"], n),
            "member": g.random(n) > 0.5,
            "joined": pd.date_range("2024-01-01", periods=n, freq="D"),
            "bought": g.choice(["no", "yes"], n),
        }
    )


# Built-in problems


@pytest.mark.parametrize("name", PROBLEMS)
def test_every_problem_makes_a_task(name: str) -> None:
    task = make_task(read_data(name))
    fold = task.fold(0)
    assert sum(task.sizes.values()) == len(read_data(name))
    assert torch.isfinite(fold.train.x).all()
    assert task.network(task.n_out)(fold.validation.x).shape == (task.sizes["validation"], task.n_out)


@pytest.mark.parametrize(
    ("name", "kind", "classes"),
    [
        ("circles", "binary", ("0", "1")),
        ("blobs", "multiclass", ("0", "1", "2")),
        ("regression", "regression", ()),
        ("breast_cancer", "binary", ("malignant", "benign")),
        ("wine", "multiclass", ("class_0", "class_1", "class_2")),
        ("iris", "multiclass", ("setosa", "versicolor", "virginica")),
        ("digits", "multiclass", tuple("0123456789")),
        ("diabetes", "regression", ()),
        ("linnerud", "regression", ()),
    ],
)
def test_kinds_and_class_names(name: str, kind: str, classes: tuple[str, ...]) -> None:
    task = make_task(read_data(name))
    assert (task.kind, task.classes) == (kind, classes)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("circles", lambda: datasets.make_circles(1000, noise=0.1, random_state=1)),
        ("blobs", lambda: datasets.make_blobs(1000, centers=3, n_features=2, cluster_std=2, random_state=2)),
        ("regression", lambda: datasets.make_regression(1000, n_features=20, noise=0.1, random_state=1)),
    ],
)
def test_tutorial_problems_are_the_tutorials(name: str, expected: Callable[[], tuple[Any, Any]]) -> None:
    x, y = expected()
    found = read_data(name)
    assert np.array_equal(found.x, x)
    assert np.array_equal(found.y, y)


def test_options_take_the_place_of_defaults() -> None:
    assert len(read_data("circles", options={"n_samples": 50})) == 50
    scaled = read_data("regression", options={"standardize": True})
    assert scaled.y.mean() == pytest.approx(0, abs=1e-12)
    assert scaled.x.std(axis=0) == pytest.approx(np.ones(20))


def test_unknown_problem_and_option() -> None:
    assert message(lambda: read_data("cirlces"), UnknownNameError) == (
        f"No built-in data named 'cirlces'. Did you mean 'circles'? Known: {', '.join(PROBLEMS)}. "
        "Or name a .csv or .parquet file, openml:ID or module:function."
    )
    assert message(lambda: read_data("circles", options={"nosie": 1})) == (
        "No option of data 'circles' named 'nosie'. Did you mean 'noise'? "
        "Known: n_samples, shuffle, noise, random_state, factor."
    )
    assert message(lambda: read_data("circles", options={"factor": 7.0})).startswith(
        "Data 'circles' with options {'factor': 7.0}: The 'factor' parameter of make_circles"
    )
    assert message(lambda: read_data("circles", target="y")) == (
        "Built-in data 'circles' takes no target: that names a column of a table."
    )


def test_multi_output_keeps_its_names() -> None:
    task = make_task(read_data("linnerud"))
    assert task.target == "Weight, Waist, Pulse"
    assert task.n_out == 3
    assert task.fold(0).train.y.shape == (12, 3)
    assert len(task.fold(0).statistics.mean) == 3


# Arrays


def test_arrays_tensors_lists_and_tables_are_the_same_data() -> None:
    task = make_task(from_arrays(X, Y))
    for x, y in (
        (torch.tensor(X), torch.tensor(Y)),
        (X.tolist(), Y.tolist()),
        (pd.DataFrame(X), pd.Series(Y, name="y")),
        (X, Y[:, None]),
    ):
        other = make_task(from_arrays(x, y))
        assert torch.equal(other.fold(3).train.x, task.fold(3).train.x)
        assert torch.equal(other.fold(3).train.y, task.fold(3).train.y)


def test_digest_follows_the_content_and_nothing_else() -> None:
    base = from_arrays(X, Y, name="a").digest
    assert from_arrays(X.copy(), Y.copy(), name="b").digest == base
    changed = X.copy()
    changed[7, 1] += 1e-9
    assert from_arrays(changed, Y).digest != base
    assert from_arrays(X, 1 - Y).digest != base
    assert from_arrays(X, Y, groups=Y).digest != base
    assert from_arrays(X, Y, test=(X, Y)).digest != base
    assert from_arrays(pd.DataFrame(X, columns=["a", "b", "c"]), Y).digest != (
        from_arrays(pd.DataFrame(X, columns=["a", "c", "b"]), Y).digest
    )


def test_names_of_classes_are_kept_in_sorted_order() -> None:
    task = make_task(from_arrays(X, np.where(Y, "yes", "no")))
    assert task.classes == ("no", "yes")
    assert task.notes[0] == "binary: y has 2 values, 'no' and 'yes'; 'yes' is class 1"


@pytest.mark.parametrize(
    ("x", "y", "expected"),
    [
        (X, Y[:-1], "The data's X has 40 rows and y has 39; give one target a row."),
        (X + 1j, Y, "X holds complex numbers: give real and imaginary parts as columns."),
        (X, Y + 1j, "y holds complex numbers; give real numbers or names."),
        (
            np.array([X[0].tolist()] * 40 + [None], dtype=object)[:40, None, None],
            Y,
            "X is an array (40, 1, 1) of object and not of numbers: give numbers, or a table.",
        ),
        (X[:, :0], Y, "X is empty: shape (40, 0)."),
        (np.where(X > 2, np.inf, X), Y, "X holds infinite values (row {inf})."),
        (X, np.where(np.arange(40) == 3, np.nan, Y), "y has 1 missing values (row 3): leave those rows out."),
        (
            X,
            np.where(np.arange(40) > 30, np.nan, Y),
            "y has 9 missing values (rows 31, 32, 33, 34, 35, ...): leave those rows out.",
        ),
        (X, np.where(np.arange(40) == 3, np.inf, Y), "y has 1 infinite values (row 3): leave those rows out."),
        (X, [1, "a"] * 20, "y mixes numbers and text (rows 1, 3, 5, 7, 9, ... are text): make it one or the other."),
        (X, [None, "a"] * 20, "y has 20 missing values (rows 0, 2, 4, 6, 8, ...): leave those rows out. If 'NA' or 'None' is a class, pandas took its name for a missing value: read the file with keep_default_na=False."),
        (X, np.array([[1], [2]] * 20 + [[]], dtype=object)[:40], "y holds objects of type list: give numbers or names."),
        (X, Y.reshape(2, 5, 4)[:, :, 0].repeat(20, axis=0)[:, :, None], "all pixels of y are 0: there is nothing to predict."),
        (X, np.full((40, 5, 2), 0.5), "y has shape (40, 5, 2): give one value a row, (N,), or one row of values, (N, T). segmentation: y holds 0.5 (rows 0, 1, 2, 3, 4, ...), and segmentation needs masks of 0 and 1, or 0 and 255."),
        (X, np.zeros(40), "y has one value only, 0, in all 40 rows: there is nothing to predict. Is it the right target column?"),
        (X, ["a"] * 40, "y has one value only, 'a', in all 40 rows: there is nothing to predict. Is it the right target column?"),
        (
            X,
            ["a", "b"] * 19 + ["a", "c"],
            "y: class 'c' has a single row (row 39), and every part needs its own. Leave such rows out, or merge the class with another. Read as multiclass.",
        ),
        (X[:2], [0, 1], "y: class '0' has a single row (row 0), and every part needs its own, and 1 more such classes. Leave such rows out, or merge the class with another. Read as binary."),
        (X[:2], [0.1, 0.2], "y: class '0.1' has a single row (row 0), and every part needs its own, and 1 more such classes. Leave such rows out, or merge the class with another. Read as binary."),
        (X[:4], [0.1, 0.2, 0.3, 0.4], "4 rows are too few to draw a test part from: 10 or more are needed."),
        (
            X,
            np.eye(4)[np.arange(40) % 4],
            "y has 4 columns with a single 1 a row: classes as one-hot. Give class numbers instead: y.argmax(axis=1).",
        ),
        (np.ones((40, 2)), Y, "X has one value only in every column: there is nothing to learn from."),
    ],
)  # fmt: skip
def test_wrong_arrays(x: Any, y: Any, expected: str) -> None:
    expected = expected.replace("{inf}", str(np.flatnonzero((X > 2).any(axis=1))[0]))
    assert message(lambda: make_task(from_arrays(x, y))).replace("rows ", "row ", 0) == expected


def test_one_infinite_cell_is_in_the_arrays_above() -> None:
    assert (X > 2).any(axis=1).sum() == 1


# Tables


def test_table_columns_become_numbers() -> None:
    data = frame().assign(empty=np.nan, same=1.0)
    data.loc[5, "age"] = np.nan
    data.loc[6, "town"] = None
    task = make_task(from_arrays(data.drop(columns="bought"), data["bought"]))
    # age, member, three of the date, whether age is missing, and four towns of which one is "missing".
    assert task.fold(0).train.x.shape[1] == 1 + 1 + 3 + 1 + 4
    assert "column 'joined': dates, as days since 1970, month and weekday" in task.notes
    assert "column 'empty' is left out: it has no values" in task.notes
    assert "column 'same' is left out: it has one value only" in task.notes


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (
            [1, "a"] * 30,
            "Column 'c' mixes numbers and text (rows 1, 3, 5, 7, 9, ...): make it one or the other.",
        ),
        ([[1]] * 60, "Column 'c' holds objects of type list: give numbers, text, true/false or dates."),
        ([1j] * 60, "Column 'c' holds complex numbers: give real and imaginary parts as columns."),
        (
            [*map(str, range(58)), "?", "<1"],
            (
                "Column 'c' holds numbers, and 1 of 60 cells is not: '<1' in row 59. Write every cell alike, and leave "
                "it empty where the value is missing. If they are names, make the column categorical: "
                "X['c'].astype('category')."
            ),
        ),
        ([np.inf, *range(59)], "Column 'c' holds infinite values (row 0): drop or replace them."),
    ],
)
def test_wrong_columns(column: list[Any], expected: str) -> None:
    data = frame().assign(c=column)
    assert message(lambda: from_arrays(data.drop(columns="bought"), data["bought"])) == expected


def test_dates_as_text_are_dates() -> None:
    days = pd.date_range("2024-01-01", periods=60, freq="D")
    as_text = frame().assign(
        joined=[f"{d:%Y-%m-%d}" if i % 2 else f"{d:%Y-%m-%d %H:%M}" for i, d in enumerate(days)]
    )
    one, other = (from_arrays(f.drop(columns="bought"), f["bought"]) for f in (frame(), as_text))
    assert one.digest == other.digest
    assert one.x["joined days"].tolist() == list(range(19723, 19783))


def test_several_wrong_columns_are_told_at_once() -> None:
    data = frame().assign(c=[1, "a"] * 30, d=[np.inf, *range(59)])
    assert message(lambda: from_arrays(data.drop(columns="bought"), data["bought"])) == (
        "2 problems:\n"
        "  - Column 'c' mixes numbers and text (rows 1, 3, 5, 7, 9, ...): make it one or the other.\n"
        "  - Column 'd' holds infinite values (row 0): drop or replace them."
    )


def test_two_columns_of_one_name() -> None:
    data = pd.DataFrame(X, columns=["a", "b", "a"])
    assert message(lambda: from_arrays(data, Y)) == (
        "Two columns are named 'a': every column needs its own name."
    )


def test_nullable_and_categorical_columns() -> None:
    data = pd.DataFrame(
        {
            "i": pd.array([1, None, 3, 4] * 10, dtype="Int64"),
            "b": pd.array([True, False, None, True] * 10, dtype="boolean"),
            "c": pd.Categorical([1, 2, 3, 1] * 10),
            "o": [True, False, None, False] * 10,
        }
    )
    task = make_task(from_arrays(data, Y))
    assert task.fold(0).train.x.shape[1] == 3 + 3 + 3  # numbers, whether missing, one-hot
    assert torch.isfinite(task.fold(0).train.x).all()


def test_codes_with_few_values_may_mix_numbers_and_text() -> None:
    data = pd.DataFrame({"dependents": ["0", "1", "2", "3+"] * 10})
    assert make_task(from_arrays(data, Y)).fold(0).train.x.shape[1] == 4


# Files


def test_csv_and_parquet_are_the_frame(tmp_path: Path) -> None:
    data = frame()
    data.to_csv(tmp_path / "shop.csv", index=False)
    data.to_csv(tmp_path / "shop.tsv", index=False, sep="\t")
    data.to_csv(tmp_path / "semi.csv", index=False, sep=";")
    data.to_parquet(tmp_path / "shop.parquet")
    expected = make_task(from_arrays(data.drop(columns="bought"), data["bought"])).fold(2)
    for name in ("shop.csv", "shop.tsv", "semi.csv", "shop.parquet"):
        task = make_task(read_data(str(tmp_path / name), target="bought"))
        assert torch.equal(task.fold(2).train.x, expected.train.x), name
        assert task.classes == ("no", "yes")
        assert (task.name, task.target) == (name, "bought")
    assert (
        "semi.csv: columns are divided by semicolons"
        in read_data(str(tmp_path / "semi.csv"), target="bought").notes
    )


def test_columns_of_groups_and_time_are_no_features(tmp_path: Path) -> None:
    data = frame().assign(site=np.arange(60) // 6)
    data.to_csv(tmp_path / "shop.csv", index=False)
    grouped = read_data(str(tmp_path / "shop.csv"), target="bought", groups="site")
    assert "site" not in grouped.x.columns
    assert len(np.unique(grouped.groups)) == 10
    timed = read_data(str(tmp_path / "shop.csv"), target="bought", time="joined")
    assert not any("joined" in c for c in timed.x.columns)
    assert (np.diff(timed.time) > np.timedelta64(0)).all()


def test_several_targets(tmp_path: Path) -> None:
    pd.DataFrame(X, columns=["a", "b", "c"]).to_csv(tmp_path / "t.csv", index=False)
    task = make_task(read_data(str(tmp_path / "t.csv"), target="b, c"))
    assert (task.n_out, task.target) == (2, "b, c")


FILES = [
    (b"", "a", "t.csv is empty."),
    (b"a,b\n", "a", "t.csv has column names and no rows."),
    (b"a,b\n1,2\n\xe9,4\n", "a", "t.csv is not UTF-8 text (it holds the byte 0xe9): save it as UTF-8."),
    (b"a,b,a\n1,2,3\n", "a", "t.csv: two columns are named 'a'; every column needs its own name."),
    (
        b"5.1,3.5,setosa\n4.9,3.0,setosa\n",
        None,
        "t.csv: the first line looks like data, not column names: 5.1, 3.5, setosa. Add a line of column names on top.",
    ),
    (
        b"red,small,yes\nblue,small,no\nred,large,yes\n",
        "yes",
        "t.csv: the first line looks like data, not column names: red, small, yes. Add a line of column names on top.",
    ),
    (b"a,b\n1,2,3\n4,5,6\n", "a", "t.csv: rows have more cells than the 2 column names of the first line."),
    (
        b"a,bought\n1,2\n",
        "bougth",
        "t.csv has no column 'bougth'. Did you mean 'bought'? Columns: a, bought.",
    ),
    (b"a,b\n1,2\n", None, "t.csv: say which column is the target (target='...'). Columns: a, b."),
    (b"a\n1\n2\n", "a", "t.csv has no column beside the target 'a': there is nothing to learn from."),
]


@pytest.mark.parametrize(("content", "target", "expected"), FILES)
def test_wrong_files(tmp_path: Path, content: bytes, target: str | None, expected: str) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(content)
    assert message(lambda: read_data(str(path), target=target)) == expected


def test_ragged_file(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a,b\n1,2\n3,4\n5,6,7\n")
    assert message(lambda: read_data(str(path), target="a")).startswith("t.csv is not a regular table: ")


def test_missing_files(tmp_path: Path) -> None:
    (tmp_path / "churn.csv").write_text("a,b\n1,2\n")
    assert message(lambda: read_data(str(tmp_path / "chrun.csv"), target="a")) == (
        f"There is no file {tmp_path}/chrun.csv. Did you mean 'churn.csv'?"
    )
    assert message(lambda: read_data(str(tmp_path / "no" / "churn.csv"), target="a")) == (
        f"There is no file {tmp_path}/no/churn.csv: the folder {tmp_path}/no does not exist."
    )
    (tmp_path / "churn.xlsx").write_text("x")
    assert message(lambda: read_data(str(tmp_path / "churn.xlsx"), target="a")) == (
        "churn.xlsx is of no known format. Known: .csv, .tsv, .csv.gz, .tsv.gz, .parquet, .pq."
    )
    (tmp_path / "bad.parquet").write_text("x")
    assert message(lambda: read_data(str(tmp_path / "bad.parquet"), target="a")).startswith(
        "bad.parquet cannot be read: "
    )


def test_a_file_takes_no_options(tmp_path: Path) -> None:
    assert (
        message(lambda: read_data("t.csv", options={"noise": 1}))
        == "t.csv: a file takes no data_options; got noise."
    )


# Functions and OpenML


def test_functions_give_arrays_or_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "shop_data.py").write_text(
        "import numpy as np, pandas as pd\n"
        "def arrays(n=40):\n    return np.arange(2.0 * n).reshape(n, 2), np.arange(n) % 2\n"
        "def table():\n    return pd.DataFrame({'a': np.arange(40.0), 'b': np.arange(40) % 2})\n"
        "def wrong():\n    return 3\n"
        "def broken():\n    raise OSError('no disk')\n"
        "number = 3\n"
    )
    monkeypatch.chdir(tmp_path)
    assert len(read_data("shop_data:arrays", options={"n": 50})) == 50
    assert len(read_data(f"{tmp_path}/shop_data.py:arrays")) == 40
    assert read_data("shop_data:table", target="b").target == "b"
    for spec, kwargs, expected in (
        (
            "shop_data:wrong",
            {},
            "data 'shop_data:wrong' gave int; it must give (X, y), a DataFrame, a Hugging Face data set, torch data sets or a Lightning data module.",
        ),
        ("shop_data:broken", {}, "data 'shop_data:broken' failed: OSError: no disk"),
        ("shop_data:number", {}, "data 'shop_data:number' is a int, not a function."),
        (
            "shop_data:array",
            {},
            "data 'shop_data:array': module 'shop_data' has no 'array'. Did you mean 'arrays'?",
        ),
        (
            "shop_data:arrays",
            {"target": "y"},
            ("data 'shop_data:arrays' gives no table, and takes no target: that names a column of a table."),
        ),
        (
            "no_such_shop:table",
            {},
            (
                "data 'no_such_shop:table': module 'no_such_shop' cannot be imported: "
                "ModuleNotFoundError: No module named 'no_such_shop'"
            ),
        ),
        ("shop_data:", {}, "data 'shop_data:' is not of the form module:function."),
        ("none.py:table", {}, "There is no file none.py."),
    ):
        assert message(lambda spec=spec, kwargs=kwargs: read_data(spec, **kwargs)) == expected


def test_openml_without_a_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    options = {"data_home": str(tmp_path), "n_retries": 0}
    found = message(lambda: read_data("openml:554", options=options))
    assert found.startswith("OpenML data set 554 could not be fetched (")
    assert found.endswith(
        " It is downloaded on first use; check the number and the network, or save the table as CSV or Parquet "
        "and name that file."
    )


def test_openml_needs_a_number() -> None:
    assert message(lambda: read_data("openml:mnist")) == (
        "'openml:mnist' is not of the form openml:ID, with a whole number such as openml:554."
    )


# Kinds


@pytest.mark.parametrize(
    ("y", "kind", "reason"),
    [
        (np.array([True, False] * 5), "binary", "binary: y has 2 values, False and True; 'True' is class 1"),
        (np.array([-1, 1] * 5), "binary", "binary: y has 2 values, -1 and 1; '1' is class 1"),
        (np.array([1.0, 2.0] * 5), "binary", "binary: y has 2 values, 1 and 2; '2' is class 1"),
        (np.arange(30) % 3, "multiclass", "multiclass: y has 3 whole numbers, 0, 1, 2"),
        (
            np.array(["a", "b", "c"] * 2, dtype=object),
            "multiclass",
            "multiclass: y has 3 names, 'a', 'b', 'c'",
        ),
        (np.arange(30), "regression", "regression: y has 30 different whole numbers in 30 rows"),
        (np.arange(30) % 10 + 1, "regression", "regression: y has 10 different whole numbers in 30 rows"),
        (
            np.arange(30) % 10,
            "count",
            "count: y has 10 different whole numbers from 0 up in 30 rows, 3 of them 0",
        ),
        (np.linspace(0, 1, 30), "regression", "regression: y has 30 different real numbers in 30 rows"),
        (
            np.random.default_rng(0).normal(size=(30, 2)),
            "regression",
            "regression: y has 2 columns of numbers",
        ),
    ],
)
def test_kind_is_inferred_with_the_reason(y: Any, kind: str, reason: str) -> None:
    found = read_target(y)
    assert (found.kind, found.reason) == (kind, reason)


def test_asked_kind() -> None:
    assert read_target(np.arange(30) % 3, "regression").y.shape == (30, 1)
    two = read_target(np.arange(30) % 2, "multiclass")
    assert (two.n_out, two.classes) == (2, ("0", "1"))


@pytest.mark.parametrize(
    ("y", "kind", "expected"),
    [
        (
            np.array(["a", "b"] * 5, dtype=object),
            "regression",
            ("kind = 'regression' was asked for, but y holds names ('a' and 'b'), and regression needs numbers. "
            "Leave kind out to have it inferred."),
        ),
        (
            np.arange(30) % 3,
            "binary",
            ("kind = 'binary' was asked for, but y has 3 different values (0, 1, 2), and binary needs 2. "
            "Leave kind out to have it inferred."),
        ),
        (
            np.linspace(0, 1, 30),
            "multiclass",
            ("kind = 'multiclass' was asked for, but y holds 30 different real numbers, and multiclass needs classes. "
            "Leave kind out to have it inferred."),
        ),
        (
            np.ones((30, 2)),
            "multiclass",
            ("kind = 'multiclass' was asked for, but y has 2 columns, and multiclass needs one. "
            "Leave kind out to have it inferred."),
        ),
        (
            np.arange(30),
            "regresion",
            f"No kind of task named 'regresion'. Did you mean 'regression'? Known: {', '.join(KINDS)}.",
        ),
        (np.ones(30), "multiclass", "y has one value only, 1, in all 30 rows: there is nothing to predict. Is it the right target column?"),
        (np.c_[np.arange(30.0), np.ones(30)], None, "y column 1 has one value only, 1: there is nothing to predict."),
    ],
)  # fmt: skip
def test_wrong_kind(y: Any, kind: str | None, expected: str) -> None:
    assert message(lambda: read_target(y, kind)) == expected
