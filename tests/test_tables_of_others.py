"""Tables and sparse matrices of other libraries: as X, and with their target among the columns."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from scipy import sparse

from lossearch.data.objects import as_dataset, is_data
from lossearch.data.sources import from_arrays
from lossearch.errors import InputError
from lossearch.tasks.build import make_task

N = 60
Y = np.arange(N) % 2
TABLE = pa.table(
    {
        "number": pa.array([None if i % 7 == 0 else float(i) for i in range(N)]),
        "code": pa.array([None if i % 5 == 0 else "xyz"[i % 3] for i in range(N)]).dictionary_encode(),
        "y": pa.array(["no" if y else "yes" for y in Y]).dictionary_encode(),
    }
)


def check(data) -> None:
    expected = np.array([np.nan if i % 7 == 0 else float(i) for i in range(N)])
    np.testing.assert_array_equal(data.x["number"], expected)
    assert data.x["code"].tolist() == ["(missing)" if i % 5 == 0 else "xyz"[i % 3] for i in range(N)]
    assert make_task(data).classes == ("no", "yes")


@pytest.mark.parametrize(
    "form",
    [
        lambda t: t,
        lambda t: pa.concat_tables([t.slice(0, 13), t.slice(13)]),
        lambda t: t.to_batches()[0],
        lambda t: t.to_pandas(),
        lambda t: pytest.importorskip("narwhals").from_native(t),
        lambda t: pytest.importorskip("narwhals").from_native(t).lazy(),
        lambda t: pytest.importorskip("polars").from_arrow(t),
        lambda t: pytest.importorskip("polars").from_arrow(t).lazy(),
    ],
)
def test_a_table_of_any_library(form) -> None:
    table = form(TABLE)
    assert is_data(table)
    check(as_dataset(table, target="y"))
    check(from_arrays(form(TABLE.drop(["y"])), form(TABLE.select(["y"]))))


def test_chunks_with_different_dictionaries() -> None:
    chunks = [pa.array(cells).dictionary_encode() for cells in (["a", "b"] * 15, ["b", "c"] * 15)]
    found = as_dataset(
        pa.table({"code": pa.chunked_array(chunks), "x": np.arange(N) * 0.7, "y": Y}), target="y"
    )
    assert found.x["code"].tolist() == ["a", "b"] * 15 + ["b", "c"] * 15


@pytest.mark.parametrize(
    "one", [TABLE["number"], pd.Series(Y), np.arange(3), [1, 2], "circles", sparse.eye_array(3)]
)
def test_a_column_or_an_array_is_no_table(one) -> None:
    assert not is_data(one)


@pytest.mark.parametrize("form", ["csr", "csc", "coo", "bsr", "lil", "dok", "dia"])
@pytest.mark.parametrize("kind", [sparse.coo_array, sparse.coo_matrix])
def test_sparse_matrices_of_every_format_with_long_indices(form: str, kind) -> None:
    dense = sparse.random_array((N, 30), density=0.2, rng=np.random.default_rng(0)).toarray()
    matrix = kind(dense).asformat(form)
    for name in ("indices", "indptr"):
        if hasattr(matrix, name):
            setattr(matrix, name, getattr(matrix, name).astype(np.int64))
    assert np.array_equal(from_arrays(matrix, Y).x, dense)


def test_a_sparse_matrix_that_memory_does_not_hold(monkeypatch) -> None:
    from lossearch.data import containers

    monkeypatch.setattr(containers, "free_memory", lambda: 1000)
    with pytest.raises(
        InputError, match="which takes 14 KiB when it is filled in, and 1000 bytes of memory are free"
    ):
        from_arrays(sparse.csr_array((N, 30)), Y)
