"""Small studies that are ready to be confirmed: a plan, and trials that say what the search chose."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from lossearch.config import make_config
from lossearch.data.sources import from_arrays
from lossearch.metrics.metric import Metric
from lossearch.records.trial import TrialRecord
from lossearch.study.plan import Plan
from lossearch.study.prepare import prepare
from lossearch.study.prepared import Prepared
from lossearch.study.progress import Listener
from lossearch.training.contract import Outcome, Replicate, ReplicateResult, TrainingMethod

RNG = np.random.default_rng(0)
X = RNG.normal(size=(150, 3))
BINARY = (X[:, 0] + 0.5 * RNG.normal(size=150) > 0).astype(int)
CLASSES = np.digitize(X[:, 0] + 0.3 * RNG.normal(size=150), [-0.5, 0.5])
REAL = 3.0 + X @ np.array([1.0, -2.0, 0.5]) + 0.1 * RNG.normal(size=150)

EPOCHS = 4
TABLES: dict[str, dict[str, Any]] = {
    "task": {"hidden": [4]},
    "space": {"lr": [1e-3, 1.0]},
    "budget": {"trials": 10, "seeds": 2},
    "train": {"epochs": EPOCHS, "batch_size": 32, "optimizer": "sgd", "device": "cpu"},
}


def prepared(
    y: Any = BINARY,
    losses: Sequence[str] = ("bce", "mse"),
    activations: Sequence[str] | None = ("sigmoid",),
    *,
    x: Any = X,
    metric: Metric | None = None,
    groups: Any = None,
    validation: Any = None,
    test: Any = None,
    **changed: dict[str, Any],
) -> Prepared:
    """Return a small study on 150 rows."""
    tables = {name: {**table, **changed.get(name, {})} for name, table in TABLES.items()}
    space: dict[str, Any] = {"losses": list(losses), **tables["space"]}
    if activations is not None:
        space["activations"] = list(activations)
    config = make_config({**tables, "space": space})
    data = from_arrays(x, y, name="small", groups=groups, validation=validation, test=test)
    return prepare(config, dataset=data, metric=metric)


def trial(
    plan: Plan,
    pair: str,
    index: int = 0,
    value: float | None = 0.5,
    *,
    number: int | None = None,
    lr: float = 0.1,
    epoch: int = 2,
    outcome: Outcome = Outcome.COMPLETED,
) -> TrialRecord:
    """Return a trial as the search would have recorded it."""
    point = plan.space.point(pair, {"lr": lr})
    encoding = plan.space[pair].encoding.name
    return TrialRecord(
        number=index if number is None else number,
        stage="cover",
        point=point,
        encoding=encoding,
        seeds=plan.budget.seeds,
        outcome=outcome,
        value=value,
        epoch=None if value is None else epoch,
        index=index,
    )


def searched(plan: Plan, n: int = 5) -> list[TrialRecord]:
    """Return ``n`` trials of every pair, the last the best, with epochs that differ by pair."""
    sign = plan.task.metric.sign
    return [
        trial(plan, pair, i, sign * (0.5 + i / 10), number=n * p + i, lr=0.02 * (i + 1), epoch=1 + p % EPOCHS)
        for p, pair in enumerate(plan.space.names)
        for i in range(n)
    ]


def way(study: Prepared) -> TrainingMethod:
    """Return how this study's replicates are trained."""
    return study.method(lambda _: None)


class Watched:
    """A way of training that notes what it is asked for, and may change or stop what it gives."""

    def __init__(
        self,
        train: TrainingMethod,
        change: Callable[[ReplicateResult], ReplicateResult] = lambda result: result,
    ) -> None:
        self.train, self.change = train, change
        self.calls: list[list[Replicate]] = []
        self.kept: list[bool] = []

    def __call__(
        self, task: Any, space: Any, replicates: Any, settings: Any, **how: Any
    ) -> Iterator[ReplicateResult]:
        self.calls.append(list(replicates))
        self.kept.append(bool(how.get("keep_weights")))
        for result in self.train(task, space, replicates, settings, **how):
            yield self.change(result)

    @property
    def replicates(self) -> list[Replicate]:
        return [r for call in self.calls for r in call]


class Notes(Listener):
    """Keeps the sentences it hears, of what is being done too."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def note(self, text: str) -> None:
        self.said.append(text)

    def doing(self, what: str) -> None:
        self.said.append(f"{what}.")
