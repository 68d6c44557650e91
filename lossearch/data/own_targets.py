"""Data whose targets are their inputs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from lossearch._text import listed
from lossearch.data.dataset import Dataset
from lossearch.data.rows import Array, RowSource
from lossearch.errors import InputError
from lossearch.kinds import some_rows


def predicting_itself(dataset: Dataset) -> Dataset:
    """Return a data set whose targets are its inputs; what targets it has are left out, and noted.

    Raises:
        InputError: inputs are names, or lack some, or are streamed.
    """
    y = _numbers(dataset)
    left_out = dataset.y.size and not (dataset.y.shape == y.shape and np.array_equal(dataset.y, y))
    notes = (f"what is given again is the input; {dataset.target!r} is left out",) if left_out else ()
    return replace(
        dataset, y=y, target="input", classes=(), categorical=False, notes=(*notes, *dataset.notes)
    )


def _numbers(dataset: Dataset) -> Array:
    x = dataset.x
    if isinstance(x, RowSource):
        raise InputError(
            "Inputs that are to be given again are held in memory: leave stream out, or say stream = false."
        )
    if isinstance(x, pd.DataFrame):
        names = [str(c) for c in x.columns if not pd.api.types.is_numeric_dtype(x[c].dtype)]
        if names:
            raise InputError(
                f"Inputs that are to be given again must be numbers, and {listed(names, 5)} "
                f"{'holds' if len(names) == 1 else 'hold'} names: leave such columns out, or give a column of 0 and 1 for each name."
            )
        x = x.to_numpy(dtype=np.float64)
    missing: Array = np.isnan(x.astype(np.float64)).reshape(len(x), -1)
    missing = np.asarray(missing.any(axis=1))
    if missing.any():
        raise InputError(
            f"X has missing values in {missing.sum()} rows ({some_rows(missing)}), and cannot be given again there: fill "
            "them, or leave those rows out."
        )
    return np.asarray(x)
