"""A whole study: search, confirmation, verdict, and all the places that tell of them."""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from confirming import BINARY, Notes, X
from mlflow.tracking import MlflowClient
from rich.console import Console

import lossearch
from lossearch import api
from lossearch._text import escaped
from lossearch.api.result import Result
from lossearch.confirm import confirmation as module
from lossearch.errors import InputError, StoreError
from lossearch.records.confirmations import read_confirmed
from lossearch.records.curves import read_curves
from lossearch.records.mlflow.dashboard import CONFIRMED, DIVERGED, LEARNING, PAIRS, RATES, TRIALS, VIEWS
from lossearch.records.mlflow.overview import find_overview
from lossearch.records.predictions import FILE as PREDICTIONS
from lossearch.report.leaderboard import make_leaderboard
from lossearch.report.markdown import to_markdown
from lossearch.report.sentences import confirmed_sentences, optimism_sentence

QUICK: dict[str, Any] = {
    "losses": ["bce", "hinge"],
    "trials": 10,
    "seeds": 2,
    "confirm_seeds": 4,
    "epochs": 3,
    "batch_size": 32,
    "optimizer": "sgd",
    "lr": (1e-3, 1.0),
    "workers": 1,
    "name": "quick",
}


def quick(store: Path, heard: Notes | None = None, **changed: Any) -> Result:
    options = {**QUICK, "mlflow": False, "activations": ["sigmoid", "identity"], **changed}
    return lossearch.search(X, BINARY, store=store, listener=heard or Notes(), **options)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Result:
    return quick(tmp_path_factory.mktemp("store"), mlflow=True)


def client(result: Result) -> MlflowClient:
    return MlflowClient(result.store.tracking_uri)


def children(result: Result, role: str) -> list[Any]:
    text = f"tags.`lossearch.role` = '{role}'"
    return list(client(result).search_runs([str(result.experiment_id)], text))


def test_the_verdict_is_of_fresh_seeds_on_test_rows(whole: Result) -> None:
    verdict = whole.verdict
    assert verdict is not None
    assert whole.confirmed is not None
    assert (verdict.part, verdict.seeds, verdict.rows) == ("test", 4, 30)
    searched = {seed for record in whole.trials for seed in record.seeds}
    assert not searched & set(whole.confirmed.seeds)
    for ranked in verdict.ranking:
        c = whole.confirmed[ranked.pair]
        assert ranked.score == pytest.approx(np.mean(c.values["test_accuracy"]))  # noqa: PD011 - no DataFrame
        assert ranked.validation == pytest.approx(c.scores["val_accuracy"])
        assert ranked.search == c.search == {r.number: r.value for r in whole.trials}[c.trial]


def test_the_leaderboard_holds_the_judged_scores_and_what_they_were_chosen_by(whole: Result) -> None:
    board, verdict = whole.leaderboard, whole.verdict
    assert verdict is not None
    assert list(board.columns[:24]) == [
        "rank", "tied", "pair", "loss", "activation", "lr", "params", "score", "ci_low", "ci_high", "sd", "gain",
        "gain_low", "gain_high", "validation_score", "search_score", "trials", "diverged", "failed",
        "diverged_seeds", "lr_at_edge", "trial", "epoch", "seeds",
    ]  # fmt: skip
    assert {"pair", "loss", "activation", "lr", "score", "ci_low", "ci_high", "rank", "tied", "gain"} <= set(
        board
    )
    assert list(board["pair"]) == [r.pair for r in verdict.ranking]
    assert list(board["score"]) == [r.score for r in verdict.ranking]
    assert (board["ci_low"] <= board["score"]).all()
    assert (board["score"] <= board["ci_high"]).all()
    assert list(board["trials"]) == [5, 5]
    assert board.loc[board["pair"] == "bce/sigmoid", "gain"].item() == 0
    assert "test_f1_macro" in board
    assert list(board["search_score"]) == list(
        whole.search_leaderboard.set_index("pair").loc[board["pair"], "score"]
    )


def test_leader_recommended_and_best_are_confirmed_points(whole: Result) -> None:
    verdict, confirmed = whole.verdict, whole.confirmed
    assert verdict is not None
    assert confirmed is not None
    assert whole.leader == confirmed[verdict.leader].point
    assert whole.best == whole.recommended == confirmed[verdict.recommended].point
    assert whole.tied == verdict.tied
    assert whole.best.pair in repr(whole)


