"""A class_weight that names some of the labels: what is left at 1 is said, and what does not occur is refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lossearch.config import make_config
from lossearch.data.sources import from_arrays
from lossearch.errors import InputError
from lossearch.study.prepare import prepare
from lossearch.tasks.weights import class_weights

LABELS = ("ant", "bee", "cat", "dog")


def planned(class_weight, labels=LABELS):
    y = np.tile(np.asarray(labels), 40)
    x = np.random.default_rng(0).normal(size=(len(y), 2))
    return prepare(make_config({"train": {"class_weight": class_weight}}), dataset=from_arrays(x, y)).plan


def said(plan) -> list[str]:
    return [note for note in plan.notes if note.startswith("class_weight names")]


@given(st.dictionaries(st.sampled_from(LABELS), st.floats(0.1, 10), min_size=1))
@settings(max_examples=8, deadline=None)
def test_what_is_left_at_one_is_said_once(weights):
    plan = planned(weights)
    left = [label for label in LABELS if label not in weights]
    notes = said(plan)
    assert len(notes) == bool(left)
    for label in LABELS if notes else ():
        assert (label in notes[0].partition(": ")[2]) is (label in left)
    (table,) = class_weights(plan.task, plan.task.fold(0), plan.settings.class_weight, "none")
    weighed = [table[plan.task.classes.index(label)] for label in LABELS]
    expected = np.array([weights.get(label, 1.0) for label in LABELS])
    np.testing.assert_allclose(np.array(weighed) / weighed[0], expected / expected[0])


@pytest.mark.parametrize(
    ("labels", "weights", "note"),
    [
        ((0, 1), {1: 5}, "class_weight names 1 alone: 0 is left at weight 1."),
        (("no", "yes"), {"yes": 5}, "class_weight names yes alone: no is left at weight 1."),
        (LABELS, {"bee": 5}, "class_weight names bee alone: ant, cat and dog are left at weight 1."),
        (LABELS, ["none", {"bee": 5, "ant": 2, "dog": 1}, "balanced"], "class_weight names ant, bee and dog alone: cat is left at weight 1."),
    ],
)  # fmt: skip
def test_the_note_has_the_labels_as_they_stand_in_y(labels, weights, note):
    assert said(planned(weights, labels)) == [note]


@pytest.mark.parametrize("weights", [None, "balanced", dict.fromkeys(LABELS, 2)])
def test_nothing_is_said_where_no_label_is_left(weights):
    assert said(planned(weights)) == []


@pytest.mark.parametrize(
    ("weights", "words"),
    [
        ({"Bee": 5}, "names 'Bee', and y holds ant, bee, cat and dog. Did you mean 'bee'?"),
        ({"doge": 5}, "Did you mean 'dog'?"),
        ([None, {"ant": 1, "owl": 2}], "names 'owl'"),
    ],
)
def test_a_label_that_does_not_occur_is_refused(weights, words):
    with pytest.raises(InputError) as refused:
        planned(weights)
    assert words in str(refused.value)


def test_of_very_many_labels_some_are_listed():
    labels = [f"c{i:03}" for i in range(60)]
    (note,) = said(planned({"c007": 2}, labels))
    assert note.endswith("c010 and 49 more are left at weight 1.")
    with pytest.raises(InputError, match="and 50 more"):
        planned({"mouse": 2}, labels)
