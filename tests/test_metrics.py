"""Metrics against scikit-learn and torchmetrics, and what happens at their edges."""

from __future__ import annotations

import math
import pickle
import time
import warnings
from functools import partial

import numpy as np
import pytest
import torch
import torchmetrics.functional as tm
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.spatial import distance
from sklearn import metrics as sk
from torch import Tensor

from lossearch.errors import InputError, UnknownNameError
from lossearch.kinds import KINDS, Predictions
from lossearch.losses import CATALOGUE
from lossearch.metrics.joined import together
from lossearch.metrics.metric import Metric
from lossearch.metrics.registry import (
    EVERY_METRIC,
    METRICS,
    constant_score,
    find_metric,
    is_given,
    metrics_for,
    scores,
)
from lossearch.pairs import find_pair

EVERY = [pytest.param(m, id=m.name) for m in EVERY_METRIC]
EVERY_KIND = [pytest.param(m, k, id=f"{m.name}-{k}") for m in EVERY_METRIC for k in m.kinds]


def binary(raw: Tensor) -> Predictions:
    p = raw.sigmoid()
    return Predictions(label=(p >= 0.5).long(), probability=p, score=raw, output=p, codes=(0.0, 1.0))


def labels(raw: Tensor) -> Predictions:
    p = raw.sigmoid()
    return Predictions(label=(p >= 0.5).long(), probability=p, score=raw, output=p, codes=(0.0, 1.0))


def multiclass(raw: Tensor) -> Predictions:
    p = raw.softmax(-1)
    return Predictions(label=raw.argmax(-1), probability=p, score=raw, output=p)


def levels(raw: Tensor) -> Predictions:
    p = raw.softmax(-1)
    median = (p.cumsum(-1) < 0.5).sum(-1)
    return Predictions(label=median, probability=p, score=raw, output=p)


def truth(n: int, seed: int) -> tuple[Tensor, Tensor]:
    """Normal distributions (n, 2, 2), and targets that are spread evenly over their shares."""
    g = torch.Generator().manual_seed(seed)
    params = torch.stack(
        [torch.randn(n, 2, generator=g), torch.randn(n, 2, generator=g).div(3).exp()], dim=-1
    )
    shares = torch.stack([(torch.randperm(n, generator=g) + 0.5) / n for _ in range(2)], dim=-1)
    return params, params[..., 0] + params[..., 1] * torch.special.ndtri(shares)


def normal(params: Tensor) -> Predictions:
    return Predictions(value=params[..., 0], distribution=params, family="normal")


def rows_of(kind: str, k: int = 3, n: int = 40, c: int = 4, seed: int = 0) -> tuple[Predictions, Tensor]:
    g = torch.Generator().manual_seed(seed)
    if kind == "probabilistic":
        params, y = truth(n, seed)
        off = torch.stack(
            [4 * torch.randn(k, n, 2, generator=g), params[..., 1].expand(k, -1, -1) / 2], dim=-1
        )
        return normal(params + off), y
    if kind in ("regression", "reconstruction"):
        return Predictions(value=torch.randn(k, n, 2, generator=g)), torch.randn(n, 2, generator=g)
    if kind == "positive":
        value, target = ((torch.randn(*shape, 2, generator=g) / 3).exp() for shape in ((k, n), (n,)))
        return Predictions(value=value), target
    if kind == "angles":
        value, target = (2 * torch.randn(*shape, 2, generator=g) for shape in ((k, n), (n,)))
        return Predictions(value=value), target
    if kind == "compositional":
        value, target = (torch.randn(*shape, c, generator=g).softmax(-1) for shape in ((k, n), (n,)))
        return Predictions(value=value), target
    if kind in ("multilabel", "segmentation"):
        raw = (torch.randn(k, n, c, generator=g) * 3).round() / 2  # many ties
        return labels(raw), (torch.rand(n, c, generator=g) > 0.6).float()
    if kind == "count":
        value = torch.randn(k, n, 2, generator=g).exp()
        return Predictions(value=value), torch.poisson(torch.randn(n, 2, generator=g).exp(), generator=g)
    if kind == "binary":
        raw = (torch.randn(k, n, generator=g) * 3).round() / 2  # many ties
        return binary(raw), (torch.rand(n, 1, generator=g) > 0.6).float()
    of = levels if kind == "ordinal" else multiclass
    return of((torch.randn(k, n, c, generator=g) * 2).round()), torch.randint(0, c, (n,), generator=g)


