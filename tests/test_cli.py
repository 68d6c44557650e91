"""The command line: what it imports, what it writes where, and how it ends."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import pytest
from contracts.records import example_study_record
from processes import ended_by
from rich.console import Console

from lossearch import cli
from lossearch._json import to_jsonable
from lossearch._text import duration
from lossearch.api.progress import LiveDisplay, PlainDisplay, describe, display
from lossearch.cli.output import table
from lossearch.cli.run import configure, fresh_name
from lossearch.config import make_config
from lossearch.errors import InputError, RunFailedError
from lossearch.kinds import KINDS
from lossearch.records.store import Store
from lossearch.records.trial import TrialRecord
from lossearch.space import Point
from lossearch.training.contract import Outcome

COMMANDS = list(cli.commands.commands)


@dataclass
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str


@pytest.fixture
def lossearch(capfd):
    """Run a command in this process."""

    def run(*arguments: str) -> Ended:
        code = cli.invoke(arguments)
        out, err = capfd.readouterr()
        return Ended(code, out, err)

    return run


def process(*arguments: str, **kwargs) -> subprocess.CompletedProcess[str]:
    """Run a command in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "lossearch", *arguments],
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
        **kwargs,
    )


def record(number: int, value: float | None = 0.5, pair: str = "bce/sigmoid") -> TrialRecord:
    outcome = Outcome.FAILED if value is None else Outcome.COMPLETED
    return TrialRecord(number, "search", Point(pair, 0.01), "zero_one", (1, 2), outcome, value, None)


# --- light and quick

HEAVY = {
    "torch",
    "mlflow",
    "optuna",
    "pandas",
    "pytorch_lightning",
    "sklearn",
    "matplotlib",
    "pydantic",
    "rich",
}


@pytest.mark.parametrize(
    "arguments", [["--help"], ["--version"], *([c, "--help"] for c in COMMANDS)], ids=" ".join
)
def test_help_and_version_import_nothing_heavy(arguments):
    code = (
        "import sys; from lossearch.cli import invoke; "
        f"code = invoke({arguments!r}); print('modules:', *sys.modules, file=sys.stderr); sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60
    )
    loaded = {name.split(".")[0] for name in done.stderr.partition("modules:")[2].split()}
    assert "click" in loaded
    tables = {"pydantic"} if arguments[0] == "run" else set()  # its options are those of the study file
    assert not loaded & (HEAVY - tables)


def test_help_and_version_are_quick():
    for arguments in (["--help"], ["--version"]):
        took = []
        for _ in range(3):
            begun = time.perf_counter()
            process(*arguments)
            took.append(time.perf_counter() - begun)
        assert min(took) < 0.5


def test_the_version_is_the_packages(lossearch):
    from importlib.metadata import version

    assert lossearch("--version") == Ended(0, f"lossearch {version('lossearch')}\n", "")


