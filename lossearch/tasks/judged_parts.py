"""Whether the parts of a task can be judged by its metrics, asked before anything is trained."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from lossearch.errors import refuse
from lossearch.metrics.definedness import everywhere
from lossearch.metrics.metric import Metric
from lossearch.tasks.task import Task


def check_judged(task: Task, seeds: Sequence[int]) -> list[str]:
    """Return a note for each part that lacks classes over which an objective is averaged.

    Args:
        task: what is judged, by one metric or two.
        seeds: under which validation rows may differ.

    Raises:
        InputError: an objective is not defined on the targets of a part, as an area under a curve of one class.
    """
    objectives = [m for m in task.objectives if m.undefined is not everywhere]
    parts = list(_targets(task, seeds)) if objectives else []
    refuse(
        [
            _refusal(task, metric, part, lacks)
            for metric in objectives
            for part, target in parts
            if (lacks := metric.undefined(target))
        ]
    )
    return list(
        dict.fromkeys(
            f"The {part} lacks {_absent(task, target)}: {metric.name} says nothing of such rows there."
            for metric in objectives
            for part, target in parts
            if _absent(task, target)
        )
    )


def _targets(task: Task, seeds: Sequence[int]) -> Iterator[tuple[str, Tensor]]:
    """Give the targets of the test part, and of the validation part of every seed that has another."""
    test = task.test(seeds[0])
    if test is not None:
        yield "test part", test.y
    before: Tensor | None = None
    for i, seed in enumerate(seeds, start=1):
        y = task.fold(seed).validation.y
        if before is None or not torch.equal(before, y):
            yield "validation part" if before is None else f"validation part of seed {i} of {len(seeds)}", y
        before = y


def _refusal(task: Task, metric: Metric, part: str, lacks: str) -> str:
    others = [m.name for m in task.metrics if m.undefined is everywhere and not m.on_request]
    return (
        f"{metric.name} is not defined on the {part}: {lacks}. Give or draw a {part.split(' of ', maxsplit=1)[0]} that holds more, or "
        f"judge by another metric ({', '.join(others[:4])})."
    )


def _absent(task: Task, target: Tensor) -> str:
    held = set(torch.unique(target).long().tolist()) if task.classes else set()
    absent = [name for i, name in enumerate(task.classes) if i not in held]
    if not absent:
        return ""
    more = f" and {len(absent) - 3} more" if len(absent) > 3 else ""
    return f"class{'' if len(absent) == 1 else 'es'} {', '.join(absent[:3])}{more}"
