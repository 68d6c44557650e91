"""What the parts of the training contract share."""

from __future__ import annotations

import logging
import os
import random
import signal
import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from sklearn import metrics as sk

from lossearch.losses import ACTIVATIONS, Loss, loss
from lossearch.pairs import CONVENTIONAL, Pair, find_pair, pair_up
from lossearch.space import Space
from lossearch.tasks import Task
from lossearch.testing.problems import (
    reference_run,
    space_of,
)
from lossearch.training.contract import Outcome, Replicate, ReplicateResult, Trains, TrainSettings

SETTINGS = TrainSettings(3, 8, "sgd", {"momentum": 0.9}, precision="64-true")
FIFTY_STEPS = replace(SETTINGS, epochs=10)
OPTIONS: dict[str, dict[str, Any]] = {"sgd": {"momentum": 0.9, "nesterov": True, "weight_decay": 1e-2}}
ORACLES: dict[str, Any] = {
    "accuracy": lambda y, p: sk.accuracy_score(y, p.label),
    "balanced_accuracy": lambda y, p: sk.balanced_accuracy_score(y, p.label),
    "f1_macro": lambda y, p: sk.f1_score(y, p.label, average="macro"),
    "mcc": lambda y, p: sk.matthews_corrcoef(y, p.label),
    "log_loss": lambda y, p: sk.log_loss(y, p.probability),
    "rmse": lambda y, p: sk.root_mean_squared_error(y, p.value[:, 0]),
    "mae": lambda y, p: sk.mean_absolute_error(y, p.value[:, 0]),
    "medae": lambda y, p: sk.median_absolute_error(y, p.value[:, 0]),
    "r2": lambda y, p: sk.r2_score(y, p.value[:, 0]),
    "max_error": lambda y, p: sk.max_error(y, p.value[:, 0]),
}


@loss(task="regression", encoding="raw", source="made to fail", name="raising")
def raising(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:  # noqa: ARG001 - a loss takes both
    """Raise an error."""
    raise ValueError("no such luck")


@loss(task="regression", encoding="raw", source="made to fail", name="steep")
def steep(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Finite, with a gradient that is not: the root has an infinite slope at 0."""
    return (output - output.detach()).square().sqrt() + (output - target).square()


def conventional(task: Task) -> Pair:
    """Return the pair that is always there."""
    return find_pair(CONVENTIONAL[task.kind], task.kind, task.facts)


def with_identity(given: Loss) -> Pair:
    """Return a loss with no activation."""
    found = pair_up(given, ACTIVATIONS["identity"])
    assert isinstance(found, Pair), found
    return found


def equal(a: ReplicateResult, b: ReplicateResult, tolerance: float = 0.0) -> None:
    """Assert that two results say the same."""
    assert (a.outcome, a.reason, a.divergence) == (b.outcome, b.reason, b.divergence)
    assert a.curves.keys() == b.curves.keys()
    for name, curve in a.curves.items():
        np.testing.assert_allclose(curve, b.curves[name], rtol=tolerance, atol=tolerance, err_msg=name)


def global_state() -> dict[str, Any]:
    """Return what training must leave as it was."""
    chatty = ("", "pytorch_lightning", "lightning", "lightning_fabric", "lightning_utilities")
    numpy_state = np.random.get_state(legacy=False)  # noqa: NPY002 - the state is what is compared
    return {
        "python random": random.getstate(),
        "numpy random": repr(numpy_state),
        "torch random": torch.random.get_rng_state().tolist(),
        "warnings": list(warnings.filters),
        "levels": [logging.getLogger(name).level for name in chatty],
        "environment": dict(os.environ),
        "threads": torch.get_num_threads(),
        "dtype": torch.get_default_dtype(),
        "gradients": torch.is_grad_enabled(),
        "interrupt": signal.getsignal(signal.SIGINT),
    }


class TrainingTests:
    """Runs the way of training under test. ``tolerance`` is for what neighbours may change in a curve."""

    tolerance = 0.0

    def trains(self) -> Trains:
        """Return the way of training under test."""
        raise NotImplementedError

    def run(
        self,
        task: Task,
        replicates: Sequence[Replicate],
        settings: TrainSettings = SETTINGS,
        space: Space | None = None,
        **keywords: Any,
    ) -> list[ReplicateResult]:
        """Return all results."""
        pairs = {r.point.pair: r.point.definition for r in replicates}
        space = space or space_of(task, [p for p in pairs.values() if p is not None])
        return list(self.trains()(task, space, replicates, settings, **keywords))

    def agrees(
        self, task: Task, replicates: Sequence[Replicate], settings: TrainSettings, tolerance: float = 1e-8
    ) -> None:
        """Assert that weights and losses are those of the loop written by hand."""
        results = self.run(task, replicates, settings, keep_weights=True)
        assert [r.replicate for r in results] == list(replicates)
        for given, result in zip(replicates, results, strict=True):
            expected = reference_run(task, given, settings)
            assert result.outcome is Outcome.COMPLETED, (given, result.reason, result.error)
            assert result.weights is not None
            assert result.weights.keys() == expected.network.state_dict().keys()
            for name, tensor in expected.network.state_dict().items():
                torch.testing.assert_close(
                    result.weights[name],
                    tensor,
                    rtol=tolerance,
                    atol=tolerance,
                    msg=f"{given}: {name}",
                )
            for name, curve in (("train_loss", expected.train_loss), ("val_loss", expected.val_loss)):
                np.testing.assert_allclose(result.curves[name], curve, rtol=tolerance, atol=tolerance)
