"""A recorded trial trained again: the same value where nothing changed, and a plain word where something did."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import lossearch
from lossearch import api
from lossearch.api.result import Result
from lossearch.cli import invoke
from lossearch.errors import InputError, StudyMismatchError, UnknownNameError
from lossearch.records.weights import path_of
from lossearch.study.progress import Listener
from lossearch.study.rerun import Rerun, rerun, round_of
from lossearch.training.contract import Outcome

NETS = """
from torch import nn

def make(n_in, n_out):
    network = nn.Sequential(nn.Linear(n_in, 6), nn.ReLU(), nn.Linear(6, n_out))
    nn.init.zeros_(network[0].bias)
    return network
"""


def write_data(folder: Path) -> str:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(120, 2))
    pd.DataFrame({"a": x[:, 0], "b": x[:, 1], "y": x[:, 0] + 0.5 * rng.normal(size=120) > 0}).to_csv(
        folder / "data.csv", index=False
    )
    return str(folder / "data.csv")


def search(store: Path, *data: Any, **changed: Any) -> Result:
    options: dict[str, Any] = {
        "pairs": ["bce/sigmoid", "squared_hinge/identity"],
        "trials": 10,
        "seeds": 2,
        "confirm_seeds": 2,
        "epochs": 5,
        "optimizer": "sgd",
        "lr": (0.01, 1e4),
        "mlflow": False,
        "workers": 1,
        "store": store,
        "listener": Listener(),
        **changed,
    }
    return lossearch.search(*data, **options)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Result:
    """A study of a file, some of whose replicates diverged."""
    place = tmp_path_factory.mktemp("rerun")
    return search(place / "store", data=write_data(place), target="y", name="again")


def test_every_recorded_value_comes_again_to_the_last_bit(study: Result) -> None:
    loaded = lossearch.load("again", study.store.root)
    assert any(r.n_diverged for r in study.trials)
    chosen = [study.trials[0], max(study.trials, key=lambda r: r.n_diverged), study.trials[-1]]
    for record in chosen:
        found = loaded.rerun(record.number)
        assert (found.value, found.epoch, found.outcome) == (record.value, record.epoch, record.outcome)
        assert found.exactly
        assert found.curves in (0.0, None)
        assert str(found) == (
            f"Trial {record.number}: recorded accuracy {record.value:.10g} (epoch {record.epoch}), now "
            f"{record.value:.10g} (epoch {record.epoch}): reproduced exactly."
        )


def test_a_confirmation_comes_again(study: Result) -> None:
    assert study.confirmed is not None
    for pair in study.confirmed.pairs:
        found = study.rerun(f"confirm:{pair}")
        assert found.recorded == study.confirmed[pair].scores["val_accuracy"]
        assert found.epoch == study.confirmed[pair].epoch
        assert found.reproduced
        assert found.trial == f"confirm:{pair}"


def test_what_there_is_no_trial_of_is_told(study: Result) -> None:
    root = study.store.root
    with pytest.raises(UnknownNameError) as told:
        api.rerun("again", "77", root)
    assert str(told.value) == (
        "Study 'again' has no trial '77'; it has trials 0 to 9. A confirmation is named confirm:PAIR, as in "
        "confirm:bce/sigmoid."
    )
    with pytest.raises(UnknownNameError, match=r"^Study 'again': No confirmed pair named 'bce'\. "):
        api.rerun("again", "confirm:bce", root)
    with pytest.raises(UnknownNameError, match=r"^No study named 'agian'\. Did you mean 'again'\?"):
        api.rerun("agian", 0, root)


def test_a_trial_without_a_value_cannot_come_again(study: Result) -> None:
    failed = replace(study.trials[0], value=None, scores={}, outcome=Outcome.FAILED, reason="It broke.")
    with pytest.raises(
        InputError, match=r"^Trial 0 has no value to reproduce: it ended as failed\. It broke\.$"
    ):
        study._again.rerun(failed)


def test_another_value_is_not_reproduced(study: Result) -> None:
    record = study.trials[0]
    assert record.value is not None
    off = replace(record, scores={**record.scores, "val_accuracy": record.value + 0.01})
    found = study._again.rerun(off, keep_weights=True)
    assert not found.reproduced
    assert str(found).startswith(f"Trial 0: recorded accuracy {record.value + 0.01:.10g} ")
    assert "NOT reproduced." in str(found)
    assert study._again.rerun(replace(off, scores={"val_accuracy": record.value * (1 + 1e-9)})).reproduced


@pytest.mark.parametrize(
    ("recorded", "value", "exactly", "reproduced", "words"),
    [
        (0.5, 0.5, True, True, "reproduced exactly."),
        (0.5, 0.5 + 9e-7, False, True, "reproduced within 1e-06."),
        (0.5, 0.5 + 2e-6, False, False, "NOT reproduced. Changed since: torch 1 -> 2."),
        (5000.0, 5000.004, False, True, "reproduced within 1e-06."),
        (0.5, None, False, False, "NOT reproduced. Changed since: torch 1 -> 2."),
    ],
)
def test_how_near_is_near(recorded, value, exactly, reproduced, words) -> None:
    found = Rerun("3", "rmse", recorded, value, 2, 2, Outcome.COMPLETED, changed=("torch 1 -> 2",))
    assert (found.exactly, found.reproduced) == (exactly, reproduced)
    assert str(found).endswith(words)
    assert found.as_json()["reproduced"] is reproduced


def test_the_same_value_by_another_way_is_told_of() -> None:
    found = Rerun("3", "accuracy", 0.5, 0.5, 2, 2, Outcome.COMPLETED, curves=0.25)
    assert str(found).endswith("reproduced exactly, but the curves differ by up to 0.25.")


def test_weights_come_again_with_the_value(study: Result) -> None:
    number = next(
        r.number for r in study.trials if r.n_diverged < 2 and not path_of(study.folder, r.number).exists()
    )
    study.rerun(number)
    assert not path_of(study.folder, number).exists()
    study.rerun(number, keep_weights=True)
    assert study.weights(number)


def test_on_the_command_line_a_changed_network_is_found_out(tmp_path: Path, capsys, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "nets.py").write_text(NETS)
    model = f"{tmp_path / 'nets.py'}:make"
    data = write_data(tmp_path)
    search(tmp_path / "s", data=data, target="y", model=model, name="net", lr=0.5, confirm_seeds=0)
    store = ["--store", str(tmp_path / "s")]
    assert invoke(["rerun", "net", "0", *store]) == 2
    assert (
        f"not run unasked: model {model!r}. Where you know it, say so: --trust {model}."
        in capsys.readouterr().err
    )
    store += ["--trust", model]
    assert invoke(["rerun", "net", "0", *store]) == 0
    assert capsys.readouterr().out.rstrip().endswith("reproduced exactly.")

    (tmp_path / "nets.py").write_text(
        NETS.replace("zeros_(network[0].bias)", "constant_(network[0].bias, -50.0)")
    )
    forget(tmp_path / "nets.py")
    assert invoke(["rerun", "net", "0", "--format", "json", *store]) == 1
    found = json.loads(capsys.readouterr().out)
    assert (found["trial"], found["reproduced"]) == ("0", False)
    assert found["largest_curve_difference"] > 0
    forget(tmp_path / "nets.py")

    frame = pd.read_csv(data)
    frame.loc[0, "a"] += 1
    frame.to_csv(data, index=False)
    assert invoke(["rerun", "net", "0", *store]) == 2
    told = capsys.readouterr().err
    assert told.startswith(
        "Error: Study 'net' is not what it was, so nothing of it can be trained again as it was (recorded -> now):\n"
        "  task.data: "
    )
    assert told.endswith(
        "\nThe data, their splits, the network, or how this release prepares them have changed.\n"
    )
    forget(tmp_path / "nets.py")


def forget(path: Path) -> None:
    """Drop a file's module, as a new process would not have it."""
    import sys

    sys.modules.pop(f"lossearch_file_{path.stem}", None)


def test_data_from_python_are_missing_only_where_the_study_was_loaded(tmp_path: Path) -> None:
    frame = pd.read_csv(write_data(tmp_path))
    x, y = frame[["a", "b"]].to_numpy(), frame["y"].to_numpy()
    result = search(tmp_path / "s", x, y, name="mine", lr=0.5, confirm_seeds=0)
    assert result.rerun(0).exactly
    with pytest.raises(InputError, match=r"^Study 'mine' had its data from Python, and they are not here\. "):
        api.rerun("mine", 0, tmp_path / "s")
    again = search(tmp_path / "s", x, y, name="mine", lr=0.5, confirm_seeds=0)
    assert again.rerun(0).exactly
    with pytest.raises(StudyMismatchError):
        search(tmp_path / "s", x + 1, y, name="mine", lr=0.5, confirm_seeds=0)


def test_a_trial_is_the_same_beside_its_round(study: Result) -> None:
    again = study._again
    one = study.trials[3]
    with again.trained() as (prepared, way):
        beside = round_of(prepared.plan, study.attempts, one)
        assert len(beside) > 1
        found, results = rerun(prepared.plan, way, one, beside=beside)
    assert found.exactly
    assert [r.replicate.seed for r in results] == list(one.seeds)
