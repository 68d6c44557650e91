"""The scikit-learn estimators, and what a fitted one tells."""

import numpy as np
from numpy.typing import NDArray

from lossearch import LossSearchClassifier, LossSearchRegressor, Point

rng = np.random.default_rng(0)
X: NDArray[np.float64] = rng.normal(size=(100, 3))
y: NDArray[np.bool_] = X[:, 0] > 0

model = LossSearchClassifier(losses=["bce", "focal"], epochs=5, hidden=(8,), random_state=0).fit(X, y)
point: Point = model.best_
pairs: list[str] = model.leaderboard_["pair"].tolist()
epochs: int = model.n_iter_
pair: str = model.criterion_.pair.name
training: bool = model.module_.training
probabilities: NDArray[np.float64] = model.predict_proba(X)
values: NDArray[np.float64] = LossSearchRegressor(lr=(1e-3, 1e-1), store=None).fit(X, X[:, 0]).predict(X)

LossSearchClassifier(epohcs=3)  # type: ignore[call-arg]
LossSearchRegressor(seeds="many")  # type: ignore[arg-type]
