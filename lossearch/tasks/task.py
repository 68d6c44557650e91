"""A task: what is predicted and how it is judged."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from lossearch.kinds import TargetFacts, TargetStatistics
from lossearch.losses import Head
from lossearch.metrics.metric import Metric
from lossearch.metrics.registry import constant_score
from lossearch.tasks.own_module import OwnModule

if TYPE_CHECKING:
    from torch import Tensor, nn

    from lossearch.tasks.blueprint import Blueprint


@dataclass(frozen=True)
class Part:
    """Rows ready for a network: inputs (N, ...) and canonical targets.

    Targets are in the form of the task's kind, see :class:`~lossearch.kinds.TargetForm`.
    ``rows`` are the rows' numbers in the data as given, ``groups`` the numbers of their groups; None where
    that is not known. ``sample_weight`` is what each row weighs in the loss, (N,) float64; None where all weigh the
    same.
    """

    x: Tensor
    y: Tensor
    rows: NDArray[np.int64] | None = None
    groups: NDArray[np.int64] | None = None
    sample_weight: Tensor | None = None

    def __len__(self) -> int:
        return len(self.x)

    def cut(self, start: int, end: int) -> Part:
        """Return the rows from ``start`` to ``end``."""
        rows = None if self.rows is None else self.rows[start:end]
        groups = None if self.groups is None else self.groups[start:end]
        weight = None if self.sample_weight is None else self.sample_weight[start:end]
        return Part(self.x[start:end], self.y[start:end], rows, groups, weight)


class Stream(Protocol):
    """Training rows that are read batch by batch, in an order that the epoch alone fixes."""

    def __len__(self) -> int:
        """Return how many rows an epoch has."""
        ...

    def batches(self, epoch: int, sizes: Sequence[int]) -> Iterator[Part]:
        """Give an epoch's batches (from 0) of these sizes, which add up to all rows."""
        ...


@dataclass(frozen=True)
class Census:
    """How much of each class there is among training rows: ``counts`` (K, C) are of rows, or of what they weigh.

    K outputs have C classes each, see ``Kind.class_shape``. ``rows`` says how many rows were counted.
    """

    counts: tuple[tuple[float, ...], ...]
    rows: int


@dataclass(frozen=True)
class Fold:
    """The training and validation rows of one seed, scaled by what the training rows say.

    Where the training rows are more than memory holds, they are read from ``stream``, the same under every
    seed, and ``train`` is a fixed sample of them, on which training metrics are scored. ``census`` is of all training
    rows; None where ``train`` holds them.
    """

    seed: int
    train: Part
    validation: Part
    statistics: TargetStatistics
    stream: Stream | None = None
    census: Census | None = None

    @property
    def train_rows(self) -> int:
        """How many rows an epoch of training has."""
        return len(self.train if self.stream is None else self.stream)

    def cut(self, train: int, validation: int) -> Fold:
        """Return the first of these rows alone, so many of each part, all held."""
        return replace(
            self, train=self.train.cut(0, train), validation=self.validation.cut(0, validation), stream=None
        )


@dataclass(frozen=True)
class Task:
    """Data in three parts, a network factory, metrics. Nothing here depends on a pair.

    ``fold(seed)`` gives that seed's training and validation rows (the same for every pair, cached);
    ``test(seed)`` the test rows as that seed's preparation sees them, None where there are none.
    ``network(n_out)`` builds a fresh network under torch's global random state. ``blueprint`` is what a
    fitted model takes of it, None where there is none to take. ``metric`` judges; ``second`` is an objective
    beside it, None in a study of one. ``head`` is what losses of another width need, see
    :class:`~lossearch.losses.Head`. ``weighted`` says whether rows have weights of their own. ``module`` is the user's
    own LightningModule, which is trained instead of a network; the folds then hold targets alone.
    """

    name: str
    kind: str
    facts: TargetFacts
    metric: Metric
    metrics: tuple[Metric, ...]
    fold: Callable[[int], Fold]
    test: Callable[[int], Part | None]
    network: Callable[[int], nn.Module]
    digest: str
    sizes: Mapping[str, int]
    classes: tuple[str, ...] = ()
    target: str = "y"
    notes: tuple[str, ...] = ()
    describe: Mapping[str, str] = field(default_factory=dict)
    blueprint: Blueprint | None = None
    second: Metric | None = None
    head: Head | None = None
    module: OwnModule | None = None
    weighted: bool = False

    @property
    def objectives(self) -> tuple[Metric, ...]:
        """The judge, and the second objective where there is one."""
        return (self.metric,) if self.second is None else (self.metric, self.second)

    @property
    def n_out(self) -> int:
        """How many numbers a row are predicted."""
        return self.facts.n_out

    @property
    def width(self) -> int:
        """How many numbers a row the network gives."""
        return self.n_out if self.head is None else self.head.width(self.n_out)

    def constant(self, metric: Metric, seed: int) -> float:
        """Return what a constant predictor scores on a seed's validation rows.

        By a metric that only the user's module knows: what it scores before its first step.
        """
        if self.module is not None and metric.name in self.module.untrained:
            return self.module.untrained[metric.name]
        fold = self.fold(seed)
        return constant_score(metric, self.kind, fold.train.y, fold.validation.y, self.n_out)

    def with_head(self, head: Head | None) -> Task:
        """Return this task with networks that end in a head; itself where they do already."""
        return self if head == self.head else replace(self, head=head)

    def build(self) -> nn.Module:
        """Return a fresh network under torch's global random state, with the head of the losses it is for."""
        return self.network(self.n_out) if self.head is None else self.head.network(self.network, self.n_out)

    @property
    def train_metrics(self) -> tuple[Metric, ...]:
        """What is scored on training rows too: the judge, and the unusual ones asked for by name; of a module none."""
        if self.module is not None:
            return ()
        return (self.metric, *(m for m in self.metrics if m.on_request and m is not self.metric))
