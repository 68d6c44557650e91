"""Run a study, from a study file's tables or from Python objects, and read one back."""

from lossearch.api.recorded import export, load, register, remove, rerun, studies, sync
from lossearch.api.running import run
from lossearch.api.searching import search
from lossearch.planning import prepare as plan

__all__ = ["export", "load", "plan", "register", "remove", "rerun", "run", "search", "studies", "sync"]
