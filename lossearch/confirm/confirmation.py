"""Confirmation: the best point of every pair, trained again on fresh seeds, and scored on test rows.

What was selected looks better than it is, so it is measured again: under seeds that the search has not seen,
to the very epoch that the search chose, without a look at validation rows. Here, and only here, the test
part is read.
"""

from __future__ import annotations

import math
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING

import numpy as np

from lossearch.confirm.evaluation import Evaluation, Scorer
from lossearch.confirm.judging import VERDICT
from lossearch.confirm.selection import Selection
from lossearch.errors import RunFailedError
from lossearch.records.confirmations import (
    FILE,
    Confirmation,
    Confirmed,
    EarlyStopping,
    read_confirmed,
    write_confirmed,
)
from lossearch.records.curves import rewrite
from lossearch.records.predictions import FILE as PREDICTIONS
from lossearch.records.predictions import write_predictions
from lossearch.records.store import recording
from lossearch.records.trial import Stage, TrialRecord
from lossearch.study.fitting import save_pair_model
from lossearch.study.pace import Training
from lossearch.study.plan import Plan
from lossearch.study.progress import Listener
from lossearch.study.seeds import confirm_seeds
from lossearch.study.time_left import TimeLeft
from lossearch.training.contract import Outcome, Replicate, ReplicateResult, TrainingMethod

if TYPE_CHECKING:
    from lossearch.confirm.module_evaluation import ModuleScorer
    from lossearch.tasks.own_module import OwnModule

Missing = Sequence[tuple[TrialRecord, tuple[int, ...]]]
"""Selected trials, and the seeds that each lacks."""


