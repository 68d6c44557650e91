"""Under what a study ran: versions of what it stands on, and the revision of the user's code."""

from __future__ import annotations

import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = (
    "lossearch",
    "torch",
    "pytorch-lightning",
    "torchmetrics",
    "optuna",
    "mlflow",
    "scikit-learn",
    "numpy",
    "scipy",
    "pandas",
)


def versions() -> dict[str, str]:
    """Return the versions of Python, the platform and the packages a result may depend on."""
    found = {"python": platform.python_version(), "platform": platform.platform()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def git_revision(path: str | Path = ".") -> str | None:
    """Return the commit of the repository that holds ``path``, with "-dirty" if tracked files differ.

    None where there is no repository, no commit yet, or no git.
    """
    head = _git(path, "rev-parse", "HEAD")
    if head is None:
        return None
    changed = _git(path, "status", "--porcelain", "--untracked-files=no")
    return f"{head}-dirty" if changed else head


def _git(path: str | Path, *arguments: str) -> str | None:
    command = ["git", "-C", str(path), "--no-optional-locks", *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
