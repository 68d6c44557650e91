"""Weights in every form that a criterion is written in, and in checkpoints."""

from __future__ import annotations

import io

import pytest
import torch

import lossearch
from lossearch.errors import InputError

RAW, Y = torch.tensor([0.3, -1.0, 2.0]), torch.tensor([1.0, 0.0, 0.0])


@pytest.mark.parametrize(
    "given",
    ["bce/sigmoid(pos_weight=3)", {"pair": "bce/sigmoid", "pos_weight": 3}, {"pair": "bce/sigmoid", "class_weight": {0: 1, 1: 3}}],
    ids=str,
)  # fmt: skip
def test_weights_are_written_as_parameters_are(given):
    expected = torch.nn.functional.binary_cross_entropy_with_logits(RAW, Y, pos_weight=torch.tensor(3.0))
    crit = lossearch.criterion(given)
    torch.testing.assert_close(crit(RAW, Y), expected)
    file = io.BytesIO()
    torch.save(crit, file)
    file.seek(0)
    again = torch.load(file, weights_only=True)
    torch.testing.assert_close(again(RAW, Y), expected)


def test_weights_are_said_once():
    with pytest.raises(InputError, match="Leave out pos_weight"):
        lossearch.criterion("bce/sigmoid(pos_weight=3)", pos_weight=2.0)
    with pytest.raises(InputError, match="Leave out class_weight"):
        lossearch.criterion({"pair": "bce/sigmoid", "class_weight": {1: 2}}, class_weight={1: 3})
    with pytest.raises(InputError, match="is a criterion already"):
        lossearch.criterion(lossearch.criterion("bce/sigmoid"), pos_weight=2.0)
