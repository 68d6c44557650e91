"""Networks: the default one, sized to the task, and a user's own."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from lossearch._imports import load_function
from lossearch._random import isolated
from lossearch._registry import unknown_name
from lossearch.errors import InputError, LossearchError
from lossearch.kinds import KINDS
from lossearch.networks.output_check import network_activation_problem

INITS = ("torch", "he_uniform")
Factory = Callable[..., nn.Module]
_OFFERED = ("n_in", "n_out", "input_shape")


def default_hidden(rows: int) -> tuple[int, ...]:
    """Return the hidden widths of the default network.

    Two ReLU layers, as wide as the number of training rows can feed: 32 below 200 rows, 64 below
    10 000, 128 below 100 000, else 256.

    Args:
        rows: how many training rows there are.
    """
    for limit, width in ((200, 32), (10_000, 64), (100_000, 128)):
        if rows < limit:
            return (width, width)
    return (256, 256)


def _keras_like(layers: Sequence[nn.Linear]) -> None:
    for layer in layers:
        nn.init.zeros_(layer.bias)
    for layer in layers[:-1]:
        nn.init.kaiming_uniform_(layer.weight, nonlinearity="relu")
    nn.init.xavier_uniform_(layers[-1].weight)


@dataclass(frozen=True)
class MLP:
    """A factory of fully connected ReLU networks with a linear head.

    ``init`` "torch" keeps each layer's own; "he_uniform" draws hidden layers He-uniform and the head
    Glorot-uniform, with zero biases, as Keras networks do.
    """

    hidden: tuple[int, ...]
    init: str = "torch"

    def __call__(self, n_in: int, n_out: int, input_shape: tuple[int, ...]) -> nn.Module:
        """Return a fresh network; inputs of several axes are flattened."""
        sizes = [n_in, *self.hidden, n_out]
        layers = [nn.Linear(a, b) for a, b in pairwise(sizes)]
        if self.init == "he_uniform":
            _keras_like(layers)
        steps: list[nn.Module] = [nn.Flatten()] if len(input_shape) > 1 else []
        for layer in layers[:-1]:
            steps += [layer, nn.ReLU()]
        return nn.Sequential(*steps, layers[-1])

    def __str__(self) -> str:
        return f"mlp({'-'.join(map(str, self.hidden))}, relu, init {self.init})"


@dataclass(frozen=True)
class CNN:
    """A factory of small convolutional networks for images (C, H, W), with a linear head.

    Each of ``channels`` is a 3 x 3 convolution that halves the image by its stride, with a ReLU: no pooling,
    which costs a population more than the convolutions (Springenberg et al. 2015).
    """

    channels: tuple[int, ...] = (16, 32)

    def __call__(self, n_out: int, input_shape: tuple[int, ...]) -> nn.Module:
        """Return a fresh network.

        Raises:
            InputError: inputs are no images.
        """
        if len(input_shape) != 3:
            raise InputError(
                f"model 'cnn' is for images (C, H, W), and a row here has shape {input_shape}: give X as (N, C, H, W), "
                "or take model = 'mlp'."
            )
        before, *size = input_shape
        steps: list[nn.Module] = []
        for channels in self.channels:
            steps += [nn.Conv2d(before, channels, 3, stride=2, padding=1), nn.ReLU()]
            before, size = channels, [-(-n // 2) for n in size]
        return nn.Sequential(*steps, nn.Flatten(), nn.Linear(before * math.prod(size), n_out))

    def __str__(self) -> str:
        return f"cnn({'-'.join(map(str, self.channels))}, relu)"


@dataclass(frozen=True)
class Network:
    """Builds a fresh network of a task under torch's global random state."""

    factory: Factory
    name: str
    input_shape: tuple[int, ...]
    dtype: torch.dtype

    def __call__(self, n_out: int) -> nn.Module:
        """Return a fresh network with ``n_out`` outputs a row.

        Raises:
            InputError: the factory gives no nn.Module, or asks for something it is not offered.
        """
        n_in = math.prod(self.input_shape)
        offered = {"n_in": n_in, "n_out": n_out, "input_shape": self.input_shape}
        wanted = _wanted(self.factory, self.name)
        network = self.factory(**{k: v for k, v in offered.items() if k in wanted})
        if not isinstance(network, nn.Module):
            raise InputError(
                f"Model {self.name} gave {type(network).__name__}; it must give a torch.nn.Module, fresh each time."
            )
        return network.to(self.dtype)


def _wanted(factory: Factory, name: str) -> set[str]:
    """Return which of n_in, n_out and input_shape a factory's signature asks for."""
    try:
        parameters = inspect.signature(factory).parameters.values()
    except (TypeError, ValueError):
        return set()
    named = {p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
    strange = [
        p.name
        for p in parameters
        if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD) and p.name not in _OFFERED
    ]
    if strange:
        raise InputError(
            f"Model {name} asks for {', '.join(strange)}. It is called with those of n_in, n_out and input_shape "
            "that its signature names; give other arguments a default."
        )
    return named & set(_OFFERED)


