"""A signal ends a study with its records closed and its own exit code; the same call goes on where it stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mlflow import MlflowClient
from processes import ended_by
from torch import nn

import lossearch
from lossearch._process import interrupts_heard
from lossearch.cli import invoke
from lossearch.cli.signals import ended_by_signals
from lossearch.errors import RunFailedError, SignalledError, TerminatedError
from lossearch.study.progress import Listener

RNG = np.random.default_rng(0)
X = RNG.normal(size=(80, 3))
Y = (X[:, 0] > 0).astype(int)
QUICK: dict[str, Any] = {
    "losses": "bce",
    "trials": 5,
    "seeds": 1,
    "epochs": 2,
    "workers": 1,
    "lr": (0.01, 1.0),
}
SIGNALS = {signal.SIGTERM: 143, signal.SIGHUP: 129}


class Trips(nn.Module):
    """A network that does something at one of its passes in training."""

    calls = 0
    at = 10**9
    do = staticmethod(lambda: None)

    def __init__(self, n_in, n_out):
        super().__init__()
        self.layer = nn.Linear(n_in, n_out)
        self.drop = nn.LSTM(n_in, n_out)  # which keeps it out of populations

    def forward(self, x):
        if self.training:
            Trips.calls += 1
            if Trips.calls == Trips.at:
                Trips.do()
        return self.layer(x) + 0 * self.drop(x)[0]


@pytest.fixture(autouse=True)
def signals_as_they_come() -> Iterator[None]:
    """Undo what nohup would have every process here inherit: SIGHUP ignored, which a run respects."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.fixture
def trips(monkeypatch):
    def at(number, do):
        monkeypatch.setattr(Trips, "calls", 0)
        monkeypatch.setattr(Trips, "at", number)
        monkeypatch.setattr(Trips, "do", staticmethod(do))

    return at


def sent(number):
    return lambda: os.kill(os.getpid(), number)


class At(Listener):
    """Does something once a number of trials are done."""

    def __init__(self, trials, do):
        self.trials, self.do, self.done = trials, do, 0

    def trial_done(self, record, done, total, best, failed):
        self.done = done
        if done == self.trials:
            self.do()


@pytest.mark.parametrize("confirm_seeds", [0, 2])
def test_sigterm_in_training_is_an_error_that_names_it_and_the_study_goes_on(confirm_seeds, trips, store):
    call = {
        **QUICK,
        "confirm_seeds": confirm_seeds,
        "mlflow": False,
        "store": store,
        "model": Trips,
        "name": "study",
    }
    trips(20, sent(signal.SIGTERM))
    with pytest.raises(
        TerminatedError, match=r"^SIGTERM asked the process to end\. What is done is kept"
    ) as caught:
        lossearch.search(X, Y, **call)
    assert caught.value.exit_code == 143
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    before = len(lossearch.load("study", store).trials)
    assert 0 < before < 5
    trips(10**9, lambda: None)
    heard = At(-1, lambda: None)
    result = lossearch.search(X, Y, **call, listener=heard)
    assert len(result.trials) == 5
    fresh = lossearch.search(X, Y, **{**call, "store": store.with_name("fresh")})
    assert [r.value for r in result.trials] == [r.value for r in fresh.trials]


def test_a_run_that_sigterm_ends_is_closed_as_killed(trips, store):
    trips(20, sent(signal.SIGTERM))
    with pytest.raises(TerminatedError):
        lossearch.search(X, Y, **QUICK, confirm_seeds=0, store=store, model=Trips, name="study")
    result = lossearch.load("study", store)
    client = MlflowClient(f"sqlite:///{store.resolve()}/mlflow.db")
    assert client.get_run(result.run_id).info.status == "KILLED"


@pytest.mark.parametrize("code", [0, None, "no licence"])
def test_a_network_that_ends_the_process_is_told(code, trips, store):
    def leave():
        raise SystemExit(code)

    trips(20, leave)
    result = lossearch.search(
        X, Y, **QUICK, confirm_seeds=0, mlflow=False, store=store, model=Trips
    )  # tried again, where it does not
    assert len(result.trials) == 5
    failed = [t for t in result.attempts if "SystemExit" in t.reason]
    assert len(failed) == 1
    assert f"SystemExit({code!r}): code that the study runs" in failed[0].reason


def leave():
    raise SystemExit(0)


def leaving_metric(predictions, target):
    leave()


@pytest.mark.parametrize("at", [0, 1])
def test_a_listener_that_ends_the_process_is_told(at, store):
    class Leaves(At):
        def started(self, total, resumed):
            if at == 0:
                leave()

    with pytest.raises(
        RunFailedError, match=r"SystemExit\(0\): code that the study runs .* called sys\.exit"
    ):
        lossearch.search(X, Y, **QUICK, confirm_seeds=0, mlflow=False, store=store, listener=Leaves(1, leave))


def test_a_loss_that_ends_the_process_is_told(store):
    @lossearch.loss(task="binary", encoding="zero_one", domain="unit", source="a test")
    def leaves(output, target):
        leave()

    with pytest.raises(RunFailedError, match=r"SystemExit\(0\)"):
        lossearch.search(X, Y, **{**QUICK, "losses": [leaves], "trials": 20}, mlflow=False, store=store)


