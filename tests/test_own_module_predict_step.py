"""Modules that show what they predict in predict_step alone."""

from __future__ import annotations

import own_modules as own
import pytest
import torch
from test_own_module import BINARY, search  # noqa: F401 - a fixture
from torch.utils.data import DataLoader

from lossearch import InputError


class HeldInBatches(own.Circles):
    """Validation rows in four batches."""

    def val_dataloader(self):
        return DataLoader(self.val, batch_size=20)


SHOWING = [own.PredictsRaw, own.PredictsInputs, own.PredictsLabels]


@pytest.mark.parametrize("module", SHOWING, ids=lambda m: m.__name__)
def test_rows_are_those_that_the_criterion_would_meet(search, module):  # noqa: F811
    usual = search(module=own.Classifier, metric="accuracy", name="usual", **BINARY)
    result = search(module=module, metric="accuracy", name="by_prediction", **BINARY)
    assert any("of what predict_step gives" in n for n in search.notes)
    assert not any("one by one" in n for n in search.notes)
    assert result.verdict.rows == usual.verdict.rows == 80
    assert [t.value for t in result.trials] == [t.value for t in usual.trials]
    for pair in result.evidence().pairs:
        here, there = (r.evidence().predictions[pair][0] for r in (result, usual))
        assert torch.equal(here.label, there.label)


@pytest.mark.parametrize("module", SHOWING, ids=lambda m: m.__name__)
def test_alone_they_are_what_they_are_together(search, module):  # noqa: F811
    together = search(module=module, metric="accuracy", name="together", **BINARY)
    alone = search(
        module=module, metric="accuracy", name="alone", trainer_kwargs={"callbacks": [own.Nothing]}, **BINARY
    )
    assert any("one by one" in n for n in search.notes)
    assert [t.value for t in together.trials] == pytest.approx([t.value for t in alone.trials])


def test_probabilities_of_its_own_are_no_raw_output(search):  # noqa: F811
    with pytest.raises(InputError, match="give its raw output in predict_step"):
        search(module=own.PredictsProbabilities, metric="accuracy", **BINARY)
    result = search(module=own.PredictsProbabilities, metric="val_margin", direction="maximize", **BINARY)
    assert result.verdict.rows == 0
    assert any("return raw output from predict_step, and it goes by rows too" in n for n in search.notes)


def test_limits_of_validation_hold_for_predictions_too(search):  # noqa: F811
    options = {**BINARY, "datamodule": HeldInBatches, "trainer_kwargs": {"limit_val_batches": 1}}
    usual = search(module=own.Classifier, metric="accuracy", name="usual", **options)
    result = search(module=own.PredictsRaw, metric="accuracy", name="by_prediction", **options)
    assert not any("one by one" in n for n in search.notes)
    assert [t.value for t in result.trials] == [t.value for t in usual.trials]
