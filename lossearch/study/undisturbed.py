"""What the caller's own settings would do to a study, kept from it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import torch

from lossearch._process import interrupts_heard, left_as_it_was
from lossearch._random import states_kept
from lossearch.errors import SignalledError, TerminatedError
from lossearch.records.mlflow.client import no_autolog
from lossearch.training.trainer import process_ended

ONE_AT_A_TIME = threading.RLock()
"""Held by what changes the state of the whole process. Random states, warning filters and torch's defaults are one to a process: two studies would each restore the other's."""


@contextmanager
def _torch_defaults() -> Iterator[None]:
    with ExitStack() as stack:
        stack.callback(torch.set_default_dtype, torch.get_default_dtype())
        torch.set_default_dtype(torch.float32)
        # each of these would slow every call down, and is not entered for nothing
        if torch.get_default_device().type != "cpu":
            stack.enter_context(torch.device("cpu"))
        for device in ("cpu", "cuda"):
            if torch.is_autocast_enabled(device):
                stack.enter_context(torch.autocast(device, enabled=False))
        yield


@contextmanager
def undisturbed() -> Iterator[None]:
    """Compute inside as if nobody had set anything: torch's defaults, gradients, no autocast, no autologging.

    All is as it was afterwards. Threads of one process take turns. What other processes of a study compute has those defaults too.

    Raises:
        TerminatedError: a signal other than Ctrl-C asked the process to end.
        RunFailedError: code that the study runs called ``sys.exit``.
    """
    try:
        with (
            ONE_AT_A_TIME,
            left_as_it_was(),
            interrupts_heard(),
            states_kept(),
            no_autolog(),
            torch.inference_mode(False),
            torch.enable_grad(),
            _torch_defaults(),
        ):
            yield
    except SignalledError as error:
        raise TerminatedError(error.number) from error
    except SystemExit as ending:
        raise process_ended(ending) from ending
