"""A store holds its files itself: links in it, which could lead anywhere, are not followed."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from lossearch.errors import StoreError


def refuse_links(*places: Path) -> None:
    """Raise where one of these is a link, or something else than a file or a directory; or holds such a thing.

    Raises:
        StoreError: the message names the first one.
    """
    for place in places:
        try:
            mode = place.lstat().st_mode
        except OSError:
            continue  # what is not there leads nowhere; what may not be read is told where it is read
        if stat.S_ISDIR(mode):
            _refuse_inside(place)
        elif not stat.S_ISREG(mode):
            raise _refusal(place, mode)


def _refuse_inside(folder: Path) -> None:
    try:
        entries = list(os.scandir(folder))
    except OSError:
        return
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            _refuse_inside(Path(entry.path))
        elif not entry.is_file(follow_symlinks=False):
            raise _refusal(Path(entry.path), entry.stat(follow_symlinks=False).st_mode)


def _refusal(place: Path, mode: int) -> StoreError:
    if stat.S_ISLNK(mode):
        return StoreError(
            f"{place} is a link to {place.readlink()}. A store holds its files itself, and links in it are not followed: "
            "put what it leads to in its place, or remove it."
        )
    return StoreError(f"{place} is neither a file nor a directory. Remove it.")
