"""A study and its MLflow view, whole: what is told of its end, who may write it, and that no outage is the study's."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from mlflow.tracking import MlflowClient
from test_records import postgres

import lossearch
from lossearch import api
from lossearch.api.result import Result
from lossearch.errors import RunFailedError, StudyRunningError
from lossearch.records import Store, TrialRecord
from lossearch.records.claim import claim
from lossearch.records.mlflow.client import connect
from lossearch.study.progress import Listener

pytestmark = pytest.mark.usefixtures("undrawn")
RNG = np.random.default_rng(0)
X = RNG.normal(size=(80, 3))
Y = (X[:, 0] > 0).astype(int)
QUICK: dict[str, Any] = {
    "name": "quick",
    "pairs": ["bce/sigmoid", "mse/sigmoid"],
    "trials": 10,
    "seeds": 1,
    "confirm_seeds": 2,
    "epochs": 2,
    "workers": 1,
}


class Heard(Listener):
    """Hears a study, and does something after some trials."""

    def __init__(self, after: int = 0, do: Any = None) -> None:
        self.after, self.do = after, do
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)

    def trial_done(self, record: TrialRecord, *_: Any) -> None:
        if record.number + 1 == self.after:
            self.do()


def search(store: Path, heard: Listener | None = None, **changed: Any) -> Result:
    return lossearch.search(X, Y, store=store, listener=heard or Heard(), **{**QUICK, **changed})


def statuses(store: Path, uri: str | None = None) -> tuple[str, list[tuple[str, str, str]]]:
    """Return the status of the study's run, and stage, number and status of each other one; of a confirmation no number."""
    client = MlflowClient(uri or Store.open(store).tracking_uri)
    experiment = client.get_experiment_by_name("quick")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id], max_results=1000)
    parent = {r.info.status for r in runs if r.data.tags["lossearch.role"] == "study"}
    keys = ("lossearch.stage", "lossearch.trial")
    others = [
        (*(r.data.tags[k] for k in keys), r.info.status)
        for r in runs
        if r.data.tags["lossearch.role"] != "study"
    ]
    return parent.pop(), sorted((s, "" if s == "confirm" else n, status) for s, n, status in others)


