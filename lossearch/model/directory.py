"""The directory that a model is written to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lossearch.errors import InputError


@contextmanager
def new_directory(directory: str | Path) -> Iterator[Path]:
    """Give a directory, made where it is not there, to be written to inside.

    Raises:
        InputError: it exists and is not empty, or cannot be written.
    """
    folder = Path(directory).expanduser()
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        what = "is not empty" if folder.is_dir() else "is a file"
        raise InputError(f"{folder} {what}: name a directory that is new or empty.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield folder
    except OSError as error:
        raise InputError(f"{folder} cannot be written: {error.strerror or error}.") from error
