"""Targets of Hugging Face data sets: classes by their declared names, lists of labels, numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from sklearn.preprocessing import MultiLabelBinarizer

from lossearch.data.arrays import targets
from lossearch.data.huggingface.columns import array_of, arrow_column, table_of
from lossearch.data.huggingface.library import LISTS, is_a
from lossearch.data.roles import Roles
from lossearch.data.rows import Array
from lossearch.errors import InputError, refuse

_UNLABELLED = -1


def read_targets(
    sets: Mapping[str, Any], schema: Mapping[str, Any], roles: Roles
) -> tuple[Array, tuple[str, ...]]:
    """Return the targets of all parts, and the names of classes that occur among them.

    Raises:
        InputError: some rows have none, or they are neither numbers nor names.
    """
    if len(roles.target) > 1:
        return targets(table_of(sets, roles.target)), ()
    (target,) = roles.target
    feature = schema[target]
    if is_a(feature, "ClassLabel"):
        return _classes_of(sets, target, feature.names)
    if is_a(feature, *LISTS):
        return _several(arrow_column(sets, target), feature, target), ()
    return targets(table_of(sets, [target])[target]), ()


def _classes_of(sets: Mapping[str, Any], target: str, names: Sequence[str]) -> tuple[Array, tuple[str, ...]]:
    codes = {role: arrow_column({role: data}, target).to_pandas() for role, data in sets.items()}
    refuse(
        [
            f"The {role} split has no labels: its {target} is {_UNLABELLED} or missing in {lacking} of {len(own)} rows. "
            "Leave those rows or the split out."
            for role, own in codes.items()
            if (lacking := int((own.isna() | (own == _UNLABELLED)).sum()))
        ]
    )
    y = np.concatenate([own.to_numpy(dtype=np.int64) for own in codes.values()])
    return y, tuple(names[i] for i in np.unique(y))


def _several(column: pa.ChunkedArray, feature: Any, target: str) -> Array:
    """Return lists of numbers as columns, and lists of classes or names as a column of 0 and 1 for each of them."""
    inner: Any = getattr(feature, "feature", None)
    text = is_a(inner, "Value") and "string" in str(inner.dtype)
    if not (text or is_a(inner, "ClassLabel")):
        return targets(array_of(column, target))
    every = column.to_pylist()
    missing = np.array([labels is None or None in labels for labels in every])
    if missing.any():
        raise InputError(f"Target {target!r} has {missing.sum()} missing values: leave those rows out.")
    return np.asarray(MultiLabelBinarizer().fit_transform(every), dtype=np.int64)
