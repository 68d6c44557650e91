"""The fitted winner: what it predicts, and that its directory needs neither data nor pickle."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import plain_mlp
from torch import nn

import lossearch
from lossearch import api
from lossearch.api import run_study as running
from lossearch.api.result import Result
from lossearch.cli import invoke
from lossearch.data.inputs import Inputs
from lossearch.data.sources import from_arrays
from lossearch.errors import InputError, StoreError, UnknownNameError
from lossearch.model import FittedModel
from lossearch.networks.architecture import NETWORKS, Architecture
from lossearch.records.tensors import read_tensors
from lossearch.study.progress import Listener
from lossearch.tasks.build import make_task

RNG = np.random.default_rng(0)
N = 160
TABLE = pd.DataFrame(
    {
        "age": RNG.normal(40, 12, N),
        "pay": np.where(RNG.random(N) < 0.1, np.nan, RNG.normal(3000, 500, N)),
        "city": RNG.choice(["Köln", "北京", "Rom"], N),
        "born": pd.to_datetime("1980-01-01") + pd.to_timedelta(RNG.integers(0, 5000, N), unit="D"),
    }
)
TEXT = np.where(TABLE["age"] + RNG.normal(0, 6, N) > 40, "ja", "nein")

SNIPPET = re.compile(r"```python\n(.*?)```", re.DOTALL)


def search(store: Path, *data: Any, **changed: Any) -> Result:
    options: dict[str, Any] = {
        "lr": 0.02,
        "seeds": 1,
        "confirm_seeds": 2,
        "epochs": 6,
        "mlflow": False,
        "workers": 1,
        "store": store,
        "listener": Listener(),
        **changed,
    }
    return lossearch.search(*data, **options)


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Result:
    """A study of a CSV file with numbers, gaps, names and dates."""
    place = tmp_path_factory.mktemp("table")
    TABLE.assign(answer=TEXT).to_csv(place / "people.csv", index=False)
    return search(place / "store", data=str(place / "people.csv"), target="answer", pairs=["bce/sigmoid"])


@pytest.fixture(scope="module")
def exported(table: Result, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return table.model.save(tmp_path_factory.mktemp("exported") / "model")


@pytest.fixture(scope="module")
def hinge(tmp_path_factory: pytest.TempPathFactory) -> Result:
    """A study of arrays, whose winner is a pair without probabilities."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=(100, 2))
    return search(tmp_path_factory.mktemp("hinge"), x, (x[:, 0] > 0), pairs=["hinge/tanh"], name="hinge")


def by_hand(train: pd.DataFrame, x: pd.DataFrame) -> np.ndarray:
    """Return the inputs of the table's rows, worked out from what the training rows say."""
    days = [(f.born - pd.Timestamp(0)).dt.total_seconds() / 86400 for f in (train, x)]
    columns = []
    for a, b in (
        (train.age, x.age),
        (train.pay, x.pay),
        (days[0], days[1]),
        (train.born.dt.month, x.born.dt.month),
        (train.born.dt.day_of_week, x.born.dt.day_of_week),
    ):
        filled = a.fillna(a.median())
        columns.append((b.fillna(a.median()) - filled.mean()) / filled.std(ddof=0))
    columns.append(x.pay.isna().astype(float))
    columns += [(x.city == name).astype(float) for name in sorted(set(TABLE.city))]
    return np.stack([np.asarray(c, dtype=np.float64) for c in columns], axis=1)


NO_PICKLE = """
import sys
def no_pickle(event, args):
    if event == "pickle.find_class":
        raise RuntimeError(f"unpickled {args}")
sys.addaudithook(no_pickle)
"""


