"""Whatever a file of a store has become, every command says so or does not need it; and a repair keeps what was there."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from damage import DAMAGES, Outcome, Recorded, fault_of, fits, kept_files, state

import lossearch
from lossearch import api
from lossearch.api.mending import Repaired
from lossearch.confirm.confirmation import VERDICT
from lossearch.errors import StudyRunningError
from lossearch.records import Store
from lossearch.records.claim import HOLDER, LOCKS, claim
from lossearch.report.html import to_html

ANSWERS = ("ls", "report", "load")
"""What is compared of a study before damage and after repair."""


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    return Recorded.make(tmp_path_factory.mktemp("damaged"), mlflow=False)


@pytest.fixture(scope="module")
def whole(recorded: Recorded) -> dict[tuple[str, str], Outcome]:
    return answers(recorded, ANSWERS)


@pytest.fixture(scope="module")
def viewed(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    return Recorded.make(tmp_path_factory.mktemp("damaged"), mlflow=True)


@pytest.fixture(scope="module")
def viewed_whole(viewed: Recorded) -> dict[tuple[str, str], Outcome]:
    return answers(viewed, (*READING, *WRITING))


def answers(recorded: Recorded, commands: Iterable[str]) -> dict[tuple[str, str], Outcome]:
    """Return what commands come to on the store as it was recorded."""
    found = {}
    for study in ("one", "two"):
        for command in commands:
            recorded.reset()
            found[command, study] = asked(recorded, command, study)
    return found


def asked(recorded: Recorded, command: str, study: str) -> Outcome:
    """Return what a command comes to; those that open MLflow run in a process of their own."""
    other = "two" if study == "one" else "one"
    page = f"{recorded.root.parent}/page.html"
    arguments = {
        "ls": ["ls"],
        "report": ["report", study, "--format", "json"],
        "table": ["report", study],
        "markdown": ["report", study, "--format", "markdown"],
        "html": ["report", study, "--format", "html", "--output", page],
        "compare": ["compare", study, other],
        "rerun": ["rerun", study, "8"],
        "rerun confirmed": ["rerun", study, "confirm:bce/sigmoid"],
        "workers": ["workers", study],
        "sync": ["sync", study],
        "run": recorded.run(study),
        "rm": ["rm", study, "--yes"],
    }
    if command == "load":
        return recorded.loaded(study)
    ask = recorded.forked if command in WRITING else recorded.command
    return ask(*arguments[command])


READING = (*ANSWERS, "workers", "table", "markdown", "html", "compare", "rerun", "rerun confirmed")
WRITING = ("sync", "run", "rm")


def in_turn(commands: Sequence[str], file: int, damage: str) -> tuple[str, ...]:
    """Return one of many commands, so that each meets each file, and each damage, in one case or another."""
    return (commands[(file + 5 * list(DAMAGES).index(damage)) % len(commands)],)


def faults(
    recorded: Recorded,
    expected: Mapping[tuple[str, str], Outcome],
    damage: str,
    commands: Sequence[str],
    some: Callable[[Sequence[str], int, str], Iterable[str]] = lambda every, *_: every,
) -> dict[str, str]:
    """Return what is wrong with how commands, or some of them, meet a damage of every file, by file and command."""
    found = {}
    for place, file in enumerate(recorded.files()):
        if not fits(file, damage) or (file.name, damage) == (HOLDER, "absent"):  # nobody holds it then
            continue
        for command in some(commands, place, damage):
            recorded.reset()
            DAMAGES[damage](recorded.root / file)
            before = state(recorded.root / file)
            outcome = asked(recorded, command, study_of(file))
            wrong = fault_of(expected[command, study_of(file)], outcome, recorded.root / file)
            replaced = state(recorded.root / file) != before and not kept(recorded.root / file, before)
            if replaced and command != "rm" and before not in ("nothing", b"") and file.name not in LOCKS:
                wrong += " replaced what was damaged"
            if wrong:
                found[f"{file}, {command}"] = wrong
    recorded.reset()
    return found


def study_of(file: Path) -> str:
    """Return the study that a file matters to."""
    return "two" if file.name == "optuna.db" else "one"


def kept(path: Path, held: bytes | str) -> bool:
    """Whether what was at a path is beside it now, or in what was its directory."""
    beside = path.parent.glob(f"{path.name}.damaged-*")
    inside = path.parent.parent.glob(f"{path.parent.name}.damaged-*/{path.name}")
    return any(state(p) == held for p in (*beside, *inside))


@pytest.mark.parametrize("damage", ["absent", "cut in half", "[]"])
def test_what_is_damaged_is_named_or_not_needed(
    recorded: Recorded, whole: dict[tuple[str, str], Outcome], damage: str
) -> None:
    assert faults(recorded, whole, damage, ("ls", "report")) == {}


@pytest.mark.slow
@pytest.mark.parametrize("damage", DAMAGES)
def test_what_is_damaged_is_named_or_not_needed_by_every_command(
    viewed: Recorded, viewed_whole: dict[tuple[str, str], Outcome], damage: str
) -> None:
    assert faults(viewed, viewed_whole, damage, (*READING, *WRITING), in_turn) == {}


def repaired(recorded: Recorded, file: Path, damage: str) -> tuple[Repaired, ...]:
    """Damage a file and repair it; check what is said beforehand, and that nothing is deleted."""
    recorded.reset()
    path, study = recorded.root / file, study_of(file)
    DAMAGES[damage](path)
    held, before = state(path), kept_files(recorded.root)
    foretold = api.repair(study, recorded.root, dry_run=True)
    assert {n: h for n, h in kept_files(recorded.root).items() if HOLDER not in n} == {
        n: h for n, h in before.items() if HOLDER not in n
    }, "a dry run changes nothing"
    found = api.repair(study, recorded.root)
    assert [str(f) for f in found] == [str(f) for f in foretold]
    assert held == "nothing" or state(path) == held or kept(path, held) or file.name == HOLDER
    return found


MADE_AGAIN = ("store.json", "optuna.journal", "optuna.db", "verdict.json")
"""Files of which nothing is lost, since the others hold what they held."""
TRAINED_AGAIN = ("confirm.json", "confirm.parquet", "predictions.parquet")
"""Files that going on with the study makes again."""


@pytest.mark.parametrize("name", MADE_AGAIN)
@pytest.mark.parametrize("damage", ["absent", "cut in half", "zeroed in the middle"])
def test_what_the_others_hold_is_made_again(
    recorded: Recorded, whole: dict[tuple[str, str], Outcome], name: str, damage: str
) -> None:
    file = next(f for f in recorded.files() if f.name == name)
    found = repaired(recorded, file, damage)
    assert [(f.path, f.whole) for f in found] == [(recorded.root / file, True)]
    assert api.repair(study_of(file), recorded.root) == (), "it is whole now"
    for command in ANSWERS:
        assert asked(recorded, command, study_of(file)).same(whole[command, study_of(file)])


@pytest.mark.parametrize("name", TRAINED_AGAIN)
def test_what_only_training_gives_is_given_by_the_same_command(
    recorded: Recorded, whole: dict[tuple[str, str], Outcome], name: str
) -> None:
    found = repaired(recorded, Path("studies", "one", name), "cut in half")
    assert not found[0].whole
    assert "trains the confirmed pairs again" in found[0].done
    assert recorded.command("report", "one", "--format", "json").code == 0
    assert recorded.forked(*recorded.run("one"), "--no-mlflow").code == 0
    for command in ANSWERS:
        assert asked(recorded, command, "one").same(whole[command, "one"])


@pytest.mark.slow
@pytest.mark.parametrize("damage", DAMAGES)
def test_after_a_repair_every_command_works_and_the_same_run_gives_the_same_answer(
    viewed: Recorded, viewed_whole: dict[tuple[str, str], Outcome], damage: str
) -> None:
    recorded, expected = viewed, viewed_whole
    # each file after some damages: as many runs as there are of both would take an hour
    every, turn = [f for f in recorded.files() if fits(f, damage)], list(DAMAGES).index(damage)
    for place, file in enumerate(every):
        if (place + turn) % 10:
            continue
        study = study_of(file)
        repaired(recorded, file, damage)
        read = in_turn(READING, place, damage)
        codes = {command: asked(recorded, command, study).code for command in (*read, "run", "sync")}
        assert set(codes.values()) == {0}, (file, codes)
        for command in ("ls", "report", "load"):
            assert asked(recorded, command, study).same(expected[command, study]), (file, command)


def test_a_journal_with_a_broken_line_keeps_the_others_without_copies(recorded: Recorded) -> None:
    recorded.reset()
    folder = recorded.root / "studies" / "one"
    for path in (folder / "search.parquet", folder / "search" / "part-000009.parquet"):
        pq.write_table(pq.read_table(path).replace_schema_metadata(), path)
    journal = folder / "optuna.journal"
    lines = journal.read_bytes().splitlines(keepends=True)
    sixth = [n for n, line in enumerate(lines) if json.loads(line)["op_code"] == 4][5]
    journal.write_bytes(b"".join([*lines[:sixth], b"\x00" * 40 + b"\n", *lines[sixth + 1 :]]))
    found = api.repair("one", recorded.root)
    assert not found[0].whole
    assert "It is made again of 5 trials. 5 more are lost" in found[0].done
    assert len(lossearch.load("one", recorded.root).trials) == 5
    assert any(
        "of 10 trials, of which the records hold 5" in s for s in lossearch.load("one", recorded.root).since
    )
    assert api.repair("one", recorded.root)[-1].path == journal
    recorded.forked(*recorded.run("one"), "--no-mlflow")
    assert len(lossearch.load("one", recorded.root).trials) == 10


def test_a_study_that_is_running_is_not_repaired(recorded: Recorded) -> None:
    recorded.reset()
    with claim(Store.open(recorded.root), "one"), pytest.raises(StudyRunningError, match="is being run by"):
        api.repair("one", recorded.root)


def test_the_command_says_what_was_done_and_whether_anything_is_lost(recorded: Recorded) -> None:
    recorded.reset()
    assert recorded.command("repair", "one") == Outcome(0, "Every record of study 'one' is whole.\n", "")
    verdict = recorded.root / "studies" / "one" / "verdict.json"
    verdict.write_text("[]")
    assert recorded.command("repair", "one").answer == (
        f"{verdict} is damaged: it holds [] where names and values were written. The pairs are judged again, of what they "
        "predicted. What was there is kept as verdict.json.damaged-1.\n"
    )
    (verdict.parent / "confirm.parquet").write_bytes(b"")
    assert recorded.command("repair", "one").code == 1
    assert recorded.command("repair", "none").code == 2


@pytest.mark.parametrize(
    "unjudged", [None, "auroc is not a finite number on the test part under every seed."]
)
def test_a_verdict_is_missed_only_where_the_pairs_could_be_compared(
    recorded: Recorded, unjudged: str | None
) -> None:
    recorded.reset()
    store = Store.open(recorded.root, create=False)
    store.write_study(replace(store.read_study("one"), unjudged=unjudged))
    (store.study_dir("one") / VERDICT).unlink()
    lost = [s for s in lossearch.load("one", recorded.root).since if "verdict.json" in s]
    assert len(lost) == (unjudged is None)


def test_trials_that_diverged_before_they_had_curves_lack_none(tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(60, 2))
    result = lossearch.search(
        x, x.sum(1), pairs=["mse/identity", "mae/identity"], lr=(1e30, 1e35), optimizer="sgd", epochs=1, trials=10,
        seeds=1, confirm_seeds=0, mlflow=False, store=tmp_path, name="burst",
    )  # fmt: skip
    assert any(r.n_diverged == len(r.seeds) for r in result.trials)
    assert api.repair("burst", tmp_path) == ()
    assert "lacks trials" not in to_html(result.report())
