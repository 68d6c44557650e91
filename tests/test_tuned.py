"""Thresholds and temperatures chosen on validation rows: against scikit-learn, and on test rows that chose nothing."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from scipy import optimize, special
from sklearn import metrics as sk

import lossearch
from lossearch.diagnostics.tuned import tuned
from lossearch.kinds import Predictions
from lossearch.kinds._predictions import stepped
from lossearch.metrics.registry import find_metric, metrics_for
from lossearch.records.evidence import Evidence
from lossearch.report.markdown import to_markdown

RNG = np.random.default_rng(0)
SEEDS, ROWS = 3, 400
F1, LOG_LOSS = find_metric("f1", "binary"), find_metric("log_loss", "binary")


def evidence(kind, predictions, targets, part, metric="accuracy"):
    """Evidence of one pair, "bce/sigmoid", from predictions and targets a seed."""
    target = torch.cat([torch.as_tensor(y) for y in targets])
    starts = np.cumsum([0, *map(len, targets)])
    return Evidence(
        kind=kind,
        metric=find_metric(metric, kind),
        part=part,
        seeds=tuple(range(len(targets))),
        target=target,
        rows=[np.arange(a, b) for a, b in itertools.pairwise(starts)],
        predictions={"bce/sigmoid": predictions},
        diverged={"bce/sigmoid": np.zeros(len(targets), dtype=bool)},
        constants=np.zeros(len(targets)),
    )


def rare(sharpness=1.0):
    """Predictions of a rare class whose logits are right but for a factor."""
    found = []
    for _ in range(SEEDS):
        score = RNG.normal(-2.5, 1.5, ROWS)
        y = (RNG.uniform(size=ROWS) < special.expit(score)).astype(np.int64)
        raw = torch.as_tensor(sharpness * score)
        found.append(
            (Predictions(label=(raw >= 0).long(), probability=torch.sigmoid(raw), score=raw), y[:, None])
        )
    return [p for p, _ in found], [y for _, y in found]


def test_the_threshold_is_best_on_validation_rows_and_scored_on_test_rows():
    (known, known_y), (new, new_y) = rare(), rare()
    frame = tuned(
        evidence("binary", known, known_y, "validation"), evidence("binary", new, new_y, "test"), [F1]
    )
    (row,) = frame.to_dict("records")
    limits, after = [], []
    for p, y, q, z in zip(known, known_y, new, new_y, strict=True):
        scores = np.unique(p.score.numpy())
        candidates = np.concatenate([scores[:1], (scores[1:] + scores[:-1]) / 2])
        worth = [sk.f1_score(y, p.score.numpy() >= c) for c in candidates]
        best = max(worth)
        one = evidence("binary", [p], [y], "validation"), evidence("binary", [q], [z], "test")
        chosen = tuned(*one, [F1]).iloc[0]
        limits.append(chosen["setting"])
        # between quantiles of the scores, not all of them, where there are many
        assert sk.f1_score(y, p.score.numpy() >= chosen["setting"]) >= best - 0.02
        assert chosen["after"] == pytest.approx(sk.f1_score(z, q.score.numpy() >= chosen["setting"]))
        assert chosen["before"] == pytest.approx(sk.f1_score(z, q.label.numpy()))
        after.append(chosen["after"])
    assert row["after"] == pytest.approx(np.mean(after))
    assert row["setting"] == pytest.approx(np.median(limits))
    assert row["seeds"] == SEEDS
    assert row["ci_low"] < row["gain"] < row["ci_high"]
    assert row["gain"] > 0.02


@pytest.mark.parametrize("sharpness", [0.25, 1.0, 4.0])
def test_the_temperature_undoes_a_factor_of_the_logits(sharpness):
    (known, known_y), (new, new_y) = rare(sharpness), rare(sharpness)
    frame = tuned(
        evidence("binary", known, known_y, "validation"), evidence("binary", new, new_y, "test"), [LOG_LOSS]
    )
    (row,) = frame.to_dict("records")
    assert row["setting"] == pytest.approx(sharpness, rel=0.25)
    expected = [sk.log_loss(y, p.probability) for p, y in zip(new, new_y, strict=True)]
    assert row["before"] == pytest.approx(np.mean(expected))
    assert row["gain"] > -0.01
    assert (row["gain"] > 0.02) is (sharpness != 1.0)


def test_classes_share_one_temperature():
    raw = 3.0 * RNG.normal(size=(ROWS, 3))
    y = np.array([RNG.choice(3, p=p) for p in special.softmax(raw / 3.0, axis=1)])
    p = torch.as_tensor(special.softmax(raw, axis=1))
    said = Predictions(label=p.argmax(1), probability=p, score=torch.as_tensor(raw))
    both = [evidence("multiclass", [said], [y], part) for part in ("validation", "test")]
    frame = tuned(*both, metrics_for("multiclass")).set_index("metric")

    def loss(t):
        return sk.log_loss(y, special.softmax(raw / t, axis=1))

    best = optimize.minimize_scalar(loss, bounds=(0.1, 20), method="bounded").x
    assert frame.loc["log_loss", "setting"] == pytest.approx(best, rel=1e-3)
    assert frame.loc["log_loss", "after"] == pytest.approx(loss(best), rel=1e-6)
    assert set(frame["tuned"]) == {"temperature"}
    assert math.isnan(frame.loc["log_loss", "ci_low"])


def test_every_label_has_its_own_threshold():
    score = RNG.normal(size=(ROWS, 2))
    y = (score > [1.0, -1.0]).astype(np.int64)
    raw = torch.as_tensor(score)
    said = Predictions(label=(raw >= 0).long(), probability=torch.sigmoid(raw), score=raw)
    both = [evidence("multilabel", [said], [y], part) for part in ("validation", "test")]
    metric = find_metric("f1_macro", "multilabel")
    (row,) = tuned(*both, [metric]).to_dict("records")
    assert row["before"] == pytest.approx(sk.f1_score(y, score > 0, average="macro"))
    assert row["after"] > 0.98


def masks(shift, n=12, pixels=30):
    """Raw scores of masks, too low by a shift, and the masks."""
    truth = np.zeros((n, pixels), dtype=np.int64)
    for row in truth[1:]:  # the first is empty
        row[: RNG.integers(4, 20)] = 1
    raw = 2.0 * (2 * truth - 1) + RNG.normal(size=truth.shape) - shift
    return torch.as_tensor(raw), torch.as_tensor(truth)


def said_of(raw):
    return Predictions(label=(raw >= 0).view(torch.uint8), steps=stepped(raw))


OF_MASKS = {
    "iou": lambda y, p: np.mean([sk.jaccard_score(a, b, zero_division=1) for a, b in zip(y, p, strict=True)]),
    "dice": lambda y, p: np.mean([sk.f1_score(a, b, zero_division=1) for a, b in zip(y, p, strict=True)]),
    "micro_iou": lambda y, p: sk.jaccard_score(y.flatten(), p.flatten()),
    "pixel_accuracy": lambda y, p: sk.accuracy_score(y.flatten(), p.flatten()),
}


def test_every_metric_of_masks_has_an_oracle_here():
    assert {m.name for m in metrics_for("segmentation")} == set(OF_MASKS)


@pytest.mark.parametrize("name", OF_MASKS)
def test_masks_are_cut_where_validation_rows_say(name):
    (known, known_y), (new, new_y) = masks(1.5), masks(1.5)
    both = (
        evidence("segmentation", [said_of(known)], [known_y], "validation", "iou"),
        evidence("segmentation", [said_of(new)], [new_y], "test", "iou"),
    )
    (row,) = tuned(*both, [find_metric(name, "segmentation")]).to_dict("records")
    score = OF_MASKS[name]
    levels = np.arange(256) / 256
    worth = [score(known_y.numpy(), torch.sigmoid(known).numpy() >= level) for level in levels]
    assert worth[round(row["setting"] * 256)] == pytest.approx(max(worth), rel=1e-9)
    assert row["before"] == pytest.approx(score(new_y.numpy(), new.numpy() >= 0), rel=1e-9)
    after = score(new_y.numpy(), torch.sigmoid(new).numpy() >= row["setting"])
    assert row["after"] == pytest.approx(after, rel=1e-9)
    assert row["tuned"] == "threshold"
    assert row["setting"] < 0.45
    assert row["gain"] > 0


def test_the_step_of_the_middle_is_the_label():
    raw = torch.tensor([[-1e4, -5.0, -1e-3, 0.0, 1e-3, 5.0, 1e4]])
    assert stepped(raw).tolist()[0][3:] == sorted(stepped(raw).tolist()[0])[3:]
    assert torch.equal(stepped(raw) >= 128, raw >= 0)
    assert (stepped(raw).min(), stepped(raw).max()) == (0, 255)


def test_masks_whose_scores_are_not_recorded_are_left_out():
    raw, y = masks(0.0)
    bare = [Predictions(label=said_of(raw).label)]
    both = [evidence("segmentation", bare, [y], part, "iou") for part in ("validation", "test")]
    assert tuned(*both, metrics_for("segmentation")).empty


def test_a_search_for_masks_says_both(tmp_path):
    truth = (RNG.normal(size=(60, 9, 9)) > 0.3).astype(np.uint8)
    images = (truth + 0.6 * RNG.normal(size=truth.shape))[:, None]
    result = lossearch.search(
        images, truth, losses="bce, lovasz_hinge", seeds=1, confirm_seeds=3, trials=10, epochs=2, lr=0.05, hidden=[3],
        store=tmp_path, name="masks", mlflow=False, workers=1,
    )  # fmt: skip
    frame = lossearch.load("masks", store=tmp_path).tuned
    pairs = {"bce/sigmoid", "lovasz_hinge/identity"}
    assert set(frame["metric"]) == set(OF_MASKS)
    for name in OF_MASKS:
        of = frame[frame["metric"] == name].set_index("pair")
        assert set(of.index) == pairs
        scores = result.leaderboard.set_index("pair")["score" if name == "iou" else f"test_{name}"]
        for pair in pairs:
            assert of.loc[pair, "before"] == pytest.approx(scores[pair], rel=1e-6)
    assert all(p.steps is None for said in result.evidence().predictions.values() for p in said)
    text = to_markdown(result.report())
    assert "A threshold" in text.split("With a threshold")[1]


def test_what_says_nothing_is_left_out():
    known, y = rare()
    none = [np.zeros_like(v) for v in y]
    both = evidence("binary", known, none, "validation"), evidence("binary", known, y, "test")
    assert "f1" not in set(tuned(*both, metrics_for("binary"))["metric"])
    bare = [Predictions(label=p.label) for p in known]
    both = [evidence("binary", bare, y, part) for part in ("validation", "test")]
    assert tuned(*both, metrics_for("binary")).empty


@pytest.mark.parametrize("test", [0.25, False])
def test_a_result_and_its_report_say_both(tmp_path, test):
    x = RNG.normal(size=(400, 3))
    y = (x[:, 0] + 0.5 * RNG.normal(size=400) > 1.3).astype(int)
    result = lossearch.search(
        x, y, losses="bce, hinge", metric="f1", seeds=1, confirm_seeds=3, epochs=5, lr=0.05, test=test, store=tmp_path,
        mlflow=False, workers=1,
    )  # fmt: skip
    text = to_markdown(result.report())
    if not test:
        assert result.tuned.empty
        assert "With a threshold" not in text
        return
    frame = result.tuned
    assert set(frame[frame["metric"] == "f1"]["pair"]) >= {"bce/sigmoid", "hinge/identity"}
    assert set(frame[frame["metric"] == "log_loss"]["pair"]) == {"bce/sigmoid"}
    assert "With a threshold or a temperature" in text
    assert "f1" in text.split("With a threshold")[1].split("#")[0]
