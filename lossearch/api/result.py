"""The answer of a study, read from its records."""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lossearch._options import option
from lossearch._process import left_as_it_was
from lossearch._text import listed
from lossearch._trust import NONE, Trust
from lossearch._urls import Url
from lossearch.api import answer
from lossearch.config import StudyConfig, make_config
from lossearch.config.toml import parse_toml
from lossearch.confirm.judging import VERDICT, read_verdict
from lossearch.diagnostics.ladders import rungs
from lossearch.diagnostics.pareto import Objectives, objectives
from lossearch.diagnostics.special_cases import special_cases
from lossearch.errors import InputError, RunFailedError
from lossearch.metrics.metric import SIGN, Metric
from lossearch.records.confirmations import FILE as CONFIRMED
from lossearch.records.confirmations import Confirmed, read_confirmed
from lossearch.records.curves import read_curves
from lossearch.records.damage import damaged, missing
from lossearch.records.evidence import Evidence, read_evidence
from lossearch.records.store import Store
from lossearch.records.study import StudyRecord
from lossearch.records.trial import Stage, TrialRecord, best_of
from lossearch.report import frames
from lossearch.space import Point
from lossearch.study.history import last_attempts
from lossearch.study.named_losses import with_pair
from lossearch.study.optuna_study import load_study
from lossearch.verdict import Verdict

if TYPE_CHECKING:
    import optuna
    import pandas as pd
    from rich.console import RenderableType
    from torch import Tensor

    from lossearch.api.plots import Plots
    from lossearch.model import FittedModel
    from lossearch.model.own_module import FittedModule
    from lossearch.report.sources import Report
    from lossearch.study.prepared import Prepared
    from lossearch.study.reopen import Reopened
    from lossearch.study.rerun import Rerun


