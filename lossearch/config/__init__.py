"""The study file: its tables, checked, with every problem told at once in plain words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from lossearch._registry import unknown_name
from lossearch.config.tables import (
    BudgetTable,
    PublishedRow,
    RecordsTable,
    Rows,
    SearchRange,
    SpaceTable,
    StudyConfig,
    TaskTable,
    TrainTable,
    name_of,
)
from lossearch.config.toml import format_tables, parse_toml, parse_value, read_toml
from lossearch.config.words import ARRAYS, describe, unknown_key, unknown_table
from lossearch.errors import InputError

_TABLES: dict[str, type[BaseModel]] = {
    "task": TaskTable,
    "space": SpaceTable,
    "budget": BudgetTable,
    "train": TrainTable,
    "records": RecordsTable,
}
_KEYS: dict[str, tuple[str, ...]] = {
    "": (*_TABLES, *ARRAYS),
    **{name: tuple(table.model_fields) for name, table in _TABLES.items()},
    "task.rows": tuple(Rows.model_fields),
    "published": tuple(PublishedRow.model_fields),
}


def make_config(values: Mapping[str, Any], source: str = "") -> StudyConfig:
    """Return a study's configuration from plain tables.

    Args:
        values: table name -> keys and values, as in a study file.
        source: named in front of every message, such as the file.

    Raises:
        InputError: something is wrong; the message lists every problem.
    """
    try:
        return StudyConfig.model_validate(dict(values))
    except ValidationError as error:
        problems = list(dict.fromkeys(describe(dict(e), _KEYS) for e in error.errors()))
    raise InputError(_message(problems, source))


def _message(problems: list[str], source: str) -> str:
    if len(problems) == 1:
        return f"{source}: {problems[0]}" if source else problems[0]
    head = f"{source}: {len(problems)} problems:" if source else f"{len(problems)} problems:"
    return "\n".join([head, *(f"  - {p}" for p in problems)])


def parse_config(text: str, source: str = "") -> StudyConfig:
    """Return the configuration that the text of a study file declares, the inverse of :func:`config_toml`.

    Raises:
        InputError: it is not TOML, or something in it is wrong; the message lists every problem.
    """
    return make_config(parse_toml(text, source or "the study file"), source)


def load_config(path: str | Path) -> StudyConfig:
    """Return a study file's configuration.

    The study is named after the file unless the file names it. A data file is looked for beside the
    study file first, then from where the command runs.

    Raises:
        InputError: no such file, not TOML, or something in it is wrong; the message lists every problem.
    """
    path = Path(path)
    if path.suffix in (".csv", ".parquet"):
        raise InputError(
            f"'{path}' is data, not a study file. Write: lossearch run --data {path} --target COLUMN"
        )
    config = make_config(read_toml(path), str(path))
    values: dict[str, Any] = {}
    if config.records.name is None:
        values["records.name"] = name_of(path.stem.replace(":", "-"))
    data = Path(config.task.data or "")
    if data.suffix in (".csv", ".parquet") and not data.is_absolute() and (path.parent / data).is_file():
        values["task.data"] = str(path.parent / data)
    return with_values(config, values)


def with_overrides(config: StudyConfig, overrides: Mapping[str, str]) -> StudyConfig:
    """Return ``config`` with values in TOML's syntax in place; text needs no quotes.

    Keys are ``table.key``, or a key alone where one table has it: ``{"epochs": "5",
    "space.params.focal.gamma": "[0.5, 5.0]"}``.

    Raises:
        InputError: there is no such key, or the values do not fit; the message lists every problem.
    """
    return with_values(config, {key: parse_value(text) for key, text in overrides.items()})


def with_values(config: StudyConfig, values: Mapping[str, Any]) -> StudyConfig:
    """Return ``config`` with plain values in place, keyed as in :func:`with_overrides`.

    Raises:
        InputError: there is no such key, or the values do not fit; the message lists every problem.
    """
    tables = config.model_dump(exclude_unset=True)
    problems = []
    for key, value in values.items():
        place = _place(key)
        if isinstance(place, str):
            problems.append(place)
            continue
        table, name, *rest = place
        content = dict(tables.get(table, {}))
        content[name] = {**(content.get(name) or {}), ".".join(rest): value} if rest else value
        tables[table] = content
    if problems:
        raise InputError(_message(problems, ""))
    return make_config(tables)


def _place(key: str) -> tuple[str, ...] | str:
    """Return table, key and the name within it, or what is wrong."""
    table, dot, rest = key.partition(".")
    if not dot or (table not in _TABLES and any(table in _KEYS[t] for t in _TABLES)):
        homes = [t for t in _TABLES if table in _KEYS[t]]
        if len(homes) > 1:
            return f"{table!r} is in {' and '.join(f'[{t}]' for t in homes)}; write {homes[0]}.{key} or {homes[1]}.{key}."
        if not homes:
            return unknown_key(key, "any table", [k for t in _TABLES for k in _KEYS[t]])
        table, rest = homes[0], key
    if table not in _TABLES:
        return unknown_table(table, _TABLES)
    name, _, inner = rest.partition(".")
    if name not in _KEYS[table]:
        return unknown_key(name, f"[{table}]", _KEYS[table], [f"[{t}]" for t in _TABLES if name in _KEYS[t]])
    return (table, name, inner) if inner else (table, name)


def require_known(table: str, key: str, value: str, known: Iterable[str]) -> None:
    """Refuse a name that the part of the program it belongs to does not know.

    Raises:
        InputError: ``value`` is not among ``known``.
    """
    names = list(known)
    if value not in names:
        raise InputError(f"[{table}] {key}: {unknown_name(key, value, names)}")


def config_toml(config: StudyConfig) -> str:
    """Return the whole configuration as a study file, defaults included; loading it gives it back."""
    tables = config.model_dump(mode="python")
    tables["space"]["settings"] = {k: _range_toml(v) for k, v in tables["space"]["settings"].items()}
    return format_tables({k: v for k, v in tables.items() if v})


def _range_toml(values: Mapping[str, Any]) -> dict[str, Any]:
    return (
        {"choices": values["choices"]}
        if values["choices"]
        else {k: v for k, v in values.items() if k != "choices"}
    )


__all__ = [
    "BudgetTable",
    "PublishedRow",
    "RecordsTable",
    "SearchRange",
    "SpaceTable",
    "StudyConfig",
    "TaskTable",
    "TrainTable",
    "config_toml",
    "load_config",
    "make_config",
    "parse_config",
    "require_known",
    "with_overrides",
    "with_values",
]
