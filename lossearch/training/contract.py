"""What training promises to a study, whichever method trains the replicates.

A method takes replicates and gives one result for each, in order, as each is done.

- It owns every random draw: data order and random layers come from the replicate's seed and the step
  (the order of rows that are streamed from the epoch alone),
  never from neighbours, order or earlier calls. The caller's random state, warnings and log levels are
  as before when it returns.
- It scores on whole parts of the data after an epoch, in evaluation mode: the losses and the objectives
  (the judge, and a second metric where a study has two) on the validation part after every epoch,
  everything else at least at the epochs ``thin(epochs, SCORED_EPOCHS)`` and at the one whose weights it
  keeps (below); curves are NaN between. A metric that a pair has not has no curve.
- Rows weigh in the loss what ``tasks.weights`` says, whoever trains: ``train_loss`` and ``val_loss`` are of weighted
  rows. Metrics count every row once, and probabilities are of classes as they occur.
- Under ``epoch = "last"`` the weights kept are the last epoch's. Under "best" they are those of the best
  epoch (the first of equals) by what is known while training: the judge's mean over the point's
  replicates where they are trained together, this replicate's own where it is trained alone.
  ``kept_epoch`` says which it was. Where a replicate had a part in the choice and diverged later, the
  others are trained again until the epoch that is best without it.
- A replicate with ``until`` ends after that epoch, with curves of that length, every metric scored there
  and its weights kept, whatever the policy. Up to there it is what it would have been without: schedules
  count on all of ``settings.epochs``.
- Replicates trained together may be pruned: see :class:`CallOptions`.
- A non-finite loss, gradient, parameter or output ends a replicate as DIVERGED, with the place; this is
  a result, not an error. Any other exception of one replicate is its FAILED result; bad input that
  would fail every replicate is raised as InputError before the first.
- It reads nothing of the test part.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol, TypedDict, Unpack

import numpy as np
from numpy.typing import NDArray

from lossearch.pairs import Pair
from lossearch.space import Point, Space

if TYPE_CHECKING:
    from torch import Tensor

    from lossearch.tasks.task import Task

SCORED_EPOCHS = 20
"""Epochs of a curve at which every metric is scored, however long the curve."""


WEIGHTINGS = ("class_weight", "pos_weight")
"""Settings that say what classes weigh; of a recipe one at most is not "none"."""


class Outcome(StrEnum):
    """How a replicate, or a trial, ended."""

    COMPLETED = "completed"
    PRUNED = "pruned"
    DIVERGED = "diverged"
    FAILED = "failed"


@dataclass(frozen=True)
class Replicate:
    """A point under one seed, trained to the end of epoch ``until`` (from 1) where that is given."""

    point: Point
    seed: int
    until: int | None = None


Prune = Callable[[Point, int, float], bool]
"""Whether a point is given up, by an epoch's number from 1 and what it scores there."""


class Observer:
    """Hears how the training of a call comes on; this one does nothing with it.

    What is trained together is a job of a number; this process's own job is None.
    """

    def shared_by(self, processes: int, start_up: float) -> None:
        """Hear how many processes train, or will once they have started, which takes so many seconds."""

    def cut_by(self, pieces: Callable[[int], int]) -> None:
        """Hear what tells in how many jobs so many replicates are trained."""

    def begun(self, job: int | None, replicates: int, together: int, epochs: float) -> None:
        """Hear that a job of replicates has begun, so many of them together, each for about so many epochs."""

    def trained(self, together: int, epochs: float) -> None:
        """Hear how many replicates this process trained together, and for how many epochs, or what part of one, since it last did."""

    def ended(self, job: int | None, seconds: float | None) -> None:
        """Hear that a job has ended, after so many seconds of training; None where it is to be trained again."""


@dataclass(frozen=True)
class TrainingRecipe:
    """How replicates are trained, as far as it decides what they are worth: two runs of one study share it.

    ``options`` are the optimiser's keyword arguments but for the learning rate. ``class_weight`` and ``pos_weight``
    are texts as in ``kinds._class_weights``; at most one of them is not "none". A field that is added says in its
    metadata what stands for "absent", as in earlier studies, whose identity then stays.
    """

    epochs: int
    batch_size: int
    optimizer: str = "adam"
    options: Mapping[str, Any] = field(default_factory=dict)
    schedule: str = "constant"
    clip: float | None = None
    precision: str = "32-true"
    epoch: str = "best"
    class_weight: str = field(default="none", metadata={"absent": "none"})
    pos_weight: str = field(default="none", metadata={"absent": "none"})