def rows_for(metric: Metric, kind: str, **options: int) -> tuple[Predictions, Tensor]:
    """Rows of a kind of task on which a metric is defined."""
    if metric.name.startswith("top_"):
        return rows_of(kind, c=8, **options)
    p, y = rows_of(kind, **options)
    return rows_of("count", **options) if metric.undefined(y) else (p, y)


def one(p: Predictions, k: int) -> Predictions:
    fields = ("label", "probability", "score", "value", "output", "distribution")
    cut = {f: None if getattr(p, f) is None else getattr(p, f)[k : k + 1] for f in fields}
    return Predictions(**cut, codes=p.codes, family=p.family)


def sklearn_classes(name: str, p: Predictions, y: Tensor, k: int, c: int) -> float:
    true, label = y.flatten().long().numpy(), p.label[k].numpy()
    probability = p.probability[k].double().numpy()
    is_binary = probability.ndim == 1
    probability = probability if is_binary else probability / probability.sum(axis=1, keepdims=True)
    score = p.score[k].numpy() if is_binary else p.probability[k].numpy()
    macro = {"average": "macro", "zero_division": 0}
    known = np.arange(2 if is_binary else c)
    if name in ("auroc", "average_precision"):
        fn = sk.roc_auc_score if name == "auroc" else sk.average_precision_score
        if is_binary:
            return fn(true, score)
        return np.mean([fn(true == j, score[:, j]) for j in known if 0 < (true == j).sum() < len(true)])
    if name == "ece":
        if is_binary:
            return float(tm.calibration_error(p.probability[k], y.flatten().long(), task="binary", n_bins=15))
        return float(tm.calibration_error(p.probability[k], y, task="multiclass", num_classes=c, n_bins=15))
    if name.startswith("top_"):
        # of equal scores scikit-learn takes the last
        last, scores = p.score.shape[-1] - 1, p.score[k].numpy()[:, ::-1]
        return sk.top_k_accuracy_score(last - true, scores, k=int(name[-1]), labels=np.arange(last + 1))
    if name == "keras2_accuracy":
        return float(np.mean(np.round(p.output[k].numpy()) == true))
    simple = {
        "accuracy": lambda: sk.accuracy_score(true, label),
        "balanced_accuracy": lambda: sk.balanced_accuracy_score(true, label),
        "precision_macro": lambda: sk.precision_score(true, label, **macro),
        "recall_macro": lambda: sk.recall_score(true, label, **macro),
        "f1_macro": lambda: sk.f1_score(true, label, **macro),
        "precision": lambda: sk.precision_score(true, label, zero_division=0),
        "recall": lambda: sk.recall_score(true, label),
        "f1": lambda: sk.f1_score(true, label),
        "mcc": lambda: sk.matthews_corrcoef(true, label),
        "log_loss": lambda: sk.log_loss(true, probability, labels=known),
        "brier": lambda: sk.brier_score_loss(true, probability, labels=known),
        "qwk": lambda: sk.cohen_kappa_score(true, label, labels=known, weights="quadratic"),
        "ordinal_mae": lambda: sk.mean_absolute_error(true, label),
        "off_by_one": lambda: np.mean(np.abs(true - label) < 2),
        "rps": lambda: np.mean(
            [sk.brier_score_loss(true > j, probability[:, j + 1 :].sum(1).clip(0, 1)) for j in known[:-1]]
        ),
        "kendall": lambda: stats.kendalltau(true, label).statistic,
        "spearman": lambda: stats.spearmanr(true, label).statistic,
    }
    return float(simple[name]())


