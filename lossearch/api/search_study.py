"""A study from Python objects."""

from __future__ import annotations

import inspect
import os
import textwrap
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, TypeVar, Unpack, get_type_hints

from lossearch.api.arguments import (
    goes_with_data,
    listener_of,
    model_of,
    module_of,
    plain_value,
    rows_of,
    share_of,
)
from lossearch.api.components import loss_names, losses_of, metrics_of
from lossearch.api.result import Result
from lossearch.api.run_study import run
from lossearch.config import KEYS, SearchOptions, make_config, tables_of
from lossearch.data.containers import is_table
from lossearch.data.objects import as_dataset, is_data
from lossearch.data.sources import from_arrays
from lossearch.errors import InputError, refuse
from lossearch.kinds import KINDS
from lossearch.losses import Loss
from lossearch.study.own_sampler import sampler_of
from lossearch.study.progress import Listener
from lossearch.tasks.judges import Judging, as_metrics

if TYPE_CHECKING:
    from torch import nn

F = TypeVar("F", bound=Callable[..., Any])


def _with_options(function: F) -> F:
    """Give a function that takes options by name the signature and the documentation of each of them."""
    signature = inspect.signature(function)
    *own, _ = signature.parameters.values()
    named = [key for key in KEYS if key.parameter not in {p.name for p in own}]
    types = get_type_hints(SearchOptions)
    options = [
        inspect.Parameter(
            key.parameter,
            inspect.Parameter.KEYWORD_ONLY,
            default=key.default,
            annotation=types[key.parameter],
        )
        for key in named
    ]
    function.__dict__["__signature__"] = signature.replace(parameters=[*own, *options])
    lines = [f"{key.parameter}: {key.told(key.default)}" for key in named]
    told = textwrap.indent("\n".join(lines), " " * 8).lstrip()
    function.__doc__ = str(function.__doc__).replace("**others: these keys of a study file.", told)
    return function


