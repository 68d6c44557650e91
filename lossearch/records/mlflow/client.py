"""A client of an MLflow tracking server or database that leaves no trace in this process.

Only ``MlflowClient`` with explicit run ids is used: no fluent call, no active run, no tracking URI.
"""

from __future__ import annotations

import logging
import re
import socket
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

from lossearch._options import option
from lossearch._process import left_as_it_was, unless_set
from lossearch._urls import Url
from lossearch.errors import InputError, StoreError
from lossearch.records.database import in_memory, reach_database, unrecorded
from lossearch.records.links import refuse_links
from lossearch.records.mlflow.database import ensure_database, is_there, naming_damage
from lossearch.records.places import absolute, sqlite_path
from lossearch.records.store import Store

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

T = TypeVar("T")

_CHATTY = ("mlflow", "alembic", "sqlalchemy", "urllib3")
_FOR_CALLS = {
    # a study must not stand still for minutes, nor print a line a trial, unless its user says so
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}
_SCHEMES = ("sqlite", "http", "https", "postgresql", "mysql", "mssql", "databricks", "uc")
DATABASES = {"postgresql": 5432, "mysql": 3306, "mssql": 1433}
"""Schemes of database servers, with the port that each listens on."""
_SERVER_PORTS = {"http": 80, "https": 443, **DATABASES}
PAUSES = (0.2, 0.8, 2.0)
"""Seconds to wait before what failed is tried again."""


def checked_uri(text: str) -> Url:
    """Return a tracking URI, a database's file made absolute.

    Raises:
        InputError: the URI is a directory (``file:`` or a bare path), which MLflow no longer writes to,
            of a scheme that MLflow does not know, or without a host or a port that can be.
    """
    try:
        uri = Url(text)
    except ValueError as error:
        raise InputError(f"The MLflow tracking URI {error}.") from None
    if uri in {"databricks", "uc"}:
        return uri
    scheme, _, rest = uri.partition(":")
    if scheme == "file" or not rest:
        raise InputError(
            f"MLflow tracking URI {uri!r} is a directory of files, which MLflow no longer writes to. Use "
            "sqlite:////absolute/path/mlflow.db or the http(s) address of a server. To take over old runs: "
            "`mlflow migrate-filestore --source DIR --target sqlite:////absolute/path/mlflow.db`."
        )
    if scheme.partition("+")[0] not in _SCHEMES:
        raise InputError(
            f"No MLflow tracking URI begins with {scheme!r}: {uri!r}. "
            f"Allowed: {', '.join(f'{s}:' for s in _SCHEMES)} or none, for the store's own database."
        )
    if scheme.partition("+")[0] in _SERVER_PORTS:
        _require_host(uri)
    if in_memory(uri):
        raise InputError(
            f"MLflow tracking URI {uri!r} is in memory, and ends with this process. Use sqlite:////absolute/path/mlflow.db."
        )
    # a whole path stays as it is: whether it is a link is seen where the database is opened
    path = sqlite_path(uri)
    return uri if path is None or path.is_absolute() else Url(absolute(uri.whole))


def _require_host(uri: str) -> None:
    """Raise where an address has a host or a port that no server can have; a database may have neither."""
    try:
        parts = urlsplit(uri)
        named = parts.hostname or ""
        named.encode("idna")
        fit = parts.port != 0 and (bool(named) or not is_http(uri))
    except ValueError:
        fit = False
    if not fit:
        raise InputError(
            f"MLflow tracking URI {uri!r} has no host, or a port that is not between 1 and 65535. "
            "Expected an address such as http://host:5000."
        )


def is_database(uri: str) -> bool:
    """Whether a tracking URI names a database, of a server or in a file."""
    return uri.partition(":")[0].partition("+")[0] in {"sqlite", *DATABASES}


def is_http(uri: str) -> bool:
    """Whether a tracking URI names a server."""
    return uri.startswith(("http://", "https://"))


