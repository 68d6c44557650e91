"""Pairs over several tasks: what is compared, what is said, and what a silly pair may not change."""

from __future__ import annotations

import json
import math
import sys
from dataclasses import replace
from unittest.mock import patch

import numpy as np
import optuna
import pytest
from contracts.records import example_study_record
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.image import imread
from rich.console import Console

from lossearch import cli
from lossearch.api import load
from lossearch.api.comparison import compare
from lossearch.errors import InputError, StoreError, UnknownNameError
from lossearch.records.confirmations import Confirmation, Confirmed, write_confirmed
from lossearch.records.optuna import open_storage
from lossearch.records.store import Store
from lossearch.records.trial import TrialRecord, to_attrs
from lossearch.report.comparison import compared_table, findings, rank_columns, remarks, to_markdown
from lossearch.report.figures.across_tasks import critical_picture, scores_picture, write_pictures
from lossearch.report.figures.canvas import whole_figure
from lossearch.space import Point
from lossearch.training.contract import Outcome
from lossearch.verdict.across_tasks.compare import compare_studies
from lossearch.verdict.across_tasks.comparison import StudyScores, sentence
from lossearch.verdict.scale import Scale
from lossearch.verdict.verdict import Relation


def without_baycomp():
    """Leave out what takes time and is not looked at."""
    return patch.dict(sys.modules, {"baycomp": None})


def study(name, scores, **changes):
    given = {
        "kind": "binary", "metric": "accuracy", "direction": "maximize", "optimizer": "adam", "part": "test",
    } | changes  # fmt: skip
    return StudyScores(name=name, scores=dict(scores), **given)


def studies(table, **changes):
    """Return one study a task from pair -> score by task."""
    tasks = len(next(iter(table.values())))
    return [study(f"task{i}", {p: v[i] for p, v in table.items()}, **changes) for i in range(tasks)]


def only(found):
    (comparison,), alone = found
    assert alone == ()
    return comparison


def compared(comparison, a, b):
    return next(d for d in comparison.pairwise if {d.a, d.b} == {a, b})


def drawn(tasks=10, seed=0, **gaps):
    """Return scores of pairs that differ from each other by these gaps and some noise."""
    rng = np.random.default_rng(seed)
    base = rng.uniform(0.6, 0.9, tasks)
    return {f"{name}/x": (base + gap + rng.normal(0, 0.004, tasks)).round(4) for name, gap in gaps.items()}


# --- what is said of two pairs ---------------------------------------------------------------------------


def test_a_pair_that_wins_everywhere_beats_the_other():
    c = only(compare_studies(studies(drawn(8, a=0.05, b=0.0))))
    (d,) = c.pairwise
    assert (d.a, d.b, d.wins, d.ties, d.losses) == ("a/x", "b/x", 8, 0, 0)
    assert d.p == d.adjusted == 2 / 2**8
    assert d.relation is Relation.BETTER
    assert c.ranks == {"a/x": 1.0, "b/x": 2.0}
    assert (
        sentence(c)
        == "Over 8 binary tasks a/x has the best average rank (1.00 of 2) and beats b/x (signed ranks, Holm)."
    )


def test_pairs_within_the_region_are_equal_in_practice():
    pytest.importorskip("baycomp")
    c = only(compare_studies(studies(drawn(12, a=0.0, b=0.0)), rope=0.02))
    assert c.pairwise[0].relation is Relation.EQUAL
    assert c.pairwise[0].equal > 0.95
    assert sentence(c) == (
        f"Over 12 binary tasks the 2 pairs are equal in practice: none is 0.02 or more away from {c.pairs[0]}, with "
        "probability at least 0.95 each."
    )
    assert findings(c) == [
        f"Equal in practice to {c.pairs[0]}, with probability at least 0.95: {c.pairs[1]}."
    ]


