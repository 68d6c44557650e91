"""The classifier."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from sklearn.base import ClassifierMixin
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn

from lossearch.data.containers import plain
from lossearch.data.rows import Array
from lossearch.estimators.base import LossSearchEstimator
from lossearch.estimators.checks import Targets, class_targets
from lossearch.estimators.options import documented
from lossearch.estimators.scores import overlap
from lossearch.kinds import KINDS
from lossearch.losses import Activation, Loss
from lossearch.metrics.metric import Metric

if TYPE_CHECKING:
    from sklearn.utils import Tags

    from lossearch.kinds import Predictions


def _gives_probabilities(estimator: LossSearchClassifier) -> bool:
    """Return whether probabilities are given, as far as is known before there is a model.

    Raises:
        AttributeError: the pair found gives none; the message says which do.
    """
    model = estimator.__dict__.get("model_")
    if model is None or model.gives_probabilities:
        return True
    others = ", ".join(estimator._with_probabilities) or KINDS[model.kind].conventional  # noqa: SLF001 - its own
    raise AttributeError(
        f"{model.point.pair} was found best, and gives no probabilities: its minimiser is not one. Of the pairs "
        f"searched {others} would: give pairs=[...] of such, or metric='log_loss', which judges no others. Or wrap "
        "the classifier in sklearn.calibration.CalibratedClassifierCV."
    )


@documented
class LossSearchClassifier(ClassifierMixin, LossSearchEstimator):  # type: ignore[misc]
    """A neural network for classes or labels, trained with the loss that fits them best.

    ``fit`` searches losses, output activations and learning rates by :func:`lossearch.search`, and fits the
    network anew on all rows with what it found. y holds one class a row, (N,), of any type, labels as (N, L)
    of 0 and 1, or masks as (N, H, W) of 0 and 1 beside images (N, C, H, W). The budget is small, so that it takes seconds on some hundred rows: for a verdict to rest on, raise
    ``seeds``, ``confirm_seeds``, ``trials`` and ``epochs``.

    What is done to the raw output for a prediction follows from the pair that was found: there is nothing like
    skorch's ``predict_nonlinearity`` to choose. ``predict_proba`` is there where that pair gives probabilities.

    Parameters are those of ``search``; None stands for its default.

    Args:
        parameters: as they are listed by ``get_params``.

    Attributes:
        classes_: The classes, in the order of the columns of ``predict_proba``.
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
        >>> from sklearn.datasets import make_blobs
        >>> from lossearch import LossSearchClassifier
        >>> X, y = make_blobs(90, centers=3, random_state=0)
        >>> model = LossSearchClassifier(losses=["cross_entropy"], lr=0.02, seeds=1, confirm_seeds=0, random_state=0)
        >>> model.fit(X, y).best_.pair
        'cross_entropy/softmax'
        >>> model.predict_proba(X).shape
        (90, 3)
    """

    classes_: Array

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
        class_weight: Any = None,
        pos_weight: Any = None,
        model: str | Callable[..., nn.Module] | nn.Module | None = None,
        hidden: int | Sequence[int] | None = None,
        init: str = "torch",
        scale: bool = True,
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
        self.class_weight = class_weight
        self.pos_weight = pos_weight
        self.model = model
        self.hidden = hidden
        self.init = init
        self.scale = scale
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
        found = class_targets(self, x, y, self.task)
        self.classes_ = np.asarray(found.classes)
        return found

    def predict(self, X: Any) -> Array:  # noqa: N803
        """Return the class of each row, (N,), as in ``classes_``, its labels, (N, L), as 0 and 1, or its mask as y has them.

        Raises:
            NotFittedError: ``fit`` was not called.
            ValueError: X is not as the estimator was fitted on.
        """
        labels = _values(self._predictions(X).label)
        if self._of_masks:
            return self._laid_out(self.classes_[labels])
        return self._whole(labels) if self.n_outputs_ > 1 else self.classes_[labels]

    @available_if(_gives_probabilities)  # type: ignore[untyped-decorator]
    def predict_proba(self, X: Any) -> Array:  # noqa: N803
        """Return the probability of each class, (N, C), in the order of ``classes_``, of each label, (N, L), or pixel.

        With class weights they are corrected, to be those of the classes as they occur; ``predict`` goes by the
        weighted score, and its class is not always the likeliest.

        Raises:
            NotFittedError: ``fit`` was not called.
            ValueError: X is not as the estimator was fitted on.
            AttributeError: the pair found gives none; the message says which do.
        """
        probability = self._predictions(X).probability
        if probability is None:
            _gives_probabilities(self)
        if self.n_outputs_ > 1:
            return self._laid_out(self._whole(_values(probability)))
        return _values(KINDS[self.model_.kind].class_probabilities(_present(probability)))

    @available_if(_gives_probabilities)  # type: ignore[untyped-decorator]
    def predict_log_proba(self, X: Any) -> Array:  # noqa: N803
        """Return the logarithm of ``predict_proba``."""
        with np.errstate(divide="ignore"):
            found: Array = np.log(self.predict_proba(X))
        return found

    def decision_function(self, X: Any) -> Array:  # noqa: N803
        """Return the raw score of each class, (N, C), of the second of two, (N,), of each label, (N, L), or of each pixel.

        Of two classes, of labels and of pixels a score above 0 is what ``predict`` goes by, else the largest of the row.

        Raises:
            NotFittedError: ``fit`` was not called.
            ValueError: X is not as the estimator was fitted on.
        """
        found = self._predictions(X)
        score = _present(found.score)
        if len(self.classes_) == score.shape[-1] == 2 and self.n_outputs_ == 1 and score.ndim == 2:
            return _values(score[:, 1] - score[:, 0])
        if found.codes is not None:
            score = _above_threshold(found, self.criterion_.pair.activation)
        return self._laid_out(self._whole(_values(score), lambda label: 2 * label - 1))

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:  # noqa: N803
        """Return the accuracy of predictions; of masks intersection over union of each, averaged."""
        if not self._of_masks:
            return float(super().score(X, y, sample_weight))
        true = np.asarray(plain(y, "y")) == self.classes_[-1]
        return overlap(true, self.predict(X) == self.classes_[-1], sample_weight)

    @property
    def _of_masks(self) -> bool:
        """Whether masks are predicted."""
        check_is_fitted(self)
        return KINDS[self.model_.kind].maps

    def _laid_out(self, values: Array) -> Array:
        """Return numbers of pixels as the masks were given, anything else as it is."""
        return values.reshape(len(values), *self.model_.shape) if self.model_.shape else values

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


def _present(values: Tensor | None) -> Tensor:
    """Return a field of predictions of classes, which are never without it."""
    if values is None:
        raise TypeError("These predictions hold no such field.")
    return values


def _values(values: Tensor | None) -> Array:
    return _present(values).numpy()


def _above_threshold(found: Predictions, activation: Activation) -> Tensor:
    """Return scores that are above 0 where label 1 is predicted: raw ones, where the threshold is known of them."""
    score, output = _present(found.score), _present(found.output)
    middle = sum(found.codes or ()) / 2
    for threshold in (0.0, middle):
        if activation(torch.tensor(threshold, dtype=torch.float64)).item() == middle:
            return score - threshold
    return output - middle
