"""Masks: how they are read, what losses and metrics of them mean, and a whole search."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy import special
from sklearn.metrics import jaccard_score
from torch import nn

import lossearch
from lossearch.errors import InputError
from lossearch.kinds import KINDS, Predictions, read_target
from lossearch.losses import searched_losses
from lossearch.metrics.registry import find_metric
from lossearch.networks.architecture import make_network
from lossearch.pairs.making import criterion
from lossearch.records.predictions import numbers, prediction_table
from lossearch.tasks.task import Part
from lossearch.training.contract import Outcome

RNG = np.random.default_rng(0)
N, H, W = 90, 8, 7
MASKS = RNG.integers(0, 2, (N, H, W))
IMAGES = (MASKS + 0.3 * RNG.normal(size=MASKS.shape))[:, None]
Z = 2 * RNG.normal(size=(5, H, W))
t = torch.as_tensor


def loss(name, **params):
    return criterion(name, task="segmentation", **params)


# --- what comes in ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "y", [MASKS, MASKS.astype(bool), (255 * MASKS).astype(np.uint8), MASKS.astype(float), MASKS[:, None]]
)
def test_masks_are_read_as_bytes_in_a_row(y):
    found = read_target(np.asarray(y))
    assert found.kind == "segmentation"
    assert (found.shape, found.n_out, found.y.dtype) == ((H, W), H * W, np.uint8)
    assert np.array_equal(found.y, MASKS.reshape(N, -1))
    assert ("255 is read as 1" in found.reason) == (y.dtype == np.uint8)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda y: y + (np.arange(N) == 4)[:, None, None], r"segmentation: y holds 0, 1, 2 \(row 4\), and segmentation needs masks"),
        (lambda y: y + (np.arange(N) == 4)[:, None, None], "masks of several classes are not known; give those of one class, as y == 1"),
        (lambda y: y * 0.5, r"y holds 0 and 0.5 \(rows 0, 1, 2, 3, 4, ...\)"),
        (np.zeros_like, "all pixels of y are 0: there is nothing to predict"),
        (lambda y: np.stack([y, y], axis=1), r"y has shape \(90, 2, 8, 7\), and segmentation needs masks \(N, H, W\)"),
    ],
)  # fmt: skip
def test_what_are_no_masks_is_told(change, said):
    with pytest.raises(InputError, match=said):
        read_target(change(MASKS))


def test_other_kinds_refuse_masks():
    with pytest.raises(
        InputError, match=r"kind = 'multilabel' was asked for.* there is kind = 'segmentation'"
    ):
        read_target(MASKS, "multilabel")


def test_masks_of_another_size_are_told():
    with pytest.raises(InputError, match="gives a number for each of the 8 x 7 pixels"):
        lossearch.search(IMAGES, MASKS[:, 1:], mlflow=False)


# --- losses -----------------------------------------------------------------------------------------------


def test_what_is_searched_is_a_handful():
    assert {x.name for x in searched_losses("segmentation")} == {
        "bce",
        "focal",
        "dice",
        "dice_bce",
        "lovasz_hinge",
    }


def dice_of(p, y):
    return 1 - (2 * (p * y).sum() + 1e-5 * p.size) / (p.sum() + y.sum() + 1e-5 * p.size)


def test_dice_is_of_all_pixels_and_image_dice_of_each_image():
    p, y = special.expit(Z), MASKS[:5]
    assert float(loss("dice/sigmoid")(t(Z), t(y))) == pytest.approx(dice_of(p, y), rel=1e-9)
    each = [dice_of(a, b) for a, b in zip(p, y, strict=True)]
    assert float(loss("image_dice/sigmoid")(t(Z), t(y))) == pytest.approx(np.mean(each), rel=1e-9)
    assert loss("image_dice/sigmoid").per_sample(t(Z), t(y)).tolist() == pytest.approx(each, rel=1e-9)


@pytest.mark.parametrize("out", [(5, H, W), (5, 1, H, W), (5, H * W)])
@pytest.mark.parametrize("target", [(5, H, W), (5, 1, H, W), (5, H * W)])
@pytest.mark.parametrize("name", ["bce/sigmoid", "dice/sigmoid", "lovasz_hinge/identity"])
def test_pictures_and_rows_are_the_same(name, out, target):
    crit = loss(name)
    found = crit(t(Z.reshape(out)), t(MASKS[:5].reshape(target)))
    assert float(found) == pytest.approx(float(crit(t(Z.reshape(5, -1)), t(MASKS[:5].reshape(5, -1)))))
    assert crit.predict(t(Z.reshape(out))).shape == out


def test_pixels_that_do_not_agree_are_told():
    with pytest.raises(InputError, match=r"5 rows of 56 pixels and masks of shape \(5, 7, 7\)"):
        loss("bce/sigmoid")(t(Z), t(MASKS[:5, 1:]))


def lovasz_by_sets(z, y):
    """The Lovász extension as it is defined: the loss of the sets of worst pixels, weighted by their errors."""
    error = np.maximum(0, 1 - z * (2 * y - 1))
    order = np.argsort(-error, kind="stable")
    heights = [*error[order], 0.0]

    def jaccard(k):
        wrong = np.zeros(len(y), dtype=bool)
        wrong[order[:k]] = True
        return 1 - jaccard_score(y, np.where(wrong, 1 - y, y), zero_division=1)

    return sum((a - b) * jaccard(k + 1) for k, (a, b) in enumerate(pairwise(heights)))


def test_lovasz_hinge_is_the_extension_of_the_jaccard_loss():
    y = np.concatenate([MASKS[:4], np.zeros((1, H, W), dtype=int)]).reshape(5, -1)
    z = Z.reshape(5, -1)
    expected = [lovasz_by_sets(a, b) for a, b in zip(z, y, strict=True)]
    assert loss("lovasz_hinge/identity").per_sample(t(z), t(y)).tolist() == pytest.approx(expected, rel=1e-9)


def test_lovasz_hinge_is_1_less_iou_of_pixels_right_or_wrong_by_one():
    z, y = np.sign(Z.reshape(5, -1)), MASKS[:5].reshape(5, -1)
    wrong = np.where(z * (2 * y - 1) > 0, 1, 0) * z  # right ones at 1, wrong ones at 0, by an error of 1
    expected = [1 - jaccard_score(a, b > 0) for a, b in zip(y, z, strict=True)]
    assert loss("lovasz_hinge/identity").per_sample(t(wrong), t(y)).tolist() == pytest.approx(
        expected, rel=1e-9
    )


def test_lovasz_hinge_has_the_gradient_of_differences():
    raw = t(Z.reshape(5, -1)).requires_grad_()
    target = t(MASKS[:5].reshape(5, -1))
    assert torch.autograd.gradcheck(lambda z: loss("lovasz_hinge/identity").per_sample(z, target), raw)


def test_topk_bce_is_the_mean_of_the_worst_pixels():
    z, y = t(Z.reshape(5, -1)), t(MASKS[:5].reshape(5, -1))
    each = nn.functional.binary_cross_entropy_with_logits(z, y.double(), reduction="none")
    expected = each.topk(14, dim=1).values.mean(dim=1)  # a quarter of 56
    torch.testing.assert_close(loss("topk_bce/sigmoid").per_sample(z, y), expected)
    in_part = (each.topk(5, dim=1).values.sum(dim=1) + 0.6 * each.topk(6, dim=1).values[:, -1]) / 5.6
    torch.testing.assert_close(loss("topk_bce/sigmoid", share=0.1).per_sample(z, y), in_part)


def test_pos_weight_is_one_number_of_all_pixels():
    weighted = float(loss("bce/sigmoid", pos_weight=3.0)(t(Z), t(MASKS[:5])))
    of_torch = nn.functional.binary_cross_entropy_with_logits(t(Z), t(MASKS[:5]).double(), pos_weight=t(3.0))
    assert weighted == pytest.approx(float(of_torch), rel=1e-9)
    with pytest.raises(InputError, match="takes no weights of labels"):
        loss("dice/sigmoid", pos_weight=3.0)(t(Z), t(MASKS[:5]))


# --- metrics ----------------------------------------------------------------------------------------------


def test_an_empty_mask_that_is_left_empty_counts_1():
    label, there = torch.zeros(1, 2, 4, dtype=torch.uint8), torch.tensor([[0, 0, 0, 0], [1, 1, 0, 0]])
    for name, wanted in (("iou", 0.5), ("dice", 0.5), ("micro_iou", 0.0), ("pixel_accuracy", 0.75)):
        assert find_metric(name, "segmentation").fn(Predictions(label=label), there).tolist() == [wanted]


# --- network ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(1, 4, 4), (3, 9, 6), (5, 7)])
def test_fcn_keeps_the_size(shape):
    height, width = shape[-2:]
    network = make_network("fcn", input_shape=shape, rows=10)(height * width)
    assert network(torch.zeros(2, *shape)).shape == (2, height * width)


# --- records ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("outcome", [Outcome.COMPLETED, Outcome.DIVERGED])
def test_masks_are_recorded_as_bits(outcome):
    bits = np.concatenate([MASKS.reshape(N, -1)] * 2, axis=1)
    part = Part(torch.zeros(N, 1), t(bits).float())
    said = Predictions(label=t(1 - bits).to(torch.uint8))
    table = prediction_table("a/b", 1, "test", part, said, outcome, ("label",))
    assert {"target_bits_112", "label_bits_112"} <= set(table.column_names)
    frame = table.to_pandas()
    assert np.array_equal(numbers(frame, "target"), bits)
    assert np.array_equal(numbers(frame, "label"), 1 - bits)


# --- all of it --------------------------------------------------------------------------------------------


class Net(nn.Module):
    """A network of a user's own, which gives a picture."""

    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Conv2d(1, 3, 3, padding=1), nn.Conv2d(3, 1, 1)

    def forward(self, x):
        return self.last(torch.relu(self.first(x)))