def in_fresh_process(parts: list[str], cwd: Path) -> list[str]:
    """Return the lines that a script prints in a new interpreter that refuses to unpickle anything."""
    code = "\n".join(textwrap.dedent(part) for part in (NO_PICKLE, *parts))
    done = subprocess.run([sys.executable, "-c", code], cwd=cwd, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def test_the_model_is_the_network_on_inputs_worked_out_by_hand(table: Result, exported: Path) -> None:
    model = table.model
    train = table.prepared.plan.task.fold(model.origin.seed).train.rows  # type: ignore[union-attr]
    state, _ = read_tensors(exported / "weights.safetensors")
    inputs = torch.as_tensor(by_hand(TABLE.iloc[train], TABLE), dtype=torch.float32)
    with torch.no_grad():
        p = torch.sigmoid(plain_mlp(state)(inputs)).squeeze(1).numpy()
    np.testing.assert_allclose(model.predict_proba(TABLE), np.stack([1 - p, p], axis=1), atol=2e-6)
    assert model.predict(TABLE).tolist() == np.where(p >= 0.5, "nein", "ja").tolist()
    assert model.classes.tolist() == ["ja", "nein"]
    assert (model.predict(TABLE) == TEXT).mean() > 0.6


def test_an_exported_model_and_its_readme_work_in_a_process_without_data_or_pickle(
    table: Result, exported: Path, tmp_path: Path
) -> None:
    TABLE.to_csv(tmp_path / "new.csv", index=False)
    snippets = SNIPPET.findall((exported / "README.md").read_text(encoding="utf-8"))
    assert len(snippets) == 2
    assert all(len(snippet.strip().splitlines()) <= 10 for snippet in snippets)
    mine = f"""
    import json, pandas as pd
    x = pd.read_csv({str(tmp_path / "new.csv")!r})
    print(raw.shape, sum(p.numel() for p in network.parameters()))
    print(json.dumps([model.predict(x).tolist(), model.predict_proba(x).tolist(), model.origin.study]))
    assert not [m for m in ("mlflow", "optuna", "pytorch_lightning") if m in sys.modules]
    """
    printed = in_fresh_process([*snippets, mine], exported)
    labels, probabilities, study = json.loads(printed[-1])
    assert labels == table.model.predict(TABLE).tolist()
    assert probabilities == table.model.predict_proba(TABLE).tolist()
    assert study == "people"
    weights, _ = read_tensors(exported / "weights.safetensors")
    assert printed[-2] == f"torch.Size([1, 1]) {sum(w.numel() for w in weights.values())}"
    assert "['ja' 'nein']" in printed[1]


def test_a_study_loaded_by_name_has_its_model_without_training(table: Result, monkeypatch) -> None:
    monkeypatch.setattr(running, "prepare", None)
    loaded = lossearch.load("people", table.store.root).model
    np.testing.assert_array_equal(loaded.predict_proba(TABLE), table.model.predict_proba(TABLE))
    assert loaded.origin == table.model.origin


def test_the_kept_model_is_what_training_anew_gives(table: Result) -> None:
    epoch = table.model.origin.epoch
    again = table._again
    other = replace(again, store=type(again.store)(again.store.root / "elsewhere"))
    trained = other.model(table.best, epoch)
    np.testing.assert_allclose(trained.predict_proba(TABLE), table.model.predict_proba(TABLE), atol=1e-5)
    assert trained.origin.seed == table.model.origin.seed


def test_refit_on_validation_rows_too_takes_all_but_the_test_part(table: Result) -> None:
    model = table.fit("train+validation")
    task = table.prepared.plan.task  # type: ignore[union-attr]
    assert model.origin.rows == N - task.sizes["test"] == task.sizes["train"] + task.sizes["validation"]
    test = task.test(0)
    known = np.setdiff1d(np.arange(N), test.rows)
    age = next(n for n in model.inputs.numbers if n.column == "age")
    assert age.mean == pytest.approx(TABLE.age.iloc[known].mean(), rel=1e-12)
    assert model.origin.scores == {}
    with pytest.raises(
        InputError, match=r"^A model is fitted on 'train' or 'train\+validation'; got 'test'\.$"
    ):
        table.fit("test")


def test_regression_comes_back_in_its_own_units(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(150, 2))
    y = 1000 + 50 * x @ np.array([[1.0, 0.0], [0.5, -1.0]])
    result = search(tmp_path, x, y, pairs=["mse/identity"], epochs=60, name="two")
    model = lossearch.load_model(result.model.save(tmp_path / "out"))
    assert model.predict(x).shape == (150, 2)
    assert np.abs(model.predict(x) - y).mean() < 10
    fold = result.prepared.plan.task.fold(model.origin.seed)  # type: ignore[union-attr]
    train = y[fold.train.rows]
    raw = model.raw(x).numpy()
    np.testing.assert_allclose(model.predict(x), raw * train.std(axis=0) + train.mean(axis=0), rtol=1e-5)
    with pytest.raises(
        InputError, match=r"^mse/identity gives values, no probabilities: use predict\(X\)\.$"
    ):
        model.predict_proba(x)
    with pytest.raises(InputError, match=r"^A regression model has no classes\.$"):
        _ = model.classes


@pytest.mark.parametrize("labels", [("rot", "grün", "青"), (3, 7, 9), (0.5, 1.5, 2.0)])
def test_classes_come_back_as_they_were(tmp_path: Path, labels: tuple[Any, ...]) -> None:
    rng = np.random.default_rng(1)
    x = np.concatenate([rng.normal(center, 0.5, size=(40, 2)) for center in ((0, 0), (9, 0), (0, 9))])
    y = np.repeat(np.array(labels, dtype=object if isinstance(labels[0], str) else None), 40)
    result = search(
        tmp_path, x, y, task="multiclass", pairs=["cross_entropy/softmax"], epochs=40, name="three"
    )
    model = lossearch.load_model(result.model.save(tmp_path / "out"))
    assert set(model.predict(x).tolist()) == set(labels)
    assert (model.predict(x) == y).mean() > 0.9
    assert model.classes.tolist() == sorted(labels)
    p = model.predict_proba(x)
    np.testing.assert_allclose(p, torch.softmax(model.raw(x), dim=1).numpy(), atol=1e-6)
    assert (model.classes[p.argmax(axis=1)] == model.predict(x)).all()


def test_a_pair_without_probabilities_says_so(hinge: Result) -> None:
    rng = np.random.default_rng(1)
    model = next(
        m for m in (hinge.model, hinge._again.model(point(hinge, "hinge/tanh"), 6)) if m.point.loss == "hinge"
    )
    x = rng.normal(size=(9, 2))
    assert set(model.predict(x).tolist()) <= {True, False}
    with pytest.raises(InputError) as told:
        model.predict_proba(x)
    assert str(told.value) == (
        "hinge/tanh gives no probabilities: its minimiser is not one. Use predict(X), or fit a pair that gives "
        "them, such as bce/sigmoid."
    )


def point(result: Result, pair: str) -> Any:
    return next(r.point for r in result.trials if r.point.pair == pair)


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (
            TABLE.drop(columns=["age", "born"]),
            "X lacks the columns 'age', 'born' that the model was trained on; it has 'pay', 'city'.",
        ),
        (
            TABLE.drop(columns="city"),
            "X lacks the column 'city' that the model was trained on; it has 'age', 'pay', 'born'.",
        ),
        (
            TABLE.assign(age=["alt", *TABLE.age[1:]]),
            "Column 'age' must hold numbers, and 1 of 160 cells is not: 'alt' in row 0. Write",
        ),
        (
            TABLE.assign(age=np.inf).head(2),
            "Column 'age' holds infinite values (rows 0, 1): drop or replace them.",
        ),
        (
            TABLE.assign(born="gestern"),
            "Column 'born' must hold dates; 'gestern' in row 0 is none, and 159 more",
        ),
        (
            TABLE.to_numpy(),
            "X lacks the columns 'age', 'pay', 'born', 'city' that the model was trained on; it has '0', '1', '2', '3'.",
        ),
    ],
)
def test_rows_of_another_form_are_refused(exported: Path, x: Any, message: str) -> None:
    with pytest.raises(InputError) as told:
        lossearch.load_model(exported).predict(x)
    assert str(told.value).startswith(message)


