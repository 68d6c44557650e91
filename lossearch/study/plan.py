"""The plan of a study, its identity, and what differs when a study of that name exists already."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lossearch.errors import StudyMismatchError
from lossearch.kinds import KINDS
from lossearch.space import Space
from lossearch.study.schedule import Budget, total_trials
from lossearch.tasks.task import Task
from lossearch.training.contract import TrainSettings

FORMAT = 1
"""Major version of the record format; studies of another are not continued."""


@dataclass(frozen=True)
class Plan:
    """Everything that decides what a study's trials are and what they are worth."""

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
    def total(self) -> int:
        """How many trials there will be."""
        return total_trials(self.space, self.budget)

    def identity(self) -> dict[str, Any]:
        """Return what two runs must share to be one study.

        Raising trials or time, or moving to another store or accelerator, continues a study; anything
        named here makes another.
        """
        s = self.settings
        return {
            "format": FORMAT,
            "task": {
                "name": self.task.name,
                "kind": self.task.kind,
                "data": self.task.digest,
                "metric": self.task.metric.name,
                "direction": self.task.metric.direction,
                **self._objectives(),
                "rows": dict(self.task.sizes),
            },
            "space": self.space.as_json(),
            "search": {
                "mode": self.budget.mode,
                "sampler": self.budget.sampler,
                "seed": self.budget.seed,
                "seeds": len(self.budget.seeds),
                "extend": self.budget.extend,
                # a study without is the one it was before there was pruning
                **({"prune": True} if self.budget.prune else {}),
            },
            "train": {
                "epochs": s.epochs,
                "batch_size": s.batch_size,
                "optimizer": s.optimizer,
                "options": dict(s.options),
                "schedule": s.schedule,
                "clip": s.clip,
                "precision": s.precision,
                "epoch": s.epoch,
            },
        }

    def _objectives(self) -> dict[str, Any]:
        """Return both metrics with their directions; nothing of a study of one, which is what it was before."""
        found = self.task.objectives
        return {"objectives": {m.name: m.direction for m in found}} if len(found) > 1 else {}

    def digest(self) -> str:
        """Return a short hash of the identity."""
        return digest_of(self.identity())


def digest_of(identity: Mapping[str, Any]) -> str:
    """Return a short hash of an identity."""
    return hashlib.blake2b(json.dumps(identity, sort_keys=True).encode(), digest_size=8).hexdigest()


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


def require_same(name: str, stored: Mapping[str, Any], asked: Mapping[str, Any]) -> None:
    """Refuse to continue a study under a changed declaration.

    Raises:
        StudyMismatchError: with the differences and the ways out.
    """
    plain = json.loads(json.dumps(asked))
    lines = differences(stored, plain)
    if lines:
        listed = "\n".join(f"  {line}" for line in lines[:12]) + ("\n  ..." if len(lines) > 12 else "")
        raise StudyMismatchError(
            f"Study {name!r} exists and was declared differently (stored -> asked):\n{listed}\n"
            f"Use another name (--name), start a new study beside it (--fresh), or remove it (lossearch rm {name})."
        )
