"""The weighted sum of losses as a loss: what it reads, where it may be used, and its parameters, from those of its terms."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial, reduce
from typing import TYPE_CHECKING, Any

from lossearch._class_axis import is_true, over_classes
from lossearch._lazy import torch
from lossearch._text import listed
from lossearch.errors import refuse
from lossearch.losses.activations import ACTIVATIONS
from lossearch.losses.declaration import Loss
from lossearch.losses.encodings import ENCODINGS
from lossearch.losses.heads import Distributed
from lossearch.losses.penalties import L1, L2, OF_WEIGHTS
from lossearch.losses.ranges import Range
from lossearch.losses.terms import Part, Term

if TYPE_CHECKING:
    from torch import Tensor

INDEX, ONE_HOT = "index", "one_hot"
"""Encodings of which the second follows from the first."""


def combined(terms: Sequence[Term]) -> Composed:
    """Return the sum of terms, of losses of one kind of task, as a loss.

    Raises:
        InputError: they do not go together; the message has every reason.
    """
    text = "+".join(t.text for t in terms)
    whole = tuple(Part(t, "" if len(terms) == 1 else f"{t.loss.name}_") for t in terms)
    of_weights = tuple(p for p in whole if p.term.loss.name in OF_WEIGHTS)
    parts = tuple(p for p in whole if p.term.loss.name not in OF_WEIGHTS)
    losses = [p.term.loss for p in parts]
    refuse([f"{text}: {problem}" for problem in _problems(losses)])
    gathers = any(p.term.of_means for p in parts)
    elementwise = not gathers and all(x.elementwise for x in losses)
    total = partial(_Sum, parts, elementwise, gathers, _encodings(losses)[0])
    fused = [a for a in ACTIVATIONS if any(a in x.fused for x in losses)]
    usual = [x.usual for x in losses if x.usual is not None]
    return Composed(
        name=text,
        kinds=tuple(k for k in losses[0].kinds if all(k in x.kinds for x in losses)),
        fn=total(None),
        domain=_narrowest([x.domain for x in losses]),
        encodings=_encodings(losses),
        formula=" + ".join(t.text for t in terms),
        source="; ".join(dict.fromkeys(x.source for x in losses)),
        params=tuple(p for part in whole for p in part.params),
        joint=not elementwise and any(x.elementwise or x.joint for x in losses),
        head=losses[0].head,
        distribution=_distribution(parts),
        part_constant=any(x.part_constant for x in losses),
        fused={a: total(a) for a in fused},
        probability={a: link for a in ACTIVATIONS if (link := _probability(parts, a)) is not None},
        usual=_shared(usual) if usual else None,
        caution=_cautions(losses),
        targets=_narrowest([x.targets for x in losses]),
        cure=next((x.cure for x in losses if x.cure), ""),
        statistics=tuple(dict.fromkeys(name for x in losses for name in x.statistics)),
        after_mean=_AfterMean(parts) if gathers else None,
        gathers=gathers,
        weightable=all(x.weightable for x in losses),
        families=tuple(dict.fromkeys(f for x in losses for f in x.families)),
        on_request=True,
        weight_penalty=_WeightPenalty(of_weights) if of_weights else None,
        scheduled=any(t.changes for t in terms),
        kinks=tuple(dict.fromkeys(k for x in losses for k in x.kinks)),
    )


@dataclass(frozen=True, repr=False, eq=False)
class Composed(Loss):
    """A loss that is put together of others; its name says of which, and it is made again from that."""

    own: tuple[Loss, ...] = ()
    """Those of the others that are the user's own."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _again, (self.name, self.kinds[0], self.own)


def _again(name: str, kind: str, own: tuple[Loss, ...]) -> Loss:
    from lossearch.losses import loss_of_sum

    return loss_of_sum(name, kind, {x.name: x for x in own})


@dataclass(frozen=True)
class _Sum:
    """Values of the sum: of raw output after an activation, or where that is None of activated output.

    Where terms are functions of the batch's means, rows have several numbers: what plain terms give together, one
    number for each other term, and the numbers of the one that gathers, last.
    """

    parts: tuple[Part, ...]
    elementwise: bool
    gathers: bool
    encoding: str
    activation: str | None

    def __call__(self, output: Tensor, target: Tensor, **params: Any) -> Tensor:
        plain: list[Tensor] = []
        single: list[Tensor] = []
        gathered: list[Tensor] = []
        activated = output
        if self.activation is not None and any(self.activation not in p.term.loss.fused for p in self.parts):
            activated = ACTIVATIONS[self.activation](output)
        for part in self.parts:
            loss = part.term.loss
            found = self._values(part, output, activated, target, params)
            if loss.gathers:
                gathered.append(found)
                continue
            if loss.elementwise and not self.elementwise:
                found = found.mean(dim=-1)
            if part.term.of_means:
                single.append(found.unsqueeze(-1))
            else:
                plain.append(part.weight(params) * found)
        total = reduce(torch.add, plain) if plain else None
        if not self.gathers:
            assert total is not None  # noqa: S101 - no term is a function of means
            return total
        return torch.cat([*([] if total is None else [total.unsqueeze(-1)]), *single, *gathered], dim=-1)

    def _values(
        self, part: Part, output: Tensor, activated: Tensor, target: Tensor, params: Mapping[str, Any]
    ) -> Tensor:
        loss = part.term.loss
        own = part.own(params)
        if loss.elementwise and not self.elementwise:
            own = {n: v if n in loss.statistics else over_classes(v) for n, v in own.items()}
        if self.encoding not in loss.encodings:
            target = is_true(output, target).to(output.dtype)
        fused = None if self.activation is None else loss.fused.get(self.activation)
        return loss.fn(activated, target, **own) if fused is None else fused(output, target, **own)


