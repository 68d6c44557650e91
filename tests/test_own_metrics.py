"""A metric of one's own: a function, a torchmetrics object or a declaration, named as models and losses are."""

from __future__ import annotations

import re
import subprocess
import sys

import numpy as np
import pytest
import sklearn.metrics
import torch
import torchmetrics.classification as tc
import torchmetrics.regression as tr

import lossearch
from lossearch.cli import invoke
from lossearch.errors import InputError
from lossearch.kinds import KINDS, Predictions
from lossearch.metrics.own import as_metric
from lossearch.metrics.registry import find_metric

QUICK = {"trials": 10, "seeds": 1, "confirm_seeds": 2, "epochs": 2, "mlflow": False}
X = np.random.default_rng(0).normal(size=(120, 2)).astype("float32")
Y = (X[:, 0] + 0.3 * X[:, 1] > 0).astype(int)
METRICS = """
def hits(y_true, y_pred):
    return (y_true == y_pred).mean()


def far_error(y_true, y_pred):
    return abs(y_true - y_pred).max()
"""


def in_words(value):
    """Return a name that is the same in every process."""
    return re.sub(r" at 0x[0-9a-f]+", "", str(value))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "my_metrics.py").write_text(METRICS)
    rows = "\n".join(f"{a},{b},{c}" for (a, b), c in zip(X.tolist(), Y, strict=True))
    (tmp_path / "rows.csv").write_text(f"a,b,c\n{rows}\n")
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    sys.modules.pop("my_metrics", None)


def predictions(kind, k=3, n=40):
    """Return what k models say of n rows, and the targets."""
    generator = torch.Generator().manual_seed(1)
    outs = 3 if kind in ("multiclass", "multilabel") else 1
    score = torch.randn(n, outs, generator=generator)
    target = KINDS[kind].sample(score)
    noise = torch.randn(k, n, outs, generator=generator)
    if kind == "regression":
        return Predictions(value=target + noise), target
    if kind == "multiclass":
        p = (score + noise).softmax(-1)
        return Predictions(label=p.argmax(-1), probability=p, score=p), target
    p = (score + noise).sigmoid()
    p = p.squeeze(-1) if kind == "binary" else p
    return Predictions(label=(p > 0.5).long(), probability=p, score=p), target


def brier(y_true, y_prob):
    return float(((y_true - y_prob) ** 2).mean())


@pytest.mark.parametrize(
    ("given", "kind", "ours"),
    [
        (sklearn.metrics.accuracy_score, "binary", "accuracy"),
        (sklearn.metrics.accuracy_score, "multiclass", "accuracy"),
        (sklearn.metrics.balanced_accuracy_score, "multiclass", "balanced_accuracy"),
        (sklearn.metrics.roc_auc_score, "binary", "auc"),
        (sklearn.metrics.mean_absolute_error, "regression", "mae"),
        (sklearn.metrics.r2_score, "regression", "r2"),
        (sklearn.metrics.hamming_loss, "multilabel", "hamming"),
        (tc.BinaryAccuracy(), "binary", "accuracy"),
        (tc.BinaryAUROC(), "binary", "auc"),
        (tc.MulticlassAccuracy(3, average="micro"), "multiclass", "accuracy"),
        (tr.MeanAbsoluteError(), "regression", "mae"),
        (tr.R2Score(), "regression", "r2"),
        (tc.MulticlassAccuracy(3, top_k=2, average="micro"), "multiclass", "top_2"),
    ],
    ids=in_words,
)
def test_another_librarys_metric_scores_as_ours(given, kind, ours):
    said, target = predictions(kind)
    theirs = as_metric(given, kind)
    known = find_metric(ours, kind)
    assert theirs.direction == known.direction
    assert torch.allclose(theirs.fn(said, target), known.fn(said, target).double(), atol=1e-6)


def test_the_second_argument_says_what_is_wanted():
    said, target = predictions("binary")
    made = as_metric(brier, "binary", "minimize")
    assert (made.needs, made.constant) == ("probability", "prior")
    wanted = ((said.probability - target.squeeze(-1)) ** 2).double().mean(dim=-1)
    assert torch.allclose(made.fn(said, target), wanted)


def test_a_torchmetrics_object_is_left_as_it_was():
    given = tc.BinaryAccuracy()
    given.update(torch.tensor([1]), torch.tensor([1]))
    said, target = predictions("binary")
    as_metric(given, "binary").fn(said, target)
    assert given.compute() == 1.0


