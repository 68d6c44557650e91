"""Small tasks with known data, and a training loop written out by hand, to measure others against."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from sklearn.utils.class_weight import compute_class_weight
from torch import Tensor, nn

from lossearch._random import generator, isolated, seeded_build, stream
from lossearch.kinds import KINDS, TargetFacts, TargetStatistics
from lossearch.losses import ACTIVATIONS, is_searched, losses_for
from lossearch.metrics.registry import metrics_for
from lossearch.pairs import Criterion, Pair, pair_up
from lossearch.space import Point, Space
from lossearch.tasks.task import Fold, Part, Task
from lossearch.tasks.weights import census, class_counts
from lossearch.training.contract import Replicate, TrainSettings

Factory = Callable[[int], nn.Module]

OPTIMIZER_CLASSES: Mapping[str, type[torch.optim.Optimizer]] = {
    "sgd": torch.optim.SGD,
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "rmsprop": torch.optim.RMSprop,
    "adagrad": torch.optim.Adagrad,
    "adadelta": torch.optim.Adadelta,
    "adamax": torch.optim.Adamax,
    "nadam": torch.optim.NAdam,
    "radam": torch.optim.RAdam,
}
"""What each name must mean."""


def mlp(n_out: int) -> nn.Module:
    """Return a net of one hidden layer for 3 features."""
    return nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, n_out))


def dropout_mlp(n_out: int) -> nn.Module:
    """Return a net whose training draws at random."""
    return nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Dropout(0.4), nn.Linear(8, n_out))


def batchnorm_mlp(n_out: int) -> nn.Module:
    """Return a net that cannot train on a batch of one row."""
    return nn.Sequential(nn.Linear(3, 8), nn.BatchNorm1d(8), nn.Tanh(), nn.Linear(8, n_out))


class Residual(nn.Module):
    """A net that is no plain stack: a sum of two paths, normalised."""

    def __init__(self, n_out: int) -> None:
        super().__init__()
        self.enter, self.norm = nn.Linear(3, 8), nn.LayerNorm(8)
        self.block = nn.Sequential(nn.Linear(8, 8), nn.Dropout(0.2), nn.Tanh())
        self.head = nn.Linear(8, n_out)

    def forward(self, x: Tensor) -> Tensor:
        """Return raw output."""
        h = torch.tanh(self.enter(x))
        return self.head(self.norm(h + self.block(h)))  # type: ignore[no-any-return]  # a module's output is Any


def _nested(n_out: int) -> nn.Module:
    hidden = nn.ReLU()
    inner = nn.Sequential(nn.Linear(8, 8), hidden, nn.Linear(8, 8, bias=False), hidden)
    return nn.Sequential(nn.Sequential(nn.Linear(3, 8), hidden), inner, nn.Identity(), nn.Linear(8, n_out))


def _dropouts(n_out: int) -> nn.Module:
    drop = nn.Dropout(0.3)
    return nn.Sequential(
        nn.Dropout(0.1), nn.Linear(3, 8), nn.Sigmoid(), nn.Dropout(0.0), drop, nn.Linear(8, 8), nn.ReLU(), drop,
        nn.Linear(8, n_out),
    )  # fmt: skip


def _gelu(n_out: int) -> nn.Module:
    return nn.Sequential(
        nn.Dropout(0.1), nn.Linear(3, 8), nn.GELU(), nn.Dropout(0.3), nn.Linear(8, 8), nn.Tanh(), nn.ReLU(),
        nn.Linear(8, n_out),
    )  # fmt: skip


def _convolution(n_out: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 4, 2), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Dropout(0.2), nn.Linear(16, n_out)
    )


def _embedding(n_out: int) -> nn.Module:
    return nn.Sequential(nn.Embedding(5, 4), nn.Flatten(), nn.Linear(12, 8), nn.Tanh(), nn.Linear(8, n_out))


def _flat_image(n_out: int) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(9, 8), nn.ReLU(), nn.Linear(8, n_out))


def _images(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    return (x[:, :, None] * x[:, None, :]).unsqueeze(1), y


def _codes(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    return torch.bucketize(x, torch.tensor([-1.0, -0.3, 0.3, 1.0], dtype=x.dtype)), y


Change = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]

NETWORKS: Mapping[str, tuple[Factory, Change]] = {
    "mlp": (mlp, lambda x, y: (x, y)),
    "nested": (_nested, lambda x, y: (x, y)),
    "dropout": (_dropouts, lambda x, y: (x, y)),
    "gelu": (_gelu, lambda x, y: (x, y)),
    "image": (_flat_image, _images),
    "batchnorm": (batchnorm_mlp, lambda x, y: (x, y)),
    "convolution": (_convolution, _images),
    "embedding": (_embedding, _codes),
    "residual": (Residual, lambda x, y: (x, y)),
}
"""Networks of every sort, each with the inputs it takes."""


def _targets(kind: str, x: Tensor, classes: int) -> Tensor:
    signal = x[:, :1] + 0.5 * x[:, 1:2] * x[:, 2:]
    return KINDS[kind].sample(
        signal.expand(-1, classes if "label" in KINDS[kind].gives or KINDS[kind].form.by_row else 1)
    )


def problem(
    kind: str,
    *,
    network: Factory = mlp,
    rows: int = 60,
    train: int = 40,
    classes: int = 3,
    change: Change = lambda x, y: (x, y),
    weighted: bool = False,
) -> Task:
    """Return a task of 3 features in float64 whose test part must not be read.

    Regression targets lie between 0.1 and 0.9, so that as many pairs as possible are legal.

    Args:
        kind: the kind of task.
        network: called with the number of outputs.
        rows: training and validation rows in all.
        train: how many of them are for training.
        classes: of a multiclass task.
        change: applied to inputs and targets.
        weighted: whether rows have weights of their own, some of them 0.
    """
    draw = generator(0, "problem")
    x = torch.randn(rows, 3, generator=draw, dtype=torch.float64)
    x, y = change(x, _targets(kind, x, classes))
    weight = (3 * torch.rand(rows, generator=generator(0, "weights"), dtype=torch.float64) - 0.5).clamp(min=0)

    def fold(seed: int) -> Fold:
        order = torch.randperm(rows, generator=generator(seed, "split"))
        a, b = order[:train], order[train:]
        own = [weight[part] if weighted else None for part in (a, b)]
        statistics = TargetStatistics()
        if KINDS[kind].scaled:
            mean, std, scale = y[a].mean(0), y[a].std(0, correction=0), y[a].abs().mean(0)
            statistics = TargetStatistics(*(tuple(v.tolist()) for v in (mean, std, scale)))
        found = census(kind, y[a], own[0], n_out)
        statistics = replace(statistics, class_counts=class_counts(kind, found, n_out))
        held = Part(x[b], y[b], sample_weight=own[1])
        return Fold(seed, Part(x[a], y[a], sample_weight=own[0]), held, statistics)

    def test(seed: int) -> Part:
        raise AssertionError(f"training read the test part (seed {seed})")

    every = metrics_for(kind)
    n_out = y.shape[1] if y.ndim > 1 else classes
    facts = TargetFacts(kind, n_out, float(y.min()), float(y.max()))
    sizes = {"train": train, "validation": rows - train}
    named = "class_weight" in KINDS[kind].weighted_by
    names = tuple(map(str, range(KINDS[kind].class_shape(n_out)[1]))) if named else ()
    return Task(
        f"small {kind}", kind, facts, every[0], every, fold, test, network, f"small {kind}", sizes,
        names, weighted=weighted,
    )  # fmt: skip


def network_problem(kind: str, network: str) -> Task:
    """Return the task that a network of :data:`NETWORKS` is for."""
    factory, change = NETWORKS[network]
    return problem(kind, network=factory, change=change)


def every_pair(task: Task) -> list[Pair]:
    """Return the legal pairs of a task, those never searched unless named included.

    Losses of a kind of task that this one is like are trained there; here are those of them that are searched.
    """
    losses = [
        x
        for x in losses_for(task.kind).values()
        if KINDS[task.kind].like not in x.kinds or is_searched(x, task.kind)
    ]
    found = [pair_up(loss, a, task.facts) for loss in losses for a in ACTIVATIONS.values()]
    return [pair for pair in found if isinstance(pair, Pair)]


def space_of(task: Task, pairs: list[Pair] | None = None) -> Space:
    """Return the space of these pairs, of all legal ones by default."""
    return Space(task.kind, tuple(every_pair(task) if pairs is None else pairs), (1e-4, 1.0))


def replicate(pair: Pair, lr: float = 0.01, seed: int = 0, **settings: float | str) -> Replicate:
    """Return a replicate with the loss's parameters at their defaults."""
    own = tuple(sorted(pair.loss.defaults.items()))
    return Replicate(Point(pair.name, lr, own, tuple(sorted(settings.items())), pair), seed)


