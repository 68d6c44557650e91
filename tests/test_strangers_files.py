"""Files of a stranger's that are other than they say: tables and weights are data, and nothing in them is unpickled."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from strangers import NAME, Around

import lossearch
from lossearch.errors import StoreError
from lossearch.records.curves import read_curves


@pytest.fixture
def around(tmp_path: Path) -> Around:
    (tmp_path / "empty.db").touch()
    return Around.make(tmp_path / "around", tmp_path / "empty.db")


def read_rows(path: Path) -> int:
    return int(pq.read_metadata(path).num_rows)


class _Touched:
    """What touches a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (self.path,)


@pytest.mark.parametrize("table", ["search.parquet", "confirm.parquet", "predictions.parquet"])
@pytest.mark.parametrize("about", ["a pickled type", "pandas", "an unknown type"])
def test_what_a_table_says_of_itself_is_not_heeded(around: Around, table: str, about: str) -> None:
    path = around.study / table
    pickled = pickle.dumps(_Touched(around.outside / "unpickled"))
    of_type = {"a pickled type": b"arrow.py_extension_type", "an unknown type": b"strangers.own"}
    read = pq.read_table(path)
    if about == "pandas":
        read = read.replace_schema_metadata(
            {b"pandas": b'{"index_columns": ["pair"], "columns": [{"name": 5}]}'}
        )
    else:
        extension = {b"ARROW:extension:name": of_type[about], b"ARROW:extension:metadata": pickled}
        read = pa.table(read.columns, schema=pa.schema([f.with_metadata(extension) for f in read.schema]))
    expected = lossearch.load(NAME, around.store)
    expected.curves, expected.evidence()  # before the file is another
    pq.write_table(read, path)
    found = lossearch.load(NAME, around.store)
    assert found.curves.equals(expected.curves)
    assert found.evidence().seeds == expected.evidence().seeds
    assert len(read_curves(found.folder, "confirm")) == read_rows(found.folder / "confirm.parquet")
    found.report()
    assert not (around.outside / "unpickled").exists()


@pytest.mark.parametrize("name", ["trial-000009.safetensors", "trial-000004.safetensors"])
def test_weights_that_are_a_pickle_are_damaged(around: Around, name: str) -> None:
    torch.save({"a": _Touched(around.outside / "unpickled")}, around.study / "weights" / name)
    for pair in ("bce--sigmoid", "focal--sigmoid"):
        torch.save(
            {"a": _Touched(around.outside / "unpickled")},
            around.study / "models" / pair / "weights.safetensors",
        )
    result = lossearch.load(NAME, around.store)
    with pytest.raises(StoreError, match="is damaged"):
        result.weights(int(name[6:12]))
    with pytest.raises(StoreError, match="is damaged"):
        result.kept(result.best, 3)
    assert any("weights.safetensors is damaged" in said for said in result.report().lead)
    assert not (around.outside / "unpickled").exists()
