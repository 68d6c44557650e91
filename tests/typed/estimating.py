"""Estimators in a pipeline of scikit-learn."""

import numpy as np
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import lossearch

rng = np.random.default_rng(0)
X = rng.normal(size=(100, 3))
y = X[:, 0] > 0

classifier = lossearch.LossSearchClassifier(losses=["bce", "hinge"], trials=10, epochs=3)
fitted: lossearch.LossSearchClassifier = classifier.fit(X, y)
best: lossearch.Point = fitted.best_
result: lossearch.Result = fitted.result_
model: lossearch.FittedModel = fitted.model_
predicted = fitted.predict(X[:5])
regressor = lossearch.LossSearchRegressor(lr=0.01, random_state=0).fit(X, X[:, 0])
scores = cross_val_score(make_pipeline(StandardScaler(), classifier), X, y, cv=3)

lossearch.LossSearchClassifier(epohcs=3)  # type: ignore[call-arg]
