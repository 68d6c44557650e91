"""What both estimators share: fit, and what of the model it found is read off."""

from __future__ import annotations

import copy
from abc import abstractmethod
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from lossearch.data.rows import Array
from lossearch.estimators.checks import Rows, Targets, is_table, rows
from lossearch.estimators.fitting import Records, find, listener_of
from lossearch.estimators.options import described, search_options
from lossearch.study.undisturbed import ONE_AT_A_TIME

if TYPE_CHECKING:
    from sklearn.utils import Tags
    from torch import nn

    from lossearch.kinds import Predictions
    from lossearch.model import FittedModel
    from lossearch.pairs import Criterion
    from lossearch.space import Point


def _exact(model: FittedModel) -> FittedModel:
    """Return a model that computes in float64, so that a row's prediction does not depend on those beside it.

    A network of the user's own may know its type, and stays as it is.
    """
    if model.architecture.own:
        return model
    architecture = replace(model.architecture, dtype="float64")
    return replace(model, network=copy.deepcopy(model.network).double(), architecture=architecture)


class LossSearchEstimator(BaseEstimator):  # type: ignore[misc]
    """A search as an estimator. Its parameters are declared by the subclasses, as scikit-learn reads them there."""

    @abstractmethod
    def _targets(self, x: Any, y: Any) -> Targets:
        """Return y checked."""

    def fit(self, X: Any, y: Any, sample_weight: Any = None, groups: Any = None) -> Self:  # noqa: N803
        """Search for the pair and learning rate to use, and fit the network with them on all rows.

        The pair is one of those that ``losses``, ``activations`` and ``pairs`` name; the conventional pair of the task,
        which is searched with them for comparison, is fitted only where it is named too, or where nothing is.

        Args:
            X: (N, F) numbers, dense or sparse, (N, C, H, W) images, or a table with columns of numbers, text,
                truth values or dates. Missing values are filled in.
            y: targets.
            sample_weight: what each row weighs in the loss, one number from 0 up; metrics count every row once.
            groups: one label a row; rows of one group are never divided between training and validation.

        Raises:
            InputError: what the parameters ask for cannot be done. It is a ValueError.
            ValueError: X or y is not what an estimator takes.
            RunFailedError: every pair diverged or failed.
        """
        with ONE_AT_A_TIME:  # scikit-learn's checks set warning filters too
            return self._fit(Rows(rows(self, X, reset=True), y, groups, sample_weight).weighing(self))

    def _fit(self, given: Rows) -> Self:
        x, targets = given.x, self._targets(given.x, given.y)
        options = search_options(self)
        settings = described({**options, "epochs": self.epochs})
        records = Records(self.store, self.name or type(self).__name__, self.mlflow, settings)
        found = find(
            x,
            targets,
            options,
            records,
            epochs=self.epochs,
            groups=given.groups,
            sample_weight=given.sample_weight,
            listener=listener_of(self.verbose),
        )
        self._columns = list(x.columns) if isinstance(x, pd.DataFrame) else None
        self._with_probabilities = found.with_probabilities
        self._constant = dict(targets.constant)
        self.n_outputs_ = targets.n_outputs
        self.result_ = found.result
        self.model_ = found.model
        self.history_ = found.history
        return self

    def _predictions(self, X: Any) -> Predictions:  # noqa: N803
        """Return what the model says of rows, in float64."""
        check_is_fitted(self)
        x = rows(self, X, reset=False)
        if self._columns is not None and not is_table(x):
            x = pd.DataFrame(np.asarray(x), columns=self._columns)
        found: Predictions = self.criterion_.predictions(_exact(self.model_).raw(x).double())
        return found

    def _whole(self, values: Array, constant: Callable[[float], float] = float) -> Array:
        """Return a column for each output from those that were searched; ``constant`` gives what the others hold."""
        if not self._constant:
            return values
        found = np.empty((len(values), self.n_outputs_), dtype=values.dtype)
        searched = [i for i in range(self.n_outputs_) if i not in self._constant]
        found[:, searched] = values.reshape(len(values), len(searched))
        for i, value in self._constant.items():
            found[:, i] = constant(value)
        return found

    @property
    def best_(self) -> Point:
        """The point that was fitted, of the pairs asked for: pair, learning rate, the loss's own parameters."""
        point: Point = self._fitted("model_").point
        return point

    @property
    def leaderboard_(self) -> pd.DataFrame:
        """One row a pair, the best first, the conventional pair always among them."""
        board: pd.DataFrame = self._fitted("result_").leaderboard
        return board

    @property
    def module_(self) -> nn.Module:
        """The fitted network, which gives raw output of prepared rows."""
        network: nn.Module = self._fitted("model_").network
        return network

    @property
    def criterion_(self) -> Criterion:
        """The pair made callable, with the parameters that were found."""
        criterion: Criterion = self._fitted("model_").criterion
        return criterion

    @property
    def n_iter_(self) -> int:
        """How many epochs the network was fitted."""
        return int(self._fitted("model_").origin.epoch)

    def _fitted(self, name: str) -> Any:
        """Return an attribute of a fitted estimator.

        Raises:
            AttributeError: it is not fitted.
        """
        if name not in self.__dict__:
            raise AttributeError(f"This {type(self).__name__} instance is not fitted yet: call fit first.")
        return self.__dict__[name]

    def __sklearn_is_fitted__(self) -> bool:
        return "model_" in self.__dict__

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.sparse = True
        tags.input_tags.string = True
        return tags
