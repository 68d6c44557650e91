"""Damaged records of a study made again from the others, as far as those hold enough.

What is damaged is never deleted: it stays beside what was made in its place, as ``FILE.damaged-1``.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from lossearch._options import either
from lossearch.api.inspection import fault
from lossearch.api.mending import Mending, Repaired
from lossearch.confirm.judging import VERDICT
from lossearch.errors import DamagedError, UnknownNameError
from lossearch.records.claim import RUNNING, claim
from lossearch.records.links import refuse_links
from lossearch.records.mlflow.database import read_only
from lossearch.records.mlflow.view import Status
from lossearch.records.places import storage_of
from lossearch.records.store import LOCK, Store, checked_name
from lossearch.records.study import MlflowRuns, StudyRecord, read_study_record


def repair(
    name: str, store: str | Path = "mlruns", *, storage: str | None = None, dry_run: bool = False
) -> tuple[Repaired, ...]:
    """Make again what is damaged of a study's records from the others, and say what cannot be.

    Whatever was damaged is kept beside what took its place.

    Args:
        name: the study.
        store: where its records are.
        storage: as :func:`load` has it.
        dry_run: whether to say only what would be done.

    Returns:
        Each record that was damaged or missing; none where all are whole.

    Raises:
        UnknownNameError: the store has no such study.
        InputError: ``storage`` is another than that of the study.
        StudyRunningError: it is running.
        StoreError: there is no store, or it cannot be written.
    """
    opened, unmarked = _opened(store)
    folder = opened.root / "studies" / checked_name(name)
    if not folder.is_dir():
        raise UnknownNameError(f"No study named {name!r}: there is no directory {folder}.")
    mending = Mending(opened, name, dry_run)
    for place in (opened.root / LOCK, folder / RUNNING, *folder.glob("*.lock"), *folder.glob(".*lock")):
        if place.is_dir() and not place.is_symlink():
            mending.put(
                DamagedError(place, "is a directory", "A lock was there."),
                "The next process makes the lock again.",
            )
    declared, lost = _declared(opened, name)
    url = None if declared is None else storage_of(opened, declared, storage)
    if dry_run and mending.found:
        return tuple(mending.found)
    with claim(opened, name, url):
        if unmarked is not None:
            mending.put(
                unmarked, "It is written again: the store is where it is found now.", _marking(opened)
            )
        if lost is not None:
            _put_declared(mending, lost, declared)
        if declared is not None:
            mending.all(declared, url)
    return tuple(mending.found)


def _opened(store: str | Path) -> tuple[Store, DamagedError | None]:
    """Return a store, and what is wrong with the file that marks it."""
    try:
        return Store.open(store, create=False), None
    except DamagedError as error:
        return Store(Path(store).expanduser().resolve()), error


def _marking(store: Store) -> Callable[[], None]:
    def mark() -> None:
        with store.lock():
            store.settle()

    return mark


def _declared(store: Store, name: str) -> tuple[StudyRecord | None, DamagedError | None]:
    """Return what a study is, from MLflow's copy where its own record is lost, and what is wrong with that."""
    try:
        return store.read_study(name), None
    except DamagedError as error:
        refuse_links(*store.artifacts.glob(f"{name}-*"))
        copies = store.artifacts.glob(f"{name}-*/*/artifacts/study.json")
        for path in sorted(copies, key=lambda p: p.stat().st_mtime, reverse=True):
            if fault(lambda path=path: read_study_record(path)) is None:  # type: ignore[misc]
                found = read_study_record(path)
                if found.name == name:
                    runs = _runs(store, path.parents[1].name)
                    return replace(found, ended=_ended(store, name), mlflow=runs), error
        return None, error


def _runs(store: Store, run_id: str) -> MlflowRuns | None:
    """Return where a study is in the store's own MLflow database, None where it is not."""
    try:
        with read_only(store.database) as db:
            row = db.execute("SELECT experiment_id FROM runs WHERE run_uuid = ?", (run_id,)).fetchone()
    except sqlite3.Error:
        return None
    return None if row is None else MlflowRuns(experiment_id=str(row[0]), run_id=run_id)


def _ended(store: Store, name: str) -> Status:
    return "finished" if (store.study_dir(name) / VERDICT).exists() else "killed"


def _put_declared(mending: Mending, lost: DamagedError, found: StudyRecord | None) -> None:
    if found is None:
        again = either("lossearch.search with the same arguments", "the same `lossearch run`")
        mending.put(lost, f"Nothing else says what the study is: {again} writes it again.", whole=False)
        return
    done = "It is made again from the copy that MLflow has."
    if found.mlflow is None:
        done += f" {mending.sync} finds its runs again."
    mending.put(lost, done, lambda: mending.store.write_study(found))
