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
from scipy import stats
from sklearn import metrics as sk

from contracts.problems import Reference, every_pair, reference_run, space_of
from lossearch.kinds import KINDS
from lossearch.losses import ACTIVATIONS, Loss, loss
from lossearch.pairs import Pair, find_pair, pair_up
from lossearch.space import Space
from lossearch.tasks.task import Task
from lossearch.training.contract import Outcome, Replicate, ReplicateResult, TrainingMethod, TrainSettings

SETTINGS = TrainSettings(3, 8, "sgd", {"momentum": 0.9}, precision="64-true", epoch="last")
FIFTY_STEPS = replace(SETTINGS, epochs=10)
VARIANTS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("sgd", {}),
    ("sgd", {"momentum": 0.9}),
    ("sgd", {"momentum": 0.9, "nesterov": True, "weight_decay": 1e-2}),
    ("sgd", {"momentum": 0.8, "dampening": 0.3, "weight_decay": 1e-2}),
    ("adam", {}),
    ("adam", {"weight_decay": 0.1, "betas": [0.8, 0.99], "eps": 1e-6}),
    ("adam", {"amsgrad": True}),
    ("adamw", {}),
    ("adamw", {"weight_decay": 0.5}),
    ("rmsprop", {}),
    ("rmsprop", {"centered": True, "momentum": 0.5, "weight_decay": 0.1, "alpha": 0.9}),
    ("adagrad", {}),
    ("adagrad", {"lr_decay": 0.1, "initial_accumulator_value": 0.1, "weight_decay": 0.1}),
    ("adadelta", {}),
    ("adadelta", {"rho": 0.8, "weight_decay": 0.1}),
    ("adamax", {}),
    ("adamax", {"weight_decay": 0.1, "betas": [0.8, 0.99]}),
    ("nadam", {}),
    ("radam", {}),
    ("radam", {"weight_decay": 0.1}),
    ("radam", {"weight_decay": 0.1, "decoupled_weight_decay": True}),
)
"""Every optimiser, and every option that changes its arithmetic."""


def variant_name(variant: object) -> str:
    """Return an optimiser's name with its options'."""
    if isinstance(variant, tuple):
        return "-".join((variant[0], *variant[1]))
    return ""


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


MULTILABEL_ORACLES: dict[str, Any] = {
    "f1_macro": lambda y, p: sk.f1_score(y, p.label, average="macro", zero_division=0),
    "f1_micro": lambda y, p: sk.f1_score(y, p.label, average="micro", zero_division=0),
    "f1_samples": lambda y, p: sk.f1_score(y, p.label, average="samples", zero_division=0),
    "subset_accuracy": lambda y, p: sk.accuracy_score(y, p.label),
    "hamming_loss": lambda y, p: sk.hamming_loss(y, p.label),
}
MASK_ORACLES: dict[str, Any] = {
    "iou": lambda y, p: sk.jaccard_score(y, p.label, average="samples", zero_division=1),
    "dice": lambda y, p: sk.f1_score(y, p.label, average="samples", zero_division=1),
    "micro_iou": lambda y, p: sk.jaccard_score(y, p.label, average="micro"),
    "pixel_accuracy": lambda y, p: sk.accuracy_score(y.ravel(), p.label.ravel()),
}


def crps_of_normals(y: Any, p: Any) -> float:
    """Return the mean continuous ranked probability score of normal distributions (Gneiting & Raftery 2007)."""
    place, spread = p.distribution[:, 0].numpy().T
    w = (y[:, 0] - place) / spread
    found = spread * (w * (2 * stats.norm.cdf(w) - 1) + 2 * stats.norm.pdf(w) - 1 / np.sqrt(np.pi))
    return float(found.mean())


SEVERAL_ORACLES: dict[str, dict[str, Any]] = {
    "multilabel": MULTILABEL_ORACLES,
    "segmentation": MASK_ORACLES,
    "probabilistic": {
        **{name: ORACLES[name] for name in ("rmse", "r2")},
        "crps": crps_of_normals,
    },
    "compositional": {
        "kl": lambda y, p: stats.entropy(y, p.value, axis=1).mean(),
        "mae": lambda y, p: sk.mean_absolute_error(y, p.value),
        "rmse": lambda y, p: sk.root_mean_squared_error(y, p.value),
    },
    "angles": {"angular_error": lambda y, p: np.abs(np.angle(np.exp(1j * (y - p.value.numpy())))).mean()},
}
"""Of kinds of task with several numbers a row, or others than elsewhere."""