# --- wrong input: one message, the right code, no traceback


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["rnu"], f"No command named 'rnu'. Did you mean 'run'? Known: {', '.join(COMMANDS)}."),
        (
            ["run"],
            (
                "Nothing to run. Name a study file (lossearch run studies/tutorial_circles.toml) "
                "or data (lossearch run --data FILE.csv --target COLUMN)."
            ),
        ),
        (["run", "nowhere/x.toml"], "No study file 'nowhere/x.toml'."),
        (
            ["run", "churn.csv"],
            "'churn.csv' is data, not a study file. Write: lossearch run --data churn.csv --target COLUMN",
        ),
        (["run", "--data", "circles", "--seeds", "0"], "[budget] seeds must be at least 1; got 0."),
        (["run", "--data", "circles", "--lr", "0"], "[space] lr must be above 0; got 0.0."),
        (
            ["run", "--data", "circles", "--lr", "1:0.1"],
            "[space] lr must go from low to high; got [1.0, 0.1].",
        ),
        (
            ["run", "--data", "circles", "--set", "epochz=3"],
            None,
        ),
    ],
)
def test_wrong_input_is_one_message_and_code_2(lossearch, arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "stdin", StringIO())
    ended = lossearch(*arguments)
    assert ended.code == 2
    assert ended.out == ""
    assert "Traceback" not in ended.err
    if message is not None:
        assert ended.err.splitlines()[-1] == f"Error: {message}"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "--lr", "a:b"], "'a:b' is neither a number nor LOW:HIGH, as in 1e-3:1."),
        (["run", "--lr", "1:2:3"], "'1:2:3' is neither a number nor LOW:HIGH, as in 1e-3:1."),
        (["run", "--set", "epochs"], "'epochs' is not of the form key=value, as in train.epochs=100."),
        (["run", "--trials", "many"], "'many' is not a valid integer."),
        (["run", "--epoch", "3"], "'3' is not one of 'best', 'last'. Did you mean --epochs 3?"),
        (["run", "--epoch", "x"], "'x' is not one of 'best', 'last'."),
        (["run", "--mode", "3"], "'3' is not one of 'equal', 'adaptive'."),
        (["losses", "x"], f"'x' is not one of {', '.join(map(repr, KINDS))}."),
        (["metrics", "x"], f"'x' is not one of {', '.join(map(repr, KINDS))}."),
        (["losses", "--task", "x"], f"'x' is not one of {', '.join(map(repr, KINDS))}."),
    ],
)
def test_a_wrong_option_says_so_and_how_to_get_help(lossearch, arguments, message):
    ended = lossearch(*arguments)
    assert ended.code == 2
    assert ended.err.endswith(f"{message}\n")
    assert "--help' for help." in ended.err


@pytest.mark.parametrize("command", ["losses", "metrics"])
def test_a_kind_of_task_is_named_with_or_without_its_option(lossearch, command):
    named = lossearch(command, "--task", "ordinal", "--format", "json")
    assert named.code == 0
    assert lossearch(command, "ordinal", "--format", "json") == named
    assert lossearch(command, "ordinal", "--task", "ordinal", "--format", "json") == named
    assert lossearch(command, "--format", "json") != named
    two = lossearch(command, "ordinal", "--task", "binary")
    assert (two.code, two.err) == (2, "Error: Two kinds of task: ordinal and binary. Name one.\n")


