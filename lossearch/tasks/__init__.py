"""Tasks: data, splits, metrics, networks."""

from lossearch.tasks.metrics import METRICS, Metric
from lossearch.tasks.task import Fold, Part, Task

__all__ = ["METRICS", "Fold", "Metric", "Part", "Task"]
