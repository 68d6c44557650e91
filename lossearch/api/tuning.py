"""What a decision threshold or a temperature changes on a study's test rows, from its records."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lossearch._lazy import pd
from lossearch.diagnostics.tuned import COLUMNS, tuned
from lossearch.errors import InputError, StoreError
from lossearch.kinds import KINDS
from lossearch.metrics.registry import metrics_for
from lossearch.records.evidence import read_evidence
from lossearch.report import frames

if TYPE_CHECKING:
    from lossearch.api.result import Result
    from lossearch.records.evidence import Evidence


def tuned_of(result: Result) -> pd.DataFrame:
    """Return what :attr:`Result.tuned` says.

    Raises:
        StoreError: records are damaged.
    """
    task, confirmed = result.declared.task, result.confirmed
    nothing = frames.empty(COLUMNS)
    if confirmed is None or not confirmed.confirmations or confirmed.part != "test":
        return nothing
    try:
        validation, test = (_evidence(result, part) for part in ("validation", "test"))
    except StoreError:
        raise
    except InputError:
        return nothing
    every = {m.name: m for m in (test.metric, *metrics_for(task.kind))}
    return tuned(validation, test, [*every.values()]) if test.logged is None else nothing


def _evidence(result: Result, part: str) -> Evidence:
    """Return what the confirmed pairs predicted of a part, with the steps of scores where these are all there is of them."""
    task = result.declared.task
    if "steps" in KINDS[task.kind].kept:
        return read_evidence(result.folder, task.kind, task.metric, part, steps=True)
    return result.evidence(None if part == "test" else part)