def test_arrays_need_the_right_number_of_features(hinge: Result) -> None:
    with pytest.raises(InputError) as told:
        hinge.model.predict(np.zeros((4, 3)))
    assert str(told.value) == (
        "This model takes X of shape (N, 2); got (4, 3). Give the columns it was trained on, in their order, one "
        "row a sample."
    )
    same = hinge.model.predict(np.ones((3, 2)))
    assert (hinge.model.predict(pd.DataFrame(np.ones((3, 2)))) == same).all()
    assert (hinge.model.predict(torch.ones(3, 2)) == same).all()


def test_few_rows_and_gaps_are_read_as_many_rows_are(table: Result) -> None:
    model = table.model
    whole = model.raw(TABLE)
    for row in (0, 5, 77):
        np.testing.assert_allclose(model.raw(TABLE.iloc[[row]]), whole[[row]], atol=1e-6)
    empty = TABLE.iloc[[0]].assign(age=None, pay=None, city=None, born=None)
    assert model.predict(empty)[0] in {"ja", "nein"}
    unknown = TABLE.iloc[[0]].assign(city="Oslo")
    width = len(set(TABLE.city))
    assert (model.inputs(unknown)[:, -width:] == 0).all()


def test_what_is_wrong_with_a_directory_is_told(exported: Path, tmp_path: Path, table: Result) -> None:
    with pytest.raises(
        InputError,
        match=rf"^{re.escape(str(exported))} is not empty: name a directory that is new or empty\.$",
    ):
        table.model.save(exported)
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"file is a file: name a directory that is new or empty\.$"):
        table.model.save(tmp_path / "file")
    with pytest.raises(StoreError, match=r"holds no exported model: there is no model\.json in it\.$"):
        lossearch.load_model(tmp_path)
    copy = table.model.save(tmp_path / "copy")
    card = json.loads((copy / "model.json").read_text())
    (copy / "model.json").write_text(json.dumps({**card, "format": 99}))
    with pytest.raises(
        StoreError, match=r"has format 99; this lossearch reads up to 4\. Upgrade lossearch\.$"
    ):
        lossearch.load_model(copy)
    (copy / "model.json").write_text(json.dumps({k: v for k, v in card.items() if k != "inputs"}))
    with pytest.raises(
        StoreError,
        match=r"model\.json is damaged: 'inputs' is not in it\. Restore it from a copy, or make it again\.$",
    ):
        lossearch.load_model(copy)
    (copy / "model.json").write_text(json.dumps(card))
    other = table.fit("train+validation").save(tmp_path / "other")
    (copy / "weights.safetensors").write_bytes((other / "weights.safetensors").read_bytes())
    with pytest.raises(
        StoreError,
        match=r"is not the file that model\.json describes\. Restore it from a copy, or make it again\.$",
    ):
        lossearch.load_model(copy)
    (copy / "weights.safetensors").write_bytes(b"nothing")
    with pytest.raises(StoreError, match=r"weights\.safetensors is damaged: "):
        lossearch.load_model(copy)


