"""Every study file says its question, loads, and can be run; the published ones are as published."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lossearch.config import config_toml, load_config, parse_config

STUDIES = sorted((Path(__file__).parent.parent / "studies").glob("*.toml"))
PUBLISHED = {
    # study: hidden, epochs, rows of (pair, label, metric, train, test), from the article's tables
    "published_regression": (
        (25,),
        100,
        [
            ("mse/identity", "mean_squared_error", "mse", 0.000, 0.001),
            ("mae/identity", "mean_absolute_error", "mse", 0.002, 0.002),
            ("msle_clamped/identity", "mean_squared_logarithmic_error", "mse", 0.165, 0.184),
        ],
    ),
    "published_circles": (
        (50,),
        200,
        [
            ("bce/sigmoid", "binary_crossentropy", "accuracy", 0.836, 0.852),
            ("hinge/tanh", "hinge", "keras2_accuracy", 0.792, 0.740),
            ("squared_hinge/tanh", "squared_hinge", "keras2_accuracy", 0.682, 0.646),
        ],
    ),
    "published_blobs": (
        (50,),
        100,
        [
            ("cross_entropy_one_hot/softmax", "categorical_crossentropy", "accuracy", 0.840, 0.822),
            ("cross_entropy/softmax", "sparse_categorical_crossentropy", "accuracy", 0.832, 0.818),
            ("kl_div/softmax", "kullback_leibler_divergence", "accuracy", 0.822, 0.822),
        ],
    ),
}


def by_stem(file: Path) -> str:
    return file.stem


@pytest.mark.parametrize("file", STUDIES, ids=by_stem)
def test_a_study_says_its_question_the_direction_expected_and_the_answer(file):
    comment = re.match(r"(?:#.*\n)+", file.read_text())
    assert comment is not None
    heads = re.findall(r"^# (Question|Expected|Found): (.+)$", comment[0], flags=re.MULTILINE)
    assert [head for head, _ in heads] == ["Question", "Expected", "Found"]


@pytest.mark.parametrize("file", STUDIES, ids=by_stem)
def test_a_study_is_named_after_its_file_and_survives_being_written(file):
    found = load_config(file)
    assert found.name == file.stem
    assert parse_config(config_toml(found)) == found


@pytest.mark.parametrize("file", STUDIES, ids=by_stem)
def test_a_study_can_be_planned(file):
    from lossearch import api

    config = load_config(file)
    plan = api.plan(config).plan
    assert plan.task.metric.name == config.task.metric
    if config.space.pairs is not None:
        assert plan.space.names == config.space.pairs
        if file.stem.startswith("published"):
            assert plan.total == len(plan.space.names)
    else:
        assert {p.loss.name for p in plan.space.pairs} == set(config.space.losses or ())
        assert plan.total == config.budget.trials, "no trial is left unspent"


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_study_is_as_published(name):
    from lossearch import api

    hidden, epochs, rows = PUBLISHED[name]
    config = load_config(next(f for f in STUDIES if f.stem == name))
    assert config.task.hidden == hidden
    assert config.task.init == "he_uniform"
    assert config.task.scale is False
    assert config.task.test is False
    assert config.task.rows is not None
    assert (config.task.rows.train, config.task.rows.validation) == ("0:500", "500:1000")
    assert config.space.lr == 0.01
    assert config.budget.seeds == 10
    t = config.train
    assert (t.epochs, t.batch_size, t.optimizer, t.options, t.epoch) == (
        epochs,
        32,
        "sgd",
        {"momentum": 0.9},
        "last",
    )
    assert [(r.pair, r.label, r.metric, r.train, r.test) for r in config.published] == rows
    plan = api.plan(config).plan
    assert dict(plan.task.sizes) == {"train": 500, "validation": 500, "test": 0}
    assert {r.metric for r in config.published} <= {m.name for m in plan.task.metrics}


def test_the_published_data_are_the_articles():
    from sklearn import datasets

    from lossearch import api

    x, y = datasets.make_circles(n_samples=1000, noise=0.1, random_state=1)
    config = load_config(next(f for f in STUDIES if f.stem == "published_circles"))
    fold = api.plan(config).plan.task.fold(5)
    assert fold.train.x.numpy() == pytest.approx(x[:500], abs=1e-6)
    assert fold.validation.y[:, 0].tolist() == y[500:].tolist()


def test_the_published_regression_data_are_standardised_over_all_rows():
    from lossearch import api

    config = load_config(next(f for f in STUDIES if f.stem == "published_regression"))
    fold = api.plan(config).plan.task.fold(5)
    y = [*fold.train.y[:, 0].tolist(), *fold.validation.y[:, 0].tolist()]
    assert sum(y) / 1000 == pytest.approx(0, abs=1e-5)
    assert sum(v * v for v in y) / 1000 == pytest.approx(1, abs=1e-4)
    assert fold.statistics.mean == (0.0,), "the target is trained on as it comes"


def test_plain_msle_is_refused_on_standardised_targets_with_the_reason():
    from lossearch import api
    from lossearch.config import with_values
    from lossearch.errors import InputError

    config = load_config(next(f for f in STUDIES if f.stem == "published_regression"))
    asked = with_values(config, {"space.pairs": ["mse/identity", "msle/identity"]})
    with pytest.raises(InputError) as caught:
        api.plan(asked)
    assert str(caught.value) == (
        "msle/identity: each target of msle must be a number above -1; these go from -2.877 to 3.747. "
        "Use mse, mae or huber; or shift the targets to 0 and up; or ask for msle_clamped, Keras's variant, "
        "which does not learn below 0."
    )
    clamped = with_values(config, {"space.pairs": None, "space.losses": ["mse", "mae", "msle_clamped"]})
    assert api.plan(clamped).plan.space.names == ("mse/identity", "mae/identity", "msle_clamped/identity")
