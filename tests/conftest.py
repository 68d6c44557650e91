"""What holds for every test: one thread, quiet libraries, and global state as it was found."""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"
os.environ["MKL_NUM_THREADS"] = "1"
os.environ["MPLBACKEND"] = "Agg"
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
# processes that tests start find what tests import from here
os.environ["PYTHONPATH"] = os.pathsep.join(
    filter(None, [os.path.dirname(__file__), os.environ.get("PYTHONPATH")])  # noqa: PTH120 - before any import
)

import logging
import random
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import settings

# the background of a shell ignores Ctrl-C, and nohup a hang-up, and so would the processes that tests start and end
if threading.current_thread() is threading.main_thread():
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)

# in CI the same examples every time: whether a change lands must not depend on luck
settings.register_profile("repository", deadline=None, database=None, derandomize="CI" in os.environ)
settings.load_profile("repository")

IMPORT_TIME = {
    "PYTEST_CURRENT_TEST",
    "PYTORCH_NVML_BASED_CUDA_CHECK",
    "TORCHINDUCTOR_CACHE_DIR",
    "KMP_DUPLICATE_LIB_OK",
    "KMP_INIT_AT_FORK",
    "CRC32C_SW_MODE",
}
"""Variables that pytest, or the import of torch, tensorboardX and their company, sets."""


def _environment() -> dict[str, str]:
    return {f"variable {k}": v for k, v in os.environ.items() if k not in IMPORT_TIME}


def _torch_state() -> dict[str, Any]:
    torch = sys.modules.get("torch")
    if torch is None or not hasattr(torch, "get_default_dtype"):
        return {}
    return {
        "torch default dtype": str(torch.get_default_dtype()),
        "torch deterministic": torch.are_deterministic_algorithms_enabled(),
        "torch gradients on": torch.is_grad_enabled(),
    }


def _mlflow_state() -> dict[str, Any]:
    mlflow = sys.modules.get("mlflow")
    if mlflow is None or not hasattr(mlflow, "active_run"):
        return {}
    return {"MLflow active run": mlflow.active_run(), "MLflow tracking URI set": mlflow.is_tracking_uri_set()}


def global_state() -> dict[str, Any]:
    """Return what no test and no call of ours may leave changed."""
    return {
        **_environment(),
        "working directory": str(Path.cwd()),
        "import path": list(sys.path),
        "logging switched off below": logging.root.manager.disable,
        "root log level": logging.root.level,
        # that of SIGCHLD is torch's, from the first loader with workers on
        "handlers of signals": {s.name: signal.getsignal(s) for s in signal.Signals if s != signal.SIGCHLD},
        **_torch_state(),
        **_mlflow_state(),
    }


@pytest.fixture(autouse=True)
def _nothing_left_behind() -> Iterator[None]:
    before = global_state()
    yield
    after = global_state()
    keys = before.keys() | {k for k in after if k.startswith("variable ")}
    changed = {k: (before.get(k), after.get(k)) for k in keys if after.get(k) != before.get(k)}
    assert not changed, f"global state was left changed (before, after): {changed}"


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(1)


@pytest.fixture
def random_states() -> Callable[[], tuple[Any, ...]]:
    """A function that gives the states of python's, numpy's and torch's global generators, comparable by ==."""

    def states() -> tuple[Any, ...]:
        import torch

        name, keys, *rest = np.random.get_state()  # noqa: NPY002 - the state is what is compared
        return random.getstate(), (name, keys.tolist(), *rest), torch.random.get_rng_state().tolist()

    return states


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A place for records that does not exist yet."""
    return tmp_path / "mlruns"


@pytest.fixture(scope="module")
def server_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of an MLflow server that is up for the tests of a module."""
    from postgres import free_port

    from lossearch.records import Store
    from lossearch.records.mlflow.server import start

    server = start(Store.open(tmp_path_factory.mktemp("server")), port=free_port(), say=lambda _: None)
    yield server.url
    server.stop()


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reports have no figures: for what does not ask what they show."""
    from undrawn import draw_nothing

    draw_nothing(monkeypatch.setattr)
