"""Databases by URL: asked within seconds whether they answer, and what is said where they do not."""

from __future__ import annotations

from typing import Any

from lossearch._lazy import sqlalchemy
from lossearch._options import option
from lossearch._urls import Url
from lossearch.errors import InputError

SECONDS = 10
"""How long a server may take to let one in."""
_WAITS = {
    "psycopg": "connect_timeout",
    "psycopg2": "connect_timeout",
    "pymysql": "connect_timeout",
    "mysqldb": "connect_timeout",
    "mysqlconnector": "connection_timeout",
    "pg8000": "timeout",
}
"""Driver -> its parameter for that."""


_DATABASES = ("sqlite", "postgresql", "mysql", "mariadb", "oracle", "mssql")
_INSTEAD = {
    "grpc": (
        "is a proxy for many processes that write one storage; here one process alone writes, whoever trains "
        "({option}). Give the database behind it, or none for the journal beside the study"
    ),
    "redis": "is no database that SQLAlchemy opens, and keeps nothing by itself when its server ends",
    "postgres": "is spelt postgresql://",
    "journal": "needs no URL: a journal beside the study is where trials are kept if none is given",
    "file": "is no database; a file of one is sqlite:////absolute/path.db",
}
"""Scheme -> why it cannot be, or what to write."""


def require_storage(url: Url) -> None:
    """Raise where an Optuna storage is of a sort that keeps no study, or that SQLAlchemy does not open.

    Raises:
        InputError: the message says what to give instead.
    """
    scheme, mark, _ = url.partition("://")
    kind = scheme.partition("+")[0].lower()
    if mark and kind in _DATABASES and not in_memory(url):
        return
    if in_memory(url):
        why = "is in memory, and ends with this process"
    else:
        why = _INSTEAD.get(kind if mark else "file", "is no database that is known").format(
            option=option("on", "ray")
        )
    raise InputError(
        f"Optuna storage {url!r} {why}. Allowed: {', '.join(f'{d}://' for d in _DATABASES)} as in "
        f"sqlite:////absolute/path.db or postgresql://user@host/database; or none."
    )


def in_memory(url: str) -> bool:
    """Return whether a URL is of an sqlite database that is no file."""
    scheme, mark, rest = url.partition("://")
    path, _, query = rest.removeprefix("/").partition("?")
    memory = path in {"", ":memory:", "file::memory:"} or "mode=memory" in query
    return bool(mark) and scheme.partition("+")[0].lower() == "sqlite" and memory


def connect_args(url: Url) -> dict[str, Any]:
    """Return what a database's driver is told besides its URL: how long to wait.

    Raises:
        SQLAlchemyError: the URL names no database, or none that is known.
    """
    parsed = sqlalchemy.make_url(url.whole)
    if parsed.get_backend_name() == "sqlite":
        return {"timeout": 60}
    name = _WAITS.get(parsed.get_driver_name())
    return {} if name is None or name in parsed.query else {name: SECONDS}


def reach_database(url: Url) -> None:
    """Ask a database whether it lets one in, once and within seconds.

    Raises:
        Exception: whatever SQLAlchemy and the driver raise where it does not.
    """
    sqlalchemy.create_engine(
        url.whole, connect_args=connect_args(url), poolclass=sqlalchemy.NullPool
    ).connect().close()


def unrecorded(url: Url, parameter: str) -> str:
    """Return the sentence on where a password comes from that is not recorded, '' where the URL has its own."""
    scheme = url.partition(":")[0].partition("+")[0]
    if url.secret or scheme == "sqlite":
        return ""
    elsewhere = {
        "postgresql": "PGPASSWORD or ~/.pgpass",
        "http": "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN",
    }
    named = elsewhere.get(scheme.removesuffix("s"))
    return (
        f" Passwords are not recorded: where it asks for one, give the URL with it, {option(parameter, 'URL')}"
        + (f", or {named}." if named else ".")
    )
