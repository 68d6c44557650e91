"""What a study is said to cost before it is run."""

from __future__ import annotations

import pytest

from lossearch.cli.dry_run import _how
from lossearch.config import make_config
from lossearch.errors import InputError
from lossearch.study import cost as costs
from lossearch.study.cost import Cost, _processes, estimate_cost
from lossearch.study.prepare import prepare
from lossearch.training.plain.train import train_plain
from lossearch.training.workers.group import START_UP_SECONDS


def prepared(**train):
    return prepare(
        make_config(
            {
                "task": {"data": "circles", "hidden": [4]},
                "space": {"pairs": ["bce/sigmoid", "hinge/identity"]},
                "budget": {"trials": 10, "seeds": 3},
                "train": {"epochs": 3, "batch_size": 50, **train},
            }
        )
    )


def test_a_study_is_foretold(monkeypatch):
    monkeypatch.setattr(costs, "PROBE_SECONDS", 0.3)
    found = prepared().cost()
    # five points a pair, under three seeds, all in the first round
    assert (found.replicates, found.together, found.processes) == (30, 30, 1)
    assert 0 < found.seconds < 120
    assert 10_000 < found.memory < 50 * 2**20
    assert found.disk > 0


def test_little_memory_is_heeded(monkeypatch):
    monkeypatch.setattr(costs, "PROBE_SECONDS", 0.1)
    whole = prepared().cost()
    part = prepared(memory=f"{whole.memory // 2}B").cost()
    assert 3 <= part.together <= 15
    assert part.memory <= whole.memory // 2


def test_one_by_one_has_no_memory_to_tell(monkeypatch):
    monkeypatch.setattr(costs, "PROBE_SECONDS", 0.1)
    found = estimate_cost(prepared().plan, train_plain, 1)
    assert (found.replicates, found.together, found.processes, found.memory) == (30, 1, 1, None)


@pytest.mark.parametrize(
    ("seconds", "workers", "parts", "processes"),
    [
        (100.0, 2, 3, 2),
        (100.0, 8, 3, 3),
        (100.0, 8, 1, 1),
        (100.0, 1, 9, 1),
        (START_UP_SECONDS, 16, 16, 1),
        (13, 2, 2, 2),
    ],
)
def test_processes_where_they_pay(seconds, workers, parts, processes):
    assert _processes(seconds, workers, parts) == processes


@pytest.mark.parametrize(
    ("together", "processes", "memory", "words"),
    [
        (1, 1, None, "trained one by one"),
        (1, 4, None, "trained one by one in each of 4 processes"),
        (210, 1, 2**20, "trained 210 together, in about 1.0 MiB of memory"),
        (210, 2, 37 * 2**20, "trained 210 together in each of 2 processes, in about 37 MiB of memory each"),
    ],
)
def test_how_replicates_will_be_trained_in_words(together, processes, memory, words):
    assert _how(Cost(1, 1.0, 1, together, processes, memory)) == words


@pytest.mark.parametrize("given", ["0", "12 parsecs", "-1GiB", "", "GiB", 5, True])
def test_nonsense_is_no_memory(given):
    with pytest.raises(InputError, match=r"^\[train\] memory must be a size above zero, as in \"512MiB\" or"):
        prepared(memory=given)


def test_sizes_are_read():
    assert prepared(memory="1.5 GB").config.train.memory_bytes == 1_500_000_000
    assert prepared(memory="4GiB").config.train.memory_bytes == 2**32
    assert prepared().config.train.memory_bytes is None