@pytest.fixture
def three(tmp_path, monkeypatch):
    """A store with the studies a, b and c in the directory that a command is run in."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "stdin", StringIO())
    opened = Store.open("mlruns")
    for name in "abc":
        opened.write_study(example_study_record(name))
    return opened


@pytest.mark.parametrize("words", [["x"], ["x", "--yes"], ["a", "x"], ["a", "x", "--yes"]], ids=" ".join)
def test_what_is_not_there_is_told_before_anything_is_asked_or_removed(lossearch, three, words):
    ended = lossearch("rm", *words)
    assert ended.code == 2
    assert ended.out == ""
    assert ended.err.startswith("Error: No study named 'x'.")
    assert set(three.studies()) == {"a", "b", "c"}


def test_several_studies_are_removed_at_once_each_once(lossearch, three):
    ended = lossearch("rm", "a", "c")
    assert (ended.code, ended.err) == (2, "Error: Nobody to ask whether to remove 'a', 'c'; say --yes.\n")
    assert set(three.studies()) == {"a", "b", "c"}
    ended = lossearch("rm", "a", "c", "a", "--yes")
    assert (ended.code, ended.out) == (0, "Removed a.\nRemoved c.\n")
    assert set(three.studies()) == {"b"}


def failing(monkeypatch, error: BaseException) -> None:
    def callback(**_: object) -> None:
        raise error

    monkeypatch.setattr(cli.commands.commands["losses"], "callback", callback)


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (InputError("No such thing."), 2, "Error: No such thing.\n"),
        (RunFailedError("All trials failed."), 1, "Error: All trials failed.\n"),
        (
            ZeroDivisionError("oh"),
            1,
            "Error: ZeroDivisionError: oh\nThis was not expected. Run again with --debug for the traceback.\n",
        ),
        (KeyboardInterrupt(), 130, "\nInterrupted.\n"),
    ],
)
def test_every_way_to_fail_has_its_code_and_one_message(lossearch, monkeypatch, error, code, message):
    failing(monkeypatch, error)
    assert lossearch("losses") == Ended(code, "", message)


def test_debug_adds_the_traceback(lossearch, monkeypatch):
    failing(monkeypatch, ZeroDivisionError("oh"))
    ended = lossearch("losses", "--debug")
    assert ended.code == 1
    assert ended.err.startswith("Traceback")
    assert ended.err.endswith("Error: ZeroDivisionError: oh\n")


def test_telemetry_is_off_unless_the_user_has_decided(lossearch, monkeypatch):
    seen = []
    monkeypatch.setattr(
        cli.commands.commands["losses"],
        "callback",
        lambda **_: seen.append(os.environ["MLFLOW_DISABLE_TELEMETRY"]),
    )
    monkeypatch.delenv("MLFLOW_DISABLE_TELEMETRY")
    lossearch("losses")
    assert "MLFLOW_DISABLE_TELEMETRY" not in os.environ
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "false")
    lossearch("losses")
    assert seen == ["true", "false"]
    assert os.environ["MLFLOW_DISABLE_TELEMETRY"] == "false"


@pytest.mark.parametrize(("how", "read"), [("json", "["), ("table", "a")])
def test_a_reader_that_leaves_is_no_error(how, read):
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {sys.executable} -m lossearch losses --format {how} | head -c 1"],
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, read, "")


# --- losses


def test_losses_lists_the_whole_catalogue(lossearch):
    from lossearch.losses import losses_for

    rows = json.loads(lossearch("losses", "--format", "json").out)
    assert [(r["kind"], r["name"]) for r in rows] == [(k, n) for k in KINDS for n in losses_for(k)]
    text = lossearch("losses", "--task", "binary").out
    for name, loss in losses_for("binary").items():
        assert name in text
        assert loss.source.split(";")[0].split()[0] in text


def test_metrics_lists_all_that_can_judge_each_kind(lossearch):
    from lossearch.metrics.registry import EVERY_METRIC, find_metric

    rows = json.loads(lossearch("metrics", "--format", "json").out)
    assert {(r["kind"], r["name"]) for r in rows} == {(k, m.name) for m in EVERY_METRIC for k in m.kinds}
    for row in rows:
        for name in (row["name"], *row["aliases"]):
            assert find_metric(name, row["kind"]).name == row["name"]
        assert row["judges"]
    text = lossearch("metrics", "--task", "binary").out
    for row in rows:
        if row["kind"] == "binary":
            shown = f"({row['name']})" if row["on_request"] else row["name"]
            assert re.search(rf"^{re.escape(shown)} ", text, re.MULTILINE)


# --- completion


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("report c", ["circles"]),
        ("report --store elsewhere m", ["moons"]),
        ("compare circles d", ["digits"]),
        ("met", ["metrics"]),
        ("run --losses bce,focal_t", ["bce,focal_tversky"]),
        ("run --metric balanced", ["balanced_accuracy"]),
        ("run --task regression --losses squared_h", []),
    ],
)
def test_a_shell_is_offered_what_may_follow(words, offered, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    for place in ("mlruns/studies/circles", "mlruns/studies/digits", "elsewhere/studies/moons"):
        (tmp_path / place).mkdir(parents=True)
        (tmp_path / place / "study.json").touch()
    monkeypatch.setenv("_LOSSEARCH_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", f"lossearch {words}")
    monkeypatch.setenv("COMP_CWORD", str(len(words.split())))
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 0
    assert capfd.readouterr().out.split() == [f"plain,{word}" for word in offered]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_reads_what_completion_prints(lossearch, shell):
    said = lossearch("completion", shell).out
    assert "_LOSSEARCH_COMPLETE" in said
    if shutil.which(shell):
        done = subprocess.run([shell, "-n"], input=said, text=True, capture_output=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")


# --- from options to a study


def test_options_go_before_the_file_and_settings_before_both(tmp_path):
    file = tmp_path / "a.toml"
    file.write_text('[task]\ndata = "circles"\n[budget]\nseeds = 3\ntrials = 50\n[train]\nepochs = 9\n')
    found = configure(
        str(file),
        {"budget.seeds": 4, "space.lr": (1e-3, 1.0), "space.losses": "bce, hinge", "records.mlflow": False},
        (("seeds", "6"), ("train.options.momentum", "0.9")),
    )
    assert (found.budget.seeds, found.budget.trials, found.train.epochs) == (6, 50, 9)
    assert found.space.lr == (1e-3, 1.0)
    assert found.space.losses == ("bce", "hinge")
    assert found.train.options == {"momentum": 0.9}
    assert found.records.mlflow is False
    assert found.name == "a"


def test_losses_asked_for_take_the_place_of_the_files_pairs(tmp_path):
    file = tmp_path / "a.toml"
    file.write_text('[task]\ndata = "circles"\n[space]\npairs = ["hinge/tanh"]\n')
    assert configure(str(file), {"space.losses": "bce"}).space.pairs is None
    assert configure(str(file), {}).space.pairs == ("hinge/tanh",)


def test_a_study_on_other_data_is_named_after_them(tmp_path):
    file = tmp_path / "a.toml"
    file.write_text('[task]\ndata = "circles"\n')
    assert configure(str(file), {"task.data": "moons"}).name == "moons"
    assert configure(str(file), {"task.data": "moons", "records.name": "b"}).name == "b"
    assert configure(None, {"task.data": "x/churn.csv"}).name == "churn"


def test_a_fresh_study_takes_the_next_free_name():
    assert fresh_name("a", ()) == "a"
    assert fresh_name("a", {"a"}) == "a-2"
    assert fresh_name("a", {"a", "a-2"}) == "a-3"


# --- output


def test_json_holds_what_it_can():
    import numpy as np

    given = {
        "a": float("nan"),
        "b": np.float64(1.5),
        "c": (1, True, None),
        "d": np.arange(2),
        "e": Path("x"),
        3: "é",
    }
    assert to_jsonable(given) == {"a": None, "b": 1.5, "c": [1, True, None], "d": [0, 1], "e": "x", "3": "é"}


def test_a_table_shows_text_as_it_is():
    out = StringIO()
    Console(file=out, width=80, markup=False).print(
        table([{"name": "[train]", "n": 1.5, "of": ["a", "b"], "ok": True}])
    )
    assert [line.split() for line in out.getvalue().splitlines()] == [
        ["name", "n", "of", "ok"],
        ["[train]", "1.5", "a,", "b", "yes"],
    ]


# --- progress


def plain_display(total: int, resumed: int = 0, *, every: bool = False) -> list[str]:
    out = StringIO()
    now = iter(range(10_000))
    shown = PlainDisplay(Console(file=out, width=160), every=every, clock=lambda: next(now) * 1.0)
    with shown:
        shown.note("metric accuracy [train] :smile:")
        shown.started(total, resumed)
        for n in range(resumed, total):
            shown.trial_done(record(n), n + 1, total, record(0, 0.9), 1)
        shown.finished("all trials done")
    return out.getvalue().splitlines()


@pytest.mark.parametrize(("total", "most"), [(1, 4), (20, 23), (30, 40), (64, 40), (1000, 40)])
def test_plain_progress_is_a_few_lines_with_the_last_trial_among_them(total, most):
    lines = plain_display(total)
    assert len(lines) <= most
    assert lines[0] == "metric accuracy [train] :smile:"
    assert lines[1] == f"{total} trials"
    assert lines[-2] == f"[{total}/{total}] best so far bce/sigmoid 0.9 (lr 0.01), 1 diverged or failed"
    assert lines[-1].startswith("All trials done after ")


def test_of_trials_that_arrive_together_the_first_and_the_last_are_told():
    out, now = StringIO(), [0.0]
    shown = PlainDisplay(Console(file=out, width=160), clock=lambda: now[0])
    shown.started(40, 0)
    for n in range(40):
        now[0] += 5.0 if n in (10, 20) else 0.01
        shown.trial_done(record(n), n + 1, 40, None, 0)
    assert out.getvalue().splitlines() == ["40 trials", "[2/40]", "[12/40]", "[22/40]", "[40/40]"]


def test_verbose_progress_tells_of_every_trial():
    lines = plain_display(30, every=True)
    assert sum("trial " in line and "bce/sigmoid lr 0.01: 0.5 completed" in line for line in lines) == 30


def test_time_left_goes_down_between_what_is_told_of_it():
    out, now = StringIO(), [0.0]
    shown = PlainDisplay(Console(file=out, width=160), clock=lambda: now[0])
    shown.started(30, 20)
    now[0] = 5.0
    shown.time_left(95.0)
    now[0] = 10.0
    shown.trial_done(record(20), 21, 30, None, 0)
    assert out.getvalue().splitlines() == [
        "30 trials, 20 of them done before",
        "[21/30] about 1 min 30 s left",
    ]


def test_a_long_training_is_not_silent_and_says_what_is_done():
    out, now = StringIO(), [0.0]
    shown = PlainDisplay(Console(file=out, width=160), clock=lambda: now[0])
    shown.doing("Reading the data")
    shown.started(30, 0)
    for second in range(1, 25):
        now[0] = float(second)
        shown.time_left(60.0 - second)
    shown.trial_done(record(30), 30, 30, None, 0)
    shown.doing("Confirming")
    now[0] = 40.0
    shown.time_left(20.0)
    assert out.getvalue().splitlines() == [
        "Reading the data ...",
        "30 trials",
        "[0/30] training, about 49 s left",
        "[0/30] training, about 38 s left",
        "[30/30]",
        "Confirming ...",
        "Confirming, about 20 s left",
    ]


def test_a_longer_study_than_foretold_is_followed():
    out = StringIO()
    shown = PlainDisplay(Console(file=out, width=160))
    shown.started(20, 0)
    for n in range(400):
        shown.trial_done(record(n), n + 1, 20 if n < 10 else 400, None, 0)
    assert len(out.getvalue().splitlines()) < 60
    assert "[400/400]" in out.getvalue()


def test_the_live_bar_shows_the_same_and_leaves_the_notes():
    out = StringIO()
    console = Console(file=out, width=120, force_terminal=True, markup=False)
    shown = display(console)
    assert isinstance(shown, LiveDisplay)
    with shown:
        shown.note("metric accuracy [train]")
        shown.doing("Reading the data")
        shown._live.refresh()
        shown.started(10, 4)
        shown.time_left(100.0)
        for found in (record(0, 0.75), record(1, 0.5, "mse/sigmoid"), record(2, 0.625, "hinge/tanh")):
            shown.improved(found)
        shown.trial_done(record(4, None), 5, 10, record(0, 0.75), 1)
        shown._live.refresh()
        shown.finished("time is up")
    text = out.getvalue()
    assert "metric accuracy [train]" in text
    assert "5/10 trials" in text
    assert "Reading the data ..." in text
    assert "Searching ..." in text
    assert "about 1 min 40 s left" in text
    assert "best so far bce/sigmoid 0.75 (lr 0.01), 1 diverged or failed" in text
    assert "Time is up after 0 s." in text
    rows = [line.split()[:3] for line in text.splitlines() if line.startswith("  ") and "0.01" in line]
    assert rows[-3:] == [
        ["bce/sigmoid", "0.75", "0.01"],
        ["hinge/tanh", "0.625", "0.01"],
        ["mse/sigmoid", "0.5", "0.01"],
    ]
    assert shown.so_far == "5 of 10 trials done, best so far bce/sigmoid 0.75 (lr 0.01), 1 diverged or failed"


def test_where_there_is_no_terminal_progress_is_plain():
    assert isinstance(display(Console(file=StringIO())), PlainDisplay)


def test_words():
    assert describe(None, 0, None) == ""
    assert [duration(s) for s in (-1, 59.4, 60, 3599, 7500)] == [
        "0 s",
        "59 s",
        "1 min 0 s",
        "59 min 59 s",
        "2 h 5 min",
    ]


# --- whole runs

SMALL = [
    "--data",
    "circles",
    "--losses",
    "bce,hinge",
    "--activations",
    "sigmoid,identity",
    "--trials",
    "10",
    "--seeds",
    "2",
    "--epochs",
    "2",
    "--lr",
    "1e-3:1",
]


@pytest.mark.slow
def test_a_study_from_first_run_to_removal(tmp_path, monkeypatch, lossearch):
    environment = {k: v for k, v in os.environ.items() if not k.startswith("MLFLOW")}
    first = process("run", *SMALL, "--format", "json", cwd=tmp_path, env=environment)
    assert first.returncode == 0, first.stderr
    answer = json.loads(first.stdout)
    assert {row["pair"] for row in answer["leaderboard"]} == {"bce/sigmoid", "hinge/identity"}
    assert len(first.stderr.splitlines()) < 60
    assert sorted(p.name for p in tmp_path.iterdir()) == ["mlruns"]

    monkeypatch.chdir(tmp_path)
    reported = lossearch("report", "circles", "--format", "json")
    assert json.loads(reported.out)["leaderboard"] == answer["leaderboard"]
    assert [row["name"] for row in json.loads(lossearch("ls", "--format", "json").out)] == ["circles"]
    assert lossearch("sync", "circles").code == 0
    again = lossearch("run", *SMALL)
    assert again.code == 0
    assert "done before" in again.err
    assert "bce/sigmoid" in again.out

    changed = lossearch("run", *SMALL, "--epochs", "3")
    assert changed.code == 2
    assert "epochs: 2 -> 3" in changed.err
    fresh = lossearch("run", *SMALL, "--epochs", "3", "--fresh", "--no-mlflow", "--quiet")
    assert (fresh.code, fresh.err) == (0, "")
    names = [row["name"] for row in json.loads(lossearch("ls", "--format", "json").out)]
    assert names == ["circles", "circles-2"]
    assert lossearch("rm", "circles-2", "--yes").code == 0
    assert lossearch("report", "circles-2").code == 2


@pytest.mark.slow
def test_a_dry_run_writes_nothing(tmp_path):
    done = process("run", *SMALL, "--dry-run", "--format", "json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["trials"] == 10
    assert told["replicates"] == 20
    assert {"bce/identity", "hinge/sigmoid"} <= {r["name"] for r in told["rejections"]}
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_run_interrupted_ends_with_130_and_goes_on_later(tmp_path):
    long = [*SMALL, "--epochs", "40"]
    running = subprocess.Popen(
        [sys.executable, "-m", "lossearch", "run", *long], cwd=tmp_path, stderr=subprocess.PIPE, text=True
    )
    code, rest = ended_by(running, signal.SIGINT, "[1/")
    assert code == 130
    assert "Interrupted (" in rest
    assert "the same command again continues." in rest
    assert "Traceback" not in rest
    again = process("run", *long, cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert "of them done before" in again.stderr


@pytest.mark.slow
def test_a_loss_is_checked_and_a_bad_one_fails(tmp_path):
    (tmp_path / "mine.py").write_text(
        "import lossearch\n"
        '@lossearch.loss(task="binary", encoding="plus_minus_one", domain="real", source="x", example=(0.5, 1.0, 0.5))\n'
        "def good(output, target):\n"
        '    """max(0, 1 - s f)"""\n'
        "    return (1 - output * target).clamp(min=0)\n"
        '@lossearch.loss(task="binary", encoding="plus_minus_one", domain="real", source="x", example=(0.5, 1.0, 0.7))\n'
        "def bad(output, target):\n"
        '    """wrong example"""\n'
        "    return (1 - output * target).clamp(min=0)\n"
        "def plain(output, target):\n"
        "    return output - target\n"
    )
    assert process("check", "mine:good", cwd=tmp_path).returncode == 0
    assert process("check", "mine:bad", cwd=tmp_path).returncode == 1
    undeclared = process("check", "mine:plain", cwd=tmp_path)
    assert undeclared.returncode == 1
    assert "mine:plain is not declared: checked as a loss for" in undeclared.stdout
    assert process("check", "mine:godo", cwd=tmp_path).returncode == 2


@pytest.mark.slow
def test_data_from_a_file_need_only_a_target(tmp_path):
    from sklearn.datasets import load_iris

    frame = load_iris(as_frame=True).frame
    frame.to_csv(tmp_path / "flowers.csv", index=False)
    done = process(
        "run", "--data", "flowers.csv", "--target", "target", "--dry-run", "--format", "json", cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["name"] == "flowers"
    assert make_config({"task": {"data": "flowers.csv"}}).name == "flowers"
