"""The directory that a model is written to."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lossearch.errors import InputError


@contextmanager
def new_directory(directory: str | Path) -> Iterator[Path]:
    """Give a directory, made where it is not there, to be written to inside; what could not be written whole is not there.

    Raises:
        InputError: it exists and is not empty, or cannot be written.
    """
    folder = Path(directory).expanduser()
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        what = "is not empty" if folder.is_dir() else "is a file"
        raise InputError(f"{folder} {what}: name a directory that is new or empty.")
    made = not folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _removed_unless_whole(folder, itself=made):
            yield folder
    except OSError as error:
        raise InputError(f"{folder} cannot be written: {error.strerror or error}.") from error


@contextmanager
def _removed_unless_whole(folder: Path, *, itself: bool) -> Iterator[None]:
    try:
        yield
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        if not itself:
            folder.mkdir(exist_ok=True)
        raise
