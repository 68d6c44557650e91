"""The store: one directory that holds everything recorded, and can be moved as a whole.

Layout under the root::

    store.json              format, and the absolute path the store believes it has
    mlflow.db  artifacts/   the MLflow side
    studies/NAME/           study.json, optuna.journal, search.parquet, search/part-*.parquet, reports
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from lossearch._json import write_json
from lossearch._options import option
from lossearch._registry import unknown_name
from lossearch.errors import InputError, RunFailedError, StoreError, UnknownNameError
from lossearch.records.damage import damaged, is_record, missing, read_record
from lossearch.records.links import refuse_links
from lossearch.records.mlflow.database import relocate
from lossearch.records.study import StudyRecord, read_study_record

FORMAT = 1
"""Version of the layout; a store of a later one is refused."""

LOCK = ".lock"
LOCK_SECONDS = 60.0
FULL = (errno.ENOSPC, errno.EDQUOT)
"""What the system says of a disk, or a quota, that is full."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)


@dataclass(frozen=True)
class Store:
    """An open store. ``root`` is absolute; nothing in it depends on the working directory."""

    root: Path

    @classmethod
    def open(cls, path: str | Path = "mlruns", *, create: bool = True) -> Store:
        """Open the store at ``path``, as seen from the working directory now.

        Two processes may open a new one at once.

        Args:
            path: the store's directory.
            create: whether to make it where there is none, and to settle it where it was moved; else nothing is written.

        Raises:
            StoreError: it is absent (``create=False``), cannot be written, or is of a later format.
        """
        if "://" in str(path):
            raise StoreError(
                f"A store is a directory; got the URL {path}. Name one with {option('store', 'DIR')}; "
                f"{option('storage')} takes the URL of a database."
            )
        try:
            root = Path(path).expanduser().resolve()
            root.exists()
        except (OSError, ValueError, RuntimeError) as error:
            why = getattr(error, "strerror", None) or error
            raise StoreError(
                f"No store can be at {str(path)[:80]!r}: {why}. Name another with {option('store', 'DIR')}."
            ) from error
        if unfit := sorted(set("%?") & set(str(root))):
            raise StoreError(
                f"The store's path {root} contains {unfit[0]!r}, which the address of a database cannot carry. "
                f"Name another directory with {option('store', 'DIR')}."
            )
        store = cls(root)
        if not store._marker.is_file() and (store._marker.exists() or any(store._held())):
            raise missing(store._marker)
        if not create and not store._marker.is_file():
            raise StoreError(
                f"No store at {root}: nothing was recorded there. Say where it is with {option('store', 'DIR')}."
            )
        for place in (store._marker, root / "studies"):
            if place.is_symlink():
                refuse_links(place)
        if not store._settled() and create:
            with writing(root):
                root.mkdir(parents=True, exist_ok=True)
            with store.lock():
                store.settle()
        return store

    @property
    def tracking_uri(self) -> str:
        """The MLflow tracking URI of this store's own database."""
        return f"sqlite:///{self.database.as_posix()}"

    @property
    def database(self) -> Path:
        """The MLflow database's file."""
        return self.root / "mlflow.db"

    @property
    def artifacts(self) -> Path:
        """The directory of the MLflow artifacts."""
        return self.root / "artifacts"

    def study_dir(self, name: str) -> Path:
        """Return the directory of a study, which need not exist yet.

        Raises:
            InputError: the name is not fit to be a directory and an MLflow experiment.
        """
        return self.root / "studies" / checked_name(name)

    def study_file(self, name: str) -> Path:
        """Return the file that marks a study and says what it is."""
        return self.study_dir(name) / "study.json"

    def studies(self) -> tuple[str, ...]:
        """Return the names of the studies in the store, sorted."""
        names = (p.parent.name for p in self._held())
        return tuple(sorted(name for name in names if _NAME.fullmatch(name)))

    def without_record(self) -> tuple[str, ...]:
        """Return the names of the directories, sorted, that hold records of a study and not what it is."""
        found = {p.parent.name for p in self.root.glob("studies/*/*") if is_record(p)} - {*self.studies()}
        return tuple(sorted(name for name in found if _NAME.fullmatch(name)))

    def write_study(self, study: StudyRecord) -> Path:
        """Write what a study is, whole or not at all."""
        with writing(self.root):
            return write_json(self.study_file(study.name), study)

    def read_study(self, name: str) -> StudyRecord:
        """Return what a study is.

        Raises:
            UnknownNameError: there is no such study; the message names those there are.
            StoreError: its file is damaged, or of a later lossearch; or there is a link in its directory.
        """
        self.require(name)
        refuse_links(self.study_dir(name))
        found = read_study_record(self.study_file(name))
        if found.name != name:
            raise StoreError(
                f"{self.study_file(name)} is the record of a study {found.name!r}: a study's directory has its name. Rename it."
            )
        return found

    def require(self, name: str) -> None:
        """Raise UnknownNameError unless the store holds a study of this name."""
        names = self.studies()
        if name in self.without_record():
            refuse_links(self.study_dir(name))
            raise missing(self.study_file(name))
        if name not in names:
            known = unknown_name("study", name, names or ("none yet",))
            raise UnknownNameError(f"{known} The store is {self.root}.")

    @contextmanager
    def lock(self, name: str = "") -> Iterator[None]:
        """Hold the store's lock, or one study's, against other processes that write.

        Raises:
            StoreError: another process has held it for a minute, or the store cannot be written.
        """
        folder = self.study_dir(name) if name else self.root
        lock = FileLock(folder / LOCK, timeout=LOCK_SECONDS, poll_interval=0.01)
        with writing(self.root):
            folder.mkdir(parents=True, exist_ok=True)
            try:
                lock.acquire()
            except Timeout as error:
                raise StoreError(
                    f"{folder} has been locked by another process for {LOCK_SECONDS:.0f} s. "
                    "Wait for it, or end it, and try again."
                ) from error
        try:
            yield
        finally:
            lock.release()

    def relocate(self, database: Path) -> None:
        """Right the locations of artifacts in this store's database, or a copy of it, where the store was moved.

        Raises:
            StoreError: the database is locked or damaged.
        """
        if self._marker.is_file():
            relocate(database, Path(self._marked_root()), self.root)

    @property
    def _marker(self) -> Path:
        return self.root / "store.json"

    def _settled(self) -> bool:
        return self._marker.is_file() and self._marked_root() == str(self.root)

    def _held(self) -> Iterator[Path]:
        """Give the studies' own records, by which a store is known."""
        return self.root.glob("studies/*/study.json")

    def _marked_root(self) -> str:
        found: str = read_record(self._marker, self._checked)["root"]
        return found

    def _checked(self, marked: dict[str, Any]) -> dict[str, Any]:
        kinds = {"format": int, "root": str}
        if wrong := [name for name, kind in kinds.items() if not isinstance(marked.get(name), kind)]:
            raise damaged(self._marker, f"its {wrong[0]} is {marked.get(wrong[0])!r}")
        if marked["format"] > FORMAT:
            raise StoreError(
                f"The store at {self.root} has format {marked['format']}; this lossearch reads up to {FORMAT}. "
                f"Upgrade lossearch, or use another {option('store')}."
            )
        return marked

    def settle(self) -> None:
        """Make what belongs to a store, and right what a move has made wrong. Whoever calls holds its lock.

        Of one that was moved or copied the artifact locations in the MLflow database are rewritten.

        Raises:
            StoreError: it cannot be written.
        """
        if self._settled():
            return
        if self.database.is_file():
            self.relocate(self.database)
        with writing(self.root):
            for folder in (self.artifacts, self.root / "studies"):
                folder.mkdir(exist_ok=True)
            write_json(self._marker, {"format": FORMAT, "root": str(self.root)})