def test_nothing_in_the_directory_is_a_pickle(exported: Path) -> None:
    assert sorted(p.name for p in exported.iterdir()) == ["README.md", "model.json", "weights.safetensors"]
    assert str(table_place(exported)) not in (exported / "model.json").read_text()
    size, head = (
        (exported / "weights.safetensors").read_bytes()[:8],
        (exported / "weights.safetensors").read_bytes()[8:9],
    )
    assert int.from_bytes(size, "little") < 2000
    assert head == b"{"


def table_place(exported: Path) -> Path:
    return exported.parents[1]


def stacked(n_in: int, n_out: int) -> nn.Module:
    return nn.Sequential(nn.Linear(n_in, 3), nn.Linear(3, n_out))


NETS = """
from torch import nn

def make(n_in, n_out):
    return nn.Sequential(nn.Linear(n_in, 5), nn.Tanh(), nn.BatchNorm1d(5), nn.Linear(5, n_out))
"""


def test_a_network_of_ones_own_is_found_by_name_or_given(tmp_path: Path, monkeypatch) -> None:
    rng = np.random.default_rng(1)
    (tmp_path / "own_nets.py").write_text(NETS)
    monkeypatch.chdir(tmp_path)
    x = rng.normal(size=(80, 2))
    given: dict[str, Any] = {"pairs": ["bce/sigmoid"], "epochs": 3}
    result = search(tmp_path / "s", x, x[:, 0] > 0, model="own_nets:make", name="named", **given)
    folder = result.model.save(tmp_path / "named")
    monkeypatch.delitem(sys.modules, "own_nets")
    with pytest.raises(
        InputError, match=r"names code .*: model 'own_nets:make'\. .* trust='own_nets:make'\. Or give it"
    ):
        lossearch.load_model(folder)
    trust = "own_nets:make"
    assert (lossearch.load_model(folder, trust=trust).raw(x) == result.model.raw(x)).all()
    monkeypatch.delitem(sys.modules, "own_nets")
    monkeypatch.chdir(tmp_path / "s")
    with pytest.raises(InputError, match=r"^model 'own_nets:make': module 'own_nets' cannot be imported: "):
        lossearch.load_model(folder, trust=trust)

    unnamed = search(
        tmp_path / "s",
        x,
        x[:, 0] > 0,
        model=lambda n_in, n_out: nn.Sequential(nn.Linear(n_in, 3), nn.Linear(3, n_out)),
        name="lambda",
        **given,
    )
    folder = unnamed.model.save(tmp_path / "unnamed")
    with pytest.raises(
        InputError,
        match=r"which no name leads to\. Give the function: lossearch\.load_model\(DIR, model=FUNCTION\)\.$",
    ):
        lossearch.load_model(folder)
    loaded = lossearch.load_model(folder, model=stacked)
    np.testing.assert_array_equal(loaded.predict_proba(x), unnamed.model.predict_proba(x))
    with pytest.raises(InputError, match=r"does not fit the weights: it has changed since\."):
        lossearch.load_model(folder, model=lambda n_in, n_out: nn.Sequential(nn.Linear(n_in, n_out)))


