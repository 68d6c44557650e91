"""How much memory this process may still take."""

from __future__ import annotations

from pathlib import Path

import psutil

_GROUP = Path("/sys/fs/cgroup")


def free_memory() -> int:
    """Return the bytes that are free: on the machine, in a container, and below a limit of the process (ulimit -v)."""
    return int(min(psutil.virtual_memory().available, _left_to_group(), _left_to_process()))


def _left_to_group() -> float:
    """Return the bytes that a container's limit leaves, where there is one."""
    try:
        most, used = (int((_GROUP / name).read_text()) for name in ("memory.max", "memory.current"))
    except (OSError, ValueError):
        return float("inf")
    return max(0, most - used)


def _left_to_process() -> float:
    """Return the bytes that the limit of a process's address space leaves, where the system has one."""
    kind = getattr(psutil, "RLIMIT_AS", None)
    if kind is None:
        return float("inf")
    process = psutil.Process()
    most, _ = process.rlimit(kind)
    return float("inf") if most == psutil.RLIM_INFINITY else max(0, most - process.memory_info().vms)
