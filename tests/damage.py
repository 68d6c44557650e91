"""A store of two recorded studies, ways to damage a file of it, and what each command makes of that."""

from __future__ import annotations

import contextlib
import io
import json
import multiprocessing
import os
import re
import shutil
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq
from undrawn import draw_nothing

import lossearch
from lossearch.cli import invoke
from lossearch.records.claim import HOLDER, LOCKS

FORK = multiprocessing.get_context("fork")
_IMPORTED = (
    "mlflow.store.tracking.sqlalchemy_store",
    "mlflow.tracking",
    "lossearch.api.run_study",
    "lossearch.api.report_sources",
    "lossearch.report.html",
    "lossearch.report.markdown",
    "lossearch.training.plain.train",
    "optuna_dashboard._app",
    "optuna.importance",
    "pyarrow.dataset",
    "pytorch_lightning.trainer",
)
"""What processes that write need: imported once, not by each that is forked."""
SEARCH = ["--losses", "bce,hinge", "--activations", "sigmoid,identity", "--trials", "10", "--seeds", "2"]
SEARCH += ["--confirm-seeds", "3", "--epochs", "2", "--set", "records.weights='best'", "-q"]


@dataclass(frozen=True)
class Outcome:
    """What a command came to: its exit code, its answer, and what it said beside it."""

    code: int
    answer: str
    said: str

    def same(self, other: Outcome) -> bool:
        return (self.code, _timeless(self.answer)) == (other.code, _timeless(other.answer))


@dataclass(frozen=True)
class Recorded:
    """A store, and the copy of it that it is brought back from.

    Study "one" is in a journal and has a part of curves that is not joined yet; "two" is in an sqlite database.
    """

    root: Path
    whole: Path

    @classmethod
    def make(cls, place: Path, *, mlflow: bool) -> Recorded:
        """Record both studies, in a process of their own: MLflow keeps open what it has opened."""
        found = cls(place / "store", place / "whole")
        for name in _IMPORTED:
            import_module(name)
        maker = FORK.Process(target=found._record, args=(mlflow,))
        maker.start()
        maker.join()
        assert maker.exitcode == 0
        shutil.copytree(found.root, found.whole)
        return found

    def _record(self, mlflow: bool) -> None:
        draw_nothing()
        for name in ("one", "two"):
            assert invoke([*self.run(name), *([] if mlflow else ["--no-mlflow"])]) == 0
        folder = self.root / "studies" / "one"
        table, path = pq.read_table(folder / "search.parquet"), folder / "search.parquet"
        (folder / "search").mkdir(exist_ok=True)
        last = pc.equal(table["trial"], 9)
        pq.write_table(table.filter(last), folder / "search" / "part-000009.parquet")
        pq.write_table(table.filter(pc.invert(last)), path)
        died = {"host": socket.gethostname(), "pid": 2**22 - 1, "since": 1.0}
        (folder / HOLDER).write_text(json.dumps(died))

    def run(self, name: str) -> list[str]:
        """Return the command by which a study is run."""
        data = {"one": "circles", "two": "moons"}[name]
        storage = ["--storage", f"sqlite:///{self.root}/optuna.db"] if name == "two" else []
        return ["run", "--data", data, "--name", name, "--store", str(self.root), *SEARCH, *storage]

    def files(self) -> list[Path]:
        """Return every file of the store, by its place in it, but for the second study's own and MLflow's artifacts."""
        found = [p.relative_to(self.whole) for p in sorted(self.whole.rglob("*")) if p.is_file()]
        return [p for p in found if p.parts[0] != "artifacts" and p.parts[:2] != ("studies", "two")]

    def reset(self) -> None:
        """Bring the store back."""
        shutil.rmtree(self.root)
        shutil.copytree(self.whole, self.root)

    def command(self, *arguments: str) -> Outcome:
        """Run a command on the store."""
        answer, said = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(answer), contextlib.redirect_stderr(said):
            code = invoke([*arguments, "--store", str(self.root)])
        return Outcome(code, answer.getvalue(), said.getvalue())

    def forked(self, *arguments: str) -> Outcome:
        """Run a command in a process of its own, which has nothing open yet.

        Figures that it attaches are empty: whether what is damaged can be drawn is asked by commands that read.
        """
        receiver, sender = FORK.Pipe(duplex=False)

        def sent() -> None:
            draw_nothing()
            sender.send(self.command(*arguments))

        child = FORK.Process(target=sent)
        child.start()
        sender.close()
        try:
            assert receiver.poll(300), f"{arguments} takes minutes"
            found: Outcome = receiver.recv()
        finally:
            child.kill()
            child.join()
        return found

    def loaded(self, name: str) -> Outcome:
        """Return what Python is given."""
        try:
            result = lossearch.load(name, self.root)
            sentences = result.verdict and result.verdict.sentences
            found = (result.leaderboard.to_json(), result.tied, sentences, result.since)
        except lossearch.LossearchError as error:
            return Outcome(error.exit_code, "", str(error))
        return Outcome(0, repr(found), "")


