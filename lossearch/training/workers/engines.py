"""What a study may be trained by, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from lossearch.errors import InputError
from lossearch.training.workers.executor import Executor
from lossearch.training.workers.group import WorkerGroup
from lossearch.training.workers.ray import RayTasks
from lossearch.training.workers.slurm import SlurmJobs
from lossearch.training.workers.worker import MakeTask

ROSTER = "workers.json"
"""The file in a study's directory that says who trains what, while it is run."""


@dataclass(frozen=True)
class Asked:
    """What a study says of who trains it.

    ``on`` is an engine's name, an address behind it where it has one; ``folder`` the study's directory, None for none;
    ``gpu`` whether it is trained on GPUs, and ``gpus`` are those of this machine that workers share out.
    """

    on: str = "local"
    workers: int | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    folder: Path | None = None
    gpu: bool = False
    gpus: Sequence[str] = ()
    note: Callable[[str], None] = lambda _: None

    @property
    def roster(self) -> Path | None:
        """The file where it is written who trains what."""
        return None if self.folder is None else self.folder / ROSTER


def _local(make_task: MakeTask, asked: Asked) -> WorkerGroup:
    if asked.options:
        raise InputError(
            f"Processes of this machine take no options ({', '.join(asked.options)}): they are for on = ray and slurm."
        )
    return WorkerGroup(
        make_task, workers=asked.workers, gpus=asked.gpus, note=asked.note, roster=asked.roster
    )


def _ray(make_task: MakeTask, asked: Asked) -> RayTasks:
    address = asked.on if "://" in asked.on else None
    return RayTasks(make_task, address=address, **_shared(asked))


def _slurm(make_task: MakeTask, asked: Asked) -> SlurmJobs:
    return SlurmJobs(make_task, (asked.folder or Path()) / "jobs", **_shared(asked))


def _shared(asked: Asked) -> dict[str, Any]:
    return {
        "workers": asked.workers, "gpu": asked.gpu, "options": asked.options, "roster": asked.roster,
    }  # fmt: skip


ENGINES: Mapping[str, Callable[[MakeTask, Asked], Executor]] = MappingProxyType(
    {"local": _local, "ray": _ray, "slurm": _slurm}
)
"""Name -> what makes it."""


def executor(make_task: MakeTask, asked: Asked) -> Executor:
    """Return what trains a study, with nothing started where it is processes of this machine.

    Raises:
        InputError: it is not installed, does not answer, or takes no such options.
    """
    return ENGINES[asked.on.partition("://")[0]](make_task, asked)