@dataclass(frozen=True)
class Result:
    """What a study found. The same whether it has just run or is loaded from the store.

    ``leader`` has the best mean score, ``recommended`` is what to take of the pairs tied with it, and ``best`` is the one
    to use: the recommended one, without a verdict the leader. ``trials`` are what all tables and figures are of;
    ``attempts`` are everything that Optuna has recorded: each trial, and before it those attempts at it that failed.
    ``declared`` is what the study is, as ``study.json`` in the store has it. ``storage`` is where Optuna keeps the attempts,
    None for the journal in the store; ``trust`` holds what of the code that the records name may be run.

    Example:
        >>> import lossearch
        >>> result = lossearch.load("circles")
        >>> result.best.pair in result.tied, len(result.trials)
        (True, 15)
    """

    name: str
    store: Store
    declared: StudyRecord
    attempts: tuple[TrialRecord, ...]
    prepared: Prepared | None = field(default=None, compare=False, repr=False)
    storage: Url | None = field(default=None, compare=False, repr=False)
    trust: Trust = field(default=NONE, compare=False, repr=False)

    @cached_property
    def trials(self) -> tuple[TrialRecord, ...]:
        """The trials: of each the last attempt, where it failed and was tried again."""
        return tuple(last_attempts(self.attempts))

    @cached_property
    def config(self) -> StudyConfig:
        """The resolved study file."""
        return make_config(parse_toml(self.declared.config, "study.json"), f"study {self.name!r}")

    @cached_property
    def confirmed(self) -> Confirmed | None:
        """What the best points came to on fresh seeds; None where nothing was confirmed."""
        found = read_confirmed(self.folder)
        if found is None and (self.folder / VERDICT).exists():
            raise missing(self.folder / CONFIRMED)
        return found

    @cached_property
    def verdict(self) -> Verdict | None:
        """What may be said of the pairs; None where they were not confirmed, or may not be compared.

        Its sentences are all that the terminal says of the study, and the report at its top.
        """
        found = read_verdict(self.folder)
        return None if found is None else answer.whole(self, found)

    @property
    def folder(self) -> Path:
        """The study's directory in the store."""
        return self.store.study_dir(self.name)

    def evidence(self, part: str | None = None, metric: str | Metric | None = None) -> Evidence:
        """Return what the confirmed pairs predicted, from the records alone.

        Args:
            part: "test" or "validation"; by default the part that was judged.
            metric: by which pairs are judged; by default the study's.

        Raises:
            StoreError: nothing was confirmed.
            InputError: no such part or metric, or a metric of your own, which records hold by name alone.
        """
        if part is None and metric is None:
            return self._judged
        return read_evidence(self.folder, self.declared.task.kind, metric or self.declared.task.metric, part)

    @cached_property
    def _judged(self) -> Evidence:
        return read_evidence(self.folder, self.declared.task.kind, self.declared.task.metric)

    @cached_property
    def tuned(self) -> pd.DataFrame:
        """What a decision threshold, or a temperature, chosen on validation rows changes on test rows.

        One row a confirmed pair and metric, as ``lossearch.diagnostics.tuned.tuned`` has them; none where there is no test
        part, the metric that judges is your own, or no metric reads labels of two classes, masks or probabilities.
        """
        with left_as_it_was():
            from lossearch.api.tuning import tuned_of

        return tuned_of(self)

    @cached_property
    def leaderboard(self) -> pd.DataFrame:
        """One row a pair, ranked: by the verdict where there is one, else by the search."""
        if self.verdict is None or self.confirmed is None:
            return self.search_leaderboard
        return frames.confirmed_leaderboard(
            self.search_leaderboard, self.verdict, self.confirmed, self.declared.space.pairs
        )

    @cached_property
    def baselines(self) -> pd.DataFrame:
        """What simple models score on the rows that the pairs are judged on, as ``report.frames.baselines`` has them.

        A constant predictor and, where the kind of task has one, a linear model of scikit-learn; none where nothing was
        confirmed, or an earlier release recorded it.
        """
        return frames.baselines(self.confirmed)

    @cached_property
    def search_leaderboard(self) -> pd.DataFrame:
        """One row a pair by the search's own, optimistic scores, as ``report.frames.search_leaderboard`` has it."""
        return frames.search_leaderboard(
            self.trials,
            direction=self.declared.task.direction,
            metric=self.declared.task.metric,
            pairs=tuple(self.declared.space.pairs),
            conventional=self.declared.conventional,
            min_trials=self.declared.min_trials,
            searched=self.declared.space.pairs,
        )

    @property
    def curves(self) -> pd.DataFrame:
        """Every replicate's curves, one row an epoch."""
        return read_curves(self.store.study_dir(self.name), Stage.SEARCH)

    @cached_property
    def leader(self) -> Point | None:
        """The point of best mean score, which another may be the better choice than: see :attr:`best`.

        On fresh seeds where there is a verdict, else in the search; None before any pair has enough trials.
        """
        if self.verdict is not None:
            return self._confirmed_point(self.verdict.leader)
        return self._best_in_search(self.declared.space.pairs)

    @cached_property
    def recommended(self) -> Point | None:
        """The point that a verdict says to take, of the pairs tied with the leader's; None where there is none."""
        return None if self.verdict is None else self._confirmed_point(self.verdict.recommended)

    @property
    def tied(self) -> tuple[str, ...]:
        """The pairs that cannot be told from the leader's, it included; none where there is no verdict."""
        return () if self.verdict is None else self.verdict.tied

    def _best_in_search(self, pairs: Collection[str]) -> Point | None:
        """Return the point that the search ranks best of some pairs, None where it ranks none of them."""
        board = self.search_leaderboard
        ranked = board[board["rank"].notna() & board["pair"].isin(list(pairs))]
        if ranked.empty:
            return None
        return self._with_pair({r.number: r for r in self.trials}[int(ranked["trial"].iloc[0])].point)

    def _confirmed_point(self, pair: str) -> Point | None:
        if self.confirmed is None or pair not in self.confirmed.pairs:
            raise damaged(self.folder / VERDICT, f"it is of {pair}, which is not confirmed")
        return self._with_pair(self.confirmed[pair].point)

    def _with_pair(self, point: Point) -> Point:
        return with_pair(point, self.config.space, self.declared.task.kind, self.trust)

    @property
    def best(self) -> Point:
        """The point to use: :attr:`recommended`, or without a verdict :attr:`leader`.

        Raises:
            InputError: the study was only looked at quickly, which ranks no pair.
            RunFailedError: no pair has enough finished trials.
        """
        return self.best_among(self.declared.space.pairs)

    def best_among(self, pairs: Collection[str]) -> Point:
        """Return the point to use of some of the pairs: the recommended one where it is among them, else the one ranked best.

        The verdict ranks, and of pairs that were not confirmed the search.

        Args:
            pairs: names as in the leaderboard.

        Raises:
            InputError: the study was only looked at quickly, which ranks no pair.
            RunFailedError: none of them has enough finished trials.
        """
        verdict = self.verdict
        ranked = () if verdict is None else (verdict.recommended, *(r.pair for r in verdict.ranking))
        confirmed = next((pair for pair in ranked if pair in pairs), None)
        found = self._best_in_search(pairs) if confirmed is None else self._confirmed_point(confirmed)
        if found is None:
            raise self._unranked(pairs)
        return found

    def _unranked(self, pairs: Collection[str]) -> InputError | RunFailedError:
        if self.declared.quick:
            return InputError(
                f"Study {self.name!r} was only looked at quickly, which ranks no pair. Run it again without "
                f"{option('quick', True)}: it goes on from here."
            )
        trials = [r for r in self.trials if r.point.pair in pairs]
        done = sum(r.value is not None for r in trials)
        of = "" if set(pairs) >= set(self.declared.space.pairs) else f" among {listed(list(pairs), 6)}"
        return RunFailedError(
            f"Study {self.name!r} has no ranked pair{of}: {done} of {len(trials)} trials finished with a "
            f"value, and a pair needs {self.declared.min_trials}."
        )

    @cached_property
    def model(self) -> FittedModel:
        """The point to use, fitted on the training rows; made at the first look where it is not kept.

        Raises:
            RunFailedError: no pair has enough finished trials, or the winner diverged.
            InputError: the study was only looked at quickly, or the data are needed and are not here.
        """
        return self.fit()

    def fit(self, parts: str = "train", *, pairs: Collection[str] | None = None) -> FittedModel:
        """Return the point to use, fitted to the epoch that its trial chose, under a fresh seed.

        Args:
            parts: what it is fitted on: "train", or "train+validation" for all rows but the test part. Then
                no rows are left that could say how good the model is.
            pairs: of which it is taken, see :meth:`best_among`; all by default.

        Raises:
            RunFailedError: no pair has enough finished trials, or the winner diverged.
            InputError: the study was only looked at quickly, or the data are needed and are not here.
        """
        point = self.best if pairs is None else self.best_among(pairs)
        return self._again.model(point, self._epoch_of(point), parts)

    def kept(self, point: Point, epoch: int) -> FittedModel | None:
        """Return the model that was kept of a point trained to an epoch, None where there is none.

        Raises:
            InputError: it needs code of your own that is neither here from running the study nor trusted.
            StoreError: it is damaged.
        """
        return self._again.kept(point, epoch)

    def _epoch_of(self, point: Point) -> int:
        """Return the epoch that a point's trial chose."""
        if self.confirmed is not None and point.pair in self.confirmed.pairs:
            return self.confirmed[point.pair].epoch
        sign = SIGN[self.declared.task.direction]
        trial = best_of([r for r in self.trials if r.point == point], sign)
        return int(trial.epoch if trial and trial.epoch else self.declared.train.epochs)

    @cached_property
    def module(self) -> Any:
        """The LightningModule of your own that was searched, trained with the point to use, in evaluation mode.

        Raises:
            InputError: the study trained networks; :attr:`model` is its winner. Or it was only looked at quickly, or the module
                is needed and is not here.
            RunFailedError: no pair has enough finished trials, or the winner diverged.
        """
        return self._again.module(self.fit_module())

    def fit_module(self) -> FittedModule:
        """Return the weights of :attr:`module`, which can be saved.

        Raises:
            InputError: the study trained networks, or was only looked at quickly.
            RunFailedError: no pair has enough finished trials, or the winner diverged.
        """
        return self._again.fitted_module(self.best, self._epoch_of(self.best))

    def weights(self, trial: int) -> dict[int, dict[str, Tensor]]:
        """Return the weights of a trial's replicates, seed -> state_dict; diverged ones have none.

        Raises:
            InputError: there is no such trial, or its weights are not kept; the message says how they are made again.
        """
        with left_as_it_was():
            from lossearch.study.reopen import find_trial

        return self._again.weights(find_trial(self.store, self.name, self.attempts, trial))

    def rerun(self, trial: str | int, *, keep_weights: bool = False) -> Rerun:
        """Train a recorded trial again and say whether its value is reproduced; see :func:`lossearch.api.rerun`."""
        with left_as_it_was():
            from lossearch.study.reopen import find_trial

        record = find_trial(self.store, self.name, self.attempts, trial)
        return self._again.rerun(record, keep_weights=keep_weights)

    @property
    def _again(self) -> Reopened:
        with left_as_it_was():
            from lossearch.study.reopen import Reopened

        return Reopened(self.store, self.declared, self.config, self.attempts, self.prepared, self.trust)

    @property
    def objectives(self) -> Objectives | None:
        """Both metrics of a study of two; of one, the judge and one of another nature, if any."""
        task = self.declared.task
        return objectives(task.metric, task.direction, task.kind, task.objectives)

    @cached_property
    def pareto(self) -> pd.DataFrame:
        """What no other point beats under both of :attr:`objectives`: confirmed pairs first, then trials.

        One row a point: ``stage`` ("confirm": means over fresh seeds, of the point that the first metric chose for
        each pair; "search": the trials' own, optimistic scores), ``pair``, ``trial``, ``lr``, ``params``, and a column
        for each metric. Within a stage the best by the first comes first. Empty where there is no second metric.
        """
        return answer.pareto(self)

    @cached_property
    def ladder(self) -> pd.DataFrame:
        """What the parameters bring that a searched loss has beyond a simpler one it contains, as ``report.frames.ladder``.

        Judged on fresh seeds: "helps", "makes no difference that matters", "does worse", or "cannot be said".
        """
        space = self.declared.space.pairs
        return frames.ladder(rungs(special_cases(self.declared.task.kind, space), self.verdict))

    @property
    def pareto_sentence(self) -> str | None:
        """Who is in :attr:`pareto`, in a sentence; None where the study has one metric."""
        return answer.pareto_sentence(self)

    @cached_property
    def study(self) -> optuna.Study:
        """The recorded Optuna study."""
        return load_study(self.store, self.name, self.storage)

    @property
    def experiment_id(self) -> str | None:
        """The MLflow experiment; None where MLflow was not used."""
        return None if self.declared.mlflow is None else self.declared.mlflow.experiment_id

    @property
    def run_id(self) -> str | None:
        """The MLflow parent run of the study; None where MLflow was not used."""
        return None if self.declared.mlflow is None else self.declared.mlflow.run_id

    @property
    def published(self) -> pd.DataFrame | None:
        """Published numbers beside ours, where the study file gives any."""
        return answer.published(self)

    @property
    def since(self) -> list[str]:
        """What has happened since the verdict, and what of the records is not there any more; a sentence each."""
        return answer.since(self)

    def render(self) -> RenderableType:
        """Return the answer for a terminal."""
        return answer.render(self)

    def as_json(self) -> dict[str, Any]:
        """Return the answer as plain values."""
        return answer.as_json(self)

    @cached_property
    def plot(self) -> Plots:
        """The figures of the report, each to show or to change: ``result.plot.curves()``."""
        with left_as_it_was():
            from lossearch.api.plots import Plots

        return Plots(self.report())

    def _repr_html_(self) -> str:
        from lossearch.report.notebook import as_html

        return as_html(self.render())

    def report(self) -> Report:
        """Return the whole report: sentences, figures and tables. ``to_html`` and ``to_markdown`` write it."""
        with left_as_it_was():
            from lossearch.api.report_sources import report_of

        return report_of(self)

    def save(self, folder: str | os.PathLike[str], *, report: bool = True) -> list[Path]:
        """Write leaderboard, figures, report and study file into a directory, and return the files.

        Args:
            folder: where to; made where it is not there.
            report: whether the HTML page is written too, which draws every figure.
        """
        with left_as_it_was():
            from lossearch.api.report_sources import save

        return save(self, Path(folder).expanduser(), page=report)

    def __repr__(self) -> str:
        best = "none yet" if self.leader is None else f"{self.best.pair} at lr {self.best.lr:.3g}"
        return f"Result({self.name!r}, {len(self.trials)} trials, best {best})"