WHOLE = [
    *(("confirm", "", "FINISHED") for _ in range(2)),
    *(("cover", str(n), "FINISHED") for n in range(10)),
]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with an empty database."""
    store = Store.open(tmp_path_factory.mktemp("made"))
    connect(store)
    return store.root


@pytest.fixture
def store(tmp_path: Path, made: Path) -> Path:
    return shutil.copytree(made, tmp_path / "store")


def interrupt() -> None:
    raise KeyboardInterrupt


def give_up() -> None:
    raise RunFailedError("no more")


def test_a_study_s_end_is_recorded_and_told_by_sync(store: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        search(store, Heard(3, interrupt))
    assert statuses(store) == ("KILLED", WHOLE[2:5])
    assert Store.open(store).read_study("quick").ended == "killed"
    assert api.sync("quick", store) == 0
    assert statuses(store)[0] == "KILLED"

    with pytest.raises(RunFailedError):
        search(store, Heard(6, give_up))
    assert api.sync("quick", store) == 0
    assert statuses(store) == ("FAILED", WHOLE[2:8])

    search(store)
    assert statuses(store) == ("FINISHED", WHOLE)
    # one whose process was killed outright can have said nothing
    opened = Store.open(store)
    opened.write_study(replace(opened.read_study("quick"), ended="running"))
    assert api.sync("quick", store) == 0
    assert statuses(store)[0] == "KILLED"
    # and one that an earlier release recorded is taken for finished, as ever
    opened.write_study(replace(opened.read_study("quick"), ended=None))
    assert api.sync("quick", store) == 0
    assert statuses(store)[0] == "FINISHED"


def test_sync_is_refused_while_the_study_runs_and_changes_nothing(store: Path) -> None:
    refused: list[str] = []

    def sync() -> None:
        with pytest.raises(StudyRunningError) as error:
            api.sync("quick", store)
        refused.append(str(error.value))

    search(store, Heard(4, sync), confirm_seeds=0)
    assert len(refused) == 1
    assert statuses(store) == ("FINISHED", WHOLE[2:])
    with claim(Store.open(store), "quick"), pytest.raises(StudyRunningError):
        api.sync("quick", store)


def test_sync_tells_which_runs_have_no_curves_and_how_they_get_them(store: Path) -> None:
    search(store, mlflow=False)
    folder = Store.open(store).study_dir("quick")
    whole = {name: (folder / name).read_bytes() for name in ("search.parquet", "confirm.parquet")}
    table = pq.read_table(folder / "search.parquet")
    pq.write_table(table.filter(pc.field("trial") != 4), folder / "search.parquet")
    (folder / "confirm.parquet").unlink()
    notes: list[str] = []
    assert api.sync("quick", store, note=notes.append) == 12
    searched, confirmed = notes
    assert searched.startswith(
        f"MLflow gets trial 4 without curves: {folder / 'search.parquet'} has them no more. "
    )
    assert confirmed.startswith("MLflow gets the confirmations of ")
    assert "lossearch.search with the same arguments trains these pairs anew" in confirmed
    assert all(
        n.endswith("delete these runs in MLflow, and lossearch.api.sync('quick') writes them whole.")
        for n in notes
    )
    # what MLflow has is not told of again; and what is done as it says is whole
    assert api.sync("quick", store, note=pytest.fail) == 0
    for name, held in whole.items():
        (folder / name).write_bytes(held)
    client = MlflowClient(Store.open(store).tracking_uri)
    experiment = client.get_experiment_by_name("quick")
    assert experiment is not None
    bare = [
        run.info.run_id
        for run in client.search_runs([experiment.experiment_id])
        if run.data.tags["lossearch.role"] != "study"
        and not any(k.startswith("curve/") for k in run.data.metrics)
    ]
    for run_id in bare:
        client.delete_run(run_id)
    assert api.sync("quick", store, note=pytest.fail) == len(bare) == 3


def test_sync_brings_a_study_to_mlflow_that_never_was_there(store: Path) -> None:
    search(store, mlflow=False)
    assert api.sync("quick", store) == 12
    assert statuses(store) == ("FINISHED", WHOLE)
    assert api.sync("quick", store) == 0


@pytest.mark.parametrize("moment", [1, 8])
def test_a_database_that_is_lost_midway_ends_no_study(store: Path, moment: int) -> None:
    database = store / "mlflow.db"

    def lose() -> None:
        time.sleep(1.5)
        database.rename(store / "away.db")
        database.mkdir()

    heard = Heard(moment, lose)
    result = search(store, heard)
    assert len(result.trials) == 10
    assert result.verdict is not None
    assert "lossearch sync quick" in heard.notes[-1]
    database.rmdir()
    (store / "away.db").rename(database)
    assert api.sync("quick", store) > 0
    assert statuses(store) == ("FINISHED", WHOLE)


@pytest.mark.slow
def test_a_killed_postgresql_ends_no_study_and_leaves_nothing_running(store: Path) -> None:
    # not below pytest's own directory, which the server's account may not enter
    with tempfile.TemporaryDirectory() as folder, postgres(Path(folder)) as server:
        pid = int((server.data / "postmaster.pid").read_text().split()[0])

        def kill() -> None:
            time.sleep(1.5)
            os.kill(pid, signal.SIGKILL)

        connect(Store.open(store), server.url())
        heard = Heard(4, kill)
        began = time.monotonic()
        assert len(search(store, heard, tracking_uri=server.url()).trials) == 10
        assert time.monotonic() - began < 60
        assert "lossearch sync quick" in heard.notes[-1]


@pytest.mark.slow
def test_a_study_killed_outright_is_told_so(store: Path) -> None:
    code = f"""
import os, signal, sys
sys.path[:0] = {[str(Path(__file__).parent)]!r}
from pathlib import Path
from test_mlflow_of_studies import Heard, search
search(Path({str(store)!r}), Heard(7, lambda: os.kill(os.getpid(), signal.SIGKILL)))
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -signal.SIGKILL
    assert statuses(store)[0] == "RUNNING"
    api.sync("quick", store)
    assert statuses(store) == ("KILLED", WHOLE[2:9])
    search(store)
    assert statuses(store) == ("FINISHED", WHOLE)
