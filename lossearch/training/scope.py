"""What training must not leave behind: log levels, warning filters, thread count, signal handlers."""

from __future__ import annotations

import logging
import signal
import threading
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import torch

from lossearch._random import isolated

_CHATTY = ("pytorch_lightning", "lightning", "lightning_fabric", "lightning_utilities")


@contextmanager
def quiet() -> Iterator[None]:
    """Silence the training library inside; turn shape broadcasting from a warning into an error.

    An (N, 1) output against an (N,) target is otherwise trained on as an N x N table. Warnings of the
    user's own code are shown as ever.
    """
    loggers = [logging.getLogger(name) for name in _CHATTY]
    levels = [logger.level for logger in loggers]
    try:
        with warnings.catch_warnings():
            for package in _CHATTY:
                warnings.filterwarnings("ignore", module=rf"{package}(\.|$)")
            warnings.filterwarnings("ignore", message=r".*isinstance\(treespec, LeafSpec\).*")
            warnings.filterwarnings("error", message="Using a target size", category=UserWarning)
            for logger in loggers:
                logger.setLevel(logging.ERROR)
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


@contextmanager
def threads(count: int | None) -> Iterator[None]:
    """Compute on ``count`` threads inside; None leaves the number as it is."""
    before = torch.get_num_threads()
    if count is None or count == before:
        yield
        return
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def interruptible() -> Iterator[None]:
    """Give Ctrl-C back as KeyboardInterrupt, where a Trainer has made it a SystemExit."""
    main = threading.current_thread() is threading.main_thread()
    handler = signal.getsignal(signal.SIGINT) if main else None
    try:
        yield
    except SystemExit as ending:
        if isinstance(ending.__context__, KeyboardInterrupt):
            raise KeyboardInterrupt from None
        raise
    finally:
        if handler is not None:
            signal.signal(signal.SIGINT, handler)


@contextmanager
def contained(seed: int, thread_count: int | None) -> Iterator[None]:
    """Put all of these around one replicate, with its own random state."""
    with ExitStack() as stack:
        stack.enter_context(threads(thread_count))
        stack.enter_context(quiet())
        stack.enter_context(interruptible())
        stack.enter_context(isolated(seed))
        yield
