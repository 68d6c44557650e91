"""Networks in the shapes that torchvision, timm and Hugging Face give them, and networks given themselves."""

from __future__ import annotations

import copy
import functools
import pickle
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import lossearch
from lossearch._random import seeded_build
from lossearch.data.sources import from_arrays
from lossearch.networks.architecture import make_network
from lossearch.networks.factory import Template
from lossearch.tasks.build import make_task

RNG = np.random.default_rng(0)
IMAGES = from_arrays(RNG.normal(size=(60, 3, 6, 6)), np.arange(60) % 3)
TABLE = from_arrays(RNG.normal(size=(60, 4)), np.arange(60) % 3)
TWO = from_arrays(RNG.normal(size=(60, 4)), np.arange(60) % 2)


class Backbone(nn.Module):
    """Six channels of any image."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 6, 3, padding=1)
        self.norm = nn.BatchNorm2d(6)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.conv(x)).relu().mean(dim=(2, 3))


class ResNetLike(nn.Module):
    """torchvision: a keyword without which there are a thousand classes, and ``fc``."""

    def __init__(self, num_classes: int = 1000):
        super().__init__()
        self.body = Backbone()
        self.fc = nn.Linear(6, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.body(x))


def resnet_like(*, weights=None, progress=True, **kwargs):
    """torchvision's builders, which name no number of classes."""
    return ResNetLike(**kwargs)


class EfficientNetLike(nn.Module):
    """torchvision: ``classifier`` is dropout and a linear layer."""

    def __init__(self):
        super().__init__()
        self.features = Backbone()
        self.classifier = nn.Sequential(nn.Dropout(0.2), nn.Linear(6, 1000))

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.features(x))


class SqueezeNetLike(nn.Module):
    """torchvision: the last layer is a convolution."""

    def __init__(self):
        super().__init__()
        self.features = nn.Conv2d(3, 6, 3)
        self.classifier = nn.Sequential(nn.Conv2d(6, 1000, 1), nn.AdaptiveAvgPool2d(1))

    def forward(self, x: Tensor) -> Tensor:
        return torch.flatten(self.classifier(self.features(x).relu()), 1)


class ViTLike(nn.Module):
    """torchvision: ``heads.head``; a linear layer that is called before it stands behind it."""

    def __init__(self):
        super().__init__()
        self.heads = nn.Sequential()
        self.heads.add_module("head", nn.Linear(6, 1000, bias=False))
        self.embed = nn.Linear(108, 6)

    def forward(self, x: Tensor) -> Tensor:
        return self.heads(self.embed(x.flatten(1)).relu())


class TimmLike(nn.Module):
    """timm: ``get_classifier`` and ``reset_classifier``."""

    def __init__(self):
        super().__init__()
        self.body, self.num_classes = Backbone(), 1000
        self.head = nn.Linear(6, 1000)

    def get_classifier(self) -> nn.Module:
        return self.head

    def reset_classifier(self, num_classes: int, global_pool: str | None = None) -> None:
        self.num_classes = num_classes
        self.head = nn.Linear(6, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(x))


@dataclass
class Output:
    """Hugging Face's output object."""

    logits: Tensor
    loss: Tensor | None = None


class HuggingFaceLike(nn.Module):
    """Hugging Face: a configuration, a head module with a projection at its end, and an output object."""

    def __init__(self, give=Output):
        super().__init__()
        self.config = SimpleNamespace(num_labels=2)
        self.num_labels, self.give = 2, give
        self.encoder = Backbone()
        self.classifier = nn.ModuleDict({"dense": nn.Linear(6, 6), "out_proj": nn.Linear(6, 2)})

    def forward(self, pixel_values: Tensor):
        hidden = self.classifier["dense"](self.encoder(pixel_values)).tanh()
        return self.give(logits=self.classifier["out_proj"](hidden))


def mapping(**values):
    return values


