"""What travels to a process that another engine starts: where to import from, and how the task is made."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from functools import lru_cache
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from typing import TYPE_CHECKING

from lossearch.training.workers.worker import Job, MakeTask, Response

if TYPE_CHECKING:
    from lossearch.tasks.task import Task


@dataclass(frozen=True)
class Shipment:
    """A task as it travels: made again where it arrives, and compared by its digest."""

    digest: str
    made_by: bytes = field(compare=False, repr=False)
    paths: tuple[str, ...] = field(default_factory=lambda: tuple(sys.path), compare=False, repr=False)


# a process trains many chunks of one task, and few tasks
@lru_cache(maxsize=2)
def _task(shipment: Shipment) -> Task:
    sys.path.extend(p for p in shipment.paths if p not in sys.path)
    # from the process that runs the study
    make: MakeTask = ForkingPickler.loads(shipment.made_by)
    return make()


def run_shipped(shipment: Shipment, job: Job) -> Response:
    """Return what a job gives in this process, or why it can train no job of this task."""
    try:
        task = _task(shipment)
    except Exception as error:  # noqa: BLE001 - told to who runs the study
        return Response(unable=f"the task cannot be made there: {type(error).__name__}: {error}")
    if task.digest != shipment.digest:
        return Response(unable="the task that is made there is not this one: its data or code differ")
    return job.run(task)


def run_kept(path: Path, job: Job) -> Response:
    """Return what :func:`run_shipped` does, of a task that was written to a file."""
    # by the process that runs the study
    return run_shipped(ForkingPickler.loads(path.read_bytes()), job)