def connect(store: Store, uri: str | None = None) -> MlflowClient:
    """Return a client whose server answers, or whose database exists and has the right schema.

    A database that is not there yet is made, by one process at a time. Without a URI it is the store's own.

    Raises:
        InputError: the URI is not one that MLflow writes to.
        StoreError: nothing answers, the database is of another MLflow version, or the store's own cannot be written.
    """
    address = Url(store.tracking_uri) if uri is None else checked_uri(uri)
    if is_http(address):
        return client_of(address)
    own = address == store.tracking_uri
    with store.lock():
        if own:
            settle_database(store)
        with naming_damage(store.database if own else None):
            return client_of(address)


def settle_database(store: Store) -> None:
    """Have a store's own database there, and right after a move; MLflow is imported only to make one. Whoever calls holds its lock.

    Raises:
        StoreError: it cannot be written, or is damaged.
    """
    refuse_links(*(p for p in store.root.iterdir() if "mlflow.db" in p.name))
    store.settle()
    with naming_damage(store.database):
        have_database(store.database, store.artifacts)


def have_database(path: Path, artifacts: Path) -> None:
    """Have a database file there, as :func:`ensure_database` does, with no trace of MLflow's import where it makes one.

    Raises:
        StoreError: it cannot be read or written.
    """
    uri = Url(f"sqlite:///{path.as_posix()}")
    with telling(uri):
        if is_there(path):
            return
    # before the silence: its import gives loggers their handlers
    _client_class()
    with telling(uri), quiet():
        ensure_database(path, artifacts)


def reach(uri: str | None) -> None:
    """Ask a tracking server whether it answers, before anything is made that would rely on it.

    Raises:
        InputError: the URI is not one that MLflow writes to.
        StoreError: nothing answers, or not as MLflow does.
    """
    if uri is not None and urlsplit(checked_uri(uri)).hostname:
        client_of(checked_uri(uri))


def client_of(uri: Url) -> MlflowClient:
    """Return a client of a tracking server or database that is there and has the right schema; see :func:`connect`."""
    if not answers(uri):
        raise StoreError(
            f"No server answers at {uri}, the MLflow tracking URI. Start it, correct "
            f"{option('tracking_uri')}, or run without it ({option('mlflow', False)})."
        )
    client_class = _client_class()
    with quiet(), unpooled(uri), telling(uri):
        if path := sqlite_path(uri):
            ensure_database(path, path.parent / "artifacts")
        if is_database(uri):
            # MLflow would try for minutes to open what cannot be opened, or to be let in by a wrong password
            reach_database(uri)
        client = client_class(tracking_uri=uri.whole)
        client.search_experiments(max_results=1)
    return client


@contextmanager
def telling(uri: Url) -> Iterator[None]:
    """Say in plain words why a tracking store cannot be opened inside.

    Raises:
        StoreError: instead of whatever else is raised.
    """
    try:
        yield
    except Exception as error:  # noqa: BLE001 - drivers have errors of their own
        raise _cannot_open(uri, error) from uri.cause(error)


def answers(uri: str, seconds: float = 3.0) -> bool:
    """Whether something listens where a server's address points; True for what cannot be asked so simply."""
    parts = urlsplit(uri)
    scheme, host = parts.scheme.partition("+")[0], parts.hostname
    if scheme not in _SERVER_PORTS or not host:
        return True
    if scheme in urllib.request.getproxies() and not urllib.request.proxy_bypass(host):
        return True
    port = parts.port or _SERVER_PORTS[scheme]
    try:
        with socket.create_connection((host, port), timeout=seconds):
            return True
    except OSError:
        return False


def retried(call: Callable[[], T], pauses: tuple[float, ...] = PAUSES) -> T:
    """Return ``call()``, tried again after each pause while the database is locked or the server away."""
    for pause in pauses:
        try:
            return call()
        except tracking_errors() as error:
            if not _temporary(error):
                raise
            time.sleep(pause)
    return call()


def tracking_errors() -> tuple[type[Exception], ...]:
    """Return what a failing tracking server or database raises."""
    from mlflow.exceptions import MlflowException
    from requests import RequestException
    from sqlalchemy.exc import SQLAlchemyError

    return (MlflowException, RequestException, SQLAlchemyError, OSError)