def checked_name(name: str) -> str:
    """Return a study's name if it is fit to be a directory and an MLflow experiment.

    Raises:
        InputError: it is not; the message offers one that is.
    """
    if _NAME.fullmatch(name) and not name.endswith(".") and not _DEVICES.fullmatch(name):
        return name
    fit = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("._-")[:100]
    fit = f"{fit}-study" if not fit or _DEVICES.fullmatch(fit) else fit
    raise InputError(
        f"{name!r} cannot name a study. Allowed: up to 100 letters, digits, '_', '-' and '.', a letter or digit "
        f"first and no '.' last. Try {fit.lstrip('-')!r}."
    )


@contextmanager
def writing(root: Path) -> Iterator[None]:
    """Say in plain words why a store cannot be written.

    Raises:
        StoreError: instead of an error of the system.
    """
    try:
        yield
    except OSError as error:
        raise StoreError(
            f"The store at {root} cannot be written: {error.strerror or error}{_where(root, error)}. "
            f"{'Make room there, or name another' if error.errno in FULL else 'Name a'} directory you may write to with "
            f"{option('store', 'DIR')}."
        ) from error


@contextmanager
def recording(folder: Path) -> Iterator[None]:
    """Say in plain words why the records of a study that runs cannot be written any more.

    Raises:
        RunFailedError: instead of an error of the system.
    """
    try:
        yield
    except (OSError, InputError) as error:
        cause = error if isinstance(error, OSError) else error.__cause__
        if not isinstance(cause, OSError):
            raise
        # in the system's words: pyarrow's are long
        why = os.strerror(cause.errno) if cause.errno else str(cause)
        raise RunFailedError(
            f"The study could not go on: its records in {folder} can no longer be written: {why}. What is done is kept. "
            "Make room there, or let it be written again; then the same call again continues."
        ) from error


def _where(root: Path, error: OSError) -> str:
    """Return which file of a store a directory has taken the place of."""
    return (
        f" ({error.filename})" if isinstance(error, IsADirectoryError) and error.filename != str(root) else ""
    )