def _factory(model: Any, own: Mapping[str, Factory]) -> tuple[Factory, str]:
    if model is None or model in own:
        factory = own[model or "mlp"]
        return factory, str(factory)
    if isinstance(model, str):
        if ":" not in model:
            raise InputError(f"{unknown_name('model', model, own)} Or name your own as module:function.")
        return load_function(model, "model"), model
    if isinstance(model, nn.Module):
        raise InputError(
            f"model is a {type(model).__name__} object, whose weights every replicate would share. "
            f"Give a factory: lambda: {type(model).__name__}(...)."
        )
    if not callable(model):
        raise InputError(
            f"model is a {type(model).__name__}; give 'mlp', 'cnn', 'module:function' or a function."
        )
    where = getattr(model, "__module__", "")
    return model, f"{where}:{getattr(model, '__qualname__', type(model).__qualname__)}"


def make_network(
    model: Any,
    *,
    input_shape: tuple[int, ...],
    rows: int,
    hidden: Sequence[int] | None = None,
    init: str = "torch",
    dtype: torch.dtype = torch.float32,
) -> Network:
    """Return what builds the networks of a task.

    Args:
        model: None or "mlp", "cnn", "module:function", or a function that gives an nn.Module; it is called
            with those of n_in, n_out and input_shape that its signature names.
        input_shape: shape of one row.
        rows: how many training rows there are.
        hidden: hidden widths of "mlp", or channels of the blocks of "cnn".
        init: "torch" or "he_uniform", for "mlp".
        dtype: of the weights.

    Raises:
        InputError: the model is not a factory, or ``hidden`` or ``init`` do not fit.
    """
    if init not in INITS:
        raise InputError(unknown_name("init", init, INITS))
    if model == "cnn" and init != "torch":
        raise InputError("init is for model = 'mlp'; leave it out.")
    if model not in (None, "mlp", "cnn") and (hidden is not None or init != "torch"):
        raise InputError("hidden and init size the default network; leave them out where model is your own.")
    if hidden is not None and any(int(h) != h or h < 1 for h in hidden):
        raise InputError(f"hidden = {list(hidden)}: widths are whole numbers from 1 up.")
    widths = default_hidden(rows) if hidden is None else tuple(int(h) for h in hidden)
    blocks = CNN() if hidden is None else CNN(widths)
    factory, name = _factory(model, {"mlp": MLP(widths, init), "cnn": blocks})
    return Network(factory, name, input_shape, dtype)


def _forward(network: nn.Module, x: Tensor, name: str) -> Tensor:
    try:
        with torch.no_grad():
            found = network.eval()(x)
    except LossearchError:
        raise
    except Exception as error:
        raise InputError(
            f"Model {name} failed on an input of shape {tuple(x.shape)}: {type(error).__name__}: {error}"
        ) from error
    if not isinstance(found, Tensor):
        raise InputError(f"Model {name} gave {type(found).__name__}; its forward must give one tensor.")
    return found


def _built(build: Network, n_out: int) -> nn.Module:
    try:
        network, another = build(n_out), build(n_out)
    except LossearchError:
        raise
    except Exception as error:
        raise InputError(f"Model {build.name} cannot be built: {type(error).__name__}: {error}") from error
    weights = list(network.parameters())
    if any(isinstance(p, nn.parameter.UninitializedParameter) for p in weights):
        raise InputError(
            f"Model {build.name} has lazy layers, whose weights no seed would fix. Take n_in or input_shape as an "
            "argument and give each layer its size."
        )
    if not any(p.requires_grad for p in weights):
        raise InputError(f"Model {build.name} has no parameters to train.")
    if {p.data_ptr() for p in weights if p.numel()} & {p.data_ptr() for p in another.parameters()}:
        raise InputError(
            f"Model {build.name} gives the same weights every time, so one replicate would go on where another "
            "ended. Build the network inside the function."
        )
    return network


def check_network(build: Network, x: Tensor, kind: str, n_out: int) -> nn.Module:
    """Return a network after one forward pass in evaluation mode has gone well.

    The caller's random state is left as it was.

    Args:
        build: what builds it.
        x: a few rows of input.
        kind: the kind of task.
        n_out: how many numbers a row it must give.

    Raises:
        InputError: it cannot be built or called, has nothing to train, or its head has the wrong width.
    """
    with isolated(0):
        network = _built(build, n_out)
        output = _forward(network, x, build.name)
    rows = len(x)
    right = tuple(output.shape) == (rows, n_out) or (n_out == 1 and tuple(output.shape) == (rows,))
    if not right:
        raise InputError(
            f"Model {build.name} gives {tuple(output.shape)} for {rows} rows; a {kind} task needs ({rows}, {n_out}): "
            f"{KINDS[kind].head}. Make the last layer nn.Linear(..., {n_out}), or take n_out as an argument."
        )
    if not output.is_floating_point():
        raise InputError(f"Model {build.name} gives {output.dtype}; it must give floating-point numbers.")
    problem = network_activation_problem(network, output)
    if problem is not None:
        raise InputError(f"Model {build.name}: {problem}")
    return network
