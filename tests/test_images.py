"""Image-shaped inputs, from arrays and from data sets of images, with networks that convolve."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from contracts.problems import replicate, space_of
from torch import Tensor, nn
from torch.utils.data import Dataset as TorchDataset

from lossearch.data.sources import as_dataset, read_data
from lossearch.errors import InputError
from lossearch.pairs import find_pair
from lossearch.tasks.build import make_task
from lossearch.training.contract import TrainSettings
from lossearch.training.plain.train import train_plain
from lossearch.training.population.batched_network import Vmapped
from lossearch.training.population.method import train_population
from lossearch.training.population.population import batched
from lossearch.training.precision import PRECISIONS

IMAGES = read_data("digit_images")
ROWS = {"train": "0:600", "validation": "600:800", "test": "800:1000"}
SETTINGS = TrainSettings(2, 50, "adam", precision="64-true", epoch="last")


def message(call: Callable[[], object]) -> str:
    with pytest.raises(InputError) as caught:
        call()
    return str(caught.value)


def normalised(n_out: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(36, n_out)
    )


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 7, 5), (2, 1, 1)])
def test_a_cnn_takes_images_of_any_size(shape: tuple[int, int, int]) -> None:
    draw = np.random.default_rng(0)
    data = draw.normal(size=(60, *shape)), draw.integers(0, 2, 60)
    task = make_task(as_dataset(Pictures(*data)), model="cnn", kind="binary")
    convolutions = [m for m in task.network(5).modules() if isinstance(m, nn.Conv2d)]
    assert [(m.in_channels, m.out_channels) for m in convolutions] == [(shape[0], 16), (16, 32)]
    assert task.network(5)(torch.zeros(4, *shape)).shape == (4, 5)
    assert task.notes[-1].startswith("model cnn(16-32, relu): ")


def test_the_channels_of_a_cnn_are_set_by_hidden() -> None:
    task = make_task(IMAGES, model="cnn", hidden=[3, 4, 5], rows=ROWS)
    assert [m.out_channels for m in task.network(10).modules() if isinstance(m, nn.Conv2d)] == [3, 4, 5]


@pytest.mark.parametrize(
    ("data", "options", "expected"),
    [
        (
            "digits",
            {},
            (
                "model 'cnn' takes rows of shape (C, H, W), and a row here has shape (61,): give X as (N, C, H, W), or take "
                "model = 'mlp' or 'autoencoder'."
            ),
        ),
        ("digit_images", {"init": "he_uniform"}, "init is for model = 'mlp'; leave it out."),
        ("digit_images", {"hidden": [0]}, "hidden = [0]: widths are whole numbers from 1 up."),
    ],
)
def test_what_a_cnn_cannot_take_is_refused(data: str, options: dict[str, Any], expected: str) -> None:
    assert message(lambda: make_task(read_data(data), model="cnn", **options)) == expected


@pytest.mark.parametrize("model", ["cnn", normalised])
def test_a_population_of_cnns_is_what_each_is_alone(model: Any) -> None:
    task = make_task(
        IMAGES, model=model, hidden=[4] if model == "cnn" else None, rows=ROWS, dtype=torch.float64
    )
    assert isinstance(
        batched(task.network(10), task.fold(0).train.x[None], PRECISIONS["32-true"], random=False), Vmapped
    )
    pairs = [find_pair(n, "multiclass") for n in ("cross_entropy/softmax", "mse/softmax")]
    ours = [replicate(p, 0.01, s) for p in pairs for s in (0, 1)]
    both = (
        list(trains(task, space_of(task, pairs), ours, SETTINGS))
        for trains in (train_population, train_plain)
    )
    for a, b in zip(*both, strict=True):
        for name, curve in a.curves.items():
            np.testing.assert_allclose(curve, b.curves[name], rtol=1e-7, atol=1e-9, err_msg=name)


class Pictures(TorchDataset):
    """Images by number."""

    def __init__(self, x: np.ndarray, y: np.ndarray) -> None:
        self.x, self.y = x, y

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, i: int) -> tuple[Tensor, int]:
        return torch.as_tensor(self.x[i]), int(self.y[i])


def test_cnns_learn_digits_from_a_stream_of_bytes() -> None:
    x, y = np.asarray(IMAGES.x).astype(np.uint8), IMAGES.y
    parts = [Pictures(x[cut], y[cut]) for cut in (slice(0, 1200), slice(1200, 1500), slice(1500, None))]
    task = make_task(as_dataset(parts), model="cnn", hidden=[8])
    assert task.fold(0).train.x.dtype == torch.float32
    assert task.fold(0).train.x.mean().item() == pytest.approx(0, abs=1e-5)
    assert task.describe["inputs"] == "1x8x8"
    pairs = [find_pair(n, "multiclass") for n in ("cross_entropy/softmax", "mse/softmax")]
    settings = replace(SETTINGS, epochs=4, precision="32-true")
    ours = [replicate(p, lr, s) for p in pairs for lr in (0.003, 0.01) for s in (0, 1)]
    results = list(train_population(task, space_of(task, pairs), ours, settings))
    best = max(r.curves["val_accuracy"][-1] for r in results)
    assert best > 0.9
