"""Images, decoded to arrays of one shape: from wherever they lie, all at once or as they are asked for."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Protocol, TypeVar

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from lossearch._memory import free_memory
from lossearch._registry import unknown_name
from lossearch._text import listed, size
from lossearch.data.dataset import STREAM_BYTES, Dataset, digest
from lossearch.data.rows import PIECE_BYTES, Array, Draw, Features, Ids, Piece, in_pieces
from lossearch.errors import InputError, refuse

Picture = Image.Image
T = TypeVar("T")

OPTIONS = ("image_size",)
DEFAULT_SIDE = 64
"""Pixels a side where no size is asked for; images that are all of one size up to this keep it."""
LARGEST_SIDE = 4096
_INPUT_BYTES = np.dtype(np.float32).itemsize
_GREY = frozenset({"1", "L", "LA", "La"})
_DEEP = frozenset({"I;16", "I;16L", "I;16B", "I;16N"})
"""Modes of 16 bits a pixel, which Pillow cuts off at 255 rather than scales."""
_SHOWN = 5


class Album(Protocol):
    """Where images are read from, by their numbers from 0."""

    @property
    def name(self) -> str:
        """What to call it."""
        ...

    def __len__(self) -> int:
        """Return how many images there are."""
        ...

    def title(self, i: int) -> str:
        """Return what to call an image in messages."""
        ...

    def open(self, i: int) -> Picture:
        """Return an image, of which no more than size and mode need be read yet."""
        ...

    def digest(self) -> bytes:
        """Return a hash of the names and contents of all images."""
        ...


@dataclass(frozen=True)
class Form:
    """What every image becomes: (channels, height, width) of 0 to 255, one channel for grey and three for RGB."""

    height: int
    width: int
    grey: bool = False

    @property
    def shape(self) -> tuple[int, int, int]:
        """The shape of one image."""
        return (1 if self.grey else 3, self.height, self.width)

    @property
    def nbytes(self) -> int:
        """The bytes of one image."""
        return int(np.prod(self.shape))

    def words(self) -> str:
        """Return "64 x 48, RGB"."""
        return f"{self.height} x {self.width}, {'grey' if self.grey else 'RGB'}"

    def pixels(self, picture: Picture) -> Array:
        """Return an image as it is to be seen, scaled, and cropped at its centre where its proportions are others."""
        mode, wanted = ("L" if self.grey else "RGB"), (self.width, self.height)
        enough = 2 * max(wanted)
        picture.draft(mode, (enough, enough))  # JPEG is decoded at no more than is needed
        upright = _eight_bits(ImageOps.exif_transpose(picture)).convert(mode)
        if upright.size != wanted:
            upright = ImageOps.fit(upright, wanted, Image.Resampling.BILINEAR)
        found = np.asarray(upright)
        return found[None] if self.grey else np.moveaxis(found, -1, 0)


def _eight_bits(picture: Picture) -> Picture:
    """Return an image of 8 bits a channel, or of a palette.

    Raises:
        ValueError: its pixels are 32-bit numbers, whose range no one knows.
    """
    if picture.mode in _DEEP:
        return Image.fromarray((np.asarray(picture).astype(np.uint16) >> 8).astype(np.uint8))
    if picture.mode in {"I", "F"}:
        raise ValueError("its pixels are 32-bit numbers of no known range; save it with 8 bits a channel")
    # a palette may have transparent entries, which RGBA alone keeps apart
    return picture.convert("RGBA") if picture.mode == "P" and "transparency" in picture.info else picture


@dataclass(frozen=True, eq=False)
class ImageRows:
    """Images as a source of rows, each (channels, height, width) of whole numbers from 0 to 255."""

    album: Album
    form: Form
    hashed: bytes

    def __len__(self) -> int:
        return len(self.album)

    def digest(self) -> bytes:
        """Return a hash of names, contents and form of all images."""
        return self.hashed + repr(self.form).encode()

    def read(self, rows: Ids) -> Features:
        """Return some images, in the order asked.

        Raises:
            InputError: some cannot be read; the message names them.
        """
        found = np.empty((len(rows), *self.form.shape), dtype=np.uint8)
        for k, pixels in enumerate(_every(self.album, rows.tolist(), self._pixels)):
            found[k] = pixels
        return found

    def pieces(self, rows: Ids, draw: Draw) -> Iterator[Piece]:
        """Give images in a drawn order."""
        at_once = max(1, PIECE_BYTES // self.form.nbytes)
        return in_pieces(rows[draw.order(len(rows))], at_once, self.read, draw)

    def checked(self) -> ImageRows:
        """Return the same images once each has been decoded.

        Raises:
            InputError: some cannot be read.
        """
        for _ in _every(self.album, range(len(self)), self._pixels):
            pass
        return self

    def _pixels(self, picture: Picture) -> Array:
        return self.form.pixels(picture)


def _every(album: Album, rows: Sequence[int], read: Callable[[Picture], T]) -> Iterator[T]:
    """Give what is read of images, in their order; those that cannot be read are told at the end, together.

    Raises:
        InputError: some cannot be read.
    """
    broken: list[str] = []
    for i, (found, why) in zip(rows, _concurrently(partial(_read, album, read), rows), strict=True):
        if found is None:
            broken.append(f"{album.title(i)} ({why})")
        else:
            yield found
    if broken:
        shown = listed(broken, _SHOWN)
        raise InputError(
            f"{album.name}: {len(broken)} of {len(rows)} images cannot be read: {shown}. Replace or remove them."
        )


def _concurrently(read: Callable[[int], T], rows: Sequence[int]) -> Iterator[T]:
    """Give what is read for each number, in their order, some ahead of need: Pillow decodes outside of the GIL."""
    workers = os.cpu_count() or 1
    if len(rows) <= workers:
        yield from map(read, rows)
        return
    step = 64 * workers
    with ThreadPoolExecutor(workers) as pool:
        for start in range(0, len(rows), step):
            yield from pool.map(read, rows[start : start + step])


def _read(album: Album, read: Callable[[Picture], T], i: int) -> tuple[T | None, str]:
    """Return what is read of an image, or None and why it cannot be."""
    try:
        with album.open(i) as picture:
            return read(picture), ""
    except UnidentifiedImageError:
        return None, "no image, or an empty file"
    except Exception as error:  # noqa: BLE001 - a broken file raises whatever it likes, and all are told together
        return None, str(error).strip().rstrip(".") or type(error).__name__


def image_rows(album: Album, options: Mapping[str, Any]) -> tuple[ImageRows, tuple[str, ...]]:
    """Return images as a source of rows of one form, and notes on what was done to them.

    Args:
        album: the images.
        options: ``image_size`` says how many pixels they are made, a side, or (height, width).

    Raises:
        InputError: an option is unknown or wrong, or images cannot be read.
    """
    refuse([unknown_name("option of images", o, OPTIONS) for o in options if o not in OPTIONS])
    asked = options.get("image_size")
    wanted = None if asked is None else _asked_size(asked)
    facts = list(_every(album, range(len(album)), _facts))
    grey = all(mode in _GREY or mode in _DEEP for _, mode in facts)
    sizes = Counter(found for found, _ in facts)
    height, width = wanted or _default_size(sizes)
    form = Form(height, width, grey)
    notes = [f"{album.name}: {len(album)} images, {form.words()}, 0 to 255"]
    if set(sizes) != {(height, width)}:
        how = "" if wanted else "; data_options = { image_size = [height, width] } asks for another size"
        notes.append(f"{_sizes_words(sizes)} are scaled to {height} x {width}, cropped at the centre{how}")
    if not grey and (n := sum(mode in _GREY or mode in _DEEP for _, mode in facts)):
        notes.append(f"{n} grey images among coloured ones are read as RGB")
    return ImageRows(album, form, album.digest()), tuple(notes)


def _facts(picture: Picture) -> tuple[tuple[int, int], str]:
    """Return height and width as the image is to be seen, and its mode."""
    turned = picture.getexif().get(_ORIENTATION, 1) >= _TURNED
    width, height = picture.size[::-1] if turned else picture.size
    grey = picture.mode == "P" and _has_grey_palette(picture)
    return (height, width), "L" if grey else picture.mode


_ORIENTATION = 0x0112
_TURNED = 5
"""From this EXIF orientation on, height and width are exchanged."""


def _has_grey_palette(picture: Picture) -> bool:
    colours = np.asarray(picture.getpalette() or [0, 0, 0]).reshape(-1, 3)
    return bool((colours == colours[:, :1]).all())


def _sizes_words(sizes: Iterable[tuple[int, int]]) -> str:
    every = sorted(sizes)
    first, last = (f"{h} x {w}" for h, w in (every[0], every[-1]))
    return f"images of {first}" if len(every) == 1 else f"images of {len(every)} sizes, {first} to {last},"


def _default_size(sizes: Counter[tuple[int, int]]) -> tuple[int, int]:
    own = next(iter(sizes))
    return own if len(sizes) == 1 and max(own) <= DEFAULT_SIDE else (DEFAULT_SIDE, DEFAULT_SIDE)


def _asked_size(asked: Any) -> tuple[int, int]:
    """Return height and width of a size as it was asked for.

    Raises:
        InputError: it is no such size.
    """
    sides = list(asked) if isinstance(asked, (list, tuple, np.ndarray)) else [asked, asked]
    whole = all(isinstance(s, (int, np.integer)) and not isinstance(s, bool) for s in sides)
    if len(sides) != 2 or not whole or not all(1 <= s <= LARGEST_SIDE for s in sides):
        raise InputError(
            f"image_size is {asked!r}: give the pixels a side, as 64, or (height, width), each from 1 to {LARGEST_SIDE}."
        )
    return int(sides[0]), int(sides[1])


def with_images(dataset: Dataset, rows: ImageRows, stream: bool | None) -> Dataset:
    """Return a data set with images as one array where they are to be held, and else as a source; each is decoded once.

    Args:
        dataset: all else.
        rows: the images.
        stream: whether they are read batch by batch; None does so where network inputs would take more than
            ``STREAM_BYTES``.

    Raises:
        InputError: images cannot be read, or memory does not hold what is to be held.
    """
    hashed = digest(replace(dataset, x=rows))
    x, note = _held_or_streamed(rows, stream)
    return replace(dataset, x=x, digest=hashed, notes=(*dataset.notes, note), images=True)


def _held_or_streamed(rows: ImageRows, stream: bool | None) -> tuple[ImageRows | Array, str]:
    held = len(rows) * rows.form.nbytes
    inputs = held * _INPUT_BYTES
    if inputs > STREAM_BYTES if stream is None else stream:
        note = f"images are decoded batch by batch: held, they would take {size(inputs)} as network inputs"
        return rows.checked(), note
    needed, free = held + inputs, free_memory()
    if needed > free:
        raise InputError(
            f"{len(rows)} images of {rows.form.words()} take {size(needed)}, as they are and as network inputs, and "
            f"{size(free)} of memory are free: ask for a smaller image_size in data_options, or leave out stream = false."
        )
    found = np.asarray(rows.read(np.arange(len(rows))))
    return found, f"images are held in {size(held)}, and in {size(inputs)} as network inputs"