@_with_options
def search(
    X: Any = None,  # noqa: N803 - scikit-learn's name
    y: Any = None,
    *,
    data: Any = None,
    metric: Judging = None,
    model: str | Callable[..., nn.Module] | None = None,
    module: str | Callable[..., Any] | None = None,
    datamodule: Any = None,
    trainer_kwargs: Mapping[str, Any] | None = None,
    losses: str | Loss | Callable[..., Any] | Sequence[str | Loss | Callable[..., Any]] | None = None,
    sampler: Any = None,
    validation: Any = None,
    test: Any = None,
    groups: Any = None,
    time: Any = None,
    sample_weight: Any = None,
    split: Any = None,
    listener: Listener | None = None,
    **others: Unpack[SearchOptions],
) -> Result:
    """Search for the loss, output activation and learning rate that fit a task best.

    Everything left out, or None, is inferred from the data or has its default; but a study always has a store.
    The same call again goes on where it stopped. Every key of a study file may be given, under its own name; ``task``
    is the kind of task, ``timeout`` the time limit.

    Args:
        X: inputs, one row a sample: array, tensor, sparse matrix, lists, or a table of pandas or another library that
            exports Arrow; images as (N, C, H, W).
        y: targets: classes of any type, real numbers (N,) or (N, T), or masks (N, H, W) of 0 and 1; None where X itself
            is to be predicted (``task="reconstruction"``).
        data: a built-in data set, a CSV or Parquet file, a directory of images with one directory a class, or
            "openml:ID", instead of X and y; a table or a Hugging Face data set, with the name of its ``target``; or, read
            batch by batch, a Lightning data module, or torch data sets of the training, validation and test part.
        metric: what judges: a name of ``lossearch.metrics.registry.METRICS``, or a metric of your own: declared, a function
            ``f(y_true, y_pred)``, "module:function" or a torchmetrics object; ``(f, "maximize")`` says which way it is
            better. Of two, as in
            ``["accuracy", "log_loss"]``, the first judges, and the search looks for good points by both.
        model: a factory of networks, called with ``n_in`` and ``n_out`` where it takes them; a network itself, whose
            weights every replicate starts from; "mlp", "cnn", "fcn" (a number a pixel), "autoencoder" or
            "module:function". Where a factory is not told of the
            outputs, the network's last linear layer is replaced by one of the width that is needed.
        module: a LightningModule of your own, instead of ``model``: its class, a function that returns one, or
            "module:Class". It is trained as it is, by its own ``configure_optimizers`` and a Trainer; it is given the
            criterion and the learning rate.
        datamodule: what the module is trained on: a LightningDataModule, its class, or loaders
            (train, validation[, test]).
        trainer_kwargs: arguments of the module's Trainer; callbacks and loggers as functions that make them.
        losses: names, "module:function" of one's own, or losses declared with :func:`lossearch.loss`; or functions and
            modules that are not, and take raw output and targets; every usual one by default.
        sampler: what chooses points after the first: "tpe" (the default), "gp", "random"; an Optuna sampler, its class
            or a function of a seed that returns one, asked for each pair's points by that pair's trials alone; or
            "qmc", "grid", "brute", which give every point at once.
        validation: given validation rows (X, y), or their share of the rows that are not test.
        test: given test rows (X, y), their share, or False for none.
        groups: one label a row, or their column in ``data``; rows of one group stay in one part.
        time: one value a row, or their column in ``data``, by which parts follow each other.
        sample_weight: one number a row from 0 up, or their column in ``data``: what a row weighs in the loss. Metrics
            count every row once.
        split: the part each row is in, "train", "validation" or "test", or the column of ``data`` that says so.
        listener: hears of the progress; by default it is printed.
        **others: these keys of a study file.

    Raises:
        InputError: what is asked for cannot be done; the message lists why.
        RunFailedError: trials fail one after another in the same way, or code that is run calls ``sys.exit``.
        TerminatedError: SIGTERM came while something was trained.

    Example:
        >>> import lossearch
        >>> result = lossearch.search(
        ...     data="circles", losses=["bce", "hinge"], trials=15, seeds=1, confirm_seeds=2, epochs=2, mlflow=False
        ... )
        >>> result.best.pair in set(result.leaderboard["pair"])
        True
    """
    data = os.fspath(data) if isinstance(data, os.PathLike) else data
    if others.get("store", "") is None:
        raise InputError(
            "store is None, and a study is always recorded: name a directory, or leave store out for 'mlruns'."
        )
    advisor, own_sampler = sampler_of(sampler, others)
    others = SearchOptions(**{name: plain_value(value) for name, value in others.items()})  # type: ignore[typeddict-item]
    listener, model, own = listener_of(listener), model_of(model), losses_of(losses)
    metric, direction = metrics_of(metric)
    if direction is not None:
        others["direction"] = direction
    validation, test = share_of(validation), share_of(test)
    own_module = module_of(module, datamodule, trainer_kwargs, others)
    others = SearchOptions(**{k: v for k, v in others.items() if k not in own_module.named})  # type: ignore[typeddict-item]
    validation_rows, test_rows = rows_of(validation, "validation"), rows_of(test, "test")
    named = metric is not None and all(isinstance(m, str) for m in as_metrics(metric))
    config = make_config(
        tables_of(
            {
                **others,
                "data": _if(str, data),
                "metric": metric if isinstance(metric, str) else list(as_metrics(metric)) if named else None,
                "model": _if(str, model),
                **own_module.named,
                "losses": None if own is None else loss_names(own),
                "sampler": advisor,
                "validation": validation if validation_rows is None else None,
                "test": test if test_rows is None else None,
                "groups": _if(str, groups),
                "time": _if(str, time),
                "sample_weight": _if(str, sample_weight),
                "split": _if(str, split),
            }
        )
    )
    X, data = _inputs_or_data(X, y, data, config.task.kind)  # noqa: N806
    if X is None:
        _refuse_rows({"validation": validation_rows, "test": test_rows})
        of_rows = {"groups": groups, "time": time, "sample_weight": sample_weight, "split": split}
        _refuse_rows({k: v for k, v in of_rows.items() if not isinstance(v, str)})
    else:
        refuse(goes_with_data(others, ("target", "data_options")))
    task, stream = config.task, config.task.stream
    dataset = None
    if not (data is None or isinstance(data, str)):
        dataset = as_dataset(
            data,
            config.name,
            target=task.target,
            groups=task.groups,
            time=task.time,
            sample_weight=task.sample_weight,
            split=task.split,
            options=task.data_options,
            stream=stream,
        )
    if X is not None:
        dataset = from_arrays(
            X,
            y,
            name=config.name,
            validation=validation_rows,
            test=test_rows,
            groups=groups,
            time=time,
            sample_weight=sample_weight,
            split=split,
            stream=stream,
        )
    with ExitStack() as stack:
        if listener is None:
            from lossearch.api.progress import console, display

            listener = stack.enter_context(display(console(stderr=True)))
        return run(
            config,
            dataset=dataset,
            losses=[x for x in own or () if not isinstance(x, str)],
            model=model if callable(model) else None,
            metric=None if named else metric,
            module=own_module.objects,
            sampler=own_sampler,
            listener=listener,
        )


def _inputs_or_data(x: Any, y: Any, data: Any, kind: str | None) -> tuple[Any, Any]:
    """Return inputs and data, one of which is None; what was given as inputs and holds the targets too is data.

    Raises:
        InputError: both are given, or inputs without targets, or targets that a kind of task has not.
    """
    if isinstance(x, (str, os.PathLike)):
        name = os.fspath(x)
        study = name.endswith(".toml")
        raise InputError(
            f"X is {name!r}, a name: X takes the inputs themselves. "
            + (
                f"A study file is run with lossearch run {name}."
                if study
                else f"Give data={name!r} for a built-in problem, a file or OpenML, or lossearch.load({name!r}) for a "
                "recorded study."
            )
        )
    alone = kind is not None and KINDS[kind].own_inputs
    if alone and y is not None:
        raise InputError(f"A {kind} task predicts X itself: leave y out.")
    if x is not None and y is None and data is None and is_data(x) and not (alone and is_table(x)):
        return None, x
    if (x is None) != (y is None) and not alone:
        raise InputError(f"Give both X and y; got {'y' if x is None else 'X'} alone.")
    if x is not None and data is not None:
        raise InputError("Give either X and y, or data; got both.")
    return x, data


def _refuse_rows(given: Mapping[str, Any]) -> None:
    """Refuse values of single rows where the rows are not given too."""
    refuse(
        [
            f"{name} holds values of rows, and goes with X and y. Of data, name a column, or give a share."
            for name, value in given.items()
            if value is not None
        ]
    )


def _if(kind: type, value: Any) -> Any:
    """Return a value of this type, else None."""
    return value if isinstance(value, kind) else None
