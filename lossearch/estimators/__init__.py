"""Estimators for scikit-learn: a search for the loss, and the model it found, as one object with fit and predict."""

from lossearch.estimators.classifier import LossSearchClassifier
from lossearch.estimators.regressor import LossSearchRegressor

__all__ = ["LossSearchClassifier", "LossSearchRegressor"]