def test_loaded_it_is_the_same(whole: Result) -> None:
    again = lossearch.load("quick", whole.store.root)
    assert again.verdict == whole.verdict
    pd.testing.assert_frame_equal(again.leaderboard, whole.leaderboard)
    assert json.dumps(again.as_json(), default=str) == json.dumps(whole.as_json(), default=str)
    evidence = again.evidence()
    assert evidence.pairs == again.confirmed.pairs  # type: ignore[union-attr]
    assert again.evidence("validation").part == "validation"


def test_the_answer_is_in_json_and_on_the_terminal(whole: Result) -> None:
    told = whole.as_json()
    assert told["optimistic"] is False
    assert told["verdict"] == whole.verdict.as_json()  # type: ignore[union-attr]
    assert told["best"] == told["recommended"] == whole.best.as_json()
    assert told["tied"] == list(whole.tied)
    out = StringIO()
    Console(file=out, width=200).print(whole.render())
    text = out.getvalue()
    for sentence in whole.verdict.sentences:  # type: ignore[union-attr]
        assert "".join(sentence.split()) in "".join(text.split())
    assert "Optimism of the search:" in text
    assert "There is no verdict" not in text
    assert "fresh seeds on 30 test rows" in text


@pytest.mark.parametrize("optimism", [-0.05, 0.0, 0.05])
def test_optimism_below_0_is_explained(whole: Result, optimism: float) -> None:
    verdict = replace(whole.verdict, optimism=optimism)  # type: ignore[type-var]
    said = optimism_sentence(verdict, whole.declared)  # type: ignore[arg-type]
    assert said.startswith("Optimism of the search: ")
    assert ("below 0 by chance, as fresh seeds happened to score better" in said) is (optimism < 0)


EDGE = "is the lowest or highest tried"


def at_edge(result: Result, pairs: Collection[str]) -> Result:
    """Return a study again, as if the best learning rates of these pairs were at an end of those tried."""
    again = lossearch.load(result.name, result.store.root)
    board = result.search_leaderboard
    vars(again)["search_leaderboard"] = board.assign(lr_at_edge=board["pair"].isin(pairs))
    return again


def on_a_terminal(result: Result) -> str:
    out = StringIO()
    Console(file=out, width=200).print(result.render())
    return " ".join(out.getvalue().split())


def test_a_verdict_says_once_that_best_rates_lie_at_an_end_and_what_to_do(whole: Result) -> None:
    result = at_edge(whole, list(whole.declared.space.pairs))
    (said,) = (s for s in result.verdict.sentences if EDGE in s)  # type: ignore[union-attr]
    assert said == result.verdict.sentences[2]  # type: ignore[union-attr]
    assert said.startswith(f"The best learning rate of every pair {EDGE}, so")
    low, high = (float(x) for x in re.findall(r"lr=\((.*?), (.*?)\)", said)[0])
    assert low <= 1e-3
    assert high >= 1.0
    assert low < 1e-3 or high > 1.0
    # two pairs, of which each had five trials: the search widens from eight on
    assert "or give 8 trials a pair (trials=16)" in said
    shown = on_a_terminal(result)
    assert shown.count(EDGE) == 1
    assert f"* {said}" in shown
    assert "".join(to_markdown(result.report()).split()).count("".join(EDGE.split())) == 1


@pytest.mark.parametrize("number", [0, 1])
def test_it_names_the_pairs_that_it_is_of(whole: Result, number: int) -> None:
    pair, other = (list(whole.declared.space.pairs) * 2)[number : number + 2]
    (said,) = (s for s in at_edge(whole, [pair]).verdict.sentences if EDGE in s)  # type: ignore[union-attr]
    assert said.startswith(f"The best learning rate of {pair} {EDGE}, so")
    assert other not in said


def test_it_says_nothing_of_best_rates_within(whole: Result) -> None:
    result = at_edge(whole, [])
    assert EDGE not in f"{result.verdict} {on_a_terminal(result)} {to_markdown(result.report())}"


