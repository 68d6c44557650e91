"""A study made ready again from its own record: to fit its winner, or to train a trial again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

from lossearch._registry import unknown_name
from lossearch._trust import NONE, Trust, require_trusted
from lossearch.config import StudyConfig
from lossearch.errors import InputError, StoreError, StudyMismatchError, UnknownNameError
from lossearch.losses import losses_for
from lossearch.model import FittedModel
from lossearch.model.own_module import FittedModule, load_module
from lossearch.records.confirmations import FILE as CONFIRMED
from lossearch.records.confirmations import read_confirmed
from lossearch.records.curves import read_curves
from lossearch.records.store import Store
from lossearch.records.study import StudyRecord
from lossearch.records.trial import Stage, TrialRecord
from lossearch.records.weights import State, path_of, read_weights, write_weights
from lossearch.space import Point
from lossearch.study.fitting import PARTS, Fitting, fitted_module, folder_of, load_pair_model, with_definition
from lossearch.study.named_code import named_code
from lossearch.study.plan import differences
from lossearch.study.prepare import prepare
from lossearch.study.prepared import Prepared
from lossearch.study.rerun import Rerun, keeping_weights, rerun, round_of
from lossearch.study.undisturbed import undisturbed
from lossearch.training.contract import Replicate, TrainingMethod
from lossearch.training.own_module.tester import Tester

AGAIN = (
    "Call lossearch.search with the same arguments again: it trains no finished trial anew, and its result has "
    "what is needed."
)


@dataclass(frozen=True)
class Reopened:
    """A recorded study, and what of it this process still has from running it.

    ``declared`` is its own description, ``trials`` what was recorded; ``prepared`` is the study as it was run, None where
    it was loaded. ``trust`` holds what of the code that it names may be run.
    """

    store: Store
    declared: StudyRecord
    config: StudyConfig
    trials: tuple[TrialRecord, ...]
    prepared: Prepared | None = None
    trust: Trust = NONE

    def ready(self) -> Prepared:
        """Return the study ready to run, with data made anew and found to be the same.

        Raises:
            InputError: its data, or another part of it, were given in Python and are not here, or it names code that
                is not trusted.
            StudyMismatchError: the data, or what depends on them, are not what they were.
        """
        if self.prepared is not None:
            return self.prepared
        if self.config.task.data is None and self.config.task.module is None:
            raise InputError(
                f"Study {self.declared.name!r} had its data from Python, and they are not here. {AGAIN}"
            )
        code = named_code(self.config, self.declared.task.kind)
        require_trusted(code, self.trust, f"Study {self.declared.name!r}")
        try:
            prepared = prepare(self.config)
        except InputError as error:
            raise InputError(
                f"Study {self.declared.name!r} cannot be made ready again: {error} Where a loss, a metric or a model of it "
                f"came from Python: {AGAIN[0].lower()}{AGAIN[1:]}"
            ) from error
        lines = differences(self.declared.identity(), prepared.plan.identity())
        if lines:
            changed = any(line.startswith("task.data:") for line in lines)
            raise StudyMismatchError(
                f"Study {self.declared.name!r} is not what it was, so nothing of it can be trained again as it was "
                "(recorded -> now):\n"
                + "\n".join(f"  {line}" for line in lines[:12])
                + (
                    "\nThe data, their splits, the network, or how this release prepares them have changed."
                    if changed
                    else ""
                )
            )
        return prepared

    @contextmanager
    def trained(self) -> Iterator[tuple[Prepared, TrainingMethod]]:
        """Give the study and how its replicates are trained."""
        with undisturbed():
            prepared = self.ready()
            with prepared.workers() as group:
                yield prepared, prepared.method(lambda _: None, group)

    def model(self, point: Point, epoch: int, parts: str = "train") -> FittedModel:
        """Return the model of a point trained until an epoch, the one kept or one trained now; see :meth:`Result.fit`."""
        if self.config.task.module is not None:
            raise InputError(
                f"Study {self.declared.name!r} searched the losses of a module of your own: result.module is it, trained "
                f"with {point.pair}."
            )
        if parts not in PARTS:
            raise InputError(f"A model is fitted on {' or '.join(map(repr, PARTS))}; got {parts!r}.")
        try:
            with undisturbed():
                found = self.kept(point, epoch) if parts == "train" else None
        except StoreError as error:
            return self._trained_anew(point, epoch, parts, error)
        return found or self._trained_anew(point, epoch, parts)

    def _trained_anew(
        self, point: Point, epoch: int, parts: str, instead: StoreError | None = None
    ) -> FittedModel:
        """Return a model trained now; ``instead`` says why the one that was kept cannot be read."""
        try:
            with self.trained() as (prepared, method):
                return Fitting(prepared.plan, whole=parts != "train").train(method, point, epoch)
        except InputError as error:
            if instead is None:
                raise
            raise type(error)(f"{instead} It cannot be trained again here: {error}") from error

    def fitted_module(self, point: Point, epoch: int) -> FittedModule:
        """Return the user's module as a point trained it until an epoch: what was kept, or what is trained now.

        Raises:
            InputError: the study trained networks, and not a module.
        """
        if self.config.task.module is None:
            raise InputError(
                f"Study {self.declared.name!r} trained networks of lossearch's making: result.model is its winner."
            )
        # what is damaged is made again, as what is not kept
        with suppress(StoreError):
            kept = load_module(folder_of(self.store.study_dir(self.declared.name), point.pair))
            if kept is not None and kept.point == point and kept.epoch == epoch:
                return kept
        with self.trained() as (prepared, method):
            found = fitted_module(prepared.plan, Fitting(prepared.plan).trained(method, point, epoch))
        assert found is not None  # noqa: S101 - a module was trained, and its weights are there
        return found

    def module(self, fitted: FittedModule) -> Any:
        """Return the user's LightningModule with the weights of a fitted one, in evaluation mode."""
        plan = self.ready().plan
        own = plan.task.module
        assert own is not None  # noqa: S101 - the study has a module
        point = with_definition(fitted.point, plan)
        tester = Tester(plan.task, plan.space, plan.settings, own)
        return tester.module(Replicate(point, fitted.seed), fitted.weights)[0].eval()

    def kept(self, point: Point, epoch: int) -> FittedModel | None:
        """Return the model that the confirmation kept of a point, None where there is none.

        Raises:
            InputError: it needs code that is neither here from running the study nor trusted.
            StoreError: it is damaged.
        """
        folder = self.store.study_dir(self.declared.name)
        if self.prepared is None:
            return load_pair_model(folder, point, epoch, trust=self.trust)
        plan = self.prepared.plan
        blueprint = plan.task.blueprint
        usual = losses_for(plan.task.kind)
        own = [p.loss for p in plan.space.pairs if usual.get(p.loss.name) is not p.loss]
        factory = None if blueprint is None else blueprint.network.factory
        return load_pair_model(folder, point, epoch, model=factory, losses=own)

    def weights(self, record: TrialRecord) -> dict[int, State]:
        """Return the weights kept of a trial's replicates, by seed; see :meth:`Result.weights`."""
        folder = self.store.study_dir(self.declared.name)
        found = read_weights(folder, record)
        if found is None:
            raise InputError(
                f"The weights of trial {record.number} of study {self.declared.name!r} are not kept "
                f"([records] weights = {self.config.records.weights!r}): there is no {path_of(folder, record.number)}. Training it again gives them: "
                f"{keeping_weights(self.declared.name, record.number)}"
            )
        return dict(found.states)

    def rerun(self, record: TrialRecord, *, keep_weights: bool = False) -> Rerun:
        """Train a recorded trial again and say whether its value is reproduced; see :func:`lossearch.api.rerun`."""
        folder = self.store.study_dir(self.declared.name)
        with self.trained() as (prepared, method):
            metric = prepared.plan.task.metric.name
            curves = self._curves(record, f"val_{metric}")
            ran_under = self.declared.versions
            again = partial(rerun, prepared.plan, method, record, curves=curves, ran_under=ran_under)
            found, results = again()
            if not found.reproduced and (beside := round_of(prepared.plan, self.trials, record)):
                found, results = again(beside=beside)
        if keep_weights and found.reproduced and record.stage != Stage.CONFIRM:
            write_weights(folder, record, results)
        return found

    def _curves(self, record: TrialRecord, key: str) -> dict[int, list[float]]:
        stage = Stage.CONFIRM if record.stage == Stage.CONFIRM else Stage.SEARCH
        frame = read_curves(self.store.study_dir(self.declared.name), stage)
        rows = frame[frame["trial"] == record.number]
        if key not in rows:
            return {}
        return {int(str(seed)): own[key].tolist() for seed, own in rows.groupby("seed")}


def find_trial(store: Store, name: str, trials: tuple[TrialRecord, ...], trial: str | int) -> TrialRecord:
    """Return a recorded trial by its number, or the confirmation of a pair as "confirm:PAIR".

    Raises:
        UnknownNameError: there is none.
    """
    head, colon, pair = str(trial).partition(":")
    if colon and head == Stage.CONFIRM:
        folder = store.study_dir(name)
        confirmed = read_confirmed(folder)
        pairs = confirmed.pairs if confirmed else ()
        if confirmed is None or pair not in pairs:
            raise UnknownNameError(
                f"Study {name!r}: {unknown_name('confirmed pair', pair, pairs or ('none yet',))} They are in {folder / CONFIRMED}."
            )
        return confirmed[pair].record()
    found = {str(r.number): r for r in trials}
    if str(trial) not in found:
        last = max((r.number for r in trials), default=None)
        there = "no finished trial" if last is None else f"trials 0 to {last}"
        raise UnknownNameError(
            f"Study {name!r} has no trial {str(trial)!r}; it has {there}. "
            "A confirmation is named confirm:PAIR, as in confirm:bce/sigmoid."
        )
    return found[str(trial)]
