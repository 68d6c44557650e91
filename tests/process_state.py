"""What one process has only one of, as it stands now."""

from __future__ import annotations

import gc
import locale
import logging
import multiprocessing
import os
import random
import signal
import sys
import threading
import warnings
from pathlib import Path
from typing import Any

import psutil

State = dict[str, Any]


def state() -> State:
    """Return the state of this process, by what it is of; of libraries that are imported only."""
    found = {
        "environment": dict(os.environ),
        "files": open_files(),
        "threads": {t.name for t in threading.enumerate()},
        "children": {c.pid: c.name() for c in psutil.Process().children(recursive=True)},
        "start method": multiprocessing.get_start_method(allow_none=True),
        "warnings": dict(
            enumerate(map(repr, (*warnings.filters, warnings.showwarning, warnings.formatwarning)))
        ),
        "logging": loggers() | {"disabled": logging.root.manager.disable, "raise": logging.raiseExceptions},
        "signals": {n: signal.getsignal(n) for n in signal.valid_signals()},
        "random": random.getstate(),
        "hooks": (sys.excepthook, sys.unraisablehook, threading.excepthook, sys.displayhook),
        "streams": (sys.stdin, sys.stdout, sys.stderr),
        "places": (Path.cwd(), list(sys.path), locale.setlocale(locale.LC_ALL)),
        "limits": (sys.getrecursionlimit(), sys.getswitchinterval(), gc.isenabled(), gc.get_threshold()),
    }
    of_libraries = {
        "numpy": numpys,
        "torch": torchs,
        "optuna": optunas,
        "mlflow": mlflows,
        "matplotlib": matplotlibs,
    }
    return found | {name: of() for name, of in of_libraries.items() if name in sys.modules}


def open_files() -> dict[int, str]:
    """Return descriptors and what they are of; but for fonts, which matplotlib keeps open in caches of its own."""
    there = Path("/proc/self/fd")
    found = {}
    for entry in there.iterdir() if there.exists() else ():
        if entry.exists() and (what := entry.readlink()).suffix != ".ttf" and what.name != "fd":
            found[int(entry.name)] = str(what)
    return found


def loggers() -> dict[str, Any]:
    """Return what is set of each logger; a handler that does nothing is what libraries add to their own."""
    there = {n: x for n, x in logging.root.manager.loggerDict.items() if isinstance(x, logging.Logger)}
    return {
        name: (
            found.level,
            found.disabled,
            found.propagate,
            [h for h in found.handlers if not isinstance(h, logging.NullHandler)],
        )
        for name, found in {"root": logging.root, **there}.items()
    }


def numpys() -> State:
    import numpy as np

    drawn = repr(np.random.get_state())  # noqa: NPY002 - the global one
    return {"random": drawn, "errors": np.geterr(), "print": np.get_printoptions()}


def torchs() -> State:
    import torch

    return {
        "random": torch.get_rng_state().tolist(),
        "threads": (torch.get_num_threads(), torch.get_num_interop_threads()),
        "defaults": (torch.get_default_dtype(), torch.get_default_device()),
        "deterministic": (
            torch.are_deterministic_algorithms_enabled(),
            torch.is_deterministic_algorithms_warn_only_enabled(),
            torch.backends.cudnn.deterministic,
            torch.backends.cudnn.benchmark,
        ),
        "precision": (torch.get_float32_matmul_precision(), torch.backends.cuda.matmul.allow_tf32),
        "gradients": (torch.is_grad_enabled(), torch.is_inference_mode_enabled(), torch.is_anomaly_enabled()),
        "sharing": torch.multiprocessing.get_sharing_strategy(),
    }


def optunas() -> State:
    import optuna

    return {"verbosity": optuna.logging.get_verbosity()}


def mlflows() -> State:
    import mlflow
    from mlflow.utils.autologging_utils import AUTOLOGGING_INTEGRATIONS

    integrations = {name: dict(of) for name, of in AUTOLOGGING_INTEGRATIONS.items()}
    return {"uri": mlflow.get_tracking_uri(), "run": mlflow.active_run(), "autologging": integrations}


def matplotlibs() -> State:
    import matplotlib as mpl

    pyplot = sys.modules.get("matplotlib.pyplot")
    return {"settings": dict(mpl.rcParams), "figures": pyplot.get_fignums() if pyplot else []}


def differences(before: State, after: State) -> list[str]:
    """Return what is not as before, but for what was not there at all: libraries, and their loggers, come with an import."""
    found = []
    for name in before:
        was, now = before[name], after[name]
        if isinstance(was, dict):
            grown = () if name in {"logging", "mlflow"} else now.keys() - was.keys()
            keys = [k for k in (*was, *grown) if was.get(k, ...) != now.get(k, ...)]
            found += [f"{name}, {k}: {_short(was.get(k))} -> {_short(now.get(k))}" for k in keys]
        elif was != now:
            found.append(f"{name}: {_short(was)} -> {_short(now)}")
    return found


def _short(value: Any) -> str:
    return repr(value)[:300]
