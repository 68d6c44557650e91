"""Losses of a whole batch: against sums, and against the metrics that they are the soft form of."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from contracts.problems import problem, space_of
from contracts.training_base import SETTINGS, equal
from scipy import special
from sklearn import metrics as sk

import lossearch
from lossearch.errors import InputError
from lossearch.kinds import KINDS
from lossearch.losses import BUILT_IN, losses_for
from lossearch.pairs import find_pair
from lossearch.pairs.making import criterion
from lossearch.space import Point
from lossearch.training.contract import Replicate
from lossearch.training.plain.train import train_plain
from lossearch.training.population.method import train_population

GATHERED = [
    (kind, x) for x in BUILT_IN if x.gathers and {"overlap", "ranking"} & {*x.families} for kind in x.kinds
]
RNG = np.random.default_rng(0)
Z, Y = 2 * RNG.normal(size=(40, 4)), RNG.integers(0, 2, (40, 4))
S = 1e-3
t = torch.as_tensor


def batch(kind):
    """Raw output, raw targets, and the probabilities and 0/1 targets that sums are taken of, one column a label."""
    if kind == "binary":
        return Z[:, :1], Y[:, 0], special.expit(Z[:, :1]), Y[:, :1]
    if kind == "multilabel":
        return Z, Y, special.expit(Z), Y
    if kind == "segmentation":  # all pixels together
        return Z, Y, special.expit(Z).reshape(-1, 1), Y.reshape(-1, 1)
    classes = np.arange(40) % 4
    return Z, classes, special.softmax(Z, axis=1), np.eye(4)[classes]


def sums(p, y):
    return (p * y).mean(0), ((1 - y) * p).mean(0), (y * (1 - p)).mean(0)


def generalized_dice(tp, fp, fn):
    tn = 1 - tp - fp - fn
    w, v = 1 / (tp + fn + S) ** 2, 1 / (tn + fp + S) ** 2
    return 1 - 2 * (w * tp + v * tn) / (w * (2 * tp + fp + fn) + v * (2 * tn + fp + fn))


def unified_focal(p, y, tp, fp, fn):
    """Yeung et al. 2022 as MONAI has it, but for the focal part, which is summed over classes as in the authors' code."""
    tn = 1 - tp - fp - fn
    focal = np.where(y == 1, -0.6 * np.log(p), -0.4 * np.sqrt(p) * np.log(1 - p)).mean()
    marked = 1 - (tp + S) / (tp + 0.6 * fn + 0.4 * fp + S)
    rest = 1 - (tn + S) / (tn + 0.6 * fp + 0.4 * fn + S)
    return (focal + (np.sqrt(marked + 1e-6) + rest) / 2) / 2


def pairs_in_order(p, y):
    """The mean over pairs of one row of each class of how far they are from 1 apart, squared."""
    return np.array(
        [((1 - np.subtract.outer(a[b == 1], a[b == 0])) ** 2).mean() for a, b in zip(p.T, y.T, strict=True)]
    )


BY_SUMS = {
    "generalized_dice": lambda p, y, tp, fp, fn: generalized_dice(tp, fp, fn),
    "unified_focal": unified_focal,
    "auc_margin": lambda p, y, tp, fp, fn: pairs_in_order(p, y),
    "dice": lambda p, y, tp, fp, fn: 1 - (2 * tp + S) / (2 * tp + fp + fn + S),
    "squared_dice": lambda p, y, tp, fp, fn: 1 - (2 * tp + S) / ((p**2).mean(0) + (y**2).mean(0) + S),
    "log_cosh_dice": lambda p, y, tp, fp, fn: np.log(np.cosh(1 - (2 * tp + S) / (2 * tp + fp + fn + S))),
    "jaccard": lambda p, y, tp, fp, fn: 1 - (tp + S) / (tp + fp + fn + S),
    "tversky": lambda p, y, tp, fp, fn: 1 - (tp + S) / (tp + 0.3 * fp + 0.7 * fn + S),
    "focal_tversky": lambda p, y, tp, fp, fn: (1 - (tp + S) / (tp + 0.3 * fp + 0.7 * fn + S) + 1e-6) ** 0.75,
    "dice_bce": lambda p, y, tp, fp, fn: (
        (1 - (2 * tp + S) / (2 * tp + fp + fn + S) - np.log(np.where(y == 1, p, 1 - p)).mean()) / 2
    ),
    "mcc_loss": lambda p, y, tp, fp, fn: (
        1
        - (tp * (1 - tp - fp - fn) - fp * fn)
        / np.sqrt((tp + fp) * (tp + fn) * (1 - tp - fp) * (1 - tp - fn) + 1e-6)
    ),
}


