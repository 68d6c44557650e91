"""How long the rest of a study will take, from what its training has taken so far."""

from __future__ import annotations

import heapq
import math
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from statistics import fmean

from lossearch.study.pace import NOTHING, OVERHEAD, Crowd, Pace, Training
from lossearch.study.progress import Listener
from lossearch.training.contract import Observer

RECORDED_SECONDS, RECORDED_TRIALS = 0.01, 10
"""What writing a trial down takes, and how many measured ones that counts as."""
TOLD_SECONDS = 0.25
"""How often a listener is told, at most."""
PIECES = 100
"""Jobs that are laid out over processes one by one; more are taken for so many larger ones."""


@dataclass
class Job:
    """Replicates that one process trains, so many of them together; ``left`` are those not trained yet."""

    whole: float
    together: int
    epochs: float
    begun: float
    left: float


def laid_out(free: Iterable[float], each: float, jobs: int) -> float:
    """Return when the last of some processes ends, which are free at these times and share jobs of ``each`` seconds."""
    ends = list(free)
    heapq.heapify(ends)
    fewer = min(jobs, PIECES)
    for _ in range(fewer):
        heapq.heapreplace(ends, ends[0] + each * jobs / fewer)
    return max(ends)


@dataclass
class TimeLeft(Observer):
    """Tells a listener how long the rest of a study will take, as it is trained, confirmed and closed.

    The first thing trained is not measured: what is done once (imports, compiling, a device that wakes up) is in it.

    Args:
        listener: is told.
        overhead: see :class:`Pace`.
        seeds: replicates of a trial.
        closing: seconds that follow the confirmation, where the process has a processor of its own.
        deadline: when the search ends, by ``clock``, whatever is left of it.
    """

    listener: Listener = field(default_factory=Listener)
    overhead: float = OVERHEAD
    seeds: int = 1
    closing: float = 0.0
    deadline: float | None = None
    clock: Callable[[], float] = time.monotonic
    processor: Callable[[], float] = time.thread_time
    """The clock of what this thread, which trains, uses of the processors."""
    confirmation: Callable[[], Training] = lambda: NOTHING
    """What is to be confirmed, as far as that is known."""
    pace: Pace = field(init=False)
    crowd: Crowd = field(init=False)
    _now: Training = NOTHING
    """What is trained now, but for what is under way."""
    _together: int = 0
    """How many replicates are trained together now, 0 before that has begun."""
    _jobs: dict[int | None, Job] = field(default_factory=dict)
    """What is under way."""
    _started: float = -math.inf
    """When all of them have started."""
    _pieces: Callable[[int], int] | None = None
    _delays: deque[float] = field(default_factory=deque)
    """Seconds that jobs of other processes took beside training: those of the last, as many as there are processes."""
    _ahead: Sequence[Training] = ()
    _trials: int = 0
    _recorded: tuple[int, float] = (0, 0.0)
    _confirming: bool = False
    _last: float | None = None
    _told: float = -math.inf

    def __post_init__(self) -> None:
        self.pace, self.crowd = Pace(self.overhead), Crowd(self.processor)

    def search(self, ahead: Sequence[Training]) -> None:
        """Take what the search has still to train: its next round, and those that follow."""
        now, *rest = ahead or [NOTHING]
        self._now, self._ahead, self._together = now, rest, 0
        self._jobs.clear()
        self._trials = round(sum(part.replicates for part in ahead)) // self.seeds

    def confirm(self, work: Training) -> None:
        """Take what the confirmation has to train; the search is over."""
        self._confirming, self._now, self._ahead, self._trials = True, work, (), 0
        self._together = 0
        self._jobs.clear()
        self._tell()

    def shared_by(self, processes: int, start_up: float) -> None:
        """Note how many processes train, or will once they have started, which takes so many seconds."""
        if processes > self.pace.processes:
            self._started = self.clock() + start_up
        self.pace.processes = max(1, processes)

    def cut_by(self, pieces: Callable[[int], int]) -> None:
        """Note what tells in how many jobs so many replicates are trained."""
        self._pieces = pieces

    def begun(self, job: int | None, replicates: int, together: int, epochs: float) -> None:
        """Note that a job has begun."""
        self._jobs[job] = Job(replicates, together, epochs, self.clock(), replicates)
        self._together = together
        self._add(-replicates)
        self._tell()

    def trained(self, together: int, epochs: float) -> None:
        """Note that this process trained replicates together for some epochs, or a part of one, since the last time."""
        now = self.clock()
        if self._last is not None:
            self.pace.add(together, epochs, now - self._last)
            self.crowd.add(now - self._last)
        self._last, self._together = now, together
        own = self._jobs.get(None)
        if own is None:
            self._add(-together * epochs / max(self._now.epochs, epochs))
        else:
            own.left = max(0.0, own.left - together * epochs / own.epochs)
        self._tell()

    def ended(self, job: int | None, seconds: float | None) -> None:
        """Note that a job has ended, after so many seconds of training; None where it is to be trained again."""
        found = self._jobs.pop(job, None)
        if found is None:
            return
        if seconds is None:
            self._add(found.whole)
        elif job is not None and seconds > 0:
            self.pace.add(found.together, found.epochs * found.whole / found.together, seconds)
            self._delays.append(max(0.0, self.clock() - found.begun - seconds))
            while len(self._delays) > self.pace.processes:
                self._delays.popleft()
        if None not in self._jobs and self._last is not None:
            # this process waited for it
            self._last = self.clock()
            self.crowd.idle()
        self._tell()

    def _add(self, replicates: float) -> None:
        """Count so many more replicates as not yet begun."""
        self._now = self._now._replace(replicates=max(0.0, self._now.replicates + replicates))

    def recorded(self, seconds: float) -> None:
        """Note that a trial was written down, which took so long."""
        trials, spent = self._recorded
        self._recorded = trials + 1, spent + seconds
        self._trials = max(0, self._trials - 1)
        if self._last is not None:
            self._last += seconds
            self.crowd.idle()

    def close(self) -> None:
        """Note that all is trained."""
        self._confirming, self._now, self._ahead, self._trials = True, NOTHING, (), 0
        self._tell()

    @property
    def training_seconds(self) -> float:
        """What is left of what is trained now; 0 while nothing was measured."""
        now = self.clock()
        free = [self._job_seconds(job, own, now) for job, own in self._jobs.items()]
        waiting = self.pace.processes - len(free)
        free += [max(0.0, self._started - now)] * waiting
        return self._shared(self._now, free or [0.0], self._together)

    def _job_seconds(self, job: int | None, own: Job, now: float) -> float:
        """Return what is left of a job under way."""
        training = self.pace.seconds(Training(own.left, own.epochs), own.together)
        if job is None:
            return training
        return max(0.0, training + self._delay - (now - own.begun))

    @property
    def _delay(self) -> float:
        return fmean(self._delays) if self._delays else 0.0

    def _shared(self, work: Training, free: Sequence[float], together: int = 0) -> float:
        """Return when processes have trained what they share, which are free at these times."""
        jobs = self._cut(work, together)
        if not jobs:
            return max(free)
        a_job = work.replicates / jobs
        each = self.pace.seconds(Training(a_job, work.epochs), together or math.ceil(a_job))
        return laid_out(free, each + self._delay, jobs)

    def _cut(self, work: Training, together: int) -> int:
        """Return how many jobs some work is."""
        if work.replicates < 0.5:
            return 0
        if together:
            return max(1, round(work.replicates / together))
        return (
            self._pieces(round(work.replicates))
            if self._pieces
            else math.ceil(work.replicates / self.pace.most)
        )

    def _later(self, work: Training) -> float:
        return self._shared(work, [0.0] * self.pace.processes)

    @property
    def seconds(self) -> float | None:
        """What is left, in seconds; None while nothing was measured."""
        if not self.pace.known:
            return None
        trials, spent = self._recorded
        a_trial = (spent + RECORDED_TRIALS * RECORDED_SECONDS) / (trials + RECORDED_TRIALS)
        training = self.training_seconds + sum(map(self._later, self._ahead))
        search = training + self._trials * a_trial
        if self.deadline is not None and not self._confirming:
            search = min(search, max(0.0, self.deadline - self.clock()))
        after = 0.0 if self._confirming else self._later(self.confirmation())
        return search + after + self.closing * self.crowd.factor

    def _tell(self) -> None:
        now = self.clock()
        if now - self._told < TOLD_SECONDS or (left := self.seconds) is None:
            return
        self._told = now
        self.listener.time_left(left)
