"""Servers that go away in the middle of a study: a storage is waited for, and what is lost is told as a failed run."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from optuna.exceptions import StorageInternalError

from lossearch._lazy import sqlalchemy
from lossearch._urls import Url
from lossearch.errors import RunFailedError, StoreError
from lossearch.records.mlflow.client import answers

T = TypeVar("T")

PATIENCE_SECONDS = 30.0
"""How long a server that went away is waited for."""
_PAUSES = (0.25, 5.0)
"""Seconds between two attempts: the first, doubled each time, and the longest."""


class StorageAwayError(StoreError):
    """The server of an Optuna storage does not answer."""


@dataclass(frozen=True)
class Patience:
    """Calls again what failed because the server of a storage went away, until that is back or half a minute is over.

    ``url`` is the storage's, None for a journal, which no server holds. ``hold`` takes the study again before the next
    attempt, since a server that went down has let go of it. ``note`` is told once that it is waited for.
    """

    url: str | None = None
    hold: Callable[[], None] = lambda: None
    note: Callable[[str], None] = lambda _: None

    def __call__(self, call: Callable[[], T]) -> T:
        """Return ``call()``, which may be called again.

        Raises:
            Exception: the first that the storage raised.
        """
        try:
            return call()
        except (sqlalchemy.exc.SQLAlchemyError, StorageInternalError, StorageAwayError) as error:
            if self.url is None or self.url.startswith("sqlite") or not is_away(error):
                raise
            first = error
        end, (pause, longest) = time.monotonic() + PATIENCE_SECONDS, _PAUSES
        self.note(
            f"The Optuna storage {Url(self.url)} does not answer; it is tried again for {PATIENCE_SECONDS:.0f} s."
        )
        while time.monotonic() < end:
            time.sleep(pause)
            pause = min(2 * pause, longest)
            try:
                self.hold()
                return call()
            except (sqlalchemy.exc.SQLAlchemyError, StorageInternalError, StorageAwayError) as error:
                if not is_away(error):
                    raise
        raise first

    def write(self, call: Callable[[], object], written: Callable[[], bool]) -> None:
        """Call what must not be obeyed twice: ``written`` says whether a call that failed was obeyed all the same."""
        failed = False

        def once() -> None:
            nonlocal failed
            if not (failed and written()):
                failed = True
                call()

        self(once)


@contextmanager
def begun() -> Iterator[None]:
    """Say of a run that has begun that its records could not be written to the end.

    Raises:
        RunFailedError: instead of a StoreError, by which a run is refused that has not begun.
    """
    try:
        yield
    except StorageAwayError:
        raise
    except StoreError as error:
        raise RunFailedError(f"The study could not go on. {error}") from error


@contextmanager
def answering(storage: str | None) -> Iterator[None]:
    """Say of a run that its storage, which answered when it began, was lost.

    Raises:
        RunFailedError: it is lost.
    """
    try:
        yield
    except (sqlalchemy.exc.SQLAlchemyError, StorageInternalError, StorageAwayError) as error:
        if storage is None:
            raise
        url = Url(storage)
        raise RunFailedError(
            f"The Optuna storage {url} was lost while the study ran: {url.said(root_of(error))}. What is done is kept; the same call "
            "again continues, once the storage answers."
        ) from url.cause(error)


@contextmanager
def tracked(uri: str | None) -> Iterator[None]:
    """Say of a run that its MLflow server, which answered when it began, was lost before its runs were opened.

    Raises:
        RunFailedError: instead of a StoreError, by which one is refused that never answered.
    """
    try:
        yield
    except StoreError as error:
        if uri is None or (answers(uri) and not is_away(error)):
            raise
        raise RunFailedError(
            f"MLflow at {Url(uri)} was lost while the study was opened: {error} What is done is kept; the same call again "
            "continues, once it answers."
        ) from error


def is_away(error: BaseException | None) -> bool:
    """Return whether an error says that a server does not answer, rather than that it refuses."""
    while error is not None and not isinstance(
        error, StorageAwayError | sqlalchemy.exc.OperationalError | sqlalchemy.exc.InterfaceError
    ):
        error = error.__cause__ or error.__context__
    return error is not None


def root_of(error: BaseException) -> BaseException:
    """Return what an error came from in the end."""
    cause = error.__cause__ or error.__context__
    return error if cause is None else root_of(cause)
