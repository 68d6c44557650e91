"""Random streams by name: the same seed gives every pair the same data, weights, batches and masks."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from lossearch._lazy import torch

if TYPE_CHECKING:
    from lossearch._draws import BeforeEachDraw


def stream(seed: int, *names: str | int) -> int:
    """Return the 63-bit seed of the stream that ``names`` have under ``seed``."""
    words = "\x1f".join([str(seed), *map(str, names)])
    return int.from_bytes(hashlib.blake2b(words.encode(), digest_size=8).digest(), "big") >> 1


def generator(seed: int, *names: str | int) -> torch.Generator:
    """Return a torch CPU generator at the start of a named stream."""
    return torch.Generator().manual_seed(stream(seed, *names))


def rng(seed: int, *names: str | int) -> np.random.Generator:
    """Return a numpy generator at the start of a named stream."""
    return np.random.default_rng(stream(seed, *names))


@contextmanager
def states_kept() -> Iterator[None]:
    """Leave the caller's random states of python, numpy and torch as they were."""
    python_state, numpy_state = random.getstate(), np.random.get_state()  # noqa: NPY002 - kept for the caller
    used = torch.cuda.is_initialized()
    devices = list(range(torch.cuda.device_count())) if used else []
    try:
        with torch.random.fork_rng(devices=devices):
            yield
    finally:
        if not used and torch.cuda.is_available():
            # what GPUs that are first used inside, or later, would have drawn
            torch.cuda.manual_seed_all(torch.initial_seed())
        random.setstate(python_state)
        np.random.set_state(numpy_state)  # noqa: NPY002


@contextmanager
def isolated(seed: int) -> Iterator[None]:
    """Seed python, numpy and torch inside; leave the caller's three states as they were."""
    with states_kept():
        random.seed(seed)
        np.random.seed(seed % 2**32)  # noqa: NPY002 - a user's factory may draw from the global state
        # a factory may be the first to use an accelerator, which torch.manual_seed prepares for
        (torch.manual_seed if torch.accelerator.is_available() else seed_draws)(seed)
        yield


def seed_draws(seed: int) -> None:
    """Seed what draws next by torch's own generators, on whatever device.

    As ``torch.manual_seed``, which besides keeps the place it was called from for every device that has
    not been used yet, even where there is none: milliseconds, where this is called at every step.
    """
    torch.default_generator.manual_seed(seed)
    if torch.cuda.is_initialized():
        torch.cuda.manual_seed_all(seed)
    if torch.backends.mps.is_available():
        torch.mps.manual_seed(seed)


def _own_stream_per_draw(seed: int) -> BeforeEachDraw:
    """Return a mode that gives every random operation its own stream: the k-th draw does not depend on the sizes before it."""
    from lossearch._draws import BeforeEachDraw

    return BeforeEachDraw(lambda draw: seed_draws(stream(seed, "draw", draw)))


def seeded_build(build: Callable[[], torch.nn.Module], seed: int) -> torch.nn.Module:
    """Return ``build()`` with weights that are a function of ``seed`` and each layer's place.

    Every random draw of the construction has a stream of its own, so that layers of equal shape are
    equal whatever the width of the others, and a factory's own initialisation is kept.
    """
    with isolated(stream(seed, "weights")), _own_stream_per_draw(stream(seed, "weights")):
        return build()


def draws_at_random(call: Callable[[], Any]) -> bool:
    """Return whether ``call()`` uses any random operation, leaving the caller's state untouched."""
    with isolated(0), _own_stream_per_draw(0) as mode:
        call()
    return bool(mode.draws > 0)
