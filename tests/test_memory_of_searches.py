"""Many searches in one process: what they took is given back."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
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

def searched(numbers, store_of):
    for i in numbers:
        store = store_of(i)
        result = lossearch.search(x, y, **quick, name=f"study-{i}", listener=Listener(), store=store)
        result.model.predict(x)
    return held()

one_store = lambda i: "store"
# caches of bounded size are full after a dozen
found = [searched(range(15), one_store), searched(range(15, 45), one_store)]
print(json.dumps([*found, searched(range(45, 53), lambda i: f"store-{i}")]))
"""


@dataclass(frozen=True)
class Held:
    """What a process has: mebibytes, objects, open files, threads."""

    rss: float
    objects: int
    files: int
    threads: int


def grown_at_most(before: Held, after: Held, *, searches: int, objects: int, mib: float) -> None:
    """Assert how much searches took for good."""
    assert after.rss - before.rss < searches * mib
    assert after.objects - before.objects < searches * objects
    assert after.files == before.files
    # pools of bounded size, such as Arrow's, start a thread when they first need it
    assert after.threads - before.threads < searches / 2


@pytest.mark.slow
def test_memory_does_not_grow_over_many_searches(tmp_path: Path) -> None:
    """In one store, and in one each."""
    done = subprocess.run(
        [sys.executable, "-c", SEARCHES],
        cwd=tmp_path,
        env={**os.environ, "MALLOC_ARENA_MAX": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    warm, one_store, a_store_each = (Held(*found) for found in json.loads(done.stdout.splitlines()[-1]))
    # objects are counted to the last; the allocator gives back what it likes, and a thread of Arrow's takes some MiB
    grown_at_most(warm, one_store, searches=30, objects=200, mib=0.8)
    # MLflow keeps an SQLAlchemy engine, with the statements it compiled, for every database that its process has met
    grown_at_most(one_store, a_store_each, searches=8, objects=12_000, mib=3.0)