@pytest.mark.parametrize("model", [None, Net])
def test_a_search_gives_masks_of_the_shape_that_came(tmp_path, model):
    more = {} if model else {"hidden": [3]}
    result = lossearch.search(
        IMAGES, MASKS, model=model, losses=["bce", "dice", "lovasz_hinge"], trials=15, seeds=1, confirm_seeds=2, epochs=2,
        lr=(0.01, 0.1), name="masks", store=tmp_path, mlflow=False, workers=1, **more,
    )  # fmt: skip
    assert set(result.leaderboard["pair"]) == {"bce/sigmoid", "dice/sigmoid", "lovasz_hinge/identity"}
    found = result.model.predict(IMAGES[:4])
    assert (found.shape, found.dtype) == ((4, H, W), np.uint8)
    if model is None:
        again = lossearch.load("masks", store=tmp_path)
        assert np.array_equal(again.model.predict(IMAGES[:4]), found)
        saved = lossearch.load_model(again.model.save(tmp_path / "model"))
        assert np.array_equal(saved.predict(IMAGES[:4]), found)
        html = lossearch.load("masks", store=tmp_path)
        assert html.leaderboard["test_dice"].between(0, 1).all()


def test_balanced_weights_are_of_all_pixels(tmp_path):
    options = {
        "pos_weight": "balanced", "trials": 5, "seeds": 1, "confirm_seeds": 2, "epochs": 1, "hidden": [2], "lr": 0.05,
        "store": tmp_path, "mlflow": False, "workers": 1,
    }  # fmt: skip
    result = lossearch.search(IMAGES, MASKS, losses=["bce"], **options)
    assert list(result.leaderboard["pair"]) == ["bce/sigmoid"]
    with pytest.raises(InputError, match="labels are weighted one by one"):
        lossearch.search(IMAGES, MASKS, losses=["dice"], **options)


def test_it_is_like_labels_number_by_number():
    assert KINDS["segmentation"].like == "multilabel"
    with pytest.raises(InputError, match="No segmentation loss named 'lsep'"):
        loss("lsep/identity")
