"""optuna-dashboard, the real one, on the storage of a study: names, the answer as a note, three graphs, no JSON to read."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from wsgiref.util import setup_testing_defaults

import optuna
import pytest
from test_mlflow_of_studies import Heard, search

from lossearch import api
from lossearch.api.closing import dashboard_command
from lossearch.api.result import Result
from lossearch.cli.run import say_result
from lossearch.records import optuna_dashboard
from lossearch.records.optuna import open_storage
from lossearch.report.plotly import learning_rate_graph

dashboard = pytest.importorskip("optuna_dashboard", reason="no optuna-dashboard here")

PLACES = ["journal", "sqlite"]


def storage_of(place: str, folder: Path) -> str | None:
    return None if place == "journal" else f"sqlite:///{folder}/optuna.db"


@pytest.fixture(scope="module", params=PLACES)
def result(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Result:
    """A finished study of two pairs, in either storage."""
    folder = tmp_path_factory.mktemp(request.param)
    return search(
        folder / "store", seeds=2, storage=storage_of(request.param, folder), mlflow=False, pairs=None, losses=["bce", "focal"]
    )  # fmt: skip


def asked(result: Result, path: str) -> Any:
    """Return what the dashboard's own application answers."""
    app = dashboard.wsgi(open_storage(result.store, result.name, result.declared.storage))
    said: list[str] = []
    environ: dict[str, Any] = {}
    setup_testing_defaults(environ)
    environ |= {"PATH_INFO": path, "QUERY_STRING": "after=0"}
    body: Iterator[bytes] = app(environ, lambda status, *_: said.append(status))
    text = b"".join(body)
    assert said == ["200 OK"], text
    return json.loads(text)


def system_attrs(study: optuna.Study) -> dict[str, Any]:
    return study._storage.get_study_system_attrs(study._study_id)


@pytest.fixture(scope="module")
def shown(result: Result) -> dict[str, Any]:
    (study,) = asked(result, "/api/studies")["study_summaries"]
    assert study["study_name"] == "quick"
    found: dict[str, Any] = asked(result, f"/api/studies/{study['study_id']}")
    return found


def test_names_are_those_of_the_study(result: Result, shown: dict[str, Any]) -> None:
    assert shown["objective_names"] == ["accuracy"]
    assert {p["name"] for p in shown["union_search_space"]} == {"pair", "lr", "focal.gamma"}
    assert {a["key"] for a in shown["union_user_attrs"]} == {
        *("stage", "outcome", "epoch", "sd", "seeds", "diverged seeds", "seconds")
    }


def test_what_is_seen_of_a_trial_is_a_word_or_a_number_each(result: Result, shown: dict[str, Any]) -> None:
    records = {r.number: r for r in result.trials}
    assert len(shown["trials"]) == len(records)
    for trial in shown["trials"]:
        seen = {a["key"]: a["value"] for a in trial["user_attrs"]}
        record = records[trial["number"]]
        assert not [v for v in seen.values() if v[:1] in '{["' or len(v) > 30]
        assert (seen["outcome"], int(seen["epoch"])) == (record.outcome, record.epoch)
        assert float(seen["sd"]) == pytest.approx(record.spread["val_accuracy"])


def test_its_note_is_the_answer(result: Result, shown: dict[str, Any]) -> None:
    note = shown["note"]["body"]
    assert result.verdict is not None
    for sentence in result.verdict.sentences[:2]:
        assert sentence in note
    # after the head of the table and before the baselines
    rows = [line.split("|")[2].strip() for line in note.splitlines() if line.startswith("| ")][2:]
    assert rows[: len(result.leaderboard)] == [*result.leaderboard["pair"]]


def test_three_graphs_show_leaderboard_rates_and_curves(result: Result, shown: dict[str, Any]) -> None:
    graphs = {g["id"]: json.loads(g["graph_object"]) for g in shown["plotly_graph_objects"]}
    assert graphs.keys() == {"leaderboard", "learning-rates", "learning-curves"}
    assert {t["type"] for g in graphs.values() for t in g["data"]} == {"scatter"}
    (board,) = graphs["leaderboard"]["data"]
    assert board["y"][::-1] == [*result.leaderboard["pair"]]
    assert board["x"][::-1] == pytest.approx([*result.leaderboard["score"]], rel=1e-4)
    low = [x - d for x, d in zip(board["x"], board["error_x"]["arrayminus"], strict=True)]
    assert low[::-1] == pytest.approx([*result.leaderboard["ci_low"]], rel=1e-3, abs=1e-4)
    rates = {(x, y) for t in graphs["learning-rates"]["data"] for x, y in zip(t["x"], t["y"], strict=True)}
    assert {x for x, _ in rates} == {float(f"{r.point.lr:.5g}") for r in result.trials}
    best = {r.number: r for r in result.trials}
    for trace in graphs["learning-curves"]["data"]:
        number = result.search_leaderboard.set_index("pair").loc[trace["name"], "trial"]
        record = best[number]
        assert trace["y"][record.epoch - 1] == pytest.approx(record.value, rel=1e-4)


def test_the_answer_is_written_once(result: Result) -> None:
    study = optuna.load_study(
        study_name="quick", storage=open_storage(result.store, "quick", result.declared.storage)
    )
    note, before = dashboard.get_note(study), system_attrs(study)
    graphs = [learning_rate_graph(result.trials, ("bce/sigmoid",), "accuracy")]
    assert not optuna_dashboard.write_answer(study, note, graphs)
    assert system_attrs(study) == before


def test_the_command_that_opens_it_is_said_at_the_end(
    result: Result, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    url = result.declared.storage
    place = str(result.folder / "optuna.journal") if url is None else str(url)
    assert Path(place.removeprefix("sqlite:///")).is_file()
    assert dashboard_command(result) == f"optuna-dashboard {place}"
    say_result(result, "table", None)  # type: ignore[arg-type]
    assert f"optuna-dashboard{place}" in "".join(capsys.readouterr().out.split())
    # without it those who have a storage of their own are told what to install
    monkeypatch.setattr(optuna_dashboard, "is_installed", lambda: False)
    asked_for = None if url is None else f"optuna-dashboard {place}  (pip install 'lossearch[dashboard]')"
    assert dashboard_command(result) == asked_for


def test_a_dashboard_that_cannot_be_told_costs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: Any) -> None:
        raise OSError("no room")

    heard = Heard()
    with monkeypatch.context() as patch:
        patch.setattr(dashboard, "save_note", fails)
        result = search(tmp_path, heard)
    assert result.verdict is not None
    assert [n for n in heard.notes if "optuna-dashboard" in n] == [
        "optuna-dashboard gets no note and graphs of this study: no room. Write them later with lossearch.api.sync('quick')."
    ]
    assert not dashboard.get_note(result.study)
    assert api.sync("quick", tmp_path) == 0
    assert dashboard.get_note(result.study)


def test_without_it_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(optuna_dashboard, "is_installed", lambda: False)
    result = search(tmp_path, mlflow=False)
    assert not [k for k in system_attrs(result.study) if k.startswith("dashboard")]
    assert result.study.metric_names == ["accuracy"]


def test_a_graph_of_what_is_not_finite_is_json_that_browsers_read() -> None:
    graph = optuna_dashboard.Graph("x", [{"y": [None, 1.0]}], {})
    assert json.loads(graph.to_json(), parse_constant=pytest.fail) == {
        "data": [{"y": [None, 1.0]}],
        "layout": {},
    }
    assert not math.isnan(json.loads(graph.to_json())["data"][0]["y"][1])