@dataclass(frozen=True)
class TrainSettings(TrainingRecipe):
    """How every replicate of a study is trained. A point's own settings take precedence.

    ``compile`` compiles the losses of a population, and small networks whole, which pays where training takes
    minutes.
    """

    device: str = "cpu"
    compile: bool = False

    def of(self, point: Point) -> TrainSettings:
        """Return these settings with the point's own in their place."""
        own: dict[str, Any] = {k: v for k, v in point.settings.items() if k in _FIELDS}
        options = {k: v for k, v in point.settings.items() if k not in _FIELDS}
        return replace(self, **own, options={**self.options, **options})


_FIELDS = frozenset(f.name for f in fields(TrainSettings))


@dataclass(frozen=True)
class Divergence:
    """Where a replicate left the finite numbers: ``what`` is "loss", "gradient", "weights" or "output".

    ``step`` and ``epoch`` count from 1; the step is the mini-batch after whose update, or in whose
    forward pass, the first non-finite number appeared.
    """

    what: str
    step: int
    epoch: int
    value: float
    lr: float

    def __str__(self) -> str:
        return f"{self.what} was {self.value} at step {self.step} (epoch {self.epoch}, lr {self.lr:.3g})"


@dataclass(frozen=True)
class ReplicateResult:
    """One replicate's curves and end.

    ``curves`` are float64 arrays, one value an epoch done, named ``train_loss`` (mean over the epoch's
    samples while training), ``val_loss``, ``train_<metric>`` for the task's training metrics and
    ``val_<metric>`` for all its metrics. ``weights`` are a state_dict of tensors on the CPU, kept where
    asked for and where the replicate is COMPLETED; ``kept_epoch``, from 1, says of which epoch.
    """

    replicate: Replicate
    outcome: Outcome
    curves: Mapping[str, NDArray[np.float64]]
    seconds: float
    reason: str = ""
    divergence: Divergence | None = None
    error: str = ""
    weights: Mapping[str, Tensor] | None = None
    kept_epoch: int | None = None


class CallOptions(TypedDict, total=False):
    """What a training method may be told beside what it trains, and how.

    ``stop`` is asked after every batch; where true, training ends at once and the rest is not given.
    ``keep_weights`` says whether results carry weights. ``prune`` is asked after each epoch but a point's last,
    with the point, the epoch and the judge's mean over the point's replicates there (one that has diverged counts
    as a constant predictor); where true, all of them that are still alive end as PRUNED, with the curves so far
    and no weights. A method that trains replicates one after another has no such mean, and does not ask.
    ``observer`` hears how far training is. A method without jobs tells what was trained alone.
    """

    stop: Callable[[], bool]
    keep_weights: bool
    prune: Prune | None
    observer: Observer


@dataclass(frozen=True)
class TrainingCall:
    """What all replicates of one call share: what :meth:`TrainingMethod.__call__` is given, and two findings.

    ``random`` says whether the network draws at random; ``threads`` is how many the arithmetic uses, None
    for what torch has.
    """

    task: Task
    space: Space
    random: bool
    stop: Callable[[], bool] = lambda: False
    keep_weights: bool = False
    prune: Prune | None = None
    observer: Observer = field(default_factory=Observer)
    threads: int | None = 1

    def pair(self, point: Point) -> Pair:
        """Return a point's pair."""
        return self.space.pair_of(point)


class TrainingMethod(Protocol):
    """A method of training replicates."""

    def __call__(
        self,
        task: Task,
        space: Space,
        replicates: Sequence[Replicate],
        settings: TrainSettings,
        **options: Unpack[CallOptions],
    ) -> Iterator[ReplicateResult]:
        """Train each replicate and give its result.

        Args:
            task: data, network and metrics.
            space: where the points' pairs are found.
            replicates: what to train, in this order.
            settings: how to train.
            **options: see :class:`CallOptions`.
        """
        ...
