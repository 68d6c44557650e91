"""Tasks: data in three parts, a kind, a network and metrics, put together.

Each name is imported when it is first asked for: what judges is known without the data.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lossearch._lazy import attributes

if TYPE_CHECKING:
    from lossearch.tasks.build import make_task
    from lossearch.tasks.judges import Judging, as_metrics
    from lossearch.tasks.task import Fold, Part, Stream, Task

_HOMES = {
    "Fold": ".task",
    "Judging": ".judges",
    "Part": ".task",
    "Stream": ".task",
    "Task": ".task",
    "as_metrics": ".judges",
    "make_task": ".build",
}

__all__ = ["Fold", "Judging", "Part", "Stream", "Task", "as_metrics", "make_task"]

__getattr__ = attributes(__name__, _HOMES)