SHAPES = {
    "default num_classes": (ResNetLike, "fc", ""),
    "builder": (resnet_like, "fc", "its head (fc) gave 1000 numbers a row, and gives 3 now"),
    "sequential": (
        EfficientNetLike,
        "classifier.1",
        "its head (classifier.1) gave 1000 numbers a row, and gives 3 now",
    ),
    "convolution": (SqueezeNetLike, "classifier.0", "its head (classifier.0) gave 1000"),
    "not last": (ViTLike, "heads.head", "its head (heads.head) gave 1000"),
    "reset": (TimmLike, "head", "its head (reset_classifier) gave 1000"),
    "output object": (
        HuggingFaceLike,
        "network.classifier.out_proj",
        "its head (classifier.out_proj) gave 2",
    ),
    "output mapping": (lambda: HuggingFaceLike(mapping), "network.classifier.out_proj", "gave 2"),
}


def network_of(model, dataset, **given):
    task = make_task(dataset, model=model, **given)
    return task, task.network(task.n_out)


@pytest.mark.parametrize(("model", "head", "said"), SHAPES.values(), ids=SHAPES)
def test_the_head_is_as_wide_as_the_task_asks(model, head, said):
    task, network = network_of(model, IMAGES)
    layer = network.get_submodule(head)
    assert 3 in (getattr(layer, "out_features", None), getattr(layer, "out_channels", None))
    assert network.eval()(torch.zeros(5, 3, 6, 6)).shape == (5, 3)
    assert said in " ".join(task.notes)
    assert ("its head" in " ".join(task.notes)) == bool(said)


@pytest.mark.parametrize(("model", "head", "said"), SHAPES.values(), ids=SHAPES)
def test_a_network_given_itself_keeps_its_weights_but_for_its_head(model, head, said):
    given = model()
    before = copy.deepcopy(given.state_dict())
    task, _ = network_of(given, IMAGES)
    name = type(given).__name__
    assert f"<{name} " in task.network.name
    assert "every replicate starts from the weights" in " ".join(task.notes)
    one, two, again = (seeded_build(lambda: task.network(3), seed) for seed in (0, 1, 0))
    kept = {k: v for k, v in one.state_dict().items() if not k.startswith(head)}
    assert kept
    assert all(torch.equal(v, before[k.removeprefix("network.")]) for k, v in kept.items())
    first, second, third = (n.get_submodule(head).weight for n in (one, two, again))
    assert not torch.equal(first, second)
    assert torch.equal(first, third)
    assert all(torch.equal(v, before[k]) for k, v in given.state_dict().items())


def test_a_configuration_is_told_of_the_new_number_of_classes():
    _, network = network_of(HuggingFaceLike(), IMAGES)
    assert (network.network.config.num_labels, network.network.num_labels) == (3, 3)


def test_a_head_of_the_right_width_is_drawn_anew_in_a_network_given_itself():
    given = nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 3))
    task, network = network_of(given, TABLE)
    assert torch.equal(network[0].weight, given[0].weight)
    assert not torch.equal(network[2].weight, given[2].weight)
    assert "its head (2) is drawn anew" in " ".join(task.notes)


def test_a_network_whose_end_is_no_layer_keeps_all_its_weights():
    class Distances(nn.Module):
        def __init__(self):
            super().__init__()
            self.centres = nn.Parameter(torch.randn(3, 4))

        def forward(self, x: Tensor) -> Tensor:
            return -torch.cdist(x, self.centres)

    task, _ = network_of(Distances(), TABLE)
    assert "no head was found to be drawn anew, so all its weights are kept" in " ".join(task.notes)
    with pytest.raises(lossearch.InputError, match=r"gives \(8, 3\) for 8 rows; binary tasks need \(8, 1\)"):
        make_task(TWO, model=Distances())


