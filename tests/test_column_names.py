"""A column goes by its name, whatever blanks a file or a call writes around it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import lossearch
from lossearch.data.column_names import called, meant
from lossearch.data.columns import clean, conform
from lossearch.data.in_memory import from_arrays, from_frame
from lossearch.data.roles import column_roles
from lossearch.data.sources import read_data
from lossearch.errors import InputError

N = 60
RNG = np.random.default_rng(0)
TABLE = pd.DataFrame(
    {
        "Age": RNG.normal(40, 9, N),
        "city": np.array(["Rome", "Oslo", "Bonn"])[np.arange(N) % 3],
        "born": pd.Timestamp("1980-01-01") + pd.to_timedelta(RNG.integers(0, 9000, N), unit="D"),
        "who": np.arange(N) // 2,
        "day": pd.Timestamp("2020-01-01") + pd.to_timedelta(np.arange(N), unit="D"),
        "weight": RNG.uniform(0.5, 2, N),
        "part": np.array(["train", "train", "validation", "test"])[np.arange(N) % 4],
        "sick": np.array(["yes", "no"])[np.arange(N) % 2],
    }
)
SPELLINGS = [lambda n: n, lambda n: f"{n} ", lambda n: f"  {n}\t", lambda n: f"\ufeff{n}"]
ROLES = {"groups": "who", "time": "day", "sample_weight": "weight", "split": "part"}


@pytest.mark.parametrize("asked", SPELLINGS)
@pytest.mark.parametrize("there", SPELLINGS)
@pytest.mark.parametrize("role", [*ROLES, "target"])
def test_every_role_takes_a_name_whatever_blanks_are_around_it(role, there, asked):
    given = {"target": "sick", **ROLES}
    found = column_roles(map(there, TABLE.columns), "t.csv", **{**given, role: asked(given[role])})
    assert found.target == [there("sick")]
    assert found.sides == {r: there(name) for r, name in ROLES.items()}
    assert found.features == [there(n) for n in ("Age", "city", "born")]


def test_several_targets_are_named_so_too():
    found = column_roles(["a ", "b", " c"], "t", "c,a")
    assert (found.target, found.features) == ([" c", "a "], ["b"])


def test_a_name_that_may_be_two_columns_is_none():
    assert meant("Age", ["Age ", " Age"]) is None
    assert meant("Age ", ["Age ", " Age", "Age"]) == "Age "
    with pytest.raises(InputError, match="has no column 'Age'"):
        column_roles(["Age ", " Age", "b"], "t", "Age")
    frame = called(pd.DataFrame([[1, 2, 3]], columns=["Age ", " Age", 5]), ["Age", "b", 5])
    assert frame.columns.tolist() == ["Age ", " Age", 5]
    assert called(pd.DataFrame([[1]], columns=["Age"]), ["Age ", " Age"]).columns.tolist() == ["Age"]


def test_case_and_inner_blanks_still_tell_columns_apart():
    assert meant("age", ["Age"]) is meant("my age", ["myage"]) is None


@pytest.mark.parametrize("there", SPELLINGS)
@pytest.mark.parametrize("trained", SPELLINGS)
def test_a_model_takes_the_columns_it_was_trained_on_by_either_spelling(trained, there):
    raw = TABLE[["Age", "city", "born"]]
    table, readings, _ = clean(raw.rename(columns=trained))
    numbers = [c for c in table if table[c].dtype == np.float64]
    names = [c for c in table if c not in numbers]
    found = conform(
        raw.rename(columns=there)[[there(c) for c in ("born", "city", "Age")]], numbers, names, readings
    )
    pd.testing.assert_frame_equal(found[list(table)], table, check_dtype=False)


def test_a_model_that_knows_two_such_columns_takes_neither_for_the_other():
    table = pd.DataFrame({"a": [1.0, 2.0], "a ": [3.0, 4.0]})
    pd.testing.assert_frame_equal(conform(table, ["a", "a "], []), table)
    with pytest.raises(InputError, match="X lacks the column 'a '"):
        conform(table[["a"]], ["a", "a "], [])


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
@pytest.mark.parametrize("stream", [None, True])
def test_a_file_is_read_alike_by_either_spelling(tmp_path, suffix, stream):
    path = tmp_path / f"t.{suffix}"
    table = TABLE.drop(columns=["day", "who"]).rename(columns=lambda n: f"{n} ")
    table.to_csv(path, index=False) if suffix == "csv" else table.to_parquet(path, index=False)
    one, other = (
        read_data(
            str(path), target=spell("sick"), sample_weight=spell("weight"), split=spell("part"), stream=stream
        )
        for spell in (SPELLINGS[0], SPELLINGS[1])
    )
    assert one.digest == other.digest
    assert one.target == other.target == ("sick" if suffix == "csv" else "sick ")
    assert one.parts.keys() == other.parts.keys() == {"train", "validation", "test"}
    assert np.array_equal(one.sample_weight, TABLE["weight"])


def test_given_validation_rows_go_by_either_spelling():
    x = TABLE[["Age", "weight"]]
    found = from_arrays(x, TABLE["sick"], validation=(x.rename(columns={"Age": "Age "}), TABLE["sick"]))
    assert len(found) == 2 * N


def test_a_model_of_a_file_predicts_from_what_pandas_reads_of_it(tmp_path):
    path = tmp_path / "t.csv"
    TABLE[["Age", "city", "born", "sick"]].rename(columns=lambda n: f"{n} ").to_csv(path, index=False)
    result = lossearch.search(
        data=path, target="sick ", losses=["bce"], lr=0.01, seeds=1, confirm_seeds=0, epochs=1,
        store=tmp_path / "runs", mlflow=False,
    )  # fmt: skip
    result.model.save(tmp_path / "model")
    model, table = lossearch.load_model(tmp_path / "model"), pd.read_csv(path)
    assert "Age " in table
    assert np.array_equal(model.predict_proba(table), model.predict_proba(table.rename(columns=str.strip)))
    assert from_frame(table, target="sick", name="t").target == "sick "