@dataclass
class Confirmer:
    """The confirmation of one study, written into its directory."""

    plan: Plan
    train: TrainingMethod
    folder: Path
    listener: Listener
    time_left: TimeLeft = field(default_factory=TimeLeft)

    def __post_init__(self) -> None:
        own = self.plan.task.module
        self.scorer = Scorer(self.plan) if own is None else _module_scorer(self.plan, own)

    def __call__(
        self, selection: Selection, n: int, stopping: EarlyStopping | None = None
    ) -> Confirmed | None:
        """Train what is not there yet on ``n`` fresh seeds, and return the whole confirmation.

        What was confirmed before stays where the selected trial is the same, and so do more seeds than ``n``.
        None where nothing is to be confirmed.

        Args:
            selection: what is confirmed.
            n: seeds of each; 0 adds none.
            stopping: how far a confirmation with early stopping has come: a pair dropped gets no more seeds.
        """
        before = self.before(selection)
        if stopping is None:
            stopping = before.stopping if before and not n else EarlyStopping()
        most = max(n, len(before.seeds) if before else 0)
        seeds = confirm_seeds(self.plan.budget.seed, most, self.plan.budget.seeds)
        missing = self.missing(selection, n if stopping.analyses and n else most, stopping.dropped)
        if not selection.trials or not seeds or (missing and not n):
            discard(self.folder)
            return None
        if before is not None and not missing:
            return self._unchanged(before, selection, stopping)
        return self._confirmed(selection, before, seeds, missing, stopping)

    def missing(self, selection: Selection, n: int, dropped: Collection[str] = ()) -> Missing:
        """Return the selected trials that lack some of the first ``n`` seeds, but for pairs that were dropped."""
        return _missing(self.plan, self.before(selection), selection, n, dropped)

    def before(self, selection: Selection) -> Confirmed | None:
        """Return what was confirmed before of these trials, None where nothing was."""
        return _before(self.folder, selection)

    def _unchanged(self, before: Confirmed, selection: Selection, stopping: EarlyStopping) -> Confirmed:
        """Return what was confirmed before and is all that there is to confirm."""
        now = _brought_up_to_date(before, selection, stopping)
        if now != read_confirmed(self.folder):
            with recording(self.folder):
                (self.folder / VERDICT).unlink(missing_ok=True)
                write_confirmed(self.folder, now)
        return now

    def _confirmed(
        self,
        selection: Selection,
        before: Confirmed | None,
        seeds: tuple[int, ...],
        missing: Missing,
        stopping: EarlyStopping,
    ) -> Confirmed:
        known = {c.point.pair: c for c in before.confirmations} if before else {}
        constants = self.scorer.constants(seeds)
        new = {e.trial.point.pair: e for e in self._evaluated(missing, seeds, constants)}
        failed = {pair: r.reason for pair, e in new.items() for r in e.results if r.outcome is Outcome.FAILED}
        found = [
            _joined(known.get(pair), new.get(pair), trial, self.scorer.judged)
            for trial in selection.trials
            if (pair := trial.point.pair) not in failed
        ]
        if not found:
            raise RunFailedError(
                f"Every pair failed in its confirmation: {next(iter(failed.values())).rstrip('.')}. The search is kept; the "
                "same command confirms again."
            )
        left_out = {**selection.left_out, **{p: f"its confirmation failed: {r}" for p, r in failed.items()}}
        confirmed = Confirmed(
            self.scorer.parts[0],
            self.plan.task.metric.name,
            seeds,
            constants,
            tuple(found),
            left_out,
            selection.of,
            stopping,
            self.scorer.baselines(seeds, constants),
        )
        with recording(self.folder):
            self._write(confirmed, before, [e for p, e in new.items() if p not in failed])
        return confirmed

    def _evaluated(
        self,
        missing: Missing,
        seeds: Sequence[int],
        constants: Mapping[str, Mapping[str, Sequence[float]]],
    ) -> list[Evaluation]:
        """Train and score the selected trials under the seeds they lack, all as one population."""
        replicates = [Replicate(t.point, seed, t.epoch) for t, own in missing for seed in own]
        pairs, most = len(missing), max(len(own) for _, own in missing)
        self.listener.doing(
            f"Confirming {pairs} {'pair' if pairs == 1 else 'pairs'} on {most} fresh "
            f"{'seed' if most == 1 else 'seeds'}: {len(replicates)} replicates"
        )
        self.time_left.confirm(Training(len(replicates), fmean(self._epochs(r) for r in replicates)))
        results = self._results(replicates)
        place = {seed: i for i, seed in enumerate(seeds)}
        found = []
        for trial, own in missing:
            evaluation = self.scorer.begin(trial, own[0])
            for seed in own:
                at = {p: {m: v[place[seed]] for m, v in of.items()} for p, of in constants.items()}
                self.scorer.add(evaluation, next(results), at)
            found.append(evaluation)
        return found

    def _results(self, replicates: Sequence[Replicate]) -> Iterator[ReplicateResult]:
        """Give each replicate's result; one that failed is trained once more."""
        for result in self._train(replicates):
            yield next(self._train([result.replicate])) if result.outcome is Outcome.FAILED else result

    def _train(self, replicates: Sequence[Replicate]) -> Iterator[ReplicateResult]:
        plan = self.plan
        return self.train(
            plan.task,
            plan.space,
            replicates,
            plan.settings,
            keep_weights=True,
            observer=self.time_left,
        )

    def _epochs(self, replicate: Replicate) -> int:
        return replicate.until or int(self.plan.settings.of(replicate.point).epochs)

    def _write(self, confirmed: Confirmed, before: Confirmed | None, new: Sequence[Evaluation]) -> None:
        """Write predictions and curves, and last what says that they are there."""
        known = before.confirmations if before else ()
        (self.folder / VERDICT).unlink(missing_ok=True)
        if before is None:
            (self.folder / FILE).unlink(missing_ok=True)
        else:
            write_confirmed(self.folder, before)
        write_predictions(
            self.folder,
            [table for e in new for table in e.tables],
            {(c.point.pair, seed) for c in known for seed in c.seeds},
        )
        rewrite(
            self.folder,
            Stage.CONFIRM,
            {e.trial.number: e.results for e in new},
            {(c.trial, seed) for c in known for seed in c.seeds},
        )
        for e in new:
            if e.model is not None and e.trial.point.pair not in {c.point.pair for c in known}:
                save_pair_model(self.folder, e.model)
        write_confirmed(self.folder, confirmed)