def test_what_comes_after_the_last_layer_is_not_a_head():
    class Doubled(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(4, 2)

        def forward(self, x: Tensor) -> Tensor:
            y = self.layer(x)
            return torch.cat([y, -y], dim=1)

    with pytest.raises(
        lossearch.InputError, match=r"gives \(8, 4\) for 8 rows; multiclass tasks need \(8, 3\)"
    ):
        make_task(TABLE, model=Doubled)


def test_a_factory_that_is_told_of_the_width_is_held_to_it():
    with pytest.raises(lossearch.InputError, match=r"gives \(8, 5\) for 8 rows"):
        make_task(TABLE, model=lambda n_in, n_out: nn.Linear(n_in, n_out + 2))


def test_every_first_weight_but_the_heads_is_what_the_factory_drew():
    def alone() -> nn.Module:
        return nn.Sequential(nn.Linear(4, 5), nn.Linear(5, 7))

    network = make_network(alone, input_shape=(4,), rows=60)
    resized, plain = (seeded_build(build, 3) for build in (lambda: network(3), alone))
    assert torch.equal(resized[0].weight, plain[0].weight)
    assert resized[1].weight.shape == (3, 5)


def signed_as(sizes):
    """Return a factory of a layer with the signature of a function that gives its sizes."""

    @functools.wraps(sizes)
    def factory(*args, **kwargs):
        return nn.Linear(*sizes(*args, **kwargs))

    return factory


def test_arguments_of_one_letter_are_inputs_and_outputs():
    for factory in (
        lambda i, o: (i, o),
        lambda o, i: (i, o),
        lambda o, i, /: (i, o),
        lambda a, b: (a, b),
        lambda d, k, /, hidden=3: (d, k),
        lambda *sizes: sizes,
        lambda *sizes, **others: sizes,
        lambda outputs, inputs: (inputs, outputs),
        lambda fan_in, fan_out, /: (fan_in, fan_out),
    ):
        network = make_network(signed_as(factory), input_shape=(4,), rows=60)(3)
        assert (network.in_features, network.out_features) == (4, 3)


def test_arguments_that_are_not_read_leave_the_head_to_be_replaced():
    network = make_network(lambda *_: nn.Linear(4, 9), input_shape=(4,), rows=60)(3)
    assert network.out_features == 3
    network = make_network(lambda *_, n_out: nn.Linear(4, n_out), input_shape=(4,), rows=60)(3)
    assert network.out_features == 3


def test_other_weights_make_another_study():
    one = nn.Linear(4, 3)
    other = copy.deepcopy(one)
    assert Template(one).name == Template(other).name == Template(pickle.loads(pickle.dumps(one))).name  # noqa: S301
    with torch.no_grad():
        other.weight[0, 0] += 1e-3
    assert Template(one).name != Template(other).name
    half = copy.deepcopy(one).to(torch.bfloat16)
    assert Template(half).name != Template(one).name


QUICK = {
    "seeds": 1,
    "confirm_seeds": 0,
    "epochs": 2,
    "batch_size": 16,
    "lr": 0.05,
    "mlflow": False,
    "test": False,
}


@pytest.mark.parametrize(
    "model", [nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 9)), HuggingFaceLike()]
)
def test_a_search_trains_it_and_its_model_is_found_again(model, store):
    data = TABLE if isinstance(model, nn.Sequential) else IMAGES
    result = lossearch.search(data.x, data.y, model=model, losses=["mse"], store=store, name="own", **QUICK)
    fitted = result.fit("train+validation")
    fitted.save(store.parent / "exported")
    back = lossearch.load_model(store.parent / "exported", model=model)
    assert np.array_equal(back.predict(data.x), fitted.predict(data.x))
    with pytest.raises(lossearch.InputError, match="which no name leads to"):
        lossearch.load_model(store.parent / "exported")


def test_an_estimator_takes_a_network_itself():
    x = np.asarray(TABLE.x)
    y = (x[:, 0] > 0).astype(int)
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    found = lossearch.LossSearchClassifier(
        losses=["bce"],
        model=model,
        lr=0.05,
        epochs=20,
        batch_size=16,
        seeds=1,
        confirm_seeds=0,
        random_state=0,
    ).fit(x, y)
    assert found.score(x, y) > 0.85
    assert [*found.module_.children()][2].out_features == 1