def sklearn_labels(name: str, p: Predictions, y: Tensor, k: int) -> float:
    true, label = y.long().numpy(), p.label[k].numpy()
    probability, score = p.probability[k].double().numpy(), p.score[k].numpy()
    own = np.where(true == 1, probability, 1 - probability)
    simple = {
        "f1_macro": lambda: sk.f1_score(true, label, average="macro", zero_division=0),
        "f1_micro": lambda: sk.f1_score(true, label, average="micro", zero_division=0),
        "f1_samples": lambda: sk.f1_score(true, label, average="samples", zero_division=0),
        "subset_accuracy": lambda: sk.accuracy_score(true, label),
        "hamming_loss": lambda: sk.hamming_loss(true, label),
        "lrap": lambda: sk.label_ranking_average_precision_score(true, score),
        "ranking_loss": lambda: sk.label_ranking_loss(true, score),
        "auroc": lambda: sk.roc_auc_score(true, score, average="macro"),
        "average_precision": lambda: sk.average_precision_score(true, score, average="macro"),
        "log_loss": lambda: np.mean(
            [sk.log_loss(t, q, labels=[0, 1]) for t, q in zip(true.T, probability.T, strict=True)]
        ),
        "brier": lambda: np.mean((1 - own) ** 2),
    }
    return float(simple[name]())


def sklearn_masks(name: str, p: Predictions, y: Tensor, k: int) -> float:
    true, label = y.long().numpy(), p.label[k].numpy()
    simple = {
        "iou": lambda: sk.jaccard_score(true, label, average="samples", zero_division=1),
        "dice": lambda: sk.f1_score(true, label, average="samples", zero_division=1),
        "micro_iou": lambda: sk.jaccard_score(true, label, average="micro"),
        "pixel_accuracy": lambda: sk.accuracy_score(true.ravel(), label.ravel()),
    }
    return float(simple[name]())


def turned(true: np.ndarray, value: np.ndarray) -> np.ndarray:
    return np.abs(np.angle(np.exp(1j * (value - true))))


def log_ratios(shares: np.ndarray) -> np.ndarray:
    return np.log(shares / stats.gmean(shares, axis=1, keepdims=True))


OF_COLUMNS = {
    "gamma_deviance": sk.mean_gamma_deviance,
    "d2_gamma": partial(sk.d2_tweedie_score, power=2),
    "tweedie_deviance": partial(sk.mean_tweedie_deviance, power=1.5),
    "mape": sk.mean_absolute_percentage_error,
    "smape": lambda true, value: tm.symmetric_mean_absolute_percentage_error(
        *map(torch.tensor, (value, true))
    ),
    "rmsle": sk.root_mean_squared_log_error,
    "angular_error": lambda true, value: turned(true, value).mean(),
    "angular_rmse": lambda true, value: np.sqrt((turned(true, value) ** 2).mean()),
    "median_angular_error": lambda true, value: np.median(turned(true, value)),
}
OF_ROWS = {
    "kl": lambda true, value: stats.entropy(true, value, axis=1).mean(),
    "total_variation": lambda true, value: np.mean(
        [distance.cityblock(a, b) / 2 for a, b in zip(true, value, strict=True)]
    ),
    "hellinger": lambda true, value: np.mean(
        [distance.euclidean(*np.sqrt(pair)) / np.sqrt(2) for pair in zip(true, value, strict=True)]
    ),
    "aitchison": lambda true, value: np.linalg.norm(log_ratios(true) - log_ratios(value), axis=1).mean(),
}


def sklearn_values(name: str, p: Predictions, y: Tensor, k: int) -> float:
    true, value = y.double().numpy(), p.value[k].double().numpy()
    if name in OF_ROWS:
        return float(OF_ROWS[name](true, value))
    if name in OF_COLUMNS:
        return float(np.mean([OF_COLUMNS[name](true[:, t], value[:, t]) for t in range(true.shape[1])]))
    if name == "max_error":
        return float(np.mean([sk.max_error(true[:, t], value[:, t]) for t in range(true.shape[1])]))
    if name == "poisson_deviance":
        return float(
            np.mean([sk.mean_poisson_deviance(true[:, t], value[:, t]) for t in range(true.shape[1])])
        )
    if name == "d2_poisson":
        each = [sk.d2_tweedie_score(true[:, t], value[:, t], power=1) for t in range(true.shape[1])]
        return float(np.mean(each))
    if name.startswith("pinball_"):
        return float(sk.mean_pinball_loss(true, value, alpha=int(name[-2:]) / 100))
    return float(
        {
            "rmse": sk.root_mean_squared_error,
            "mse": sk.mean_squared_error,
            "mae": sk.mean_absolute_error,
            "medae": sk.median_absolute_error,
            "r2": sk.r2_score,
        }[name](true, value)
    )