def test_too_few_tasks_are_a_description():
    c = only(compare_studies(studies(drawn(3, a=0.05, b=0.0, c=-0.05))))
    assert all(d.relation is not Relation.BETTER for d in c.pairwise)
    assert c.needed == 7
    assert sentence(c) == (
        "Over 3 binary tasks a/x has the best average rank (1.00 of 3), which is a description and no finding: with 3 "
        "pairs at least 7 tasks are needed before signed ranks can find any two significantly different."
    )


@pytest.mark.parametrize("pairs", [2, 3, 5])
def test_so_many_tasks_are_needed_and_no_fewer(pairs):
    gaps = {f"p{i}": 0.1 * i for i in range(pairs)}
    needed = only(compare_studies(studies(drawn(3, **gaps)))).needed
    enough = only(compare_studies(studies(drawn(needed, **gaps))))
    fewer = only(compare_studies(studies(drawn(needed - 1, **gaps))))
    assert any(d.adjusted <= 0.05 for d in enough.pairwise)
    assert all(d.adjusted > 0.05 for d in fewer.pairwise)


def test_equal_leaders_share_the_rank():
    c = only(compare_studies(studies({"a/x": [0.9, 0.8], "b/x": [0.8, 0.9]})))
    assert sentence(c).startswith(
        "Over 2 binary tasks a/x and b/x share the best average rank (1.50 of 2), which is"
    )
    assert c.friedman == 1.0


def test_an_error_is_compared_by_its_ratio():
    rng = np.random.default_rng(0)
    size = 10.0 ** rng.integers(-3, 4, 8)  # targets of any unit
    table = {"a/x": size * 1.0, "b/x": size * rng.uniform(1.04, 1.06, 8)}
    c = only(compare_studies(studies(table, metric="rmse", direction="minimize")))
    assert c.scale is Scale.RATIO
    assert c.pairs == ("a/x", "b/x")
    assert c.pairwise[0].difference == pytest.approx(0.05, abs=0.01)
    assert c.pairwise[0].relation is Relation.BETTER
    assert "less than 0.01 of the error apart" in remarks(c)[0]


def test_an_error_of_zero_is_subtracted_and_said_so():
    c = only(
        compare_studies(studies({"a/x": [0.0, 1.0], "b/x": [1.0, 2.0]}, metric="rmse", direction="minimize"))
    )
    assert c.scale is Scale.DIFFERENCE
    assert c.notes == ("An error of 0 has no ratio: errors are subtracted, though their units may differ.",)


TABLE = st.lists(st.tuples(*[st.integers(0, 20).map(lambda i: i / 20)] * 3), min_size=2, max_size=8)


@settings(max_examples=30)
@given(TABLE, st.permutations(range(3)))
def test_the_order_of_pairs_and_tasks_changes_nothing(rows, order):
    names = ["a/x", "b/x", "c/x"]
    table = {n: [row[i] for row in rows] for i, n in enumerate(names)}
    with without_baycomp():
        first = only(compare_studies(studies(table)))
        turned = only(compare_studies(studies({names[i]: table[names[i]] for i in order})[::-1]))
    assert dict(first.ranks) == pytest.approx(dict(turned.ranks))
    assert first.friedman == pytest.approx(turned.friedman)
    for d in first.pairwise:
        other = compared(turned, d.a, d.b)
        same = d.a == other.a
        assert d.p == pytest.approx(other.p)
        assert (d.wins, d.losses) == ((other.wins, other.losses) if same else (other.losses, other.wins))
        assert d.difference == pytest.approx(other.difference if same else -other.difference)


# --- a silly pair (Benavoli, Corani & Mangili 2016) -----------------------------------------------------


