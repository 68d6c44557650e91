"""What a study is: the one description of it, which a run writes to ``study.json`` and everybody else reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

from pydantic import ConfigDict, TypeAdapter, ValidationError

from lossearch._json import to_jsonable
from lossearch._options import option
from lossearch._registry import unknown_name
from lossearch._urls import Url, hidden
from lossearch.errors import StoreError
from lossearch.kinds import KINDS
from lossearch.pairs import Rejection
from lossearch.records.damage import damaged, read_record
from lossearch.training.contract import TrainingRecipe

FORMAT = 1
"""Major version of what trials are and how they are recorded; studies of another are not continued."""

VERSION = 3
"""Version of ``study.json``; an earlier one is brought up to date as it is read, a later one is refused."""


class _Record:
    __pydantic_config__ = ConfigDict(extra="forbid")


@dataclass(frozen=True, kw_only=True)
class TaskRecord(_Record):
    """The task: ``data`` is its digest, ``rows`` the size of each part, ``objectives`` metric -> direction of two."""

    name: str
    kind: str
    data: str
    metric: str
    direction: str
    objectives: Mapping[str, str] = field(default_factory=dict, metadata={"absent": {}})
    rows: Mapping[str, int]


@dataclass(frozen=True, kw_only=True)
class SpaceRecord(_Record):
    """What is searched: ``pairs`` holds, for each pair, its dimensions besides the learning rate by name."""

    kind: str
    lr: tuple[float, float]
    pairs: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, kw_only=True)
class SearchRecord(_Record):
    """How points are chosen; ``seeds`` is how many a trial has, ``seed`` the study's own."""

    mode: str
    sampler: str
    seed: int
    seeds: int
    extend: bool
    prune: bool = field(default=False, metadata={"absent": False})


@dataclass(frozen=True, kw_only=True)
class TrainRecord(_Record, TrainingRecipe):
    """How replicates are trained, as far as it decides what they are worth."""


@dataclass(frozen=True, kw_only=True)
class StudyDefinition(_Record):
    """What two runs must share to be one study.

    Raising trials or time, or moving to another store or accelerator, continues a study; anything named
    here makes another.
    """

    format: int = FORMAT
    task: TaskRecord
    space: SpaceRecord
    search: SearchRecord
    train: TrainRecord

    def identity(self) -> dict[str, Any]:
        """Return it as plain values, for the digest and for a diff."""
        plain: dict[str, Any] = {f.name: to_jsonable(getattr(self, f.name)) for f in fields(StudyDefinition)}
        # a study without what was added later has the digest that it had before
        for name, record in (("task", self.task), ("search", self.search), ("train", self.train)):
            for f in fields(record):
                if "absent" in f.metadata and getattr(record, f.name) == f.metadata["absent"]:
                    del plain[name][f.name]
        return plain


@dataclass(frozen=True, kw_only=True)
class MlflowRuns(_Record):
    """Where a study is in MLflow: its experiment and its parent run."""

    experiment_id: str
    run_id: str


@dataclass(frozen=True, kw_only=True)
class StudyRecord(StudyDefinition):
    """A study as it is recorded.

    ``metrics`` are all the task's metrics, the objective first; ``conventional`` is the pair that gains are
    measured against; ``min_trials`` how many finished trials a pair needs for a rank; ``selected`` says
    whether each pair's best is one of several trials; ``config`` is the resolved study file as TOML;
    ``created`` in seconds since 1970; ``git_revision`` that of the user's working directory; ``ended`` is how
    the last run of it ended, "running" where none has said so, None where an earlier release recorded it.
    """

    version: int = VERSION
    name: str
    digest: str
    classes: tuple[str, ...]
    metrics: tuple[str, ...]
    target: str
    describe: Mapping[str, str]
    conventional: str
    min_trials: int
    selected: bool
    rejections: tuple[Rejection, ...]
    notes: tuple[str, ...]
    accelerator: str
    config: str
    storage: str | None
    tracking_uri: str | None
    created: float
    versions: Mapping[str, str]
    git_revision: str | None
    mlflow: MlflowRuns | None
    ended: Literal["running", "finished", "failed", "killed"] | None = None
    quick: bool = False
    """Whether the last run of it was a quick look."""
    planned: int | None = None
    """How many trials the last run of it was to come to, None where an earlier release recorded it."""
    unjudged: str | None = None
    """Why the pairs that were confirmed could not be compared."""

    def __post_init__(self) -> None:
        # earlier releases recorded passwords too: they are not written again
        for name in ("storage", "tracking_uri"):
            if (url := getattr(self, name)) is not None:
                object.__setattr__(self, name, Url(url))
        object.__setattr__(self, "config", hidden(self.config))


_READER = TypeAdapter(StudyRecord)
_UNKNOWN = ("extra_forbidden", "unexpected_keyword_argument")
"""What pydantic calls a field that is not there, of a model and of a dataclass."""


def read_study_record(path: Path) -> StudyRecord:
    """Return the record in a ``study.json`` of this version or an earlier one.

    Raises:
        StoreError: there is no such file, a later lossearch wrote it, or it is no such record; the message
            names the file and the first field that is wrong.
    """
    return read_record(path, lambda plain: _study(path, plain))


def _study(path: Path, plain: Mapping[str, Any]) -> StudyRecord:
    version = plain.get("version", 1)
    if isinstance(version, int) and version > VERSION:
        raise StoreError(
            f"{path} has version {version}; this lossearch reads up to {VERSION}. Upgrade lossearch, or use "
            f"another {option('store')}."
        )
    try:
        # version 2 has the same fields: what is new in 3 is where trials keep their records
        later = {**plain, "version": VERSION} if version == 2 else plain
        current = from_version_1(plain) if version == 1 else later
        found = _READER.validate_python(current)
    except ValidationError as error:
        errors = error.errors(include_url=False)
        if all(e["type"] in _UNKNOWN for e in errors):
            unknown = ", ".join(repr(".".join(map(str, e["loc"]))) for e in errors)
            raise StoreError(
                f"{path} has {unknown}, which this lossearch does not know: {_writer(plain)} wrote it. Upgrade lossearch, "
                f"or use another {option('store')}."
            ) from error
        first = errors[0]
        where = ".".join(map(str, first["loc"])) or "its top"
        raise damaged(
            path, f"it is not the record of a study at {where!r}: {first['msg'].lower()}"
        ) from error
    if found.task.kind not in KINDS:
        raise StoreError(f"{path}: {unknown_name('kind of task', found.task.kind, KINDS)} Upgrade lossearch.")
    return found


def _writer(plain: Mapping[str, Any]) -> str:
    """Return which lossearch says that it wrote a record."""
    version = _mapping(plain.get("versions")).get("lossearch")
    return f"lossearch {version}" if isinstance(version, str) else "a later one"


def from_version_1(old: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a ``study.json`` of version 1 holds as one of this version.

    It had what two runs must share under ``identity``, and what MLflow is told under ``header``.
    """
    header = _mapping(old.get("header"))
    values = {**_mapping(header.get("settings")), **header, **old, **_mapping(old.get("identity"))}
    known = {f.name for f in fields(StudyRecord)}
    return {k: v for k, v in values.items() if k in known} | {"version": VERSION}


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
