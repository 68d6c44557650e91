"""Places that records name: those inside of the store are opened, others where whoever reads gives them again.

A file of sqlite inside of the store is recorded by its path there, so that a store can be moved; one outside by its
whole path, whatever the working directory is when it is read.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from lossearch._lazy import sqlalchemy
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
    own = (url for url in given if study.storage is not None and same_place(store, url, study.storage))
    return storage_of(store, study, next(own, None))


def as_recorded(store: Store, url: str | None) -> Url | None:
    """Return the URL that stands in records for one as a user gives it, which may be of a relative path."""
    if url is None or (file := sqlite_path(url)) is None:
        return None if url is None else Url(url)
    there = file.resolve()
    inside = there.relative_to(store.root) if there.is_relative_to(store.root) else there
    return Url(_with_path(Url(url).whole, inside))


def same_place(store: Store, given: str | None, recorded: str | None) -> bool:
    """Return whether a URL as a user gives it is of the place that a record has; None is the store's own."""
    if given is None or recorded is None:
        return given is recorded
    opened = _opened(store, recorded)
    if _place(given) == _place(opened):
        return True
    # earlier releases recorded a relative path as it was given
    return given == recorded and not sqlite_file(opened).exists()


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


def sqlite_path(url: str) -> Path | None:
    """Return the path in an sqlite URL as it stands there; None for what is no plain file of sqlite."""
    path = url.partition(":///")[2].partition("?")[0]
    plain = url.startswith("sqlite") and path not in {"", ":memory:"} and not path.startswith("file:")
    return Path(path) if plain else None


def sqlite_file(url: str) -> Path:
    """Return the file of an sqlite URL, links in its path followed."""
    return Path(url.partition(":///")[2].partition("?")[0]).resolve()


def absolute(url: str) -> str:
    """Return an sqlite URL with its path resolved now; other URLs unchanged."""
    return url if sqlite_path(url) is None else _with_path(url, sqlite_file(url))


def _opened(store: Store, recorded: str) -> str:
    """Return the URL by which a recorded one is opened: a relative path begins in the store."""
    path = sqlite_path(recorded)
    if path is None or path.is_absolute():
        return recorded
    return _with_path(recorded, store.root / path)


def _with_path(url: str, path: Path) -> str:
    head, mark, rest = url.partition(":///")
    _, question, options = rest.partition("?")
    return f"{head}{mark}{path.as_posix()}{question}{options}"


def _reached(store: Store, study: str, parameter: str, recorded: str | None, given: str | None) -> Url | None:
    url = None if given is None else given_url(parameter, given)
    if url is not None and not same_place(store, url, recorded):
        raise InputError(
            f"Study {study!r} is recorded in {recorded or 'the store itself'}, not in {url}. "
            f"Give {option(parameter)} as it was when the study ran, or leave it out."
        )
    if recorded is None or url is not None:
        return url
    there = _opened(store, recorded)
    if sqlite_path(recorded) is not None and sqlite_file(there).is_relative_to(store.root):
        return Url(f"sqlite:///{sqlite_file(there).as_posix()}")
    raise StoreError(
        f"Study {study!r} is recorded in {recorded}, outside of the store, which is not opened unasked. "
        f"Where you know it, say so: {option(parameter, recorded)}."
    )


def _place(url: str) -> tuple[str, ...]:
    """Return what tells a place from another: all but who asks, and how."""
    try:
        parts = sqlalchemy.make_url(url)
    except (sqlalchemy.exc.ArgumentError, ValueError):
        return (url,)
    kind = parts.get_backend_name()
    if kind == "sqlite":
        return (kind, str(sqlite_file(url)))
    host, port = (
        given or parts.query.get(key) for given, key in ((parts.host, "host"), (parts.port, "port"))
    )
    return (kind, str(host), str(port), (parts.database or "").rstrip("/"))
