"""The others: the usual script, Keras, a plain torch loop, JAX. Each imports its library when it is called."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from _problems import BATCH, MOMENTUM, problem
from _sides import started, timed

RATE = 0.05


def usual(name: str, trials: int, changes: Mapping[str, int], *, quiet: bool) -> dict[str, Any]:
    """Run the usual script: Optuna objective, LightningModule, Trainer with MLFlowLogger."""
    import logging

    import mlflow
    import optuna
    import torch
    import usual_script

    for library in ("pytorch_lightning", "mlflow", "alembic"):
        logging.getLogger(library).setLevel(logging.ERROR)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    imported = time.time()
    of = problem(name, **changes)
    rows = of.rows()
    y, y_val = (torch.from_numpy(t) for t in (rows.y, rows.y_val))
    if of.n_out == 1:
        y, y_val = y.float()[:, None], y_val.float()[:, None]
    data = usual_script.Data(torch.from_numpy(rows.x), y, torch.from_numpy(rows.x_val), y_val)
    module = usual_script.CirclesModule if of.n_out == 1 else usual_script.DigitsModule
    with tempfile.TemporaryDirectory() as folder:
        uri = f"sqlite:///{Path(folder) / 'mlflow.db'}"
        mlflow.MlflowClient(uri).create_experiment("circles", artifact_location=f"{folder}/artifacts")
        created = time.time()
        study, seconds, cpu = timed(
            lambda: usual_script.search(
                data, uri, folder, trials=trials, epochs=of.epochs, quiet=quiet, module=module
            )
        )
    return {
        "imports": imported - started(),
        "store": created - imported,
        "each": seconds / trials,
        "cpu_each": cpu / trials,
        "score": study.best_value,
    }


def keras_fit(name: str, backend: str, replicates: int, changes: Mapping[str, int]) -> dict[str, Any]:
    """Train by Keras ``fit`` with validation every epoch. ``backend`` was set in the environment."""
    import keras

    of = problem(name, **changes)
    rows = of.rows()

    def train(epochs: int) -> float:
        model = keras.Sequential(
            [
                keras.layers.Input((of.n_in,)),
                keras.layers.Dense(of.hidden, activation="relu"),
                keras.layers.Dense(of.n_out),
            ]
        )
        loss = (
            keras.losses.BinaryCrossentropy(from_logits=True)
            if of.n_out == 1
            else keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        )
        accuracy = keras.metrics.BinaryAccuracy(threshold=0.0) if of.n_out == 1 else "accuracy"
        model.compile(keras.optimizers.SGD(RATE, momentum=MOMENTUM), loss, metrics=[accuracy])
        history = model.fit(
            rows.x,
            rows.y[:, None] if of.n_out == 1 else rows.y,
            batch_size=BATCH,
            epochs=epochs,
            validation_data=(rows.x_val, rows.y_val[:, None] if of.n_out == 1 else rows.y_val),
            validation_batch_size=of.validation,
            verbose=0,
        )
        return float(next(v for k, v in history.history.items() if k.startswith("val_") and "acc" in k)[-1])

    if keras.backend.backend() != backend:
        raise RuntimeError(f"Keras runs on {keras.backend.backend()}, not on {backend}")
    train(1)
    found, seconds, cpu = timed(lambda: [train(of.epochs) for _ in range(replicates)])
    return {"each": seconds / replicates, "cpu_each": cpu / replicates, "accuracy": float(np.mean(found))}


def torch_loop(
    name: str, replicates: int, changes: Mapping[str, int], *, loader: bool = False
) -> dict[str, Any]:
    """Train by a plain loop: rows in memory and sliced by index, or a DataLoader; validation every epoch."""
    import torch
    from torch import nn
    from torch.utils.data import DataLoader, TensorDataset

    of = problem(name, **changes)
    rows = of.rows()
    x, x_val = torch.from_numpy(rows.x), torch.from_numpy(rows.x_val)
    y, y_val = torch.from_numpy(rows.y), torch.from_numpy(rows.y_val)
    if of.n_out == 1:
        y, y_val = y.float()[:, None], y_val.float()[:, None]
    batches = DataLoader(TensorDataset(x, y), batch_size=BATCH, shuffle=True) if loader else None

    def right(raw: torch.Tensor) -> torch.Tensor:
        found = (raw > 0).to(y_val.dtype) if of.n_out == 1 else raw.argmax(dim=1)
        return (found == y_val).double().mean()

    def train(epochs: int) -> float:
        net = nn.Sequential(nn.Linear(of.n_in, of.hidden), nn.ReLU(), nn.Linear(of.hidden, of.n_out))
        loss_fn = nn.BCEWithLogitsLoss() if of.n_out == 1 else nn.CrossEntropyLoss()
        optimizer = torch.optim.SGD(net.parameters(), lr=RATE, momentum=MOMENTUM)
        accuracy = 0.0
        for _ in range(epochs):
            order = torch.randperm(of.train).split(BATCH)
            for a, b in batches or ((x[i], y[i]) for i in order):
                optimizer.zero_grad()
                loss_fn(net(a), b).backward()
                optimizer.step()
            with torch.no_grad():
                raw = net(x_val)
                loss_fn(raw, y_val).item()
                accuracy = right(raw).item()
        return accuracy

    train(1)
    found, seconds, cpu = timed(lambda: [train(of.epochs) for _ in range(replicates)])
    return {"each": seconds / replicates, "cpu_each": cpu / replicates, "accuracy": float(np.mean(found))}


def jax_population(name: str, replicates: int, form: str, changes: Mapping[str, int]) -> dict[str, Any]:
    """Train a population by JAX; see ``_jax_side``."""
    import _jax_side

    return _jax_side.train(problem(name, **changes), replicates, form)
