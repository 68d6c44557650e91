"""The head of a user's network: found by what it gives, and replaced by one of the width that a pair needs.

A network of torchvision, timm or Hugging Face ends in a layer of its own names (``fc``, ``head``, ``classifier``,
``heads.head``, ``classifier.out_proj``, ...). It is not looked for by its name: it is the last linear layer that is
called, if what it gives is as wide as what the network gives, and if another width in its place is the network's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_COUNTS = ("num_labels", "num_classes")
"""What networks, or their ``config``, call the number of classes that they were made for."""


class Logits(nn.Module):
    """A network whose output object holds raw output under ``logits``; gives that alone."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        """Return the raw output."""
        raw: Tensor = raw_of(self.network(x))
        return raw


class Flat(nn.Module):
    """A network that gives its numbers laid out as a picture; gives them in a row."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        """Return the raw output, (N, n_out)."""
        raw: Tensor = self.network(x)
        return raw.flatten(1)


def flat(network: nn.Module, n_out: int, x: Tensor) -> nn.Module:
    """Return a network whose output is in a row, where it gives ``n_out`` numbers laid out as a picture; else itself."""
    output = _output(network, x)
    laid_out = isinstance(output, Tensor) and output.ndim > 2 and output.shape[:1] == x.shape[:1]
    return Flat(network) if laid_out and output.shape[1:].numel() == n_out else network


def raw_of(output: Any) -> Any:
    """Return what stands under ``logits`` in an output object or mapping; anything else as it is."""
    if isinstance(output, Mapping):
        return output.get("logits", output)
    return output if isinstance(output, Tensor) else getattr(output, "logits", output)


@dataclass(frozen=True)
class Ended:
    """A network, and what was done to its end, in words for a note; '' where nothing was."""

    network: nn.Module
    words: str = ""


def ended(network: nn.Module, n_out: int | None, x: Tensor, *, anew: bool = False) -> Ended:
    """Return a network that gives one tensor of ``n_out`` numbers a row, by another head where its own does not.

    Where no head is found, or a forward pass fails, the network is as it was: whoever checks it says what is wrong.

    Args:
        network: as its factory gave it; it is changed in place.
        n_out: numbers a row; None where its factory was told, and its head is left as it is.
        x: a few rows of input.
        anew: whether a head of the right width is replaced too, so that its weights are drawn now.
    """
    seen = _seen(network, x)
    if seen is None:
        return Ended(network)
    words = ""
    if n_out is not None and (seen.width != n_out or anew):
        network, words = _resized(network, seen, n_out, x)
    return Ended(network if seen.plain else Logits(network), words)


def _resized(network: nn.Module, seen: _Seen, n_out: int, x: Tensor) -> tuple[nn.Module, str]:
    """Return a network with a fresh head of this width, and what was done."""
    reset: Any = getattr(network, "reset_classifier", None)
    if callable(reset):
        reset(n_out)
        place = "reset_classifier"
    elif seen.head is not None:
        old = network.get_submodule(seen.head)
        network = _with(network, seen.head, _as(old, n_out))
        again = _seen(network, x)
        if again is None or again.width != n_out:
            return _with(network, seen.head, old), ""
        place = seen.head or type(network).__name__
    else:
        return (
            network,
            "no head was found to be drawn anew, so all its weights are kept" if seen.width == n_out else "",
        )
    _tell(network, seen.width, n_out)
    if seen.width == n_out:
        return network, f"its head ({place}) is drawn anew"
    return network, f"its head ({place}) gave {seen.width} numbers a row, and gives {n_out} now"


@dataclass(frozen=True)
class _Seen:
    """A forward pass: how wide the output is, whether it is a tensor, and the head's name, None where there is none."""

    width: int
    plain: bool
    head: str | None


@torch.no_grad()
def _output(network: nn.Module, x: Tensor) -> Any:
    """Return what a network gives in evaluation mode; None where it fails."""
    training = network.training
    try:
        return network.eval()(x)
    except Exception:  # noqa: BLE001 - a user's network may fail in any way, and is checked later
        return None
    finally:
        network.train(training)


@torch.no_grad()
def _seen(network: nn.Module, x: Tensor) -> _Seen | None:
    called: list[str] = []
    with _told_of_calls(network, called):
        output = _output(network, x)
    raw = raw_of(output)
    if not isinstance(raw, Tensor) or raw.ndim not in (1, 2) or len(raw) != len(x):
        return None
    width = 1 if raw.ndim == 1 else raw.shape[1]
    last = called[-1] if called else None
    fits = last is not None and _width(network.get_submodule(last)) == width
    return _Seen(width, raw is output, last if fits else None)


@contextmanager
def _told_of_calls(network: nn.Module, called: list[str]) -> Iterator[None]:
    """Write down the names of linear layers as they are called."""
    layers = [(name, m) for name, m in network.named_modules() if _width(m) is not None]
    hooks = [m.register_forward_hook(lambda *_, name=name: called.append(name)) for name, m in layers]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _width(layer: nn.Module) -> int | None:
    """Return how many numbers a layer gives that is linear in each place; None for any other."""
    if isinstance(layer, nn.Linear):
        return layer.out_features
    if isinstance(layer, _CONVOLUTIONS) and set(layer.kernel_size) == {1} and layer.groups == 1:
        return layer.out_channels
    return None


def _as(old: nn.Module, n_out: int) -> nn.Module:
    """Return a fresh layer like another, but for its width, with the type of its weights."""
    bias = old.bias is not None
    if isinstance(old, _CONVOLUTIONS):
        new: nn.Module = type(old)(old.in_channels, n_out, kernel_size=1, stride=old.stride, bias=bias)  # type: ignore[arg-type]
    else:
        new = nn.Linear(int(old.in_features), n_out, bias=bias)  # type: ignore[arg-type]
    return new.to(next(old.parameters()))


def _with(network: nn.Module, name: str, layer: nn.Module) -> nn.Module:
    """Return a network with a layer in place of the one of this name, which may be the network itself."""
    if not name:
        return layer
    network.set_submodule(name, layer)
    return network


def _tell(network: nn.Module, before: int, n_out: int) -> None:
    """Correct the number of classes where a network or its configuration holds the one before."""
    for owner in (network, getattr(network, "config", None)):
        for name in _COUNTS:
            if isinstance(getattr(owner, name, None), int) and getattr(owner, name) == before:
                setattr(owner, name, n_out)