def scores_of_normals(name: str, p: Predictions, y: Tensor, k: int) -> float:
    """Scores of normal distributions by scipy and scikit-learn; the CRPS as in Gneiting et al. 2005."""
    true, own = y.double().numpy(), stats.norm(*np.moveaxis(p.distribution[k].double().numpy(), -1, 0))
    low, high = own.interval(0.9)
    held = (low <= true) & (true <= high)
    levels = np.arange(1, 20) / 20
    z = (true - own.mean()) / own.std()
    below = (own.cdf(true)[..., None] <= levels).mean(axis=0)
    outside = np.where(true < low, low - true, np.where(true > high, true - high, 0))
    return float(
        {
            "crps": lambda: np.mean(
                own.std() * (z * (2 * stats.norm.cdf(z) - 1) + 2 * stats.norm.pdf(z) - 1 / np.sqrt(np.pi))
            ),
            "nll": lambda: -own.logpdf(true).mean(),
            "mae": lambda: sk.mean_absolute_error(true, own.median()),
            "interval_score_90": lambda: np.mean(high - low + 2 / 0.1 * outside),
            "coverage_error_90": lambda: np.abs(held.mean(axis=0) - 0.9).mean(),
            "calibration_error": lambda: np.abs(below - levels).mean(),
            "coverage_90": held.mean,
            "width_90": (high - low).mean,
            "pinball": lambda: np.mean([sk.mean_pinball_loss(true, own.ppf(q), alpha=q) for q in levels]),
        }[name]()
    )


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("metric", "kind"), EVERY_KIND)
def test_equals_the_independent_formula(metric: Metric, kind: str, seed: int) -> None:
    p, y = rows_for(metric, kind, n=41 if seed % 2 else 40, seed=seed)
    found = metric.fn(p, y)
    assert found.shape == (3,)
    assert found.dtype == torch.float64
    for k in range(3):
        expected = (
            scores_of_normals(metric.name, p, y, k)
            if metric.needs in ("distribution", "density")
            else sk.r2_score(y.double(), p.value[k].double(), multioutput="variance_weighted")
            if (metric.name, kind) == ("r2", "reconstruction")
            else sklearn_values(metric.name, p, y, k)
            if p.value is not None
            else sklearn_masks(metric.name, p, y, k)
            if kind == "segmentation"
            else sklearn_labels(metric.name, p, y, k)
            if kind == "multilabel"
            else sklearn_classes(metric.name, p, y, k, 4)
        )
        # The ECE oracle sums in float32.
        assert float(found[k]) == pytest.approx(
            expected, abs=1e-6 if metric.name == "ece" else 1e-12, rel=1e-6
        )


@pytest.mark.parametrize(("absent", "n"), [((3,), 40), ((0, 2), 40), ((1,), 5)])
@pytest.mark.parametrize("metric", [pytest.param(m, id=m.name) for m in metrics_for("multiclass")])
def test_classes_absent_from_the_rows(metric: Metric, absent: tuple[int, ...], n: int) -> None:
    present = [c for c in range(4) if c not in absent]
    g = torch.Generator().manual_seed(n)
    y = torch.tensor(present)[torch.arange(n) % len(present)]
    p = multiclass(torch.randn(2, n, 4, generator=g))
    found = metric.fn(p, y)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-learn warns of predicted classes that the target lacks
        expected = [sklearn_classes(metric.name, p, y, k, 4) for k in range(2)]
    assert found.tolist() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(("metric", "kind"), EVERY_KIND)
def test_a_stack_is_as_one_by_one(metric: Metric, kind: str) -> None:
    p, y = rows_for(metric, kind, k=5, seed=3)
    together = metric.fn(p, y)
    alone = torch.cat([metric.fn(one(p, k), y) for k in range(5)])
    assert torch.equal(together, alone)


