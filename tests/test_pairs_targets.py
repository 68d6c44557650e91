"""What the criterion makes of shapes, types and values: a right value or an error, never a silent run."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812

from lossearch.errors import InputError
from lossearch.kinds import KINDS, TargetForm, TargetStatistics
from lossearch.losses import ACTIVATIONS, Loss, loss
from lossearch.pairs import Criterion, Pair, Rejection, find_pair, legal_pairs, pair_up
from lossearch.pairs.making import criterion


def said(crit, raw, target):
    with pytest.raises(InputError) as caught:
        crit(raw, target)
    return str(caught.value)


@pytest.mark.parametrize(
    ("target", "got"),
    [
        ([0, 1, 2], "0, 1, 2"),
        ([0.0, 0.5, 1.0], "0, 0.5, 1"),
        ([-1, 0, 1], "-1, 0, 1"),
        ([0, math.nan, 1], "0, 1, nan"),
    ],
)
def test_binary_targets_are_two_numbers(target, got):
    found = said(criterion("bce/sigmoid"), torch.zeros(3), torch.tensor(target))
    assert found == f"bce/sigmoid takes binary targets 0/1 or -1/+1; got {got}."


@pytest.mark.parametrize(
    ("target", "got"),
    [([0, 1, 4], "4"), ([0, -100, 1], "-100"), ([0.0, 0.5, 1.0], "0.5"), ([-100, -100, -100], "-100")],
)
def test_class_indices_are_inside(target, got):
    found = said(criterion("cross_entropy/softmax"), torch.zeros(3, 4), torch.tensor(target))
    assert found == f"cross_entropy/softmax takes class indices from 0 to 3; got {got}."


def test_index_and_one_hot_of_any_type_are_the_same():
    raw, index = torch.randn(6, 3), torch.tensor([0, 1, 2, 2, 1, 0])
    hot = F.one_hot(index, 3)
    for kind_of_pair in (
        "cross_entropy/softmax",
        "cross_entropy_one_hot/softmax",
        "ovr_hinge/identity",
        "mse/softmax",
    ):
        crit = criterion(kind_of_pair, task="multiclass")
        for target in (index.float(), index.to(torch.uint8), hot, hot.double(), hot.bool()):
            assert torch.equal(crit.per_sample(raw, target), crit.per_sample(raw, index))


def test_rows_that_are_not_one_hot_are_refused():
    for rows in ([[0.5, 0.4, 0.0], [1, 0, 0]], [[1, 1, 0], [1, 0, 0]], [[0.5, 0.5, 0], [1, 0, 0]]):
        found = said(criterion("cross_entropy/softmax"), torch.zeros(2, 3), torch.tensor(rows))
        assert (
            found == "cross_entropy/softmax takes class indices or one-hot rows; these rows are not one-hot."
        )


def test_one_output_for_classes_and_classes_for_one_output():
    assert said(criterion("cross_entropy/softmax"), torch.zeros(3, 1), torch.zeros(3)) == (
        "cross_entropy/softmax needs one output a class, at least 2; the network gives 1. "
        "One output for two classes is for binary pairs, such as bce/sigmoid."
    )
    assert said(criterion("bce/sigmoid"), torch.zeros(3, 2), torch.zeros(3, 2)) == (
        "bce/sigmoid needs one output; the network gives 2. "
        "One output a class is for task='multiclass', such as cross_entropy/softmax; one a label for task='multilabel'. "
        "This is bce for binary tasks; there is task='multilabel' too."
    )


@pytest.mark.parametrize("name", ["mse", "mae", "huber", "log_cosh", "rmse"])
def test_rows_never_meet_other_rows(name):
    crit = criterion(f"{name}/identity", task="regression")
    raw, target = torch.randn(5), torch.randn(5)
    values = crit.per_sample(raw, target)
    assert values.shape == (5,)
    assert torch.equal(values, crit.per_sample(raw[:, None], target))
    assert torch.equal(values, crit.per_sample(raw, target[:, None]))
    assert said(crit, raw, target[:4]) == (
        f"{name}/identity met output of shape (5, 1) and target of shape (4, 1); "
        "they must agree row by row and output by output."
    )
    assert "output of shape (5, 2) and target of shape (5,)" in said(crit, torch.randn(5, 2), target)
    assert "output of shape (5, 1) and target of shape (1, 5)" in said(crit, raw, target[None])


def test_output_is_floating_and_flat():
    crit = criterion("bce/sigmoid")
    assert said(crit, torch.zeros(3, dtype=torch.long), torch.zeros(3)) == (
        "bce/sigmoid takes float output of shape (N, n_out); got (3,) int64."
    )
    assert said(crit, torch.zeros(3, 1, 1), torch.zeros(3)) == (
        "bce/sigmoid takes float output of shape (N, n_out); got (3, 1, 1) float32."
    )


@pytest.mark.parametrize("pair", [find_pair(KINDS[k].conventional, k) for k in KINDS], ids=str)
def test_an_empty_batch_is_zero_with_a_gradient(pair):
    form = pair.loss.form
    raw = torch.zeros((0, pair.width(3 if form.by_row else 1)), requires_grad=True)
    shape = {TargetForm.INDEX: (0,), TargetForm.SHARES: (0, 3)}.get(form, (0, 1))
    value = Criterion(pair)(raw, torch.zeros(shape))
    value.backward()
    assert value.item() == 0
    assert raw.grad.shape == raw.shape


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_lifted(dtype):
    raw = torch.tensor([-60.0, 12.0, 0.0], dtype=dtype, requires_grad=True)
    for name in ("bce/sigmoid", "squared_hinge/identity", "mse/sigmoid"):
        crit = criterion(name, task="binary")
        value = crit(raw, torch.tensor([1, 0, 1]))
        assert value.dtype == torch.float32
        assert math.isfinite(value.item())
        assert value.item() == crit(raw.detach().float(), torch.tensor([1, 0, 1])).item()
        assert crit.predict_proba(raw.detach()).dtype == torch.float32


def test_the_outputs_type_decides():
    raw = torch.zeros(3)
    for name, target in (
        ("mse/identity", torch.zeros(3, dtype=torch.float64)),
        ("mse/identity", torch.zeros(3, dtype=torch.int32)),
        ("msle/softplus", torch.ones(3, dtype=torch.float64)),
    ):
        assert criterion(name, task="regression")(raw, target).dtype == torch.float32
        assert criterion(name, task="regression")(raw.double(), target).dtype == torch.float64
    for target in (
        torch.zeros(3, dtype=torch.float64),
        torch.zeros(3, dtype=torch.bool),
        torch.zeros(3, dtype=torch.int8),
    ):
        assert criterion("bce/sigmoid")(raw, target).dtype == torch.float32


# --- losses of one's own ---------------------------------------------------------------------------


@loss(task="binary", encoding="plus_minus_one", source="here", name="quartic", example=(0.5, 1.0, 0.0625))
def quartic(output, target):
    return (output - target).square().square()


def test_a_loss_of_ones_own_is_a_component_like_any_other():
    crit = criterion("quartic/tanh", losses=[quartic])
    raw = torch.tensor([0.3, -2.0])
    expected = (np.tanh(raw.numpy()) - np.array([1, -1])) ** 4
    np.testing.assert_allclose(crit.per_sample(raw, torch.tensor([1, 0])), expected, rtol=1e-6)
    pairs, rejections = legal_pairs([quartic])
    assert [p.name for p in pairs] == ["quartic/identity", "quartic/tanh"]
    assert [r.name for r in rejections] == ["quartic/sigmoid"]
    assert isinstance(quartic, Loss)


def test_standardised_targets_come_back_in_original_units():
    crit = criterion("mse/identity", task="regression", statistics=TargetStatistics((10.0,), (4.0,), (12.0,)))
    raw, target = torch.tensor([0.5, -1.0]), torch.tensor([12.0, 6.0])
    assert crit.per_sample(raw, target).tolist() == [0.0, 0.0]
    assert crit.predict(raw).tolist() == [12.0, 6.0]


def test_two_outputs_are_averaged_and_kept():
    statistics = TargetStatistics((0.0, 10.0), (1.0, 2.0), (1.0, 1.0))
    crit = criterion("mae/identity", task="regression", statistics=statistics)
    raw, target = torch.tensor([[1.0, 1.0]]), torch.tensor([[3.0, 10.0]])
    assert crit.per_sample(raw, target).tolist() == [1.5]
    assert crit.predict(raw).tolist() == [[1.0, 12.0]]


def test_rejections_read_as_a_sentence():
    assert str(Rejection("a/b", "reason.", "Cure.")) == "a/b: reason. Cure."
    assert str(Rejection("a/b", "reason.")) == "a/b: reason."
    assert isinstance(pair_up(quartic, ACTIVATIONS["identity"]), Pair)
