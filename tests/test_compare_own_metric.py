"""Studies are compared by a metric of one's own: computed of what their confirmed pairs predicted, or refused with why."""

from __future__ import annotations

import json

import numpy as np
import pytest
from sklearn.metrics import log_loss

import lossearch
from lossearch import cli
from lossearch.errors import InputError

METRICS = """
import numpy as np
from sklearn.metrics import accuracy_score


def agreement_score(y_true, y_pred):
    return accuracy_score(y_true, y_pred)


def cost(y_true, y_pred):
    return float(np.mean(3 * (y_true > y_pred) + (y_true < y_pred)))


def surprise_loss(y_true, y_prob):
    from sklearn.metrics import log_loss
    return log_loss(y_true, y_prob, labels=[0, 1])
"""
DRAWS = np.random.default_rng(0)
QUICK = {"losses": ["bce", "mse"], "trials": 15, "seeds": 1, "epochs": 2, "mlflow": False}


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("compared")
    for name, seeds in (("one", 3), ("two", 3), ("searched", 0)):
        x = DRAWS.normal(size=(160, 2))
        y = (x[:, 0] + 0.5 * DRAWS.normal(size=160) > 0).astype(int)
        lossearch.search(x, y, name=name, store=folder, confirm_seeds=seeds, **QUICK)
    return folder


@pytest.fixture(autouse=True)
def beside_the_metrics(tmp_path, monkeypatch):
    (tmp_path / "compared_metrics.py").write_text(METRICS)
    monkeypatch.chdir(tmp_path)


def scores(found):
    (group,) = found.groups
    return group.scores


def by_hand(store, name, function):
    """Return pair -> the mean over seeds of a function of targets and predictions."""
    evidence = lossearch.load(name, store=store).evidence()
    return {
        pair: np.mean([function(evidence.target[rows].numpy(), one) for rows, one in zip(evidence.rows, said, strict=True)])
        for pair, said in evidence.predictions.items()
    }  # fmt: skip


def test_one_that_repeats_a_recorded_metric_gives_its_numbers(store):
    own = scores(lossearch.compare(["one", "two"], store, metric="compared_metrics:agreement_score"))
    known = scores(lossearch.compare(["one", "two"], store, metric="accuracy"))
    np.testing.assert_allclose(own.loc[known.index, known.columns], known, rtol=1e-9)


def test_it_is_computed_of_what_it_reads(store):
    found = scores(lossearch.compare(["one", "two"], store, metric="compared_metrics:surprise_loss"))
    expected = by_hand(
        store, "one", lambda y, said: log_loss(y, said.probability.double().numpy(), labels=[0, 1])
    )
    table = found if "one" in found.index else found.T
    assert table.loc["one"].to_dict() == pytest.approx(expected, rel=1e-5)


def test_the_command_takes_it_with_its_direction(store, capfd):
    asked = [
        "compare",
        "one",
        "two",
        "--store",
        str(store),
        "--metric",
        "compared_metrics:cost",
        "--format",
        "json",
    ]
    assert cli.invoke(asked) == 2
    assert "Is more of metric 'cost' better, or less?" in capfd.readouterr().err
    assert cli.invoke([*asked, "--direction", "minimize"]) == 0
    (group,) = json.loads(capfd.readouterr().out)["groups"]
    assert {s["metric"] for s in group["studies"]} == {"cost"}
    assert {s["direction"] for s in group["studies"]} == {"minimize"}


def test_a_function_itself_is_taken(store):
    def agreement_score(y_true, y_pred):
        return float((y_true == y_pred).mean())

    own = scores(lossearch.compare(["one", "two"], store, metric=agreement_score))
    known = scores(lossearch.compare(["one", "two"], store, metric="accuracy"))
    np.testing.assert_allclose(own.loc[known.index, known.columns], known, rtol=1e-9)


def test_without_a_confirmation_it_is_said_what_is_needed(store):
    with pytest.raises(
        InputError, match=r"'searched' has no scores under 'agreement_score'.*confirm_seeds above 0"
    ):
        lossearch.compare(["one", "searched"], store, metric="compared_metrics:agreement_score")
