"""Names of columns, which files may write with blanks around them, or with a # in front of the first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from typing import Any

import pandas as pd


def trimmed(name: str) -> str:
    """Return a name as it is read off the first line of a file.

    Example:
        >>> trimmed("Age "), trimmed("# Age"), trimmed("#")
        ('Age', 'Age', '#')
    """
    return name.lstrip("\ufeff# ").strip() or name.strip()


def meant(name: str, names: Collection[str]) -> str | None:
    """Return the column that a name means: that name, else the only one that is read alike; None where there is none.

    Example:
        >>> meant("Age ", ["Age", "pay"]), meant("Age", ["Age ", " Age"])
        ('Age', None)
    """
    if name in names:
        return name
    alike = [n for n in names if trimmed(n) == trimmed(name)]
    return alike[0] if len(alike) == 1 else None


def called(frame: pd.DataFrame, wanted: Iterable[Any]) -> pd.DataFrame:
    """Return a table in which columns are called as is wanted, where only what reading trims tells their names apart."""
    named = [name for name in dict.fromkeys(wanted) if isinstance(name, str)]
    others = [name for name in frame.columns if isinstance(name, str) and name not in named]
    found = {name: meant(name, others) for name in named if name not in frame.columns}
    times = Counter(found.values())
    return frame.rename(
        columns={old: new for new, old in found.items() if old is not None and times[old] == 1}
    )
