"""Checks of a loss's form: shapes, purity, stacking, what the criterion accepts."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from lossearch.checks.samples import draw, keywords, outputs, pairs_of, stacks, statistics, widths
from lossearch.errors import InputError
from lossearch.kinds import KINDS, TargetForm
from lossearch.losses import Loss
from lossearch.pairs.criterion import Criterion
from lossearch.pairs.pair import Pair


def legal(loss: Loss) -> list[str]:
    """Say where no activation may meet it."""
    return [] if pairs_of(loss) else ["no activation gives what its domain takes and reaches its targets"]


def parameters(loss: Loss) -> list[str]:
    """Say where a parameter cannot be searched as declared."""
    problems = []
    for p in loss.params:
        if not p.name.isidentifier():
            problems.append(f"{p.name!r} is not a name")
        if not p.low < p.high or (p.log and p.low <= 0):
            problems.append(
                f"{p.name} cannot be searched from {p.low} to {p.high}" + (" on a log scale" if p.log else "")
            )
        problems += [s for s in map(p.problem, (p.default, p.low, p.high)) if s is not None]
    return problems


def shape(loss: Loss) -> list[str]:
    """Say where values do not have one number a row, or are reduced."""
    return _reduced(loss, [(), (2,), (2, 3)])


def unreduced(loss: Loss) -> list[str]:
    """Say where the values of one model do not have one number a row."""
    return _reduced(loss, [()])


def _reduced(loss: Loss, leads: Sequence[tuple[int, ...]]) -> list[str]:
    for pair, lead, outs in itertools.product(pairs_of(loss), leads, widths(loss)):
        sample = draw(pair, 5, *lead, outs=outs)
        found = loss(pair.activation(sample.raw), sample.encoded, **keywords(loss))
        problems = shape_problem(loss, sample.raw, found, outs)
        if problems:
            return problems
    return []


def shape_problem(loss: Loss, raw: Tensor, found: Tensor, outs: int) -> list[str]:
    """Say where the values that a loss gives for raw output (..., N, n_out) have not one number a row.

    ``outs`` are the outputs of the task.
    """
    wanted = (*raw.shape[:-1], outs) if loss.elementwise else raw.shape[:-1]
    if found.shape == wanted or (loss.gathers and found.shape[:-1] == wanted):
        return []
    if found.ndim == 0:
        return ["it gives one number for all rows: leave out the mean or the sum, which the criterion takes"]
    shapes = f"output {tuple(raw.shape)} gives {tuple(found.shape)}, not {tuple(wanted)}"
    return [f"{shapes}: return one value a row and leave the mean to the criterion"]


def rows(loss: Loss) -> list[str]:
    """Say where a row's value depends on other rows."""
    problems = []
    for pair in pairs_of(loss):
        sample = draw(pair, 6)
        whole = pair.values(sample.raw, sample.encoded, **keywords(loss))
        alone = [
            pair.values(sample.raw[i : i + 1], sample.encoded[i : i + 1], **keywords(loss)) for i in range(6)
        ]
        if torch.allclose(whole, torch.cat(alone), rtol=1e-12, atol=1e-12):
            continue
        if torch.allclose(len(whole) * whole, torch.cat(alone), rtol=1e-12, atol=1e-12):
            problems.append(
                f"{pair.name}: values are divided by the number of rows, which the criterion does: leave that out"
            )
        else:
            problems.append(
                f"{pair.name}: the value of a row depends on the other rows. A loss of the whole batch declares what is "
                "averaged over it (gathers=True), and what is made of the means (after_mean)"
            )
    return problems


def kept(loss: Loss) -> list[str]:
    """Say where inputs are changed in place."""
    problems = []
    for pair in pairs_of(loss):
        sample = draw(pair, 6)
        output = pair.activation(sample.raw).clone()
        before = output.clone(), sample.encoded.clone()
        loss(output, sample.encoded, **keywords(loss))
        if not (torch.equal(before[0], output) and torch.equal(before[1], sample.encoded)):
            problems.append(f"{pair.name}: output or target is changed in place")
    return problems


