"""Replicates that another study of the store has trained: one with pairs added does not train the others again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from pathlib import Path
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
from lossearch.records.weights import TrialWeights, path_of, read_weights
from lossearch.space import Point, Space
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


@dataclass(frozen=True)
class Recalled:
    """What another study, in ``folder``, has trained of the points that this one may ask for; weights are read apart."""

    study: str
    folder: Path
    trials: Mapping[Point, TrialRecord]
    results: Mapping[Replicate, ReplicateResult]

    @property
    def note(self) -> str:
        """What is said of it."""
        points = {r.point for r in self.results}
        pairs = listed(sorted({p.pair for p in points}), most=5)
        return (
            f"Study {self.study!r} has {len(points)} trials of {pairs} on the same data and settings: those that are asked "
            "for here too are taken over, not trained again."
        )


def recalled(store: Store, plan: Plan, storage: str | None, *, weights: bool = False) -> Recalled | None:
    """Return what the study most like a plan has trained, None where there is none.

    It is one of other pairs, but the same data, splits, settings, seeds and versions, and the points are of pairs of the
    same ranges. What did not train to its end, what could be pruned, and losses of the user's own are left out.

    Args:
        store: where the studies are.
        plan: of the study that asks.
        storage: where it is kept outside of the store; of studies that are, only those there are read: no other place was
            asked for.
        weights: whether trials without weights are left out.
    """
    if plan.budget.prune:
        return None
    usual = losses_for(plan.task.kind)
    own = {p.name for p in plan.space.pairs if usual.get(p.loss.name) is p.loss}
    asked = plan.identity()
    alike: dict[str, list[TrialRecord]] = {}
    for name in store.studies():
        # what cannot be read is of no use here; whoever asks for that study is told
        with suppress(StoreError):
            study = store.read_study(name)
            pairs = own & pairs_alike(study.identity(), asked)
            others = {*study.space.pairs} != {*plan.space.names}
            if pairs and others and same_place(store, storage, study.storage) and _same_versions(study):
                found = _completed(store, name, storage, pairs)
                folder = store.study_dir(name)
                alike[name] = [t for t in found if not weights or path_of(folder, t.number).exists()]
    for name in sorted(alike, key=lambda n: len(alike[n]), reverse=True):
        with suppress(StoreError):
            folder = store.study_dir(name)
            if results := _results(folder, alike[name]):
                return Recalled(name, folder, {t.point: t for t in alike[name]}, results)
    return None


def _same_versions(study: StudyRecord) -> bool:
    now = versions()
    return all(study.versions.get(package) == now.get(package) for package in _SAME)


def _completed(store: Store, name: str, storage: str | None, pairs: set[str]) -> list[TrialRecord]:
    return [
        t
        for t in read_trials(store, name, storage)
        if t.point.pair in pairs and t.outcome is Outcome.COMPLETED and not t.n_diverged
    ]


def _results(folder: Path, trials: Sequence[TrialRecord]) -> dict[Replicate, ReplicateResult]:
    if not trials:
        return {}
    by_number = {t.number: t for t in trials}
    frame = read_curves(folder, Stage.SEARCH)
    found = {}
    for number, of_trial in frame[frame["trial"].isin([*by_number])].groupby("trial"):
        for seed, rows in of_trial.groupby("seed"):
            result = _result(by_number[int(str(number))], int(str(seed)), rows)
            found[result.replicate] = result
    return found


def _result(trial: TrialRecord, seed: int, rows: pd.DataFrame) -> ReplicateResult:
    names = [c for c in rows.columns if c not in KEYS.names]
    return ReplicateResult(
        Replicate(trial.point, seed),
        Outcome.COMPLETED,
        {name: rows[name].to_numpy(np.float64) for name in names if rows[name].notna().any()},
        trial.seconds / len(trial.seeds),
    )


def recalling(
    train: TrainingMethod,
    store: Store,
    plan: Plan,
    storage: str | None,
    note: Callable[[str], None],
    *,
    weights: bool = False,
) -> TrainingMethod:
    """Return a method that gives what is known from another study of the store, and trains the rest.

    ``note`` is told where there is such a study, before the first replicates are trained. ``weights`` says whether what
    has none is trained too.
    """

    @cache
    def other() -> Recalled | None:
        found = recalled(store, plan, storage, weights=weights)
        if found is not None:
            note(found.note)
        return found

    # the replicates of a trial are asked for one after another
    @lru_cache(maxsize=1)
    def kept(point: Point) -> TrialWeights | None:
        found = other()
        # damaged ones are none here; whoever asks for them there is told
        with suppress(StoreError):
            return None if found is None else read_weights(found.folder, found.trials[point])
        return None

    def with_weights(result: ReplicateResult) -> ReplicateResult:
        found, seed = kept(result.replicate.point), result.replicate.seed
        if found is None:
            return result
        return replace(result, weights=found.states.get(seed), kept_epoch=found.kept_epoch.get(seed))

    def method(
        task: Task,
        space: Space,
        replicates: Sequence[Replicate],
        settings: TrainSettings,
        **options: Unpack[CallOptions],
    ) -> Iterator[ReplicateResult]:
        found = other()
        known = {} if found is None else found.results
        left = [r for r in replicates if r not in known]
        trained = iter(train(task, space, left, settings, **options) if left else ())
        for replicate in replicates:
            result = known.get(replicate) or next(trained, None)
            if result is None:
                return
            yield with_weights(result) if options.get("keep_weights") and replicate in known else result

    return method
