"""Networks: the default one, and what a user's own must be."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from lossearch._random import seeded_build
from lossearch.data.sources import from_arrays, read_data
from lossearch.errors import InputError
from lossearch.networks.mlp import MLP, default_hidden
from lossearch.tasks.build import make_task

X = np.random.default_rng(0).normal(size=(60, 3))
BINARY = from_arrays(X, np.arange(60) % 2)
THREE = from_arrays(X, np.arange(60) % 3)
IMAGES = from_arrays(np.random.default_rng(1).normal(size=(60, 2, 6, 6)), np.arange(60) % 3)


def message(call: Callable[[], object]) -> str:
    with pytest.raises(InputError) as caught:
        call()
    return str(caught.value)


def widths(network: nn.Module) -> list[int]:
    layers = [m for m in network.modules() if isinstance(m, nn.Linear)]
    return [layers[0].in_features, *(m.out_features for m in layers)]


def conv(n_out: int, input_shape: tuple[int, ...]) -> nn.Module:
    return nn.Sequential(nn.Conv2d(input_shape[0], 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(64, n_out))


def plain() -> nn.Module:
    return nn.Linear(3, 1)


def flat() -> nn.Module:
    return nn.Sequential(nn.Linear(3, 1), nn.Flatten(0))


def any_size(n_in: int, n_out: int, width: int = 4) -> nn.Module:
    return nn.Sequential(nn.Linear(n_in, width), nn.ReLU(), nn.Linear(width, n_out))


class OfKeywords(nn.Module):
    def __init__(self, *, n_in: int, n_out: int) -> None:
        super().__init__()
        self.layer = nn.Linear(n_in, n_out)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer(x)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [(100, (32, 32)), (200, (64, 64)), (9_999, (64, 64)), (10_000, (128, 128)), (100_000, (256, 256))],
)
def test_default_size_follows_the_rows(rows: int, expected: tuple[int, ...]) -> None:
    assert default_hidden(rows) == expected


def test_hidden_sizes() -> None:
    assert widths(make_task(read_data("circles")).network(1)) == [2, 64, 64, 1]
    assert widths(make_task(read_data("circles"), hidden=(50,)).network(1)) == [2, 50, 1]
    assert widths(make_task(read_data("circles"), hidden=()).network(1)) == [2, 1]


def test_he_uniform_is_keras() -> None:
    network = seeded_build(lambda: MLP((2000,), "he_uniform")(3, (20,)), 0)
    hidden, head = (m for m in network if isinstance(m, nn.Linear))
    for layer, bound in ((hidden, math.sqrt(6 / 20)), (head, math.sqrt(6 / (2000 + 3)))):
        assert not layer.bias.any()
        weight = layer.weight.detach()
        assert float(weight.abs().max()) <= bound
        assert float(weight.std()) == pytest.approx(bound / math.sqrt(3), rel=0.02)


@pytest.mark.parametrize("init", ["torch", "he_uniform"])
def test_layers_of_equal_shape_have_equal_weights_whatever_the_head(init: str) -> None:
    one, three = (seeded_build(lambda n=n: MLP((8, 8), init)(n, (4,)), 5) for n in (1, 3))
    for a, b in zip(list(one)[:-1], list(three)[:-1], strict=True):
        assert all(torch.equal(p, q) for p, q in zip(a.parameters(), b.parameters(), strict=True))


@pytest.mark.parametrize("model", [None, "mlp", plain, flat, any_size, OfKeywords])
def test_factories_are_called_with_what_they_ask_for(model: Any) -> None:
    task = make_task(BINARY, model=model)
    assert task.network(1)(task.fold(0).train.x).shape[0] == 36


def test_convolutions_and_images() -> None:
    task = make_task(IMAGES, model=conv)
    assert task.network(3)(task.fold(0).train.x).shape == (36, 3)
    assert widths(make_task(IMAGES).network(3))[0] == 72


def test_weights_have_the_type_asked_for() -> None:
    task = make_task(BINARY, model=any_size, dtype=torch.float64)
    assert {p.dtype for p in task.network(1).parameters()} == {torch.float64}
    single = make_task(BINARY, model=any_size)
    one, other = (seeded_build(lambda t=t: t.network(1), 3) for t in (task, single))
    assert torch.equal(one[0].weight.float(), other[0].weight)


def test_a_factory_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_nets_here.py").write_text(
        "from torch import nn\ndef small(n_in, n_out):\n    return nn.Linear(n_in, n_out)\n"
    )
    monkeypatch.chdir(tmp_path)
    task = make_task(THREE, model="my_nets_here:small")
    assert task.network(3)(torch.zeros(2, 3)).shape == (2, 3)
    assert task.describe["model"] == "my_nets_here:small"


def test_the_structure_of_a_users_network_is_in_the_digest() -> None:
    def make(width: int) -> Callable[..., nn.Module]:
        def net(n_in: int, n_out: int) -> nn.Module:
            return any_size(n_in, n_out, width)

        return net

    assert make_task(BINARY, model=make(4)).digest == make_task(BINARY, model=make(4)).digest
    assert make_task(BINARY, model=make(4)).digest != make_task(BINARY, model=make(5)).digest


def test_building_a_task_leaves_the_random_state_alone(random_states: Callable[[], object]) -> None:
    before = random_states()
    make_task(BINARY, model=lambda: nn.Sequential(nn.Linear(3, 4), nn.Dropout(), nn.Linear(4, 1)))
    assert random_states() == before


def two_outputs() -> nn.Module:
    return nn.Linear(3, 2)


def narrow() -> nn.Module:
    return nn.Linear(5, 1)


def pair_of_outputs() -> nn.Module:
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(3, 1)

        def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            return self.layer(x), x

    return Two()


def needs_width(n_in: int, width: int, depth: int) -> nn.Module:
    return nn.Linear(n_in, width)


def not_a_network(n_in: int) -> list[int]:
    return [n_in]


def broken() -> nn.Module:
    raise RuntimeError("no weights file")


def nothing_to_train() -> nn.Module:
    return nn.Flatten(0)


def lazy() -> nn.Module:
    return nn.LazyLinear(1)


SHARED = nn.Linear(3, 1)


def shared() -> nn.Module:
    return nn.Sequential(SHARED)


HERE = __name__


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (
            narrow,
            (
                f"Model {HERE}:narrow failed on an input of shape (8, 3): RuntimeError: mat1 and mat2 shapes cannot "
                "be multiplied (8x3 and 5x1)"
            ),
        ),
        (pair_of_outputs, f"Model {HERE}:pair_of_outputs gave tuple; its forward must give one tensor."),
        (
            needs_width,
            (
                f"Model {HERE}:needs_width asks for width, depth. It is called by name, with those of n_in, n_out and "
                "input_shape (or names as usual: in_features, num_classes, ...) that its signature has. Give other "
                "arguments a default, or write model=lambda n_in, n_out: needs_width(width=..., depth=...)."
            ),
        ),
        (
            not_a_network,
            f"Model {HERE}:not_a_network gave list; it must give a torch.nn.Module, fresh each time.",
        ),
        (broken, f"Model {HERE}:broken cannot be built: RuntimeError: no weights file"),
        (nothing_to_train, f"Model {HERE}:nothing_to_train has no parameters to train."),
        (
            lazy,
            (
                f"Model {HERE}:lazy has lazy layers, whose weights no seed would fix. Take n_in or input_shape as an "
                "argument and give each layer its size."
            ),
        ),
        (
            shared,
            (
                f"Model {HERE}:shared gives the same weights every time, so one replicate would go on where another "
                "ended. Build the network inside the function."
            ),
        ),
        (3, "model is a int; give 'mlp', 'autoencoder', 'cnn', 'fcn', 'module:function' or a function."),
        (
            "mpl",
            "No model named 'mpl'. Did you mean 'mlp'? Known: mlp, autoencoder, cnn, fcn. Or name your own as module:function.",
        ),
    ],
)
def test_wrong_models(model: Any, expected: str) -> None:
    assert message(lambda: make_task(BINARY, model=model)) == expected


def test_a_head_of_another_width_is_replaced() -> None:
    for data, model, n_out in ((BINARY, two_outputs, 1), (THREE, plain, 3)):
        task = make_task(data, model=model)
        assert task.network(n_out)(torch.zeros(2, 3)).shape == (2, n_out)
        assert "its head (Linear) gave" in " ".join(task.notes)


def test_a_network_that_ends_in_softmax_is_refused() -> None:
    found = message(
        lambda: make_task(THREE, model=lambda: nn.Sequential(nn.Linear(3, 3), nn.Softmax(dim=-1)))
    )
    assert "rows that sum to 1, as after a softmax" in found
    assert "cannot go below 0.551" in found


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"hidden": (0,)}, "hidden = [0]: widths are whole numbers from 1 up."),
        ({"init": "he"}, "No init named 'he'. Known: torch, he_uniform."),
        (
            {"model": plain, "hidden": (4,)},
            "hidden and init are for built-in networks; leave them out where model is your own.",
        ),
    ],
)
def test_wrong_sizes(options: dict[str, Any], expected: str) -> None:
    assert message(lambda: make_task(BINARY, **options)) == expected
