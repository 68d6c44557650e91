"""Jobs as tasks of Ray, on this machine or on all machines of a cluster."""

from __future__ import annotations

import copy
import os
import socket
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from lossearch._options import option
from lossearch._process import handlers_kept
from lossearch.errors import InputError
from lossearch.training.workers.elsewhere import Elsewhere, last_line
from lossearch.training.workers.executor import JobEnd, WorkersUnavailableError
from lossearch.training.workers.group import cores
from lossearch.training.workers.shipment import Shipment, run_shipped
from lossearch.training.workers.worker import Job, MakeTask


def _ray() -> Any:
    try:
        import ray
    except ImportError:
        raise InputError(f"{option('on', 'ray')} needs Ray: pip install 'lossearch[ray]'.") from None
    return ray


class RayTasks(Elsewhere):
    """A connection to Ray: to a cluster, or to one that is started for as long as this lives.

    Args:
        make_task: makes the task again where it is trained.
        address: of a cluster, as ray.init takes it; None takes the one this machine belongs to, or starts one here.
        workers: jobs at once; by default one a processor of the cluster, or one a GPU.
        gpu: whether each job has a GPU.
        options: of Ray's tasks, such as ``resources``.
        roster: where it is written who trains what.
    """

    name = "Ray"

    def __init__(
        self,
        make_task: MakeTask,
        *,
        address: str | None = None,
        workers: int | None = None,
        gpu: bool = False,
        options: Mapping[str, Any] | None = None,
        roster: Path | None = None,
    ) -> None:
        self.ray = _ray()
        self.connected = not self.ray.is_initialized()
        """Whether it is this that connected, and so disconnects."""
        if self.connected:
            before = dict(os.environ)
            # Ray's answer to SIGTERM would outlive it
            with handlers_kept():
                _connect(self.ray, address, workers)
            # breakpoints are none of its business
            for name in os.environ.keys() - before.keys():
                del os.environ[name]
        there = self.ray.cluster_resources()
        several = int(there.get("GPU" if gpu else "CPU", 0))
        super().__init__(make_task, workers or max(1, several), roster)
        given = {"num_cpus": 1, "num_gpus": int(gpu), "max_retries": 0, **(options or {})}
        self.task = self.ray.remote(**given)(run_shipped)
        self.sent: dict[Any, int] = {}
        self.shipped: tuple[Shipment, Any] | None = None

    def submit(self, number: int, shipment: Shipment, job: Job) -> str:
        """Give a job to the cluster, which has the task once."""
        if self.shipped is None or self.shipped[0] != shipment:
            self.shipped = shipment, self.ray.put(shipment)
        reference = self.task.remote(self.shipped[1], job)
        self.sent[reference] = number
        return f"task {reference.task_id().hex()[:16]}"

    def ended(self, seconds: float) -> Iterator[JobEnd]:
        """Give the jobs that end within so many seconds."""
        if not self.sent:
            return
        self.ray.wait([*self.sent], num_returns=1, timeout=seconds, fetch_local=False)
        ready, _ = self.ray.wait([*self.sent], num_returns=len(self.sent), timeout=0, fetch_local=False)
        for reference in ready:
            yield self._end(self.sent.pop(reference), reference)

    def _end(self, number: int, reference: Any) -> JobEnd:
        try:
            # its arrays lie in memory that the engine takes back
            return JobEnd(number, copy.deepcopy(self.ray.get(reference)))
        except self.ray.exceptions.RayTaskError as error:
            raise WorkersUnavailableError(last_line(error)) from error
        except self.ray.exceptions.RayError as error:
            return JobEnd(number, None, f"was lost ({type(error).__name__})")

    def cancel(self) -> None:
        """End all jobs that the cluster has."""
        for reference in self.sent:
            self.ray.cancel(reference, force=True)
        self.sent.clear()

    def close(self) -> None:
        """Leave the cluster."""
        if self.connected and self.ray.is_initialized():
            self.ray.shutdown()


def _connect(ray: Any, address: str | None, workers: int | None) -> None:
    """Connect to a cluster at an address; without one to that of this machine, else to one that is started here."""
    quiet = {"log_to_driver": False, "configure_logging": False}
    known = address or os.environ.get("RAY_ADDRESS") or _left_here()
    # Ray itself waits for minutes
    if known is not None and _answers(known):
        try:
            ray.init(address=known, **quiet)
        except (ConnectionError, RuntimeError) as error:
            raise InputError(f"No Ray cluster answers at {known}: {last_line(error)}") from error
    elif address or os.environ.get("RAY_ADDRESS"):
        raise InputError(f"No Ray cluster answers at {known}: nothing listens there.")
    else:
        ray.init(address="local", num_cpus=workers or cores(), include_dashboard=False, **quiet)


def _left_here() -> str | None:
    """Return the address that a cluster of this machine has written down, which may have ended since."""
    try:
        return (Path(tempfile.gettempdir()) / "ray" / "ray_current_cluster").read_text().strip() or None
    except OSError:
        return None


def _answers(address: str) -> bool:
    """Return whether anything listens at HOST:PORT, or what that stands for cannot be told."""
    host, _, port = address.rpartition("://")[2].rpartition(":")
    if not port.isdecimal():
        return True
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=5).close()
    except OSError:
        return False
    return True
