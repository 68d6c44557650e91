"""The store: one directory that holds everything recorded, and can be moved as a whole.

Layout under the root::

    store.json              format, and the absolute path the store believes it has
    mlflow.db  artifacts/   the MLflow side
    studies/NAME/           study.json, optuna.journal, search.parquet, search/part-*.parquet, reports
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from lossearch._json import read_json, write_json
from lossearch._options import option
from lossearch._registry import unknown_name
from lossearch.errors import InputError, StoreError, UnknownNameError
from lossearch.records.mlflow.database import relocate
from lossearch.records.study import StudyRecord, read_study_record

FORMAT = 1
"""Version of the layout; a store of a later one is refused."""

LOCK = ".lock"
LOCK_SECONDS = 60.0
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)


@dataclass(frozen=True)
class Store:
    """An open store. ``root`` is absolute; nothing in it depends on the working directory."""

    root: Path

    @classmethod
    def open(cls, path: str | Path = "mlruns", *, create: bool = True) -> Store:
        """Open the store at ``path``, as seen from the working directory now.

        Two processes may open a new one at once. A store that was moved or copied is repaired: the artifact
        locations in its MLflow database are rewritten.

        Args:
            path: the store's directory.
            create: whether to make it where there is none.

        Raises:
            StoreError: it is absent (``create=False``), cannot be written, or is of a later format.
        """
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
        if not create and not store._marker.is_file():
            raise StoreError(
                f"No store at {root}: nothing was recorded there. Say where it is with {option('store', 'DIR')}."
            )
        if not store._settled() and (create or os.access(root, os.W_OK)):
            with _plain_errors(root, "written"):
                root.mkdir(parents=True, exist_ok=True)
                with store.lock():
                    store._settle()
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
        names = (p.parent.name for p in self.root.glob("studies/*/study.json"))
        return tuple(sorted(name for name in names if _NAME.fullmatch(name)))

    def write_study(self, study: StudyRecord) -> Path:
        """Write what a study is, whole or not at all."""
        with _plain_errors(self.root, "written"):
            return write_json(self.study_file(study.name), study)

    def read_study(self, name: str) -> StudyRecord:
        """Return what a study is.

        Raises:
            UnknownNameError: there is no such study; the message names those there are.
            StoreError: its file is damaged, or of a later lossearch.
        """
        self.require(name)
        return read_study_record(self.study_file(name))

    def require(self, name: str) -> None:
        """Raise UnknownNameError unless the store holds a study of this name."""
        names = self.studies()
        if name not in names:
            known = unknown_name("study", name, names or ("none yet",))
            raise UnknownNameError(f"{known} The store is {self.root}.")

    @contextmanager
    def lock(self, name: str = "") -> Iterator[None]:
        """Hold the store's lock, or one study's, against other processes.

        Raises:
            StoreError: another process has held it for a minute.
        """
        folder = self.study_dir(name) if name else self.root
        folder.mkdir(parents=True, exist_ok=True)
        try:
            with FileLock(folder / LOCK, timeout=LOCK_SECONDS, poll_interval=0.01):
                yield
        except Timeout as error:
            raise StoreError(
                f"{folder} has been locked by another process for {LOCK_SECONDS:.0f} s. "
                "Wait for it, or end it, and try again."
            ) from error

    @property
    def _marker(self) -> Path:
        return self.root / "store.json"

    def _settled(self) -> bool:
        return self._marker.is_file() and self._marked_root() == str(self.root)

    def _marked_root(self) -> str | None:
        marked = read_json(self._marker)
        if marked.get("format", 0) > FORMAT:
            raise StoreError(
                f"The store at {self.root} has format {marked['format']}; this lossearch reads up to {FORMAT}. "
                f"Upgrade lossearch, or use another {option('store')}."
            )
        root: str | None = marked.get("root")
        return root

    def _settle(self) -> None:
        if self._settled():
            return
        moved_from = self._marked_root() if self._marker.is_file() else None
        if moved_from is not None and self.database.is_file():
            relocate(self.database, Path(moved_from), self.root)
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


def hide_password(text: str) -> str:
    """Return a text without the passwords of the URLs in it."""
    return re.sub(r"(://[^:/@\s]*):[^@/\s]*@", r"\1:***@", text)


@contextmanager
def _plain_errors(root: Path, verb: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreError(
            f"The store at {root} cannot be {verb}: {error.strerror or error}. "
            f"Name a directory you may write to with {option('store', 'DIR')}."
        ) from error
