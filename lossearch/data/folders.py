"""Folders of images: one directory a class, or such folders for the training, validation and test part."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from lossearch._text import listed
from lossearch.data.dataset import Dataset
from lossearch.data.images import Picture, image_rows, with_images
from lossearch.data.part_names import PART_NAMES
from lossearch.data.splits import ROLES
from lossearch.errors import InputError, refuse

SUFFIXES = (
    ".jpg", ".jpeg", ".jfif", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm", ".pbm",
)  # fmt: skip
_JUNK = ("__MACOSX",)
_SHOWN = 5


@dataclass(frozen=True)
class FolderAlbum:
    """Image files by their paths below a root."""

    root: Path
    files: tuple[str, ...]

    @property
    def name(self) -> str:
        """The directory."""
        return str(self.root)

    def __len__(self) -> int:
        return len(self.files)

    def title(self, i: int) -> str:
        """Return the path below the root."""
        return self.files[i]

    def open(self, i: int) -> Picture:
        """Return an image whose header has been read."""
        return Image.open(self.root / self.files[i])

    def digest(self) -> bytes:
        """Return a hash of all paths below the root and of the files' bytes."""
        found = hashlib.blake2b(digest_size=16)
        for name in self.files:
            found.update(name.encode(errors="surrogateescape") + b"\0")
            with (self.root / name).open("rb") as file:
                found.update(hashlib.file_digest(file, "blake2b").digest())
        return found.digest()


@dataclass(frozen=True)
class _Found:
    """What lies below a directory: paths of images, hidden files and directories, and suffixes of other files."""

    images: tuple[str, ...]
    hidden: int
    others: Counter[str]

    @property
    def classes(self) -> dict[str, list[str]]:
        """The images below each directory in it; those that lie in none are left out."""
        found: dict[str, list[str]] = {}
        for path in self.images:
            first, divided, _ = path.partition("/")
            if divided:
                found.setdefault(first, []).append(path)
        return found

    def below(self, name: str) -> _Found:
        """Return the images below one of its directories, by their paths from there."""
        return replace(self, images=tuple(p.removeprefix(f"{name}/") for p in self.classes[name]))

    def left_out(self) -> Iterator[str]:
        """Give what is left out, with how many of each there are."""
        loose = sum("/" not in path for path in self.images)
        if loose:
            yield f"images beside the class directories ({loose})"
        if self.hidden:
            yield f"hidden files and directories ({self.hidden})"
        if self.others:
            kinds = listed(sorted(suffix or "no suffix" for suffix in self.others), _SHOWN)
            yield f"files that are no images by their names ({self.others.total()}: {kinds})"


def _walk(root: Path) -> _Found:
    """Return what lies below a directory; links are followed, each directory once."""
    images: list[str] = []
    hidden, others, seen = 0, Counter[str](), set[str]()
    for folder, directories, files in os.walk(root, followlinks=True):
        seen.add(os.path.realpath(folder))
        kept = [d for d in directories if not _is_hidden(d)]
        shown = [f for f in files if not _is_hidden(f)]
        hidden += len(directories) - len(kept) + len(files) - len(shown)
        directories[:] = sorted(d for d in kept if os.path.realpath(Path(folder, d)) not in seen)
        for file in shown:
            if file.lower().endswith(SUFFIXES):
                images.append(Path(folder, file).relative_to(root).as_posix())
            else:
                others[Path(file).suffix.lower()] += 1
    return _Found(tuple(sorted(images)), hidden, others)


def from_folder(root: Path, options: Mapping[str, Any], *, stream: bool | None = None) -> Dataset:
    """Return the data set of a directory of images, whose classes are the names of the directories in it.

    Args:
        root: it holds one directory a class; or train, and validation or test, each of which does.
        options: ``image_size``, the pixels a side, or (height, width).
        stream: whether images are decoded batch by batch; None decides by size.

    Raises:
        InputError: there are no images, no classes or one, or images cannot be read.
    """
    found = _walk(root)
    if not found.images:
        raise InputError(f"{root} holds no images ({', '.join(SUFFIXES)}).{_other_data(root)}")
    named = _parts(root, found)
    every = {path: label for part in named.values() for path, label in part}
    files = tuple(sorted(every))
    classes, codes = np.unique([every[path] for path in files], return_inverse=True)
    _refuse_one_class(root, list(map(str, classes)))
    rows, notes = image_rows(FolderAlbum(root, files), options)
    place = {path: i for i, path in enumerate(files)}
    parts = {part: np.sort([place[path] for path, _ in own]) for part, own in named.items()}
    left_out = [*_empty(root, named), *found.left_out()]
    on_files = (f"left out: {listed(left_out)}",) if left_out else ()
    dataset = Dataset(
        name=root.name or str(root),
        x=rows,
        y=codes.astype(np.int64),
        target="class",
        classes=tuple(map(str, classes)),
        parts=parts if len(parts) > 1 else None,
        categorical=True,
        notes=(*notes, *on_files),
    )
    return with_images(dataset, rows, stream)


def _parts(root: Path, found: _Found) -> dict[str, list[tuple[str, str]]]:
    """Return paths and classes of each part; under "train" alone where the directory has no parts.

    Raises:
        InputError: two directories are one part, or one has no class directories.
    """
    roles = {name: PART_NAMES.get(name.lower()) for name in found.classes}
    if not {"train"} < set(roles.values()) or None in roles.values():
        return {"train": _labelled(found, "")}
    several = [role for role in ROLES if list(roles.values()).count(role) > 1]
    refuse([f"{root} has two directories for the {role} part: keep one of them." for role in several])
    flat = [name for name in roles if not found.below(name).classes]
    refuse(
        [
            f"{root / name} holds {len(found.classes[name])} images and no class directories: put those of each class "
            "into a directory named after it."
            for name in flat
        ]
    )
    return {str(role): _labelled(found.below(name), f"{name}/") for name, role in roles.items()}


def _labelled(found: _Found, above: str) -> list[tuple[str, str]]:
    return [(above + path, label) for label, paths in found.classes.items() for path in paths]


def _refuse_one_class(root: Path, classes: list[str]) -> None:
    how = "put the images of each class into a directory named after it"
    if not classes:
        raise InputError(f"{root} holds images and no class directories: {how}.")
    if len(classes) == 1:
        raise InputError(
            f"{root} has one class directory with images in it, {classes[0]!r}, and two or more are needed: {how}."
        )


def _empty(root: Path, named: Mapping[str, list[tuple[str, str]]]) -> Iterator[str]:
    """Give the directories in a root that hold no images."""
    used = {path.partition("/")[0] for own in named.values() for path, _ in own}
    every = (p.name for p in sorted(root.iterdir()) if p.is_dir() and not _is_hidden(p.name))
    empty = [f"{name}/" for name in every if name not in used]
    if empty:
        yield f"directories without images ({listed(empty, _SHOWN)})"


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name in _JUNK


def _other_data(root: Path) -> str:
    files = sorted(
        p.name for p in root.iterdir() if p.name.lower().endswith((".csv", ".tsv", ".parquet", ".pq"))
    )
    return f" It holds {listed(files, _SHOWN)}: name such a file." if files else ""
