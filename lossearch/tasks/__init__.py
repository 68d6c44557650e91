"""Tasks: data in three parts, a kind, a network and metrics, put together."""

from lossearch.tasks.build import make_task
from lossearch.tasks.judges import Judging, as_metrics
from lossearch.tasks.task import Fold, Part, Stream, Task

__all__ = ["Fold", "Judging", "Part", "Stream", "Task", "as_metrics", "make_task"]
