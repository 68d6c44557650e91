"""Who runs a study now, and who trains what of it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from lossearch.records.claim import Holder, holder
from lossearch.records.damage import read_record
from lossearch.records.store import Store
from lossearch.training.workers.engines import ROSTER
from lossearch.training.workers.roster import Assigned


@dataclass(frozen=True)
class WhoTrains:
    """Who runs a study: ``holder``, a process that may have died, None where nobody does.

    ``assigned`` are the chunks of replicates that an engine has in training, as it was at ``at``, in seconds since 1970;
    ``done`` how many it has trained for this run.
    """

    holder: Holder | None
    engine: str = ""
    done: int = 0
    assigned: tuple[Assigned, ...] = ()
    at: float = 0.0


def who_trains(name: str, store: str | Path = "mlruns") -> WhoTrains:
    """Return who runs a study, and who trains what of it.

    Raises:
        UnknownNameError: the store has no such study.
        StoreError: there is no store, or a record of the study is damaged.
    """
    opened = Store.open(store, create=False)
    opened.read_study(name)  # which follows no link
    by = holder(opened, name)
    if by is None or not by.alive:
        return WhoTrains(by)
    roster = opened.study_dir(name) / ROSTER
    if not roster.exists():
        # none was given to anybody yet
        return WhoTrains(by)
    return read_record(roster, partial(_assigned, by))


def _assigned(by: Holder, found: Mapping[str, Any]) -> WhoTrains:
    assigned = tuple(Assigned(**{**job, "pairs": tuple(job["pairs"])}) for job in found["assigned"])
    return WhoTrains(by, found["engine"], int(found["done"]), assigned, time.time())
