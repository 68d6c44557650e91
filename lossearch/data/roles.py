"""What each column of a table is for: target, groups, time, weight, part or feature."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pandas as pd

from lossearch._options import either
from lossearch._registry import did_you_mean
from lossearch.data.column_names import meant
from lossearch.data.columns import refuse_duplicates
from lossearch.errors import InputError


@dataclass(frozen=True)
class Roles:
    """Which columns of a table are the target, the groups, the time, the weights and the parts; all others are features."""

    target: list[str]
    groups: str | None
    time: str | None
    sample_weight: str | None
    split: str | None
    features: list[str]

    @property
    def sides(self) -> dict[str, str]:
        """The columns of groups, time, weights and parts that there are."""
        every = (
            ("groups", self.groups), ("time", self.time), ("sample_weight", self.sample_weight), ("split", self.split),
        )  # fmt: skip
        return {k: c for k, c in every if c is not None}

    def y(self, table: pd.DataFrame) -> pd.DataFrame | pd.Series[Any]:
        """Return the targets in a table."""
        return table[self.target[0]] if len(self.target) == 1 else table[self.target]


def column_of(table: pd.DataFrame, name: str | None) -> pd.Series[Any] | None:
    """Return a column, None where it has no name."""
    return None if name is None else table[name]


def column_roles(
    names: Iterable[Any],
    table: str,
    target: str | None,
    groups: str | None = None,
    time: str | None = None,
    sample_weight: str | None = None,
    split: str | None = None,
) -> Roles:
    """Return what each column of a table is for.

    A name may have blanks around it that a column's has not, or the other way round, where that leaves no doubt.

    Args:
        names: its columns.
        table: what to call it.
        target: the target's column, or several with commas between them.
        groups: the column that says which rows belong together; not a feature.
        time: the column that orders the rows; not a feature.
        sample_weight: the column of what rows weigh in the loss; not a feature.
        split: the column that says which part a row is in; not a feature.

    Raises:
        InputError: a column is missing or named twice, or no feature is left.
    """
    names = list(map(str, names))
    refuse_duplicates(names)
    shown = ", ".join(names[:30]) + (", ..." if len(names) > 30 else "")
    if target is None:
        how = either("target='...'", "--target COLUMN")
        raise InputError(f"{table}: say which column is the target ({how}). Columns: {shown}.")

    def column(name: str) -> str:
        if (found := meant(name, names)) is None:
            raise InputError(f"{table} has no column {name!r}.{did_you_mean(name, names)} Columns: {shown}.")
        return found

    whole = "," not in target or meant(target, names) is not None
    targets = [column(name) for name in ([target] if whole else map(str.strip, target.split(",")))]
    groups, time, sample_weight, split = (
        None if name is None else column(name) for name in (groups, time, sample_weight, split)
    )
    beside = [name for name in (groups, time, sample_weight, split) if name is not None]
    features = [name for name in names if name not in {*targets, *beside}]
    if not features:
        raise InputError(
            f"{table} has no column beside the target {', '.join(targets)!r}: there is nothing to learn from."
        )
    return Roles(targets, groups, time, sample_weight, split, features)