def hits(y_true, y_pred):
    return (y_true == y_pred).mean()


@pytest.mark.parametrize(
    ("metric", "name"),
    [
        ((hits, "maximize"), "hits"),
        (("my_metrics:hits", "maximize"), "hits"),
        (("my_metrics.hits", "maximize"), "hits"),
        (tc.BinaryCohenKappa(), "BinaryCohenKappa"),
        (tc.BinaryF1Score(threshold=0.3), "BinaryF1Score"),
        (["accuracy", sklearn.metrics.cohen_kappa_score], "accuracy"),
        ([sklearn.metrics.jaccard_score, "log_loss"], "jaccard_score"),
    ],
    ids=in_words,
)
def test_a_search_is_judged_by_it(folder, metric, name):
    result = lossearch.search(
        X, Y, losses=["bce", "mse"], activations=["sigmoid"], metric=metric, store="s", name="m", **QUICK
    )
    assert result.declared.task.metric == name
    assert result.declared.task.direction == "maximize"
    assert result.verdict is not None


def test_hits_are_accuracy(folder):
    both = [
        lossearch.search(
            X, Y, losses=["bce", "mse"], activations=["sigmoid"], metric=m, store="s", name=name, **QUICK
        )
        for m, name in (((hits, "maximize"), "own"), ("accuracy", "ours"))
    ]
    assert [r.value for r in both[0].trials] == [r.value for r in both[1].trials]
    assert both[0].leaderboard["score"].tolist() == both[1].leaderboard["score"].tolist()


def test_less_is_better_where_it_is_said(folder):
    real = X @ np.array([1.0, -1.0], dtype="float32")
    result = lossearch.search(
        X, real, metric="my_metrics:far_error", losses=["mse", "mae"], store="s", name="r", **QUICK
    )
    assert result.declared.task.direction == "minimize"
    assert result.leaderboard["score"].is_monotonic_increasing


ELSEWHERE = """
import lossearch
from lossearch.cli import invoke

run = {run!r}
for arguments in (
    [*run, "--trials", "12"],
    ["report", "rows", "--store", "s"],
    ["report", "rows", "--store", "s", "--format", "html", "--output", "r.html"],
    ["rerun", "rows", "9", "--store", "s", "--trust", "my_metrics:hits"],
    ["export", "rows", "out", "--store", "s"],
):
    code = invoke(arguments)
    assert code == 0, (arguments, code)
assert lossearch.load("rows", "s").declared.task.metric == "hits"
"""


@pytest.mark.slow
def test_another_process_resumes_reports_reruns_and_exports_it(folder):
    run = ["run", "--data", "rows.csv", "--target", "c", "--pairs", "bce/sigmoid,mse/sigmoid", "--metric", "my_metrics:hits",
           "--direction", "maximize", "--seeds", "1", "--confirm-seeds", "2", "--epochs", "2", "--store", "s", "--no-mlflow",
           "-q"]  # fmt: skip
    assert invoke([*run, "--trials", "10"]) == 0
    done = subprocess.run(
        [sys.executable, "-P", "-c", ELSEWHERE.format(run=run)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "reproduced exactly" in done.stdout


def three(a, b, c):
    return a + b + c


@pytest.mark.parametrize(
    ("metric", "said"),
    [
        (hits, "Is more of metric 'hits' better, or less? Say direction = 'maximize' or 'minimize'"),
        ("my_metrics:hits", "Is more of metric 'hits' better, or less?"),
        ("my_metrics:hit", "Did you mean 'hits'?"),
        ((three, "maximize"), "is called as f(y_true, y_pred)"),
        ((lambda a, b: 1.0, "maximize"), "is no function f(y_true, y_pred) with a name"),
        (("accuracy", "minimize"), "accuracy is better the more. Leave it out"),
        (tc.BinaryAccuracy, "ours is named 'accuracy'"),
        (sklearn.metrics.roc_auc_score, "ours is named 'auroc'"),
        (sklearn.metrics.mean_absolute_error, "ours is named 'mae'"),
        ((3, "maximize"), "which is neither a name nor a Metric"),
    ],
    ids=in_words,
)
def test_what_cannot_be_a_metric_says_what_to_do(folder, metric, said):
    with pytest.raises(InputError) as error:
        lossearch.search(X, Y, losses=["bce", "mse"], metric=metric, store="s", name="m", **QUICK)
    assert said in str(error.value)
