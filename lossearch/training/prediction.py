"""What kept weights say of rows: the network is built again, given the weights, and applied."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, partial

import torch
from torch import Tensor, nn

from lossearch.kinds import Predictions
from lossearch.losses import Head
from lossearch.pairs import Criterion
from lossearch.space import Space
from lossearch.tasks.task import Part, Task
from lossearch.tasks.weights import class_weights
from lossearch.training.batches import initial_network
from lossearch.training.contract import Replicate, TrainSettings
from lossearch.training.precision import PRECISIONS
from lossearch.training.scoring import outputs
from lossearch.training.trainer import device_of, threads


@dataclass(frozen=True)
class Predictor:
    """Applies the weights of replicates of one study."""

    task: Task
    space: Space
    settings: TrainSettings

    @cached_property
    def dtype(self) -> torch.dtype:
        """The type the weights have."""
        return PRECISIONS[self.settings.precision].weights

    @cached_property
    def device(self) -> torch.device:
        """Where the network is applied: where it was trained."""
        return device_of(self.settings)

    def criterion(self, replicate: Replicate) -> Criterion:
        """Return a replicate's criterion, with the statistics and the class weights of its training rows."""
        point, fold = replicate.point, self.task.fold(replicate.seed)
        settings = self.settings.of(point)
        weights = class_weights(self.task, fold, settings.class_weight, settings.pos_weight)
        return Criterion(self.space.pair_of(point), point.params, fold.statistics, weights).to(self.dtype)

    def _network(self, seed: int, head: Head | None) -> nn.Module:
        task = self.task.with_head(head)
        if head not in self._first:
            self._first[head] = initial_network(task, 0, self.dtype)
        network = self._first[head]
        if not {name for name, _ in network.named_buffers()} <= network.state_dict().keys():
            # it holds numbers drawn by the seed that its state_dict does not
            network = initial_network(task, seed, self.dtype)
        return network.to(self.device).eval()

    @cached_property
    def _first(self) -> dict[Head | None, nn.Module]:
        return {}

    @torch.no_grad()
    def raw(self, replicate: Replicate, weights: Mapping[str, Tensor], part: Part) -> Tensor:
        """Return the network's raw output (N, n_out), on the CPU, in evaluation mode."""
        network = self._network(replicate.seed, self.space.pair_of(replicate.point).loss.head)
        network.load_state_dict(dict(weights))
        x = part.x.to(self.device)
        x = x.to(self.dtype) if x.is_floating_point() else x
        with threads(1):
            return outputs(partial(PRECISIONS[self.settings.precision].applied, network), x).cpu()

    def blank(self, replicate: Replicate, rows: int) -> Predictions:
        """Return predictions of the right form that say nothing: those of a network that gives zeros."""
        with torch.no_grad():
            return self.criterion(replicate).predictions(
                torch.zeros(
                    rows, self.space.pair_of(replicate.point).width(self.task.n_out), dtype=self.dtype
                )
            )

    def __call__(self, replicate: Replicate, weights: Mapping[str, Tensor], part: Part) -> Predictions | None:
        """Return what the weights say of each row, None where their output is not finite."""
        raw = self.raw(replicate, weights, part)
        with torch.no_grad():
            predictions = self.criterion(replicate).predictions(raw)
        output = predictions.output if predictions.value is None else predictions.value
        finite = torch.isfinite(raw).all() and (output is None or torch.isfinite(output).all())
        return predictions if bool(finite) else None
