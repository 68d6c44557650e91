"""A stranger's store is safe to open: reading it runs no code, and nothing outside of it is opened or changed."""

from __future__ import annotations

import json
import os
import socketserver
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from strangers import NAME, RECORDED, Around, snapshot

import lossearch
from lossearch import api
from lossearch.cli import invoke
from lossearch.config import KEYS, make_config, parse_toml
from lossearch.errors import InputError, LossearchError, StoreError
from lossearch.records.mlflow.client import quiet
from lossearch.records.mlflow.database import ensure_database
from lossearch.study.named_code import named_code

CODE = "stranger_code"


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("made") / "mlflow.db"
    with quiet():
        ensure_database(path, path.parent / "artifacts")
    return path


@pytest.fixture
def around(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, database: Path) -> Iterator[Around]:
    """A store among other things; the stranger's code could be imported by its name."""
    found = Around.make(tmp_path / "around", database)
    monkeypatch.chdir(found.out)
    monkeypatch.syspath_prepend(str(found.outside))
    yield found
    sys.modules.pop(CODE, None)
    sys.modules.pop(f"lossearch_file_{CODE}", None)


def everything(result: lossearch.Result) -> None:
    """Look at all that a loaded study shows."""
    result.as_json()
    result.render()
    repr(result)
    for what in ("best", "tuned", "curves", "pareto", "ladder", "study", "published", "model", "module"):
        with suppress(LossearchError):
            getattr(result, what)
    with suppress(LossearchError):
        result.best.criterion()
    for trial in result.trials[-1:]:
        with suppress(LossearchError):
            result.rerun(trial.number)
    with suppress(LossearchError):
        result.report()


def look(around: Around) -> None:
    """Open a store by every command and function that reads one."""
    store = ["--store", str(around.store)]
    for arguments in (
        ["ls", *store],
        ["report", NAME, *store],
        ["compare", NAME, NAME, *store],
        ["export", NAME, "model", *store],
        ["rerun", NAME, "9", *store],
        ["sync", NAME, *store],
    ):
        invoke(arguments)
    with suppress(LossearchError):
        everything(lossearch.load(NAME, around.store))
    with suppress(LossearchError):
        api.remove(NAME, around.store)


def write(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)
    path.write_text(text)


def foreign_network(around: Around, **changes: Any) -> None:
    for pair in ("bce--sigmoid", "focal--sigmoid"):
        around.edit(f"models/{pair}/model.json", lambda card: card.update(changes))


def factory(card: dict[str, Any]) -> None:
    card["network"]["factory"] = f"{CODE}:make"