def test_silly_pairs_turn_average_ranks_round_and_not_the_answer():
    a = [0.90, 0.90, 0.90, 0.90, 0.90, 0.90, 0.80, 0.80, 0.80, 0.80]
    b = [0.80, 0.80, 0.80, 0.80, 0.80, 0.80, 0.85, 0.85, 0.85, 0.85]
    # silly pairs lie between the two only where b wins
    silly = {f"silly{i}/x": [0.5 - i / 100] * 6 + [0.81 + i / 100] * 4 for i in range(3)}
    two = only(compare_studies(studies({"a/x": a, "b/x": b})))
    all_ = only(compare_studies(studies({"a/x": a, "b/x": b, **silly})))
    assert two.ranks["a/x"] < two.ranks["b/x"]
    assert all_.ranks["a/x"] > all_.ranks["b/x"]
    before, after = compared(two, "a/x", "b/x"), compared(all_, "b/x", "a/x")
    assert (after.a, after.b) == ("b/x", "a/x")
    assert before.p == after.p
    assert before.difference == -after.difference
    assert (before.wins, before.losses) == (after.losses, after.wins)
    assert (before.better, before.worse) == pytest.approx((after.worse, after.better), abs=0.03)


@settings(max_examples=30)
@given(TABLE, st.integers(1, 2))
def test_silly_pairs_never_turn_who_beats_whom(rows, n):
    table = {n: [row[i] for row in rows] for i, n in enumerate(("a/x", "b/x", "c/x"))}
    silly = {f"silly{i}/x": np.random.default_rng(i).random(len(rows)) for i in range(n)}
    with without_baycomp():
        before = only(compare_studies(studies(table)))
        after = only(compare_studies(studies({**table, **silly})))
    for d in before.pairwise:
        other = compared(after, d.a, d.b)
        assert other.p == pytest.approx(d.p)
        assert other.adjusted >= d.adjusted - 1e-12  # more questions: no answer is surer, none turns round
        won = {Relation.BETTER: d.a, Relation.WORSE: d.b}.get(d.relation)
        wins = {Relation.BETTER: other.a, Relation.WORSE: other.b}.get(other.relation)
        assert wins in (won, None)


# --- what may be compared --------------------------------------------------------------------------------


def test_kinds_are_compared_apart():
    binary, values = studies(drawn(3, a=0.1, b=0.0)), studies(drawn(2, c=0.1, d=0.0), kind="regression")
    values = [study(f"r{i}", s.scores, kind="regression") for i, s in enumerate(values)]
    alone = study("lonely", {"a/x": 1.0}, kind="multiclass")
    found, left = compare_studies([*binary, *values, alone])
    assert [(c.kind, c.tasks) for c in found] == [("binary", 3), ("regression", 2)]
    assert left == (
        "lonely is left out: it is the only multiclass study, and pairs differ between kinds of task.",
    )


def test_pairs_that_not_all_have_are_left_out_and_named():
    first, second = (
        study("s", {"a/x": 0.9, "b/x": 0.8, "c/x": 0.7, "d/x": math.nan}),
        study("t", {"a/x": 0.9, "b/x": 0.8, "d/x": math.nan}),
    )
    c = only(compare_studies([first, second]))
    assert c.pairs == ("a/x", "b/x")
    assert c.left_out == {"c/x": ("t",), "d/x": ("s", "t")}
    assert remarks(c)[-2:] == ["c/x is left out: not in t.", "d/x is left out: no study has a score of it."]


def test_what_the_scores_rest_on_is_said():
    c = only(
        compare_studies(
            [
                study("s", {"a/x": 0.9, "b/x": 0.8}, part="search", metric="f1_macro", optimizer="sgd"),
                study("t", {"a/x": 0.9, "b/x": 0.8}, part="validation"),
            ]
        )
    )
    assert c.notes == (
        (
            "Not confirmed: s. There the search's own scores stand in; they are optimistic, the more the more was "
            "searched."
        ),
        "Confirmed on validation rows, without a test part: t.",
        "Tasks are judged by different metrics: s f1_macro, t accuracy.",
        "Studies differ in more than the task: optimisers s sgd, t adam.",
    )


AB = {"a/x": 0.9, "b/x": 0.8}


