"""The regressor."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.utils.validation import check_is_fitted
from torch import nn

from lossearch.data.containers import plain
from lossearch.data.rows import Array
from lossearch.estimators.base import LossSearchEstimator
from lossearch.estimators.checks import Targets, number_targets
from lossearch.estimators.options import documented
from lossearch.estimators.scores import explained_of_angles
from lossearch.kinds import KINDS
from lossearch.losses import Loss
from lossearch.metrics.metric import Metric

if TYPE_CHECKING:
    from sklearn.utils import Tags


@documented
class LossSearchRegressor(RegressorMixin, LossSearchEstimator):  # type: ignore[misc]
    """A neural network for numbers, trained with the loss that fits them best.

    ``fit`` searches losses, output activations and learning rates by :func:`lossearch.search`, and fits the
    network anew on all rows with what it found. y holds one number a row, (N,), or several, (N, T). The budget is
    small, so that it takes seconds on some hundred rows: for a verdict to rest on, raise ``seeds``,
    ``confirm_seeds``, ``trials`` and ``epochs``.

    What is done to the raw output for a prediction follows from the pair that was found: there is nothing like
    skorch's ``predict_nonlinearity`` to choose, and values come back in the units of y.

    Parameters are those of ``search``; None stands for its default. Of counts say ``task="count"``, of angles in
    radians ``task="angles"``.

    Args:
        parameters: as they are listed by ``get_params``.

    Attributes:
        result_: The lossearch.Result. Without ``store`` it has the answer, and no longer curves and predictions.
        best_: The point that was fitted, of the pairs asked for: pair, learning rate, the loss's own parameters.
        leaderboard_: One row a pair, the best first, the conventional pair always among them, which gains are over.
        model_: The lossearch.FittedModel, which ``save`` writes to a directory.
        module_: The fitted nn.Module, which gives raw output of prepared rows.
        criterion_: The pair made callable, an nn.Module.
        history_: The curves of the winner's trial, mean over seeds: a mapping an epoch.
        n_iter_: How many epochs the network was fitted.
        n_outputs_: How many values a row are predicted.
        n_features_in_: How many columns X had.
        feature_names_in_: Their names, where all are text.

    Example:
        >>> from sklearn.datasets import make_friedman1
        >>> from lossearch import LossSearchRegressor
        >>> X, y = make_friedman1(90, random_state=0)
        >>> model = LossSearchRegressor(losses=["mse"], lr=0.02, seeds=1, confirm_seeds=0, random_state=0)
        >>> model.fit(X, y).best_.pair, model.n_iter_
        ('mse/identity', 30)
        >>> model.predict(X).shape
        (90,)
    """

    def __init__(
        self,
        *,
        losses: str | Loss | Sequence[str | Loss] | None = None,
        activations: Sequence[str] | None = None,
        pairs: Sequence[str] | None = None,
        lr: float | tuple[float, float] | None = None,
        params: Mapping[str, Any] | None = None,
        settings: Mapping[str, Any] | None = None,
        task: str | None = None,
        metric: str | Metric | None = None,
        model: str | Callable[..., nn.Module] | nn.Module | None = None,
        hidden: int | Sequence[int] | None = None,
        init: str = "torch",
        scale: bool = True,
        standardize_target: bool = True,
        trials: int | None = None,
        seeds: int = 2,
        confirm_seeds: int = 5,
        timeout: str | None = None,
        mode: str = "equal",
        sampler: str | None = None,
        epochs: int | None = None,
        epoch: str = "last",
        batch_size: int | None = None,
        optimizer: str = "adam",
        options: Mapping[str, Any] | None = None,
        schedule: str = "constant",
        clip: float | None = None,
        precision: str = "32-true",
        device: str = "auto",
        validation_fraction: float = 0.25,
        test_fraction: float | None = None,
        n_jobs: int | None = None,
        store: str | Path | None = None,
        name: str | None = None,
        mlflow: bool | None = None,
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        self.losses = losses
        self.activations = activations
        self.pairs = pairs
        self.lr = lr
        self.params = params
        self.settings = settings
        self.task = task
        self.metric = metric
        self.model = model
        self.hidden = hidden
        self.init = init
        self.scale = scale
        self.standardize_target = standardize_target
        self.trials = trials
        self.seeds = seeds
        self.confirm_seeds = confirm_seeds
        self.timeout = timeout
        self.mode = mode
        self.sampler = sampler
        self.epochs = epochs
        self.epoch = epoch
        self.batch_size = batch_size
        self.optimizer = optimizer
        self.options = options
        self.schedule = schedule
        self.clip = clip
        self.precision = precision
        self.device = device
        self.validation_fraction = validation_fraction
        self.test_fraction = test_fraction
        self.n_jobs = n_jobs
        self.store = store
        self.name = name
        self.mlflow = mlflow
        self.random_state = random_state
        self.verbose = verbose

    def _targets(self, x: Any, y: Any) -> Targets:
        return number_targets(self, x, y, self.task)

    def predict(self, X: Any) -> Array:  # noqa: N803
        """Return the value of each row in the units of y, (N,) or (N, T).

        Raises:
            NotFittedError: ``fit`` was not called.
            ValueError: X is not as the estimator was fitted on.
        """
        value = self._predictions(X).value
        if value is None:
            raise TypeError(f"A {self.model_.kind} model predicts no numbers.")
        found: Array = value.numpy()
        return found[:, 0] if self.n_outputs_ == 1 else self._whole(found)

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:  # noqa: N803
        """Return the share of the variance of y that is explained, R2; of angles that of 1 - cos of the difference."""
        check_is_fitted(self)
        if not KINDS[self.model_.kind].circular:
            return float(super().score(X, y, sample_weight))
        return explained_of_angles(np.asarray(plain(y, "y")), self.predict(X), sample_weight)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
