"""What watches a replicate in the user's own Trainer: draws by step, curves, the best weights, stopping."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lossearch._random import seed_draws, stream
from lossearch.losses.schedules import share_done
from lossearch.metrics.metric import LOGGED, Metric
from lossearch.metrics.registry import is_given, scores
from lossearch.training.behaviour import measured
from lossearch.training.contract import Divergence
from lossearch.training.finiteness import first_non_finite
from lossearch.training.own_module.criterion import Calls, RecordingCriterion, Rows, all_rows
from lossearch.training.own_module.loaders import rows_of
from lossearch.training.own_module.predicting import Given, shown


def _n_out(criterion: RecordingCriterion, raw: Tensor) -> int:
    return criterion.pair.n_out(raw.shape[-1]) or 0


def _encoded(criterion: RecordingCriterion, rows: Rows) -> Tensor:
    raw, target = rows
    return criterion.encode(target, _n_out(criterion, raw), raw.dtype)


def epoch_scores(criterion: RecordingCriterion, metrics: Iterable[Metric], rows: Rows) -> dict[str, float]:
    """Return what raw output and targets of a part come to: loss, and every metric that the pair gives."""
    raw, target = rows
    weight = criterion.row_weights(target, _n_out(criterion, raw), None, raw.dtype)
    found = {"loss": float(criterion.mean(raw, _encoded(criterion, rows), weight))}
    predictions = criterion.predictions(raw.unsqueeze(0))
    read = [m for m in metrics if m.needs != LOGGED and is_given(m, predictions)]
    return found | {name: float(value[0]) for name, value in scores(read, predictions, target).items()}


def epoch_behaviour(criterion: RecordingCriterion, rows: Rows) -> dict[str, float]:
    """Return what the loss makes of the outputs of a part; see ``training.behaviour``."""
    found = measured(criterion.pair, rows[0], _encoded(criterion, rows), criterion.keywords())
    return {name: float(value) for name, value in found.items()}


class RowsWatcher:
    """Collects what a criterion meets while a part is validated or tested. Joined with a package's Callback."""

    def __init__(self, criterion: RecordingCriterion, predicts: Given | None = None) -> None:
        super().__init__()
        self.criterion, self.predicts = criterion, predicts
        self.rows: list[Rows] = []
        self.complete = True

    def _begin(self) -> None:
        self.rows, self.complete = [], True

    def _before(self, dataloader_idx: int) -> None:
        self.criterion.calls = Calls() if dataloader_idx == 0 else None

    def _after(self, module: Any, batch: Any) -> None:
        calls, self.criterion.calls = self.criterion.calls, None
        if calls is None:
            return
        rows = shown(calls, module, self.criterion, batch, self.predicts)
        if rows is None:
            self.complete = False
        else:
            self.rows.append(rows)

    def collected(self) -> Rows | None:
        """Return raw output and targets of all rows; None where the criterion did not meet every batch."""
        if not self.rows or not self.complete:
            return None
        return all_rows(self.rows)

    def on_validation_epoch_start(self, trainer: Any, pl_module: Any) -> None:
        """Forget the rows before."""
        self._begin()

    def on_validation_batch_start(
        self,
        trainer: Any,
        pl_module: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Note what the criterion meets."""
        self._before(dataloader_idx)

    def on_validation_batch_end(
        self,
        trainer: Any,
        pl_module: Any,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Keep it."""
        self._after(pl_module, batch)

    on_test_epoch_start = on_validation_epoch_start
    on_test_batch_start = on_validation_batch_start
    on_test_batch_end = on_validation_batch_end


class Watcher(RowsWatcher):
    """Watches one replicate's training."""

    def __init__(
        self,
        criterion: RecordingCriterion,
        *,
        seed: int,
        lr: float,
        metrics: tuple[Metric, ...],
        judge: Metric,
        logged: Mapping[str, str],
        until: int | None,
        keeps: str,
        stop: Callable[[], bool],
        predicts: Given | None = None,
    ) -> None:
        """Watch a replicate.

        Args:
            criterion: the one that its module holds.
            seed: of the replicate.
            lr: of its point.
            metrics: what is scored of the rows that the criterion meets.
            judge: the metric that judges.
            logged: name of a metric -> under which name the module logs it.
            until: the last epoch, from 1; None for all.
            keeps: whose weights are kept: "none", "last" or "best".
            stop: asked after every batch.
            predicts: what ``predict_step`` takes of a batch, where rows are read by it.
        """
        super().__init__(criterion, predicts)
        self.seed, self.lr, self.metrics, self.judge = seed, lr, metrics, judge
        self.logged, self.until, self.keeps, self.stop = dict(logged), until, keeps, stop
        self.curves: dict[str, list[float]] = defaultdict(list)
        self.kept: tuple[int, dict[str, Tensor]] | None = None
        self.divergence: Divergence | None = None
        self.stopped = False
        self.steps = 0
        self.losses: list[tuple[float, int]] = []
        self._scored: dict[str, float] = {}

    def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
        """Tell a loss that changes over the training how much of it is done."""
        self.criterion.progress = share_done(int(trainer.current_epoch), int(trainer.max_epochs))

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        """Let random layers draw by seed and step."""
        seed_draws(stream(self.seed, "step", self.steps))

    def on_train_batch_end(
        self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Note the loss; stop where it is not finite, or where that is asked."""
        self.steps += 1
        loss = outputs.get("loss") if isinstance(outputs, Mapping) else outputs
        if isinstance(loss, Tensor):
            value = float(loss.detach().double().mean())
            self.losses.append((value, rows_of(batch)))
            if not math.isfinite(value) and self.divergence is None:
                self._diverge(trainer, "loss", value)
        self.stopped = self.stopped or self.stop()
        if self.stopped:
            trainer.should_stop = True

    def on_validation_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """Score the rows of a validation; what runs between epochs counts where it is the epoch's last."""
        rows = self.collected()
        if trainer.sanity_checking or self.divergence is not None or rows is None:
            return
        if not bool(torch.isfinite(rows[0]).all()):
            self._diverge(trainer, "output", float(first_non_finite([rows[0]]) or math.nan))
            return
        self._scored = epoch_scores(self.criterion, self.metrics, rows) | epoch_behaviour(
            self.criterion, rows
        )

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """Close the epoch."""
        if self.stopped or self.divergence is not None:
            return
        weights = first_non_finite(p.detach() for p in pl_module.parameters())
        if weights is not None:
            self._diverge(trainer, "weights", weights)
            return
        logged = {
            m: float(trainer.callback_metrics[n])
            for m, n in self.logged.items()
            if n in trainer.callback_metrics
        }
        epoch = {f"val_{name}": value for name, value in {**self._scored, **logged}.items()}
        if self.losses:
            values, rows = zip(*self.losses, strict=True)
            epoch["train_loss"] = float(np.average(values, weights=rows))
        done = len(self.curves[f"val_{self.judge.name}"])
        for name, value in epoch.items():
            curve = self.curves[name]
            curve += [math.nan] * (done - len(curve)) + [value]
        # where an epoch has no validation, what was scored last stands for it
        for curve in self.curves.values():
            curve.extend([curve[-1] if curve else math.nan] * (done + 1 - len(curve)))
        self.losses, self._scored = [], {}
        if self._is_to_keep():
            self.kept = done + 1, {k: v.detach().cpu().clone() for k, v in pl_module.state_dict().items()}
        if done + 1 == self.until:
            trainer.should_stop = True

    def _is_to_keep(self) -> bool:
        if self.keeps != "best":
            return self.keeps == "last"
        worth = [
            -math.inf if math.isnan(v) else self.judge.sign * v for v in self.curves[f"val_{self.judge.name}"]
        ]
        return worth.index(max(worth)) == len(worth) - 1

    def _diverge(self, trainer: Any, what: str, value: float) -> None:
        self.divergence = Divergence(what, self.steps, int(trainer.current_epoch) + 1, value, self.lr)
        trainer.should_stop = True

    def whole_curves(self, epochs: int) -> dict[str, NDArray[np.float64]]:
        """Return every curve, one value an epoch; after an early stop the module stays as it was."""
        found = {}
        for name, curve in self.curves.items():
            rest = 0 if self.divergence is not None else epochs - len(curve)
            found[name] = np.array(curve + curve[-1:] * max(0, rest), dtype=np.float64)
        return found