@dataclass
class Reference:
    """What the loop by hand found. ``bad`` is the first step, from 1, with a non-finite loss, and the loss."""

    network: nn.Module
    criterion: Criterion
    train_loss: list[float]
    val_loss: list[float]
    bad: tuple[int, float] | None = None


def reference_run(task: Task, given: Replicate, settings: TrainSettings, nudge: float = 0.0) -> Reference:
    """Train a replicate by a plain torch loop, without any of the package's training code.

    What it shares are the random streams that the contract fixes: initial weights, "batches" by
    epoch and "step" by global step. Initial weights are off by a share ``nudge`` of themselves.
    """
    settings = settings.of(given.point)
    dtype = {"32-true": torch.float32, "64-true": torch.float64}[settings.precision]
    fold, pair = task.fold(given.seed), given.point.definition
    if pair is None:
        raise ValueError("a replicate needs its pair here")
    criterion = Criterion(pair, given.point.params, fold.statistics).to(dtype)
    network = seeded_build(task.with_head(pair.loss.head).build, given.seed).to(dtype)
    with torch.no_grad():
        for weight in network.parameters():
            weight.mul_(1 + nudge * torch.linspace(-1, 1, weight.numel(), dtype=dtype).view_as(weight))
    options: dict[str, Any] = dict(settings.options)
    make: Any = OPTIMIZER_CLASSES[settings.optimizer]
    run = Reference(network, criterion, [], [])
    with isolated(0):
        optimizer = make(network.parameters(), lr=given.point.lr, **options)
        _loop(run, fold, weights_by_hand(task, fold, settings), given.seed, settings, optimizer, dtype)
    return run


