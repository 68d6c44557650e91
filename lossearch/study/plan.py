"""The plan of a study, its identity, and what differs when a study of that name exists already."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, Self

from lossearch._options import either, option
from lossearch.errors import StudyMismatchError
from lossearch.kinds import KINDS
from lossearch.metrics.metric import Metric
from lossearch.records.evidence import known_metric
from lossearch.records.study import (
    SearchRecord,
    SpaceRecord,
    StudyDefinition,
    StudyRecord,
    TaskRecord,
    TrainRecord,
)
from lossearch.space import Space
from lossearch.study.budget import Budget
from lossearch.study.schedule import Schedule
from lossearch.tasks.task import Task
from lossearch.training.contract import TrainSettings


@dataclass(frozen=True)
class Question:
    """What a verdict answers: by which metric pairs are judged, against which, and with what draws."""

    kind: str
    metric: Metric
    conventional: str
    seed: int

    @classmethod
    def recorded(cls, study: StudyRecord) -> Self:
        """Return that of a recorded study.

        Raises:
            InputError: its metric is the user's own, of which records hold the name alone.
        """
        task = study.task
        return cls(task.kind, known_metric(task.metric, task.kind), study.conventional, study.search.seed)


@dataclass(frozen=True)
class Plan:
    """Everything that decides what a study's trials are and what their values are."""

    name: str
    task: Task
    space: Space
    settings: TrainSettings
    budget: Budget
    notes: tuple[str, ...] = ()

    @property
    def conventional(self) -> str:
        """The pair that gains are measured against."""
        return KINDS[self.task.kind].conventional

    @property
    def question(self) -> Question:
        """What its verdict answers."""
        return Question(self.task.kind, self.task.metric, self.conventional, self.budget.seed)

    @cached_property
    def schedule(self) -> Schedule:
        """What chooses its points."""
        return Schedule(self.space, self.budget, self.task.objectives)

    @property
    def total(self) -> int:
        """How many trials there will be."""
        return self.schedule.total

    def definition(self) -> StudyDefinition:
        """Return what two runs must share to be one study."""
        task, budget = self.task, self.budget
        both = task.objectives if len(task.objectives) > 1 else ()
        return StudyDefinition(
            task=TaskRecord(
                name=task.name,
                kind=task.kind,
                data=task.digest,
                metric=task.metric.name,
                direction=task.metric.direction,
                objectives={m.name: m.direction for m in both},
                rows=dict(task.sizes),
            ),
            space=SpaceRecord(**self.space.as_json()),
            search=SearchRecord(
                mode=budget.mode,
                sampler=budget.sampler,
                seed=budget.seed,
                seeds=len(budget.seeds),
                extend=budget.extend,
                prune=budget.prune,
            ),
            train=TrainRecord(**{f.name: getattr(self.settings, f.name) for f in fields(TrainRecord)}),
        )

    def identity(self) -> dict[str, Any]:
        """Return what two runs must share to be one study, as plain values."""
        return self.definition().identity()

    def digest(self) -> str:
        """Return a short hash of the identity."""
        return hashlib.blake2b(
            json.dumps(self.identity(), sort_keys=True).encode(), digest_size=8
        ).hexdigest()


def differences(stored: object, asked: object, path: str = "") -> list[str]:
    """Return a line for each value in which two identities differ."""
    if isinstance(stored, Mapping) and isinstance(asked, Mapping):
        lines = []
        for key in dict.fromkeys([*stored, *asked]):
            where = f"{path}.{key}" if path else str(key)
            if key not in asked:
                lines.append(f"- {where}")
            elif key not in stored:
                lines.append(f"+ {where}")
            else:
                lines += differences(stored[key], asked[key], where)
        return lines
    return [] if stored == asked else [f"{path}: {json.dumps(stored)} -> {json.dumps(asked)}"]


def pairs_alike(stored: Mapping[str, Any], asked: Mapping[str, Any]) -> set[str]:
    """Return the pairs that two identities declare alike; none where they differ in more than pairs and the task's name."""

    def rest(identity: Mapping[str, Any]) -> dict[str, Any]:
        space, task = {**identity["space"], "pairs": None}, {**identity["task"], "name": None}
        return {**identity, "space": space, "task": task}

    if rest(stored) != rest(asked):
        return set()
    before, now = stored["space"]["pairs"], asked["space"]["pairs"]
    return {name for name in now if name in before and before[name] == now[name]}


def require_same(name: str, stored: Mapping[str, Any], asked: Mapping[str, Any]) -> None:
    """Refuse to continue a study under a changed declaration.

    Raises:
        StudyMismatchError: with the differences and the ways out.
    """
    lines = differences(stored, asked)
    if lines:
        listed = "\n".join(f"  {line}" for line in lines[:12]) + ("\n  ..." if len(lines) > 12 else "")
        kept = (
            " Under another name its trials of the other pairs are taken over."
            if pairs_alike(stored, asked)
            else ""
        )
        drawn = (
            "Rows, values or target of the data are others than the study had. Where code draws or shuffles them at random, "
            "seed it.\n"
            if stored["task"]["data"] != asked["task"]["data"]
            else ""
        )
        raise StudyMismatchError(
            f"Study {name!r} exists and was declared differently (stored -> asked):\n{listed}\n{drawn}"
            f"Use another name ({option('name')}), {either('', 'start a new study beside it (--fresh), ')}"
            f"or remove it (lossearch rm {name}).{kept}"
        )
