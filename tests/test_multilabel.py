"""Several labels a row: read, learned label by label, predicted, judged, recorded."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from counted import counted
from sklearn.datasets import make_multilabel_classification

import lossearch
from lossearch.data.in_memory import from_frame
from lossearch.errors import InputError
from lossearch.kinds import TargetFacts, infer_kind, read_target
from lossearch.losses import ACTIVATIONS, losses_for
from lossearch.pairs import Pair, legal_pairs, pair_up

X, Y = make_multilabel_classification(300, n_features=8, n_classes=4, n_labels=2, random_state=0)


def test_columns_of_zeros_and_ones_are_labels() -> None:
    kind, reason = infer_kind(Y)
    assert kind == "multilabel"
    assert reason.startswith("multilabel: y has 4 columns of 0 and 1, ")


def test_one_hot_columns_are_not() -> None:
    with pytest.raises(InputError, match="classes as one-hot"):
        infer_kind(np.eye(3)[np.arange(30) % 3])


@pytest.mark.parametrize(
    ("y", "words"),
    [
        (np.arange(30) % 2, "y has one column, and multilabel needs one for each label"),
        (Y + 1, "y holds 1 and 2, and multilabel needs 0 and 1"),
        (np.c_[Y, np.ones(300, int)], "y column 4 is 1 in every row"),
    ],
)
def test_what_are_no_labels_is_refused(y: np.ndarray, words: str) -> None:
    with pytest.raises(InputError, match=words):
        read_target(y, "multilabel")


def test_regression_on_such_columns_may_be_asked_for() -> None:
    assert read_target(Y.astype(float), "regression").kind == "regression"


def test_a_criterion_is_the_mean_over_labels() -> None:
    crit = lossearch.criterion("bce/sigmoid", task="multilabel")
    raw, target = torch.randn(5, 4), torch.tensor(Y[:5])
    expected = torch.nn.functional.binary_cross_entropy_with_logits(
        raw, target.float(), reduction="none"
    ).mean(1)
    torch.testing.assert_close(crit.per_sample(raw, target), expected)
    assert crit.predict(raw).tolist() == (raw >= 0).long().tolist()
    torch.testing.assert_close(crit.predict_proba(raw), raw.sigmoid())
    with pytest.raises(InputError, match=r"target of shape \(5, 3\); they must agree"):
        crit(raw, target[:, :3])
    with pytest.raises(InputError, match="takes labels 0 and 1; got -1"):
        crit(raw, -target.clamp(min=1))


def test_the_name_of_a_pair_alone_is_still_binary() -> None:
    assert lossearch.criterion("bce/sigmoid").pair.kind == "binary"


@pytest.mark.parametrize(
    "pair",
    [
        p
        for x in losses_for("multilabel").values()
        if not x.joint
        for a in ACTIVATIONS.values()
        if isinstance(p := pair_up(x, a, TargetFacts("multilabel")), Pair)
    ],
    ids=str,
)
def test_each_label_is_as_one_of_two_classes(pair: Pair) -> None:
    ours, theirs = (
        lossearch.criterion(pair.name, task=kind, statistics=counted(pair))
        for kind in ("multilabel", "binary")
    )
    raw, target = torch.randn(9, 3, dtype=torch.float64), torch.tensor(Y[:9, :3])
    columns = list(zip(raw.T, target.T, strict=True))
    alone = torch.stack([theirs.per_sample(z, y) for z, y in columns], dim=-1)
    torch.testing.assert_close(ours.per_sample(raw, target), alone.mean(dim=-1))
    assert torch.equal(ours.predict(raw), torch.stack([theirs.predict(z) for z in raw.T], dim=-1))
    if pair.gives("probability"):
        found = torch.stack([theirs.predict_proba(z)[:, 1] for z in raw.T], dim=-1)
        torch.testing.assert_close(ours.predict_proba(raw), found)


def test_every_binary_loss_is_a_loss_of_labels() -> None:
    def names(kind: str, n_out: int) -> list[str]:
        losses = [x for x in losses_for(kind).values() if not x.joint]
        return [p.name for p in legal_pairs(losses, None, TargetFacts(kind, n_out))[0]]

    assert names("multilabel", 4) == names("binary", 1)


def test_a_study_of_labels(tmp_path) -> None:
    table = pd.DataFrame(X).add_prefix("x").join(pd.DataFrame(Y, columns=list("abcd")))
    data = from_frame(table, name="tags", target="a, b, c, d")
    assert data.y.shape == (300, 4)
    result = lossearch.search(
        X, Y, losses=["bce", "mse", "hinge"], trials=25, seeds=2, confirm_seeds=4, epochs=15, batch_size=16,
        store=tmp_path, name="tags", workers=1,
    )  # fmt: skip
    assert result.declared.task.metric == "f1_macro"
    labels = result.model.predict(X)
    assert labels.shape == Y.shape
    assert set(np.unique(labels)) <= {0, 1}
    assert (labels == Y).mean() > 0.7
    if result.model.gives_probabilities:
        assert result.model.predict_proba(X).shape == Y.shape
    (section,) = [s for s in result.report().sections if s.title == "Predictions"]
    assert [p.name for p in section.pictures] == ["calibration"]
    again = lossearch.load("tags", tmp_path)
    assert again.leaderboard.equals(result.leaderboard)
    assert np.array_equal(again.model.predict(X), labels)


def test_losses_of_all_labels_together_against_torch_and_sums() -> None:
    rng = np.random.default_rng(0)
    z, y = 2 * rng.normal(size=(20, 5)), (rng.random((20, 5)) < 0.4).astype(int)
    y[0], y[1] = 0, 1  # rows without one of the two sides
    pairs = [np.array([n - p for p in a[b == 1] for n in a[b == 0]]) for a, b in zip(z, y, strict=True)]
    padded = np.full((20, 5), -1)
    for row, labels in zip(padded, y, strict=True):
        there = np.flatnonzero(labels)
        row[: len(there)] = there
    expected = {
        "lsep": [np.log1p(np.exp(d).sum()) for d in pairs],
        "bp_mll": [np.exp(d).mean() if len(d) else 0.0 for d in pairs],
        "zlpr": [
            np.log1p(np.exp(a[b == 0]).sum()) + np.log1p(np.exp(-a[b == 1]).sum())
            for a, b in zip(z, y, strict=True)
        ],
        "multilabel_margin": F.multilabel_margin_loss(
            torch.tensor(z), torch.tensor(padded), reduction="none"
        ),
    }
    assert expected.keys() == {x.name for x in losses_for("multilabel").values() if x.joint and not x.gathers}
    for name, values in expected.items():
        found = lossearch.criterion(f"{name}/identity").per_sample(torch.tensor(z), torch.tensor(y))
        np.testing.assert_allclose(found, values, rtol=1e-9, atol=1e-12)


def test_losses_of_all_labels_together_are_searched_but_not_where_labels_are_weighted(tmp_path) -> None:
    given = {
        "losses": ["ranking", "bce"],
        "seeds": 1,
        "confirm_seeds": 2,
        "epochs": 4,
        "workers": 1,
        "mlflow": False,
    }
    result = lossearch.search(X, Y, metric="lrap", store=tmp_path, name="ranked", **given)
    assert len(result.leaderboard) == 6
    weighted = lossearch.search(X, Y, pos_weight="balanced", store=tmp_path, name="weighted", **given)
    assert list(weighted.leaderboard["pair"]) == ["bce/sigmoid"]
    with pytest.raises(InputError, match="labels are weighted one by one"):
        lossearch.search(X, Y, pos_weight="balanced", store=tmp_path, **{**given, "losses": ["lsep"]})
