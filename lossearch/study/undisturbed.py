"""What the caller's own settings would do to a study, kept from it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from lossearch.records.mlflow.client import no_autolog


@contextmanager
def undisturbed() -> Iterator[None]:
    """Compute inside as if nobody had switched gradients off or autologging on; all is as it was afterwards."""
    with no_autolog(), torch.inference_mode(False), torch.enable_grad():
        yield