def test_a_loss_of_ones_own_is_found_by_name_or_given(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)

    @lossearch.loss(
        task="binary", encoding="zero_one", domain="unit", source="here", example=(0.5, 1.0, 0.25)
    )
    def square(output, target):
        return (output - target) ** 2

    x = rng.normal(size=(80, 2))
    result = search(
        tmp_path / "s", x, x[:, 0] > 0, losses=[square], activations=["sigmoid"], name="own", epochs=3
    )
    model = result._again.model(point(result, "square/sigmoid"), 3)
    folder = model.save(tmp_path / "own")
    with pytest.raises(InputError) as told:
        lossearch.load_model(folder)
    assert str(told.value) == (
        "This model was trained with the loss 'square' of "
        f"{__name__}:test_a_loss_of_ones_own_is_found_by_name_or_given.<locals>.square, which cannot be imported "
        "here. Give it: lossearch.load_model(DIR, losses=[LOSS])."
    )
    loaded = lossearch.load_model(folder, losses=[square])
    assert (loaded.raw(x) == model.raw(x)).all()


def test_a_study_whose_data_came_from_python_says_what_is_missing(hinge: Result) -> None:
    loaded = lossearch.load("hinge", hinge.store.root)
    assert (loaded.model.raw(np.ones((2, 2))) == hinge.model.raw(np.ones((2, 2)))).all()
    with pytest.raises(InputError) as told:
        loaded.fit("train+validation")
    assert str(told.value) == (
        "Study 'hinge' had its data from Python, and they are not here. Call lossearch.search with the same "
        "arguments again: it trains no finished trial anew, and its result has what is needed."
    )


@settings(max_examples=12)
@given(
    st.integers(1, 4),
    st.integers(0, 3),
    st.booleans(),
    st.integers(0, 2**31),
)
def test_prepared_inputs_are_the_training_paths_to_the_last_bit(
    numbers: int, names: int, scale: bool, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    n = 60
    frame = pd.DataFrame(
        {
            **{
                f"n{i}": np.where(rng.random(n) < 0.1 * i, np.nan, rng.normal(size=n)) for i in range(numbers)
            },
            **{f"c{i}": [f"v{v}" for v in rng.integers(0, 2 + 12 * i, n)] for i in range(names)},
        }
    )
    y = np.arange(n) % 2
    task = make_task(from_arrays(frame, y), scale=scale)
    assert task.blueprint is not None
    for whole in (False, True):
        inputs = Inputs.from_json(json.loads(json.dumps(task.blueprint.inputs(seed, whole).as_json())))
        fold = task.blueprint.whole(seed) if whole else task.fold(seed)
        for part in (fold.train, fold.validation):
            found = torch.as_tensor(inputs(frame.iloc[part.rows]), dtype=torch.float32)
            assert torch.equal(found, part.x)
    assert inputs(inputs.example()).shape == (2, *inputs.shape)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.int8])
