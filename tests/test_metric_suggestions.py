"""What is suggested where a metric of a user's own module has no such name: what it logs first, and nothing twice."""

from __future__ import annotations

import re
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lossearch.metrics.registry import metrics_for
from lossearch.training.own_module.judges import Choice

LOGGED = ["val_loss", "val_accuracy", "val_f1", "accuracy", "brier"]


def said(name, logged=LOGGED, *, seen=True, kind="binary"):
    found = SimpleNamespace(logged=dict.fromkeys(logged, 0.5), validation=() if seen else None)
    return Choice(SimpleNamespace(title="Net"), kind, found).unknown(name)


@pytest.mark.parametrize(
    ("name", "logged", "meant"),
    [
        ("val_acc", ["val_loss", "val_accuracy"], "val_accuracy"),
        ("val_acc", ["val_loss"], "accuracy"),
        ("val_f1", ["val_loss"], "f1"),
        ("valid_auc", ["val_loss"], "auroc"),
        ("acuracy", ["val_accuracy"], "val_accuracy"),
        ("acuracy", ["val_loss"], "accuracy"),
        ("val_acuracy", ["margin"], "accuracy"),
        ("val/acc", ["val/accuracy"], "val/accuracy"),
    ],
)
def test_what_is_logged_is_meant_before_what_is_ours(name, logged, meant):
    assert f"Did you mean {meant!r}?" in said(name, logged)


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(["val_acc", "val_f2", "nonsense", "acuracy", "val_f1_score"]),
    st.lists(st.sampled_from([*LOGGED, *(m.name for m in metrics_for("binary"))]), unique=True),
    st.booleans(),
)
def test_no_name_is_listed_twice_and_logged_ones_stand_first(name, logged, seen):
    text = said(name, logged, seen=seen)
    listed = re.sub(r"Did you mean '\S+'\?", "", text).partition("Net logs ")[2]
    names = re.findall(r"[\w/]+", listed.replace("in validation", "").replace("lossearch computes", ""))
    assert names[: len(logged)] == (logged or ["nothing"])[: len(logged)]
    assert len(names) == len(set(names))
    left = {m.name for m in metrics_for("binary")} - set(logged)
    assert ("lossearch computes" in text) == (seen and bool(left))


def test_what_a_module_does_not_show_is_not_offered():
    assert (
        said("val_acc", ["margin"], seen=False) == "No metric named 'val_acc'. Net logs margin in validation."
    )
