"""Which part each row is in, said by a column or by an array."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import GroupKFold, KFold, ShuffleSplit

import lossearch
from lossearch.data.objects import as_dataset
from lossearch.data.sources import from_arrays, read_data
from lossearch.errors import InputError
from lossearch.tasks.build import make_task

N = 60
G = np.random.default_rng(0)
PART = G.permutation(np.repeat(["train", "val", "test"], [30, 18, 12]))
FRAME = pd.DataFrame({"x": G.normal(size=N), "z": G.normal(size=N), "part": PART, "y": np.arange(N) % 2})
SIZES = {"train": 30, "validation": 18, "test": 12}


def save(path: Path) -> str:
    if path.suffix == ".csv":
        FRAME.to_csv(path, index=False)
    else:
        FRAME.to_parquet(path, row_group_size=25)
    return str(path)


def check(data) -> None:
    task = make_task(data)
    assert task.sizes == SIZES
    assert "test part as given; validation part as given" in task.notes
    for name, role in (("train", "train"), ("val", "validation"), ("test", "test")):
        assert np.array_equal(data.parts[role], np.flatnonzero(name == PART))


@pytest.mark.parametrize(("name", "stream"), [("t.csv", None), ("t.parquet", None), ("t.parquet", True)])
def test_a_column_of_a_file(tmp_path, name: str, stream: bool | None) -> None:
    data = read_data(save(tmp_path / name), target="y", split="part", stream=stream)
    check(data)
    assert "part" not in list(data.x.read(np.arange(2)) if stream else data.x)


def test_a_column_of_a_table_and_an_array_beside_x_and_y() -> None:
    data = as_dataset(FRAME, target="y", split="part")
    check(data)
    own = from_arrays(FRAME[["x", "z"]], FRAME["y"], split=PART)
    check(own)
    assert own.digest == data.digest
    assert own.digest != from_arrays(FRAME[["x", "z"]], FRAME["y"]).digest
    check(from_arrays(FRAME[["x", "z"]].to_numpy(), FRAME["y"], split=list(PART)))
    check(from_arrays(FRAME[["x", "z"]], FRAME["y"], split=pd.Series(PART, dtype="category")))


@pytest.mark.parametrize(
    "names",
    [("Train", "VALID", "Test"), ("training", "validation", "testing"), (" train", "dev ", "test")],
)
def test_parts_are_known_by_their_usual_names(names: tuple[str, str, str]) -> None:
    called = dict(zip(("train", "val", "test"), names, strict=True))
    check(as_dataset(FRAME.assign(part=FRAME["part"].map(called)), target="y", split="part"))


def test_a_part_that_is_not_named_is_drawn_from_the_training_rows() -> None:
    split = np.where(PART == "test", "test", "train")
    assert make_task(from_arrays(FRAME[["x"]], FRAME["y"], split=split)).sizes == {
        "train": 36, "validation": 12, "test": 12,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("split", "expected"),
    [
        (["train"] * 10, "split has shape (10,); give the name of a part for each of the 60 rows."),
        (
            np.where(PART == "val", "holdout", PART),
            "split holds 'holdout' (rows ",
        ),
        (
            [None] + ["train"] * 59,
            "split holds None (row 0); it says which part each row is in: train, training, ",
        ),
        (["test", "val"] * 30, "split names no training rows: call them train."),
        (np.arange(N) % 2, "split holds 0 and 1 (rows "),
    ],
)
def test_names_that_are_no_parts(split, expected: str) -> None:
    with pytest.raises(InputError) as caught:
        from_arrays(FRAME[["x"]], FRAME["y"], split=split)
    assert str(caught.value).startswith(expected)


def test_rows_are_divided_once() -> None:
    xy = FRAME[["x"]], FRAME["y"]
    with pytest.raises(InputError, match="validation or test rows were given too: give them once"):
        from_arrays(*xy, split=PART, test=xy)
    with pytest.raises(InputError, match="leave time out"):
        from_arrays(*xy, split=PART, time=np.arange(N))
    with pytest.raises(InputError, match="gives both split and another division of the rows"):
        lossearch.search(FRAME, target="y", split="part", rows={"train": "0:30", "validation": "30:60"})
    groups = np.arange(N)
    groups[np.flatnonzero(PART == "val")[0]] = groups[np.flatnonzero(PART == "train")[0]]
    divided = from_arrays(*xy, split=PART, groups=groups)
    with pytest.raises(InputError, match="1 groups have rows in both the train and the"):
        make_task(divided)


def test_a_column_of_part_names_among_the_features_is_told() -> None:
    notes = as_dataset(FRAME, target="y").notes
    assert (
        "column 'part' holds test, train and val, as if it said which part each row is in: if so, say split = 'part'"
    ) in notes
    town = FRAME.assign(part=np.where(PART == "train", "train", "bus"))
    assert not any("which part" in note for note in as_dataset(town, target="y").notes)


@pytest.mark.parametrize(
    "given", [np.arange(9), list(range(9)), GroupKFold(3), KFold(3), ShuffleSplit(1), KFold(3).split(FRAME)]
)
def test_other_ways_to_name_rows_are_refused_with_the_one_there_is(given) -> None:
    with pytest.raises(
        InputError, match=r"say which part each row is in, split=\['train', 'validation', \.\.\.\]"
    ):
        lossearch.search(FRAME[["x"]], FRAME["y"], validation=given)


@pytest.mark.parametrize("named", [True, False])
def test_a_study(tmp_path, named: bool) -> None:
    options = {
        "losses": ["bce"], "trials": 5, "seeds": 1, "confirm_seeds": 2, "epochs": 1, "mlflow": False, "store": str(tmp_path),
    }  # fmt: skip
    x, y = FRAME[["x", "z"]], FRAME["y"]
    result = (
        lossearch.search(data=save(tmp_path / "t.csv"), target="y", split="part", **options)
        if named
        else lossearch.search(x, y, split=PART, **options)
    )
    assert result.best.pair == "bce/sigmoid"
    assert len(result.model.predict(x)) == N
