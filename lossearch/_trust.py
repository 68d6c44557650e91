"""Code that records name is run where whoever reads them has named it too."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping

from lossearch._imports import leads_somewhere
from lossearch._options import either
from lossearch._text import listed
from lossearch.errors import InputError

Trust = frozenset[str]
"""The code that has been named, as ``module:function``."""

NONE: Trust = frozenset()


def as_trust(names: str | Iterable[str]) -> Trust:
    """Return the names in a set, of one or of several."""
    return frozenset((names,) if isinstance(names, str) else names)


def saying_so(names: Iterable[str]) -> str:
    """Return how whoever asked says that these are trusted."""
    given = list(dict.fromkeys(names))
    python = f"trust={given[0]!r}" if len(given) == 1 else f"trust={given!r}"
    return either(python, " ".join(f"--trust {shlex.quote(name)}" for name in given))


def require_trusted(code: Mapping[str, str], trust: Trust, where: str, otherwise: str = "") -> None:
    """Raise where records name code that whoever reads them has not.

    Args:
        code: reference -> what it is for, as in ``{"nets:make": "model"}``.
        trust: what was named.
        where: what names it, as the message begins.
        otherwise: what else can be done, as the message ends.

    Raises:
        InputError: the message lists the code, and how it is named.
    """
    missing = {name: what for name, what in code.items() if name not in trust}
    if missing:
        named = listed([f"{what} {name!r}" for name, what in missing.items()])
        asked = f"{where} names code outside of the records, which is not run unasked: {named}."
        if not all(map(leads_somewhere, missing)):
            raise InputError(
                f"{asked} It was defined in the program that ran the study, and is found there alone: run that program "
                f"again, which trains nothing anew{either(f', and say {saying_so(missing)} in it', '')}. Defined in a "
                "module that is imported, it is found from everywhere."
            )
        raise InputError(f"{asked} Where you know it, say so: {saying_so(missing)}. {otherwise}".rstrip())
