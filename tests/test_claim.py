"""A study is held by one process: who holds it is told, and a dead holder's study is taken over."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from test_records import postgres_url

from lossearch.errors import StudyRunningError
from lossearch.records.claim import HOLDER, Holder, claim, holder
from lossearch.records.store import Store

__all__ = ["postgres_url"]
HOLDS = """
import sys
from lossearch.records.claim import claim
from lossearch.records.store import Store
with claim(Store.open(sys.argv[1]), "one", sys.argv[2] or None):
    print("held", flush=True)
    sys.stdin.read()
"""


def held_by_another(store, storage=""):
    """Return a process that holds study "one"."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDS, str(store.root), storage],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_a_live_holder_is_named(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    process = held_by_another(store)
    with pytest.raises(StudyRunningError) as error, claim(store, "one"):
        raise AssertionError
    assert f"is being run by process {process.pid} on {socket.gethostname()} (since 20" in str(error.value)
    process.communicate("")
    assert holder(store, "one") is None
    with claim(store, "one"):
        assert holder(store, "one") == Holder(socket.gethostname(), os.getpid(), holder(store, "one").since)


def test_a_dead_holder_is_told_and_its_study_taken_over(tmp_path: Path) -> None:
    store, notes = Store.open(tmp_path), []
    process = held_by_another(store)
    process.send_signal(signal.SIGKILL)
    process.wait()
    with claim(store, "one", note=notes.append):
        assert holder(store, "one").pid == os.getpid()
    (note,) = notes
    assert note.startswith(f"Process {process.pid} on ")
    assert note.endswith("ended without closing this study; it goes on from what is recorded.")
    with claim(store, "one", note=notes.append):
        pass
    assert len(notes) == 1


@pytest.mark.parametrize(
    "written",
    [
        "",
        "[]",
        '{"host": 1}',
        "\x00\xff",
        *(
            json.dumps({"host": "a", "pid": 1, "since": 1.0} | odd)
            for odd in ({"since": 1e300}, {"since": -1}, {"since": "x"}, {"pid": -1}, {"host": []})
        ),
    ],
)
def test_a_damaged_note_of_a_holder_hinders_nobody(written, tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    store.study_dir("one").mkdir()
    (store.study_dir("one") / HOLDER).write_text(written)
    with claim(store, "one"):
        assert holder(store, "one").pid == os.getpid()


@pytest.mark.slow
def test_one_database_holds_a_study_against_other_machines(tmp_path: Path, postgres_url: str) -> None:
    """Two stores stand for two machines that share nothing but the database."""
    here, there = Store.open(tmp_path / "here"), Store.open(tmp_path / "there")
    process = held_by_another(there, postgres_url)
    named = rf"lossearch {process.pid} {socket.gethostname()}, connected from 127.0.0.1"
    with pytest.raises(StudyRunningError, match=named), claim(here, "one", postgres_url):
        raise AssertionError
    with claim(here, "another", postgres_url):
        pass
    process.send_signal(signal.SIGKILL)
    process.wait()
    with (
        claim(here, "one", postgres_url),
        pytest.raises(StudyRunningError),
        claim(there, "one", postgres_url),
    ):
        raise AssertionError


def test_what_a_killed_process_left_half_written_goes_and_nothing_else(store: Path) -> None:
    opened = Store.open(store)
    folder = opened.study_dir("study")
    half = [
        ".study.json.0a1b2c3d.tmp",
        ".confirm.parquet.0a1b2c3d.tmp",
        ".search.parquet.0a1b2c3d.tmp",
        "search/.part-000001.parquet.0a1b2c3d.tmp",
        "weights/.trial-000004.safetensors.0a1b2c3d.tmp",
    ]
    others = [".diary.tmp", "search/notes.tmp", "search/part-000001.parquet", ".search.lock"]
    for name in (*half, *others):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    with claim(opened, "study"):
        left = {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}
    assert left >= set(others)
    assert not left & set(half)
