"""What decides a study's results is declared once, for training and for the records."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace

import pytest
from contracts.records import example_study_record

from lossearch.config import make_config
from lossearch.records import study as records
from lossearch.study.prepare import prepare
from lossearch.training.contract import TrainingRecipe, TrainSettings


def test_a_record_holds_every_setting_that_decides_results_and_no_other():
    recipe = {f.name for f in fields(TrainingRecipe)}
    assert {f.name for f in fields(records.TrainRecord)} == recipe
    assert {f.name for f in fields(TrainSettings)} - recipe == {"device", "compile"}


def test_what_was_asked_for_is_what_is_recorded():
    train = {"epochs": 3, "batch_size": 10, "optimizer": "SGD", "options": {"momentum": 0.5}, "clip": 2.0}
    config = make_config(
        {"task": {"data": "circles"}, "train": {**train, "schedule": "cosine", "epoch": "last"}}
    )
    plan = prepare(config).plan
    assert vars(plan.definition().train) == {
        **train,
        "optimizer": "sgd",
        "schedule": "cosine",
        "precision": "32-true",
        "epoch": "last",
        "class_weight": "none",
        "pos_weight": "none",
    }
    assert {k: v for k, v in vars(plan.settings).items() if k not in ("device", "compile")} == vars(
        plan.definition().train
    )


@dataclass(frozen=True, kw_only=True)
class Longer(records.TrainRecord):
    """A record with a field more than there is today."""

    warm_up: float = field(default=0.1, metadata={"absent": 0.1})


@pytest.mark.parametrize(("value", "named"), [(0.1, False), (0.2, True), (0.0, True)])
def test_a_setting_added_later_is_no_part_of_the_identity_where_it_has_its_default(value, named):
    before = example_study_record()
    after = replace(before, train=Longer(**vars(before.train), warm_up=value))
    assert (after.identity() == before.identity()) is not named
    assert after.identity()["train"].get("warm_up", value) == value
