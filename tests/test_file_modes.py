"""Files that are written may be read by whom the user's umask lets read any new file."""

from __future__ import annotations

import os
import stat

import pytest
import torch

import lossearch
from lossearch._json import replacing, write_text
from lossearch.records.tensors import write_tensors


@pytest.fixture(params=[0o022, 0o027, 0o077])
def umask(request):
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_a_file_has_the_mode_of_any_new_one_whoever_wrote_it(umask, tmp_path):
    written = [
        write_text(tmp_path / "text", "a"),
        write_tensors(tmp_path / "t.safetensors", {"a": torch.ones(1)}),
    ]
    with replacing(tmp_path / "other") as temporary:
        temporary.unlink()
        temporary.touch(0o600)
    assert {mode(path) for path in (*written, tmp_path / "other")} == {0o666 & ~umask}


def test_a_file_that_failed_leaves_nothing(tmp_path):
    with pytest.raises(ZeroDivisionError), replacing(tmp_path / "a"):
        1 / 0  # noqa: B018 - what fails
    assert list(tmp_path.iterdir()) == []


def test_all_that_a_study_and_its_export_leave_may_be_read(tmp_path, monkeypatch):
    before = os.umask(0o022)
    try:
        result = lossearch.search(
            data="moons", losses=["bce"], lr=0.1, seeds=1, confirm_seeds=2, epochs=1, weights="all",
            store=tmp_path / "runs",
        )  # fmt: skip
        monkeypatch.chdir(tmp_path)
        saved = result.save("saved")
        assert all(path.is_file() for path in saved)
        assert result.save(tmp_path / "again")
        result.model.save("model")
    finally:
        os.umask(before)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {path.name for path in files} >= {"weights.safetensors", "report.html", "study.json"}
    assert {str(path): oct(mode(path)) for path in files if mode(path) & 0o044 != 0o044} == {}
