"""A task from a data set: kind, splits, preparation, network and metrics put together."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import nn

from lossearch.data import preparation
from lossearch.data.dataset import Dataset
from lossearch.data.inputs import Inputs
from lossearch.data.own_targets import predicting_itself
from lossearch.data.readings import Reading
from lossearch.data.rows import Features, RowSource
from lossearch.data.sketch import sketch
from lossearch.data.splits import Labels, Rows, Splits, make_splits, parts_by_rows
from lossearch.data.suspects import far_values, repeated_rows, telling_columns
from lossearch.errors import InputError, refuse
from lossearch.kinds import KINDS, MOST_ROUNDING, Target, TargetFacts, read_target
from lossearch.metrics.metric import Metric
from lossearch.networks.architecture import default_model, make_network, takes_channels_first
from lossearch.networks.factory import Network
from lossearch.networks.output_check import check_network
from lossearch.tasks.blueprint import Blueprint
from lossearch.tasks.folds import Folds
from lossearch.tasks.judges import Judging, find_judges
from lossearch.tasks.parts import Parts
from lossearch.tasks.streams import StreamedFolds, drawn_shares
from lossearch.tasks.task import Task

_RECORD = 1
"""Raised where the same settings would give other numbers than before."""


def _facts(target: Target, splits: Splits, dtype: torch.dtype, standardize_target: bool) -> TargetFacts:
    facts = KINDS[target.kind].facts(target.y[splits.not_test], target.n_out, dtype)
    if not standardize_target and facts.rounding > MOST_ROUNDING:
        raise InputError(
            f"y goes from {facts.low:.9g} to {facts.high:.9g}, and {str(dtype).removeprefix('torch.')} does not tell "
            "such numbers apart: standardize the target (the default), or subtract an offset from y."
        )
    return facts


def _given_parts(dataset: Dataset, rows: Mapping[str, str] | None) -> dict[str, Rows]:
    if rows and dataset.parts:
        raise InputError("Parts were given both with the data and by rows: give them once.")
    return parts_by_rows(rows, len(dataset)) if rows else dict(dataset.parts or {})


def _splits(
    dataset: Dataset,
    target: Target,
    rows: Mapping[str, str] | None,
    test: bool | float | None,
    validation: float | None,
    seed: int,
) -> Splits:
    parts = _given_parts(dataset, rows)
    labels = Labels(len(dataset), target.strata, dataset.groups, dataset.time, target.classes)
    no_test = bool(rows) and "test" not in parts
    return make_splits(labels, given=parts, test=False if no_test else test, validation=validation, seed=seed)


def _folds(
    dataset: Dataset,
    target: Target,
    splits: Splits,
    *,
    standardize_target: bool,
    dtype: torch.dtype,
    scale: bool,
    channels_first: bool,
    held_rows: int | None,
    readers: int,
    seed: int,
) -> Folds | StreamedFolds:
    labels = splits.labels.groups
    groups = None if labels is None else np.unique(labels, return_inverse=True)[1].astype(np.int64)
    parts = Parts(target, groups, standardize_target, dtype, dataset.sample_weight)
    if not isinstance(dataset.x, RowSource):
        refuse(_only_streamed(held_rows, readers))
        return Folds(dataset.x, splits, parts, scale=scale, channels_first=channels_first)
    return StreamedFolds(
        dataset.x, splits, parts, scale=scale, channels_first=channels_first, held_rows=held_rows,
        readers=readers, seed=seed,
    )  # fmt: skip


def _only_streamed(held_rows: int | None, readers: int) -> list[str]:
    given = [name for name, value in (("held_rows", held_rows), ("readers", readers)) if value]
    return [f"{name} is for data that are streamed: add stream = true, or leave it out." for name in given]


def _shape_of(network: nn.Module) -> list[Any]:
    words = re.sub(r" at 0x[0-9a-f]+", "", repr(network))
    return [[name, list(p.shape)] for name, p in network.state_dict().items()] + [words]


def _digest(*parts: Any) -> str:
    return hashlib.blake2b(json.dumps([_RECORD, *parts]).encode(), digest_size=16).hexdigest()


def _split_digest(splits: Splits, seed: int) -> str:
    """Hash the parts themselves: what drew them does not matter."""
    train, validation = splits.rows(seed)
    found = hashlib.blake2b(digest_size=16)
    for rows in (splits.test, splits.pool, train, validation):
        found.update(np.ascontiguousarray(rows, dtype=np.int64).tobytes() + b"|")
    return f"{found.hexdigest()} {splits.by_seed} {splits.share}"


def make_task(
    dataset: Dataset,
    *,
    kind: str | None = None,
    metric: Judging = None,
    metrics: Sequence[str | Metric] = (),
    model: Any = None,
    hidden: Sequence[int] | None = None,
    init: str = "torch",
    scale: bool = True,
    standardize_target: bool = True,
    rows: Mapping[str, str] | None = None,
    validation: float | None = None,
    test: bool | float | None = None,
    seed: int = 0,
    dtype: torch.dtype = torch.float32,
    held_rows: int | None = None,
    readers: int = 0,
    direction: str | None = None,
) -> Task:
    """Return a task made of a data set; what is not said is inferred, and noted with the reason.

    Args:
        dataset: features and targets.
        kind: the kind of task; inferred from the targets by default.
        metric: what judges; by default accuracy (balanced where a class is rare), RMSE for regression. Of
            two, the first judges and the second is an objective beside it.
        metrics: further metrics, besides all usual ones of the kind.
        model: the name of a built-in network, None for that of the kind of task; "module:function"; or a function
            giving an nn.Module.
        hidden: hidden widths of the default network.
        init: "torch" or "he_uniform", for the default network.
        scale: whether inputs are standardised by the training rows.
        standardize_target: whether regression targets are, for losses that train on real numbers.
        rows: parts by row range, as {"train": "0:500", "validation": "500:1000"}.
        validation: the validation part's share of what is not test, 25 % by default.
        test: the test part: None or True for 20 %, a share, or False for none.
        seed: the study's; it draws the test part.
        dtype: of inputs, real targets and weights.
        held_rows: of streamed data, the most rows of each part that are held to be scored.
        readers: of streamed data, the processes that read ahead.
        direction: "maximize" or "minimize", of a metric of the user's own that does not say it.

    Raises:
        InputError: something of this does not fit the data; the message says what and what to do.
    """
    if kind is not None and KINDS[kind].own_inputs:
        dataset = predicting_itself(dataset)
    target = read_target(
        dataset.y, kind, dataset.classes, categorical=dataset.categorical, ordered=dataset.ordered
    )
    model = default_model(KINDS[target.kind].network, _row_shape(dataset.x)) if model is None else model
    streamed = isinstance(dataset.x, RowSource)
    if streamed:
        test, validation = drawn_shares(test, validation, len(dataset), held_rows)
    splits = _splits(dataset, target, rows, test, validation, seed)
    folds = _folds(
        dataset, target, splits, standardize_target=standardize_target, dtype=dtype, scale=scale,
        channels_first=takes_channels_first(model), held_rows=held_rows, readers=readers, seed=seed,
    )  # fmt: skip
    plan = folds.plan
    judges = find_judges(metric, metrics, target, splits, direction)
    first = folds.fold(seed)
    sizes = folds.sizes(seed)
    shape = tuple(first.train.x.shape[1:])
    network = make_network(
        model,
        input_shape=shape,
        rows=sizes["train"],
        hidden=hidden,
        init=init,
        dtype=dtype,
    )
    built, on_model = check_network(network, first.train.x[:8], target.kind, target.n_out)
    notes = [
        target.reason,
        *judges.notes,
        *dataset.notes,
        *plan.notes,
        splits.words,
        *_suspects(dataset, target, splits, seed),
        *folds.notes,
        *_weight_notes(dataset),
        f"model {_model_words(network, built)}",
        *on_model,
    ]
    return Task(
        name=dataset.name,
        kind=target.kind,
        facts=_facts(target, splits, dtype, standardize_target),
        metric=judges.judge,
        metrics=judges.every,
        fold=folds.fold,
        test=folds.test,
        network=network,
        digest=_digest(
            dataset.digest, target.kind, _split_digest(splits, seed), _plan_digest(plan), standardize_target,
            network.name, _shape_of(built), judges.judge.name, str(dtype), *(["streamed", held_rows] if streamed else []),
            *(["float64 targets"] if KINDS[target.kind].scaled else []),
        ),
        sizes=sizes,
        classes=target.classes,
        target=dataset.target,
        notes=tuple(notes),
        describe=_describe(dataset, target, plan, splits, network, shape),
        blueprint=Blueprint(network, _labels(dataset, target), partial(_inputs, folds, dataset.readings, dataset.images), folds.whole, target.shape),
        second=judges.second,
        weighted=dataset.sample_weight is not None,
    )  # fmt: skip


def _row_shape(x: Features | RowSource) -> tuple[int, ...]:
    """Return the shape of a row as it is read; of streamed data too."""
    row = x.read(np.arange(1)) if isinstance(x, RowSource) else x[:1]
    return tuple(row.shape[1:])


def _suspects(dataset: Dataset, target: Target, splits: Splits, seed: int) -> tuple[str, ...]:
    """Return notes on what makes a score say another thing than one thinks, of data in memory."""
    if isinstance(dataset.x, RowSource):
        return ()
    train, validation = splits.rows(seed)
    parts = {"training": train, "validation": validation, "test": splits.test}
    classes = not KINDS[target.kind].form.numbers
    return (
        *(() if KINDS[target.kind].own_inputs else telling_columns(dataset.x, target.y, classes=classes)),
        *far_values(dataset.x),
        *repeated_rows(dataset.x, target.y, parts),
    )


def _weight_notes(dataset: Dataset) -> tuple[str, ...]:
    w = dataset.sample_weight
    if w is None:
        return ()
    left_out = f", {np.sum(w == 0)} of them 0" if not w.all() else ""
    words = f"rows weigh {w.min():.4g} to {w.max():.4g} in the loss{left_out}; metrics count every row once"
    return (words,)


def _inputs(
    folds: Folds | StreamedFolds, readings: Sequence[Reading], images: bool, seed: int, whole: bool
) -> Inputs:
    """Return how rows become network inputs, columns of a table as they were read here."""
    found = folds.inputs(seed, whole).read_by(readings)
    return found.of_images() if images else found


def _labels(dataset: Dataset, target: Target) -> tuple[Any, ...]:
    """Return the classes as they stand in y, or by their names where the data have them."""
    values = np.unique(target.given) if target.classes else np.empty(0)
    named = len(dataset.classes) == len(values)
    return target.classes if named else tuple(values.tolist())


def _plan_digest(plan: preparation.Plan) -> list[Any]:
    columns = [list(map(str, c)) for c in (plan.numeric, plan.missing, plan.categorical)]
    axes = [] if plan.channel_axis is None else [plan.channel_axis, plan.channels_first]
    return [columns, [list(c) for c in plan.categories], plan.scale, preparation.MAX_CATEGORIES, *axes]


def _model_words(network: Network, built: nn.Module) -> str:
    weights = sum(p.numel() for p in built.parameters() if p.requires_grad)
    return f"{network.name}: {weights} weights"


def _describe(
    dataset: Dataset,
    target: Target,
    plan: preparation.Plan,
    splits: Splits,
    network: Network,
    shape: tuple[int, ...],
) -> dict[str, str]:
    inputs = plan.words() if len(shape) == 1 else "x".join(map(str, shape))
    return {
        "data": dataset.name,
        "rows": str(len(dataset)),
        "inputs": f"{inputs}; {shape[0]} network inputs" if len(shape) == 1 else inputs,
        "target": dataset.target,
        "classes": ", ".join(target.classes),
        "splits": splits.words,
        "model": network.name,
        "data_digest": dataset.digest,
        **({} if isinstance(dataset.x, RowSource) else {"row_sketch": sketch(dataset.x, dataset.y)}),
    }