def test_studies_are_listed_with_their_verdicts(whole: Result) -> None:
    (row,) = api.studies(whole.store.root)
    assert row["best"] == whole.best.pair
    n, leader = len(whole.tied), whole.verdict.leader  # type: ignore[union-attr]
    assert row["verdict"] == (f"{n} of 2 tie, {leader} leads" if n > 1 else f"{leader} is best of 2")


def test_each_confirmed_pair_is_one_mlflow_run_apart_from_the_trials(whole: Result) -> None:
    assert len(children(whole, "trial")) == 10
    runs = children(whole, "confirmation")
    assert {r.data.params["pair"] for r in runs} == set(whole.confirmed.pairs)  # type: ignore[union-attr]
    for run in runs:
        c = whole.confirmed[run.data.params["pair"]]  # type: ignore[index]
        tags = run.data.tags
        assert (tags["lossearch.stage"], tags["lossearch.trial"]) == ("confirm", str(c.trial))
        assert tags["mlflow.parentRunId"] == whole.run_id
        assert run.info.status == "FINISHED"
        assert run.data.params["n_seeds"] == "4"
        assert float(run.data.params["lr"]) == c.point.lr
        for name, value in c.scores.items():
            assert run.data.metrics[name] == pytest.approx(value)
            seen = name.startswith(("val_", "test_")) and name not in {"val_loss", "test_loss"}
            assert (run.data.metrics.get(f"{name}_sd") == pytest.approx(c.spread[name])) is seen
        assert run.data.metrics["score"] == c.scores["test_accuracy"]
    tags = client(whole).get_run(str(whole.run_id)).data.tags
    assert tags["lossearch.best"] == whole.best.pair
    assert tags["lossearch.tied"] == ", ".join(whole.tied)


def test_every_view_shows_the_runs_it_is_named_for(whole: Result) -> None:
    tags = client(whole).get_experiment(str(whole.experiment_id)).tags
    roles = {view: "confirmation" if view is CONFIRMED else "trial" for view in VIEWS}
    for view, role in roles.items():
        saved = json.loads(tags[f"mlflow.sharedViewState.{view.key}"])
        state = json.loads(saved["state"])
        order = f"{state['orderByKey']} {'ASC' if state['orderByAsc'] else 'DESC'}"
        found = client(whole).search_runs([str(whole.experiment_id)], state["searchFilter"], order_by=[order])
        assert {r.data.tags["lossearch.role"] for r in found} <= {role}
        if view in (PAIRS, LEARNING):
            assert [r.data.params["pair"] for r in found] == whole.leaderboard["pair"].tolist()
        assert len(found) == {TRIALS: 10, RATES: 10, PAIRS: 2, LEARNING: 2, CONFIRMED: 2, DIVERGED: 0}[view]
        for chart in state.get("compareRunCharts", ()):
            keys = {chart.get("metricKey"), *(chart[a]["key"] for a in ("xaxis", "yaxis") if a in chart)} - {
                None
            }
            assert keys <= {k for r in found for k in r.data.metrics}


def test_the_description_begins_with_the_answer_and_leads_to_the_report(whole: Result) -> None:
    mlflow = client(whole)
    note = mlflow.get_run(str(whole.run_id)).data.tags["mlflow.note.content"]
    assert note.startswith(escaped(whole.verdict.sentences[0]))  # type: ignore[union-attr]
    assert "| 1 |" in note
    (place,) = re.findall(r"\[Report\]\(#/experiments/(\d+)/runs/(\w+)/artifacts/report.html\)", note)
    assert place == (whole.experiment_id, whole.run_id)
    assert "report.html" in {a.path for a in mlflow.list_artifacts(str(whole.run_id))}
    assert mlflow.get_experiment(str(whole.experiment_id)).tags["mlflow.note.content"] == note


def test_the_study_s_run_has_the_baselines_as_metrics_and_the_answer_has_their_intervals(
    whole: Result,
) -> None:
    metrics = client(whole).get_run(str(whole.run_id)).data.metrics
    told = whole.as_json()["baselines"]
    keys = [b.key for b in whole.confirmed.baselines]  # type: ignore[union-attr]
    assert keys == ["majority", "linear"]
    assert {k: v for k, v in metrics.items() if k.startswith("baseline_")} == {
        f"baseline_{key}": row["score"] for key, row in zip(keys, told, strict=True)
    }
    assert all(row["ci_low"] < row["score"] < row["ci_high"] for row in told)


