"""The result of a study from its records."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from lossearch._trust import NONE, Trust, as_trust
from lossearch._urls import Url
from lossearch.api.result import Result
from lossearch.records.places import storage_among, storage_of
from lossearch.records.store import Store
from lossearch.records.study import StudyRecord
from lossearch.study.optuna_study import read_whole


def load(
    name: str,
    store: str | Path = "mlruns",
    *,
    storage: str | None = None,
    trust: str | Iterable[str] = (),
) -> Result:
    """Return the result of a study from its records.

    Reading them runs no code and opens nothing outside of the store, whoever wrote it, but for what is given here.

    Args:
        name: the study.
        store: where its records are.
        storage: the Optuna storage that the study is recorded in, where that is outside of the store, with its password.
        trust: what of the code (``module:function``) that the records name may be run.

    Raises:
        UnknownNameError: the store has no such study.
        InputError: ``storage`` is another than that of the study.
        StoreError: there is no store, or the records are damaged, or outside of it and ``storage`` is not given.

    Example:
        >>> import lossearch
        >>> result = lossearch.load("circles")  # of the search that help(lossearch.search) shows
        >>> [name for name in ("pair", "lr", "score") if name in result.leaderboard]
        ['pair', 'lr', 'score']
    """
    return load_result(Store.open(store, create=False), name, storage, as_trust(trust))


def load_result(store: Store, name: str, storage: str | None = None, trust: Trust = NONE) -> Result:
    """Return the result of a study from its records.

    Args:
        store: which holds them.
        name: of the study.
        storage: as whoever asks gives it, see :func:`lossearch.records.places.storage_of`.
        trust: what of the code that the records name may be run.

    Raises:
        UnknownNameError: the store has no such study.
        InputError: ``storage`` is another than that of the study.
        StoreError: its records are damaged, or outside of the store and ``storage`` is not given.
    """
    declared = store.read_study(name)
    return _read(store, declared, storage_of(store, declared, storage), trust)


def load_among(store: Store, name: str, storages: Sequence[Url]) -> Result:
    """Return the result of one of several studies, some of which are recorded in one of ``storages``.

    Raises:
        StoreError: as :func:`load_result`.
    """
    declared = store.read_study(name)
    return _read(store, declared, storage_among(store, declared, storages))


def _read(store: Store, declared: StudyRecord, storage: Url | None, trust: Trust = NONE) -> Result:
    trials = read_whole(store, declared, storage)
    return Result(declared.name, store, declared, trials, storage=storage, trust=trust)
