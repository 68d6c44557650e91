"""Whatever holds a user's rows, as a numpy array or a pandas table."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from functools import singledispatch
from typing import Any, TypeVar

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.interchange
import torch
from numpy.typing import NDArray
from scipy import sparse
from torch.utils.data import DataLoader, Dataset

from lossearch._memory import free_memory
from lossearch._text import size
from lossearch.data.dates import from_arrow
from lossearch.errors import InputError

Array = NDArray[Any]
Plain = pd.DataFrame | Array
T = TypeVar("T")


@singledispatch
def plain(values: Any, name: str = "X") -> Any:
    """Return tensors, series, sparse matrices, lists and tables of other libraries as an array or a DataFrame.

    Arrays and DataFrames are left as they are; what a mask covers is missing.

    Args:
        values: what the user gave.
        name: what to call it.

    Raises:
        InputError: it cannot be read as rows; the message says what to give.
    """
    if _is_lazy(values):
        return plain(readable(values.collect, name, values), name)
    if hasattr(values, "__arrow_c_stream__"):
        return _of_arrow(values, name)
    if hasattr(values, "__dataframe__"):
        return readable(lambda: pyarrow.interchange.from_dataframe(values).to_pandas(), name, values)
    array = readable(lambda: np.asarray(values), name, values)
    if array.dtype == object and array.ndim == 0:
        raise InputError(f"{name} is a {type(values).__name__}; give an array or a table, one row a sample.")
    return (
        readable(lambda: np.asarray(values, dtype=object), name, values) if array.dtype.kind == "U" else array
    )


def is_table(values: Any) -> bool:
    """Return whether this is a table, with columns by name, of any library."""
    exported = hasattr(values, "__arrow_c_stream__") or hasattr(values, "__dataframe__") or _is_lazy(values)
    return isinstance(values, pd.DataFrame) or (
        exported and (hasattr(values, "columns") or hasattr(values, "schema"))
    )


def _is_lazy(values: Any) -> bool:
    """Return whether this is a query of polars, or of a library like it, that gives a table once it is collected."""
    return callable(getattr(values, "collect", None)) and callable(getattr(values, "collect_schema", None))


def readable(read: Callable[[], T], name: str, values: Any) -> T:
    """Return what reading gives.

    Raises:
        InputError: it raised, whatever it was; said of the argument.
    """
    try:
        return read()
    except Exception as error:
        words = str(error).strip().splitlines()[:1] or ["no message"]
        what = f"{name} is a {type(values).__name__} that cannot be read as an array"
        raise InputError(f"{what} ({words[0]}): give rows of equal length, one a sample.") from error


def _of_arrow(values: Any, name: str) -> Plain:
    def read() -> Plain:
        try:
            found: pd.DataFrame = pa.table(values).to_pandas(date_as_object=False)
        except (TypeError, ValueError, pa.ArrowInvalid):
            column: pd.Series[Any] = pa.chunked_array(values).to_pandas()
            return column.to_numpy()
        return found

    return readable(read, name, values)


def native(values: Array) -> Array:
    """Return numbers in this machine's byte order, and none longer than float64: few libraries know others.

    What is mapped from a file stays there.
    """
    if isinstance(values, np.memmap):
        return values
    if values.dtype.kind == "f" and values.dtype.itemsize > 8:
        return values.astype(np.float64)
    return values if values.dtype.isnative else values.astype(values.dtype.newbyteorder("="))


@plain.register(np.ndarray)
@plain.register(pd.DataFrame)
def _(values: Any, name: str = "X") -> Any:  # noqa: ARG001 - as every form has it
    return values


@plain.register(np.matrix)
def _(values: Any, name: str = "X") -> Array:  # noqa: ARG001
    return np.asarray(values)


@plain.register(np.ma.MaskedArray)
def _(values: Any, name: str = "X") -> Array:  # noqa: ARG001
    mask, array = np.ma.getmaskarray(values), np.asarray(values)
    if not mask.any():
        return array
    numbers = np.float64 if array.dtype.kind in "biu" else array.dtype
    return (
        np.where(mask, np.nan, array.astype(numbers))
        if array.dtype.kind in "biufc"
        else _emptied(array, mask)
    )


def _emptied(array: Array, mask: Array) -> Array:
    found = array.astype(object)
    found[mask] = None
    return found


@plain.register(pd.Series)
@plain.register(pd.Index)
def _(values: Any, name: str = "X") -> Array:  # noqa: ARG001
    return np.asarray(from_arrow(pd.Series(values)).to_numpy())


@plain.register(sparse.sparray)
@plain.register(sparse.spmatrix)
@plain.register(sparse.dok_array)  # which is a dict too
@plain.register(sparse.dok_matrix)
def _(values: Any, name: str = "X") -> Array:
    needed, free = int(np.prod(values.shape)) * values.dtype.itemsize, free_memory()
    if needed > free:
        raise InputError(
            f"{name} is a sparse matrix of shape {values.shape}, which takes {size(needed)} when it is filled in, "
            f"and {size(free)} of memory are free. Choose columns, or reduce them (sklearn TruncatedSVD)."
        )
    return np.asarray(values.toarray())


@plain.register(torch.Tensor)
def _(values: torch.Tensor, name: str = "X") -> Array:
    def read() -> Array:
        tensor = values.detach()
        tensor = tensor.dequantize() if tensor.is_quantized else tensor
        tensor = tensor.to_dense() if tensor.layout is not torch.strided else tensor
        numbers = (torch.float16, torch.float32, torch.float64)
        narrow = tensor.is_floating_point() and tensor.dtype not in numbers
        return np.asarray((tensor.float() if narrow else tensor).cpu().resolve_conj().resolve_neg().numpy())

    return readable(read, name, values)


@plain.register(Mapping)
def _(values: Mapping[Any, Any], name: str = "X") -> pd.DataFrame:
    shapes = {
        str(key): np.shape(column) if hasattr(column, "__len__") else () for key, column in values.items()
    }
    if len(set(shapes.values())) != 1 or any(len(shape) != 1 for shape in shapes.values()):
        shown = ", ".join(f"{key!r}: {shape}" for key, shape in list(shapes.items())[:6]) or "nothing"
        raise InputError(
            f"{name} is a {type(values).__name__} of things of shape {{{shown}}}: give columns of one length, (N,), by name."
        )
    return pd.DataFrame({str(key): plain(column, f"{name}[{key!r}]") for key, column in values.items()})


@plain.register(Iterator)
def _(values: Any, name: str = "X") -> Any:
    raise InputError(
        f"{name} is a {type(values).__name__}, which can be read only once: give list({name}), or an array."
    )


@plain.register(AbstractSet)
def _(values: Any, name: str = "X") -> Any:
    raise InputError(f"{name} is a {type(values).__name__}, which has no order: give a list or an array.")


@plain.register(str)
@plain.register(bytes)
@plain.register(os.PathLike)
def _(values: Any, name: str = "X") -> Any:
    raise InputError(
        f"{name} is {values!r:.60}: give the values themselves. A file or a data set by its name goes as data=..., "
        "its target's column as target=..."
    )


@plain.register(Dataset)
@plain.register(DataLoader)
def _(values: Any, name: str = "X") -> Any:
    raise InputError(
        f"{name} is a {type(values).__name__}: give a torch data set, which holds inputs and targets, as data=... "
        "alone (of a DataLoader, its .dataset)."
    )
