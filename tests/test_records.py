"""Records come back as they were written, from every storage, after any kill."""

from __future__ import annotations

import contextlib
import json
import math
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from enum import StrEnum
from pathlib import Path

import numpy as np
import optuna
import pytest
import torch
from contracts.records import (
    RecordContract,
    ended,
    example_record,
    example_results,
    example_study,
    tell,
)
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from postgres import postgres

from lossearch._json import dumps, replacing, to_jsonable, write_json
from lossearch.errors import InputError, StoreError
from lossearch.records import Store
from lossearch.records.curve_files import compact
from lossearch.records.curves import (
    mean_curves,
    mean_curves_of,
    read_curves,
    write_part,
)
from lossearch.records.environment import git_revision, versions
from lossearch.records.optuna import open_storage
from lossearch.records.trial import from_frozen, to_attrs
from lossearch.training.contract import Outcome

optuna.logging.set_verbosity(optuna.logging.WARNING)
FORK = multiprocessing.get_context("fork")


@pytest.fixture(scope="session")
def made_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with its MLflow database; making one takes a second or two."""
    from lossearch.records.mlflow.client import connect

    root = tmp_path_factory.mktemp("made") / "store"
    store = Store.open(root)
    connect(store, store.tracking_uri)
    return root


class OnSqlite(RecordContract):
    @pytest.fixture
    def store(self, tmp_path: Path, made_store: Path) -> Store:
        return Store.open(shutil.copytree(made_store, tmp_path / "a store #1 ü"))


class TestJournal(OnSqlite):
    pass


class TestSqlite(OnSqlite):
    @pytest.fixture
    def storage_url(self, tmp_path: Path) -> str:
        return f"sqlite:///{tmp_path}/optuna.db"


@pytest.fixture(scope="module")
def postgres_url() -> Iterator[str]:
    # not below pytest's own directory, which the server's account may not enter
    with tempfile.TemporaryDirectory() as folder, postgres(Path(folder)) as server:
        yield server.url()


@pytest.mark.slow
class TestPostgres(OnSqlite):
    @pytest.fixture
    def storage_url(self, postgres_url: str) -> str:
        return postgres_url


@pytest.mark.slow
class TestHttp(OnSqlite):
    @pytest.fixture
    def uri(self, server_url: str) -> str:
        return server_url

    @pytest.fixture
    def name(self, request: pytest.FixtureRequest) -> str:
        return request.node.name[:80]


# plain values


class Colour(StrEnum):
    RED = "red"


@given(
    npst.arrays(
        st.one_of(
            npst.integer_dtypes(),
            npst.unsigned_integer_dtypes(),
            npst.floating_dtypes(),
            npst.boolean_dtypes(),
        ),
        npst.array_shapes(min_dims=0, max_dims=2, max_side=3),
    )
)
def test_numpy_becomes_strict_json(array: np.ndarray) -> None:
    expected = array.astype(np.float64 if array.dtype.kind == "f" else object).tolist()
    plain = json.loads(json.dumps(to_jsonable(array), allow_nan=False))
    assert plain == json.loads(json.dumps(expected), parse_constant=lambda _: None)
    for scalar in array.ravel():
        one = to_jsonable(scalar)
        assert type(one) in {int, float, bool, type(None)}
        assert one == scalar.item() if one is not None else not np.isfinite(scalar)


@given(
    st.sampled_from([torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.int64, torch.bool]),
    st.lists(st.floats(width=16), max_size=3),
)
def test_torch_becomes_strict_json(dtype: torch.dtype, values: list[float]) -> None:
    if not dtype.is_floating_point:
        values = [v if math.isfinite(v) else 0.0 for v in values]
    tensor = torch.tensor(values).to(dtype)
    plain = json.loads(json.dumps(to_jsonable(tensor), allow_nan=False))
    assert plain == [v if math.isfinite(v) else None for v in tensor.tolist()]
    assert all(to_jsonable(scalar) == value for scalar, value in zip(tensor, plain, strict=True))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(JSON)
def test_plain_values_stay_as_they_are(value: object) -> None:
    assert json.loads(dumps(value)) == value


def test_other_values_have_their_plain_form() -> None:
    value = {
        Colour.RED: {3, 1},
        1: (np.float32(0.5), np.str_("a")),
        "when": [datetime(2026, 1, 2, 3, tzinfo=UTC), date(2026, 1, 2)],
        "where": Path("a/b"),
        "dtype": torch.float32,
        "not": [math.nan, math.inf, np.longdouble("nan")],
        "point": example_record(0).point.own,
    }
    assert to_jsonable(value) == {
        "red": [1, 3],
        "1": [0.5, "a"],
        "when": ["2026-01-02T03:00:00+00:00", "2026-01-02"],
        "where": "a/b",
        "dtype": "torch.float32",
        "not": [None, None, None],
        "point": [],
    }


@pytest.mark.parametrize("value", [object(), 1j, np.complex64(1j), b"x", len])
def test_what_has_no_plain_form_is_refused(value: object) -> None:
    with pytest.raises(InputError, match=rf"^A {type(value).__name__} cannot be recorded: "):
        to_jsonable({"a": [value]})


def test_keys_that_fall_together_are_refused() -> None:
    with pytest.raises(InputError) as error:
        to_jsonable({1: "a", "1": "b"})
    assert str(error.value) == "Two keys of a mapping are both '1' in JSON. Rename one of them."


def test_a_file_is_whole_or_as_before(tmp_path: Path) -> None:
    path = write_json(tmp_path / "deep" / "a.json", {"a": 1})
    with pytest.raises(FileNotFoundError), replacing(path) as temporary:
        temporary.with_name("nowhere").rename(temporary)
    assert json.loads(path.read_text()) == {"a": 1}
    assert [p.name for p in path.parent.iterdir()] == ["a.json"]


# trials


def test_numpy_in_a_record_does_not_fail_the_trial(tmp_path: Path) -> None:
    record = example_record(0)
    scores = {
        "val_accuracy": np.float32(0.5),
        "val_f1": torch.tensor(0.25),
        "val_log_loss": np.float64("inf"),
    }
    study = optuna.create_study(storage=open_storage(Store.open(tmp_path), "a"))
    trial = study.ask()
    for key, value in to_attrs(replace(record, scores=scores, n_diverged=np.int64(1))).items():
        trial.set_user_attr(key, value)
    study.tell(trial, record.value)
    found = from_frozen(study.trials[0])
    assert found.scores == {"val_accuracy": 0.5, "val_f1": 0.25}
    assert found.n_diverged == 1


def test_a_foreign_trial_is_refused() -> None:
    study = optuna.create_study()
    study.tell(study.ask(), 1.0)
    with pytest.raises(StoreError) as error:
        from_frozen(study.trials[0])
    assert str(error.value) == (
        "Trial 0 has no recorded point: something other than lossearch wrote it. "
        "Use a study name, or a storage, of its own for each."
    )


def test_a_running_trial_has_no_record() -> None:
    study = optuna.create_study()
    study.ask()
    with pytest.raises(StoreError) as error:
        from_frozen(study.trials[0])
    assert str(error.value) == "Trial 0 is RUNNING; only a finished trial has a record."


# storage


def _make(folder: Path, url: str | None) -> None:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    store = Store.open(folder)
    study = optuna.create_study(storage=open_storage(store, "a", url), study_name="a", load_if_exists=True)
    for _ in range(5):
        trial = study.ask({"x": optuna.distributions.FloatDistribution(0, 1)})
        trial.set_user_attr("pid", os.getpid())
        study.tell(trial, trial.params["x"])


@pytest.mark.slow
@pytest.mark.parametrize("sql", [False, True])
@pytest.mark.parametrize("repeat", range(2))
def test_four_processes_make_one_fresh_storage(tmp_path: Path, sql: bool, repeat: int) -> None:
    url = f"sqlite:///{tmp_path}/fresh.db" if sql else None
    workers = [FORK.Process(target=_make, args=(tmp_path / "store", url)) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [w.exitcode for w in workers] == [0, 0, 0, 0]
    study = optuna.load_study(storage=open_storage(Store.open(tmp_path / "store"), "a", url), study_name="a")
    assert sorted(t.number for t in study.trials) == list(range(20))
    assert len({t.user_attrs["pid"] for t in study.trials}) == 4


def test_a_torn_last_line_is_cut(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    study = optuna.create_study(storage=open_storage(store, "a"), study_name="a")
    study.tell(study.ask(), 0.5)
    journal = store.study_dir("a") / "optuna.journal"
    whole = journal.read_bytes()
    journal.write_bytes(whole + b'{"op_code": 4, "work')
    again = optuna.load_study(storage=open_storage(store, "a"), study_name="a")
    again.tell(again.ask(), 0.25)
    assert journal.read_bytes().startswith(whole)
    assert [t.value for t in optuna.load_study(storage=open_storage(store, "a"), study_name="a").trials] == [
        0.5,
        0.25,
    ]


def test_a_damaged_journal_is_one_sentence(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    journal = store.study_dir("a") / "optuna.journal"
    journal.parent.mkdir(parents=True)
    journal.write_text("not json\nnor this\n")
    with pytest.raises(StoreError) as error:
        open_storage(store, "a")
    assert str(error.value) == (
        f"{journal} is damaged: Expecting value: line 1 column 1 (char 0). It holds trials; the confirmation and its verdict "
        f"are other files. lossearch.api.repair('a', {str(tmp_path)!r}) makes again what can be and keeps what is damaged beside it."
    )


def test_a_killed_writer_does_not_hold_the_journal(tmp_path: Path) -> None:
    journal = tmp_path / "studies" / "a" / "optuna.journal"
    journal.parent.mkdir(parents=True)
    code = (
        "import sys, time; from lossearch.records.optuna import JournalLock; "
        f"JournalLock({str(journal)!r}).acquire(); print('held', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        holder.send_signal(signal.SIGKILL)
    began = time.monotonic()
    study = optuna.create_study(storage=open_storage(Store.open(tmp_path), "a"))
    study.tell(study.ask(), 1.0)
    assert time.monotonic() - began < 5


def test_a_bad_url_is_one_sentence_without_the_password(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    for url, shown in (
        ("postgresql://me:secret@127.0.0.1:9/none", "postgresql://me@127.0.0.1:9/none"),
        ("nosuch://me:secret@host/x", "nosuch://host/x"),
        ("just words", "just words"),
    ):
        with pytest.raises(StoreError) as error:
            open_storage(store, "a", url)
        assert "secret" not in str(error.value)
        assert str(error.value).startswith(
            (f"The Optuna storage {shown} ", f"No driver for the Optuna storage {shown}: ")
        )


def test_a_relative_sqlite_url_is_fixed_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store.open(tmp_path / "store")
    monkeypatch.chdir(tmp_path)
    open_storage(store, "a", "sqlite:///here.db")
    assert (tmp_path / "here.db").is_file()


# curves


def test_curves_come_back_to_the_bit(tmp_path: Path) -> None:
    results = {n: example_results(n, epochs=7 + n) for n in range(4)}
    for number in (0, 2, 1, 3):
        write_part(tmp_path, "search", number, results[number])
    before = read_curves(tmp_path, "search")
    compact(tmp_path, "search")
    after = read_curves(tmp_path, "search")
    assert before.equals(after)
    assert list(after.columns[:6]) == ["trial", "pair", "lr", "seed", "epoch", "outcome"]
    assert sorted(p.name for p in tmp_path.rglob("*") if p.is_file() and "lock" not in p.name) == [
        "search.parquet"
    ]
    for number, replicates in results.items():
        for result in replicates:
            rows = after[(after["trial"] == number) & (after["seed"] == result.replicate.seed)]
            assert rows["epoch"].tolist() == list(range(1, 8 + number))
            assert set(rows["lr"]) == {result.replicate.point.lr}
            assert set(rows["pair"]) == {result.replicate.point.pair}
            for name, curve in result.curves.items():
                np.testing.assert_array_equal(rows[name].to_numpy(), curve)


def test_mean_curves_are_the_same_from_results_and_from_the_file(tmp_path: Path) -> None:
    results = example_results(1)
    curves = {k: v.copy() for k, v in results[0].curves.items()}
    curves["val_loss"] = curves["val_loss"][:5]
    curves["val_f1"][3] = np.nan
    results[0] = replace(results[0], curves=curves, outcome=Outcome.DIVERGED)
    write_part(tmp_path, "search", 1, results)
    ours, theirs = mean_curves(results), mean_curves_of(read_curves(tmp_path, "search"), 1)
    assert ours.keys() == theirs.keys()
    for name, curve in ours.items():
        np.testing.assert_allclose(curve.mean, theirs[name].mean, rtol=1e-14)
        np.testing.assert_allclose(curve.sd, theirs[name].sd, rtol=1e-12)
    stacked = np.stack([r.curves["train_loss"] for r in results])
    np.testing.assert_allclose(ours["train_loss"].mean, stacked.mean(0), rtol=1e-14)
    np.testing.assert_allclose(ours["train_loss"].sd, stacked.std(0, ddof=1), rtol=1e-12)
    alive = np.stack([r.curves["val_loss"][5:] for r in results[1:]])
    np.testing.assert_allclose(ours["val_loss"].mean[5:], alive.mean(0), rtol=1e-14)


def test_a_chunk_written_again_is_there_once(tmp_path: Path) -> None:
    for epochs in (3, 4):
        write_part(tmp_path, "search", 0, example_results(0, epochs))
    compact(tmp_path, "search")
    write_part(tmp_path, "search", 0, example_results(0, 5))
    assert len(read_curves(tmp_path, "search")) == 5 * 3
    compact(tmp_path, "search")
    assert len(read_curves(tmp_path, "search")) == 5 * 3


def test_replicates_without_an_epoch_and_stages_without_a_trial_have_no_rows(tmp_path: Path) -> None:
    bare = [replace(r, curves={}, outcome=Outcome.DIVERGED) for r in example_results(0)]
    write_part(tmp_path, "search", 0, bare)
    assert len(read_curves(tmp_path, "search")) == len(read_curves(tmp_path, "confirm")) == 0
    compact(tmp_path, "search")
    assert mean_curves(bare) == mean_curves_of(read_curves(tmp_path, "search"), 0) == {}


def test_a_later_curve_joins_the_earlier_parts(tmp_path: Path) -> None:
    write_part(tmp_path, "search", 0, example_results(0, 2))
    more = [replace(r, curves={**r.curves, "val_mcc": np.ones(2)}) for r in example_results(1, 2)]
    write_part(tmp_path, "search", 1, more)
    frame = read_curves(tmp_path, "search")
    assert frame["val_mcc"].isna().tolist() == [True] * 6 + [False] * 6


class Killed(BaseException):
    """Stands for SIGKILL at one system call: nothing after it runs."""


@pytest.mark.parametrize("call", [Path.replace, Path.unlink])
def test_a_kill_while_compacting_loses_and_doubles_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: Callable[..., object]
) -> None:
    for n in range(4):
        write_part(tmp_path, "search", n, example_results(n, 3))
    before = read_curves(tmp_path, "search")
    for allowed in range(6):
        left = [allowed]

        def dying(path: Path, *args: object, left: list[int] = left, **kwargs: object) -> object:
            if left[0] == 0:
                raise Killed
            left[0] -= 1
            return call(path, *args, **kwargs)

        with monkeypatch.context() as patch:
            patch.setattr(Path, call.__name__, dying)
            with contextlib.suppress(Killed):
                compact(tmp_path, "search")
        assert read_curves(tmp_path, "search").equals(before)


def test_a_writer_killed_at_any_moment_leaves_whole_parts(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from lossearch.records.curves import write_part; from lossearch.records.curve_files import compact;"
        "from contracts.records import example_results\n"
        f"folder = Path({str(tmp_path)!r}); results = example_results(0, 20); print('go', flush=True)\n"
        "for n in range(10**6):\n"
        "    write_part(folder, 'search', n, results)\n"
        "    if n % 7 == 6: compact(folder, 'search')\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        writer.stdout.readline()
        until = time.monotonic() + 1.5
        while time.monotonic() < until:
            _whole(tmp_path)
        writer.send_signal(signal.SIGKILL)
    assert _whole(tmp_path) > 7
    compact(tmp_path, "search")
    _whole(tmp_path)


def _whole(folder: Path) -> int:
    frame = read_curves(folder, "search")
    trials = frame["trial"].nunique()
    assert (frame.groupby("trial").size() == 60).all()
    assert sorted(frame["trial"].unique()) == list(range(trials))
    return trials


def test_a_damaged_part_is_named(tmp_path: Path) -> None:
    path = write_part(tmp_path, "search", 0, example_results(0, 2))
    path.write_bytes(b"PAR1 not really")
    with pytest.raises(StoreError, match=r"part-000000\.parquet is damaged: "):
        read_curves(tmp_path, "search")


# environment


def test_versions_name_what_a_result_depends_on() -> None:
    found = versions()
    assert found["torch"] == torch.__version__
    assert {"python", "platform", "lossearch", "optuna", "numpy"} <= found.keys()


def test_the_git_revision_says_whether_files_differ(tmp_path: Path) -> None:
    assert git_revision(tmp_path) is None
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run([*git, "init", "-q"], check=True)
    assert git_revision(tmp_path) is None
    (tmp_path / "a").write_text("1")
    subprocess.run([*git, "add", "a"], check=True)
    subprocess.run([*git, "commit", "-qm", "a"], check=True)
    head = subprocess.run(
        [*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True
    ).stdout.strip()
    (tmp_path / "untracked").touch()
    assert git_revision(tmp_path) == head
    (tmp_path / "a").write_text("2")
    assert git_revision(tmp_path) == f"{head}-dirty"


def test_no_git_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert git_revision(".") is None


def test_records_are_imported_without_mlflow() -> None:
    code = "import sys, lossearch.records, lossearch.records.curves; print({'mlflow', 'optuna'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_every_end_of_a_trial_is_told_as_its_own_state() -> None:
    study = optuna.create_study(direction="maximize")
    for record in example_study():
        tell(study, study.ask(), record)
    assert [t.state.name for t in study.trials] == ["COMPLETE", "PRUNED", "COMPLETE", "FAIL", "FAIL"]
    assert ended(example_record(0), Outcome.FAILED, "x").value is None
