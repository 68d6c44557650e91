"""What is said once of a key of the study file: its help, and its names elsewhere; and how the keys are found."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel


@dataclass(frozen=True)
class Option:
    """Stands in a key's annotation, beside its type and limits.

    Args:
        help: one sentence, for ``lossearch run --help`` and ``help(lossearch.search)``.
        metavar: what the value is called on the command line, where its type does not say.
        flag: of ``lossearch run``, where it is not the key's name.
        parameter: of ``lossearch.search``, where it is not the key's name.
        searchable: whether [space] settings may name it.
        code: whether it may name code of one's own, as module:function.
        also: an earlier name of the key, which is still read.
    """

    help: str
    metavar: str = ""
    flag: str = ""
    parameter: str = ""
    searchable: bool = False
    code: bool = False
    also: str = ""


@dataclass(frozen=True)
class Key:
    """A key of the study file, as its table declares it."""

    table: str
    name: str
    annotation: Any
    default: Any
    option: Option

    @property
    def path(self) -> str:
        """Table and key, as ``--set`` takes them."""
        return f"{self.table}.{self.name}"

    @property
    def flag(self) -> str:
        """The option of ``lossearch run``, "" where the value is a table: ``--set`` fills it key by key."""
        if any(isinstance(kind, type) and issubclass(kind, dict | BaseModel) for kind in self.kinds):
            return ""
        return self.option.flag or f"--{self.name.replace('_', '-')}"

    @property
    def parameter(self) -> str:
        """The parameter of ``lossearch.search``."""
        return self.option.parameter or self.name

    @property
    def description(self) -> str:
        """What it is, and its default where that is not left to the task."""
        return self.told(
            {True: "on", False: "off"}[self.default] if isinstance(self.default, bool) else self.default
        )

    def told(self, default: Any) -> str:
        """Return what it is, and its default where that is not left to the task, for whoever has another than the file."""
        if default is None or default in ((), {}):
            return self.option.help
        return f"{self.option.help} [default: {default}]"

    @property
    def kinds(self) -> tuple[Any, ...]:
        """The classes its value may be of, and the choices of a Literal as text; None left out."""
        return tuple(_kinds(self.annotation))


def _kinds(annotation: Any) -> Iterator[Any]:
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin in (Union, UnionType):
        for part in inner:
            yield from _kinds(part)
    elif origin is Annotated:
        yield from _kinds(inner[0])
    elif origin is Literal:
        yield from inner
    elif annotation is not NoneType:
        yield origin or annotation


def keys_of(tables: Mapping[str, type[BaseModel]]) -> Iterator[Key]:
    """Yield every key of the tables, in order."""
    for table, model in tables.items():
        for name, field in model.model_fields.items():
            option = next(m for m in field.metadata if isinstance(m, Option))
            yield Key(table, name, field.annotation, field.get_default(call_default_factory=True), option)