@pytest.mark.parametrize(("metric", "kind"), EVERY_KIND)
def test_a_non_finite_model_scores_nan_and_spares_its_neighbours(metric: Metric, kind: str) -> None:
    p, y = rows_for(metric, kind, seed=5)
    bad = math.nan if metric.needs in ("probability", "codes") else math.inf
    if p.distribution is not None:
        params = p.distribution.clone()
        params[1, 7, 0, 0] = bad
        broken = normal(params)
    elif p.value is not None:
        value = p.value.clone()
        value[1, 7, 0] = bad
        broken = Predictions(value=value)
    else:
        raw = p.score.clone()
        raw[1, 7] = bad
        pair = find_pair(KINDS[kind].conventional, kind)
        nothing = torch.zeros(1), torch.ones(1)
        broken = pair.predictions(raw.unsqueeze(-1) if kind == "binary" else raw, *nothing)
    found, good = metric.fn(broken, y), metric.fn(p, y)
    assert math.isnan(found[1])
    assert torch.allclose(found[[0, 2]], good[[0, 2]], atol=1e-7)


def said(label: list[int], c: int = 4) -> Predictions:
    return levels(200.0 * torch.nn.functional.one_hot(torch.tensor([label]), c))


@pytest.mark.parametrize(
    ("true", "label", "expected"),
    [
        ([0, 1, 2, 3], [1, 1, 1, 1], {"qwk": 0.0, "kendall": 0.0, "spearman": 0.0, "ordinal_mae": 1.0, "off_by_one": 0.75}),
        ([2, 2, 2], [2, 2, 2], {"qwk": 0.0, "kendall": 0.0, "spearman": 0.0, "ordinal_mae": 0.0, "off_by_one": 1.0}),
        ([0, 1, 2, 3], [3, 2, 1, 0], {"qwk": -1.0, "kendall": -1.0, "spearman": -1.0, "rps": 2 / 3}),
    ],
)  # fmt: skip
def test_scores_of_levels_at_their_edges(true, label, expected) -> None:
    found = {
        name: float(find_metric(name, "ordinal").fn(said(label), torch.tensor(true))) for name in expected
    }
    assert found == pytest.approx(expected, abs=1e-6)


def test_a_constant_predictor_of_levels_says_their_median() -> None:
    y = torch.tensor([0, 0, 0, 1, 2, 2, 3, 3])
    of = {
        m.name: float(KINDS["ordinal"].constant(m.constant, y, 1, 4).label[0, 0])
        for m in metrics_for("ordinal")
    }
    assert (of["qwk"], of["ordinal_mae"], of["off_by_one"], of["accuracy"]) == (1, 1, 1, 0)
    assert constant_score(find_metric("mae", "ordinal"), "ordinal", y, y, 4) == pytest.approx(9 / 8)


@given(
    st.lists(st.tuples(st.integers(-3, 3), st.booleans()), min_size=2, max_size=30),
)
@settings(max_examples=60)
def test_ranks_with_ties(rows: list[tuple[int, bool]]) -> None:
    raw = torch.tensor([[float(s) for s, _ in rows]])
    y = torch.tensor([int(t) for _, t in rows])
    p = binary(raw)
    auroc, ap = float(METRICS["auroc"].fn(p, y)), float(METRICS["average_precision"].fn(p, y))
    if 0 < int(y.sum()) < len(y):
        assert auroc == pytest.approx(sk.roc_auc_score(y, raw[0]), abs=1e-12)
    else:
        assert math.isnan(auroc)
    if y.sum():
        assert ap == pytest.approx(sk.average_precision_score(y, raw[0]), abs=1e-12)
    else:
        assert math.isnan(ap)


def test_rank_metrics_do_not_depend_on_a_constant_added_to_a_rows_scores() -> None:
    p, y = rows_of("multiclass")
    moved = p.score + torch.arange(40.0).unsqueeze(-1)
    scores_only = Predictions(label=p.label, score=p.score)
    assert METRICS["auroc"].fn(Predictions(label=p.label, score=moved), y) == pytest.approx(
        METRICS["auroc"].fn(scores_only, y), abs=1e-6
    )