def weights_by_hand(task: Task, fold: Fold, settings: TrainSettings) -> list[Tensor | None]:
    """Return what training and validation rows weigh, (N, 1) or of labels (N, L); None where they weigh the same."""
    parts = (fold.train, fold.validation)
    if not task.weighted and settings.class_weight == settings.pos_weight == "none":
        return [None, None]
    found = [
        torch.ones(len(p), 1, dtype=torch.float64) * (p.y if p.y.ndim > 1 else p.y[:, None]) ** 0
        for p in parts
    ]
    own = [
        torch.ones(len(p), dtype=torch.float64) if p.sample_weight is None else p.sample_weight for p in parts
    ]
    if task.kind != "multilabel":
        found = [w[:, :1] for w in found]
    if settings.class_weight != "none":
        y = fold.train.y.flatten().long().numpy()
        classes = np.unique(y)
        given = settings.class_weight
        named = given if given == "balanced" else {int(k): v for k, v in json.loads(given).items()}
        weights = compute_class_weight(
            named, classes=classes, y=y, **({"sample_weight": own[0].numpy()} if named == "balanced" else {})
        )
        by_class = torch.ones(max(2, task.n_out), dtype=torch.float64)
        by_class[classes] = torch.from_numpy(weights)
        found = [by_class[p.y.flatten().long()][:, None] for p in parts]
    if settings.pos_weight == "balanced":
        there = (fold.train.y * own[0][:, None]).sum(0)
        ratio = ((1 - fold.train.y) * own[0][:, None]).sum(0) / there
        found = [torch.where(p.y == 1, ratio, 1.0) for p in parts]
    elif settings.pos_weight != "none":
        ratio = torch.tensor(json.loads(str(settings.pos_weight)), dtype=torch.float64)
        found = [torch.where(p.y == 1, ratio, 1.0) for p in parts]
    found = [w * o[:, None] for w, o in zip(found, own, strict=True)]
    return [w / found[0].mean() for w in found]