def test_the_table_of_all_studies_has_a_run_for_this_one(whole: Result) -> None:
    mlflow = client(whole)
    table = find_overview(mlflow)
    (run,) = (r for r in mlflow.search_runs([str(table)]) if r.info.run_name == whole.name)
    assert run.info.status == "FINISHED"
    tags = run.data.tags
    assert (tags["lossearch.best"], tags["lossearch.kind"]) == (whole.best.pair, "binary")
    assert tags["lossearch.tied"].split(", ") == list(whole.tied)
    assert run.data.metrics["tied_pairs"] == len(whole.tied)
    assert run.data.metrics["gain_over_conventional"] == pytest.approx(
        whole.leaderboard.set_index("pair")["gain"][whole.best.pair]
    )


def test_the_same_command_again_changes_nothing(whole: Result) -> None:
    before = {r.info.run_id for r in children(whole, "confirmation")}
    curves = read_curves(whole.folder, "confirm")
    heard = Notes()
    again = quick(whole.store.root, heard, mlflow=True)
    assert not [said for said in heard.said if said.startswith("Confirming")]
    assert again.verdict == whole.verdict
    assert {r.info.run_id for r in children(again, "confirmation")} == before
    assert read_curves(again.folder, "confirm").equals(curves)


@pytest.mark.slow
def test_what_is_lost_of_the_mlflow_view_is_written_again(tmp_path: Path) -> None:
    result = quick(tmp_path, mlflow=True)
    lost = children(result, "confirmation")[0]
    client(result).delete_run(lost.info.run_id)
    assert api.sync("quick", tmp_path) == 1
    assert len(children(result, "confirmation")) == 2
    assert api.sync("quick", tmp_path) == 0

    more = quick(tmp_path, mlflow=True, confirm_seeds=6)
    runs = children(more, "confirmation")
    assert {r.data.params["n_seeds"] for r in runs} == {"6"}, "the runs of fewer seeds are gone"
    assert len(runs) == 2

    api.remove("quick", tmp_path)
    assert not (tmp_path / "studies" / "quick").exists()
    assert client(result).get_experiment_by_name("quick") is None


def test_interrupted_in_its_confirmation_a_study_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(module, "write_predictions", stop)
        with pytest.raises(KeyboardInterrupt):
            quick(tmp_path)
    stopped = lossearch.load("quick", tmp_path)
    assert stopped.verdict is None
    assert len(stopped.trials) == 10
    assert stopped.best == stopped.leader
    heard = Notes()
    result = quick(tmp_path, heard)
    assert "Confirming 2 pairs on 4 fresh seeds: 8 replicates." in heard.said
    assert result.verdict is not None
    assert result.trials == stopped.trials


class Stops(Notes):
    """Interrupts a search after its next trial."""

    def trial_done(self, *_: Any) -> None:
        raise KeyboardInterrupt


def test_a_verdict_says_that_the_search_has_gone_on_since(tmp_path: Path) -> None:
    first = quick(tmp_path)
    assert first.since == []
    with pytest.raises(KeyboardInterrupt):
        quick(tmp_path, Stops(), trials=20)
    stale = lossearch.load("quick", tmp_path)
    assert stale.verdict == first.verdict
    assert stale.since == [
        (
            "The search went on after this was confirmed: it had 10 trials then and has 11 now. Run the study to its "
            "end to have its best confirmed."
        )
    ]
    assert quick(tmp_path, trials=20).since == []


def test_without_fresh_seeds_there_is_no_verdict_and_the_answer_says_so(tmp_path: Path) -> None:
    result = quick(tmp_path, confirm_seeds=0)
    assert (result.verdict, result.confirmed, result.tied, result.recommended) == (None, None, (), None)
    assert result.best == result.leader
    assert result.as_json()["optimistic"] is True
    assert not (result.folder / PREDICTIONS).exists()
    with pytest.raises(StoreError, match="Nothing was confirmed"):
        result.evidence()
    assert api.studies(tmp_path)[0]["verdict"] == "none: not confirmed"


