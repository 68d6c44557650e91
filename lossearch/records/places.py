"""Places that records name: those inside of the store are opened, others where whoever reads gives them again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from lossearch._options import option
from lossearch._urls import Url
from lossearch.errors import InputError, StoreError
from lossearch.records.store import Store
from lossearch.records.study import StudyRecord


def storage_of(store: Store, study: StudyRecord, given: str | None = None) -> Url | None:
    """Return the Optuna storage to open for a study, None for the journal in the store.

    It is the given one with the password in it, since none is recorded; one inside of the store need not be given.

    Args:
        store: which holds the study.
        study: its record.
        given: the storage as whoever reads gives it again.

    Raises:
        InputError: what is given cannot be read as a URL, or is of another place than the record has.
        StoreError: it is outside of the store and not given; the message says how it is.
    """
    return _reached(store, study.name, "storage", study.storage, given)


def tracking_of(store: Store, study: StudyRecord, given: str | None = None) -> Url | None:
    """Return the MLflow tracking URI of a study, None for the store's own database; as :func:`storage_of`."""
    return _reached(store, study.name, "tracking_uri", study.tracking_uri, given)


def storage_among(store: Store, study: StudyRecord, given: Sequence[Url]) -> Url | None:
    """Return :func:`storage_of` a study where what is given is of several studies, perhaps not of this one."""
    own = (url for url in given if study.storage is not None and _place(url) == _place(study.storage))
    return storage_of(store, study, next(own, None))


def given_urls(name: str, given: str | Iterable[str] | None) -> tuple[Url, ...]:
    """Return the URLs that an option was given: none, one or several.

    Raises:
        InputError: one cannot be read as a URL.
    """
    texts = () if given is None else (given,) if isinstance(given, str) else given
    return tuple(given_url(name, text) for text in texts)


def given_url(name: str, text: str) -> Url:
    """Return the URL that an option was given.

    Raises:
        InputError: it cannot be read as one.
    """
    try:
        return Url(text)
    except ValueError as error:
        raise InputError(f"{option(name)} {error}.") from None


def sqlite_file(url: str) -> Path:
    """Return the file of an sqlite URL, links in its path followed."""
    return Path(url.partition(":///")[2].partition("?")[0]).resolve()


def _reached(store: Store, study: str, parameter: str, recorded: str | None, given: str | None) -> Url | None:
    url = None if given is None else given_url(parameter, given)
    if url is not None and (recorded is None or _place(url) != _place(recorded)):
        raise InputError(
            f"Study {study!r} is recorded in {recorded or 'the store itself'}, not in {url}. "
            f"Give {option(parameter)} as it was when the study ran, or leave it out."
        )
    if recorded is None or url is not None:
        return url
    if recorded.startswith("sqlite") and sqlite_file(recorded).is_relative_to(store.root):
        return Url(f"sqlite:///{sqlite_file(recorded).as_posix()}")
    raise StoreError(
        f"Study {study!r} is recorded in {recorded}, outside of the store, which is not opened unasked. "
        f"Where you know it, say so: {option(parameter, recorded)}."
    )


def _place(url: str) -> tuple[str, ...]:
    """Return what tells a place from another: all but who asks, and how."""
    try:
        parts = make_url(url)
    except (ArgumentError, ValueError):
        return (url,)
    kind = parts.get_backend_name()
    if kind == "sqlite":
        return (kind, str(sqlite_file(url)))
    host, port = (
        given or parts.query.get(key) for given, key in ((parts.host, "host"), (parts.port, "port"))
    )
    return (kind, str(host), str(port), (parts.database or "").rstrip("/"))
