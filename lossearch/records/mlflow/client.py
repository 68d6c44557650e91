"""A client of an MLflow tracking server or database that leaves no trace in this process.

Only ``MlflowClient`` with explicit run ids is used: no fluent call, no active run, no tracking URI.
"""

from __future__ import annotations

import logging
import os
import re
import socket
import sys
import time
import urllib.request
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

from lossearch._options import option
from lossearch.errors import InputError, StoreError
from lossearch.records.mlflow.database import ensure_database
from lossearch.records.store import Store, hide_password

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

T = TypeVar("T")

_CHATTY = ("mlflow", "alembic", "sqlalchemy", "urllib3")
_FOR_CALLS = {
    # a study must not stand still for minutes, nor print a line a trial, unless its user says so
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}
_SCHEMES = ("sqlite", "http", "https", "postgresql", "mysql", "mssql", "databricks", "uc")
_SERVER_PORTS = {"http": 80, "https": 443, "postgresql": 5432, "mysql": 3306, "mssql": 1433}
_PAUSES = (0.2, 0.8, 2.0)


def checked_uri(uri: str) -> str:
    """Return a tracking URI, a database's file made absolute.

    Raises:
        InputError: the URI is a directory (``file:`` or a bare path), which MLflow no longer writes to,
            of a scheme that MLflow does not know, or without a host or a port that can be.
    """
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
            f"No MLflow tracking URI begins with {scheme!r}: {hide_password(uri)!r}. "
            f"Allowed: {', '.join(f'{s}:' for s in _SCHEMES)} or none, for the store's own database."
        )
    if scheme.partition("+")[0] in _SERVER_PORTS:
        _require_host(uri)
    path = uri.removeprefix("sqlite:///")
    if scheme == "sqlite" and not path.startswith("/"):
        return f"sqlite:///{Path(path).resolve().as_posix()}"
    return uri


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
            f"MLflow tracking URI {hide_password(uri)!r} has no host, or a port that is not between 1 and 65535. "
            "Expected an address such as http://host:5000."
        )


def is_http(uri: str) -> bool:
    """Whether a tracking URI names a server."""
    return uri.startswith(("http://", "https://"))


def connect(store: Store, uri: str | None = None) -> MlflowClient:
    """Return a client whose server answers, or whose database exists and has the right schema.

    A database that is not there yet is made, by one process at a time. Without a URI it is the store's own.

    Raises:
        InputError: the URI is not one that MLflow writes to.
        StoreError: nothing answers, or the database is of another MLflow version.
    """
    address = store.tracking_uri if uri is None else checked_uri(uri)
    with nullcontext() if is_http(address) else store.lock():
        return _client(address)


def reach(uri: str | None) -> None:
    """Ask a tracking server whether it answers, before anything is made that would rely on it.

    Raises:
        InputError: the URI is not one that MLflow writes to.
        StoreError: nothing answers, or not as MLflow does.
    """
    if uri is not None and urlsplit(checked_uri(uri)).hostname:
        _client(checked_uri(uri))


def _client(uri: str) -> MlflowClient:
    if not answers(uri):
        raise StoreError(
            f"No server answers at {hide_password(uri)}, the MLflow tracking URI. Start it, correct "
            f"{option('tracking_uri')}, or run without it ({option('mlflow', False)})."
        )
    client_class = _client_class()
    with quiet():
        try:
            if path := _file_of(uri):
                # MLflow would try for minutes to open what cannot be opened
                ensure_database(Path(path), Path(path).parent / "artifacts")
            client = client_class(tracking_uri=uri)
            client.search_experiments(max_results=1)
        except Exception as error:
            raise _cannot_open(uri, error) from error
    return client


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


def retried(call: Callable[[], T], pauses: tuple[float, ...] = _PAUSES) -> T:
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

    return (MlflowException, RequestException, OSError)


def first_line(error: BaseException) -> str:
    """Return an error's first line, short and without passwords."""
    return hide_password(str(error).strip().partition("\n")[0])[:300]


@contextmanager
def quiet() -> Iterator[None]:
    """Silence MLflow and what it stands on, and keep its calls short; all is as before afterwards.

    A logger that is given handlers meanwhile keeps them.
    """
    nothing = logging.NullHandler()
    before = [(logger, logger.handlers, logger.propagate) for logger in map(logging.getLogger, _CHATTY)]
    ours: list[list[logging.Handler]] = [[nothing] for _ in before]
    added = {k: v for k, v in _FOR_CALLS.items() if k not in os.environ}
    os.environ.update(added)
    try:
        # levels would do, but every change of one makes all loggers of the process forget theirs: 2 ms a trial
        for (logger, _, _), handlers in zip(before, ours, strict=True):
            logger.handlers, logger.propagate = handlers, False
        yield
    finally:
        for (logger, handlers, propagate), meanwhile in zip(before, ours, strict=True):
            if logger.handlers is meanwhile:
                # the very list, by which a silence around this one knows it
                handlers.extend(h for h in meanwhile if h is not nothing)
                logger.handlers, logger.propagate = handlers, propagate
        for key in added:
            os.environ.pop(key, None)


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


@contextmanager
def untouched() -> Iterator[None]:
    """Undo what MLflow's code does to the environment and the warning filters."""
    before = dict(os.environ)
    with warnings.catch_warnings():
        try:
            yield
        finally:
            for key in os.environ.keys() - before.keys():
                del os.environ[key]


def _suspended(module: ModuleType) -> bool:
    """Return whether autologging is suspended already, and is to stay so afterwards."""
    return bool(getattr(module, "_AUTOLOGGING_GLOBALLY_DISABLED", False))


def _client_class() -> type[MlflowClient]:
    with untouched():
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


def _cannot_open(uri: str, error: BaseException) -> StoreError:
    text, shown = str(error), hide_password(uri)
    if "out-of-date database schema" in text or "Can't locate revision" in text:
        found = re.search(r"found version (\w+), but expected (\w+)", text)
        versions = f" (schema {found[1]}, this one has {found[2]})" if found else ""
        backup = f"cp {path} {path}.bak && " if (path := _file_of(uri)) else "a backup of it first, then "
        return StoreError(
            f"The MLflow database {shown} was written by another MLflow version{versions}. "
            f"Take a backup and upgrade it: {backup}mlflow db upgrade {shown}"
        )
    return StoreError(
        f"The MLflow tracking store {shown} cannot be opened: {first_line(error)} "
        f"Correct {option('tracking_uri')}, or run without it ({option('mlflow', False)})."
    )


def _file_of(uri: str) -> str:
    return uri.removeprefix("sqlite:///") if uri.startswith("sqlite:///") else ""
