"""Confirmation: the best point of every pair, trained again on fresh seeds, and scored on test rows.

What was selected looks better than it is, so it is measured again: under seeds that the search has not seen,
to the very epoch that the search chose, without a look at validation rows. Here, and only here, the test
part is read.
"""

from __future__ import annotations

import math
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from lossearch._text import duration
from lossearch.confirm.fresh_seeds import Fresh, Scorer
from lossearch.confirm.selection import Finalists
from lossearch.errors import RunFailedError
from lossearch.records.confirmations import (
    FILE,
    STAGE,
    Confirmation,
    Confirmed,
    Raced,
    read_confirmed,
    write_confirmed,
)
from lossearch.records.curves import rewrite
from lossearch.records.predictions import FILE as PREDICTIONS
from lossearch.records.predictions import write_predictions
from lossearch.records.trial import TrialRecord
from lossearch.study.fitting import keep_model
from lossearch.study.plan import Plan
from lossearch.study.progress import Listener
from lossearch.study.seeds import confirm_seeds
from lossearch.training.contract import Outcome, Replicate, ReplicateResult, TrainingMethod

VERDICT = "verdict.json"
"""What is said of a confirmation; it goes with it."""

Missing = Sequence[tuple[TrialRecord, tuple[int, ...]]]
"""Finalists, and the seeds that each lacks."""

EVERY_SECONDS = 20.0
"""How often a long confirmation says how far it is."""