@dataclass(frozen=True)
class _AfterMean:
    """The batch's sum from the means of what :class:`_Sum` gives each row."""

    parts: tuple[Part, ...]

    def __call__(self, means: Tensor, **params: Any) -> Tensor:
        alone = [p for p in self.parts if p.term.of_means and not p.term.loss.gathers]
        plain = any(not p.term.of_means for p in self.parts)
        total = means[..., 0] if plain else torch.zeros_like(means[..., 0])
        for at, part in enumerate(alone, start=int(plain)):
            total = total + part.weight(params) * _applied(part, means[..., at])
        for part in self.parts:
            if part.term.loss.gathers:
                rest = means[..., int(plain) + len(alone) :]
                total = total + part.weight(params) * _applied(part, rest, **part.own(params))
        return total


@dataclass(frozen=True)
class _WeightPenalty:
    """What the sizes of a network's weights, and half their squares, weigh, from the sum's parameters."""

    parts: tuple[Part, ...]

    def __call__(self, **params: Any) -> tuple[float | Tensor, float | Tensor]:
        found = {part.term.loss.name: part.weight(params) for part in self.parts}
        return found.get(L1, 0.0), found.get(L2, 0.0)


def _applied(part: Part, means: Tensor, **own: Any) -> Tensor:
    after_mean = part.term.loss.after_mean
    assert after_mean is not None  # noqa: S101 - the part is a function of means
    return after_mean(means, **own)


@dataclass(frozen=True)
class _Probability:
    """A term's probability from the sum's parameters."""

    part: Part
    fn: Callable[..., Tensor]

    def __call__(self, raw: Tensor, **params: Any) -> Tensor:
        return self.fn(raw, **self.part.own(params))


def _probability(parts: Sequence[Part], activation: str) -> Callable[..., Tensor] | None:
    """Return the probability whose expected sum is least, where all terms have one and the same."""
    links = {part.term.loss.probability.get(activation) for part in parts}
    link = links.pop()
    if links or link is None:
        return None
    if len(parts) == 1:
        return _Probability(parts[0], link)
    return None if any(part.term.loss.params for part in parts) else link


@dataclass(frozen=True)
class _Parameters:
    """The parameters of a term's distribution from the sum's own parameters."""

    part: Part
    fn: Callable[..., Tensor]

    def __call__(self, raw: Tensor, n_out: int, **params: Any) -> Tensor:
        return self.fn(raw, n_out, **self.part.own(params))


def _distribution(parts: Sequence[Part]) -> Distributed | None:
    """Return what distribution the output stands for, where all terms say the same."""
    stated = {part.term.loss.distribution for part in parts}
    one = stated.pop()
    return None if stated or one is None else Distributed(one.family, _Parameters(parts[0], one.params))


def _problems(losses: Sequence[Loss]) -> list[str]:
    """Return why losses have no sum."""
    problems = []
    if not _encodings(losses):
        said = [f"{x.name} as {ENCODINGS[x.encodings[0]].words}" for x in losses]
        problems.append(f"they read targets in ways that exclude each other: {listed(said)}.")
    if _within([x.domain for x in losses]) is None:
        said = [f"{x.name} reads {x.domain}" for x in losses]
        problems.append(f"no output serves them all: {listed(said)}.")
    if _within([x.targets for x in losses]) is None:
        said = [f"{x.name} takes {x.targets}" for x in losses]
        problems.append(f"no target serves them all: {listed(said)}.")
    heads = list(dict.fromkeys(x.head for x in losses))
    if len(heads) > 1:
        said = [f"{x.name} {'one number a target' if x.head is None else f'a {x.head.name}'}" for x in losses]
        problems.append(f"they read different numbers off a network: {listed(said)}.")
    whole = [x.name for x in losses if x.gathers]
    if len(whole) > 1:
        problems.append(f"{listed(whole)} are each of a whole batch: one such loss can be added to others.")
    return problems


def _encodings(losses: Sequence[Loss]) -> tuple[str, ...]:
    """Return how targets are read: as all read them; class indices where some read these and others one-hot rows."""
    shared = _shared([x.encodings for x in losses])
    either = all({INDEX, ONE_HOT} & set(x.encodings) for x in losses)
    return shared or ((INDEX,) if either else ())


def _within(ranges: Sequence[Range]) -> Range | None:
    """Return the range that lies within all others, None where there is none."""
    for found in ranges:
        if all(
            (other == found or other.holds(found.low, found.high))
            and (found.simplex or not other.simplex)
            and (found.margins or not other.margins)
            for other in ranges
        ):
            return found
    return None


def _narrowest(ranges: Sequence[Range]) -> Range:
    found = _within(ranges)
    assert found is not None  # noqa: S101 - refused before
    return found


def _shared(names: Sequence[Sequence[str]]) -> tuple[str, ...]:
    """Return what all hold, in the order of the first."""
    return tuple(n for n in names[0] if all(n in other for other in names))


def _cautions(losses: Sequence[Loss]) -> dict[str, str]:
    found: dict[str, list[str]] = {}
    for loss in losses:
        for activation, words in loss.caution.items():
            found.setdefault(activation, []).append(f"{loss.name}: {words}")
    return {activation: " ".join(words) for activation, words in found.items()}
