"""A task: what is predicted and how it is judged."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from torch import Tensor, nn

from lossearch.losses import TargetFacts, TargetStatistics
from lossearch.tasks.metrics import Metric


@dataclass(frozen=True)
class Part:
    """Rows ready for a network: inputs (N, ...) and canonical targets.

    Targets: regression (N, T) float in original units, binary (N, 1) float 0/1, multiclass (N,) int64.
    """

    x: Tensor
    y: Tensor

    def __len__(self) -> int:
        return len(self.x)


@dataclass(frozen=True)
class Fold:
    """The training and validation rows of one seed, scaled by what the training rows say."""

    seed: int
    train: Part
    validation: Part
    statistics: TargetStatistics


@dataclass(frozen=True)
class Task:
    """Data in three parts, a network factory, metrics. Nothing here depends on a pair.

    ``fold(seed)`` gives that seed's training and validation rows (the same for every pair, cached);
    ``test(seed)`` the test rows as that seed's preparation sees them, None where there are none.
    ``network(n_out)`` builds a fresh network under torch's global random state.
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

    @property
    def n_out(self) -> int:
        """How many numbers the network gives a row."""
        return self.facts.n_out

    @property
    def train_metrics(self) -> tuple[Metric, ...]:
        """What is scored on training rows too: the judge, and the unusual ones asked for by name."""
        return (self.metric, *(m for m in self.metrics if m.on_request and m is not self.metric))