@pytest.mark.parametrize(
    ("given", "options", "message"),
    [
        ([study("s", AB)], {}, "A comparison needs at least two studies; got s."),
        ([], {}, "A comparison needs at least two studies; got none."),
        ([study("s", AB), study("s", AB)], {}, "Study 's' is named twice."),
        (
            [study("s", AB), study("t", AB, kind="regression")],
            {},
            (
                "No two of these studies are of one kind of task: s (binary), t (regression). Pairs differ between kinds, "
                "so name at least two of a kind."
            ),
        ),
        (
            [study("s", AB), study("t", {"a/x": 0.9})],
            {},
            (
                "The binary studies have only a/x in common, so there is nothing to compare (s: a/x, b/x; t: a/x). Leave "
                "out the study that differs, or run it with the others' pairs."
            ),
        ),
        (
            [study("s", AB), study("t", {})],
            {},
            (
                "The binary studies have no pair in common, so there is nothing to compare (s: a/x, b/x; t: no pair with "
                "a score). Leave out the study that differs, or run it with the others' pairs."
            ),
        ),
        (
            [study("s", AB), study("t", AB, metric="log_loss", direction="minimize")],
            {},
            (
                "Some of the binary studies are judged by a score and some by an error (s: accuracy, t: log_loss); these "
                "have no common unit. Name one metric for all with metric=."
            ),
        ),
        ([study("s", AB), study("t", AB)], {"level": 1.0}, "level must lie between 0 and 1; got 1."),
        ([study("s", AB), study("t", AB)], {"rope": -1.0}, "rope must be a number from 0 up; got -1."),
    ],
)
def test_what_cannot_be_compared_is_refused(given, options, message):
    with pytest.raises(InputError) as caught:
        compare_studies(given, **options)
    assert str(caught.value) == message


# --- tables and pictures --------------------------------------------------------------------------------


@pytest.fixture
def comparison():
    gaps = {
        "bce/sigmoid": 0.02,
        "focal/sigmoid": 0.015,
        "mse/identity": 0.0,
        "one_vs_rest_squared_hinge/identity": -0.1,
    }
    rng = np.random.default_rng(3)
    base = rng.uniform(0.6, 0.9, 9)
    return only(
        compare_studies(studies({p: (base + g + rng.normal(0, 0.004, 9)).round(3) for p, g in gaps.items()}))
    )


def printed(renderable, width):
    console = Console(width=width, record=True, file=open("/dev/null", "w"))  # noqa: PTH123, SIM115
    console.print(renderable)
    return console.export_text()


@pytest.mark.parametrize("width", [80, 140])
def test_the_table_fits_the_screen(comparison, width):
    text = printed(compared_table(comparison), width)
    assert max(map(len, text.splitlines())) <= width
    assert "one_vs_rest_squared_hinge/" in text
    assert "is beaten by" in text


def test_columns_hold_what_the_duels_say(comparison):
    columns = {c.heading: c.cells for c in rank_columns(comparison)}
    assert columns["pair"] == comparison.pairs
    assert columns["gain on first"][0] == "-"
    assert columns["gain on first"][-1].startswith("-0.1")
    assert sum(map(int, columns["best on"])) >= 9


def test_json_is_plain(comparison):
    plain = json.loads(json.dumps(comparison.as_json(), allow_nan=False))
    assert plain["pairs"] == list(comparison.pairs)
    assert plain["pairwise"][-1]["relation"] == "better"
    assert plain["scores"]["task0"] == comparison.scores.loc["task0"].to_dict()
    assert plain["sentence"] == sentence(comparison)


def test_pictures_are_drawn_and_described(comparison, tmp_path):
    pytest.importorskip("scikit_posthocs")
    files = write_pictures(comparison, tmp_path)
    assert [f.name for f in files] == ["critical_difference_binary.png", "scores_binary.png"]
    assert all(imread(f).std() > 0.01 for f in files)
    alt = critical_picture(comparison).panels[0].alt
    assert alt.startswith(f"Average ranks over 9 tasks, best first: {comparison.pairs[0]} ")
    assert scores_picture(comparison).panels[0].alt.startswith("Best on each task. task0: ")


