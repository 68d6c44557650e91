"""Tasks: data, splits, metrics, networks."""

from lossearch.tasks.build import Judging, as_metrics, make_task
from lossearch.tasks.metrics import (
    METRICS,
    Metric,
    constant_score,
    default_metric,
    find_metric,
    metrics_for,
    scores,
)
from lossearch.tasks.models import default_budget
from lossearch.tasks.problems import PROBLEMS, Problem
from lossearch.tasks.sources import Dataset, as_dataset, from_arrays, read_data
from lossearch.tasks.task import Fold, Part, Stream, Task

__all__ = [
    "METRICS",
    "PROBLEMS",
    "Dataset",
    "Fold",
    "Judging",
    "Metric",
    "Part",
    "Problem",
    "Stream",
    "Task",
    "as_dataset",
    "as_metrics",
    "constant_score",
    "default_budget",
    "default_metric",
    "find_metric",
    "from_arrays",
    "make_task",
    "metrics_for",
    "read_data",
    "scores",
]
