"""Loaders with samplers of their own: which rows are trained on, and how much they weigh."""

from __future__ import annotations

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    RandomSampler,
    Sampler,
    SequentialSampler,
    SubsetRandomSampler,
    TensorDataset,
    WeightedRandomSampler,
)

import lossearch
from lossearch.data.objects import as_dataset
from lossearch.errors import InputError
from lossearch.tasks.build import make_task

N = 60
X = torch.arange(N, dtype=torch.float32)[:, None]
Y = torch.arange(N) % 2
ROWS = TensorDataset(X, Y)


class Module(pl.LightningDataModule):
    def __init__(self, train, val) -> None:
        super().__init__()
        self.train, self.val = train, val

    def train_dataloader(self):
        return self.train

    def val_dataloader(self):
        return self.val


class Fixed(Sampler):
    """Draws what it is given, in another order each time."""

    def __init__(self, rows) -> None:
        self.rows = rows

    def __iter__(self):
        return iter([self.rows[i] for i in torch.randperm(len(self.rows))])

    def __len__(self) -> int:
        return len(self.rows)


class Bootstrap(Fixed):
    def __iter__(self):
        return iter(torch.randint(0, N, (N,)).tolist())


class Endless(Fixed):
    def __iter__(self):
        while True:
            yield from range(5)


class InBatches(Fixed):
    def __iter__(self):
        return iter([self.rows[i : i + 4] for i in range(0, len(self.rows), 4)])


FIRST, REST = list(range(40)), list(range(40, N))


def trained_on(data) -> list[int]:
    rows = np.arange(len(data)) if data.parts is None else data.parts["train"]
    return sorted(data.x.read(rows)[:, 0].astype(int).tolist())


@pytest.mark.parametrize(
    "loader",
    [
        lambda rows: {"sampler": SubsetRandomSampler(rows), "batch_size": 8},
        lambda rows: {"sampler": SubsetRandomSampler(torch.tensor(rows)), "batch_size": 8, "drop_last": True},
        lambda rows: {"batch_sampler": BatchSampler(SubsetRandomSampler(rows), 8, drop_last=True)},
        lambda rows: {
            "sampler": BatchSampler(SubsetRandomSampler(rows), 8, drop_last=False),
            "batch_size": None,
        },
        lambda rows: {"sampler": Fixed(rows), "batch_size": 8},
        lambda rows: {"sampler": rows, "batch_size": 8},
        lambda rows: {"batch_sampler": InBatches(rows)},
        lambda rows: {"batch_sampler": BatchSampler(rows, 7, drop_last=False)},
    ],
)
def test_parts_are_the_rows_that_loaders_of_one_data_set_draw(loader) -> None:
    module = Module(DataLoader(ROWS, **loader(FIRST)), DataLoader(ROWS, **loader(REST)))
    data = as_dataset(module, "mine")
    assert trained_on(data) == FIRST
    assert sorted(data.x.read(data.parts["validation"])[:, 0].astype(int)) == REST
    assert np.array_equal(data.y, np.r_[0:N] % 2)
    assert "mine (train): of 60 rows the 40 that the loader's sampler draws are used" in data.notes
    assert data.sample_weight is None


@pytest.mark.parametrize(
    "loader",
    [
        {"shuffle": True, "drop_last": True, "batch_size": 50},
        {"batch_sampler": BatchSampler(RandomSampler(ROWS), 7, drop_last=True)},
        {"batch_sampler": BatchSampler(SequentialSampler(ROWS), 7, drop_last=False)},
        {"sampler": RandomSampler(ROWS, replacement=True, num_samples=9)},
        {"sampler": WeightedRandomSampler([2.0] * N, N)},
        {"sampler": SubsetRandomSampler(range(N))},
    ],
)
def test_loaders_that_may_draw_every_row_alike_are_all_rows(loader) -> None:
    data = as_dataset(DataLoader(ROWS, **loader))
    assert trained_on(data) == list(range(N))
    assert data.sample_weight is None
    assert not any("sampler" in note for note in data.notes)


