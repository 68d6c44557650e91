"""The recorded Optuna study: opened once for writing, read back by anyone."""

from __future__ import annotations

import warnings

import optuna

from lossearch._options import option
from lossearch.errors import StoreError
from lossearch.records.optuna import directions_of, open_storage, quiet_optuna
from lossearch.records.store import Store
from lossearch.records.trial import TrialRecord, finished
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
        study.set_user_attr("lossearch.digest", digest)
        study.set_user_attr("lossearch.metric", plan.task.metric.name)
        if plan.task.second is not None:
            # the names that Optuna's own plots show
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
                study.set_metric_names([m.name for m in plan.task.objectives])
    elif stored != digest:
        raise StoreError(
            f"The Optuna storage holds another study named {plan.name!r}. Use another {option('name')} or {option('storage')}."
        )
    return study


def load_study(store: Store, name: str, url: str | None) -> optuna.Study:
    """Return a study that was recorded.

    Raises:
        StoreError: the storage cannot be opened or does not hold it.
    """
    try:
        return optuna.load_study(study_name=name, storage=open_storage(store, name, url))
    except KeyError as error:
        raise StoreError(
            f"The Optuna storage of study {name!r} does not hold it: it was removed, or never begun."
        ) from error


def read_trials(store: Store, name: str, url: str | None) -> tuple[TrialRecord, ...]:
    """Return the finished trials of a study, by number."""
    with quiet_optuna():
        return finished(load_study(store, name, url).get_trials(deepcopy=False))