def test_numbers_of_any_type_are_prepared_alike_in_training_and_afterwards(dtype: type) -> None:
    x = (np.random.default_rng(0).normal(size=(60, 3)) * 20 + 5).astype(dtype)
    task = make_task(from_arrays(x, np.arange(60) % 2))
    assert task.blueprint is not None
    part = task.fold(0).validation
    found = task.blueprint.inputs(0, False)(x[part.rows].astype(np.float64))
    assert torch.equal(torch.as_tensor(found, dtype=torch.float32), part.x)


def test_images_keep_their_shape(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(5.0, 2.0, size=(60, 1, 4, 4)).astype(np.float32)
    result = search(tmp_path, x, x.mean(axis=(1, 2, 3)) > 5, pairs=["bce/sigmoid"], name="images", epochs=3)
    model = lossearch.load_model(result.model.save(tmp_path / "out"))
    assert (model.raw(x) == result.model.raw(x)).all()
    assert model.example().shape == (2, 1, 4, 4)
    with pytest.raises(InputError, match=r"^This model takes X of shape \(N, 1, 4, 4\); got \(60, 16\)\."):
        model.predict(x.reshape(60, 16))


@pytest.mark.parametrize("name", NETWORKS)
def test_every_built_in_network_is_trained_exported_and_loaded_in_a_fresh_process(
    tmp_path: Path, name: str
) -> None:
    rng = np.random.default_rng(1)
    tables = (rng.normal(size=(60, *shape)).astype(np.float32) for shape in ((16,), (1, 4, 4)))
    x = next(x for x in tables if NETWORKS[name].takes(x.shape[1:]))
    y = x[:, 0] > 0 if name == "fcn" else x.reshape(60, -1).mean(axis=1) > 0
    result = search(tmp_path, x, y, model=name, pairs=["bce/sigmoid"], name=name, epochs=3)
    folder = result.model.save(tmp_path / "out")
    card = json.loads((folder / "model.json").read_text())["network"]
    assert (card["name"], [*card["arguments"]]) == (name, NETWORKS[name].arguments())
    np.save(tmp_path / "x.npy", x)
    mine = """
    import json, numpy as np
    x = np.load("../x.npy")
    prepared = torch.as_tensor(model.inputs(x), dtype=torch.float32)
    print(json.dumps([model.predict_proba(x).tolist(), model.raw(x).tolist(), network(prepared).tolist()]))
    """
    printed = in_fresh_process([*SNIPPET.findall((folder / "README.md").read_text()), mine], folder)
    probabilities, raw, with_torch_alone = json.loads(printed[-1])
    assert probabilities == result.model.predict_proba(x).tolist()
    assert raw == result.model.raw(x).tolist() == with_torch_alone


@pytest.mark.parametrize(
    ("stored", "name", "arguments"),
    [
        ({"factory": "mlp", "hidden": [5, 4], "init": "torch"}, "mlp", {"hidden": [5, 4], "init": "torch"}),
        ({"factory": "mlp(5-4, relu, init he_uniform)"}, "mlp", {"hidden": [5, 4], "init": "he_uniform"}),
        ({"factory": "mlp(, relu, init torch)"}, "mlp", {"hidden": [], "init": "torch"}),
        ({"factory": "cnn(5-4, relu)"}, "cnn", {"hidden": [5, 4]}),
        ({"factory": "torch.nn:Linear"}, "torch.nn:Linear", {}),
    ],
)
def test_networks_of_the_first_format_are_built_again(
    stored: dict[str, Any], name: str, arguments: dict[str, Any]
) -> None:
    rest = {"input_shape": [1, 4, 4], "n_out": 1, "dtype": "float32", "seed": 3}
    found = Architecture.from_json({"hidden": [], "init": "torch", **stored, **rest})
    assert (found.name, found.arguments) == (name, arguments)
    again = Architecture.from_json(json.loads(json.dumps(found.as_json())))
    assert again == found
    if not found.own:
        assert again.build()(torch.zeros(2, 1, 4, 4)).shape == (2, 1)


def test_a_model_of_the_first_format_is_loaded(exported: Path, table: Result, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(exported, tmp_path / "first"))
    card = json.loads((folder / "model.json").read_text())
    network = card["network"]
    arguments = network.pop("arguments")
    inputs = card["inputs"]
    inputs["gaps"], inputs["still"] = inputs.pop("missing"), inputs.pop("constant")
    for category in inputs["categories"]:
        category["rest"] = category.pop("infrequent")
    first = {**card, "format": 1, "network": {**network, "factory": network.pop("name"), **arguments}}
    (folder / "model.json").write_text(json.dumps(first))
    np.testing.assert_array_equal(lossearch.load_model(folder).raw(TABLE), table.model.raw(TABLE))


def test_export_on_the_command_line(table: Result, tmp_path: Path, capsys, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    store = ["--store", str(table.store.root)]
    assert invoke(["export", "people", "out", *store]) == 0
    assert capsys.readouterr().out.startswith("FittedModel(bce/sigmoid at lr 0.02, mlp, epoch ")
    assert isinstance(lossearch.load_model("out"), FittedModel)
    assert invoke(["export", "people", "out", *store]) == 2
    assert capsys.readouterr().err == "Error: out is not empty: name a directory that is new or empty.\n"
    assert invoke(["export", "peopel", "new", *store]) == 2
    assert "Did you mean 'people'?" in capsys.readouterr().err
    assert invoke(["export", "people", "more", "--refit", "train+validation", *store]) == 0
    assert lossearch.load_model("more").origin.trained_on == "train+validation"


@pytest.mark.slow
def test_a_registered_model_is_the_champion_and_loads_by_that_name(tmp_path: Path, capsys) -> None:
    TABLE.assign(answer=TEXT).to_csv(tmp_path / "people.csv", index=False)
    store = tmp_path / "store"
    result = search(
        store, data=str(tmp_path / "people.csv"), target="answer", pairs=["bce/sigmoid"], mlflow=True
    )
    assert invoke(["export", "people", str(tmp_path / "one"), "--store", str(store), "--register"]) == 0
    said = "Registered in MLflow as models:/people@champion (version 1)."
    assert capsys.readouterr().out.splitlines()[-1] == said
    second = api.register("people", tmp_path / "one", store)
    assert (second.version, second.uri) == ("2", "models:/people@champion")
    assert api.register("people", tmp_path / "one", store, model="people-b").version == "1"
    TABLE.to_csv(tmp_path / "new.csv", index=False)
    (tmp_path / "empty").mkdir()
    code = f"""
    import json, mlflow, pandas as pd
    mlflow.set_tracking_uri({result.store.tracking_uri!r})
    model = mlflow.pyfunc.load_model("models:/people@champion")
    x = pd.read_csv("../new.csv", parse_dates=["born"])
    version = mlflow.MlflowClient().get_model_version_by_alias("people", "champion")
    run = mlflow.get_run(version.run_id)
    print(json.dumps([
        model.predict(x).tolist(),
        model.predict(x, params={{"probabilities": True}}).tolist(),
        model.metadata.signature.inputs.input_names(),
        model.input_example.to_dict("list")["city"],
        str(version.version), run.info.run_name, version.tags["pair"],
    ]))
    """
    printed = in_fresh_process([code], tmp_path / "empty")
    labels, probabilities, names, cities, version, run, pair = json.loads(printed[-1])
    assert labels == result.model.predict(TABLE).tolist()
    np.testing.assert_allclose(probabilities, result.model.predict_proba(TABLE), atol=1e-7)
    assert names == ["age", "pay", "born", "city"]
    assert set(cities) <= set(TABLE.city)
    assert (version, run, pair) == ("2", "people", "bce/sigmoid")
    assert list((tmp_path / "empty").iterdir()) == []


def test_what_cannot_be_registered_is_refused(table: Result, exported: Path, hinge: Result) -> None:
    with pytest.raises(
        InputError, match=r"^Study 'hinge' has no MLflow records to register a model under\. "
    ):
        api.register("hinge", exported, hinge.store.root)
    with pytest.raises(UnknownNameError, match="No study named 'nobody'"):
        api.register("nobody", exported, table.store.root)
