"""The steps of a repair: each reads records of one sort, and makes again what it can of those that are damaged."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from lossearch._options import either
from lossearch.api.inspection import (
    curve_faults,
    database_fault,
    fault,
    model_faults,
    table_faults,
    weight_faults,
)
from lossearch.config import make_config
from lossearch.config.toml import parse_toml
from lossearch.confirm.judging import VERDICT, judge_study, ought_to_be_judged, read_verdict
from lossearch.errors import DamagedError, InputError, StoreError
from lossearch.records.confirmations import FILE as CONFIRMED
from lossearch.records.confirmations import Confirmed, read_confirmed
from lossearch.records.copies import Copies, fields_of
from lossearch.records.curve_files import curve_files, kept_copies, last_trial, only, trials_in
from lossearch.records.damage import damaged, missing, place_aside, read_record, set_aside
from lossearch.records.optuna import trials_file
from lossearch.records.predictions import FILE as PREDICTIONS
from lossearch.records.store import Store
from lossearch.records.study import StudyRecord
from lossearch.records.trial import Stage, TrialRecord, finished, ought_to_have_curves
from lossearch.study.optuna_study import load_study, read_whole, restore_study, salvaged
from lossearch.study.plan import Question
from lossearch.training.workers.engines import ROSTER


@dataclass(frozen=True)
class Repaired:
    """A record that was damaged or missing.

    ``fault`` says what was wrong with it, ``done`` what was made of it, or what cannot be and what to do instead.
    ``whole`` says whether nothing of it is lost; ``kept`` is where the damaged file is now, None where there was none.
    """

    path: Path
    fault: str
    done: str
    whole: bool
    kept: Path | None = None

    def __str__(self) -> str:
        kept = "" if self.kept is None else f" What was there is kept as {self.kept.name}."
        return f"{self.path} {self.fault}. {self.done}{kept}"


@dataclass
class Mending:
    """A repair under way: what is done is ``found``, and nothing but that where ``dry``."""

    store: Store
    name: str
    dry: bool
    found: list[Repaired] = field(default_factory=list)

    @property
    def folder(self) -> Path:
        """The study's directory."""
        return self.store.study_dir(self.name)

    @property
    def sync(self) -> str:
        """How the MLflow view is written."""
        return either(f"lossearch.api.sync({self.name!r})", f"`lossearch sync {self.name}`")

    @property
    def _again(self) -> str:
        """How the study is continued."""
        return either("lossearch.search with the same arguments", "The same `lossearch run`")

    def put(
        self,
        error: DamagedError,
        done: str,
        make: Callable[[], object] = lambda: None,
        *,
        whole: bool = True,
        at: Path | None = None,
        aside: bool = True,
    ) -> None:
        """Move what is damaged aside, all of ``at`` where the file is a part of that, and make it again."""
        place = at or error.path
        kept = place_aside(place) if aside and place.exists() else None
        if not self.dry:
            if kept is not None:
                set_aside(place)
            make()
        self.found.append(Repaired(error.path, error.fault, done, whole, kept))

    def all(self, declared: StudyRecord, url: str | None) -> None:
        """Go through every record of a study."""
        copies = kept_copies(self.folder, Stage.SEARCH)
        trials = self._trials(declared, url, copies)
        self._curves(declared, url, trials)
        self._confirmation(declared, trials)
        for error in weight_faults(self.folder):
            number = error.path.stem.removeprefix("trial-").lstrip("0") or "0"
            again = either(
                f"lossearch.load({self.name!r}).rerun({number}, keep_weights=True)",
                f"`lossearch rerun {self.name} {number} --keep-weights`",
            )
            self.put(error, f"Weights are made again by training alone: {again}.", whole=False)
        for error in model_faults(self.folder):
            done = (
                "A model is made again by training alone, wherever it is asked for and the data are at hand."
            )
            self.put(error, done, whole=False, at=error.path.parent)
        roster = self.folder / ROSTER
        if roster.exists() and fault(lambda: read_record(roster, dict)):
            self.put(damaged(roster, "it is no list of who trains what"), "The next run writes its own.")
        if declared.tracking_uri is None and declared.mlflow is not None:
            database = self.store.database
            broken = missing(database) if not database.exists() else database_fault(database)
            if broken is not None:
                self.put(broken, f"{self.sync} writes the runs of this study again; other studies likewise.")

    def _trials(self, declared: StudyRecord, url: str | None, copies: Copies) -> tuple[TrialRecord, ...]:
        """Return the trials that the storage holds, or will hold."""
        error: DamagedError | None = None
        records: tuple[TrialRecord, ...] = ()
        try:
            records = read_whole(self.store, declared, url)
        except DamagedError as found:
            error = found
        expected = max(
            last_trial(self.folder, Stage.SEARCH) + 1, *(n + 1 for n in copies), self._confirmed_of(), 0
        )
        if error is None and len(records) >= expected:
            return records
        file = trials_file(self.store, self.name, url)
        if error is None and file is None:
            return records
        trials, copied = salvaged(self.store, self.name, url, copies)
        known = len(trials) - copied
        error = error or damaged(
            file or self.folder, f"it holds {known} trials, and {expected} were recorded", self.folder
        )
        done = f"It is made again of {len(trials)} trials"
        if copied:
            done += f", {copied} of them from the copies beside their curves"
        lost = expected - len(trials)
        if lost > 0:
            done += f". {lost} more are lost: {self._again} trains them again"
        self.put(
            error,
            f"{done}.",
            partial(restore_study, self.store, declared, trials, url),
            whole=lost <= 0,
            # what can be read of a database is added to
            aside=url is None or not known,
        )
        return finished(trials)

    def _confirmed_of(self) -> int:
        """Return how many trials there were when the best were confirmed, as far as that is known."""
        try:
            found = read_confirmed(self.folder)
        except StoreError:
            return 0
        return 0 if found is None else max((found.trials, *(c.trial + 1 for c in found.confirmations)))

    def _curves(self, declared: StudyRecord, url: str | None, trials: Sequence[TrialRecord]) -> None:
        """Move damaged curves aside, and join those that are left with copies of all trials."""
        faults = curve_faults(self.folder, Stage.SEARCH)
        good = [p for p in curve_files(self.folder, Stage.SEARCH) if p not in {e.path for e in faults}]
        recorded, held = {r.number for r in trials}, trials_in(good)
        path, gone = self.folder / f"{Stage.SEARCH}.parquet", "No number of the answer rests on them."
        for error in faults:
            self.put(error, f"Curves are in it alone. {gone}", whole=False)
        lacking = {r.number for r in trials if ought_to_have_curves(r)} - held
        if lacking and not faults:
            numbers = ", ".join(map(str, sorted(lacking)))
            what = f"lacks the curves of trial {numbers}" if path.exists() else "is missing"
            self.put(
                DamagedError(path, what, ""), f"Curves are in it alone. {gone}", whole=False, aside=False
            )
        # a process that died may have written the curves of one trial more
        spare = set() if declared.ended == "finished" else {len(trials)}
        strays = [(p, n) for p in good if (n := trials_in([p]) - recorded - spare)]
        for file, stray in strays:
            error = DamagedError(file, f"holds curves of {len(stray)} trials that are lost", "")
            copy = partial(shutil.copy2, file, place_aside(file))
            self.put(
                error,
                f"They are taken out of it; as it was it is kept as {place_aside(file).name}.",
                copy,
                aside=False,
            )
        if not self.dry and (faults or strays or (lacking and not path.exists())):
            kept = load_study(self.store, self.name, url).get_trials(deepcopy=False)
            only(self.folder, Stage.SEARCH, recorded, {t.number: fields_of(t) for t in kept})

    def _confirmation(self, declared: StudyRecord, trials: Sequence[TrialRecord]) -> None:
        """Move what is damaged of a confirmation aside, and judge again what is left of it."""
        verdict = self.folder / VERDICT
        error = fault(lambda: read_confirmed(self.folder))
        confirmed = None if error is not None else read_confirmed(self.folder)
        if error is None and confirmed is None and verdict.exists():
            error = missing(self.folder / CONFIRMED)
        if error is not None:
            self.put(error, f"{self._again} trains the confirmed pairs again.", whole=False)
            if verdict.exists():
                rests = DamagedError(verdict, f"rests on {CONFIRMED}, which is lost", "")
                self.put(rests, f"{self._again} judges again.", whole=False)
        names = (PREDICTIONS, f"{Stage.CONFIRM}.parquet")
        wanted = [] if confirmed is None else [self.folder / name for name in names]
        lost = [missing(p) for p in wanted if not p.exists()] + table_faults(self.folder)
        for one in lost:
            self.put(one, f"{self._again} trains the confirmed pairs again; the answer stays.", whole=False)
        if confirmed is not None:
            self._verdict(declared, confirmed, trials, known=not lost)

    def _verdict(
        self, declared: StudyRecord, confirmed: Confirmed, trials: Sequence[TrialRecord], *, known: bool
    ) -> None:
        path = self.folder / VERDICT
        error = fault(lambda: read_verdict(self.folder))
        if error is None and (path.exists() or not ought_to_be_judged(declared, confirmed)):
            return
        rope = make_config(parse_toml(declared.config, "study.json"), f"study {self.name!r}").budget.rope
        try:
            question = Question.recorded(declared)
        except InputError:
            known = False  # by a metric of the user's own, which only a run has
        if not known:
            self.put(error or missing(path), f"{self._again} judges again.", whole=False)
            return
        judging = partial(judge_study, self.folder, question, confirmed, trials, rope)
        try:
            self.put(error or missing(path), "The pairs are judged again, of what they predicted.", judging)
        except InputError as why:
            self.found.append(Repaired(path, "is not there", f"There is no verdict: {why}", whole=True))
