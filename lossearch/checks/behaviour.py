"""Checks of a loss's values: example, gradient, far-out finiteness, minimum, probabilities."""

from __future__ import annotations

import itertools
import math
from decimal import Decimal
from typing import Any

import torch
from torch import Tensor
from torch.autograd.gradcheck import GradcheckError

from lossearch._registry import unknown_name
from lossearch.checks.samples import (
    CLASSES,
    away_from_kinks,
    draw,
    encoded,
    keywords,
    pairs_of,
    reals,
    shares,
    stacks,
    widths,
)
from lossearch.kinds import TargetForm
from lossearch.losses import Contained, Loss, losses_for
from lossearch.pairs.pair import Pair
from lossearch.pairs.shapes import lifted

FEWEST_DIGITS = 3
"""Significant digits from which an example's value may be a rounded one: 0.5 is taken for exact."""
EXTREME = (-1e4, -500.0, -30.0, 0.0, 30.0, 500.0, 1e4)
"""Raw outputs at which value and gradient must be finite."""


def example(loss: Loss) -> list[str]:
    """Say where the declared example does not have the declared value."""
    if loss.example is None:
        return ["none is declared; give example=(output, target, value) so that the formula can be checked"]
    output, target, value = loss.example
    given = torch.tensor(target)
    given = given if not loss.elementwise and not given.is_floating_point() else given.double()
    at = torch.tensor(output, dtype=torch.float64)
    if loss.elementwise and at.ndim == 0:
        # one row of one output, as losses are given it
        at, given = at.reshape(1, 1), given.reshape(1, 1)
    units: dict[str, Any] = {name: float(name != "mean") for name in loss.statistics}
    if "class_counts" in units:
        units["class_counts"] = keywords(loss)["class_counts"]
    found = loss(at, given, **units)
    found = loss.reduce(found.unsqueeze(-2)) if loss.gathers else found
    if found.numel() != 1:
        return [f"its value has shape {tuple(found.shape)}, not one number"]
    close = math.isclose(float(found), value, rel_tol=1e-7, abs_tol=max(1e-9, rounding(value)))
    return [] if close else [f"declared {value!r}, computed {float(found)!r}"]


def rounding(value: float) -> float:
    """Return how far a number may be from one that was rounded to it, by its digits: 0 where those are too few to tell.

    Example:
        >>> rounding(0.6931), rounding(0.5)
        (5e-05, 0.0)
    """
    number = Decimal(repr(float(value))).normalize()
    last = int(number.as_tuple().exponent)
    return 0.5 * 10.0**last if len(number.as_tuple().digits) >= FEWEST_DIGITS and last < 0 else 0.0


def gradient(loss: Loss) -> list[str]:
    """Say where autograd and finite differences disagree."""
    problems = []
    for pair in pairs_of(loss):
        sample = away_from_kinks(pair, draw(pair, 24))
        raw = sample.raw.clone().requires_grad_()

        def value(raw: Tensor, pair: Pair = pair, target: Tensor = sample.encoded) -> Tensor:
            return pair.values(raw, target, **keywords(loss))

        try:
            torch.autograd.gradcheck(value, (raw,), eps=1e-6, atol=1e-5, rtol=1e-3)
        except GradcheckError as error:
            if not loss.part_constant:
                problems.append(f"{pair.name}: {str(error).splitlines()[0]}")
        else:
            if loss.part_constant:
                problems.append(
                    f"{pair.name}: gradients are those of its value, and part_constant says otherwise"
                )
    return problems


def derivatives(loss: Loss) -> list[str]:
    """Say where a declared derivative is not what autograd gives, for a stack of models with parameters of their own."""
    k, problems = 3, []
    for pair in pairs_of(loss):
        if not pair.has_derivative:
            continue
        for outs in widths(loss):
            sample = draw(pair, 24, k, outs=outs)
            wide = {
                name: v[:, None, None] if loss.elementwise else v[:, None]
                for name, v in stacks(loss.params, k).items()
            }
            raw = sample.raw.clone().requires_grad_()
            means = pair.reduce(pair.values(raw, sample.encoded, **keywords(loss, **wide)), **wide)
            (wanted,) = torch.autograd.grad(means.sum(), raw)
            found = pair.derivative(sample.raw, sample.encoded, **keywords(loss, **wide))
            if found.shape != wanted.shape or not torch.allclose(found, wanted, rtol=1e-9, atol=1e-12):
                problems.append(f"{pair.name}: the declared derivative differs from autograd's")
    return problems


