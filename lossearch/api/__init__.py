"""Run a study, from a study file's tables or from Python objects, and read one back.

Each is imported when it is first asked for: reading needs none of what trains.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lossearch._lazy import attributes

if TYPE_CHECKING:
    from lossearch.api.listing import studies
    from lossearch.api.loading import load
    from lossearch.api.recorded import export, register, remove, rerun, sync
    from lossearch.api.repairs import repair
    from lossearch.api.run_study import run
    from lossearch.api.search_study import search
    from lossearch.api.store_report import report_all
    from lossearch.api.workers import who_trains
    from lossearch.study.prepare import prepare as plan

_HOMES = {
    "export": ".recorded",
    "load": ".loading",
    "plan": "lossearch.study.prepare:prepare",
    "register": ".recorded",
    "remove": ".recorded",
    "repair": ".repairs",
    "report_all": ".store_report",
    "rerun": ".recorded",
    "run": ".run_study",
    "search": ".search_study",
    "studies": ".listing",
    "sync": ".recorded",
    "who_trains": ".workers",
}

__all__ = [
    "export",
    "load",
    "plan",
    "register",
    "remove",
    "repair",
    "report_all",
    "rerun",
    "run",
    "search",
    "studies",
    "sync",
    "who_trains",
]

__getattr__ = attributes(__name__, _HOMES)
