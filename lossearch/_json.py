"""Plain JSON values from whatever a study meets, and files that are whole or absent."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import math
import os
import re
import stat
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from enum import Enum
from pathlib import Path, PurePath
from typing import Any

import numpy as np

from lossearch._lazy import torch
from lossearch._text import printable
from lossearch.errors import InputError, StoreError

Json = None | bool | int | float | str | list[Any] | dict[str, Any]


def to_jsonable(value: Any) -> Json:
    """Return a value as plain JSON: numpy and torch scalars and arrays become numbers and lists.

    JSON has no NaN and no infinity: both become ``None``. Sets become sorted lists, keys strings.

    Raises:
        InputError: the value has no plain form, or two keys of a mapping have the same one.
    """
    if value is None or isinstance(value, str | bool | int | float | Enum | np.generic):
        return _scalar(value)
    if isinstance(value, list | tuple):
        return [to_jsonable(v) for v in value]
    if isinstance(value, set | frozenset):
        return [to_jsonable(v) for v in sorted(value, key=lambda v: (type(v).__name__, v))]
    if isinstance(value, Mapping):
        return _mapping(value)
    if isinstance(value, np.ndarray):
        return to_jsonable(value.tolist())
    return _object(value)


def _object(value: Any) -> Json:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: to_jsonable(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    if isinstance(value, PurePath):
        return str(value)
    # last of all, since this imports torch
    if isinstance(value, torch.Tensor):
        return to_jsonable(value.tolist())
    if isinstance(value, torch.dtype | torch.device):
        return str(value)
    raise InputError(_no_plain_form(value))


def _scalar(value: Any) -> Json:
    if isinstance(value, Enum):
        return to_jsonable(value.value)
    if value is None or isinstance(value, bool | np.bool_):
        return None if value is None else bool(value)
    if isinstance(value, str):
        return str(value)
    if isinstance(value, int | np.integer) and not isinstance(value, np.timedelta64):
        return int(value)
    if isinstance(value, float | np.floating):
        number = float(value)
        return number if math.isfinite(number) else None
    item = value.item()
    if isinstance(item, np.generic | complex | bytes):
        raise InputError(_no_plain_form(value))
    return to_jsonable(item)


def _mapping(value: Mapping[Any, Any]) -> dict[str, Any]:
    plain: dict[str, Any] = {}
    for key, item in value.items():
        name = str(key.value if isinstance(key, Enum) else key)
        if name in plain:
            raise InputError(f"Two keys of a mapping are both {name!r} in JSON. Rename one of them.")
        plain[name] = to_jsonable(item)
    return plain


def _no_plain_form(value: Any) -> str:
    return (
        f"A {type(value).__name__} cannot be recorded: {str(value)[:80]!r}. "
        "Allowed: numbers, strings, None, lists, mappings, arrays, tensors, dates, paths. Convert it first."
    )


def dumps(value: Any, *, indent: int | None = None) -> str:
    """Return a value as strict JSON text, in which what a terminal would obey is written as numbers."""
    text = json.dumps(to_jsonable(value), allow_nan=False, ensure_ascii=False, indent=indent)
    return printable(text, lambda found: f"\\u{ord(found[0]):04x}")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary path beside ``path``; on a clean exit it takes the place of ``path`` at once.

    Whoever reads ``path`` sees the old file or the new, never a part; its directory is made if need be. It may be read by
    those who may read any new file, whoever wrote the temporary one.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        temporary.touch(exist_ok=False)
        usual = stat.S_IMODE(temporary.stat().st_mode)
        yield temporary
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        # a library may have put a file of its own there, as readable to its owner alone
        if stat.S_IMODE(temporary.stat().st_mode) != usual:
            temporary.chmod(usual)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def half_written(folder: Path) -> list[Path]:
    """Return the temporary files in a directory, at any depth, that :func:`replacing` left where its process was killed."""
    return [p for p in folder.rglob(".*.tmp") if re.fullmatch(r"\..+\.[0-9a-f]{8}\.tmp", p.name)]


def write_text(path: Path, text: str) -> Path:
    """Write a UTF-8 file, whole or not at all; what is no file, such as a pipe, is written to as it stands."""
    if path.exists() and not path.is_file():
        path.write_text(text, encoding="utf-8")
        return path
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return path


def write_json(path: Path, value: Any) -> Path:
    """Write a value as an indented JSON file, whole or not at all."""
    return write_text(path, dumps(value, indent=2) + "\n")


def read_json(path: Path) -> Any:
    """Return what a JSON file holds.

    Raises:
        StoreError: it is missing, unreadable or not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise StoreError(f"No file {path}.") from error
    except (OSError, ValueError) as error:
        raise StoreError(f"{path} cannot be read: {error}. Restore it from a copy, or remove it.") from error
