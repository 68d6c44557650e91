"""The record of a study: written and read back, brought up to date from the form before it, told where it is damaged."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from contracts.records import example_study_record
from hypothesis import given
from hypothesis import strategies as st

from lossearch import api
from lossearch._json import dumps
from lossearch.api.comparison import compare
from lossearch.config import make_config, parse_toml
from lossearch.errors import DamagedError, StoreError, StudyMismatchError
from lossearch.records.study import VERSION, MlflowRuns, StudyRecord, from_version_1, read_study_record
from lossearch.study.plan import require_same

RECORDED = Path(__file__).parent / "data" / "store_82d44bc"
"""A store as version 0.1.0 wrote it at commit 82d44bc: two pairs, ten trials of two seeds, confirmed, without MLflow."""

OLD = json.loads((RECORDED / "studies" / "small" / "study.json").read_text())


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return Path(shutil.copytree(RECORDED, tmp_path / "store"))


def read(path: Path, plain: object) -> StudyRecord:
    path.write_text(dumps(plain))
    return read_study_record(path)


# a store of the form before


def test_an_earlier_store_is_read_and_reported(store: Path) -> None:
    result = api.load("small", store)
    assert result.declared.identity() == OLD["identity"]
    assert result.declared.digest == OLD["digest"]
    assert [r["name"] for r in result.as_json()["rejections"]] == ["bce/tanh", "focal/tanh"]
    assert (len(result.trials), result.best.pair) == (10, "bce/sigmoid")
    facts = dict(zip(*(c.cells for c in result.report().sections[-1].tables[0].columns), strict=True))
    assert (facts["digest"], facts["torch"]) == (OLD["digest"], OLD["header"]["versions"]["torch"])
    (row,) = api.studies(store)
    assert (row["task"], row["trials"], row["problem"]) == ("circles (binary)", 10, "")


def test_an_earlier_store_is_trained_again(store: Path, tmp_path: Path) -> None:
    assert api.rerun("small", 9, store).reproduced
    assert api.rerun("small", "confirm:focal/sigmoid", store).reproduced
    model = api.export("small", tmp_path / "model", store)
    assert (model.point.pair, model.origin.digest) == ("bce/sigmoid", OLD["digest"])


def test_earlier_studies_are_compared(store: Path) -> None:
    other = Path(shutil.copytree(store / "studies" / "small", store / "studies" / "other"))
    for name in ("study.json", "optuna.journal"):
        # of other data: one data set counts once
        text = (other / name).read_text().replace('"small"', '"other"')
        (other / name).write_text(text.replace(OLD["header"]["describe"]["data_digest"], "0" * 32))
    (group,) = compare(["small", "other"], store).groups
    assert list(group.scores.index) == ["small", "other"]
    assert set(group.pairs) == {"bce/sigmoid", "focal/sigmoid"}


def test_an_earlier_study_goes_on(store: Path) -> None:
    before = api.load("small", store)
    text = OLD["config"].replace("trials = 10", "trials = 12").replace('"mlruns"', json.dumps(str(store)))
    after = api.run(make_config(parse_toml(text, "study.toml"), "study.toml"))
    assert len(after.trials) == 12
    assert after.trials[:10] == before.trials
    written = json.loads((store / "studies" / "small" / "study.json").read_text())
    assert (written["version"], written["digest"]) == (VERSION, OLD["digest"])
    assert (written["created"], written["mlflow"]) == (OLD["created"], None)


# what is written is read


def test_the_earlier_form_keeps_everything(tmp_path: Path) -> None:
    now = dict(from_version_1(OLD))
    told_twice = {
        "identity",
        "header",
        "kind",
        "metric",
        "direction",
        "optimizer",
        "epoch",
        "mode",
        "seeds",
        "pairs",
    }
    assert {k: now[k] for k in OLD if k not in told_twice} == {
        k: v for k, v in OLD.items() if k not in told_twice
    }
    assert {k: now[k] for k in OLD["identity"]} == OLD["identity"]
    assert {k: now[k] for k in ("metrics", "target", "describe", "versions", "git_revision")} == {
        k: OLD["header"][k] for k in ("metrics", "target", "describe", "versions", "git_revision")
    }
    assert read(tmp_path / "old.json", OLD) == read(tmp_path / "now.json", now)


texts = st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=3)
numbers = st.integers(-9, 9) | st.floats(allow_nan=False, allow_infinity=False)


@given(
    lr=st.tuples(st.floats(1e-6, 1), st.floats(1, 10)),
    pairs=st.dictionaries(st.text(max_size=5), st.dictionaries(st.text(max_size=5), texts), max_size=3),
    objectives=texts,
    prune=st.booleans(),
    options=st.dictionaries(st.text(max_size=5), numbers | st.none() | st.booleans(), max_size=3),
    clip=st.none() | st.floats(0, 10),
    notes=st.lists(st.text(max_size=5), max_size=3).map(tuple),
    mlflow=st.none() | st.builds(MlflowRuns, experiment_id=st.text(max_size=5), run_id=st.text(max_size=5)),
)
def test_what_is_written_is_read(tmp_path_factory: pytest.TempPathFactory, **drawn: Any) -> None:
    base = example_study_record()
    study = replace(
        base,
        task=replace(base.task, objectives=drawn["objectives"]),
        space=replace(base.space, lr=drawn["lr"], pairs=drawn["pairs"]),
        search=replace(base.search, prune=drawn["prune"]),
        train=replace(base.train, options=drawn["options"], clip=drawn["clip"]),
        notes=drawn["notes"],
        mlflow=drawn["mlflow"],
    )
    found = read(tmp_path_factory.getbasetemp() / "study.json", study)
    assert found == study
    assert json.dumps(found.identity()) == json.dumps(study.identity())
    assert ("objectives" in study.identity()["task"]) == bool(drawn["objectives"])
    assert ("prune" in study.identity()["search"]) == drawn["prune"]


# what is damaged is told by file and field


def without(*path: str) -> Callable[[dict[str, Any]], object]:
    def change(plain: dict[str, Any]) -> object:
        where = plain
        for name in path[:-1]:
            where = where[name]
        del where[path[-1]]
        return plain

    return change


@pytest.mark.parametrize(
    ("change", "field", "what"),
    [
        (without("task"), "task", "field required"),
        (without("train", "epochs"), "train.epochs", "field required"),
        (without("storage"), "storage", "field required"),
        (lambda p: without("storage")(p) | {"seed": 1}, "storage", "field required"),
        (lambda p: p | {"space": p["space"] | {"lr": [0.1]}}, "space.lr.1", "field required"),
        (lambda p: p | {"min_trials": "many"}, "min_trials", "input should be a valid integer"),
        (lambda _: {"hello": "world"}, "task", "field required"),
    ],
)
def test_a_damaged_record_is_told_by_file_and_field(
    tmp_path: Path, change: Callable[[Any], object], field: str, what: str
) -> None:
    path = tmp_path / "study.json"
    with pytest.raises(StoreError) as error:
        read(path, change(json.loads(dumps(example_study_record()))))
    told = f"{path} is damaged: it is not the record of a study at {field!r}: {what}"
    assert str(error.value).startswith(told)


@pytest.mark.parametrize("name", ["identity", "header", "config", "rejections", "created"])
def test_a_damaged_record_of_the_earlier_form_is_told_too(tmp_path: Path, name: str) -> None:
    for plain in ({k: v for k, v in OLD.items() if k != name}, OLD | {name: [3]}):
        with pytest.raises(StoreError, match="is damaged: it is not the record of a study at '"):
            read(tmp_path / "study.json", plain)


def test_a_record_of_version_2_is_of_this_one_once_it_is_written_again(tmp_path: Path) -> None:
    now = example_study_record()
    assert read(tmp_path / "study.json", replace(now, version=2)) == now
    assert now.version == VERSION


def test_a_record_of_a_later_version_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError) as error:
        read(tmp_path / "study.json", replace(example_study_record(), version=VERSION + 1))
    assert str(error.value) == (
        f"{tmp_path / 'study.json'} has version {VERSION + 1}; this lossearch reads up to {VERSION}. Upgrade "
        "lossearch, or use another store=."
    )


def test_a_record_with_what_a_later_release_added_is_no_damage(tmp_path: Path) -> None:
    plain = json.loads(dumps(example_study_record())) | {"mood": "good", "versions": {"lossearch": "9.1"}}
    plain["task"]["weather"] = "fair"
    with pytest.raises(StoreError) as error:
        read(tmp_path / "study.json", plain)
    assert str(error.value) == (
        f"{tmp_path / 'study.json'} has 'task.weather', 'mood', which this lossearch does not know: lossearch 9.1 wrote it. "
        "Upgrade lossearch, or use another store=."
    )
    assert not isinstance(error.value, DamagedError)


def test_a_damaged_study_is_listed_with_its_problem(store: Path) -> None:
    (store / "studies" / "small" / "study.json").write_text("{}")
    (row,) = api.studies(store)
    assert row["problem"].startswith(str(store / "studies" / "small" / "study.json"))


# what it was declared as


@pytest.mark.parametrize("key", ["data", "metric", "kind"])
def test_of_other_data_it_is_told_what_to_do_and_of_nothing_else(key: str) -> None:
    stored = example_study_record().identity()
    asked = {**stored, "task": {**stored["task"], key: "other"}}
    with pytest.raises(StudyMismatchError) as caught:
        require_same("net", stored, asked)
    said = str(caught.value)
    assert f"task.{key}: " in said
    assert ("Where code draws or shuffles them at random, seed it." in said) is (key == "data")
    assert "Use another name (name=)" in said
