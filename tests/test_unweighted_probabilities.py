"""Models trained with class weights give the probabilities of classes as they occur."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from contracts.problems import every_pair, problem
from counted import counted
from sklearn.metrics import log_loss
from torch import Tensor, nn

import lossearch
from lossearch.pairs import Criterion

SHARES = {"binary": [0.9, 0.1], "multiclass": [0.7, 0.2, 0.1], "multilabel": [0.2, 0.05, 0.6]}
WEIGHTS = {
    "binary": ((1.0, 7.0),),
    "multiclass": ((1.0, 4.0, 9.0),),
    "multilabel": ((1.0, 3.0), (1.0, 10.0), (1.0, 0.5)),
}
ROWS = 1000


def targets(kind: str) -> Tensor:
    """Return targets in which each class has its share."""
    shares = SHARES[kind]
    if kind == "multilabel":
        return torch.stack([(torch.arange(ROWS) < s * ROWS).double() for s in shares], dim=1)
    return torch.repeat_interleave(torch.arange(len(shares)), torch.tensor([round(s * ROWS) for s in shares]))


def minimiser(crit: Criterion, width: int, y: Tensor) -> tuple[Tensor, float]:
    """Return the one output for all rows that is best, and how steep the loss still is there."""
    raw = torch.zeros(1, width, dtype=torch.float64, requires_grad=True)
    search = torch.optim.LBFGS(
        [raw], 0.5, 500, tolerance_grad=1e-12, tolerance_change=1e-14, line_search_fn="strong_wolfe"
    )

    def closure() -> Tensor:
        search.zero_grad()
        loss = crit(raw.expand(ROWS, -1), y)
        loss.backward()
        return loss

    search.step(closure)
    return raw.detach(), float(raw.grad.abs().max())


@pytest.mark.parametrize("kind", SHARES)
def test_probabilities_are_of_classes_as_they_occur(kind):
    """Where inputs say nothing, the shares of the classes are known."""
    task, y, checked = problem(kind), targets(kind), []
    for pair in every_pair(task):
        if not pair.gives("probability") or pair.loss.head is not None:
            continue
        crit = Criterion(pair, None, counted(pair, task.n_out), WEIGHTS[kind]).double()
        raw, slope = minimiser(crit, pair.width(task.n_out), y)
        if slope > 1e-6:
            continue  # flat, or with a kink
        p = crit.predict_proba(raw)[0]
        expected = torch.tensor(SHARES[kind], dtype=torch.float64)
        torch.testing.assert_close(p, expected, rtol=1e-3, atol=1e-3, msg=f"{pair.name}: {p}")
        checked.append(pair.name)
    assert len(checked) >= 4, checked


def test_a_model_gives_known_posteriors_however_its_classes_weigh(tmp_path):
    draws = np.random.default_rng(1)
    x = draws.normal(size=(4000, 2))
    posterior = 1 / (1 + np.exp(-(1.5 * x[:, 0] - 3)))
    y = (draws.uniform(size=4000) < posterior).astype(int)
    found = {}
    for way in ("none", "balanced"):
        result = lossearch.search(
            x, y, pairs=["bce/sigmoid"], model=nn.Linear, metric="log_loss", lr=0.05,
            epochs=20, batch_size=64, class_weight=way, seeds=2, confirm_seeds=2, store=tmp_path, name=way, mlflow=False,
        )  # fmt: skip
        found[way] = result.model
        assert result.model.corrects_probabilities == (way == "balanced")
    mistaken = {way: np.abs(model.predict_proba(x)[:, 1] - posterior).mean() for way, model in found.items()}
    assert mistaken["balanced"] < 0.02
    assert mistaken["none"] < 0.02
    labels = {way: model.predict(x).mean() for way, model in found.items()}
    assert labels["balanced"] > 3 * labels["none"], "labels go by the weighted score"
    assert log_loss(y, found["balanced"].predict_proba(x)) < 1.02 * log_loss(y, posterior)
    folder = found["balanced"].save(tmp_path / "model")
    again = lossearch.load_model(folder, model=nn.Linear)
    np.testing.assert_array_equal(again.predict_proba(x), found["balanced"].predict_proba(x))
    assert "corrected" in (folder / "README.md").read_text()
