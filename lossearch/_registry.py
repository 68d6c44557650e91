"""Read-only tables of named components, with aliases and "did you mean"."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from typing import Protocol, TypeVar

from lossearch.errors import UnknownNameError


class Named(Protocol):
    """What a table holds: anything with a name and aliases."""

    @property
    def name(self) -> str: ...
    @property
    def aliases(self) -> tuple[str, ...]: ...


T = TypeVar("T", bound=Named)
MOST_NAMES = 25
"""How many known names a message lists."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return " Did you mean 'x'?" for the known name closest to a misspelt one, else ''."""
    by_lower: dict[str, str] = {}
    for k in known:
        by_lower.setdefault(k.lower(), k)
    close = difflib.get_close_matches(name.lower(), by_lower, n=1, cutoff=0.6)
    return f" Did you mean {by_lower[close[0]]!r}?" if close else ""


def unknown_name(what: str, name: str, known: Iterable[str], aliases: Iterable[str] = ()) -> str:
    """Return the sentence for a name that is in no table."""
    names = list(known)
    hint = did_you_mean(name, [*names, *aliases])
    rest = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES + 1 else ""
    shown = names[:MOST_NAMES] if rest else names
    return f"No {what} named {name!r}.{hint} Known: {', '.join(shown)}{rest}."


class Registry(Mapping[str, T]):
    """An ordered, read-only ``name -> component`` table that also answers to aliases.

    Raises:
        ValueError: two components claim one name.
        UnknownNameError: on look-up of a name that is neither a name nor an alias.
    """

    def __init__(self, what: str, items: Iterable[T]) -> None:
        self.what = what
        self._items: dict[str, T] = {}
        self._aliases: dict[str, str] = {}
        for item in items:
            if item.name in self._items or item.name in self._aliases:
                raise ValueError(f"two {what}s are named {item.name!r}")
            self._items[item.name] = item
            for alias in item.aliases:
                if alias in self._items or alias in self._aliases:
                    raise ValueError(f"two {what}s are named {alias!r}")
                self._aliases[alias] = item.name

    def __getitem__(self, name: str) -> T:
        key = self._aliases.get(name, name)
        if key not in self._items:
            raise UnknownNameError(unknown_name(self.what, name, self._items, self._aliases))
        return self._items[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __repr__(self) -> str:
        return f"Registry({self.what!r}, {list(self._items)})"
