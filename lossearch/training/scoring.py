"""From network outputs to curves: what one replicate scored at the end of every epoch."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lossearch.metrics.metric import Metric
from lossearch.metrics.registry import scores
from lossearch.pairs import Criterion
from lossearch.training.batches import Rows

_BLOCK_ROWS = 2**16
_BLOCK_NUMBERS = 2**22
_KEPT_NUMBERS = 2**21


def outputs(network: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """Return the network's output for all rows, computed in blocks where they are many."""
    row = max(1, x[:1].numel())
    block = max(1, min(_BLOCK_ROWS, _BLOCK_NUMBERS // row))
    if len(x) <= block:
        return network(x)
    return torch.cat([network(part) for part in torch.split(x, block)])


class CurveRecorder:
    """Collects an epoch's outputs and losses, and turns them into curves.

    Metrics work on a stack of predictions, so epochs are kept until they are worth a call together.
    """

    def __init__(
        self,
        criterion: Criterion,
        train_metrics: Sequence[Metric],
        metrics: Sequence[Metric],
        train: Rows,
        validation: Rows,
    ) -> None:
        self._criterion = criterion
        self._parts = {"train": (train.y, tuple(train_metrics)), "val": (validation.y, tuple(metrics))}
        self._raw: dict[str, list[Tensor]] = {"train": [], "val": []}
        self._kept = 0
        self._curves: dict[str, list[float]] = defaultdict(list)

    def score(self, metric: Metric, val_raw: Tensor) -> float:
        """Return what an epoch's outputs score on the validation part."""
        with torch.no_grad():
            predictions = self._criterion.predictions(val_raw.unsqueeze(0))
        return float(metric.fn(predictions, self._parts["val"][0])[0])

    def add(self, train_loss: float, val_loss: float, train_raw: Tensor, val_raw: Tensor) -> None:
        """Add one finished epoch."""
        self._curves["train_loss"].append(train_loss)
        self._curves["val_loss"].append(val_loss)
        self._raw["train"].append(train_raw)
        self._raw["val"].append(val_raw)
        self._kept += train_raw.numel() + val_raw.numel()
        if self._kept >= _KEPT_NUMBERS:
            self._score()

    def _score(self) -> None:
        for part, (y, metrics) in self._parts.items():
            if self._raw[part]:
                with torch.no_grad():
                    predictions = self._criterion.predictions(torch.stack(self._raw[part]))
                for name, found in scores(metrics, predictions, y).items():
                    self._curves[f"{part}_{name}"] += found.tolist()
            self._raw[part].clear()
        self._kept = 0

    def curves(self) -> dict[str, NDArray[np.float64]]:
        """Return every curve, one value an epoch added."""
        self._score()
        return {name: np.asarray(values, dtype=np.float64) for name, values in self._curves.items()}
