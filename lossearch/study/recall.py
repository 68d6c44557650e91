"""Replicates that another study of the store has trained: one with pairs added does not train the others again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import Unpack

import numpy as np
import pandas as pd

from lossearch._text import listed
from lossearch.errors import StoreError
from lossearch.losses import losses_for
from lossearch.records.curve_files import KEYS
from lossearch.records.curves import read_curves
from lossearch.records.environment import versions
from lossearch.records.places import same_place
from lossearch.records.store import Store
from lossearch.records.study import StudyRecord
from lossearch.records.trial import Stage, TrialRecord
from lossearch.records.weights import TrialWeights, read_weights
from lossearch.space import Space
from lossearch.study.optuna_study import read_trials
from lossearch.study.plan import Plan, pairs_alike
from lossearch.tasks.task import Task
from lossearch.training.contract import (
    CallOptions,
    Outcome,
    Replicate,
    ReplicateResult,
    TrainingMethod,
    TrainSettings,
)

_SAME = ("lossearch", "torch", "numpy")
"""Packages of which another version may train otherwise."""
Results = Mapping[Replicate, ReplicateResult]


@dataclass(frozen=True)
class Recalled:
    """What another study has trained of the points that this one may ask for."""

    study: str
    results: Results

    @property
    def note(self) -> str:
        """What is said of it."""
        points = {r.point for r in self.results}
        pairs = listed(sorted({p.pair for p in points}), most=5)
        return (
            f"Study {self.study!r} has {len(points)} trials of {pairs} on the same data and settings: those that are asked "
            "for here too are taken over, not trained again."
        )


def recalled(store: Store, plan: Plan, storage: str | None) -> Recalled | None:
    """Return what the study most like a plan has trained, None where there is none.

    Of studies kept outside of the store only those in ``storage`` are read: no other place was asked for.

    It is one of other pairs, but the same data, splits, settings, seeds and versions, and the points are of pairs of the
    same ranges. What did not train to its end, what could be pruned, and losses of the user's own are left out.
    """
    if plan.budget.prune:
        return None
    usual = losses_for(plan.task.kind)
    own = {p.name for p in plan.space.pairs if usual.get(p.loss.name) is p.loss}
    asked = plan.identity()
    found: list[Recalled] = []
    for name in store.studies():
        # what cannot be read is of no use here; whoever asks for that study is told
        with suppress(StoreError):
            study = store.read_study(name)
            pairs = own & pairs_alike(study.identity(), asked)
            others = {*study.space.pairs} != {*plan.space.names}
            if pairs and others and same_place(store, storage, study.storage) and _same_versions(study):
                results = _trained(store, study.name, storage, pairs)
                found += [Recalled(name, results)] if results else []
    return max(found, key=lambda r: len(r.results), default=None)


def _same_versions(study: StudyRecord) -> bool:
    now = versions()
    return all(study.versions.get(package) == now.get(package) for package in _SAME)


def _trained(
    store: Store, name: str, storage: str | None, pairs: set[str]
) -> dict[Replicate, ReplicateResult]:
    trials = {
        t.number: t
        for t in read_trials(store, name, storage)
        if t.point.pair in pairs and t.outcome is Outcome.COMPLETED and not t.n_diverged
    }
    folder = store.study_dir(name)
    kept = {number: weights for number, t in trials.items() if (weights := read_weights(folder, t))}
    frame = read_curves(folder, Stage.SEARCH)
    found = {}
    for number, of_trial in frame[frame["trial"].isin(list(trials))].groupby("trial"):
        for seed, rows in of_trial.groupby("seed"):
            result = _result(trials[int(str(number))], int(str(seed)), rows, kept.get(int(str(number))))
            found[result.replicate] = result
    return found


def _result(trial: TrialRecord, seed: int, rows: pd.DataFrame, kept: TrialWeights | None) -> ReplicateResult:
    names = [c for c in rows.columns if c not in KEYS.names]
    return ReplicateResult(
        Replicate(trial.point, seed),
        Outcome.COMPLETED,
        {name: rows[name].to_numpy(np.float64) for name in names if rows[name].notna().any()},
        trial.seconds / len(trial.seeds),
        weights=None if kept is None else kept.states.get(seed),
        kept_epoch=None if kept is None else kept.kept_epoch.get(seed),
    )


def recalling(
    train: TrainingMethod, store: Store, plan: Plan, storage: str | None, note: Callable[[str], None]
) -> TrainingMethod:
    """Return a method that gives what is known from another study of the store, and trains the rest.

    ``note`` is told where there is such a study, before the first replicates are trained.
    """

    @cache
    def known() -> Results:
        found = recalled(store, plan, storage)
        if found is not None:
            note(found.note)
        return {} if found is None else found.results

    def method(
        task: Task,
        space: Space,
        replicates: Sequence[Replicate],
        settings: TrainSettings,
        **options: Unpack[CallOptions],
    ) -> Iterator[ReplicateResult]:
        left = [r for r in replicates if r not in known()]
        trained = iter(train(task, space, left, settings, **options) if left else ())
        for replicate in replicates:
            result = known()[replicate] if replicate in known() else next(trained, None)
            if result is None:
                return
            yield result

    return method
