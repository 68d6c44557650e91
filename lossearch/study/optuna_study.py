"""The recorded Optuna study: opened once for writing, read back by anyone."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

import optuna
from optuna.trial import FrozenTrial

from lossearch._options import option
from lossearch.errors import StoreError
from lossearch.records.copies import Copies, journal_trials, trial_of
from lossearch.records.curve_files import last_trial
from lossearch.records.damage import damaged
from lossearch.records.optuna import (
    directions_of,
    journal_of,
    open_storage,
    quiet_optuna,
    read_storage,
    reading_trials,
    trials_file,
)
from lossearch.records.store import Store
from lossearch.records.study import StudyRecord
from lossearch.records.trial import Stage, TrialRecord, finished

if TYPE_CHECKING:
    from lossearch.study.plan import Plan


def open_study(store: Store, plan: Plan, url: str | None) -> optuna.Study:
    """Return the recorded study of a plan, made where there is none.

    Raises:
        StoreError: the storage cannot be opened, or holds another study of this name.
    """
    directions = directions_of([m.direction for m in plan.task.objectives])
    study = optuna.create_study(
        storage=open_storage(store, plan.name, url),
        study_name=plan.name,
        directions=directions,
        load_if_exists=True,
    )
    digest = plan.digest()
    stored = study.user_attrs.get("lossearch.digest")
    if stored is None and study.directions != directions:
        # Optuna opens a study that is there with the directions that it was made with
        wanted, there = (", ".join(d.name.lower() for d in which) for which in (directions, study.directions))
        raise StoreError(
            f"The Optuna storage holds a study named {plan.name!r} of direction {there}, and "
            f"{', '.join(m.name for m in plan.task.objectives)} is to be optimised by {wanted}. Delete it "
            f"(optuna.delete_study), or use another {option('name')} or {option('storage')}."
        )
    if stored is None and not study.get_trials(deepcopy=False):
        _inscribe(study, digest, [m.name for m in plan.task.objectives])
    elif stored != digest:
        raise StoreError(
            f"The Optuna storage holds another study named {plan.name!r}. Use another {option('name')} or {option('storage')}."
        )
    return study


def _inscribe(study: optuna.Study, digest: str, metrics: Sequence[str]) -> None:
    """Write into a new Optuna study what it is of."""
    study.set_user_attr("lossearch.digest", digest)
    study.set_user_attr("lossearch.metric", metrics[0])
    # the names that Optuna's own plots and dashboard show
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        study.set_metric_names([*metrics])


def salvaged(store: Store, name: str, url: str | None, copies: Copies) -> tuple[list[FrozenTrial], int]:
    """Return the first trials of a study that are still known, without a gap, and how many of them from copies alone.

    Of a damaged journal those before the damage are known, of a damaged database none.
    """
    found: list[FrozenTrial] = []
    if url is None:
        found = journal_trials(journal_of(store, name))
    else:
        with suppress(StoreError), reading_trials(store, name, url):
            found = load_study(store, name, url).get_trials()
    known = len(found)
    while len(found) in copies:
        try:
            found.append(trial_of(copies[len(found)]))
        except (ValueError, LookupError, TypeError, AttributeError):
            break
    for number, trial in enumerate(found):
        trial.number = number
    return found, len(found) - known


def restore_study(
    store: Store, declared: StudyRecord, trials: Sequence[FrozenTrial], url: str | None
) -> None:
    """Make the Optuna study of a recorded one again, of its trials in order; those that it holds already stay.

    Raises:
        StoreError: the storage cannot be opened.
    """
    task = declared.task
    objectives = task.objectives or {task.metric: task.direction}
    with quiet_optuna():
        study = optuna.create_study(
            storage=open_storage(store, declared.name, url),
            study_name=declared.name,
            directions=directions_of([*objectives.values()]),
            load_if_exists=True,
        )
        if "lossearch.digest" not in study.user_attrs:
            _inscribe(study, declared.digest, [*objectives])
        study.add_trials(trials[len(study.get_trials(deepcopy=False)) :])


def load_study(store: Store, name: str, url: str | None = None) -> optuna.Study:
    """Return a study that was recorded, to be read; ``url`` as :func:`read_storage` takes it.

    Raises:
        StoreError: the storage cannot be opened, or does not hold it.
    """
    with reading_trials(store, name, url):
        try:
            return optuna.load_study(study_name=name, storage=read_storage(store, name, url))
        except KeyError as error:
            raise LookupError(f"it does not hold study {name!r}") from error


def reopen_study(store: Store, name: str, url: str | None = None) -> optuna.Study:
    """Return a study that was recorded, to be written to by whoever holds its claim; ``url`` as for :func:`open_storage`.

    Raises:
        StoreError: the storage cannot be opened, or does not hold it.
    """
    with quiet_optuna(), reading_trials(store, name, url):
        return optuna.load_study(study_name=name, storage=open_storage(store, name, url))


def read_whole(store: Store, study: StudyRecord, url: str | None = None) -> tuple[TrialRecord, ...]:
    """Return the finished trials of a study, by number, and see that none that was recorded is lost.

    Raises:
        DamagedError: fewer are there than curves are kept of; or as :func:`read_trials`.
    """
    trials = read_trials(store, study.name, url)
    held, last = len(trials), last_trial(store.study_dir(study.name), Stage.SEARCH)
    # curves are written first: a process that died may have written those of one trial more
    if last < held + (study.ended != "finished"):
        return trials
    there = f"it holds {held} trials, and curves of trial {last} are kept"
    file = trials_file(store, study.name, url)
    if file is None:
        raise StoreError(f"The Optuna storage of study {study.name!r} is not whole: {there}.")
    raise damaged(file, there, store.study_dir(study.name))


def read_trials(store: Store, name: str, url: str | None = None) -> tuple[TrialRecord, ...]:
    """Return the finished trials of a study, by number.

    Raises:
        StoreError: as :func:`load_study`.
    """
    with quiet_optuna(), reading_trials(store, name, url):
        return finished(load_study(store, name, url).get_trials(deepcopy=False))