@loss(task="regression", encoding="raw", source="made to fail", name="raising")
def raising(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Raise an error."""
    raise ValueError("no such luck")


@loss(task="regression", encoding="raw", source="made to fail", name="steep")
def steep(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Finite, with a gradient that is not: the root has an infinite derivative at 0."""
    return (output - output.detach()).square().sqrt() + (output - target).square()


def conventional(task: Task) -> Pair:
    """Return the pair that is always there."""
    return find_pair(KINDS[task.kind].conventional, task.kind, task.facts)


def of_each_sort(pairs: Sequence[Pair]) -> list[Pair]:
    """Return the first pair of each sort that training tells apart."""
    sorts: dict[Any, Pair] = {}
    for pair in pairs:
        loss = pair.loss
        shape = (loss.joint, loss.gathers, loss.after_mean is None, loss.head is None)
        sort = (*shape, loss.statistics, pair.encoding)
        sorts.setdefault(sort, pair)
    return list(sorts.values())


def with_identity(given: Loss) -> Pair:
    """Return a loss with no activation."""
    found = pair_up(given, ACTIVATIONS["identity"])
    assert isinstance(found, Pair), found
    return found


def equal(a: ReplicateResult, b: ReplicateResult, tolerance: float = 0.0) -> None:
    """Assert that two results say the same, wherever both say something."""
    assert (a.outcome, a.reason, a.divergence) == (b.outcome, b.reason, b.divergence)
    assert a.curves.keys() == b.curves.keys()
    for name, curve in a.curves.items():
        other = b.curves[name]
        assert curve.shape == other.shape, name
        both = np.isfinite(curve) & np.isfinite(other)
        assert both.any() or not len(curve), name
        np.testing.assert_allclose(curve[both], other[both], rtol=tolerance, atol=tolerance, err_msg=name)


def _far(a: torch.nn.Module, b: torch.nn.Module, tolerance: float) -> bool:
    ours, theirs = a.state_dict(), b.state_dict()
    return not all(torch.allclose(ours[k], theirs[k], rtol=tolerance, atol=tolerance) for k in ours)


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
    """Runs the training method under test. ``tolerance`` is for what neighbours may change in a curve."""

    tolerance = 0.0
    compared = FIFTY_STEPS
    """How pairs and networks are trained that are held against the loop written by hand."""
    optimised = FIFTY_STEPS
    """How every optimiser is."""

    def method(self) -> TrainingMethod:
        """Return the training method under test."""
        raise NotImplementedError

    def pairs(self, task: Task) -> list[Pair]:
        """Return the pairs of a task that are trained where every one is to be."""
        return every_pair(task)

    def weighted_pairs(self, task: Task, way: int, ways: int) -> list[Pair]:
        """Return the pairs that meet a way of weighting, of so many that their kind of task has."""
        return every_pair(task)

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
        return list(self.method()(task, space, replicates, settings, **keywords))

    def agrees(
        self, task: Task, replicates: Sequence[Replicate], settings: TrainSettings, tolerance: float = 1e-8
    ) -> list[Replicate]:
        """Assert that weights and losses are those of the loop written by hand.

        Returns:
            the chaotic replicates, of which that cannot be asked: begun a hair's breadth away to either
            side, the loop itself ends further off than a tenth of ``tolerance``, a thousand hairs or more.
        """
        chaotic = []
        results = self.run(task, replicates, settings, keep_weights=True)
        assert [r.replicate for r in results] == list(replicates)
        for given, result in zip(replicates, results, strict=True):
            expected = reference_run(task, given, settings)
            assert result.outcome is Outcome.COMPLETED, (given, result.reason, result.error)
            assert result.weights is not None
            assert result.weights.keys() == expected.network.state_dict().keys()
            if self._differs(result, expected, tolerance):
                hair = 1e-12 if settings.precision == "64-true" else 1e-6
                near = (reference_run(task, given, settings, side * hair).network for side in (1, -1))
                if any(_far(network, expected.network, tolerance / 10) for network in near):
                    chaotic.append(given)
                    continue
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
        return chaotic

    def _differs(self, result: ReplicateResult, expected: Reference, tolerance: float) -> bool:
        ours, theirs = result.weights or {}, expected.network.state_dict()
        return not all(torch.allclose(ours[k], theirs[k], rtol=tolerance, atol=tolerance) for k in theirs)
