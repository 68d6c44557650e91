"""Hugging Face data sets: types of columns, class names, splits, images, and what is refused."""

from __future__ import annotations

import subprocess
import sys
from io import BytesIO

import numpy as np
import pandas as pd
import pytest
from PIL import Image as Pillow

import lossearch
from lossearch.data.huggingface import columns
from lossearch.data.objects import as_dataset
from lossearch.data.rows import RowSource
from lossearch.errors import InputError
from lossearch.tasks.build import make_task

hf = pytest.importorskip("datasets")

N = 60
G = np.random.default_rng(0)
AGE = G.normal(40, 9, N)
TOWN = G.choice(["Ulm", "Bonn", "Kiel"], N)
LABEL = np.arange(N) % 2
VECTOR = G.normal(size=(N, 4))
NAMES = ["real", "fake"]


def rows(n: int = N, **more) -> hf.Dataset:
    """Return rows of numbers, text and a class."""
    features = hf.Features(
        {"age": hf.Value("float64"), "town": hf.Value("string"), "label": hf.ClassLabel(names=NAMES)}
    )
    found = hf.Dataset.from_dict({"age": AGE[:n], "town": TOWN[:n], "label": LABEL[:n]}, features=features)
    for name, values in more.items():
        found = found.add_column(name, values)
    return found


def message(data, **roles) -> str:
    with pytest.raises(InputError) as caught:
        as_dataset(data, **{"target": "label", **roles})
    return str(caught.value)


def of(values, feature, label=None) -> hf.Dataset:
    """Return one column of features with the label."""
    features = hf.Features({"x": feature, "label": hf.ClassLabel(names=NAMES)})
    return hf.Dataset.from_dict(
        {"x": values, "label": LABEL[: len(values)] if label is None else label}, features
    )


# Tables


def test_columns_are_those_of_a_table_and_classes_have_their_names() -> None:
    data = as_dataset(rows(), "mine", target="label")
    table = as_dataset(pd.DataFrame({"age": AGE, "town": TOWN, "label": LABEL}), target="label")
    pd.testing.assert_frame_equal(data.x, table.x)
    assert np.array_equal(data.y, LABEL)
    task = make_task(data)
    assert (task.kind, task.classes, task.target) == ("binary", ("real", "fake"), "label")
    assert data.readings == table.readings


def test_a_subset_in_another_order_is_what_it_says() -> None:
    order = np.random.default_rng(3).permutation(N)[:40]
    data = as_dataset(rows().select(order), target="label")
    assert np.array_equal(data.x["age"], AGE[order])
    assert np.array_equal(data.y, LABEL[order])
    torchy = as_dataset(rows().select(order).with_format("torch"), target="label")
    assert torchy.digest == data.digest


def test_many_classes_are_classes_in_their_declared_order() -> None:
    names = [f"c{i}" for i in reversed(range(25))]
    features = hf.Features({"x": hf.Value("float32"), "label": hf.ClassLabel(names=["unused", *names])})
    found = hf.Dataset.from_dict({"x": G.normal(size=200), "label": 1 + np.arange(200) % 25}, features)
    task = make_task(as_dataset(found, target="label"))
    assert (task.kind, task.classes) == ("multiclass", tuple(names))


def test_classes_among_features_are_names_and_may_be_missing() -> None:
    found = of([0, 1, None, 1, 0, -1] * 10, hf.ClassLabel(names=["low", "high"]))
    assert as_dataset(found, target="label").x["x"].unique().tolist() == ["low", "high", "(missing)"]


def test_numbers_are_targets_of_regression() -> None:
    task = make_task(as_dataset(rows(), target="age"))
    assert task.kind == "regression"
    both = as_dataset(rows(other=AGE * 2), target="age, other")
    assert np.array_equal(both.y, np.stack([AGE, AGE * 2], axis=1))
    assert set(both.x) == {"town", "label"}


