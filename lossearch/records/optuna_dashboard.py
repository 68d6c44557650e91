"""What optuna-dashboard shows of a study besides its trials: the answer as its note, and graphs. Written where it is installed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from typing import Any

from optuna import Study
from optuna.exceptions import OptunaError
from sqlalchemy.exc import SQLAlchemyError

from lossearch._json import dumps
from lossearch.errors import StoreError

ERRORS = (ImportError, OSError, OptunaError, SQLAlchemyError, StoreError)
"""What a storage that cannot be written raises, or another release of optuna-dashboard."""


@dataclass(frozen=True)
class Graph:
    """A figure of plotly's, as plain values; ``name`` is what it is kept under: letters, digits and hyphens."""

    name: str
    data: Sequence[Mapping[str, Any]]
    layout: Mapping[str, Any]

    def to_json(self) -> str:
        """Return it as plotly itself writes a figure."""
        return dumps({k: v for k, v in asdict(self).items() if k != "name"})


def is_installed() -> bool:
    """Whether optuna-dashboard is there."""
    return find_spec("optuna_dashboard") is not None


def write_answer(study: Study, note: str, graphs: Sequence[Graph]) -> bool:
    """Give a study its note, in Markdown, and its graphs; return False where it has them already.

    The note goes last: where it is there, so are the graphs.
    """
    from optuna_dashboard import get_note, save_note, save_plotly_graph_object

    if get_note(study) == note:
        return False
    for graph in graphs:
        save_plotly_graph_object(study, graph, graph_object_id=graph.name)
    save_note(study, note)
    return True
