"""What is said of the time left: right within a factor of 1.5 from a tenth of the study on, whatever a step costs."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lossearch
from lossearch.study.pace import OVERHEAD, OVERHEAD_ELSEWHERE, Pace, Training
from lossearch.study.progress import Listener
from lossearch.study.time_left import TimeLeft

CONFIRMATION = Training(120, 150)


@dataclass
class Told(Listener):
    """Keeps what it is told, and when."""

    now: float = 0.0
    said: list[tuple[float, float]] = field(default_factory=list)

    def time_left(self, seconds):
        self.said.append((self.now, seconds))


@dataclass
class Study:
    """A study whose every second is known: what a step costs, what is done once, what a trial and the end take."""

    call: float
    arithmetic: float
    rounds: tuple[int, ...] = (210, 60, 150, 180)
    confirmation: Training = CONFIRMATION
    epochs: int = 200
    steps: int = 4
    most: int = 768
    once: float = 30.0
    a_trial: float = 0.02
    closing: float = 2.0
    overhead: float = OVERHEAD

    def run(self) -> Told:
        told = Told()
        left = TimeLeft(
            told,
            self.overhead,
            5,
            self.closing,
            clock=lambda: told.now,
            processor=lambda: told.now,
            confirmation=lambda: self.confirmation,
        )
        told.now += self.once
        for i, replicates in enumerate(self.rounds):
            left.search([Training(n, self.epochs) for n in self.rounds[i:]])
            self.train(left, told, Training(replicates, self.epochs))
            for _ in range(replicates // 5):
                told.now += self.a_trial
                left.recorded(self.a_trial)
        left.confirm(self.confirmation)
        self.train(left, told, self.confirmation)
        left.close()
        told.now += self.closing
        return told

    def train(self, left: TimeLeft, told: Told, work: Training) -> None:
        pieces = -(-int(work.replicates) // self.most)
        for piece in range(pieces):
            together = int(work.replicates) // pieces + (piece < int(work.replicates) % pieces)
            for _ in range(int(work.epochs) * self.steps):
                told.now += (self.call + self.arithmetic * together) / self.steps
                left.trained(together, 1 / self.steps)


def worst(told: Told, begun: float) -> float:
    """Return the largest factor by which what was said missed, from a tenth of the study on."""
    whole = told.now - begun
    later = [(at, said) for at, said in told.said if begun + whole / 10 <= at < begun + 0.95 * whole]
    assert later
    factors = [said / (told.now - at) for at, said in later]
    return max(*factors, 1 / min(factors))


@dataclass
class SharedStudy(Study):
    """The same, trained by several processes: this one with others that have to start, or others alone.

    A job of another process takes ``delay`` beside its training.
    """

    processes: int = 2
    here: bool = True
    start_up: float = 6.0
    delay: float = 0.0
    others_are_slower_by: float = 1.0

    def run(self) -> Told:
        self.ready = math.inf
        return super().run()

    def train(self, left: TimeLeft, told: Told, work: Training) -> None:
        left.cut_by(lambda n: -(-n // self.most))
        pieces = -(-int(work.replicates) // self.most)
        todo = [int(work.replicates) // pieces + (i < int(work.replicates) % pieces) for i in range(pieces)]
        others, own, steps, jobs = {}, 0, 0, 0
        while todo or others or steps:
            left.shared_by(self.processes, self.start_up if self.here else 0.0)
            self.ready = min(self.ready, told.now + self.start_up if self.here else told.now)
            while todo and told.now >= self.ready and len(others) < self.processes - self.here:
                jobs, together = jobs + 1, todo.pop()
                seconds = work.epochs * (self.call + self.arithmetic * together) * self.others_are_slower_by
                others[jobs] = told.now + seconds + self.delay, seconds
                left.begun(jobs, together, together, work.epochs)
            if todo and self.here and not steps:
                own, steps = todo.pop(), int(work.epochs) * self.steps
                left.begun(None, own, own, work.epochs)
            job = min(others, key=lambda j: others[j][0], default=None)
            step = (self.call + self.arithmetic * own) / self.steps if steps else math.inf
            if job is not None and others[job][0] <= told.now + step:
                end, seconds = others.pop(job)
                told.now = max(told.now, end)
                left.ended(job, seconds)
                continue
            told.now += step
            steps -= 1
            left.trained(own, 1 / self.steps)
            if not steps:
                left.ended(None, 1.0)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 1.0])
@pytest.mark.parametrize("processes", [2, 3, 8])
@pytest.mark.parametrize("most", [32, 64])
@pytest.mark.parametrize("here", [True, False])
def test_it_is_right_however_many_processes_share_a_study(share, processes, most, here):
    seconds = 0.1
    study = SharedStudy(
        seconds * share, seconds * (1 - share) / 200, most=most, processes=processes, here=here
    )
    assert worst(study.run(), study.once) < 1.5


@pytest.mark.parametrize("slower", [0.8, 1.25])
def test_it_is_right_where_other_processes_are_not_as_fast(slower):
    study = SharedStudy(0.02, 0.0004, most=64, others_are_slower_by=slower)
    assert worst(study.run(), study.once) < 1.5


@pytest.mark.parametrize("delay", [1.0, 10.0])
def test_it_is_right_where_a_job_waits_for_its_turn(delay):
    study = SharedStudy(0.02, 0.0004, most=32, processes=2, here=False, delay=delay)
    assert worst(study.run(), study.once) < 1.5


@pytest.mark.parametrize("here", [True, False])
def test_it_is_right_where_replicates_are_trained_one_by_one_by_several(here):
    study = SharedStudy(0.01, 0.01, (42, 12, 30), Training(40, 150), most=1, processes=3, here=here)
    assert worst(study.run(), study.once) < 1.5


def test_a_job_that_is_lost_is_trained_again():
    told = Told()
    left = TimeLeft(told, OVERHEAD, 100, clock=lambda: told.now)
    left.search([Training(100, 10)])
    left.shared_by(2, 0.0)
    for job in (1, 2):
        left.begun(job, 50, 50, 10)
    told.now = 10.0
    left.ended(1, 10.0)
    assert left.seconds == pytest.approx(0, abs=0.2)
    left.ended(2, None)
    assert left.seconds == pytest.approx(10, rel=0.05)


def test_waiting_for_others_is_no_training():
    told = Told()
    left = TimeLeft(told, OVERHEAD, 1, clock=lambda: told.now)
    left.shared_by(2, 0.0)
    for _ in range(3):
        left.search([Training(20, 10)])
        left.begun(None, 10, 10, 10)
        left.begun(1, 10, 10, 10)
        for _ in range(10):
            told.now += 1.0
            left.trained(10, 1)
        left.ended(None, 10.0)
        told.now += 90.0
        left.ended(1, 10.0)
    assert left.pace.seconds(Training(10, 10), 10) == pytest.approx(10, rel=0.05)


def test_the_end_takes_longer_where_others_use_the_processor():
    told, used = Told(), 0.0
    left = TimeLeft(told, OVERHEAD, 1, 4.0, clock=lambda: told.now, processor=lambda: used)
    left.search([Training(10, 100)])
    for _ in range(100):
        told.now, used = told.now + 1.0, used + 0.5
        left.trained(10, 1)
    left.close()
    assert left.seconds == pytest.approx(8, rel=0.01)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 1.0])
@pytest.mark.parametrize("most", [64, 768])
def test_it_is_right_whatever_part_of_a_step_is_calls(share, most):
    seconds = 0.02
    study = Study(seconds * share, seconds * (1 - share) / 200, most=most)
    assert worst(study.run(), study.once) < 1.5


@settings(deadline=None, max_examples=20)
@given(st.floats(1e-3, 1.0), st.floats(0, 0.5), st.floats(1.0, 600.0))
def test_it_is_right_on_a_gpu_whatever_waking_it_up_takes(seconds, share, once):
    study = Study(
        seconds * (1 - share),
        seconds * share / 500,
        overhead=OVERHEAD_ELSEWHERE,
        once=once,
        closing=3 * seconds,
    )
    assert worst(study.run(), study.once) < 1.5


def test_it_is_right_where_replicates_are_trained_one_by_one():
    study = Study(0.001, 0.001, rounds=(42, 12, 30), confirmation=Training(40, 150), most=1)
    assert worst(study.run(), study.once) < 1.5


def test_it_follows_a_machine_that_is_used_by_others_from_now_on():
    pace = Pace(OVERHEAD)
    for _ in range(600):
        pace.add(100, 1, 0.1)
    assert pace.seconds(Training(100, 10)) == pytest.approx(1, rel=0.05)
    for _ in range(400):
        pace.add(100, 1, 0.5)
    assert pace.seconds(Training(100, 10)) == pytest.approx(5, rel=0.2)


def test_two_numbers_of_replicates_tell_calls_from_arithmetic():
    pace = Pace(OVERHEAD_ELSEWHERE)
    for together in (50, 400) * 10:
        pace.add(together, 1, 0.01 + 0.001 * together)
    assert pace.seconds(Training(200, 1)) == pytest.approx(0.21, rel=0.15)


def test_nothing_is_said_before_anything_is_known_nor_of_what_is_done_once():
    told = Told()
    left = TimeLeft(told, OVERHEAD, 5, clock=lambda: told.now)
    left.search([Training(100, 10)])
    assert left.seconds is None
    told.now = 1000.0
    left.trained(100, 0.5)
    assert left.seconds is None
    told.now = 1001.0
    left.trained(100, 0.5)
    assert left.seconds == pytest.approx(18, rel=0.05)


def test_a_search_that_ends_at_a_time_ends_then():
    told = Told()
    left = TimeLeft(told, OVERHEAD, 1, 2.0, clock=lambda: told.now, deadline=10.0)
    left.search([Training(100, 1000)])
    for told.now in (1.0, 2.0):
        left.trained(100, 1)
    assert left.seconds == pytest.approx(8 + 2)


class Heard(Listener):
    """Keeps every hook it hears, in order."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, object]] = []

    def doing(self, what):
        self.heard.append(("doing", what))

    def started(self, total, resumed):
        self.heard.append(("started", total))

    def time_left(self, seconds):
        self.heard.append(("time_left", seconds))

    def improved(self, record):
        self.heard.append(("improved", record))

    def finished(self, reason):
        self.heard.append(("finished", reason))