@contextmanager
def quiet() -> Iterator[None]:
    """Silence MLflow and what it stands on, and keep its calls short; all is as before afterwards.

    A logger that is given handlers meanwhile keeps them.
    """
    nothing = logging.NullHandler()
    before = [(logger, logger.handlers, logger.propagate) for logger in map(logging.getLogger, _CHATTY)]
    ours: list[list[logging.Handler]] = [[nothing] for _ in before]
    try:
        # levels would do, but every change of one makes all loggers of the process forget theirs: 2 ms a trial
        for (logger, _, _), handlers in zip(before, ours, strict=True):
            logger.handlers, logger.propagate = handlers, False
        with unless_set(_FOR_CALLS):
            yield
    finally:
        for (logger, handlers, propagate), meanwhile in zip(before, ours, strict=True):
            if logger.handlers is meanwhile:
                # the very list, by which a silence around this one knows it
                handlers.extend(h for h in meanwhile if h is not nothing)
                logger.handlers, logger.propagate = handlers, propagate


@contextmanager
def unpooled(uri: str) -> Iterator[None]:
    """Keep no connection to a database file, if that is one; what MLflow opens it with stays as it is opened first."""
    with unless_set({"MLFLOW_SQLALCHEMYSTORE_POOLCLASS": "NullPool"} if sqlite_path(uri) else {}):
        yield


@contextmanager
def no_autolog() -> Iterator[bool]:
    """Suspend MLflow's autologging where the user has switched it on; it is on again afterwards.

    Yields:
        Whether there was any to suspend.
    """
    module = sys.modules.get("mlflow.utils.autologging_utils")
    if (
        module is None
        or _suspended(module)
        or all(map(module.autologging_is_disabled, module.AUTOLOGGING_INTEGRATIONS))
    ):
        yield False
        return
    with module.disable_autologging():
        yield True


def _suspended(module: ModuleType) -> bool:
    """Return whether autologging is suspended already, and is to stay so afterwards."""
    return bool(getattr(module, "_AUTOLOGGING_GLOBALLY_DISABLED", False))


def _client_class() -> type[MlflowClient]:
    with left_as_it_was():
        try:
            from mlflow.tracking import MlflowClient
        except ImportError as error:
            raise StoreError(
                f"MLflow cannot be imported: {error}. `pip install mlflow`, or run without it ({option('mlflow', False)})."
            ) from error
    return MlflowClient


def _temporary(error: BaseException) -> bool:
    from requests import ConnectionError as NoConnection
    from requests import Timeout

    code = getattr(error, "error_code", "")
    cause = error.__cause__ or error.__context__
    return (
        code == "TEMPORARILY_UNAVAILABLE"
        or isinstance(error, NoConnection | Timeout)
        or (cause is not None and cause is not error and _temporary(cause))
    )


def _cannot_open(uri: Url, error: BaseException) -> StoreError:
    text = str(error)
    if "out-of-date database schema" in text or "Can't locate revision" in text:
        found = re.search(r"found version (\w+), but expected (\w+)", text)
        versions = f" (schema {found[1]}, this one has {found[2]})" if found else ""
        backup = f"cp {path} {path}.bak && " if (path := sqlite_path(uri)) else "a backup of it first, then "
        return StoreError(
            f"The MLflow database {uri} was written by another MLflow version{versions}. "
            f"Take a backup and upgrade it: {backup}mlflow db upgrade {uri}"
        )
    if sqlite_path(uri) and (isinstance(error, OSError) or "disk is full" in text):
        why = getattr(error, "strerror", None) or uri.said(error)
        return StoreError(
            f"The MLflow database {uri} cannot be written: {why}. Make room there, let it be written, "
            f"or run without it ({option('mlflow', False)})."
        )
    return StoreError(
        f"The MLflow tracking store {uri} cannot be opened: {uri.said(error).rstrip('.')}. "
        f"Correct {option('tracking_uri')}, or run without it ({option('mlflow', False)}).{unrecorded(uri, 'tracking_uri')}"
    )