def test_probability_clipped_at_the_resolution_of_its_type() -> None:
    p = Predictions(
        label=torch.tensor([[1]]), probability=torch.tensor([[1.0]]), score=torch.tensor([[99.0]])
    )
    assert float(METRICS["log_loss"].fn(p, torch.tensor([0]))) == pytest.approx(
        -math.log(torch.finfo(torch.float32).eps)
    )


def test_keras_2_counts_a_hinge_score_between_minus_and_plus_a_half_as_wrong() -> None:
    raw = torch.tensor([[0.3, -0.3, 2.0, -0.9]])
    p = Predictions(label=(raw >= 0).long(), score=raw, output=raw.tanh(), codes=(-1.0, 1.0))
    y = torch.tensor([[1.0], [0.0], [1.0], [0.0]])
    assert float(METRICS["accuracy"].fn(p, y)) == 1.0
    assert float(METRICS["keras2_accuracy"].fn(p, y)) == 0.5


def test_scores_leave_out_what_a_pair_does_not_have() -> None:
    raw, y = torch.randn(2, 30), (torch.rand(30, 1) > 0.5).float()
    pair = find_pair("hinge/identity", "binary")
    found = scores(
        metrics_for("binary"), pair.predictions(raw.unsqueeze(-1), torch.zeros(1), torch.ones(1)), y
    )
    without = {m.name for m in metrics_for("binary") if m.needs == "probability"}
    assert without == {"log_loss", "brier", "ece"}
    assert set(found) == {m.name for m in metrics_for("binary")} - without
    assert all(v.shape == (2,) for v in found.values())


def test_r2_of_a_constant_target_is_scikit_learns() -> None:
    y = torch.full((5, 1), 3.0)
    p = Predictions(value=torch.stack([y, y + 1]))
    assert METRICS["r2"].fn(p, y).tolist() == [1.0, 0.0]


@pytest.mark.parametrize("metric", EVERY)
def test_declaration(metric: Metric) -> None:
    assert metric.direction in ("maximize", "minimize")
    assert metric.sign == (1 if metric.direction == "maximize" else -1)
    assert metric.constant in ("prior", "majority", "mean", "median") or metric.constant.startswith(
        "quantile "
    )
    assert metric.words
    kind = metric.kinds[0]
    p, y = rows_for(metric, kind, seed=8)
    assert is_given(metric, p)
    if p.distribution is not None:
        perfect = normal(truth(40, 8)[0].unsqueeze(0))
    elif p.value is not None:
        perfect = Predictions(value=y.unsqueeze(0))
    else:
        perfect = {
            "binary": lambda: binary(200 * y.T - 100),
            "multilabel": lambda: labels(200 * y[None] - 100),
            "segmentation": lambda: labels(200 * y[None] - 100),
            "multiclass": lambda: multiclass(torch.nn.functional.one_hot(y, p.score.shape[-1])[None] * 200.0),
            "ordinal": lambda: levels(torch.nn.functional.one_hot(y, p.score.shape[-1])[None] * 200.0),
        }[kind]()
    assert (metric.sign * metric.fn(perfect, y) > metric.sign * metric.fn(p, y)).all()


@pytest.mark.parametrize(
    ("name", "kind", "expected"),
    [
        ("acc", "binary", "accuracy"),
        ("f1", "multiclass", "f1_macro"),
        ("f1", "binary", "f1"),
        ("f1_score", "binary", "f1"),
        ("macro_f1", "binary", "f1_macro"),
        ("precision_score", "binary", "precision"),
        ("recall", "multiclass", "recall_macro"),
        ("roc_auc", "binary", "auroc"),
        ("neg_root_mean_squared_error", "regression", "rmse"),
        ("neg_log_loss", "binary", "log_loss"),
        ("log_loss", "binary", "log_loss"),
        ("mse", "regression", "mse"),
    ],
)
def test_names_are_found_by_alias(name: str, kind: str, expected: str) -> None:
    assert find_metric(name, kind).name == expected


