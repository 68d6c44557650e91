"""Whatever is called, and however it ends, leaves the caller's process as it was."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

TRAIN = """
import json, sys
from pathlib import Path
from process_state import differences, state

workers, *libraries = sys.argv[1:]
for library in libraries:
    __import__(library)
import lossearch

found = {}

def call(name, function):
    before = state()
    try:
        given = function()
    except BaseException as ending:
        given, name = None, f"{name}: {type(ending).__name__}"
    found[name] = differences(before, state())
    return given

def first():
    import lossearch.api
    return lossearch.search

def table():
    import numpy as np
    x = np.random.default_rng(0).normal(size=(80, 3))
    return x, (x[:, 0] > 0).astype(int)

x, y = table()
quick = {"trials": 10, "seeds": 1, "confirm_seeds": 2, "epochs": 2, "store": "store", "workers": int(workers)}
quick |= {"pairs": ["bce/sigmoid", "mse/sigmoid"]}

searched = call("search", lambda: lossearch.search(x, y, **quick, name="study"))
call("fit", lambda: searched.fit("train+validation").predict(x))
call("rerun", lambda: searched.rerun(1))
"""

REST = """
loaded = call("load", lambda: lossearch.load("study", "store"))
call("read", lambda: (loaded.render(), loaded.as_json(), loaded.leaderboard, loaded.report(), loaded.model.predict(x)))
call("save", lambda: (searched.save(Path("saved")), searched.model.save("model")))
call("load_model", lambda: lossearch.load_model("model").predict(x))
call("compare", lambda: lossearch.compare(["study", "study"], store="store"))
call("sync", lambda: lossearch.api.sync("study", "store"))
call("export", lambda: lossearch.api.export("study", "exported", "store"))
call("register", lambda: lossearch.api.register("study", "exported", "store"))

from lossearch.cli import invoke

ran = "run --data circles --losses bce --trials 5 --seeds 1 --epochs 2 --confirm-seeds 2 --store store --quiet"
call("command run", lambda: invoke(ran.split()))
call("command report", lambda: invoke("report circles --format html --output page.html --store store".split()))
call("command sync", lambda: invoke("sync circles --store store".split()))
call("command rm", lambda: invoke("rm circles --yes --store store".split()))
"""

ENDINGS = """
from lossearch.study.progress import Listener

class Raises(Listener):
    def __init__(self, what):
        self.what = what

    def trial_done(self, *_):
        raise self.what

for ending in (KeyboardInterrupt(), RuntimeError("x"), SystemExit(3)):
    call("ended", lambda: lossearch.search(x, y, **quick, name=f"by{type(ending).__name__}", listener=Raises(ending)))
call("refused", lambda: lossearch.search(x, y, **quick | {"trials": 3}, name="refused"))
options = {"losses": ["bce"], "trials": 5, "seeds": 1, "epochs": 2, "random_state": 0}
call("estimator", lambda: lossearch.LossSearchClassifier(**options).fit(x, y).predict(x))
print(json.dumps(found))
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("calls", "arguments"),
    [
        ((TRAIN, REST, ENDINGS), ["1"]),
        # what does not train has no workers
        ((TRAIN, ENDINGS), ["2"]),
        (
            (TRAIN, REST, ENDINGS),
            [
                "1",
                "torch",
                "sklearn",
                "matplotlib.pyplot",
                "optuna",
                "mlflow",
                "pytorch_lightning",
                "alembic",
            ],
        ),
    ],
    ids=["nothing imported", "two workers", "all imported"],
)
def test_a_call_leaves_the_process_as_it_was(
    calls: tuple[str, ...], arguments: list[str], tmp_path: Path
) -> None:
    paths = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    environment = {**os.environ, "PYTHONPATH": paths, "MLFLOW_DISABLE_TELEMETRY": "true"}
    done = subprocess.run(
        [sys.executable, "-c", "".join(calls), *arguments],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert {name: left for name, left in found.items() if left} == {}
    raised = {name.partition(": ")[2] for name in found} - {""}
    assert raised == {"KeyboardInterrupt", "RuntimeError", "RunFailedError", "InputError"}