def test_the_diagram_joins_what_nemenyi_does_not_tell_apart(comparison):
    posthocs = pytest.importorskip("scikit_posthocs")
    figure = whole_figure(critical_picture(comparison))
    (ax,) = figure.axes
    bars = [line.get_xdata() for line in ax.lines if line.get_linewidth() == 4]
    p = posthocs.posthoc_nemenyi_friedman(comparison.scores)
    names = {round(r, 9): n for n, r in comparison.ranks.items()}
    joined = [{names[round(float(x), 9)] for x in bar} for bar in bars]
    for a in comparison.pairs:
        for b in comparison.pairs:
            assert (p.loc[a, b] > 0.05) == (a == b or any({a, b} <= bar for bar in joined))


def test_the_heat_map_shows_every_score(comparison):
    (ax,) = whole_figure(scores_picture(comparison)).axes
    shown = {t.get_text() for t in ax.texts}
    assert {f"{v:.3f}" for v in comparison.scores.to_numpy().flatten()} <= shown


def test_without_the_extra_there_is_no_diagram_and_it_is_said(comparison, tmp_path, monkeypatch):
    for name in ("baycomp", "scikit_posthocs"):
        monkeypatch.setitem(sys.modules, name, None)
    c = only(compare_studies(comparison.studies))
    assert all(d.equal is None for d in c.pairwise)
    assert {d.relation for d in c.pairwise} <= {Relation.BETTER, Relation.UNDECIDED}
    assert (
        "Probabilities of practical difference and the critical-difference diagram need: pip install 'lossearch[stats]'"
        in remarks(c)
    )
    assert [f.name for f in write_pictures(c, tmp_path)] == ["scores_binary.png"]
    with pytest.raises(InputError, match="drawn by scikit-posthocs: pip install 'lossearch\\[stats\\]'"):
        critical_picture(c)
    assert len(rank_columns(c)) == 5


# --- studies of a store ----------------------------------------------------------------------------------

SEARCHED = {
    "bce/sigmoid": {"val_accuracy": 0.90, "val_log_loss": 0.3},
    "focal/sigmoid": {"val_accuracy": 0.91, "val_log_loss": 0.4},
    "hinge/identity": {"val_accuracy": 0.85},
}
CONFIRMED = {
    "bce/sigmoid": {"test_accuracy": (0.88, 0.90), "test_log_loss": (0.31, 0.33)},
    "focal/sigmoid": {"test_accuracy": (0.87, 0.89), "test_log_loss": (0.41, 0.43)},
    "hinge/identity": {"test_accuracy": (0.80, 0.82)},
}


def write_study(
    store, name, searched=SEARCHED, confirmed=CONFIRMED, *, kind="binary", mode="equal", min_trials=1
):
    """Write the records of a study that is done, as a run leaves them."""
    metric, direction = "accuracy", "maximize"
    base = example_study_record(name)
    store.write_study(
        replace(
            base,
            task=replace(base.task, kind=kind),
            space=replace(base.space, pairs={p: {} for p in searched}),
            search=replace(base.search, mode=mode, seeds=2),
            train=replace(base.train, optimizer="adam"),
            min_trials=min_trials,
        )
    )
    recorded = optuna.create_study(
        storage=open_storage(store, name, None), study_name=name, direction=direction, load_if_exists=True
    )
    for number, (pair, scores) in enumerate(searched.items()):
        record = TrialRecord(
            number,
            "cover",
            Point(pair, 0.1),
            "",
            (1, 2),
            Outcome.COMPLETED,
            scores[f"val_{metric}"],
            3,
            scores=scores,
        )
        recorded.add_trial(optuna.trial.create_trial(value=record.value, user_attrs=to_attrs(record)))
    if confirmed:
        write_confirmed(
            store.study_dir(name),
            Confirmed(
                "test",
                metric,
                (7, 8),
                {},
                tuple(
                    Confirmation(
                        Point(p, 0.1),
                        "",
                        0,
                        0.9,
                        3,
                        f"test_{metric}",
                        (7, 8),
                        (Outcome.COMPLETED,) * 2,
                        v,
                        ("label",),
                    )
                    for p, v in confirmed.items()
                ),
            ),
        )


