"""Checks of where a loss is least: at the target, on its side of the threshold, at the true probabilities."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from lossearch.checks.samples import (
    CLASSES,
    encoded,
    keywords,
    minimised,
    outputs,
    pairs_of,
    reals,
)
from lossearch.kinds import TargetForm
from lossearch.losses import Loss
from lossearch.pairs.pair import Pair


def right_side(loss: Loss) -> list[str]:
    """Say where the minimum is elsewhere than at the target."""
    return [s for pair in pairs_of(loss) for s in _least_of(loss)(pair)]


def _least_of(loss: Loss) -> Callable[[Pair], list[str]]:
    """Return the check that fits what a loss reads."""
    if loss.form is TargetForm.SHARES:
        return _least_at_shares
    if loss.head is not None:
        return _least_at_what_is_read
    if loss.gathers:
        return _less_for_batch
    return _less_for_labels if loss.joint else _LEAST[loss.form]


def _least_at_what_is_read(pair: Pair) -> list[str]:
    """Say where a loss with a head is least elsewhere than at what most targets are."""
    problems = []
    zero, one = torch.zeros(1, dtype=torch.float64), torch.ones(1, dtype=torch.float64)
    classes = torch.tensor([0, 0, 0, 1] if pair.loss.elementwise else [1, 1, 1, 0])
    for few in (classes, classes.flip(0)):
        target = few[:, None] if pair.loss.elementwise else few
        given = target.double() if pair.loss.form is TargetForm.REAL else encoded(pair, target)

        def risk(raw: Tensor, given: Tensor = given) -> Tensor:
            rows = raw.unsqueeze(-2).expand(*raw.shape[:-1], len(given), raw.shape[-1])
            targets = given.expand(*raw.shape[:-1], *given.shape)
            return pair.values(rows, targets, **keywords(pair.loss)).mean(dim=-1)

        best = minimised(risk, pair.width(outputs(pair.loss)))
        said = pair.predictions(best[None], zero, one, **keywords(pair.loss))
        found = said.label
        if said.value is not None:
            found = pair.encoding.encode(said.value, outputs(pair.loss), zero, one)
        wanted = float(given.median())
        if found is None or abs(float(found.squeeze()) - wanted) > 0.5:
            problems.append(f"{pair.name}: where most targets are {wanted:g} it is least at {found}")
    return problems


def _least_at_target(pair: Pair) -> list[str]:
    grid = torch.linspace(-6, 6, 2401, dtype=torch.float64)[:, None]
    problems = []
    for t in reals(pair, (5,), torch.Generator().manual_seed(0)):
        at = float(pair.loss(t.reshape(1, 1), t.reshape(1, 1), **keywords(pair.loss)))
        values = pair.values(grid, t.expand_as(grid), **keywords(pair.loss))
        if float(values.min()) < at - 1e-9:
            best = float(pair.activation(grid[values.argmin()]))
            problems.append(
                f"{pair.name}: for target {float(t):.4g} it is less at output {best:.4g} than at the target"
            )
    return problems


def _least_at_shares(pair: Pair) -> list[str]:
    """Say where the shares that a loss is least at are others than the target's."""
    problems = []
    zero, one = torch.zeros(1, dtype=torch.float64), torch.ones(1, dtype=torch.float64)
    # a density grows without bound about a single row
    spread = 0.05 * torch.randn(32, CLASSES, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    rows = spread if pair.loss.head is not None else torch.zeros(1, CLASSES, dtype=torch.float64)
    for logits in torch.tensor([[0.0, 0.5, -0.5], [1.0, -1.0, 0.0]], dtype=torch.float64):
        given = torch.softmax(logits + rows, dim=-1)

        def risk(raw: Tensor, given: Tensor = given) -> Tensor:
            several = raw.unsqueeze(-2).expand(*raw.shape[:-1], len(given), raw.shape[-1])
            return pair.values(several, given, **keywords(pair.loss)).mean(dim=-1)

        best = minimised(risk, pair.width(CLASSES))
        found = pair.predictions(best[None], zero, one, **keywords(pair.loss)).value
        wanted = given.mean(dim=0)
        # where there is a kink the descent ends anywhere
        least = pair.loss.head is None and float(risk(wanted.log())) <= float(risk(best)) + 1e-9
        if not least and (found is None or float((found - wanted).abs().max()) > 0.02):
            problems.append(f"{pair.name}: for shares {wanted.tolist()} it is least at {found}")
    return problems


def _least_on_own_side(pair: Pair) -> list[str]:
    grid = torch.linspace(-6, 6, 2400, dtype=torch.float64)[:, None]
    zero, one = torch.zeros(1), torch.ones(1)
    problems = []
    for y in (0, 1):
        target = encoded(pair, torch.full_like(grid, y))
        best = grid[pair.values(grid, target, **keywords(pair.loss)).argmin()]
        label = pair.predictions(best[:, None], zero, one, **keywords(pair.loss)).label
        if label is None or int(label.squeeze()) != y:
            problems.append(f"{pair.name}: it is least for class {y} where class {1 - y} is predicted")
    return problems


def _less_for_true(pair: Pair) -> list[str]:
    raw = 3 * torch.eye(CLASSES, dtype=torch.float64).repeat(CLASSES, 1)
    target = torch.arange(CLASSES).repeat_interleave(CLASSES)
    values = pair.values(raw, encoded(pair, target), **keywords(pair.loss)).reshape(CLASSES, CLASSES)
    if bool((values.argmin(dim=1) == torch.arange(CLASSES)).all()):
        return []
    return [f"{pair.name}: it is less where another class scores highest than where the true one does"]


def _less_for_labels(pair: Pair) -> list[str]:
    every = torch.cartesian_prod(*[torch.arange(2)] * CLASSES)
    mixed = every[(every.sum(dim=1) % CLASSES) > 0]
    raw = 3.0 * (2 * mixed.double() - 1)
    real = pair.loss.form is TargetForm.REAL
    given = pair.activation(raw) if real else encoded(pair, mixed)
    cost = torch.stack([pair.values(raw, t.expand_as(given), **keywords(pair.loss)) for t in given])
    if bool((cost.argmin(dim=1) == torch.arange(len(mixed))).all()):
        return []
    others = "numbers are predicted" if real else "labels score highest"
    return [f"{pair.name}: it is less where other {others} than where the true ones are"]


def _less_for_batch(pair: Pair) -> list[str]:
    """Say where a loss of the whole batch is as small with the outputs of other rows."""
    labels = torch.cartesian_prod(*[torch.arange(2)] * CLASSES)
    target = labels if pair.loss.joint else torch.arange(CLASSES)
    true = labels if pair.loss.joint else torch.eye(CLASSES)
    raw, given = 3.0 * (2 * true.double() - 1), encoded(pair, target)
    costs = [
        pair.reduce(pair.values(raw.roll(shift, 0), given, **keywords(pair.loss)), **pair.loss.defaults)
        for shift in range(len(raw))
    ]
    if all(float(costs[0]) < float(cost) for cost in costs[1:]):
        return []
    return [f"{pair.name}: it is less where the outputs of other rows stand for these"]


_LEAST = {
    TargetForm.REAL: _least_at_target,
    TargetForm.ZERO_ONE: _least_on_own_side,
    TargetForm.INDEX: _less_for_true,
}


def probability(loss: Loss) -> list[str]:
    """Say where declared probabilities do not minimise the expected loss."""
    return [
        s for pair in pairs_of(loss) if pair.activation.name in loss.probability for s in _recovered(pair)
    ]


def _recovered(pair: Pair) -> list[str]:
    """Minimise the expected loss for known class probabilities, and see whether they are given back."""
    loss, problems = pair.loss, []
    truths = [[0.6, 0.3, 0.1], [0.2, 0.25, 0.55]] if not loss.elementwise else [[0.9, 0.1], [0.3, 0.7]]
    for given in truths:
        truth = torch.tensor(given, dtype=torch.float64)

        def risk(raw: Tensor, truth: Tensor = truth) -> Tensor:
            shape = raw.shape if loss.elementwise else raw.shape[:-1]
            each = [encoded(pair, torch.full(shape, k)) for k in range(len(truth))]
            return sum(
                (p * pair.values(raw, y, **keywords(loss)) for p, y in zip(truth, each, strict=True)),
                torch.zeros((), dtype=torch.float64),
            )

        best = minimised(risk, pair.width(outputs(loss)))[None, :]
        read = best if loss.head is None else loss.head.reads(best, outputs(loss))
        p = loss.probability[pair.activation.name](read, **keywords(loss))[0]
        wanted = truth[1:] if loss.elementwise else truth
        if float((p - wanted).abs().max()) > 1e-3:
            problems.append(
                f"{pair.name}: where the probabilities are {given}, it says {[round(x, 4) for x in p.tolist()]}"
            )
    return problems