@dataclass
class Confirm:
    """The confirmation of one study, written into its directory."""

    plan: Plan
    train: TrainingMethod
    folder: Path
    listener: Listener

    def __post_init__(self) -> None:
        self.scorer = Scorer(self.plan)

    def __call__(self, finalists: Finalists, n: int, raced: Raced | None = None) -> Confirmed | None:
        """Train what is not there yet on ``n`` fresh seeds, and return the whole confirmation.

        What was confirmed before stays where the finalist is the same, and so do more seeds than ``n``.
        None where nothing is to be confirmed.

        Args:
            finalists: what is confirmed.
            n: seeds of each; 0 adds none.
            raced: how far a race has come, where there is one: who was dropped gets no more seeds.
        """
        before = self.before(finalists)
        if raced is None:
            raced = before.raced if before and not n else Raced()
        most = max(n, len(before.seeds) if before else 0)
        seeds = confirm_seeds(self.plan.budget.seed, most, self.plan.budget.seeds)
        missing = self.missing(finalists, n if raced.looks and n else most, raced.dropped)
        if not finalists.trials or not seeds or (missing and not n):
            discard(self.folder)
            return None
        if before is not None and not missing:
            return self._settled(before, finalists, raced)
        return self._confirmed(finalists, before, seeds, missing, raced)

    def missing(self, finalists: Finalists, n: int, dropped: Collection[str] = ()) -> Missing:
        """Return the finalists that lack some of the first ``n`` seeds, but for pairs that were dropped."""
        before = self.before(finalists)
        known = {c.point.pair: c.seeds for c in before.confirmations} if before else {}
        seeds = confirm_seeds(self.plan.budget.seed, n, self.plan.budget.seeds)
        return [
            (trial, own)
            for trial in finalists.trials
            if (pair := trial.point.pair) not in dropped
            and (own := tuple(s for s in seeds if s not in known.get(pair, ())))
        ]

    def before(self, finalists: Finalists) -> Confirmed | None:
        """Return what was confirmed before of these finalists, None where nothing was."""
        found = read_confirmed(self.folder)
        if found is None or not (self.folder / PREDICTIONS).exists():
            return None
        same = {(r.point.pair, r.number, r.epoch) for r in finalists.trials}
        kept = tuple(c for c in found.confirmations if (c.point.pair, c.trial, c.epoch) in same)
        # who was dropped depends on all that ran
        raced = found.raced if len(kept) == len(found.confirmations) else Raced()
        return replace(found, confirmations=kept, raced=raced) if kept else None

    def _settled(self, before: Confirmed, finalists: Finalists, raced: Raced) -> Confirmed:
        """Return what was confirmed before and is all that there is to confirm."""
        now = replace(before, left_out=finalists.left_out, trials=finalists.of, raced=raced)
        if now != read_confirmed(self.folder):
            (self.folder / VERDICT).unlink(missing_ok=True)
            write_confirmed(self.folder, now)
        return now

    def _confirmed(
        self,
        finalists: Finalists,
        before: Confirmed | None,
        seeds: tuple[int, ...],
        missing: Missing,
        raced: Raced,
    ) -> Confirmed:
        known = {c.point.pair: c for c in before.confirmations} if before else {}
        constants = self.scorer.constants(seeds)
        fresh = {f.finalist.point.pair: f for f in self._trained(missing, seeds, constants)}
        failed = {
            pair: r.reason for pair, f in fresh.items() for r in f.results if r.outcome is Outcome.FAILED
        }
        found = [
            _joined(known.get(pair), fresh.get(pair), trial, self.scorer.judged)
            for trial in finalists.trials
            if (pair := trial.point.pair) not in failed
        ]
        if not found:
            raise RunFailedError(
                f"Every pair failed in its confirmation: {next(iter(failed.values())).rstrip('.')}. The search is kept; the "
                "same command confirms again."
            )
        left_out = {**finalists.left_out, **{p: f"its confirmation failed: {r}" for p, r in failed.items()}}
        confirmed = Confirmed(
            self.scorer.parts[0],
            self.plan.task.metric.name,
            seeds,
            constants,
            tuple(found),
            left_out,
            finalists.of,
            raced,
        )
        self._write(confirmed, before, [f for p, f in fresh.items() if p not in failed])
        return confirmed

    def _trained(
        self,
        missing: Missing,
        seeds: Sequence[int],
        constants: Mapping[str, Mapping[str, Sequence[float]]],
    ) -> list[Fresh]:
        """Train the finalists under the seeds they lack, all as one population."""
        replicates = [Replicate(t.point, seed, t.epoch) for t, own in missing for seed in own]
        pairs, most = len(missing), max(len(own) for _, own in missing)
        self.listener.note(
            f"Confirming {pairs} {'pair' if pairs == 1 else 'pairs'} on {most} fresh "
            f"{'seed' if most == 1 else 'seeds'}: {len(replicates)} replicates."
        )
        results = self._results(replicates)
        place = {seed: i for i, seed in enumerate(seeds)}
        found = []
        for trial, own in missing:
            fresh = self.scorer.fresh(trial, own[0])
            for seed in own:
                at = {p: {m: v[place[seed]] for m, v in of.items()} for p, of in constants.items()}
                self.scorer.take(fresh, next(results), at)
            found.append(fresh)
        return found

    def _results(self, replicates: Sequence[Replicate]) -> Iterator[ReplicateResult]:
        """Give each replicate's result; one that failed is trained once more."""
        begun = told = time.monotonic()
        results = self._train(replicates)
        for i, result in enumerate(results, start=1):
            yield next(self._train([result.replicate])) if result.outcome is Outcome.FAILED else result
            if time.monotonic() - told > EVERY_SECONDS and i < len(replicates):
                told = time.monotonic()
                if i == 1:  # where they are trained together all come at once
                    continue
                left = (told - begun) / i * (len(replicates) - i)
                self.listener.note(
                    f"{i} of {len(replicates)} replicates confirmed, about {duration(left)} left"
                )

    def _train(self, replicates: Sequence[Replicate]) -> Iterator[ReplicateResult]:
        plan = self.plan
        return self.train(plan.task, plan.space, replicates, plan.settings, keep_weights=True)

    def _write(self, confirmed: Confirmed, before: Confirmed | None, fresh: Sequence[Fresh]) -> None:
        """Write predictions and curves, and last what says that they are there."""
        known = before.confirmations if before else ()
        (self.folder / VERDICT).unlink(missing_ok=True)
        if before is None:
            (self.folder / FILE).unlink(missing_ok=True)
        else:
            write_confirmed(self.folder, before)
        write_predictions(
            self.folder,
            [table for f in fresh for table in f.sheets],
            {(c.point.pair, seed) for c in known for seed in c.seeds},
        )
        rewrite(
            self.folder,
            STAGE,
            {f.finalist.number: f.results for f in fresh},
            {(c.trial, seed) for c in known for seed in c.seeds},
        )
        for f in fresh:
            if f.model is not None and f.finalist.point.pair not in {c.point.pair for c in known}:
                keep_model(self.folder, f.model)
        write_confirmed(self.folder, confirmed)


def discard(folder: Path) -> None:
    """Remove what was confirmed in a study's directory."""
    for name in (VERDICT, FILE, PREDICTIONS, f"{STAGE}.parquet"):
        (folder / name).unlink(missing_ok=True)


def _joined(known: Confirmation | None, fresh: Fresh | None, trial: TrialRecord, judged: str) -> Confirmation:
    """Return what was known of a finalist and what was trained just now as one record."""
    if fresh is None:
        if known is None:
            raise RuntimeError(f"{trial.point.pair} was neither confirmed before nor trained now.")
        return known
    results = fresh.results
    outcomes = (*(known.outcomes if known else ()), *(r.outcome for r in results))
    names = dict.fromkeys([*(known.values if known else ()), *(n for v in fresh.values for n in v)])
    n_known = len(known.seeds) if known else 0
    values = {
        name: (
            *(known.values.get(name, (math.nan,) * n_known) if known else ()),
            *(v.get(name, math.nan) for v in fresh.values),
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
        fields=fresh.fields,
        codes=fresh.codes,
        reason=reasons[0] if reasons else "",
        seconds=seconds + (known.seconds if known else 0.0),
        started=known.started if known else time.time() - seconds,
    )
