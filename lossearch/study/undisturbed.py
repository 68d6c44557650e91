"""What the caller's own settings would do to a study, kept from it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from lossearch.errors import SignalledError, TerminatedError
from lossearch.records.mlflow.client import no_autolog
from lossearch.training.trainer import process_ended


@contextmanager
def undisturbed() -> Iterator[None]:
    """Compute inside as if nobody had switched gradients off or autologging on; all is as it was afterwards.

    Raises:
        TerminatedError: a signal other than Ctrl-C asked the process to end.
        RunFailedError: code that the study runs called ``sys.exit``.
    """
    try:
        with no_autolog(), torch.inference_mode(False), torch.enable_grad():
            yield
    except SignalledError as error:
        raise TerminatedError(error.number) from error
    except SystemExit as ending:
        raise process_ended(ending) from ending