CALL = {
    "data": "circles",
    "losses": ["bce", "mse"],
    "trials": 15,
    "seeds": 2,
    "epochs": 8,
    "confirm_seeds": 3,
}


@pytest.mark.parametrize("mlflow", [False, True])
def test_a_study_says_what_it_does_and_how_long_the_rest_takes(mlflow, store):
    heard = Heard()
    result = lossearch.search(**CALL, mlflow=mlflow, workers=1, store=store, listener=heard)
    assert [what for hook, what in heard.heard if hook == "doing"] == [
        "Reading the data and checking what can be trained",
        "Opening the records",
        "Confirming 3 pairs on 3 fresh seeds: 9 replicates",
        "Judging",
        "Writing the records",
        *(["Writing the report to MLflow"] if mlflow else []),
    ]
    hooks = [hook for hook, _ in heard.heard]
    assert "time_left" in hooks[hooks.index("started") : hooks.index("finished")]
    best = {record.point.pair: record for hook, record in heard.heard if hook == "improved"}
    assert set(best) == set(result.leaderboard["pair"])
    for pair, record in best.items():
        assert record.value == max(r.value for r in result.trials if r.point.pair == pair)


def test_what_one_process_trains_is_told_whole(store, monkeypatch):
    told = []
    monkeypatch.setattr(TimeLeft, "trained", lambda self, together, epochs: told.append((together, epochs)))
    call = {**CALL, "confirm_seeds": 0, "mlflow": False, "workers": 1, "store": store}
    result = lossearch.search(**call, listener=Heard())
    assert sum(together * epochs for together, epochs in told) == pytest.approx(len(result.trials) * 2 * 8)


def test_an_object_with_the_first_methods_of_a_listener_still_hears(store):
    class Old:
        def __init__(self) -> None:
            self.done = 0

        def note(self, text):
            pass

        def started(self, total, resumed):
            pass

        def trial_done(self, record, done, total, best, failed):
            self.done = done

        def finished(self, reason):
            pass

    old = Old()
    result = lossearch.search(**CALL, mlflow=False, store=store, listener=old)
    assert old.done == len(result.trials)
