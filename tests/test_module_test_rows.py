"""How many test rows a module's loaders have is said as it is, or not at all."""

from __future__ import annotations

import pytest
import torch
from own_modules import Circles, Classifier
from torch.utils.data import DataLoader, IterableDataset, SubsetRandomSampler, TensorDataset

from lossearch.config import make_config
from lossearch.study.prepare import ModuleObjects, prepare


def rows(n):
    x = torch.rand(n, 2, generator=torch.Generator().manual_seed(0))
    return TensorDataset(x, (x[:, 0] > 0.5).long())


class Endless(IterableDataset):
    def __iter__(self):
        return iter(rows(24))


class Held(Classifier):
    """Has its loaders itself, and makes its test part where Lightning asks for it."""

    def setup(self, stage):
        self.asked = stage
        if stage == "test":
            self.held = rows(37)

    def train_dataloader(self):
        return DataLoader(rows(80), batch_size=16)

    def val_dataloader(self):
        return DataLoader(rows(40), batch_size=40)

    def test_dataloader(self):
        return DataLoader(self.held, batch_size=10)


class Streams(Held):
    def test_dataloader(self):
        return DataLoader(Endless(), batch_size=10)


class Several(Circles):
    def test_dataloader(self):
        return [DataLoader(rows(33), batch_size=10), DataLoader(rows(5))]


def given(test):
    return (*(DataLoader(rows(n), batch_size=16) for n in (80, 40)), test)


def told(module, data=None, **trainer):
    objects = ModuleObjects(module=module, datamodule=data, trainer=trainer)
    task = prepare(make_config({"task": {"kind": "binary"}}), module=objects).plan.task
    (note,) = [n for n in task.notes if "batches an epoch" in n]
    return task, note


@pytest.mark.parametrize(
    ("module", "data", "n"),
    [
        (Held, None, 37),
        (Classifier, Circles, 80),
        (Classifier, Several, 33),
        (Classifier, given(DataLoader(rows(29), batch_size=10)), 29),
        (Classifier, given(DataLoader(rows(29), batch_size=10, drop_last=True)), 20),
        (Classifier, given(DataLoader(rows(29), batch_size=10, sampler=SubsetRandomSampler(range(7)))), 7),
    ],
)
def test_it_is_the_number_of_rows_that_are_tested(module, data, n):
    task, note = told(module, data)
    assert task.sizes["test"] == n
    assert f", {n} test rows in" in note
    assert task.describe["splits"].endswith(f", {n} test")
    assert int(task.describe["rows"]) == sum(task.sizes.values())


@pytest.mark.parametrize(
    ("module", "data", "trainer"),
    [
        (Streams, None, {}),
        (Classifier, given(DataLoader(Endless(), batch_size=10)), {}),
        (Classifier, Circles, {"limit_test_batches": 1}),
    ],
)
def test_of_a_part_that_does_not_say_it_no_number_is_told(module, data, trainer):
    task, note = told(module, data, **trainer)
    assert task.sizes["test"], "there is a part"
    assert "validation rows in" in note
    assert "and test rows that are not counted here" in note
    assert "test" not in task.describe["splits"]
    assert int(task.describe["rows"]) == task.sizes["train"] + task.sizes["validation"]


def test_without_a_test_part_there_are_none():
    task, note = told(Classifier, given(None)[:2])
    assert task.sizes["test"] == 0
    assert "not counted" not in note