def _module_scorer(plan: Plan, own: OwnModule) -> ModuleScorer:
    from lossearch.confirm.module_evaluation import ModuleScorer

    return ModuleScorer(plan, own)


def is_whole(plan: Plan, folder: Path, selection: Selection, n: int) -> bool:
    """Whether a confirmation without early stopping, on ``n`` seeds or more, is in a study's directory as it would be written."""
    before = _before(folder, selection)
    if before is None or _missing(plan, before, selection, max(n, len(before.seeds))):
        return False
    return _brought_up_to_date(before, selection, EarlyStopping()) == read_confirmed(folder)


def _missing(
    plan: Plan, before: Confirmed | None, selection: Selection, n: int, dropped: Collection[str] = ()
) -> Missing:
    known = {c.point.pair: c.seeds for c in before.confirmations} if before else {}
    seeds = confirm_seeds(plan.budget.seed, n, plan.budget.seeds)
    return [
        (trial, own)
        for trial in selection.trials
        if (pair := trial.point.pair) not in dropped
        and (own := tuple(s for s in seeds if s not in known.get(pair, ())))
    ]


def _before(folder: Path, selection: Selection) -> Confirmed | None:
    found = read_confirmed(folder)
    beside = (PREDICTIONS, f"{Stage.CONFIRM}.parquet")
    if found is None or not all((folder / name).exists() for name in beside):
        return None
    same = {(r.point.pair, r.number, r.epoch) for r in selection.trials}
    kept = tuple(c for c in found.confirmations if (c.point.pair, c.trial, c.epoch) in same)
    # who was dropped depends on all that ran
    stopping = found.stopping if len(kept) == len(found.confirmations) else EarlyStopping()
    return replace(found, confirmations=kept, stopping=stopping) if kept else None


def _brought_up_to_date(before: Confirmed, selection: Selection, stopping: EarlyStopping) -> Confirmed:
    return replace(before, left_out=selection.left_out, trials=selection.of, stopping=stopping)


def discard(folder: Path) -> None:
    """Remove what was confirmed in a study's directory."""
    with recording(folder):
        for name in (VERDICT, FILE, PREDICTIONS, f"{Stage.CONFIRM}.parquet"):
            (folder / name).unlink(missing_ok=True)


def _joined(
    known: Confirmation | None, new: Evaluation | None, trial: TrialRecord, judged: str
) -> Confirmation:
    """Return what was known of a selected trial and what was trained just now as one record."""
    if new is None:
        if known is None:
            raise RuntimeError(f"{trial.point.pair} was neither confirmed before nor trained now.")
        return known
    results = new.results
    outcomes = (*(known.outcomes if known else ()), *(r.outcome for r in results))
    names = dict.fromkeys([*(known.values if known else ()), *(n for v in new.values for n in v)])
    n_known = len(known.seeds) if known else 0
    values = {
        name: (
            *(known.values.get(name, (math.nan,) * n_known) if known else ()),
            *(v.get(name, math.nan) for v in new.values),
        )
        for name in names
    }
    reasons = [known.reason] if known and known.reason else [r.reason for r in results if r.reason]
    seconds = sum(r.seconds for r in results)
    return Confirmation(
        point=trial.point,
        encoding=trial.encoding,
        trial=trial.number,
        search=float(np.nan if trial.value is None else trial.value),
        epoch=trial.epoch or 0,
        judged=judged,
        seeds=(*(known.seeds if known else ()), *(r.replicate.seed for r in results)),
        outcomes=outcomes,
        values=values,
        fields=new.fields,
        codes=new.codes,
        family=new.family,
        reason=reasons[0] if reasons else "",
        seconds=seconds + (known.seconds if known else 0.0),
        started=known.started if known else time.time() - seconds,
    )
