"""Many searches in one process: what they took is given back."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SEARCHES = """
import gc, json, sys
import numpy as np
import psutil

import lossearch
from lossearch.study.progress import Listener

x = np.random.default_rng(0).normal(size=(80, 3))
y = (x[:, 0] > 0).astype(int)
quick = {"pairs": ["bce/sigmoid"], "trials": 5, "seeds": 1, "confirm_seeds": 2, "epochs": 1, "workers": 1}

def held():
    gc.collect()
    process = psutil.Process()
    return process.memory_info().rss / 2**20, len(gc.get_objects()), process.num_fds(), process.num_threads()

def searched(numbers):
    for i in numbers:
        result = lossearch.search(x, y, **quick, name=f"study-{i}", listener=Listener(), store=STORE)
        result.model.predict(x)
    return held()

# caches of bounded size are full after a dozen
warm = searched(range(15))
print(json.dumps([warm, searched(range(15, UNTIL))]))
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("store", "until", "objects_each", "mib_each"),
    # MLflow keeps an SQLAlchemy engine, with the statements it compiled, for every database that its process has met
    [("'store'", 45, 200, 0.4), ("f'store-{i}'", 23, 12_000, 3.0)],
    ids=["one store", "a store each"],
)
def test_memory_does_not_grow_over_many_searches(
    store: str, until: int, objects_each: int, mib_each: float, tmp_path: Path
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SEARCHES.replace("STORE", store).replace("UNTIL", str(until))],
        cwd=tmp_path,
        env={**os.environ, "MALLOC_ARENA_MAX": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    (rss, objects, files, threads), (later, more, open_files, running) = json.loads(
        done.stdout.splitlines()[-1]
    )
    assert later - rss < (until - 15) * mib_each
    assert more - objects < (until - 15) * objects_each
    assert open_files == files
    # pools of bounded size, such as Arrow's, start a thread when they first need it
    assert running - threads < (until - 15) / 2
