"""Is a network fit for training: can it be built, has its output the right shape, and is it raw."""

from __future__ import annotations

import math
from collections.abc import Iterator

import psutil
import torch
from torch import Tensor, nn

from lossearch._random import isolated
from lossearch._text import size
from lossearch.errors import InputError, LossearchError
from lossearch.kinds import KINDS
from lossearch.networks.factory import BuiltIn, Network

_CURE = "Remove its last layer: the network gives raw output, and the pair adds the activation."
_ROUND = 1e-4


def _last(network: nn.Module) -> nn.Module:
    """Return the layer defined last, which is taken to run last if the output is as it leaves it."""
    children = list(network.children())
    return _last(children[-1]) if children else network


def _is_simplex(output: Tensor) -> bool:
    if output.ndim < 2 or output.shape[-1] < 2 or bool((output < 0).any()):
        return False
    return bool(((output.sum(dim=-1) - 1).abs() < _ROUND).all())


def _is_log_simplex(output: Tensor) -> bool:
    if output.ndim < 2 or output.shape[-1] < 2:
        return False
    return bool((output.logsumexp(dim=-1).abs() < _ROUND).all())


def _softmax_twice(n_out: int) -> str:
    floor = math.log(1 + (n_out - 1) / math.e)
    return f"applied twice, softmax leaves cross_entropy a floor: it cannot go below {floor:.3f} for {n_out} classes."


def _sigmoid_twice() -> str:
    one, zero = math.log(1 + math.exp(-1)), math.log(2)
    return (
        f"applied twice, sigmoid leaves bce a floor: it cannot go below {one:.3f} for class 1, {zero:.3f} for "
        f"class 0, {(one + zero) / 2:.3f} for as many of each."
    )


def _signs(layer: nn.Module, output: Tensor) -> Iterator[tuple[bool, str]]:
    """Yield each sign of an activation already applied: whether it is there, and what it means."""
    low, high = float(output.min()), float(output.max())
    softmax, log_softmax = isinstance(layer, nn.Softmax), isinstance(layer, nn.LogSoftmax)
    how = "ends in Softmax" if softmax else "gives rows that sum to 1, as after a softmax"
    yield _is_simplex(output), f"{how}; {_softmax_twice(output.shape[-1])}"
    yield softmax and low == high == 1, "ends in Softmax, which over one output is always 1."
    how = "ends in LogSoftmax" if log_softmax else "gives log-probabilities, as log_softmax does"
    yield _is_log_simplex(output), f"{how}; margins and squared errors would be taken of logarithms."
    yield isinstance(layer, nn.Sigmoid) and low >= 0 and high <= 1, f"ends in Sigmoid; {_sigmoid_twice()}"
    yield (
        isinstance(layer, nn.Tanh) and low >= -1 and high <= 1,
        "ends in Tanh; what it gives cannot leave -1 to 1.",
    )


def network_activation_problem(network: nn.Module, sample_output: Tensor) -> str | None:
    """Return why a network's output is not raw, in one sentence with the cure, or None.

    Args:
        network: the network; a softmax, log-softmax, sigmoid or tanh layer at its end is found.
        sample_output: what it gives for some rows, (N, n_out) or (N,); rows that sum to 1 give a softmax
            away that is not a layer.
    """
    output = sample_output.detach().double()
    layer = _last(network)
    if output.numel() == 0 or not bool(torch.isfinite(output).all()):
        return None
    return next(
        (f"The network already {words} {_CURE}" for found, words in _signs(layer, output) if found), None
    )


def _forward(network: nn.Module, x: Tensor, name: str) -> Tensor:
    try:
        with torch.no_grad():
            found = network.eval()(x)
    except LossearchError:
        raise
    except (Exception, SystemExit) as error:
        raise InputError(
            f"Model {name} failed on an input of shape {tuple(x.shape)}: {type(error).__name__}: {error}"
        ) from error
    if not isinstance(found, Tensor):
        raise InputError(f"Model {name} gave {type(found).__name__}; its forward must give one tensor.")
    return found


def _refuse_too_large(build: Network, n_out: int) -> None:
    """Refuse a built-in network whose weights are more than the memory that is free."""
    with torch.device("meta"):
        weights = build(n_out).parameters() if isinstance(build.factory, BuiltIn) else ()
    needed, free = sum(p.numel() * p.element_size() for p in weights), psutil.virtual_memory().available
    if needed > free:
        raise InputError(
            f"Model {build.name} has weights of {size(needed)}, and {size(free)} of memory are free. "
            "Make its layers (hidden) smaller."
        )


def _built(build: Network, n_out: int) -> nn.Module:
    try:
        _refuse_too_large(build, n_out)
        network, another = build(n_out), build(n_out)
    except LossearchError:
        raise
    except (Exception, SystemExit) as error:
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