@pytest.fixture
def written(store):
    opened = Store.open(store)
    write_study(opened, "one")
    write_study(opened, "two")
    write_study(opened, "searched", confirmed=None)
    return opened


def test_confirmed_scores_are_compared_and_search_scores_with_a_warning(written, store):
    c = only_group(compare(["one", "two"], store))
    assert [s.part for s in c.studies] == ["test", "test"]
    assert c.scores.loc["one", "bce/sigmoid"] == pytest.approx(0.89)
    assert c.notes == ()
    c = only_group(compare(["one", "searched"], store))
    assert c.scores.loc["searched", "focal/sigmoid"] == 0.91
    assert c.notes[0].startswith("Not confirmed: searched. ")


def test_a_study_that_may_not_be_read_is_left_out_and_the_answer_says_why(written, store, capfd):
    written.write_study(replace(written.read_study("two"), storage="postgresql://me@127.0.0.1:1/db"))
    (code, out, err) = run(capfd, "compare", "one", "two", "searched", "--store", str(store))
    why = "Study 'two' is recorded in postgresql://me@127.0.0.1:1/db, outside of the store, which is not opened unasked."
    assert (code, err) == (0, "")
    assert why in " ".join(out.split())
    found = compare(["one", "two", "searched"], store)
    assert str(found).startswith("Over 2 binary tasks ")
    assert str(found).endswith(found.left_out[-1])
    assert repr(found) == "ComparedStudies(one, searched)"
    assert [s.name for s in only_group(found).studies] == ["one", "searched"]
    (said,) = found.as_json()["left_out"]
    assert said.startswith(why)
    with pytest.raises(StoreError, match="is recorded in"):
        compare(["one", "two"], store)
    with pytest.raises(InputError, match="named twice"):
        compare(["one", "searched", "two", "one"], store)


def test_results_may_be_compared_by_themselves(written, store, tmp_path):
    names = ["one", "two", "searched"]
    results = [load(name, store) for name in names]
    by_name = compare(names, store)
    nowhere = tmp_path / "no store"
    assert compare(results, nowhere).as_json() == by_name.as_json()
    assert compare([results[0], "two", results[2]], store).as_json() == by_name.as_json()
    with pytest.raises(StoreError, match="No store at"):
        compare([results[0], "two"], tmp_path / "no store")
    with pytest.raises(InputError, match="named twice"):
        compare([results[0], results[1], results[0]])


def test_results_of_other_stores_are_compared_unless_they_share_a_name(written, store, tmp_path):
    other = Store.open(tmp_path / "other")
    write_study(other, "three")
    write_study(other, "one")
    found = compare([load("one", store), load("three", other.root)])
    assert [s.name for s in only_group(found).studies] == ["one", "three"]
    for pair in ([load("one", store), load("one", other.root)], [load("one", other.root), "one"]):
        with pytest.raises(InputError, match=r"Two studies are named 'one', in .* and .*other") as caught:
            compare(pair, store)
        assert "another name (name=)" in str(caught.value)


def test_what_is_no_list_of_studies_is_refused(written, store):
    one = load("one", store)
    for arguments in ((one, one), (one,), ("one", store), ("one", one), (None,), (["one"], one)):
        with pytest.raises(
            InputError, match=r"in one list, as names or results: lossearch\.compare\(\[a, b\]\)"
        ):
            compare(*arguments)
    with pytest.raises(InputError, match=r"is a name or a result of .*; got a int\.") as caught:
        compare([one, 3, {"a": 1}], store)
    assert "got a dict." in str(caught.value)


def only_group(found):
    (group,) = found.groups
    return group