def fault_of(expected: Outcome, found: Outcome, file: Path) -> str:
    """Return what is wrong with how a command met a damaged file, "" where nothing is.

    It may answer as if nothing had happened; else it names the file, whatever it answers.
    """
    both = found.answer + found.said
    if "not expected" in both or "Traceback" in both:
        return f"crashed: {both[-300:]}"
    if found.same(expected):
        return ""
    # of a part that is gone nothing says that it was one: the joined file is named, which lacks its curves
    places = (file, *([file.parent.with_suffix(".parquet")] if file.name.startswith("part-") else []))
    named = any(_unfolded(str(place)) in _unfolded(both) for place in places)
    return "" if named else f"does not name the file, code {found.code}: {both[-300:]}"


def _unfolded(text: str) -> str:
    return re.sub(r"\s", "", text)


def _timeless(text: str) -> str:
    return re.sub(r"\d+(\.\d+)? ?m?s\b|\d\d:\d\d(:\d\d)?", "", text)


def _middle(path: Path) -> None:
    held = bytearray(path.read_bytes())
    third = len(held) // 3
    held[third : 2 * third] = bytes(third)
    path.write_bytes(bytes(held))


def _directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _cut(path: Path, by: int | None = None) -> None:
    size = path.stat().st_size
    os.truncate(path, max(0, size - by) if by else size // 2)


def _text(text: str) -> Callable[[Path], Any]:
    return lambda path: path.write_text(text)


BYTES: Mapping[str, Callable[[Path], Any]] = {
    "absent": lambda path: path.unlink(),
    "empty": lambda path: path.write_bytes(b""),
    "cut in half": _cut,
    "its end cut": lambda path: _cut(path, 100),
    "zeroed": lambda path: path.write_bytes(bytes(path.stat().st_size or 64)),
    "zeroed in the middle": _middle,
    "noise": lambda path: path.write_bytes(os.urandom(path.stat().st_size or 64)),
    "a directory": _directory,
}
SHAPES: Mapping[str, Callable[[Path], Any]] = {text: _text(text) for text in ("[]", "{}", "null", "7", '"x"')}
DAMAGES = {**BYTES, **SHAPES}


def fits(file: Path, damage: str) -> bool:
    """Whether a damage is one of a file: only what is JSON is another JSON."""
    return damage not in SHAPES or file.suffix in (".json", ".journal")


def state(path: Path) -> bytes | str:
    """Return what is at a path."""
    return "directory" if path.is_dir() else path.read_bytes() if path.exists() else "nothing"


def kept_files(folder: Path) -> dict[str, bytes]:
    """Return every file of a directory but locks."""
    names = LOCKS | {"optuna.journal.lock", ".search.lock", ".confirm.lock"}
    return {
        str(p.relative_to(folder)): p.read_bytes()
        for p in sorted(folder.rglob("*"))
        if p.is_file() and p.name not in names
    }
