"""What a model factory is called with, and what is taken for one."""

from __future__ import annotations

import functools
from typing import Any

import lightning.pytorch
import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from torch import nn

import lossearch
from lossearch.errors import InputError
from lossearch.networks.architecture import make_network

SHAPE = (3, 4, 5)
N_IN, N_OUT = 60, 2


class Kept(nn.Linear):
    """A layer that keeps what it was called with."""

    def __init__(self, *args, **kwargs):
        super().__init__(1, 1)
        self.called = (args, kwargs)


def called(factory, shape=SHAPE):
    network = make_network(factory, input_shape=shape, rows=100)(N_OUT)
    return network.called


BY_NAME = [
    (lambda n_out: Kept(n_out=n_out), {"n_out": N_OUT}),
    (lambda n_out, n_in: Kept(n_out=n_out, n_in=n_in), {"n_in": N_IN, "n_out": N_OUT}),
    (lambda *, input_shape, n_out=7: Kept(shape=input_shape, n_out=n_out), {"shape": SHAPE, "n_out": N_OUT}),
    (lambda out_features, in_features: Kept(a=in_features, b=out_features), {"a": N_IN, "b": N_OUT}),
    (lambda num_classes, input_dim: Kept(a=input_dim, b=num_classes), {"a": N_IN, "b": N_OUT}),
    (lambda n_classes, in_channels: Kept(a=in_channels, b=n_classes), {"a": 3, "b": N_OUT}),
    (lambda in_shape, out_dim: Kept(a=in_shape, b=out_dim), {"a": SHAPE, "b": N_OUT}),
    # what has a default is its owner's, unless it is called what is always offered
    (lambda n_out, in_channels=1, input_size=28: Kept(a=in_channels, b=input_size), {"a": 1, "b": 28}),
    (lambda n_out, hidden=64, *rest, **more: Kept(hidden=hidden, rest=rest, more=more), {"hidden": 64, "rest": (), "more": {}}),
    (lambda n_out, n_in, /: Kept(n_out=n_out, n_in=n_in), {"n_in": N_IN, "n_out": N_OUT}),
    (functools.partial(lambda hidden, num_classes: Kept(a=hidden, b=num_classes), 32), {"a": 32, "b": N_OUT}),
]  # fmt: skip


@pytest.mark.parametrize(("factory", "expected"), BY_NAME)
def test_it_is_called_by_name(factory, expected):
    args, kwargs = called(factory)
    assert args == ()
    assert kwargs == expected


def test_a_class_of_layers_is_a_factory():
    network = make_network(nn.Linear, input_shape=(4,), rows=100)(3)
    assert (network.in_features, network.out_features) == (4, 3)


def net(hidden, classes):
    return nn.Linear(hidden, classes)


def positional(width, /, n_out):
    return nn.Linear(width, n_out)


@pytest.mark.parametrize(
    ("factory", "said"),
    [
        (net, r"asks for hidden, classes\. .* write model=lambda n_in, n_out: net\(hidden=\.\.\., classes=\.\.\.\)"),
        (positional, r"asks for width\. .* model=lambda n_in, n_out: positional\(\.\.\.\)"),
        (lambda depth, n_out: nn.Linear(depth, n_out + 0), r"asks for depth\."),
    ],
)  # fmt: skip
def test_arguments_of_other_names_are_refused_with_the_way_to_write_it(factory, said):
    with pytest.raises(InputError, match=said):
        make_network(factory, input_shape=(4,), rows=100)(2)


def module_of(package):
    class Own(package.LightningModule):
        def __init__(self, n_in=4, n_out=1):
            super().__init__()
            self.layers = nn.Linear(n_in, n_out)

        def forward(self, x):
            return self.layers(x)

        def training_step(self, batch, index):
            return self.layers(batch[0]).square().mean()

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=1e-3)

    return Own


RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 4))
Y = (X[:, 0] > 0).astype(int)
QUICK: dict[str, Any] = {"trials": 5, "seeds": 1, "confirm_seeds": 0, "epochs": 1, "mlflow": False, "lr": 0.1}


@pytest.mark.parametrize("package", [pl, lightning.pytorch])
@pytest.mark.parametrize("give", [lambda c: c, lambda c: c(), lambda c: lambda: c(4, 1)])
def test_a_lightning_module_is_refused_with_what_to_do(package, give, store):
    with pytest.raises(
        InputError, match=r"LightningModule Own, whose training_step .*search\(module=Own, datamodule="
    ):
        lossearch.search(X, Y, model=give(module_of(package)), store=store, **QUICK)
    assert not store.exists()


def test_the_network_of_a_lightning_module_is_a_network(store):
    own = module_of(pl)
    result = lossearch.search(
        X, Y, model=lambda n_in, n_out: own(n_in, n_out).layers, losses=["bce"], store=store, **QUICK
    )
    assert result.best.pair == "bce/sigmoid"