BINARY = (
    "accuracy, balanced_accuracy, precision_macro, recall_macro, f1_macro, mcc, auroc, average_precision, "
    "log_loss, brier, ece, keras2_accuracy, precision, recall, f1"
)
REAL = "tweedie_deviance, rmse, mse, mae, medae, r2, max_error, pinball_05, pinball_10, pinball_25, pinball_50, pinball_75, pinball_90, pinball_95"


@pytest.mark.parametrize("name", ["val_loss", "train_loss", "loss", "hinge", "binary_crossentropy"])
def test_a_loss_cannot_judge(name: str) -> None:
    with pytest.raises(InputError) as caught:
        find_metric(name, "binary")
    assert str(caught.value) == (
        f"{name!r} is a loss, and losses have different units, so it cannot judge between them: "
        f"a metric judges. Metrics for binary: {BINARY}."
    )


@pytest.mark.parametrize("kind", KINDS)
def test_every_loss_is_refused_unless_a_metric_bears_its_name(kind: str) -> None:
    for name in CATALOGUE[kind]:
        if name not in METRICS:
            with pytest.raises(InputError, match="is a loss"):
                find_metric(name, kind)


def test_misspelt_metric() -> None:
    with pytest.raises(UnknownNameError) as caught:
        find_metric("acuracy", "binary")
    assert str(caught.value) == f"No binary metric named 'acuracy'. Did you mean 'accuracy'? Known: {BINARY}."


def test_metric_of_another_kind() -> None:
    with pytest.raises(InputError) as caught:
        find_metric("accuracy", "regression")
    assert str(caught.value) == (
        f"Metric 'accuracy' judges binary, multiclass and ordinal tasks; this one is regression. Metrics for regression: {REAL}."
    )


@pytest.mark.parametrize(
    ("counts", "expected", "reason"),
    [
        ((80, 20), "accuracy", "accuracy: the smallest of 2 classes has 20.0% of the rows"),
        (
            (81, 19),
            "balanced_accuracy",
            "balanced_accuracy: the smallest of 2 classes has 19.0% of the rows, so accuracy would reward ignoring it",
        ),
        ((40, 40, 20), "accuracy", "accuracy: the smallest of 3 classes has 20.0% of the rows"),
        (
            (50, 40, 10),
            "balanced_accuracy",
            "balanced_accuracy: the smallest of 3 classes has 10.0% of the rows, so accuracy would reward ignoring it",
        ),
    ],
)
def test_default_metric_minds_rare_classes(counts: tuple[int, ...], expected: str, reason: str) -> None:
    y = np.repeat(np.arange(len(counts)), counts)
    assert KINDS["binary" if len(counts) == 2 else "multiclass"].default_metric(y) == (expected, reason)


def test_default_metric_of_regression() -> None:
    assert KINDS["regression"].default_metric(np.arange(9.0))[0] == "rmse"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("accuracy", 0.5),
        ("balanced_accuracy", 0.5),
        ("mcc", 0.0),
        ("auroc", 0.5),
        ("average_precision", 0.5),
        ("log_loss", -0.5 * (math.log(0.75) + math.log(0.25))),
        ("brier", 0.5 * (0.75**2 + 0.25**2)),
        ("ece", 0.25),
        ("keras2_accuracy", 0.5),
    ],
)
def test_constant_predictor_of_classes(name: str, expected: float) -> None:
    train, validation = torch.tensor([[1.0], [1.0], [1.0], [0.0]]), torch.tensor([[1.0], [0.0]])
    found = constant_score(METRICS[name], "binary", train, validation, 1)
    assert found == pytest.approx(expected)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("mae", 2.0), ("medae", 2.0), ("rmse", math.sqrt(((3 - 1) ** 2 + (3 - 5) ** 2) / 2 + 0)), ("r2", 0.0)],
)
def test_constant_predictor_of_values(name: str, expected: float) -> None:
    train = torch.tensor([[1.0], [2.0], [4.0], [5.0]])  # mean and median 3
    assert constant_score(
        METRICS[name], "regression", train, torch.tensor([[1.0], [5.0]]), 1
    ) == pytest.approx(expected)


