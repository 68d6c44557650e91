"""The study file: its tables, checked, with every problem told at once in plain words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import tomli_w
from pydantic import ValidationError

from lossearch._imports import beside
from lossearch._places import is_compound, with_places
from lossearch._registry import did_you_mean
from lossearch.config.option import Key
from lossearch.config.tables import (
    KEYS,
    TABLES,
    BudgetTable,
    PublishedRow,
    RecordsTable,
    Rows,
    SearchOptions,
    SpaceTable,
    StudyConfig,
    TaskTable,
    TrainTable,
    name_of,
)
from lossearch.config.toml import parse_toml, parse_value, read_toml
from lossearch.config.words import ARRAYS, describe, unknown_key, unknown_table
from lossearch.errors import InputError

_NAMES: dict[str, tuple[str, ...]] = {
    "": (*TABLES, *ARRAYS),
    **{name: tuple(table.model_fields) for name, table in TABLES.items()},
    "task.rows": tuple(Rows.model_fields),
    "published": tuple(PublishedRow.model_fields),
}
_PARAMETERS = {name: key for key in KEYS for name in (key.parameter, key.option.also) if name}
_EARLIER = {name: table.earlier_names() for name, table in TABLES.items()}
_MOST_WITHIN = 5
"""Names that a key may have after table and key."""
_MOST_TOLD = 30
"""Problems that one message lists."""


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
        found = error.errors()
    except UnicodeEncodeError as error:
        words = (
            "A value holds bytes that are no text in this locale: use ASCII, or set LANG to one with UTF-8."
        )
        raise InputError(_message([words], source)) from error
    problems = list(dict.fromkeys(describe(dict(e), _NAMES) for e in found[:_MOST_TOLD]))
    if len(found) > _MOST_TOLD:
        problems.append(f"And {len(found) - _MOST_TOLD} more.")
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
    study file first, then from where the command runs; code of one's own where the command runs first.

    Raises:
        InputError: no such file, not TOML, or something in it is wrong; the message lists every problem.
    """
    if "://" in str(path):
        raise InputError(f"'{path}' is a URL, not a study file.")
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
    if _is_path(config.task.data or "") and not data.is_absolute() and (path.parent / data).exists():
        values["task.data"] = str(path.parent / data)
    return with_values(config, _code_beside(config, path.parent) | values)


def _code_beside(config: StudyConfig, folder: Path) -> dict[str, Any]:
    """Return the keys that name code which only the study file's folder has, with the file there."""
    found: dict[str, Any] = {}
    for key in KEYS:
        given = getattr(getattr(config, key.table), key.name)
        if key.option.code and given is not None:
            names = (given,) if isinstance(given, str) else given
            there = tuple(_beside(name, folder, in_sums=key.table == "space") for name in names)
            if there != tuple(names):
                found[key.path] = there[0] if isinstance(given, str) else there
    return found


def _beside(name: str, folder: Path, *, in_sums: bool) -> str:
    """Return what names code with the file of the folder in it where that is the only one; ``in_sums``: of losses."""
    if in_sums and is_compound(name):
        return with_places(name, lambda place: beside(place, folder))
    return name if _is_data(name) else beside(name, folder)


def _is_path(data: str) -> bool:
    """Return whether data are named as a file or a directory is, and not as a built-in problem or a function."""
    return ":" not in data and ("/" in data or bool(Path(data).suffix))


def _is_data(name: str) -> bool:
    return name.startswith("openml:") or name.endswith((".csv", ".parquet"))


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
        else:
            tables = _placed(tables, place, value)
    if problems:
        raise InputError(_message(problems, ""))
    return make_config(tables)


def _placed(content: Any, place: Sequence[str], value: Any) -> dict[str, Any]:
    """Return tables within tables with a value in its place."""
    name, *rest = place
    known = dict(content) if isinstance(content, Mapping) else {}
    return {**known, name: _placed(known.get(name), rest, value) if rest else value}


def _place(key: str) -> list[str] | str:
    """Return table, key and the names within it, or what is wrong."""
    table, dot, rest = key.partition(".")
    if not dot:
        key = table = next((now[key] for now in _EARLIER.values() if key in now), key)
    if not dot or (table not in TABLES and any(table in _NAMES[t] for t in TABLES)):
        homes = [t for t in TABLES if table in _NAMES[t]]
        if len(homes) > 1:
            return f"{table!r} is in {' and '.join(f'[{t}]' for t in homes)}; write {homes[0]}.{key} or {homes[1]}.{key}."
        if not homes:
            return unknown_key(key, "any table", [k for t in TABLES for k in _NAMES[t]])
        table, rest = homes[0], key
    if table not in TABLES:
        return unknown_table(table, TABLES)
    name, *within = rest.split(".")
    name = _EARLIER[table].get(name, name)
    if name not in _NAMES[table]:
        return unknown_key(name, f"[{table}]", _NAMES[table], [f"[{t}]" for t in TABLES if name in _NAMES[t]])
    if len(within) > _MOST_WITHIN:
        return f"{key[:60]}... names too many tables within each other."
    return [table, name, *within]


def tables_of(parameters: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the tables that parameters of ``lossearch.search`` fill; None says nothing.

    Raises:
        TypeError: there is no such parameter.
    """
    tables: dict[str, dict[str, Any]] = {name: {} for name in TABLES}
    for name, value in parameters.items():
        if name not in _PARAMETERS:
            hint = did_you_mean(name, _PARAMETERS)
            raise TypeError(f"search() got an unexpected keyword argument {name!r}.{hint}")
        if value is not None:
            tables[_PARAMETERS[name].table][_PARAMETERS[name].name] = value
    return tables


def config_toml(config: StudyConfig) -> str:
    """Return the whole configuration as a study file, defaults included; loading it gives it back."""
    tables = config.model_dump(exclude_none=True)
    return tomli_w.dumps({name: table for name, table in tables.items() if table})


__all__ = [
    "KEYS",
    "BudgetTable",
    "Key",
    "PublishedRow",
    "RecordsTable",
    "SearchOptions",
    "SpaceTable",
    "StudyConfig",
    "TaskTable",
    "TrainTable",
    "config_toml",
    "load_config",
    "make_config",
    "parse_config",
    "tables_of",
    "with_overrides",
    "with_values",
]
