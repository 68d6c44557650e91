"""What of a task a fitted model takes with it, and the rows it is fitted on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from lossearch.data.inputs import Inputs
from lossearch.networks.factory import Network
from lossearch.tasks.task import Fold


@dataclass(frozen=True)
class Blueprint:
    """The parts of a task that outlive its data.

    ``labels`` are the classes as they stand in y, or their names where the data have them.
    ``inputs(seed, whole)`` is how rows become network inputs by what the
    training rows of a seed say, or with ``whole`` all rows but the test part; ``whole(seed)`` is the fold
    whose training rows those are. Its validation rows are among them: they score, and choose nothing.
    """

    network: Network
    labels: tuple[Any, ...]
    inputs: Callable[[int, bool], Inputs]
    whole: Callable[[int], Fold]
    shape: tuple[int, ...] = ()
    """How what is predicted of a row is laid out, as (H, W); () where it is not."""