def loss_by_hand(criterion: Criterion, raw: Tensor, y: Tensor, weight: Tensor | None) -> Tensor:
    """Return a batch's loss, of values that the criterion does not weigh."""
    if weight is None:
        return criterion(raw, y)  # type: ignore[no-any-return]  # a module's output is Any
    loss = criterion.pair.loss
    if loss.gathers:
        encoded = criterion.encode(y, raw.shape[1], raw.dtype)
        rows = loss.fn(criterion.pair.activation(raw), encoded, **criterion.keywords()) * weight.to(raw.dtype)
        return loss.after_mean(rows.mean(dim=0, keepdim=True), **criterion.params).squeeze()  # type: ignore[no-any-return, misc]
    if weight.shape[1] == 1:
        values = criterion.per_sample(raw, y) * weight[:, 0].to(raw.dtype)
    else:
        encoded = criterion.encode(y, raw.shape[1], raw.dtype)
        fused, activation = loss.fused.get(criterion.pair.activation.name), criterion.pair.activation
        labels = (fused or (lambda z, *rest, **own: loss.fn(activation(z), *rest, **own)))(
            raw, encoded, **criterion.keywords()
        )
        values = (labels * weight.to(raw.dtype)).mean(dim=1)
    after = loss.after_mean
    return after(values.mean()) if after else values.mean()


def _loop(
    run: Reference,
    fold: Fold,
    weights: list[Tensor | None],
    seed: int,
    settings: TrainSettings,
    optimizer: Any,
    dtype: torch.dtype,
) -> None:
    network, step = run.network, 0
    x, held_out = (p.x.to(dtype) if p.x.is_floating_point() else p.x for p in (fold.train, fold.validation))
    y = fold.train.y
    for epoch in range(settings.epochs):
        order = torch.randperm(len(x), generator=generator(seed, "batches", epoch)).tolist()
        starts = list(range(0, len(order), settings.batch_size))
        if settings.batch_size > 1 and len(starts) > 1 and starts[-1] == len(order) - 1:
            starts.pop()
        network.train()
        total = 0.0
        for start, end in zip(starts, [*starts[1:], len(order)], strict=True):
            rows = order[start:end]
            torch.default_generator.manual_seed(stream(seed, "step", step))
            optimizer.zero_grad()
            loss = loss_by_hand(
                run.criterion, network(x[rows]), y[rows], None if weights[0] is None else weights[0][rows]
            )
            loss.backward()
            if settings.clip is not None:
                nn.utils.clip_grad_norm_(network.parameters(), settings.clip)
            optimizer.step()
            step += 1
            total += loss.item() * len(rows)
            if run.bad is None and not torch.isfinite(loss):
                run.bad = (step, loss.item())
        run.train_loss.append(total / len(order))
        network.eval()
        with torch.no_grad():
            value = loss_by_hand(run.criterion, network(held_out), fold.validation.y, weights[1])
        run.val_loss.append(value.item())
