"""Is a network fit for training: can it be built, has its output the right shape, and is it raw."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lossearch._memory import free_memory
from lossearch._random import isolated
from lossearch._text import size
from lossearch.errors import InputError, LossearchError
from lossearch.kinds import KINDS
from lossearch.networks.applied_activation import applied_activation, output_range
from lossearch.networks.factory import BuiltIn, Network, Template, has_lazy_layers
from lossearch.networks.own_head import Ended


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
    needed, free = sum(p.numel() * p.element_size() for p in weights), free_memory()
    if needed > free:
        raise InputError(
            f"Model {build.name} has weights of {size(needed)}, and {size(free)} of memory are free. "
            "Make its layers (hidden) smaller."
        )


def _built(build: Network, n_out: int) -> tuple[Ended, nn.Module]:
    """Return two fresh networks, one with what was done to its head."""
    try:
        _refuse_too_large(build, n_out)
        first, another = build.ended(n_out), build(n_out)
    except LossearchError:
        raise
    except (Exception, SystemExit) as error:
        raise InputError(f"Model {build.name} cannot be built: {type(error).__name__}: {error}") from error
    network = first.network
    weights = list(network.parameters())
    if has_lazy_layers(network):
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
    return first, another


def check_network(build: Network, x: Tensor, kind: str, n_out: int) -> tuple[nn.Module, tuple[str, ...]]:
    """Return a network after forward passes in evaluation mode have gone well, and notes on it.

    The caller's random state is left as it was.

    Args:
        build: what builds it.
        x: a few rows of input.
        kind: the kind of task.
        n_out: how many numbers a row it must give.

    Raises:
        InputError: it cannot be built or called, has nothing to train, its head has the wrong width, or it
            applies an activation to its output.
    """
    with isolated(0):
        first, another = _built(build, n_out)
        network = first.network
        output = _forward(network, x, build.name)
    rows = len(x)
    right = tuple(output.shape) == (rows, n_out) or (n_out == 1 and tuple(output.shape) == (rows,))
    if not right:
        raise InputError(
            f"Model {build.name} gives {tuple(output.shape)} for {rows} rows; {kind} tasks need ({rows}, {n_out}): "
            f"{KINDS[kind].head}. Make the last layer nn.Linear(..., {n_out}), or take n_out as an argument."
        )
    if not output.is_floating_point():
        raise InputError(f"Model {build.name} gives {output.dtype}; it must give floating-point numbers.")
    if isinstance(build.factory, BuiltIn):
        return network, ()
    notes = _on_weights(build, first)
    with isolated(0):
        seen = output_range(another.eval(), x)
    found = applied_activation(seen, n_out, jointly=KINDS[kind].form.by_row)
    if found is not None and found.certain:
        raise InputError(f"Model {build.name}: {found.words}")
    return network, (*notes, *(() if found is None else (f"model {build.name}: {found.words}",)))


def _on_weights(build: Network, first: Ended) -> tuple[str, ...]:
    """Return notes on a head that was replaced, and on weights that every replicate starts from."""
    notes = [first.words] if first.words else []
    if isinstance(build.factory, Template):
        notes.append(
            "every replicate starts from the weights that it was given with; for other first weights by seed, give a "
            "function that builds it"
        )
    return tuple(f"model {build.name}: {note}" for note in notes)