def test_groups_time_and_weights_are_columns() -> None:
    data = as_dataset(
        rows(who=np.arange(N) // 6, w=np.arange(N) + 1.0), target="label", groups="who", sample_weight="w"
    )
    assert list(data.x) == ["age", "town"]
    assert np.array_equal(data.groups, np.arange(N) // 6)
    assert np.array_equal(data.sample_weight, np.arange(N) + 1.0)
    assert np.array_equal(as_dataset(rows(t=np.arange(N)), target="label", time="t").time, np.arange(N))


# Lists and arrays


@pytest.mark.parametrize(
    ("values", "feature"),
    [
        (VECTOR, "List(hf.Value('float64'))"),
        (VECTOR, "List(hf.Value('float64'), length=4)"),
        (VECTOR, "LargeList(hf.Value('float64'))"),
        ((VECTOR * 10).astype(np.int64), "List(hf.Value('int32'))"),
        (VECTOR.reshape(N, 2, 2), "Array2D((2, 2), 'float64')"),
        (VECTOR.reshape(N, 1, 2, 2), "Array3D((1, 2, 2), 'float64')"),
        (VECTOR.reshape(N, 2, 2), "List(hf.List(hf.Value('float64')))"),
        (VECTOR > 0, "List(hf.Value('bool'))"),
    ],
)
def test_lists_of_one_length_are_arrays(values: np.ndarray, feature: str) -> None:
    data = as_dataset(of(values.tolist(), eval(f"hf.{feature}", {"hf": hf})), target="label")  # noqa: S307
    assert np.array_equal(data.x, values)
    order = np.arange(N)[::-3]
    chosen = as_dataset(of(values.tolist(), eval(f"hf.{feature}", {"hf": hf})).select(order), target="label")  # noqa: S307
    assert np.array_equal(chosen.x, values[order])


def test_lists_stand_beside_other_columns() -> None:
    data = as_dataset(rows(v=VECTOR.tolist()), target="label")
    assert list(data.x) == ["age", "town", "v[0]", "v[1]", "v[2]", "v[3]"]
    assert np.array_equal(data.x["v[2]"], VECTOR[:, 2])


def test_nested_columns_stand_side_by_side() -> None:
    found = hf.Dataset.from_dict(
        {"a": [{"b": x, "c": t} for x, t in zip(AGE, TOWN, strict=True)], "label": LABEL}
    )
    assert list(as_dataset(found, target="label").x) == ["a.b", "a.c"]


def test_lists_of_classes_are_several_labels() -> None:
    features = hf.Features({"x": hf.Value("float64"), "label": hf.List(hf.ClassLabel(names=["a", "b", "c"]))})
    labels = [[0], [1, 2], [], [2, 0]] * 15
    found = hf.Dataset.from_dict({"x": AGE, "label": labels}, features)
    task = make_task(as_dataset(found, target="label"))
    assert task.kind == "multilabel"
    expected = [[1, 0, 0], [0, 1, 1], [0, 0, 0], [1, 0, 1]]
    assert as_dataset(found, target="label").y[:4].tolist() == expected
    text = hf.Dataset.from_dict({"x": AGE, "label": [["abc"[i] for i in own] for own in labels]})
    assert as_dataset(text, target="label").y[:4].tolist() == expected


# Splits


def test_splits_are_parts() -> None:
    every = hf.DatasetDict(test=rows(12), train=rows(40), validation=rows(8))
    data = as_dataset(every, target="label")
    assert {part: len(own) for part, own in data.parts.items()} == {"train": 40, "validation": 8, "test": 12}
    assert np.array_equal(data.x["age"][data.parts["test"]], AGE[:12])
    assert make_task(data).sizes == {"train": 40, "validation": 8, "test": 12}


def test_one_split_is_divided_and_one_that_is_no_part_left_out() -> None:
    assert as_dataset(hf.DatasetDict(test=rows()), target="label").parts is None
    data = as_dataset(
        hf.DatasetDict(train=rows(40), test=rows(12), unsupervised=rows(8)), "imdb", target="label"
    )
    assert len(data) == 52
    assert "imdb: split unsupervised left out; parts are train, validation, test" in data.notes


@pytest.mark.parametrize(
    ("splits", "expected"),
    [
        (
            lambda: {"first": rows(), "test": rows()},
            "data has splits first, test, and none of them is called train.",
        ),
        (
            lambda: {"train": rows(), "dev": rows(), "valid": rows()},
            "data has dev and valid for the validation part: keep one of them.",
        ),
        (
            lambda: {"train": rows(), "test": rows().remove_columns("town")},
            (
                "data: the test and the train split have different columns or types of columns (town): make them the same "
                "(cast_column, remove_columns)."
            ),
        ),
        (
            lambda: {"train": rows(), "test": of([-1.0] * 6, hf.Value("float64")).select(range(0))},
            "data has a split without rows.",
        ),
        (
            lambda: {"train": rows(), "test": rows().map(lambda _: {"label": -1})},
            "The test split has no labels: its label is -1 or missing in 60 of 60 rows. Leave those rows or the split out.",
        ),
    ],
)
def test_splits_that_are_no_parts(splits, expected: str) -> None:
    assert message(hf.DatasetDict(splits())) == expected


# What is refused


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (
            lambda: rows().to_iterable_dataset(),
            (
                "data is a Hugging Face IterableDataset, which is read from front to back only: give some of its rows as "
                "Dataset.from_list(list(data.take(10000)), features=data.features)."
            ),
        ),
        (
            lambda: rows().with_transform(lambda batch: batch),
            (
                "data gives its rows through a function (set_transform, with_transform), which may give others each time: "
                "apply it once, data.map(...), or leave it out (data.reset_format())."
            ),
        ),
        (
            lambda: of([[1.0], [1.0, 2.0]] * 5, hf.List(hf.Value("float64"))),
            "Column 'x' holds lists of 1 and 2 values: cut or fill them up to one length.",
        ),
        (
            lambda: of([["a"], ["b"]] * 5, hf.List(hf.Value("string"))),
            "Column 'x' holds lists of string: lists of numbers are read. Remove it.",
        ),
        (
            lambda: of([None] * 10, hf.Audio()),
            (
                "data: column 'x' is of type Audio; numbers, text, classes, images and lists of numbers are read. Remove it: "
                "data.remove_columns('x')."
            ),
        ),
        (
            lambda: rows().add_column("a", np.zeros((N, 2, 2)).tolist()),
            "data: column 'a' holds arrays of shape (2, 2) and there are other columns: keep either (data.select_columns).",
        ),
        (
            lambda: rows().rename_column("label", "lable"),
            "data has no column 'label'. Did you mean 'lable'? ",
        ),
    ],
)
def test_data_that_cannot_be_used(data, expected: str) -> None:
    assert message(data()).startswith(expected)


