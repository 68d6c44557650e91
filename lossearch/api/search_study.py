"""A study from Python objects."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lossearch.api.result import Result
from lossearch.config import make_config
from lossearch.data.sources import as_dataset, from_arrays
from lossearch.errors import InputError
from lossearch.losses import Loss
from lossearch.study.progress import Listener
from lossearch.tasks.build import Judging, as_metrics

if TYPE_CHECKING:
    from torch import nn
from lossearch.api.run_study import run


def _printed() -> AbstractContextManager[Listener]:
    """Return a listener that writes to standard error."""
    from lossearch.api.progress import console, display

    return display(console(stderr=True))


def _table(**values: Any) -> dict[str, Any]:
    return {k: v for k, v in values.items() if v is not None}


def search(
    X: Any = None,  # noqa: N803 - scikit-learn's name
    y: Any = None,
    *,
    task: str | None = None,
    metric: Judging = None,
    model: str | Callable[..., nn.Module] | None = None,
    losses: Sequence[str | Loss] | None = None,
    activations: Sequence[str] | None = None,
    pairs: Sequence[str] | None = None,
    params: Mapping[str, Any] | None = None,
    settings: Mapping[str, Any] | None = None,
    lr: float | tuple[float, float] | None = None,
    seeds: int = 5,
    trials: int | None = None,
    confirm_seeds: int = 20,
    rope: float | None = None,
    race: bool = False,
    timeout: str | None = None,
    mode: str = "equal",
    sampler: str = "tpe",
    prune: bool | None = None,
    epochs: int | None = None,
    batch_size: int | None = None,
    optimizer: str = "adam",
    options: Mapping[str, Any] | None = None,
    validation: Any = None,
    test: Any = None,
    groups: Any = None,
    time: Any = None,
    data: Any = None,
    target: str | None = None,
    stream: bool | None = None,
    held_rows: int | None = None,
    readers: int = 0,
    store: str | Path = "mlruns",
    storage: str | None = None,
    tracking_uri: str | None = None,
    mlflow: bool = True,
    weights: str = "best",
    name: str | None = None,
    seed: int = 0,
    workers: int | None = None,
    memory: str | None = None,
    listener: Listener | None = None,
) -> Result:
    """Search for the loss, output activation and learning rate that fit a task best.

    Everything left out is inferred from the data. The same call again goes on where it stopped.

    Args:
        X: inputs, one row a sample: array, tensor or DataFrame; images as (N, C, H, W).
        y: targets: classes of any type, or real numbers (N,) or (N, T).
        task: "regression", "binary" or "multiclass".
        metric: what judges: a name of ``lossearch.tasks.METRICS``, or a metric of your own. Of two, as in
            ``["accuracy", "log_loss"]``, the first judges, and the search looks for good points by both.
        model: a factory of networks, called with ``n_in`` and ``n_out`` where it takes them; "mlp" or
            "module:function".
        losses: names, or losses declared with :func:`lossearch.loss`; every usual one by default.
        activations: output activations that the losses meet, where legal.
        pairs: exactly these ``loss/activation`` pairs.
        params: ranges or fixed values of the losses' own parameters: ``{"focal.gamma": (0, 3)}``.
        settings: training settings searched too: ``{"batch_size": {"choices": [16, 64]}}``.
        lr: range, or one number to fix it.
        seeds: replicates of every point.
        trials: points of all pairs together; 16 a pair by default.
        confirm_seeds: fresh seeds of the confirmation; 0 for none, and no verdict.
        rope: differences up to this are equal for practical purposes; by default what suits the metric.
        race: whether pairs that are told worse after some of the fresh seeds get no more of them.
        timeout: when to stop, as "10m".
        mode: "equal" (the same number of points for every pair) or "adaptive".
        sampler: "tpe", "gp", "random", "qmc", "grid" or "brute".
        prune: whether trials that lag behind earlier ones of their pair are given up; by default in mode
            "adaptive".
        epochs: passes over the training rows.
        batch_size: rows a step.
        optimizer: a name of ``lossearch.training.optimizers.OPTIMIZERS``.
        options: the optimiser's other arguments, such as momentum.
        validation: given validation rows (X, y), or their share of the rows that are not test.
        test: given test rows (X, y), their share, or False for none.
        groups: one label a row; rows of one group stay in one part.
        time: one value a row by which parts follow each other.
        data: a built-in data set, a CSV or Parquet file, or "openml:ID", instead of X and y; or, read batch
            by batch, a Lightning data module, or torch data sets of the training, validation and test part.
        target: the target's column in ``data``.
        stream: whether training rows are read batch by batch rather than held; by default where a Parquet
            file or a memory-mapped array is large.
        held_rows: of streamed data, the most rows of each part that are held to be scored.
        readers: of streamed data, the processes that read ahead.
        store: directory of the records.
        storage: an Optuna storage URL, instead of the journal in the store.
        tracking_uri: an MLflow server, instead of the store's own database.
        mlflow: whether to write the MLflow view.
        weights: whose weights are kept: "best" (of every pair's best trial), "all" or "none".
        name: the study's name.
        seed: of splits, replicates and samplers.
        workers: processes that train at once, where that pays; all cores by default.
        memory: what training may use, as "4GiB"; half of what is free by default.
        listener: hears of the progress; by default it is printed.

    Raises:
        InputError: what is asked for cannot be done; the message lists why.
        RunFailedError: trials fail one after another in the same way.
    """
    given = _Given(validation, test)
    named = metric is not None and all(isinstance(m, str) for m in as_metrics(metric))
    config = make_config(
        {
            "task": _table(
                data=data if isinstance(data, str) else None,
                stream=stream,
                held_rows=held_rows,
                readers=readers,
                target=target,
                kind=task,
                metric=metric if isinstance(metric, str) else list(as_metrics(metric)) if named else None,
                model=model if isinstance(model, str) else None,
                validation=given.validation_share,
                test=given.test_share,
            ),
            "space": _table(
                losses=None
                if losses is None
                else [x if isinstance(x, str) else x.name for x in losses] or None,
                activations=activations,
                pairs=pairs,
                params=params,
                settings=settings,
                lr=lr,
            ),
            "budget": _table(
                trials=trials,
                seeds=seeds,
                confirm_seeds=confirm_seeds,
                rope=None if rope is None else float(rope),
                race=race,
                time=timeout,
                mode=mode,
                sampler=sampler,
                prune=prune,
                seed=seed,
            ),
            "train": _table(
                epochs=epochs,
                batch_size=batch_size,
                optimizer=optimizer,
                options=options,
                workers=workers,
                memory=memory,
            ),
            "records": _table(
                store=str(store),
                storage=storage,
                tracking_uri=tracking_uri,
                mlflow=mlflow,
                weights=weights,
                name=name,
            ),
        }
    )
    if (X is None) != (y is None):
        raise InputError(f"Give both X and y; got {'y' if X is None else 'X'} alone.")
    if X is not None and data is not None:
        raise InputError("Give either X and y, or data; got both.")
    dataset = None if data is None or isinstance(data, str) else as_dataset(data, config.name, stream=stream)
    if X is not None:
        dataset = from_arrays(
            X,
            y,
            name=config.name,
            validation=given.validation_rows,
            test=given.test_rows,
            groups=groups,
            time=time,
            stream=stream,
        )
    with ExitStack() as stack:
        heard = listener or stack.enter_context(_printed())
        return run(
            config,
            dataset=dataset,
            losses=[x for x in losses or () if isinstance(x, Loss)],
            model=model if callable(model) else None,
            metric=None if named else metric,
            listener=heard,
        )


class _Given:
    """Tells given rows (X, y) from shares."""

    def __init__(self, validation: Any, test: Any) -> None:
        self.validation_rows = validation if isinstance(validation, tuple) else None
        self.validation_share = None if isinstance(validation, tuple) else validation
        self.test_rows = test if isinstance(test, tuple) else None
        self.test_share = None if isinstance(test, tuple) else test
