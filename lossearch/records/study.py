"""What a study is, as its records say it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class StudyHeader:
    """What is written down when a study is opened.

    ``sizes`` are rows a part, ``space`` and ``settings`` plain values (``Space.as_json()``, the fields of
    ``TrainSettings``), ``config`` the resolved study file as TOML, ``metrics`` all the task's metrics, the
    objective first, ``git_revision`` that of the user's working directory, ``objectives`` metric -> direction of
    both, in a study of two.
    """

    name: str
    digest: str
    task: str
    task_digest: str
    kind: str
    metric: str
    direction: str
    sizes: Mapping[str, int] = field(default_factory=dict)
    metrics: tuple[str, ...] = ()
    target: str = "y"
    describe: Mapping[str, str] = field(default_factory=dict)
    space: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    config: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    git_revision: str | None = None
    objectives: Mapping[str, str] = field(default_factory=dict)