def test_constant_predictor_tells_mean_from_median() -> None:
    train, validation = torch.tensor([[0.0], [0.0], [9.0]]), torch.tensor([[0.0], [0.0]])
    assert constant_score(METRICS["mae"], "regression", train, validation, 1) == 0.0
    assert constant_score(METRICS["rmse"], "regression", train, validation, 1) == 3.0


def test_constant_predictor_of_an_asymmetric_cost_is_a_quantile() -> None:
    train = torch.arange(11.0)[:, None]
    validation = torch.tensor([[7.0], [12.0]])
    expected = sk.mean_pinball_loss(validation, [9.0, 9.0], alpha=0.9)
    assert constant_score(
        find_metric("pinball_90", "regression"), "regression", train, validation, 1
    ) == pytest.approx(expected)


def test_a_distribution_without_a_density_has_no_likelihood() -> None:
    said = Predictions(
        value=torch.zeros(2, 5, 1), distribution=torch.zeros(2, 5, 1, 21), family="quantile_function"
    )
    given = scores(metrics_for("probabilistic"), said, torch.zeros(5, 1))
    assert {m.name for m in metrics_for("probabilistic")} - set(given) == {"nll"}


def test_families_are_scored_apart() -> None:
    y = torch.randn(6, 1)
    several = [
        Predictions(value=torch.zeros(6, 1), distribution=torch.ones(6, 1, p), family=family)
        for family, p in (
            ("normal", 2),
            ("laplace", 2),
            ("normal", 2),
            ("normal_mixture", 9),
            ("normal_mixture", 6),
        )
    ]
    several = [
        Predictions(value=s.value[None], distribution=s.distribution[None], family=s.family) for s in several
    ]
    found = {tuple(places): said for places, said in together("distribution", several, axis=0)}
    assert set(found) == {(0, 2), (1,), (3,), (4,)}
    both = find_metric("crps", "probabilistic").fn(found[0, 2], y)
    assert both.shape == (2,)
    assert found[1,].family == "laplace"


@pytest.mark.parametrize("metric", [pytest.param(m, id=m.name) for m in metrics_for("multiclass")])
def test_constant_predictor_is_never_better_than_a_good_one(metric: Metric) -> None:
    g = torch.Generator().manual_seed(1)
    y = torch.randint(0, 3, (90,), generator=g)
    good = multiclass(4.0 * torch.nn.functional.one_hot(y, 3)[None] + torch.randn(1, 90, 3, generator=g))
    if metric.name == "ece":
        return  # class shares are calibrated: the constant predictor is good at this
    constant = constant_score(metric, "multiclass", y, y, 3)
    assert math.isfinite(constant)
    assert metric.sign * float(metric.fn(good, y)) > metric.sign * constant


def test_speed() -> None:
    p, y = rows_of("binary", k=200, n=250)
    every, single = metrics_for("binary"), one(p, 0)

    def fastest(call: object, repeats: int) -> float:
        times = []
        for _ in range(repeats):
            start = time.perf_counter()
            call()
            times.append(time.perf_counter() - start)
        return min(times)

    # Some three times what was measured on an idle core, for busy machines.
    assert fastest(lambda: scores(every, p, y), 10) < 0.045
    assert fastest(lambda: METRICS["accuracy"].fn(single, y), 50) < 0.0002


@pytest.mark.parametrize("metric", METRICS.values(), ids=lambda m: m.name)
def test_a_metric_can_be_sent_to_another_process(metric: Metric) -> None:
    assert pickle.loads(pickle.dumps(metric)) == metric  # noqa: S301 - our own


def test_a_metric_of_ones_own_can_compute_with_labels() -> None:
    def gain(predictions: Predictions, target: torch.Tensor) -> torch.Tensor:
        assert predictions.label is not None
        side, true = 2 * predictions.label - 1, 2 * target.reshape(-1).long() - 1
        return (side * true).double().mean(dim=-1)

    own = Metric("gain", ("binary",), "maximize", gain, "label", "majority")
    pair = find_pair("bce/sigmoid", "binary")
    raw = torch.tensor([[[-1.0], [2.0], [3.0]]])
    said = pair.predictions(raw, torch.zeros(1), torch.ones(1))
    assert scores([own], said, torch.tensor([0, 1, 0]))["gain"].tolist() == pytest.approx([1 / 3])
