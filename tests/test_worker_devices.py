"""Which GPU each worker process sees."""

from __future__ import annotations

import os
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from lossearch.api import plan
from lossearch.cli import invoke
from lossearch.config import make_config
from lossearch.training.contract import TrainSettings
from lossearch.training.trainer import placed
from lossearch.training.workers.devices import VISIBLE, gpus, visible
from lossearch.training.workers.group import WorkerGroup


@pytest.mark.parametrize(
    ("named", "count", "found"),
    [
        (None, 0, ()),
        (None, 1, ()),
        (None, 3, ("0", "1", "2")),
        ("", 2, ("0", "1")),
        ("5", 1, ()),
        ("5, 2,7", 3, ("5", "2", "7")),
        ("GPU-8932f937,MIG-02", 2, ("GPU-8932f937", "MIG-02")),
        # what comes after a number that does not exist is not seen
        ("0,1,9,2", 2, ("0", "1")),
    ],
)
def test_gpus_are_named_as_the_environment_names_them(named, count, found):
    assert visible(named, count) == found


def test_on_a_cpu_workers_share_what_there_is():
    assert gpus(TrainSettings(epochs=1, batch_size=1, device="cpu"), {}) == ()


def _seen(pid: int) -> str | None:
    read = Path(f"/proc/{pid}/environ").read_bytes().decode().split("\0")
    return dict(line.partition("=")[::2] for line in read if line).get(VISIBLE)


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="there is no /proc")
@pytest.mark.parametrize("named", [("5", "2"), ()])
def test_each_worker_sees_the_gpu_that_fewest_have(named, monkeypatch):
    monkeypatch.delenv(VISIBLE, raising=False)
    with WorkerGroup(os.getcwd, workers=4, gpus=named, start_up=0) as group:
        group.start(3)
        time.sleep(0.2)  # until they are programs of their own
        seen = [_seen(w.process.pid) for w in group.workers]
        assert Counter(seen) == (Counter({"5": 2, "2": 1}) if named else Counter({None: 3}))
        group.end([w for w in group.workers if w.gpu == "2"])
        group.start(3)
        if named:
            assert Counter(w.gpu for w in group.workers) == {"5": 2, "2": 1}


@pytest.mark.parametrize(
    ("device", "accelerator", "devices"),
    [
        ("cpu", "cpu", 1),
        ("cuda", "cuda", 1),
        ("cuda:1", "cuda", [1]),
        ("gpu:0", "gpu", [0]),
        ("auto", "auto", 1),
    ],
)
def test_a_trainer_is_told_a_device_as_it_takes_it(device, accelerator, devices):
    assert placed(device) == {"accelerator": accelerator, "devices": devices}


def test_workers_stay_on_the_one_gpu_that_was_named(monkeypatch):
    monkeypatch.setattr("lossearch.training.workers.devices.device_of", lambda _: torch.device("cuda"))
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    settings = TrainSettings(epochs=1, batch_size=1, device="cuda")
    assert gpus(settings, {}) == ("0", "1")
    assert gpus(replace(settings, device="cuda:1"), {}) == ()


@pytest.mark.parametrize(("asked", "found", "said"), [
    ("auto", "cuda:0", ["Trains on cuda:0 (Great GPU); device='cpu' trains on the processor."]),
    ("auto", "mps", ["Trains on mps; device='cpu' trains on the processor."]),
    ("auto", "cpu", []),
    ("gpu", "cuda:0", []),
])  # fmt: skip
def test_a_gpu_that_nobody_named_is_told(asked, found, said, monkeypatch):
    prepared = plan(make_config({"task": {"data": "circles"}, "train": {"device": "cpu", "workers": 1}}))
    settings = replace(prepared.plan.settings, device=asked)
    monkeypatch.setattr("lossearch.training.trainer.device_of", lambda _: torch.device(found))
    monkeypatch.setattr("lossearch.training.workers.devices.device_of", lambda _: torch.device("cpu"))
    monkeypatch.setattr("torch.cuda.get_device_name", lambda _: "Great GPU")
    notes: list[str] = []
    replace(prepared, plan=replace(prepared.plan, settings=settings)).workers(notes.append)
    assert notes == said


@pytest.mark.parametrize(
    "device", ["cuda:97", "gpu:97", "cuda" if torch.backends.mps.is_available() else "mps"]
)
def test_a_device_that_is_not_there_is_told_before_anything_is_made(device, tmp_path, capfd):
    store = tmp_path / "store"
    assert invoke(["run", "--data", "circles", "--device", device, "--store", str(store)]) == 2
    said = capfd.readouterr().err
    assert f"Error: --device {device} cannot be used: this machine has no such device. " in said
    assert "Give one of auto, cpu" in said
    assert "accelerator" not in said.lower()
    assert not store.exists()
