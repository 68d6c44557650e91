"""Jobs of SLURM, or processes that stand for them, by submitit."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from typing import Any

from lossearch._options import option
from lossearch.errors import InputError
from lossearch.training.workers.elsewhere import Elsewhere, last_line
from lossearch.training.workers.executor import JobEnd, WorkersUnavailableError
from lossearch.training.workers.shipment import Shipment, run_kept
from lossearch.training.workers.worker import Job, MakeTask

MINUTES = 240
"""How long a job may take where nothing is said: the last of a study's chunks take minutes."""
_WORKERS = 16
_LOOK_SECONDS = 0.1
_LATE_SECONDS = 15.0
"""How long the result of a job that has ended may be on its way, through a directory that machines share."""


class SlurmJobs(Elsewhere):
    """Jobs by submitit, in a directory that all machines share.

    Args:
        make_task: makes the task again where it is trained.
        folder: where jobs and what they give are kept until they are read.
        workers: jobs at once.
        gpu: whether each job has a GPU.
        roster: where it is written who trains what.
        options: of submitit's ``AutoExecutor``: ``cluster`` ("slurm" by default, "local" for processes of this machine),
            and what its ``update_parameters`` takes, such as ``timeout_min`` and ``slurm_partition``.
    """

    name = "SLURM"

    def __init__(
        self,
        make_task: MakeTask,
        folder: Path,
        *,
        workers: int | None = None,
        gpu: bool = False,
        options: Mapping[str, Any] | None = None,
        roster: Path | None = None,
    ) -> None:
        super().__init__(make_task, workers or _WORKERS, roster)
        given = dict(options or {})
        self.folder = folder
        self.submitit, self.executor = _executor(folder, given.pop("cluster", "slurm"))
        parameters = {
            "name": "lossearch",
            "timeout_min": MINUTES,
            "cpus_per_task": 1,
            "gpus_per_node": int(gpu),
            **given,
        }
        try:
            self.executor.update_parameters(**parameters)
        except (NameError, TypeError, ValueError) as error:
            raise InputError(f"submitit takes no such options ({', '.join(given)}): {error}") from error
        self.jobs: dict[int, Any] = {}
        # processes of this machine have written what they write when they end
        self.late_seconds = _LATE_SECONDS if self.executor.cluster == "slurm" else 0.0
        self.ended_since: dict[int, float] = {}
        """When a job was first seen to have ended that has no result yet."""
        self.task_file = folder.resolve() / "task.pickle"
        self.kept: Shipment | None = None
        """The task that is in the file."""

    def submit(self, number: int, shipment: Shipment, job: Job) -> str:
        """Submit a job, which reads the task from a file that is written once."""
        if self.kept != shipment:
            self.task_file.parent.mkdir(parents=True, exist_ok=True)
            self.task_file.write_bytes(bytes(ForkingPickler.dumps(shipment)))
            self.kept = shipment
        self.jobs[number] = self.executor.submit(run_kept, self.task_file, job)
        return f"job {self.jobs[number].job_id}"

    def ended(self, seconds: float) -> Iterator[JobEnd]:
        """Give the jobs that end within so many seconds."""
        deadline = time.monotonic() + seconds
        while self.jobs:
            done = [number for number in self.jobs if self._is_over(number)]
            for number in done:
                self.ended_since.pop(number, None)
                yield self._end(number, self.jobs.pop(number))
            if done or time.monotonic() > deadline:
                return
            time.sleep(min(_LOOK_SECONDS, seconds))

    def _is_over(self, number: int) -> bool:
        """Whether a job has a result, or has ended and gets none any more; others go on meanwhile."""
        job = self.jobs[number]
        if not job.done():
            return False
        since = self.ended_since.setdefault(number, time.monotonic())
        return self._has_result(job) or time.monotonic() - since >= self.late_seconds

    def _has_result(self, job: Any) -> bool:
        """Whether a job that has ended gave something; one of the cluster "debug" ran in this process and writes nothing."""
        return self.executor.cluster == "debug" or Path(job.paths.result_pickle).exists()

    def _end(self, number: int, job: Any) -> JobEnd:
        # asked for a result that is not there, submitit waits for it once more
        if not self._has_result(job):
            return JobEnd(number, None, f"(job {job.job_id}) ended without a result, see {job.paths.stderr}")
        try:
            found = JobEnd(number, job.result())
        except self.submitit.core.utils.FailedJobError as error:
            raise WorkersUnavailableError(
                f"job {job.job_id} failed ({last_line(error)}), see {job.paths.stderr}"
            ) from error
        for path in (job.paths.submitted_pickle, job.paths.result_pickle, job.paths.stdout, job.paths.stderr):
            path.unlink(missing_ok=True)
        return found

    def cancel(self) -> None:
        """Cancel all jobs that were submitted."""
        for job in self.jobs.values():
            job.cancel()
        self.jobs.clear()
        self.ended_since.clear()

    def close(self) -> None:
        """Cancel what is left, and remove the directory where nothing is left in it."""
        self.abandon()
        if self.kept is not None:
            self.task_file.unlink(missing_ok=True)
        with suppress(OSError):
            self.folder.rmdir()


def _executor(folder: Path, cluster: str) -> tuple[Any, Any]:
    try:
        import submitit
    except ImportError:
        raise InputError(f"{option('on', 'slurm')} needs submitit: pip install 'lossearch[slurm]'.") from None
    try:
        return submitit, submitit.AutoExecutor(folder, cluster=cluster)
    except (ValueError, RuntimeError) as error:
        raise InputError(f"No jobs can be submitted: {last_line(error)}") from error
