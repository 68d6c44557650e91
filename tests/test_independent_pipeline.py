"""A study and its model beside a pipeline of scikit-learn and a plain torch loop, on data of many shapes and sizes.

``INDEPENDENT_DRAWS=300`` draws more data sets than the quick suite does.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.impute import SimpleImputer
from sklearn.metrics import accuracy_score, root_mean_squared_error
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from torch import nn

import lossearch
from lossearch.api.result import Result
from lossearch.study.progress import Listener
from lossearch.training.batches import initial_network, row_order

DRAWS = int(os.environ.get("INDEPENDENT_DRAWS", "25"))
TRAIN, VALIDATION, TEST = slice(0, 50), slice(50, 70), slice(70, 100)
N, EPOCHS, BATCH, LR = 100, 3, 10, 0.02
PAIRS = {"regression": "mse/identity", "binary": "bce/sigmoid", "multiclass": "cross_entropy/softmax"}


NOTATIONS: dict[str, Callable[[float], str]] = {
    "as Python writes it": repr,
    "decimal comma": lambda v: f"{v:.2f}".replace(".", ","),
    "thousands by comma": lambda v: f"{v:,.2f}",
    "thousands by dot": lambda v: f"{v:,.2f}".translate(str.maketrans(",.", ".,")),
    "thousands by apostrophe": lambda v: f"{v:,.2f}".replace(",", "'"),
    "thousands by space": lambda v: f"{v:,.2f}".replace(",", "\u00a0"),
    "currency before": lambda v: f"$ {v:,.2f}",
    "currency after": lambda v: f"{v:.2f} €".replace(".", ","),
    "percent": lambda v: f"{v:.2f} %",
    "true minus": lambda v: f"{v:.2f}".replace("-", "\u2212"),
    "brackets": lambda v: f"({-v:.2f})" if v < 0 else f"{v:.2f}",
}


@dataclass(frozen=True)
class Case:
    """Rows as a user has them, targets, and float64 inputs as scikit-learn prepares them."""

    kind: str
    x: Any
    y: Any
    inputs: np.ndarray
    layout: str


def sized(draw: st.DrawFn, values: np.ndarray, dtype: str) -> np.ndarray:
    """Return standard normal values at an offset and a scale that the type holds."""
    if dtype == "float16":
        return (
            values * draw(st.sampled_from([1e-2, 1.0, 300.0])) + draw(st.sampled_from([0.0, 5.0]))
        ).astype(dtype)
    if dtype == "uint8":
        return np.clip(values * 40 + 128, 0, 255).astype(dtype)
    if dtype.startswith("int"):
        return (values * draw(st.sampled_from([20, 3000])) + draw(st.sampled_from([0, 1000]))).astype(dtype)
    wide = dtype == "float64"
    scale = 10.0 ** draw(st.integers(-200, 200) if wide and draw(st.booleans()) else st.integers(-6, 9))
    offset = scale * draw(st.sampled_from([0.0, 1.0, -30.0, 1e9 if wide else 1e3]))
    return (values * scale + offset).astype(dtype)


def standardised(train: np.ndarray, every: np.ndarray) -> np.ndarray:
    """Return columns in standard deviations of the training rows, in units in which nothing overflows."""
    unit = np.nanmax(np.abs(train), axis=0)
    unit = 2.0 ** np.floor(np.log2(np.where(unit > 0, unit, 1.0)))
    imputer, scaler = SimpleImputer(strategy="median"), StandardScaler()
    scaler.fit(imputer.fit_transform(train / unit))
    return np.asarray(scaler.transform(imputer.transform(every / unit)))


@st.composite
def cases(draw: st.DrawFn) -> Case:
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    layout = draw(st.sampled_from(["matrix", "frame", "sequence", "image", "channels last"]))
    types = ["float16", "float32", "float64", "int16", "int32", "uint8"]
    shape = {
        "matrix": (4,), "frame": (4,), "sequence": (7, 4), "image": (3, 6, 6), "channels last": (6, 6, 3),
    }[layout]  # fmt: skip
    z = rng.normal(size=(N, *shape))
    axis = {"image": 1, "channels last": 3}.get(layout, z.ndim - 1)
    channels = np.moveaxis(z, axis, 0)
    signal = channels.reshape(len(channels), N, -1).mean(axis=2)
    kind = draw(st.sampled_from(sorted(PAIRS)))
    one = draw(st.sampled_from([t for t in types if t != "uint8" or layout != "sequence"]))
    each = [draw(st.sampled_from(types)) if layout == "frame" else one for _ in channels]
    columns = [sized(draw, c, t) for c, t in zip(channels, each, strict=True)]
    if layout == "sequence":
        # features that are all alike are scaled as one
        columns[:2] = [(channels[0] * 9).astype(one), (channels[1] * 900).astype(one)]
    if layout == "frame":
        x, inputs = framed(draw, rng, columns)
    else:
        x = np.moveaxis(np.stack(columns), 0, axis)
        every = [c.reshape(-1, 1).astype(np.float64) for c in columns]
        per = len(every[0]) // N
        scaled = [standardised(c[: TRAIN.stop * per], c).reshape(columns[0].shape) for c in every]
        inputs = np.moveaxis(np.stack(scaled), 0, axis)
    return Case(kind, x, target(draw, rng, kind, signal.sum(axis=0)), inputs, layout)


def framed(
    draw: st.DrawFn, rng: np.random.Generator, columns: list[np.ndarray]
) -> tuple[pd.DataFrame, np.ndarray]:
    """Return a table, with gaps and names where they are drawn, and its inputs."""
    table = pd.DataFrame({f"c{i}": c for i, c in enumerate(columns)})
    if draw(st.booleans()):
        gaps = rng.random(N) < 0.2
        table["c0"] = table["c0"].astype(np.float64).mask(gaps)
    known = table.astype(np.float64)
    if draw(st.booleans()):
        known["written"] = np.round(rng.normal(size=N) * draw(st.sampled_from([1.0, 2000.0])), 2)
        table["written"] = known["written"].map(NOTATIONS[draw(st.sampled_from(sorted(NOTATIONS)))])
        if draw(st.booleans()):
            gaps = rng.random(N) < 0.2
            table["written"] = table["written"].mask(gaps, draw(st.sampled_from(["?", "n/a", "-", ""])))
            known["written"] = known["written"].mask(gaps)
    numbers = known.to_numpy()
    blocks = [
        standardised(numbers[TRAIN], numbers),
        *(np.isnan(c)[:, None] for c in numbers.T if np.isnan(c).any()),
    ]
    if draw(st.booleans()):
        table["name"] = rng.choice(["a", "b", "c"], N)
        blocks.append(
            OneHotEncoder(sparse_output=False).fit(table[["name"]][TRAIN]).transform(table[["name"]])
        )
    return table, np.concatenate(blocks, axis=1)


def target(draw: st.DrawFn, rng: np.random.Generator, kind: str, signal: np.ndarray) -> np.ndarray:
    if kind == "regression":
        scale = 10.0 ** draw(st.integers(-9, 9))
        offset = scale * draw(st.sampled_from([0.0, 10.0, -1e5, 1e8]))
        return (signal + 0.1 * rng.normal(size=N)) * scale + offset
    edges = [0.0] if kind == "binary" else np.quantile(signal, [1 / 3, 2 / 3])
    labels = np.digitize(signal, edges)
    names = draw(st.sampled_from([np.arange(3), np.array([-1, 1, 5]), np.array(["x", "y", "z"])]))
    return names[labels]


def searched(case: Case, store: Path) -> Result:
    return lossearch.search(
        case.x, case.y, task=case.kind, pairs=[PAIRS[case.kind]], lr=LR, seeds=1, confirm_seeds=2, epochs=EPOCHS,
        batch_size=BATCH, hidden=[8], mlflow=False, workers=1, store=store, listener=Listener(), epoch="last",
        rows={"train": "0:50", "validation": "50:70", "test": "70:100"},
    )  # fmt: skip


def trained_by_hand(case: Case, encoded: torch.Tensor, seed: int, result: Result) -> torch.Tensor:
    """Return the raw output for all rows of a network trained by a plain loop on inputs prepared elsewhere."""
    task = result.prepared.plan.task
    network = initial_network(task, seed)
    assert isinstance(network, nn.Sequential)
    x = torch.as_tensor(case.inputs, dtype=torch.float32)
    loss = {
        "regression": nn.MSELoss(),
        "binary": nn.BCEWithLogitsLoss(),
        "multiclass": nn.CrossEntropyLoss(),
    }[case.kind]
    optimizer = torch.optim.Adam(network.parameters(), lr=LR)
    for epoch in range(EPOCHS):
        for rows in torch.split(row_order(seed, epoch, TRAIN.stop), BATCH):
            optimizer.zero_grad()
            loss(network(x[rows]), encoded[rows]).backward()
            optimizer.step()
    with torch.no_grad():
        return network.eval()(x)


@pytest.mark.filterwarnings("ignore")
@settings(max_examples=DRAWS, deadline=None, suppress_health_check=list(HealthCheck))
@given(case=cases())
def test_study_and_model_agree_with_scikit_learn_and_a_torch_loop(case: Case) -> None:
    y = np.asarray(case.y)
    classes, codes = np.unique(y, return_inverse=True)
    with tempfile.TemporaryDirectory() as place:
        result = searched(case, Path(place))
        model, seed = result.model, result.model.origin.seed
        mean, sd = (y[TRAIN].mean(), y[TRAIN].std()) if case.kind == "regression" else (0.0, 1.0)
        encoded = {
            "regression": lambda: torch.as_tensor((y - mean) / sd, dtype=torch.float32)[:, None],
            "binary": lambda: torch.as_tensor(codes, dtype=torch.float32)[:, None],
            "multiclass": lambda: torch.as_tensor(codes),
        }[case.kind]()
        raw = trained_by_hand(case, encoded, seed, result)
        np.testing.assert_allclose(model.raw(case.x), raw, atol=2e-4)
        found = model.predict(case.x)
        if case.kind == "regression":
            expected = raw[:, 0].double().numpy() * sd + mean
            np.testing.assert_allclose(found, expected, rtol=0, atol=5e-4 * sd)
            ours, score = model.origin.scores["validation rmse"], root_mean_squared_error
        else:
            sure = raw.abs().amin(dim=1) > 1e-3 if case.kind == "binary" else _margin(raw) > 1e-3
            index = (raw[:, 0] > 0).long() if case.kind == "binary" else raw.argmax(dim=1)
            assert found[sure].tolist() == classes[index[sure]].tolist()
            ours, score = None, accuracy_score
        if ours is not None:
            assert ours == pytest.approx(score(y[VALIDATION], found[VALIDATION]), rel=1e-3)
        _kept_predictions_give_the_score(Path(place), y, classes, result, score)


def _margin(raw: torch.Tensor) -> torch.Tensor:
    best, second = raw.topk(2, dim=1)[0].unbind(dim=1)
    return best - second


def _kept_predictions_give_the_score(
    store: Path, y: np.ndarray, classes: np.ndarray, result: Result, score: Any
) -> None:
    (path,) = store.rglob("predictions.parquet")
    kept = pd.read_parquet(path)
    tested = kept[kept["part"] == "test"]
    field = "value" if "value" in tested else "label"
    known = y if field == "value" else np.searchsorted(classes, y)
    assert (tested["target"].to_numpy() == known[tested["row"].to_numpy()]).all()
    by_seed = [score(rows["target"], rows[field]) for _, rows in tested.groupby("seed")]
    if result.prepared.plan.task.metric.name in ("rmse", "accuracy"):
        assert result.leaderboard.loc[0, "score"] == pytest.approx(np.mean(by_seed), rel=1e-9)