def test_interrupted_in_its_search_a_study_says_how_far_it_is(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        quick(tmp_path, Stops(), trials=16)
    (row,) = api.studies(tmp_path)
    assert 0 < row["trials"] < 16
    assert row["verdict"] == f"none: {row['trials']} of 16 trials"
    shown = on_a_terminal(lossearch.load("quick", tmp_path))
    assert (
        f"There is no verdict: {row['trials']} of 16 trials are done. The same call goes on from there"
        in shown
    )


def test_one_seed_cannot_confirm() -> None:
    with pytest.raises(InputError) as caught:
        quick(Path("nowhere"), confirm_seeds=1)
    assert "confirm_seeds is 1, and one seed does not tell how results vary: give 2 or more" in str(
        caught.value
    )


def test_where_the_sampler_is_free_the_best_point_is_confirmed_and_nothing_compared(tmp_path: Path) -> None:
    result = quick(tmp_path, mode="adaptive", trials=16)
    assert result.verdict is None
    confirmed = result.confirmed
    assert confirmed is not None
    assert confirmed.pairs == (result.best.pair,)
    assert confirmed.confirmations[0].point == result.best
    assert api.studies(tmp_path)[0]["verdict"] == "none: pairs not compared"
    text = make_leaderboard(result.leaderboard, result.declared).to_markdown("study")
    assert "in mode 'adaptive' pairs get different budgets, so they are not compared." in text
    said, simple = confirmed_sentences(confirmed)
    assert said.startswith(f"Confirmed on 4 fresh seeds: {result.best.pair} at lr ")
    assert simple.startswith("Baselines on the same rows, with nothing searched: majority class ")


def test_time_being_up_does_not_stop_the_confirmation(tmp_path: Path) -> None:
    quick(tmp_path)
    result = quick(tmp_path, trials=40, timeout="1s", confirm_seeds=2)
    assert result.verdict is not None
    assert len(result.trials) >= 10


def test_a_region_of_practical_equivalence_may_be_given(tmp_path: Path) -> None:
    first = quick(tmp_path)
    wide = quick(tmp_path, rope=0.9)
    assert wide.verdict is not None
    assert wide.verdict.rope == 0.9
    assert {c.relation for c in wide.verdict.comparisons} == {"equal"}
    assert wide.verdict.ranking == first.verdict.ranking  # type: ignore[union-attr]


def test_a_plan_says_what_the_confirmation_takes() -> None:
    from lossearch.cli.dry_run import dry_run_lines
    from lossearch.config import make_config

    tables: dict[str, Any] = {
        "task": {"data": "circles"},
        "space": {"losses": ["bce", "mse"], "activations": ["sigmoid"]},
        "train": {"epochs": 2, "batch_size": 100, "device": "cpu"},
    }
    equal = api.plan(make_config(tables))
    assert equal.as_json()["confirm_replicates"] == equal.confirmed == 40
    assert api.plan(make_config({**tables, "budget": {"mode": "adaptive"}})).confirmed == 20
    none = api.plan(make_config({**tables, "budget": {"confirm_seeds": 0}}))
    assert "no confirmation, and so no verdict" in "\n".join(map(str, dry_run_lines(none)[:-2]))


def test_a_result_whose_confirmation_was_removed_says_what_to_do(tmp_path: Path) -> None:
    result = quick(tmp_path)
    (result.folder / "confirm.json").unlink()
    broken = lossearch.load("quick", tmp_path)
    with pytest.raises(
        StoreError, match=r"confirm\.json is missing\. It holds the confirmation on fresh seeds, "
    ):
        _ = broken.best
    assert quick(tmp_path).best == result.best
    assert read_confirmed(result.folder) is not None


def test_a_study_of_which_nothing_can_be_confirmed_ends_well(tmp_path: Path) -> None:
    heard = Notes()
    result = quick(tmp_path, heard, lr=(1e30, 1e32), losses=["bce", "mse"], activations=["sigmoid"])
    assert result.verdict is None
    why = "no trial was completed: every replicate of each diverged or was pruned"
    assert {s for s in heard.said if s.startswith("Not confirmed")} == {
        f"Not confirmed: {pair}/sigmoid ({why})." for pair in ("bce", "mse")
    }
