"""Which Optuna storages keep a study, what is said of others, and where a relative path is."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

import lossearch
from lossearch.errors import InputError
from lossearch.records.optuna import reach_storage
from lossearch.records.store import Store


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("grpc://localhost:13000", "one process alone writes"),
        ("redis://localhost:6379", "keeps nothing by itself"),
        ("journal:///studies/a.log", "a journal beside the study"),
        ("postgres://me@host/studies", "is spelt postgresql://"),
        ("studies.db", "a file of one is sqlite:////absolute/path.db"),
        ("/studies/a.db", "a file of one is sqlite:////absolute/path.db"),
        ("sqlite://", "is in memory"),
        ("sqlite:///:memory:", "is in memory"),
        ("sqlite:///file::memory:?uri=true", "is in memory"),
        ("sqlite:///file:a?mode=memory&cache=shared&uri=true", "is in memory"),
        ("word://host/studies", "is no database that is known"),
    ],
)
def test_a_storage_that_keeps_no_study_is_refused_with_what_to_give(url, why):
    with pytest.raises(InputError, match=re.escape(why)) as refused:
        reach_storage(url)
    assert "Allowed: sqlite://, postgresql://" in str(refused.value)


QUICK = {"trials": 5, "seeds": 1, "epochs": 2, "confirm_seeds": 0, "pairs": ["bce/sigmoid"], "mlflow": False}


def run(storage: str, store: Path | str) -> lossearch.Result:
    return lossearch.search(data="circles", name="study", storage=storage, store=store, **QUICK)


@pytest.mark.parametrize("inside", [True, False])
def test_a_relative_path_means_the_same_file_wherever_its_study_is_read(inside, tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    url = "sqlite:///mlruns/own.db?timeout=30" if inside else "sqlite:///own.db"
    values = [t.value for t in run(url, "mlruns").trials]
    file = tmp_path / "here" / ("mlruns/own.db" if inside else "own.db")
    recorded = Store.open("mlruns").read_study("study").storage
    assert recorded == ("sqlite:///own.db?timeout=30" if inside else f"sqlite:///{file}")
    assert [t.value for t in run(url, "mlruns").trials] == values

    monkeypatch.chdir(tmp_path)
    again = run(f"sqlite:///{file}", "here/mlruns")
    assert [t.value for t in again.trials] == values
    with pytest.raises(InputError, match="it cannot go on elsewhere"):
        run("sqlite:///own.db", "here/mlruns")
    assert not (tmp_path / "own.db").exists()


def test_a_storage_in_a_store_moves_with_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    values = [t.value for t in run("sqlite:///before/own.db", "before").trials]
    Path("before").rename("after")
    assert [t.value for t in lossearch.load("study", "after").trials] == values
    assert [t.value for t in run("sqlite:///after/own.db", "after").trials] == values
    assert sorted(p.name for p in tmp_path.iterdir()) == ["after"]


def test_what_an_earlier_release_recorded_is_known_by_what_was_given_then(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    values = [t.value for t in run("sqlite:///own.db", "mlruns").trials]
    store = Store.open("mlruns")
    store.write_study(replace(store.read_study("study"), storage="sqlite:///own.db"))
    assert [t.value for t in lossearch.load("study", storage="sqlite:///own.db").trials] == values
    with pytest.raises(InputError, match=r"not in sqlite:///other\.db"):
        lossearch.load("study", storage="sqlite:///other.db")