def test_another_metric_may_be_named(written, store):
    c = only_group(compare(["one", "searched"], store, metric="neg_log_loss"))
    assert {s.metric for s in c.studies} == {"log_loss"}
    assert {s.direction for s in c.studies} == {"minimize"}
    assert c.scores.loc["one", "bce/sigmoid"] == pytest.approx(0.32)
    assert c.scores.loc["searched", "bce/sigmoid"] == 0.3
    assert c.left_out == {"hinge/identity": ("one", "searched")}
    assert set(c.pairs) == {"bce/sigmoid", "focal/sigmoid"}


def test_every_unknown_study_is_named(written, store):
    with pytest.raises(UnknownNameError) as caught:
        compare(["one", "tow", "zzz"], store)
    known = f"Known: one, searched, two. The store is {written.root}."
    assert str(caught.value) == (
        f"2 problems:\n  - No study named 'tow'. Did you mean 'two'? {known}\n  - No study named 'zzz'. {known}"
    )


@pytest.mark.parametrize(
    ("changes", "options", "message"),
    [
        (
            {"mode": "adaptive"},
            {},
            (
                "Study 'odd' searched adaptively, so its pairs got different budgets and are not ranked. Run it with "
                'mode = "equal".'
            ),
        ),
        ({}, {"metric": "ece"}, None),
        (
            {"min_trials": 5, "confirmed": None},
            {},
            "Study 'odd' has no pair with enough finished trials. Give it more trials (trials=).",
        ),
    ],
)
def test_studies_that_cannot_be_compared_are_named(written, store, changes, options, message):
    write_study(written, "odd", **changes)
    with pytest.raises(InputError) as caught:
        compare(["one", "odd"], store, **options)
    assert str(caught.value) == (
        message
        or "2 problems:\n  - Study 'one' has no scores under 'ece'; it is judged by accuracy.\n"
        "  - Study 'odd' has no scores under 'ece'; it is judged by accuracy."
    )


def run(capfd, *arguments):
    code = cli.invoke(arguments)
    out, err = capfd.readouterr()
    return code, out, err


def test_the_command_prints_and_writes(written, store, tmp_path, capfd):
    code, out, err = run(
        capfd, "compare", "one", "two", "--store", str(store), "--output", str(tmp_path / "out")
    )
    assert (code, err) == (0, "Drawing the comparison ...\n")
    assert "Over 2 binary tasks bce/sigmoid has the best average rank (1.00 of 3)" in " ".join(out.split())
    names = sorted(p.name for p in (tmp_path / "out").iterdir())
    assert {"comparison.md", "scores_binary.csv", "scores_binary.png"} <= set(names)
    text = (tmp_path / "out" / "comparison.md").read_text(encoding="utf-8")
    assert "![scores binary](scores_binary.png)" in text.replace("\\_", "_")
    assert "| bce/sigmoid | 1.00 |" in text


def test_the_command_gives_json_alone(written, store, tmp_path, capfd):
    code, out, _ = run(
        capfd, "compare", "one", "two", "--store", str(store), "--format", "json", "--output", str(tmp_path)
    )
    assert code == 0
    plain = json.loads(out)
    assert [c["kind"] for c in plain["groups"]] == ["binary"]
    assert plain["left_out"] == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["one"], "Error: A comparison needs at least two studies; got one.\n"),
        (["one", "one"], "Error: Study 'one' is named twice.\n"),
        (
            ["one", "two", "--metric", "rmse"],
            "Error: Metric 'rmse' judges reconstruction, regression, count, probabilistic, compositional and positive tasks; this one is binary.",
        ),
    ],
)
def test_the_command_refuses_with_exit_code_2(written, store, capfd, arguments, message):
    code, out, err = run(capfd, "compare", *arguments, "--store", str(store))
    assert (code, out) == (2, "")
    assert err.startswith(message)


def test_markdown_escapes_names(comparison):
    assert "one\\_vs\\_rest" in to_markdown([comparison], [], [])