def _extremes(pair: Pair, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Return raw outputs far out, with every target."""
    z = torch.tensor(EXTREME, dtype=dtype)
    if pair.loss.head is not None:
        sample = draw(pair, 4)
        raw = z.repeat_interleave(4)[:, None] * torch.randn(
            1, sample.raw.shape[-1], generator=torch.Generator().manual_seed(0), dtype=dtype
        )
        target = sample.encoded.to(dtype) if sample.encoded.is_floating_point() else sample.encoded
        return raw, target.repeat(len(z), *(1,) * (target.ndim - 1))
    if not pair.loss.elementwise:
        corners = torch.cat([z[:, None, None] * torch.eye(CLASSES, dtype=dtype) * s for s in (1, -1)])
        spread = z[:, None] * torch.tensor([1.0, -1.0, 0.0], dtype=dtype)
        raw = torch.cat([corners.reshape(-1, CLASSES), spread]).repeat_interleave(CLASSES, dim=0)
        if pair.loss.form is TargetForm.SHARES:
            return raw, shares(tuple(raw.shape), torch.Generator().manual_seed(0), dtype)
        index = torch.arange(len(raw)) % CLASSES
        labels = (index[:, None] >= torch.arange(CLASSES)).long()
        return raw, encoded(pair, labels if pair.loss.joint else index, dtype)
    if pair.loss.form is TargetForm.ZERO_ONE:
        raw = z.repeat_interleave(2)[:, None]
        return raw, encoded(pair, torch.arange(len(raw))[:, None] % 2, dtype)
    targets = reals(pair, (4, 1), torch.Generator().manual_seed(0), dtype)
    return z.repeat_interleave(4)[:, None], targets.repeat(len(z), 1)


def finite(loss: Loss) -> list[str]:
    """Say where value or gradient is not finite far out."""
    problems = []
    for pair, dtype in itertools.product(pairs_of(loss), (torch.float32, torch.float64)):
        raw, target = _extremes(pair, dtype)
        given = raw.clone().requires_grad_()
        live = pair.of_rows(given, target, **keywords(loss))
        (derivative,) = torch.autograd.grad(live.sum(), given)
        values = live.detach()
        # exp leaves the numbers a float can hold, or their squares; infinity is then right, NaN never
        held = (pair.activation(raw).abs() < math.sqrt(torch.finfo(dtype).max)).all(dim=-1)
        for what, found in (("value", values), ("gradient", derivative.sum(dim=-1))):
            bad = found.isnan() | (held & ~found.isfinite())
            if bool(bad.any()):
                nearest = raw.abs().amax(dim=-1).masked_fill(~bad, math.inf).argmin()
                name = str(dtype).removeprefix("torch.")
                problems.append(
                    f"{pair.name}: {what} is {float(found[nearest])} at raw output {raw[nearest].tolist()} in {name}"
                )
    return problems + _finite_at_zero_error(loss)


def half(loss: Loss) -> list[str]:
    """Say where output in half precision, under autocast as a mixed-precision Trainer has it, gives another value.

    Criteria compute in float32 whatever a network gives, but for matrix products, which autocast rounds.
    """
    problems = []
    for pair, dtype in itertools.product(pairs_of(loss), (torch.float16, torch.bfloat16)):
        raw, target = _extremes(pair, torch.float32)
        rounded = lifted(raw.to(dtype))
        wanted = pair.of_rows(rounded, target, **keywords(loss))
        with torch.autocast("cpu", torch.bfloat16):
            found = pair.of_rows(rounded, target, **keywords(loss)).to(wanted.dtype)
        if not torch.allclose(found, wanted, rtol=1e-5, atol=1e-6, equal_nan=True):
            off = float((found - wanted).abs().nan_to_num().max())
            name = str(dtype).removeprefix("torch.")
            problems.append(
                f"{pair.name}: with {name} output under autocast values are up to {off:.2g} off. Products of matrices are "
                "rounded there: multiply element by element, or inside torch.autocast(output.device.type, enabled=False)"
            )
    return problems


def _finite_at_zero_error(loss: Loss) -> list[str]:
    if loss.form is not TargetForm.REAL or loss.head is not None:
        return []
    problems = []
    for pair in pairs_of(loss):
        if pair.activation.name == "identity":
            sample = draw(pair, 6)
            raw = sample.encoded.clone().requires_grad_()
            mean = pair.reduce(pair.values(raw, sample.encoded, **keywords(loss)), **keywords(loss))
            (derivative,) = torch.autograd.grad(mean, raw)
            if not bool(derivative.isfinite().all()):
                problems.append(
                    f"{pair.name}: gradient is {float(derivative[0])} where every output is right"
                )
    return problems


def fused(loss: Loss) -> list[str]:
    """Say where the form on raw output is another function."""
    problems = []
    for pair in pairs_of(loss):
        if pair.activation.name in loss.fused:
            sample, own = draw(pair, 24), keywords(loss)
            found = loss.fused[pair.activation.name](sample.raw, sample.encoded, **own)
            plain = loss.fn(pair.activation(sample.raw), sample.encoded, **own)
            if not torch.allclose(found, plain, rtol=1e-8, atol=1e-10):
                off = float((found - plain).abs().max())
                problems.append(
                    f"{pair.name}: the form on raw output differs by {off:.2g} from the loss after the activation"
                )
    return problems


def contained(loss: Loss) -> list[str]:
    """Say which losses it does not become, though it declares that it does."""
    return [s for c in loss.contains for s in _not_contained(loss, c)]


def _not_contained(loss: Loss, inner: Contained) -> list[str]:
    known = losses_for(loss.kinds[0])
    name = inner.loss.partition("/")[0]
    if name not in known:
        return [unknown_name(f"{loss.kinds[0]} loss", name, known)]
    own, members = {p.name: p for p in loss.params}, known[name].defaults
    unknown = [
        unknown_name(f"parameter of {loss.name}", p, own)
        for p in (*inner.params, *inner.shared)
        if p not in own
    ] + [unknown_name(f"parameter of {name}", p, members) for p in inner.shared.values() if p not in members]
    if unknown:
        return unknown
    problems = [
        f"{name} = {value:g} is outside its searched range {own[name].low:g} to {own[name].high:g}"
        for name, value in inner.params.items()
        if not own[name].low <= value <= own[name].high
    ]
    pairs = {p.name: p for p in pairs_of(known[name])}
    common = [(p, pairs[m]) for p in pairs_of(loss) if (m := inner.of(p.activation.name)) in pairs]
    if not common:
        problems.append(f"no activation meets both it and {inner.loss}")
    return problems + [s for family, member in common for s in _apart(family, member, inner)]


def _inner_values(member: Loss, inner: Contained) -> dict[str, float]:
    """Return values, other than the defaults, of the member's parameters that the family has too."""
    shared = set(inner.shared.values())
    return {p.name: p.low + (p.high - p.low) / 4 for p in member.params if p.name in shared}


def _apart(family: Pair, member: Pair, inner: Contained) -> list[str]:
    """Say how far a family at its limit is from the member, on outputs of ordinary size."""
    if family.encoding is not member.encoding:
        return [f"{family.name} trains on {family.encoding.name}, {member.name} on {member.encoding.name}"]
    sample = draw(family, 24)
    of_member = _inner_values(member.loss, inner)
    of_family = {**inner.params, **{name: of_member[m] for name, m in inner.shared.items()}}
    own, inside = keywords(family.loss, **of_family), keywords(member.loss, **of_member)
    found = family.values(sample.raw / 2, sample.encoded, **own)
    wanted = member.values(sample.raw / 2, sample.encoded, **inside)
    if family.loss.gathers or member.loss.gathers:
        found, wanted = family.reduce(found, **own), member.reduce(wanted, **inside)
    wanted = inner.factor * wanted
    off = float((found - wanted).abs().max() / wanted.abs().mean())
    at = ", ".join(f"{name} = {value:g}" for name, value in inner.params.items())
    if off <= inner.near:
        return []
    return [f"{family.name} at {at} is {off:.2g} away from {inner.factor:g} times {member.name}"]
