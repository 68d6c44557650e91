"""A disk that is full, or that cannot be written any more: what happened is said, nothing is lost, the same call goes on."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ISOLATED = ("unshare", "--user", "--map-root-user", "--mount")
"""Mounts of its own, which any user may have where the system lets them."""
AS_OTHERS = ("setpriv", "--bounding-set=-dac_override,-dac_read_search")
"""What lets root be stopped by permissions as others are."""

BEGIN = """
import contextlib, io, json, os, subprocess, sys, tempfile
from pathlib import Path

import numpy as np
from mlflow import MlflowClient

import lossearch
from lossearch.api import run_study
from lossearch.cli import invoke
from lossearch.confirm import judging
from lossearch.study.progress import Listener
from undrawn import draw_nothing

draw_nothing()
small = Path(sys.argv[1])
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", small], check=True)
filler = small / "filler"
x = np.random.default_rng(0).normal(size=(80, 3))
y = (x[:, 0] > 0).astype(int)
quick = {"trials": 10, "seeds": 1, "confirm_seeds": 2, "epochs": 2, "workers": 1, "pairs": ["bce/sigmoid", "mse/sigmoid"]}

def fill():
    with open(filler, "wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))

def lock(store, mode=0o555):
    for place in [store, *store.rglob("*")]:
        if place.is_dir() and place.name not in ("artifacts", ):
            place.chmod(mode)
        elif place.is_file():
            place.chmod(mode & 0o666)

class At(Listener):
    def __init__(self, point="", do=lambda: None):
        self.point, self.do, self.notes = point, do, []

    def reached(self, point):
        if point == self.point:
            self.do()

    def started(self, total, resumed):
        self.reached("started")

    def trial_done(self, record, done, total, best, failed):
        self.reached(f"trial {done}")

    def doing(self, what):
        self.reached(what.partition(" ")[0])

    def note(self, text):
        self.notes.append(text)
        self.reached(text.partition(" ")[0])

def search(name, store=small / "store", listener=None, **more):
    return lossearch.search(x, y, **quick | more, store=store, name=name, listener=listener or At())

def scores(result):
    return [r.value for r in result.trials], result.leaderboard["score"].tolist(), result.verdict.as_json()

def of(function):
    errors = io.StringIO()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(errors):
        code = invoke([str(a) for a in function])
    return code, errors.getvalue()
"""

RUNS = (
    BEGIN
    + """
found = {}
expected = scores(search("undisturbed", mlflow=False))

def before_the_verdict(do):
    real = judging.analyse
    def analyse(*arguments, **named):
        do()
        return real(*arguments, **named)
    judging.analyse = analyse
    return lambda: setattr(judging, "analyse", real)

def before_the_end(do):
    real = run_study.confirm_and_judge
    def confirm_and_judge(*arguments):
        real(*arguments)
        do()
    run_study.confirm_and_judge = confirm_and_judge
    return lambda: setattr(run_study, "confirm_and_judge", real)

for kind in ("full", "locked"):
    for point in ("started", "trial 3", "Confirming", "verdict", "end"):
        name = f"{kind}-{point.replace(' ', '-')}"
        do = fill if kind == "full" else lambda: lock(small / "store")
        undo = {"verdict": before_the_verdict, "end": before_the_end}.get(point, lambda _: lambda: None)(do)
        try:
            search(name, listener=At(point, do))
            told = "nothing"
        except lossearch.LossearchError as error:
            told = f"{error.exit_code} {type(error).__name__}: {error}"
        undo()
        filler.unlink(missing_ok=True)
        lock(small / "store", 0o755)
        result = search(name)
        client = MlflowClient(f"sqlite:///{small}/store/mlflow.db")
        runs = client.search_runs([result.experiment_id], max_results=1000)
        statuses = sorted(r.info.status for r in runs)
        found[name] = told, scores(result) == expected, statuses == ["FINISHED"] * 13
print(json.dumps(found))
"""
)

REST = (
    BEGIN
    + """
found = {}
store = Path(sys.argv[2])
search("whole", store)
fill()
run = ["run", "--data", "circles", "--losses", "bce", "--trials", 5, "--seeds", 1, "--epochs", 2, "--confirm-seeds", 0]
found["begun"] = of([*run, "--quiet", "--store", small / "store", "--no-mlflow"])
found["page"] = of(["report", "whole", "--store", store, "--format", "html", "--output", small / "page.html"])
found["markdown"] = of(["report", "whole", "--store", store, "--format", "markdown", "--output", small / "page.md"])
found["export"] = of(["export", "whole", small / "model", "--store", store])
found["left"] = (small / "model").exists()

tempfile.tempdir = str(small)
found["refused"] = of([*run, "--quiet", "--store", store])
tempfile.tempdir = None
listener = At("trial 3", lambda: setattr(tempfile, "tempdir", str(small)))
result = search("no-temporary-files", store, listener)
found["temporary"] = [n for n in listener.notes if "MLflow" in n]
client = MlflowClient(f"sqlite:///{store}/mlflow.db")
found["status"] = client.get_run(result.run_id).info.status
tempfile.tempdir = None
of(["sync", "no-temporary-files", "--store", store])
found["artifacts"] = [a.path for a in client.list_artifacts(result.run_id)]

filler.unlink()
kept = {"storage": f"sqlite:///{small}/optuna.db", "mlflow": False}
try:
    search("storage", store, At("trial 3", fill), **kept)
except lossearch.LossearchError as error:
    found["storage"] = f"{error.exit_code} {type(error).__name__}: {error}"
filler.unlink()
found["resumed"] = scores(search("storage", store, **kept)) == scores(search("whole", store))
found["exported"] = of(["export", "whole", small / "model", "--store", store])

listener = At("trial 3", fill)
address = {"tracking_uri": f"sqlite:///{small}/view.db"}
result = search("view", store, listener, **address)
found["view"] = [n for n in listener.notes if "MLflow" in n]
filler.unlink()
found["sync"] = of(["sync", "view", "--store", store, "--tracking-uri", address["tracking_uri"]])
client = MlflowClient(address["tracking_uri"])
found["runs"] = sorted(r.info.status for r in client.search_runs([result.experiment_id]))
print(json.dumps(found))
"""
)


def outcome(code: str, folder: Path) -> dict[str, object]:
    """Run a script where its first argument can be a disk of its own."""
    for tools in (ISOLATED, AS_OTHERS):
        if shutil.which(tools[0]) is None:
            pytest.skip(f"there is no {tools[0]}")
    if subprocess.run([*ISOLATED, "true"], check=False).returncode:
        pytest.skip("no mounts of one's own are allowed here")
    (folder / "small").mkdir()
    done = subprocess.run(
        [*ISOLATED, *AS_OTHERS, sys.executable, "-c", code, folder / "small", folder / "store"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.slow
def test_a_run_ends_with_what_happened_and_goes_on_once_there_is_room(tmp_path: Path) -> None:
    found = outcome(RUNS, tmp_path)
    why = {"full": "No space left on device", "locked": "Permission denied"}
    for name, told in found.items():
        kind = name.partition("-")[0]
        folder = tmp_path / "small" / "store" / "studies" / name
        said = (
            f"1 RunFailedError: The study could not go on: its records in {folder} can no longer be written: {why[kind]}. "
            "What is done is kept. Make room there, or let it be written again; then the same call again continues."
        )
        assert told == [said, True, True], name


@pytest.mark.slow
def test_whatever_else_is_written_to_a_full_disk(tmp_path: Path) -> None:
    found = outcome(REST, tmp_path)
    small, store = tmp_path / "small", tmp_path / "store"
    full = "cannot be written: No space left on device."
    drawing, elsewhere = "Drawing the report of whole ...\n", "Name another place with --output.\n"
    view = f"sqlite:///{small}/view.db"
    sync = f"`lossearch sync view --tracking-uri {view}`"
    artifacts = found.pop("artifacts")
    assert isinstance(artifacts, list)
    assert {"report.html", "scores.png", "leaderboard.json"} <= set(artifacts)
    assert found == {
        "begun": [
            2,
            f"Error: The store at {small}/store {full} Make room there, or name another directory you may write to with --store DIR.\n",
        ],
        "page": [2, f"{drawing}Error: {small}/page.html {full} {elsewhere}"],
        "markdown": [2, f"{drawing}Error: {small}/page.md {full} {elsewhere}"],
        "export": [2, f"Error: {small}/model {full}\n"],
        "left": False,
        "exported": [0, ""],
        "refused": [
            2,
            (
                f"Error: The study cannot be recorded at sqlite:///{store}/mlflow.db: [Errno 28] No space left on device, there or in "
                f"{small}. Make room, or run without it (--no-mlflow).\n"
            ),
        ],
        "temporary": [
            (
                "MLflow gets no tables, figures and report: a temporary file cannot be written (No space left on device). Make room, "
                "and write them with `lossearch sync no-temporary-files`."
            )
        ],
        "status": "FINISHED",
        "storage": f"1 RunFailedError: The Optuna storage sqlite:///{small}/optuna.db was lost while the study ran: database or disk "
        "is full. What is done is kept; the same call again continues, once the storage answers.",
        "resumed": True,
        "view": [
            (
                f"MLflow at {view} cannot be written to: (sqlite3.OperationalError) database or disk is full. The study goes on and "
                f"loses nothing; write what is missing later with {sync}."
            ),
            (
                f"MLflow at {view} has 0 of 12 runs of trials and confirmations, and not how the study ended. Nothing else is lost: "
                f"write what is missing with {sync}."
            ),
        ],
        "sync": [0, ""],
        "runs": ["FINISHED"] * 13,
    }
