"""Tensors in a file: safetensors, so that reading one runs no code; whole or absent."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError, safe_open

from lossearch._json import replacing
from lossearch.records.damage import reading

if TYPE_CHECKING:
    from torch import Tensor


def write_tensors(path: Path, tensors: Mapping[str, Tensor], about: Mapping[str, str] | None = None) -> Path:
    """Write named tensors and short texts about them.

    Raises:
        OSError: they cannot be written.
    """
    from safetensors.torch import save_file

    # clones: the format knows no views, and two names may share one tensor
    own = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    with replacing(path) as temporary:
        try:
            save_file(own, temporary, dict(about or {}))
        except SafetensorError as error:
            if found := re.search(r"\(os error (\d+)\)", str(error)):
                raise OSError(int(found[1]), os.strerror(int(found[1])), str(path)) from error
            raise
    return path


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Return the tensors of a file, on the CPU, and the texts about them.

    Raises:
        StoreError: it is missing or damaged.
    """
    with _opened(path) as file:
        return {name: file.get_tensor(name) for name in file.keys()}, dict(file.metadata() or {})  # noqa: SIM118


def read_about(path: Path) -> dict[str, str]:
    """Return the texts of a file without reading its tensors.

    Raises:
        StoreError: it is missing or damaged.
    """
    with _opened(path) as file:
        return dict(file.metadata() or {})


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    with reading(path), safe_open(path, framework="pt", device="cpu") as file:
        yield file
