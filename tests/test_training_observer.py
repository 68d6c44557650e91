"""What is told of training while it lasts, whoever trains: every job begins and ends, and nothing is told twice."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace
from functools import partial

import pytest
from contracts.problems import problem, replicate, space_of
from contracts.training_base import SETTINGS

from lossearch.pairs import find_pair
from lossearch.training.contract import Observer
from lossearch.training.plain.train import train_plain
from lossearch.training.population.method import Populations
from lossearch.training.workers.elsewhere import Elsewhere
from lossearch.training.workers.executor import JobEnd
from lossearch.training.workers.pool import PlainPool
from lossearch.training.workers.shipment import run_shipped

MAKE_TASK = partial(problem, "regression")
TASK = MAKE_TASK()
SPACE = space_of(TASK)
SHORT = replace(SETTINGS, epochs=3)
OURS = [
    replicate(find_pair(name, "regression", TASK.facts), lr, seed)
    for name in ("mse/identity", "mae/identity")
    for lr in (1e-3, 1e-2)
    for seed in (0, 1)
]
METHODS = {
    "as populations": lambda group: Populations(1, group, chunk=2),
    "one by one": PlainPool,
}


@dataclass
class Notes(Observer):
    """Keeps what it hears."""

    jobs: dict = field(default_factory=dict)
    done: int = 0
    """Replicates of jobs that have ended with results."""
    again: int = 0
    """Jobs that are to be trained again."""
    trained_here: float = 0.0
    processes: int = 0
    pieces: object = None

    def shared_by(self, processes, start_up):
        self.processes = processes

    def cut_by(self, pieces):
        self.pieces = pieces

    def begun(self, job, replicates, together, epochs):
        assert job not in self.jobs
        assert epochs == SHORT.epochs
        assert 1 <= together <= replicates
        self.jobs[job] = replicates

    def trained(self, together, epochs):
        self.trained_here += together * epochs

    def ended(self, job, seconds):
        replicates = self.jobs.pop(job)
        self.done += replicates if seconds else 0
        self.again += seconds is None


class Inline(Elsewhere):
    """Trains its jobs in this process, but loses the first few."""

    name = "this process"

    def __init__(self, lost=0):
        super().__init__(MAKE_TASK, 2)
        self.given, self.lost = deque(), lost

    def submit(self, number, shipment, job):
        self.given.append((number, shipment, job))
        return str(number)

    def ended(self, seconds):
        if self.given:
            number, shipment, job = self.given.popleft()
            self.lost -= 1
            yield (
                JobEnd(number, None, "died") if self.lost >= 0 else JobEnd(number, run_shipped(shipment, job))
            )

    def cancel(self):
        self.given.clear()

    def close(self):
        pass


@pytest.mark.parametrize("lost", [0, 1])
@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_jobs_of_others_are_told_with_what_they_took(method, lost):
    notes = Notes()
    with Inline(lost) as group:
        results = list(method(group)(TASK, SPACE, OURS, SHORT, observer=notes))
    assert [r.replicate for r in results] == OURS
    assert (notes.done, notes.again, notes.jobs) == (len(OURS), lost, {})
    assert notes.processes == 2
    assert notes.trained_here == 0


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_a_job_that_is_lost_for_good_ends(method):
    notes = Notes()
    with Inline(lost=100) as group:
        found = method(group)(TASK, SPACE, OURS[:2], SHORT, observer=notes)
        assert {str(r.outcome) for r in found} == {"failed"}
    assert notes.jobs == {}


def test_own_jobs_are_told_step_by_step():
    notes = Notes()
    list(Populations(1, chunk=2)(TASK, SPACE, OURS, SHORT, observer=notes))
    assert (notes.done, notes.again, notes.jobs) == (len(OURS), 0, {})
    assert notes.trained_here == pytest.approx(len(OURS) * SHORT.epochs)
    assert [notes.pieces(n) for n in (2, 3, 8, 9)] == [1, 2, 4, 5]


def test_what_is_trained_alone_is_told_whole():
    notes = Notes()
    list(train_plain(TASK, SPACE, OURS, SHORT, observer=notes))
    assert notes.trained_here == len(OURS) * SHORT.epochs
    assert notes.jobs == {}
