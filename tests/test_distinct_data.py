"""A comparison over tasks counts a data set once, and says where two of them share their rows."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_compare import drawn, only, studies, study, write_study

from lossearch.api.comparison import compare
from lossearch.data.dataset import Dataset
from lossearch.data.sketch import MOST_CELLS, common_rows, sketch
from lossearch.errors import InputError
from lossearch.records.store import Store
from lossearch.tasks.build import make_task
from lossearch.verdict.across_tasks.compare import compare_studies


def on(data, found):
    """The same studies, on data sets of these digests."""
    return [replace(s, data=d) for s, d in zip(found, data, strict=True)]


def test_a_copy_adds_no_evidence():
    distinct = on("abcdef", studies(drawn(6, a=0.01, b=0.0, c=-0.01)))
    copies = [replace(s, name=f"{s.name} again") for s in distinct]
    once, twice = only(compare_studies(distinct)), only(compare_studies([*distinct, *copies]))
    assert twice.tasks == once.tasks == 6
    assert twice.friedman == once.friedman
    assert [(d.p, d.equal, d.relation) for d in twice.pairwise] == [
        (d.p, d.equal, d.relation) for d in once.pairwise
    ]
    assert twice.notes[0] == (
        "task0 and task0 again are of one data set, which counts once, by the mean of their scores."
    )
    assert twice.scores.index[0] == "task0 = task0 again"


@given(st.lists(st.sampled_from("abcd"), min_size=2, max_size=9))
@settings(max_examples=30, deadline=None)
def test_as_many_tasks_count_as_there_are_data_sets(data):
    found = on(data, studies(drawn(len(data), a=0.01, b=0.0)))
    if len(set(data)) == 1:
        with pytest.raises(InputError, match="are left out: all are of one data set"):
            compare_studies(found)
        return
    c = only(compare_studies(found))
    assert c.tasks == len(set(data))
    means = {d: np.mean([s.scores["a/x"] for s in found if s.data == d]) for d in data}
    assert sorted(c.scores["a/x"]) == pytest.approx(sorted(means.values()))
    assert len(c.notes) == sum(data.count(d) > 1 for d in set(data))


def test_data_nobody_knows_are_taken_for_different():
    assert only(compare_studies(studies(drawn(3, a=0.01, b=0.0)))).tasks == 3


def test_of_several_metrics_the_first_counts():
    first, other, third = on("aab", studies(drawn(3, a=0.01, b=0.0)))
    c = only(compare_studies([first, replace(other, metric="f1_macro"), third]))
    assert c.scores.loc["task0 = task1", "a/x"] == first.scores["a/x"]
    assert "counts once, by the scores of task0, as their metrics differ." in c.notes[0]


def test_a_score_that_one_copy_lacks_is_none():
    a = {"a/x": 0.9, "b/x": 0.8, "c/x": 0.7}
    found = on("aab", [study("s", a), study("t", {**a, "c/x": math.nan}), study("u", a)])
    assert only(compare_studies(found)).pairs == ("a/x", "b/x")


def test_one_data_set_of_a_kind_is_left_out_beside_others():
    values = [study(f"r{i}", {"c/x": 1.0, "d/x": 2.0}, kind="regression") for i in range(2)]
    found, alone = compare_studies([*on("ab", studies(drawn(2, a=0.1, b=0.0))), *on("cc", values)])
    assert [c.kind for c in found] == ["binary"]
    assert alone == ("r0 and r1 are left out: all are of one data set, and tasks are the sample here.",)


# ---- rows in common


@given(st.integers(0, 300), st.integers(0, 10**6))
@settings(max_examples=25, deadline=None)
def test_sketches_tell_the_share_of_common_rows(common, seed):
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(600, 3)), rng.integers(0, 2, 600)
    one, other = slice(0, 300), slice(300 - common, 600 - common)
    share = common / (600 - common)
    found = common_rows(sketch(x[one], y[one]), sketch(x[other], y[other]))
    assert found == pytest.approx(share, abs=4 * math.sqrt(share * (1 - share) / 64) + 1e-9)


def test_a_sketch_depends_on_neither_order_nor_types():
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 9, size=(50, 3)), rng.integers(0, 2, 50)
    table = pd.DataFrame(x.astype(np.float32), columns=list("abc"), index=np.arange(50) + 7)
    order = rng.permutation(50)
    assert sketch(x, y) == sketch(table, y.astype(float)) == sketch(x[order], y[order])
    text = table.assign(d="word")
    assert sketch(text, np.where(y > 0, "yes", "no")) != sketch(table, y)


def test_images_are_looked_through_and_what_is_too_large_is_not():
    images, y = np.random.default_rng(0).normal(size=(20, 1, 4, 4)), np.arange(20) % 2
    assert common_rows(sketch(images, y), sketch(images[5:], y[5:])) == 0.75
    large = np.broadcast_to(0.0, (MOST_CELLS + 1, 1))
    assert sketch(large, np.zeros(1)) == ""
    assert common_rows("", "") == 0


def test_near_copies_are_said():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(400, 3)), rng.integers(0, 2, 400)
    found = on("abc", studies(drawn(3, a=0.01, b=0.0)))
    rows = [sketch(x, y), sketch(x[:390], y[:390]), sketch(x + 1, y)]
    c = only(compare_studies([replace(s, rows=r) for s, r in zip(found, rows, strict=True)]))
    assert c.tasks == 3
    (note,) = c.notes
    assert note.startswith("task0 and task1 share about 9")
    assert "hardly two tasks" in note


def test_a_task_describes_its_rows():
    rng = np.random.default_rng(0)
    data = Dataset("d", rng.normal(size=(60, 2)).astype(np.float32), np.arange(60) % 2, digest="abc")
    one, other = make_task(data, seed=0), make_task(data, seed=1)
    assert one.describe["row_sketch"] == other.describe["row_sketch"]
    assert one.digest != other.digest


def test_studies_of_a_store_that_share_their_data_count_once(store):
    opened = Store.open(store)
    for name, digest in (("one", "a"), ("copy", "a"), ("two", "b")):
        write_study(opened, name)
        opened.write_study(replace(opened.read_study(name), describe={"data_digest": digest}))
    (group,) = compare(["one", "copy", "two"], store).groups
    assert group.tasks == 2
    assert group.notes[0].startswith("one and copy are of one data set")
    with pytest.raises(InputError, match="one and copy are left out: all are of one data set"):
        compare(["one", "copy"], store)


@pytest.mark.parametrize(
    ("tasks", "relation"), [(2, "undecided"), (4, "undecided"), (5, "equal"), (8, "equal")]
)
def test_few_tasks_are_not_sure_of_equality(tasks, relation):
    same = {"a/x": [0.8] * tasks, "b/x": [0.8 + 0.001 * (-1) ** i for i in range(tasks)]}
    (d,) = only(compare_studies(studies(same))).pairwise
    assert d.relation == relation
    assert d.equal == pytest.approx(1 - 0.5**tasks)
    assert d.better + d.equal + d.worse == pytest.approx(1)