def test_a_target_must_be_named() -> None:
    assert message(rows(), target=None) == (
        "data: say which column is the target (target='...'). Columns: age, town, label."
    )


def test_data_that_memory_does_not_hold_are_refused(monkeypatch) -> None:
    monkeypatch.setattr(columns, "free_memory", lambda: 600)
    found = message(rows())
    assert "data takes 1." in found
    assert "600 bytes are free: give fewer columns" in found
    as_dataset(rows().select(range(10)), target="label")


# Images


def encoded(shade: int, shape=(6, 5)) -> dict:
    buffer = BytesIO()
    Pillow.fromarray(np.full((*shape, 3), shade, np.uint8)).save(buffer, "PNG")
    return {"bytes": buffer.getvalue(), "path": None}


def photos(n: int = 20, **more) -> hf.Dataset:
    return of([encoded(10 * i) for i in range(n)], hf.Image(), **more)


def test_images_are_arrays_and_other_columns_are_left_out() -> None:
    data = as_dataset(photos().add_column("file", [f"{i}.png" for i in range(20)]), target="label")
    assert data.x.shape == (20, 3, 6, 5)
    assert data.x[:, 0, 0, 0].tolist() == [10 * i for i in range(20)]
    assert "beside images no other column is used: file" in data.notes
    smaller = as_dataset(photos().select([3, 1]), target="label", options={"image_size": 2})
    assert smaller.x[:, 0, 1, 1].tolist() == [30, 10]


def test_images_of_splits_may_be_streamed_and_have_one_digest() -> None:
    every = hf.DatasetDict(train=photos(14), test=photos(6))
    held, read = (as_dataset(every, target="label", stream=stream) for stream in (None, True))
    assert isinstance(read.x, RowSource)
    assert held.digest == read.digest
    asked = np.array([15, 0, 13])
    assert np.array_equal(read.x.read(asked), held.x[asked])


def test_images_in_files(tmp_path) -> None:
    for i in range(12):
        (tmp_path / f"{i}.png").write_bytes(encoded(20 * i)["bytes"])
    found = of([str(tmp_path / f"{i}.png") for i in range(12)], hf.Image())
    assert as_dataset(found, target="label").x[:, 0, 0, 0].tolist() == [20 * i for i in range(12)]
    (tmp_path / "7.png").write_bytes(b"")
    assert message(found).startswith(
        f"data: 1 of 12 images cannot be read: row 7, {tmp_path}/7.png (no image"
    )


def test_missing_images_are_told() -> None:
    assert message(of([encoded(1), None] * 5, hf.Image())).startswith(
        "data: 5 of 10 images cannot be read: row 1 (missing)"
    )


def test_image_size_goes_with_images() -> None:
    assert message(rows(), options={"image_size": 3}) == "data has no images, and takes no image_size."


# Whole studies


@pytest.mark.parametrize("named", [True, False])
def test_a_study(tmp_path, named: bool) -> None:
    found = rows(shade=(LABEL * 4.0).tolist())
    options = {
        "target": "label", "losses": ["bce"], "trials": 5, "seeds": 1, "confirm_seeds": 2, "epochs": 2,
        "store": str(tmp_path), "mlflow": False,
    }  # fmt: skip
    result = lossearch.search(data=found, **options) if named else lossearch.search(found, **options)
    assert list(result.model.classes) == NAMES
    new = pd.DataFrame({"age": [40.0], "town": ["Ulm"], "shade": [4.0]})
    assert result.model.predict(new)[0] in NAMES


def test_the_library_is_not_imported_unless_it_is_used() -> None:
    code = (
        "import sys, numpy as np, lossearch\n"
        "from lossearch.data.objects import as_dataset\n"
        "import pandas as pd\n"
        "as_dataset(pd.DataFrame({'x': range(20), 'y': [0, 1] * 10}), target='y')\n"
        "assert 'datasets' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_module_of_that_name_is_none(tmp_path) -> None:
    (tmp_path / "datasets.py").write_text(
        "from torch.utils.data import Dataset as Base\n"
        "class Dataset(Base):\n"
        "    def __len__(self): return 20\n"
        "    def __getitem__(self, i): return float(i), i % 2\n"
    )
    code = "import datasets; from lossearch.data.objects import as_dataset; print(len(as_dataset(datasets.Dataset())))"
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, check=True, capture_output=True, text=True
    )
    assert found.stdout.strip() == "20"
