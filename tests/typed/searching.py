"""A search, its answer, and the model of the winner."""

import numpy as np
import optuna
import pandas as pd
from numpy.typing import NDArray

import lossearch

rng = np.random.default_rng(0)
X: NDArray[np.float64] = rng.normal(size=(100, 3))
y: NDArray[np.bool_] = X[:, 0] > 0

result = lossearch.search(
    X,
    y,
    task="binary",
    losses=["bce", "focal"],
    metric="accuracy",
    trials=20,
    seeds=2,
    confirm_seeds=0,
    epochs=3,
    lr=(1e-3, 1.0),
    params={"focal.alpha": (0.1, 0.9)},
    schedule="cosine",
    timeout="10m",
    store="runs",
    name="typed",
)
board: pd.DataFrame = result.leaderboard
best: lossearch.Point = result.best
pair: str = best.pair
lr: float = best.lr
tied: list[str] = list(result.tied)
study: optuna.Study = result.study
model: lossearch.FittedModel = result.model
predicted = model.predict(X[:5])
model.save("typed-model")
again: lossearch.FittedModel = lossearch.load_model("typed-model")
loaded: lossearch.Result = lossearch.load("typed", "runs")
criterion: lossearch.Criterion = loaded.best.criterion()

lossearch.search(X, y, epohcs=3)  # type: ignore[call-arg]
lossearch.search(X, y, trials="many")  # type: ignore[arg-type]


def f1_of_mine(y_true: NDArray[np.int64], y_pred: NDArray[np.int64]) -> float:
    """Return a metric."""
    return float((y_true == y_pred).mean())


lossearch.search(X, y, metric=f1_of_mine, direction="maximize")
lossearch.search(X, y, metric=["accuracy", "log_loss"], test=0.2, validation=0.2)