def pure(loss: Loss) -> list[str]:
    """Say where calls differ or draw random numbers."""
    problems = []
    for pair in pairs_of(loss):
        sample = draw(pair, 6)
        state = torch.get_rng_state()
        first, second = (pair.values(sample.raw, sample.encoded, **keywords(loss)) for _ in range(2))
        if not torch.equal(first, second):
            problems.append(f"{pair.name}: two calls give two values")
        if not torch.equal(state, torch.get_rng_state()):
            problems.append(f"{pair.name}: it draws random numbers")
    return problems


def _broadcast(loss: Loss, values: Tensor) -> Tensor:
    return values[:, None, None] if loss.elementwise else values[:, None]


def _loss_of(pair: Pair, raw: Tensor, target: Tensor, params: Mapping[str, Any]) -> Tensor:
    """Return what rows have, or where a loss gathers that of the batch."""
    values = pair.values(raw, target, **keywords(pair.loss, **params))
    return pair.reduce(values, **params) if pair.loss.gathers else values


def stacked(loss: Loss) -> list[str]:
    """Say where a stack of models does not give what each gives alone."""
    k, problems = 3, []
    for pair in pairs_of(loss):
        sample, params = draw(pair, 7, k), stacks(loss.params, k)
        wide = {name: _broadcast(loss, v) for name, v in params.items()}
        together = _loss_of(pair, sample.raw, sample.encoded, wide)
        alone = [
            _loss_of(pair, sample.raw[i], sample.encoded[i], {n: float(v[i]) for n, v in params.items()})
            for i in range(k)
        ]
        if not torch.allclose(together, torch.stack(alone), rtol=1e-10, atol=1e-12):
            problems.append(f"{pair.name}: a stack of models does not give what each gives alone")
    return problems


def vmapped(loss: Loss) -> list[str]:
    """Say where gradients differ under vmap."""
    k, problems = 3, []
    for pair in pairs_of(loss):
        sample, params = draw(pair, 7, k), stacks(loss.params, k)

        def mean(raw: Tensor, target: Tensor, params: dict[str, Any], pair: Pair = pair) -> Tensor:
            return pair.reduce(pair.values(raw, target, **keywords(loss, **params)), **params)

        derivative = torch.func.grad(mean)
        together = torch.func.vmap(derivative)(sample.raw, sample.encoded, params)
        alone = [
            derivative(sample.raw[i], sample.encoded[i], {n: float(v[i]) for n, v in params.items()})
            for i in range(k)
        ]
        if not torch.allclose(together, torch.stack(alone), rtol=1e-10, atol=1e-12):
            problems.append(f"{pair.name}: gradients under torch.func.vmap differ from those of a loop")
    return problems


def edges(loss: Loss) -> list[str]:
    """Say where the criterion broadcasts or accepts what does not fit."""
    problems = []
    for pair in pairs_of(loss):
        criterion = Criterion(pair, None, statistics(loss))
        target = (
            torch.tensor([0.25, 0.5, 0.75, 0.5])
            if loss.form is TargetForm.REAL
            else torch.tensor([0, 1, 1, 0])
        )
        outs = outputs(loss)
        if loss.joint or loss.form is TargetForm.SHARES:
            # one label or several, as the kind of task has it
            target = KINDS[pair.kind].sample(torch.linspace(-1, 1, 4 * outs).reshape(4, -1))
            outs = target.shape[1]
        raw = torch.linspace(-1, 1, 4 * pair.width(outs)).reshape(4, -1)
        value = criterion.per_sample(raw, target)
        if value.shape != (4,):
            problems.append(f"{pair.name}: the criterion gives {tuple(value.shape)} for four rows")
        if raw.shape[1] == 1 and not torch.equal(
            value, criterion.per_sample(raw[:, 0], target.reshape(4, 1))
        ):
            problems.append(f"{pair.name}: (N,) against (N, 1) gives another value than (N, 1) against (N,)")
        problems += [
            f"{pair.name}: the criterion accepts output {tuple(raw.shape)} with target {tuple(wrong.shape)}"
            for wrong in (target[:3], target.reshape(4, -1).repeat(1, 4), target[None])
            if not _refuses(criterion, raw, wrong)
        ]
    return problems


def _refuses(criterion: Criterion, raw: Tensor, target: Tensor) -> bool:
    try:
        criterion(raw, target)
    except InputError:
        return True
    return False