@pytest.mark.parametrize(("kind", "loss"), GATHERED, ids=str)
def test_it_is_what_sums_over_the_batch_make(kind, loss, monkeypatch):
    raw, target, p, y = batch(kind)
    crit = criterion(f"{loss.name}/{loss.usual[0]}", task=kind)
    monkeypatch.setitem(globals(), "S", 1e-5 if kind == "segmentation" else S)
    expected = BY_SUMS[loss.name](p, y, *sums(p, y)).mean()
    assert float(crit(t(raw), t(target))) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(
    ("name", "metric"),
    [("dice", sk.f1_score), ("jaccard", sk.jaccard_score), ("mcc_loss", sk.matthews_corrcoef)],
)
def test_of_certain_predictions_it_is_the_metric(name, metric):
    sure = 50.0 * np.sign(Z[:, 0])
    found = float(criterion(f"{name}/sigmoid", task="binary")(t(sure), t(Y[:, 0])))
    assert 1 - found == pytest.approx(metric(Y[:, 0], Z[:, 0] > 0), abs=2e-3)


def test_the_margin_of_the_auc_is_between_means():
    p, y = special.expit(Z[:, 0]), Y[:, 0]
    p = np.where(y == 1, 0.9 + p / 10, p / 10)  # apart by more than the margin
    crit = criterion("auc_margin/sigmoid", task="binary", margin=0.5)
    assert float(crit(t(special.logit(p)), t(y))) == pytest.approx(p[y == 1].var() + p[y == 0].var())


def test_a_batch_of_one_class_has_no_order():
    raw = t(Z[:, 0]).requires_grad_()
    value = criterion("auc_margin/sigmoid", task="binary")(raw, torch.ones(40))
    value.backward()
    assert float(value.detach()) == 0
    assert not raw.grad.any()


@pytest.mark.parametrize("name", ["dice/sigmoid", "auc_margin/sigmoid"])
def test_weights_are_repeated_rows(name):
    crit = criterion(name, task="binary")
    weight = RNG.integers(1, 4, 40)
    many = np.repeat(np.arange(40), weight)
    weighted = crit(t(Z[:, 0]), t(Y[:, 0]), t(weight * 40 / weight.sum()))
    assert float(weighted) == pytest.approx(float(crit(t(Z[many, 0]), t(Y[many, 0]))), rel=1e-9)


@pytest.mark.parametrize(("kind", "loss"), GATHERED, ids=str)
def test_together_replicates_are_what_they_are_alone(kind, loss):
    task = problem(kind)
    pair = find_pair(f"{loss.name}/{loss.usual[0]}", kind, task.facts)
    values = [{}, *({p.name: v} for p in loss.params for v in (p.low, p.high))]
    points = [
        Point(pair.name, 0.05 + 0.01 * i, tuple(sorted({**loss.defaults, **v}.items())), definition=pair)
        for i, v in enumerate(values)
    ]
    given = [Replicate(point, s) for point in points for s in (0, 1)]
    both = [list(f(task, space_of(task, [pair]), given, SETTINGS)) for f in (train_plain, train_population)]
    for one, other in zip(*both, strict=True):
        equal(one, other, 1e-9)


def test_a_search_names_the_family_and_says_what_the_batch_is(tmp_path):
    x = RNG.normal(size=(300, 3))
    y = (x[:, 0] + 0.5 * RNG.normal(size=300) > 1.4).astype(int)
    result = lossearch.search(
        x, y, losses=["overlap", "bce"], metric="f1", seeds=1, confirm_seeds=2, epochs=5, lr=0.05, store=tmp_path,
        mlflow=False, workers=1,
    )  # fmt: skip
    assert {"dice/sigmoid", "jaccard/sigmoid", "mcc_loss/sigmoid"} <= set(result.leaderboard["pair"])
    assert any("its gradient depends on the batch size" in n for n in result.declared.notes)


def test_a_searched_batch_size_is_told(tmp_path):
    result = lossearch.search(
        Z, Y[:, 0], pairs=["dice/sigmoid"], settings={"batch_size": [8, 16]}, lr=0.05, seeds=1, confirm_seeds=0, epochs=1,
        store=tmp_path, mlflow=False, workers=1, trials=10,
    )  # fmt: skip
    said = (
        "batch_size is searched, and dice/sigmoid is a loss of the whole batch: another size is another loss."
    )
    assert said in result.declared.notes


def test_a_row_alone_is_a_batch():
    crit = criterion("dice/sigmoid", task="binary")
    alone = crit.per_sample(t(Z[:, 0]), t(Y[:, 0]))
    assert float(alone[3]) == pytest.approx(float(crit(t(Z[3:4, 0]), t(Y[3:4, 0]))))
    assert len(alone) == 40


def test_labels_are_not_weighted():
    crit = criterion("dice/sigmoid", task="multilabel", pos_weight=3.0)
    with pytest.raises(InputError, match="takes no weights of labels"):
        crit(t(Z), t(Y))
    with pytest.raises(InputError, match="labels are weighted one by one"):
        lossearch.search(Z, Y, losses=["dice"], pos_weight="balanced", mlflow=False)


def test_kinds_have_them():
    assert {k for k in KINDS if any(x.gathers for x in losses_for(k).values())} == {
        "binary",
        "multiclass",
        "multilabel",
        "ordinal",
        "segmentation",
    }