MODULE = """
import os, signal
import numpy as np
from torch import nn

def trip(place):
    if os.environ.get("TRIP") == place:
        os.environ["TRIP"] = ""
        os.kill(os.getpid(), getattr(signal, os.environ["TRIP_SIGNAL"]))

def data():
    trip("data")
    x = np.random.default_rng(0).normal(size=(80, 3))
    return x, (x[:, 0] > 0).astype(int)

class Net(nn.Sequential):
    def __init__(self, n_in, n_out):
        trip("built")
        super().__init__(nn.Linear(n_in, n_out))

    def forward(self, x):
        trip("training" if self.training else "scoring")
        return super().forward(x)

def network(n_in, n_out):
    return Net(n_in, n_out)
"""
ARGUMENTS = [
    "run", "--data", "trips.py:data", "--model", "trips.py:network", "--losses", "bce", "--trials", "5", "--seeds", "1",
    "--epochs", "2", "--confirm-seeds", "2", "--workers", "1", "--name", "study", "--no-mlflow",
]  # fmt: skip


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("place", ["data", "built", "training", "scoring"])
def test_a_command_ends_with_the_signals_code_wherever_it_comes(place, number, tmp_path, monkeypatch, capsys):
    (tmp_path / "trips.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "lossearch_file_trips", raising=False)
    monkeypatch.setenv("TRIP", place)
    monkeypatch.setenv("TRIP_SIGNAL", number.name)
    assert invoke(ARGUMENTS) == SIGNALS[number]
    assert "Interrupted" in capsys.readouterr().err
    assert signal.getsignal(number) is signal.SIG_DFL
    assert invoke(ARGUMENTS) == 0
    assert len(lossearch.load("study", "mlruns").trials) == 5


def test_what_others_handle_or_ignore_is_left_to_them():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with ended_by_signals():
            os.kill(os.getpid(), signal.SIGHUP)
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_second_signal_does_not_disturb_what_the_first_closes():
    closed = []

    def closing():
        with ended_by_signals():
            try:
                os.kill(os.getpid(), signal.SIGTERM)
            finally:
                os.kill(os.getpid(), signal.SIGHUP)
                closed.append(True)

    with pytest.raises(SignalledError, match="SIGTERM"):
        closing()
    assert closed == [True]


class Finalised:
    """Is ended by a signal in its finaliser, where Python drops the exception."""

    def __init__(self, number):
        self.number = number

    def __del__(self):
        os.kill(os.getpid(), self.number)
        sum(range(1000))


@pytest.mark.parametrize("number", [signal.SIGINT, *SIGNALS])
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_signal_that_comes_in_a_finaliser_is_not_lost(number):
    before = sys.unraisablehook

    def work():
        with ended_by_signals():
            Finalised(number)
            time.sleep(5)

    with pytest.raises(KeyboardInterrupt) as caught:
        work()
    assert getattr(caught.value, "number", signal.SIGINT) == number
    assert sys.unraisablehook is before


def test_a_signal_in_a_finaliser_ends_a_search_too(trips, store):
    trips(20, lambda: Finalised(signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        lossearch.search(
            X, Y, **{**QUICK, "trials": 200}, confirm_seeds=0, mlflow=False, store=store, model=Trips
        )


def test_what_else_is_lost_in_a_finaliser_is_told_as_ever():
    told = []

    class Fails:
        def __del__(self):
            raise ValueError

    before, sys.unraisablehook = sys.unraisablehook, told.append
    try:
        with interrupts_heard():
            Fails()
    finally:
        sys.unraisablehook = before
    assert [found.exc_type for found in told] == [ValueError]


@pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="a POSIX system's")
def test_ctrl_c_within_code_made_of_text_ends_with_its_code_too(tmp_path):
    code = (
        "import os, signal, sys\n"
        "import lossearch.cli as cli\n"
        "def losses(**_): exec('import os, signal, time; os.kill(os.getpid(), signal.SIGINT); time.sleep(5)')\n"
        "cli.commands.commands['losses'].callback = losses\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "sys.argv = ['lossearch', 'losses']\n"
        "cli.main()\n"
    )
    (tmp_path / "asks.py").write_text(code)
    # run by -m: there Python settles its exit code after sys.exit was called
    done = subprocess.run(
        [sys.executable, "-m", "asks"], check=False, capture_output=True, text=True, timeout=60, cwd=tmp_path
    )
    assert done.returncode == 130
    assert "Interrupted" in done.stderr


def started(place: Path, *more: str) -> subprocess.Popen[str]:
    command = [
        sys.executable, "-m", "lossearch", "run", "--data", "circles", "--losses", "bce,mse", "--trials", "30", "--seeds",
        "2", "--epochs", "30", "--confirm-seeds", "8", "--name", "study", *more,
    ]  # fmt: skip
    return subprocess.Popen(command, cwd=place, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "sign"),
    [(signal.SIGTERM, "metric accuracy"), (signal.SIGHUP, "["), (signal.SIGTERM, "Confirming")],
)
def test_a_process_killed_at_several_moments_ends_with_its_code_and_resumes(number, sign, tmp_path):
    process = started(tmp_path, "--no-mlflow")
    code, rest = ended_by(process, number, sign, after=0.05)
    assert code == SIGNALS[number], rest
    assert "Traceback" not in rest
    again = started(tmp_path, "--no-mlflow")
    output, errors = again.communicate(timeout=300)
    assert again.returncode == 0, errors
    assert "bce/sigmoid" in output


@pytest.mark.slow
def test_a_script_that_sigterm_meets_in_training_does_not_end_with_0(tmp_path):
    code = (
        "import numpy as np, lossearch\n"
        "x = np.random.default_rng(0).normal(size=(400, 3))\n"
        "lossearch.search(x, (x[:, 0] > 0).astype(int), losses=['bce'], trials=40, seeds=3, epochs=200, mlflow=False)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    ended, rest = ended_by(process, signal.SIGTERM, "[")
    assert ended in (1, -signal.SIGTERM)
    assert ended == -signal.SIGTERM or "TerminatedError: SIGTERM asked the process to end" in rest