@pytest.mark.parametrize("sampler", [Bootstrap(FIRST), Endless(FIRST)])
def test_a_sampler_that_draws_at_random_is_not_used_and_that_is_told(sampler) -> None:
    data = as_dataset(DataLoader(ROWS, sampler=sampler), "mine")
    assert trained_on(data) == list(range(N))
    assert "mine: the loader's own sampler is not used; every row is read once an epoch" in data.notes


def test_how_often_a_sampler_draws_rows_is_what_they_weigh() -> None:
    odds = torch.where(Y == 1, 3.0, 1.0)
    module = Module(
        DataLoader(ROWS, sampler=WeightedRandomSampler(odds, 500)), DataLoader(ROWS, batch_size=9)
    )
    data = as_dataset(module, "mine")
    assert np.array_equal(data.sample_weight[:N], odds)
    assert np.all(data.sample_weight[N:] == 2.0)
    assert (
        "mine (train): rows weigh in the loss as often as the loader's sampler would draw them, and are read once an epoch"
    ) in data.notes
    assert data.digest != as_dataset(Module(DataLoader(ROWS), DataLoader(ROWS, batch_size=9))).digest
    task = make_task(data)
    part = next(task.fold(0).stream.batches(0, [task.sizes["train"]]))
    weight = part.sample_weight.double()
    assert torch.equal(weight / weight.min(), odds[torch.as_tensor(part.rows)].double())


def test_a_weighted_validation_loader_is_not_heeded() -> None:
    sampler = WeightedRandomSampler(torch.rand(N) + 0.1, N)
    data = as_dataset(Module(DataLoader(ROWS), DataLoader(ROWS, sampler=sampler)), "mine")
    assert data.sample_weight is None
    assert any(note.endswith("is not heeded: metrics count every row once") for note in data.notes)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(-N, N - 1), min_size=2, max_size=200))
def test_rows_that_are_drawn_more_often_weigh_more(rows: list[int]) -> None:
    data = as_dataset(DataLoader(ROWS, sampler=rows))
    counts = np.bincount(np.array(rows) % N, minlength=N)
    assert trained_on(data) == np.flatnonzero(counts).tolist()
    weights = np.ones(len(data)) if data.sample_weight is None else data.sample_weight
    expected = counts[counts > 0]
    assert np.allclose(weights / weights.sum(), expected / expected.sum())


@pytest.mark.parametrize(
    ("loader", "expected"),
    [
        (DataLoader(ROWS, sampler=Fixed([])), "The loader's sampler draws no rows."),
        (DataLoader(ROWS, sampler=["a"]), "The loader's sampler failed: "),
        (
            Module(DataLoader(ROWS), [DataLoader(ROWS), DataLoader(ROWS)]),
            (
                "data (validation) is a list; a part is read from one torch DataLoader: join data sets by "
                "torch.utils.data.ConcatDataset, or give one of them."
            ),
        ),
    ],
)
def test_loaders_that_cannot_be_read(loader, expected: str) -> None:
    with pytest.raises(InputError) as caught:
        as_dataset(loader)
    assert str(caught.value).startswith(expected)


@pytest.mark.parametrize(
    "form", [tuple, list, lambda pair: dict(zip(("train", "validation"), pair, strict=True))]
)
def test_a_pair_of_loaders_is_data(form) -> None:
    pair = (DataLoader(ROWS, sampler=FIRST), DataLoader(ROWS, sampler=REST, batch_size=3))
    data = as_dataset(form(pair))
    assert {part: len(rows) for part, rows in data.parts.items()} == {"train": 40, "validation": 20}


def test_a_data_set_or_loader_alone_is_data_without_y(tmp_path) -> None:
    options = {
        "losses": ["bce"], "trials": 5, "seeds": 1, "confirm_seeds": 2, "epochs": 1, "mlflow": False, "store": str(tmp_path),
    }  # fmt: skip
    found = [
        lossearch.search(given, name=f"s{i}", **options).best.pair
        for i, given in enumerate((ROWS, DataLoader(ROWS)))
    ]
    assert found == ["bce/sigmoid", "bce/sigmoid"]
