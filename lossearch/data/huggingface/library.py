"""Classes of the Hugging Face library, which is never imported here: whoever has such an object has done so."""

from __future__ import annotations

import sys
from typing import Any

LISTS = ("List", "LargeList", "Sequence", "Array2D", "Array3D", "Array4D", "Array5D")


def is_huggingface(found: Any) -> bool:
    """Return whether this is a Hugging Face data set, or several by the names of their splits."""
    return is_a(found, "Dataset", "DatasetDict", "IterableDataset", "IterableDatasetDict")


def is_a(thing: Any, *names: str) -> bool:
    """Return whether a thing is of one of these classes of the library."""
    return isinstance(thing, _classes(*names))


def _classes(*names: str) -> tuple[type, ...]:
    """Return classes of the library, none where it is not imported or another module bears its name."""
    library = sys.modules.get("datasets")
    every = (getattr(library, name, None) for name in names)
    return tuple(c for c in every if isinstance(c, type) and c.__module__.startswith("datasets."))
