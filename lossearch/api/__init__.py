"""Run a study, from a study file's tables or from Python objects, and read one back."""

from lossearch.api.recorded import export, load, register, remove, rerun, studies, sync
from lossearch.api.repairs import repair
from lossearch.api.run_study import run
from lossearch.api.search_study import search
from lossearch.api.store_report import report_all
from lossearch.api.who_trains import who_trains
from lossearch.study.prepare import prepare as plan

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
