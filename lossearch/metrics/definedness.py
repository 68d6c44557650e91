"""On which targets a metric says nothing: of one class nothing is ranked, of one value no variance is explained.

Every function takes the target of a part and returns what it lacks, as the end of a sentence on it; '' where the
metric is defined.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lossearch._lazy import torch

if TYPE_CHECKING:
    from torch import Tensor


def everywhere(target: Tensor) -> str:  # noqa: ARG001 - the same for all
    """Return ''."""
    return ""


def of_two_classes(target: Tensor) -> str:
    """Return what is lacking where there is one class only."""
    classes = torch.unique(target)
    return "" if len(classes) > 1 else "it holds one class only"


def of_class_one(target: Tensor) -> str:
    """Return what is lacking where no row is of class 1."""
    return "" if (target == 1).any() else "none of its rows is of class 1"


def of_varied_values(target: Tensor) -> str:
    """Return what is lacking where an output, of (N,) or (N, T), has one value only."""
    columns = target.reshape(len(target), -1)
    constant = (columns == columns[0]).all(dim=0)
    if not constant.any():
        return ""
    first = int(constant.long().argmax())
    which = f" of output {first}" if columns.shape[1] > 1 else ""
    return f"every target{which} is {float(columns[0, first]):g}"


def of_varied_labels(target: Tensor) -> str:
    """Return what is lacking where every label, of (N, L), is in all rows or in none."""
    return "" if (target != target[0]).any() else "each label is in all its rows or in none"


def of_labels(target: Tensor) -> str:
    """Return what is lacking where no row has a label."""
    return "" if (target == 1).any() else "none of its rows has a label"
