"""Files that memory does not hold: read batch by batch, or refused with what to do."""

from __future__ import annotations

import gzip
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pytest

from lossearch import _memory
from lossearch.data import csv, sources
from lossearch.data.rows import RowSource
from lossearch.data.sources import read_data
from lossearch.errors import InputError

N = 40_000


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    g = np.random.default_rng(0)
    frame = pd.DataFrame(g.normal(size=(N, 12)).round(9), columns=[f"x{i}" for i in range(12)])
    return frame.assign(town=g.choice(["Ulm", "Bonn"], N), y=g.integers(0, 2, N))


def message(path: Path, **options) -> str:
    with pytest.raises(InputError) as caught:
        read_data(str(path), target="y", **options)
    return str(caught.value)


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".CSV.gz"])
def test_a_csv_file_that_memory_does_not_hold_becomes_one_that_is_streamed(
    tmp_path, monkeypatch, table, suffix: str
) -> None:
    path = tmp_path / f"my data{suffix}"
    divided = "\t" if "tsv" in suffix else ","
    table.to_csv(path, index=False, sep=divided, compression="gzip" if "gz" in suffix else None)
    monkeypatch.setattr(csv, "free_memory", lambda: 2 * 2**20)
    found = message(path)
    sentence, _, command = found.partition(":\n")
    assert sentence.startswith(f"my data{suffix} takes about ")
    assert sentence.endswith(
        "and 2.0 MiB are free: give some of its rows, or write it as Parquet, which is read batch by batch"
    )
    bytes_told = float(sentence.split(" takes about ")[1].split(" MiB")[0]) * 2**20
    real = 5 * table.memory_usage(deep=True).sum()
    assert 0.7 * real < bytes_told < 1.4 * real
    _, *arguments = shlex.split(command)
    subprocess.run([sys.executable, *arguments], check=True)
    streamed = read_data(str(tmp_path / "my data.parquet"), target="y", stream=True)
    assert isinstance(streamed.x, RowSource)
    rows = np.array([N - 1, 3])
    found_rows = streamed.x.read(rows).reset_index(drop=True)
    pd.testing.assert_frame_equal(found_rows, table.drop(columns="y").iloc[rows].reset_index(drop=True))


def test_a_file_that_fits_is_read(tmp_path, monkeypatch, table) -> None:
    table.to_csv(tmp_path / "t.csv", index=False)
    monkeypatch.setattr(csv, "free_memory", lambda: int(7 * table.memory_usage(deep=True).sum()))
    assert len(read_data(str(tmp_path / "t.csv"), target="y")) == N


def test_a_short_file_of_long_lines_is_no_obstacle(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(csv, "TOP_BYTES", 100)
    monkeypatch.setattr(csv, "free_memory", lambda: 10)
    (tmp_path / "t.csv").write_text("a,y\n" + f"{'x' * 300},1\n" * 10)
    assert "t.csv takes about" in message(tmp_path / "t.csv")


@pytest.mark.parametrize("error", [MemoryError(), pd.errors.ParserError("C error: out of memory")])
def test_memory_that_runs_out_all_the_same_is_told(tmp_path, monkeypatch, error: Exception) -> None:
    (tmp_path / "t.csv").write_text("a,y\n1,2\n")

    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(csv, "_table", fail)
    assert message(tmp_path / "t.csv").startswith(
        "t.csv takes more memory than there is: give some of its rows, or write it as Parquet"
    )


def test_a_parquet_file_is_streamed_where_memory_does_not_hold_it(tmp_path, monkeypatch, table) -> None:
    path = tmp_path / "t.parquet"
    table.to_parquet(path)
    assert isinstance(read_data(str(path), target="y").x, pd.DataFrame)
    monkeypatch.setattr(sources, "free_memory", lambda: 2**20)
    assert isinstance(read_data(str(path), target="y").x, RowSource)
    told = message(path, stream=False)
    assert told.startswith("t.parquet takes about 2")
    assert told.endswith(
        " MiB of memory where it is held, and 1.0 MiB are free: leave out stream = false, and it is read batch by batch."
    )


def test_free_memory_heeds_the_limit_of_the_process() -> None:
    code = (
        "import psutil, resource\n"
        "from lossearch._memory import free_memory\n"
        "most = psutil.Process().memory_info().vms + 50 * 2**20\n"
        "resource.setrlimit(resource.RLIMIT_AS, (most, most))\n"
        "print(free_memory())\n"
    )
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert 40 * 2**20 < int(found.stdout) <= 50 * 2**20
    assert 0 < _memory.free_memory() <= psutil.virtual_memory().total


@pytest.mark.skipif(not hasattr(psutil, "RLIMIT_AS"), reason="the system has no such limit")
def test_a_file_larger_than_what_the_process_may_take(tmp_path, table) -> None:
    path = tmp_path / "t.csv"
    with gzip.open(f"{path}.gz", "wt") as packed:
        table.to_csv(packed, index=False)
    table.to_csv(path, index=False)
    code = (
        "import psutil, resource, sys\n"
        "from lossearch.data.sources import read_data\n"
        "from lossearch.errors import InputError\n"
        "most = psutil.Process().memory_info().vms + 16 * 2**20\n"
        "resource.setrlimit(resource.RLIMIT_AS, (most, most))\n"
        "for path in sys.argv[1:]:\n"
        "    try:\n"
        "        read_data(path, target='y')\n"
        "    except InputError as error:\n"
        "        print(str(error).partition(' takes ')[0])\n"
    )
    found = subprocess.run(
        [sys.executable, "-c", code, str(path), f"{path}.gz"], check=True, capture_output=True, text=True
    )
    assert found.stdout.split() == ["t.csv", "t.csv.gz"]
