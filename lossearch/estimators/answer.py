"""What stays of a search whose records were temporary."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any, NoReturn

from lossearch.api.result import Result
from lossearch.errors import StoreError
from lossearch.model import FittedModel

if TYPE_CHECKING:
    from pathlib import Path

    import optuna
    import pandas as pd

    from lossearch.records.evidence import Evidence
    from lossearch.report.sources import Report

_HELD = (
    "config",
    "trials",
    "confirmed",
    "verdict",
    "leaderboard",
    "search_leaderboard",
    "leader",
    "recommended",
)
"""Parts of a result that are read once and kept."""


def answer_of(result: Result) -> Result:
    """Return a result that holds its answer itself, and neither data nor networks, so that it can be pickled."""
    alone = replace(result, prepared=None)
    for name in _HELD:
        getattr(alone, name)
    return alone


class Answer(Result):
    """A result without records: what was found, and no longer what it was found by."""

    @classmethod
    def of(cls, result: Result) -> Answer:
        """Return the answer of a result whose records are about to go."""
        held = answer_of(result)
        found = cls(**{f.name: getattr(held, f.name) for f in fields(Result)})
        found.__dict__.update(held.__dict__)
        return found

    @property
    def folder(self) -> Path:
        """The study's directory, which is gone."""
        self._gone()

    @property
    def curves(self) -> pd.DataFrame:
        """Every replicate's curves, which are gone; the winner's are the estimator's ``history_``."""
        self._gone()

    @property
    def study(self) -> optuna.Study:
        """The recorded Optuna study, which is gone."""
        self._gone()

    @property
    def model(self) -> FittedModel:
        """The point to use, fitted: the estimator's ``model_``."""
        self._gone()

    def fit(self, parts: str = "train", *, pairs: Collection[str] | None = None) -> FittedModel:  # noqa: ARG002
        """Refuse: the estimator's ``model_`` is fitted."""
        self._gone()

    def evidence(self, part: str | None = None, metric: Any = None) -> Evidence:  # noqa: ARG002
        """Refuse: what the pairs predicted is gone."""
        self._gone()

    def report(self) -> Report:
        """Refuse: what a report draws is gone."""
        self._gone()

    def _gone(self) -> NoReturn:
        raise StoreError(
            "The records of this fit were temporary, and are gone. What was found is there (best, leaderboard, verdict, "
            "pareto; the estimator's model_ and history_). For all else give the estimator store=DIR."
        )
