"""From network outputs to curves: what one replicate scored at the end of every epoch."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lossearch.metrics.metric import Metric
from lossearch.metrics.registry import scores
from lossearch.pairs import Criterion
from lossearch.training.batches import Rows
from lossearch.training.behaviour import measured

_BLOCK_ROWS = 2**16
_BLOCK_NUMBERS = 2**22


def outputs(network: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """Return the network's output for all rows, computed in blocks where they are many."""
    row = max(1, x[:1].numel())
    block = max(1, min(_BLOCK_ROWS, _BLOCK_NUMBERS // row))
    if len(x) <= block:
        return network(x)
    return torch.cat([network(part) for part in torch.split(x, block)])


class CurveRecorder:
    """Turns each epoch's outputs and losses into curves: ``values`` are those so far, by name."""

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
        self._encoded = validation.encoded
        self.values: dict[str, list[float]] = defaultdict(list)

    @torch.no_grad()
    def add(self, losses: Mapping[str, float], outputs: Mapping[str, Tensor]) -> None:
        """Add one finished epoch: what it came to on each part, "train" and "val"."""
        for part, loss in losses.items():
            self.values[f"{part}_loss"].append(loss)
        pair, keywords = self._criterion.pair, self._criterion.keywords()
        for name, value in measured(pair, outputs["val"], self._encoded, keywords).items():
            self.values[f"val_{name}"].append(float(value))
        for part, (y, metrics) in self._parts.items():
            predictions = self._criterion.predictions(outputs[part].unsqueeze(0))
            for name, found in scores(metrics, predictions, y).items():
                self.values[f"{part}_{name}"].append(float(found[0]))

    def curves(self) -> dict[str, NDArray[np.float64]]:
        """Return every curve, one value an epoch added."""
        return {name: np.asarray(values, dtype=np.float64) for name, values in self.values.items()}