ATTACKS: dict[str, Callable[[Around], object]] = {
    "data": lambda a: a.configure(task__data=f'"{CODE}:load"', task__data_options="{}"),
    "data of a file": lambda a: a.configure(
        task__data=f'"{a.outside}/{CODE}.py:load"', task__data_options="{}"
    ),
    "network": lambda a: a.configure(task__model=f'"{CODE}:make"', task__hidden=""),
    "network with a dot": lambda a: a.configure(task__model=f'"{CODE}.make"', task__hidden=""),
    "metric": lambda a: a.configure(task__metric=f'"{CODE}:score"', task__direction='"maximize"'),
    "metrics": lambda a: a.configure(task__metrics=f'["{CODE}:score"]', task__direction='"maximize"'),
    "losses": lambda a: a.configure(space__losses=f'["bce", "{CODE}:loss"]'),
    "pairs": lambda a: a.configure(space__pairs=f'["bce/sigmoid", "{CODE}:loss/identity"]'),
    "module": lambda a: a.configure(task__module=f'"{CODE}:Module"', task__datamodule=f'"{CODE}:Module"'),
    "published": lambda a: a.edit(
        "study.json",
        lambda s: s.update(
            config=s["config"] + f'[[published]]\npair = "bce/sigmoid"\nlabel = "x"\nmetric = "{CODE}:score"\n'
        ),
    ),
    "factory of the models": lambda a: [
        a.edit(f"models/{p}/model.json", factory) for p in ("bce--sigmoid", "focal--sigmoid")
    ],
    "loss of the models": lambda a: foreign_network(a, loss=f"{CODE}:loss"),
    "pairs of the records": lambda a: a.rename("bce/sigmoid", f"{CODE}:loss/sigmoid"),
    "pairs of the records, with a dot": lambda a: a.rename("focal/sigmoid", f"{CODE}.loss/sigmoid"),
    "another study's name": lambda a: a.edit("study.json", lambda s: s.update(name="../../outside")),
    "another kind": lambda a: a.rename("binary", "../../outside/x"),
    "storage": lambda a: a.edit("study.json", lambda s: s.update(storage=f"sqlite:///{a.outside}/new.db")),
    "storage by a driver": lambda a: a.edit(
        "study.json", lambda s: s.update(storage=f"sqlite+pysqlite:///{a.store}/../outside/new.db")
    ),
    "storage by a file: address": lambda a: a.edit(
        "study.json", lambda s: s.update(storage=f"sqlite:///file:{a.outside}/new.db?mode=rwc&uri=true")
    ),
    "tracking": lambda a: a.edit("study.json", lambda s: s.update(tracking_uri=f"sqlite:///{a.outside}/new.db")),
    "weights elsewhere": lambda a: foreign_network(
        a, weights={"file": "../../../../../outside/diary.txt", "blake2b": ""}
    ),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("attack", ATTACKS)
def test_nothing_that_records_name_is_run_or_opened(
    around: Around, attack: str, capsys: pytest.CaptureFixture[str]
) -> None:
    ATTACKS[attack](around)
    before = snapshot(around.outside)
    look(around)
    assert CODE not in sys.modules
    assert snapshot(around.outside) == before
    assert {p.name for p in around.root.iterdir()} == {"store", "out", "outside"}
    assert "not expected" not in capsys.readouterr().err


class _Door(socketserver.ThreadingTCPServer):
    """A server that counts who comes, and lets nobody in."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), socketserver.BaseRequestHandler)
        self.came = 0

    def process_request(self, request: Any, client_address: Any) -> None:
        self.came += 1
        super().process_request(request, client_address)


@pytest.fixture
def door() -> Iterator[_Door]:
    with _Door() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.mark.slow
def test_no_server_that_records_name_is_asked_unless_it_is_given(around: Around, door: _Door) -> None:
    at = f"127.0.0.1:{door.server_address[1]}"
    storage, tracking = f"postgresql+psycopg2://me@{at}/db", f"http://{at}"
    around.edit("study.json", lambda s: s.update(tracking_uri=tracking))
    look(around)
    around.edit("study.json", lambda s: s.update(storage=storage))
    look(around)
    invoke(["rm", NAME, "--yes", "--store", str(around.store), "--storage", storage])
    invoke(["rm", NAME, "--yes", "--store", str(around.store), "--tracking-uri", tracking])
    assert door.came == 0
    store = ["--store", str(around.store), "--storage", storage]
    for words in (
        ["ls"],
        ["report", NAME],
        ["compare", NAME, NAME],
        ["rerun", NAME, "9"],
        ["export", NAME, "m"],
    ):
        came = door.came
        invoke([*words, *store])
        assert door.came > came, words
    for words in (["sync", NAME], ["rm", NAME, "--yes"]):
        came = door.came
        assert invoke([*words, *store, "--tracking-uri", tracking]) == 2
        assert door.came > came, words
    assert around.study.is_dir()


def test_the_attacks_reach_all_code_that_a_study_file_can_name() -> None:
    keys = {key.path for key in KEYS if key.option.code}
    text = {
        "task.data": "f:f", "task.metric": "f:f", "task.metrics": ["f:f"], "task.model": "f:f", "task.module": "f:f",
        "task.datamodule": "f:f", "space.losses": ["f:f"], "space.pairs": ["f:f/identity"],
    }  # fmt: skip
    assert keys == text.keys()
    for path, value in text.items():
        table, _, name = path.partition(".")
        other = {"module": "g:g"} if name == "datamodule" else {} if name == "module" else {"data": "circles"}
        tables = (
            {"task": other} | {table: {name: value}} if table != "task" else {"task": {**other, name: value}}
        )
        found = named_code(make_config(tables), "binary")
        assert found.pop("f:f") == name
        assert list(found) == [v for k, v in other.items() if k == "module"]
    plain = json.loads((RECORDED / "studies" / NAME / "study.json").read_text())["config"]
    assert named_code(make_config(parse_toml(plain, "")), "binary") == {}


PLACES = sorted(
    str(p.relative_to(RECORDED / "studies" / NAME)) for p in (RECORDED / "studies" / NAME).rglob("*")
)
MORE = (".lock", ".running", ".holder.json", "optuna.journal.lock", "search", ".search.lock")


@pytest.mark.parametrize("where", ["diary.txt", "folder", "whole.journal", "new.txt"])
@pytest.mark.parametrize("place", [*PLACES, *MORE])
def test_no_link_in_a_store_is_followed(
    around: Around, place: str, where: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = around.study / place
    if path.is_dir():
        path.rename(around.root / "out" / "aside")
    path.unlink(missing_ok=True)
    path.symlink_to(around.outside / where)
    before = snapshot(around.outside)
    assert invoke(["ls", "--store", str(around.store)]) == 0
    for command in ("report", "sync"):
        assert invoke([command, NAME, "--store", str(around.store)]) == 2
        said = capsys.readouterr().err
        link = f"{path} is a link to {around.outside / where}. A store holds its files itself"
        assert link in said
    with pytest.raises(InputError, match="is a link to"):
        api.remove(NAME, around.store)
    with pytest.raises(StoreError, match="is a link to"):
        api.run(
            make_config({"task": {"data": "circles"}, "records": {"store": str(around.store), "name": NAME}})
        )
    assert snapshot(around.outside) == before


@pytest.mark.parametrize("place", ["studies", "store.json"])
def test_nor_one_at_its_top(around: Around, place: str) -> None:
    (around.store / place).rename(around.outside / "moved")
    (around.store / place).symlink_to(around.outside / "moved")
    before = snapshot(around.outside)
    for open_it in (lambda: api.studies(around.store), lambda: lossearch.load(NAME, around.store)):
        with pytest.raises(StoreError, match="is a link to"):
            open_it()
    assert snapshot(around.outside) == before


def test_a_pipe_does_not_hold_up_whoever_reads(around: Around) -> None:
    (around.study / "optuna.journal").unlink()
    os.mkfifo(around.study / "optuna.journal")
    with pytest.raises(StoreError, match="neither a file nor a directory"):
        lossearch.load(NAME, around.store)


# what is named is used


def test_storage_that_is_named_is_read_and_not_written(around: Around) -> None:
    place = around.outside / "trials.db"
    url = f"sqlite:///{place}"
    import optuna

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(optuna.logging, "get_verbosity", lambda: optuna.logging.WARNING)
        kept = lossearch.load(NAME, around.store).study
    optuna.copy_study(
        from_study_name=NAME, to_study_name=NAME, from_storage=kept._storage, to_storage=optuna.storages.RDBStorage(url)
    )  # fmt: skip
    around.edit("study.json", lambda s: s.update(storage=url))
    before = snapshot(around.outside)
    with pytest.raises(StoreError) as error:
        lossearch.load(NAME, around.store)
    assert str(error.value) == (
        f"Study 'small' is recorded in {url}, outside of the store, which is not opened unasked. Where you know it, say "
        f"so: storage={url!r}."
    )
    (row,) = api.studies(around.store)
    assert row["problem"] == str(error.value)
    found = lossearch.load(NAME, around.store, storage=url)
    assert len(found.trials) == 10
    (row,) = api.studies(around.store, storage=[url])
    assert row["problem"] == ""
    assert snapshot(around.outside) == before
    # and one in the store needs no naming
    place.rename(around.store / "trials.db")
    around.edit("study.json", lambda s: s.update(storage=f"sqlite:///{around.store}/trials.db"))
    assert len(lossearch.load(NAME, around.store).trials) == 10


def test_code_that_is_named_is_run(around: Around) -> None:
    ATTACKS["network"](around)
    with pytest.raises(InputError, match=f"trust='{CODE}:make'"):
        api.rerun(NAME, 9, around.store)
    assert not (around.outside / "ran").exists()
    with pytest.raises(LossearchError, match="model"):
        api.rerun(NAME, 9, around.store, trust=f"{CODE}:make")
    assert (around.outside / "ran").exists()


def test_a_journal_with_a_torn_line_is_read_as_it_is(around: Around) -> None:
    journal = around.study / "optuna.journal"
    with journal.open("ab") as file:
        file.write(b'{"torn')
    before = snapshot(around.store)
    assert len(lossearch.load(NAME, around.store).trials) == 10
    assert snapshot(around.store) == before


def test_reading_writes_nothing_into_a_store(around: Around, tmp_path: Path) -> None:
    before = snapshot(around.store)
    store = ["--store", str(around.store)]
    for arguments in (
        ["ls", *store],
        ["report", NAME, *store],
        ["report", NAME, *store, "--format", "html", "--output", "page.html"],
        ["report", NAME, *store, "--format", "markdown", "--output", "page.md"],
        ["export", NAME, "model", *store],
    ):
        assert invoke(arguments) == 0, arguments
    everything(lossearch.load(NAME, around.store))
    assert snapshot(around.store) == before
    with pytest.raises(StoreError, match="was opened to be read"):
        lossearch.load(NAME, around.store).study.set_user_attr("a", 1)
