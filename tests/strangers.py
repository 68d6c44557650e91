"""A store as a stranger could send it: a recorded study, files of which are replaced, and what lies around it."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

RECORDED = Path(__file__).parent / "data" / "store_82d44bc"
NAME = "small"
CANARY = """
from pathlib import Path

HERE = Path(__file__).parent / "ran"
HERE.touch()


def anything(*args, **kwargs):
    HERE.touch()


loss = make = load = score = Module = anything
"""


@dataclass(frozen=True)
class Around:
    """A store, and beside it what it has no business with.

    ``outside`` holds files of somebody else's; a module ``stranger_code`` there leaves a file ``ran`` when it is imported.
    ``out`` is where commands are told to write.
    """

    root: Path

    @classmethod
    def make(cls, place: Path, database: Path) -> Around:
        """Return what is around a copy of the recorded store, with a copy of an empty MLflow database."""
        found = cls(place)
        shutil.copytree(RECORDED, found.store)
        shutil.copy(database, found.store / "mlflow.db")
        found.out.mkdir()
        found.outside.mkdir()
        (found.outside / "stranger_code.py").write_text(CANARY)
        (found.outside / "diary.txt").write_text("not of the store")
        (found.outside / "folder").mkdir()
        for name in ("part-000000.parquet", "trial-000000.safetensors", "model.json", "study.json"):
            (found.outside / "folder" / name).write_text("not of the store")
        shutil.copy(found.study / "optuna.journal", found.outside / "whole.journal")
        with (found.outside / "whole.journal").open("ab") as file:
            file.write(b'{"torn')
        return found

    @property
    def store(self) -> Path:
        return self.root / "store"

    @property
    def study(self) -> Path:
        return self.store / "studies" / NAME

    @property
    def out(self) -> Path:
        return self.root / "out"

    @property
    def outside(self) -> Path:
        return self.root / "outside"

    def edit(self, file: str, change: Callable[[Any], object]) -> None:
        """Change what a JSON file of the study holds."""
        path = self.study / file
        plain = json.loads(path.read_text())
        change(plain)
        path.write_text(json.dumps(plain))

    def configure(self, **values: str) -> None:
        """Put values, as TOML, at keys of the recorded study file, as ``task__data='"x"'``; no text takes a key out."""

        def changed(plain: dict[str, Any]) -> None:
            for key, value in values.items():
                table, _, name = key.partition("__")
                lines = plain["config"].split("\n")
                lines = [line for line in lines if not line.startswith(f"{name} = ")]
                at = lines.index(f"[{table}]") + 1
                plain["config"] = "\n".join(
                    [*lines[:at], *([f"{name} = {value}"] if value else []), *lines[at:]]
                )

        self.edit("study.json", changed)

    def rename(self, old: str, new: str) -> None:
        """Give a name in every record of the study another form."""
        for path in self.study.rglob("*.json"):
            path.write_text(json.dumps(_renamed(json.loads(path.read_text()), old, new)))
        journal = self.study / "optuna.journal"
        lines = [json.dumps(_renamed(json.loads(x), old, new)) for x in journal.read_text().splitlines()]
        journal.write_text("".join(f"{line}\n" for line in lines))
        for path in self.study.rglob("*.parquet"):
            table = pq.read_table(path)
            pairs = [new if p == old else p for p in table["pair"].to_pylist()]
            at = table.schema.get_field_index("pair")
            pq.write_table(table.set_column(at, "pair", pa.array(pairs, pa.string())), path)


def _renamed(value: Any, old: str, new: str) -> Any:
    if isinstance(value, str):
        return value.replace(old, json.dumps(new)[1:-1] if value.startswith("{") else new)
    if isinstance(value, list):
        return [_renamed(v, old, new) for v in value]
    if isinstance(value, dict):
        return {_renamed(k, old, new): _renamed(v, old, new) for k, v in value.items()}
    return value


def snapshot(folder: Path) -> Mapping[str, tuple[int, int, str]]:
    """Return every file and directory with its mode, time of change and hash; links are not followed."""
    found = {}
    for path in [folder, *sorted(folder.rglob("*"))]:
        state = path.lstat()
        held = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
        what = str(path.readlink()) if path.is_symlink() else hashlib.sha256(held).hexdigest()
        found[str(path.relative_to(folder))] = (state.st_mode, state.st_mtime_ns, what)
    return found
