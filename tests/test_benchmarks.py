"""The benchmarks run and print their tables; how fast is for a quiet machine to say."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from lossearch import api
from lossearch.config import make_config
from lossearch.kinds import KINDS
from lossearch.losses import searched_losses

KINDS_SCRIPT = Path(__file__).parent.parent / "benchmarks" / "kinds.py"
SCRIPT = Path(__file__).parent.parent / "benchmarks" / "population.py"
TITLES = {
    1: ("1 Whole process", "usual script, circles", "usual script, all output off, circles"),
    2: ("2 Training alone", "torch loop, digits"),
    3: ("3 Training: ours validates",),
    4: ("4a Circles", "4b Digits"),
    5: ("5 Peak memory", "computed"),
}


@pytest.mark.slow
@pytest.mark.parametrize("item", TITLES)
def test_population_runs_and_prints_its_table(item, tmp_path):
    figure = tmp_path / "cost.png"
    done = subprocess.run(
        [sys.executable, SCRIPT, "--quick", "--item", str(item), "--figure", figure],
        check=False,
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=1200,
    )
    assert done.returncode == 0, done.stderr
    for title in TITLES[item]:
        assert title in done.stdout
    assert figure.exists() is (item == 4)


@pytest.fixture
def of_kinds(monkeypatch):
    monkeypatch.syspath_prepend(str(KINDS_SCRIPT.parent))
    return importlib.import_module("kinds")


def test_every_kind_has_a_study_to_be_timed_on(of_kinds):
    assert set(of_kinds.STUDY_OF) == set(KINDS)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_it_is_of_that_kind_and_its_space_is_the_default(of_kinds, kind):
    plan = api.plan(make_config(of_kinds.tables(kind))).plan
    assert plan.task.kind == kind
    usual = {loss.name for loss in searched_losses(kind)} | {plan.conventional.partition("/")[0]}
    assert {pair.loss.name for pair in plan.space.pairs} <= usual
    assert len(plan.space.pairs) > 1


@pytest.mark.slow
def test_kinds_run_and_print_their_table(tmp_path):
    done = subprocess.run(
        [sys.executable, KINDS_SCRIPT, "--kinds", "angles", "--set", "epochs=1", "--set", "confirm_seeds=2"],
        check=False, capture_output=True, text=True, cwd=tmp_path, timeout=600, env={**os.environ, "COLUMNS": "150"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "A search of the default space" in done.stdout
    (row,) = [line for line in done.stdout.splitlines() if " angles " in line]
    pairs, trials, replicates = map(int, row.split("│")[4:7])
    assert trials == 16 * pairs
    assert replicates == 5 * trials + 2 * pairs
    assert not list(tmp_path.iterdir())


def test_a_kind_that_there_is_not_is_told(tmp_path):
    done = subprocess.run(
        [sys.executable, KINDS_SCRIPT, "--kinds", "binray"], check=False, capture_output=True, text=True
    )
    assert done.returncode == 2
    assert "no kind of task named binray; known: angles, binary" in done.stderr
