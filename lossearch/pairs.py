"""Which loss may meet which activation, and the pair made callable: criterion and prediction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from lossearch._registry import unknown_name
from lossearch.errors import IllegalPairError, InputError, refuse
from lossearch.losses import (
    ACTIVATIONS,
    ENCODINGS,
    KINDS,
    Activation,
    Encoding,
    Loss,
    TargetFacts,
    TargetStatistics,
    losses_for,
)

CONVENTIONAL = {
    "regression": "mse/identity",
    "binary": "bce/sigmoid",
    "multiclass": "cross_entropy/softmax",
}
"""The pair every study holds, to say what another gains over it."""


@dataclass(frozen=True)
class Predictions:
    """What a model says of each row, with free leading axes (...), N rows, C classes, T outputs.

    ``label`` (..., N) class index; ``probability`` (..., N) of class 1 or (..., N, C), None where the
    pair has none; ``score`` (..., N) or (..., N, C), monotone in belief; ``value`` (..., N, T) in
    original units; ``output`` the activated output; ``codes`` the two numbers a binary pair trains on.
    """

    label: Tensor | None = None
    probability: Tensor | None = None
    score: Tensor | None = None
    value: Tensor | None = None
    output: Tensor | None = None
    codes: tuple[float, float] | None = None


@dataclass(frozen=True)
class Pair:
    """One legal combination of loss and output activation, with the encoding that follows."""

    loss: Loss
    activation: Activation
    encoding: Encoding

    @property
    def name(self) -> str:
        """``loss/activation``."""
        return f"{self.loss.name}/{self.activation.name}"

    @property
    def kind(self) -> str:
        """The kind of task."""
        return self.loss.kind

    @property
    def equivalent(self) -> str | None:
        """The pair whose gradient this one repeats, if any."""
        same = self.loss.equivalent.get(self.activation.name)
        return same.pair if same else None

    def __str__(self) -> str:
        return self.name

    def values(self, raw: Tensor, encoded: Tensor, **params: Any) -> Tensor:
        """Return one value a row, (..., N), from raw output (..., N, n_out) and encoded target."""
        fused = self.loss.fused.get(self.activation.name)
        if fused is not None:
            values = fused(raw, encoded, **params)
        else:
            values = self.loss.fn(self.activation(raw), encoded, **params)
        return values.mean(dim=-1) if self.loss.elementwise else values

    def reduce(self, values: Tensor) -> Tensor:
        """Return the batch's loss, (...), from one value a row (..., N)."""
        mean = values.mean(dim=-1)
        return self.loss.after_mean(mean) if self.loss.after_mean else mean

    def predictions(self, raw: Tensor, shift: Tensor, scale: Tensor, **params: Any) -> Predictions:
        """Return what raw output (..., N, n_out) says of each row."""
        output = self.activation(raw)
        if self.kind == "regression":
            return Predictions(value=output * scale + shift, output=output)
        probability = self.loss.probability.get(self.activation.name)
        p = None if probability is None else probability(raw, **params)
        if self.kind == "multiclass":
            return Predictions(label=raw.argmax(dim=-1), probability=p, score=raw, output=output)
        codes = self.encoding.codes
        assert codes is not None
        return Predictions(
            label=(output[..., 0] >= sum(codes) / 2).long(),
            probability=None if p is None else p[..., 0],
            score=raw[..., 0],
            output=output[..., 0],
            codes=codes,
        )


@dataclass(frozen=True)
class Rejection:
    """A combination that is not in the space: why, and what to do instead."""

    name: str
    reason: str
    cure: str = ""

    def __str__(self) -> str:
        return f"{self.name}: {self.reason}" + (f" {self.cure}" if self.cure else "")


def _out_of_domain(loss: Loss, activation: Activation) -> str | None:
    domain, given = loss.domain, activation.range
    if domain.simplex and not given.simplex:
        return f"{loss.name} takes {domain}; {activation.name} gives {given}."
    if domain.margins and given.bounded:
        return f"{loss.name} needs {domain}; {activation.name} gives {given}, so its margin is out of reach."
    if not domain.holds(given.low, given.high):
        return f"{loss.name} takes {domain}; {activation.name} gives {given}."
    return None


def _alternative(loss: Loss) -> str:
    fused = next(iter(loss.fused), None)
    if fused is None:
        return ""
    return f"Use {loss.name}/{fused}: it is computed from raw output, so the network's last layer stays linear."


def pair_up(loss: Loss, activation: Activation, facts: TargetFacts | None = None) -> Pair | Rejection:
    """Return the legal pair of a loss and an activation, or the reason there is none.

    Without ``facts`` only the declarations are judged, not the range of the targets.
    """
    facts = facts or TargetFacts(loss.kind)
    name = f"{loss.name}/{activation.name}"
    if loss.kind not in activation.kinds:
        return Rejection(name, f"{activation.name} is not an output activation for {loss.kind} tasks.")
    known = facts.low > float("-inf") or facts.high < float("inf")
    if known and not loss.targets.holds(facts.low, facts.high):
        return Rejection(
            name,
            f"{loss.name} is defined on targets that are {loss.targets}; these go from "
            f"{facts.low:.4g} to {facts.high:.4g}.",
            loss.cure,
        )
    out = _out_of_domain(loss, activation)
    if out is not None:
        return Rejection(name, out, _alternative(loss))
    reasons = []
    for encoding in map(ENCODINGS.__getitem__, loss.encodings):
        held = encoding.held(facts)
        if isinstance(held, str):
            reasons.append(held)
        elif activation.range.holds(held.low, held.high):
            return Pair(loss, activation, encoding)
        else:
            reasons.append(f"its targets ({encoding.words}) lie where {activation.name} cannot reach")
    return Rejection(name, f"{activation.name} gives {activation.range}; {'; '.join(reasons)}.", _alternative(loss))


def legal_pairs(
    losses: Iterable[Loss],
    activations: Iterable[Activation] | None = None,
    facts: TargetFacts | None = None,
) -> tuple[list[Pair], list[Rejection]]:
    """Return the legal pairs of these losses, and every combination left out with its reason.

    With ``activations=None`` each loss meets its usual ones (every legal one where it names none).
    Pairs equivalent to another are left out here: ask for them by name.
    """
    pairs: list[Pair] = []
    rejections: list[Rejection] = []
    asked = None if activations is None else list(activations)
    for loss in losses:
        for activation in asked if asked is not None else ACTIVATIONS.values():
            found = pair_up(loss, activation, facts)
            if isinstance(found, Rejection):
                if loss.kind in activation.kinds:
                    rejections.append(found)
            elif found.equivalent is not None:
                same = loss.equivalent[activation.name]
                rejections.append(Rejection(found.name, f"same as {same.pair}: {same.why}"))
            elif asked is None and loss.usual is not None and activation.name not in loss.usual:
                continue
            else:
                pairs.append(found)
    return pairs, rejections


def find_pair(
    name: str, kind: str, facts: TargetFacts | None = None, losses: Mapping[str, Loss] | None = None
) -> Pair:
    """Return the pair named ``loss/activation`` (aliases allowed) of one kind of task.

    Raises:
        UnknownNameError: no such loss or activation.
        IllegalPairError: the combination is not legal; the message has the reason and the cure.
    """
    loss_name, slash, activation_name = name.partition("/")
    if not slash:
        raise InputError(f"{name!r} is not a pair: write loss/activation, as in {CONVENTIONAL[kind]!r}.")
    table = losses if losses is not None else losses_for(kind)
    if loss_name not in table:
        raise InputError(unknown_name(f"{kind} loss", loss_name, table))
    found = pair_up(table[loss_name], ACTIVATIONS[activation_name], facts)
    if isinstance(found, Rejection):
        raise IllegalPairError(str(found))
    return found


def infer_kind(name: str) -> str:
    """Return the one kind of task in which the pair ``name`` is legal.

    Raises:
        InputError: there is none, or more than one.
    """
    loss_name, _, activation_name = name.partition("/")
    activation = ACTIVATIONS[activation_name]
    having = [k for k in KINDS if loss_name in losses_for(k)]
    if not having:
        every = [n for k in KINDS for n in losses_for(k)]
        raise InputError(unknown_name("loss", loss_name, dict.fromkeys(every)))
    found = {k: pair_up(losses_for(k)[loss_name], activation) for k in having}
    kinds = [k for k, p in found.items() if isinstance(p, Pair)]
    if not kinds:
        raise IllegalPairError("\n".join(str(p) for p in found.values()))
    if len(kinds) > 1:
        raise InputError(f"{name} exists for {', '.join(kinds)} tasks; say which: task={kinds[0]!r}.")
    return kinds[0]


class Criterion(nn.Module):
    """A pair made callable: encode the target, stable value, mean over the batch; and prediction.

    Called with raw network output (N, n_out), or (N,) for one output, and raw targets: class 0/1 (or
    -1/+1) (N,), class index (N,), or real values (N,) or (N, T) in original units.
    """

    shift: Tensor
    scale: Tensor

    def __init__(
        self,
        pair: Pair,
        params: Mapping[str, float] | None = None,
        statistics: TargetStatistics | None = None,
    ) -> None:
        super().__init__()
        given = dict(params or {})
        known = pair.loss.defaults
        refuse([unknown_name(f"parameter of {pair.loss.name}", p, known) for p in given if p not in known])
        self.pair = pair
        self.params = {**known, **given}
        statistics = statistics or TargetStatistics()
        shift, scale = pair.encoding.location(statistics)
        self.register_buffer("shift", torch.tensor(shift), persistent=False)
        self.register_buffer("scale", torch.tensor(scale), persistent=False)
        for name in pair.loss.statistics:
            self.register_buffer(f"fitted_{name}", torch.tensor(getattr(statistics, name)), persistent=False)

    def _keywords(self) -> dict[str, Any]:
        fitted = {name: getattr(self, f"fitted_{name}") for name in self.pair.loss.statistics}
        return {**self.params, **fitted}

    def encode(self, raw_target: Tensor, n_out: int) -> Tensor:
        """Return what the loss trains on, from checked targets in canonical shape."""
        return self.pair.encoding.encode(raw_target, n_out, self.shift, self.scale)

    def values(self, raw_output: Tensor, encoded: Tensor) -> Tensor:
        """Return one value a row from raw output and *encoded* target, unchecked: the training path."""
        return self.pair.values(raw_output, encoded, **self._keywords())

    def mean(self, raw_output: Tensor, encoded: Tensor) -> Tensor:
        """Return the batch's loss from raw output and *encoded* target, unchecked: the training path."""
        if raw_output.shape[0] == 0:
            return raw_output.sum() * 0
        return self.pair.reduce(self.values(raw_output, encoded))

    def per_sample(self, raw_output: Tensor, raw_target: Tensor) -> Tensor:
        """Return one value a row, (N,).

        Raises:
            InputError: shapes, sizes or target values do not fit the pair.
        """
        raw, target = canonical(self.pair, raw_output, raw_target)
        return self.values(raw, self.encode(target, raw.shape[-1]))

    def forward(self, raw_output: Tensor, raw_target: Tensor) -> Tensor:
        """Return the mean over the batch, a scalar.

        Raises:
            InputError: shapes, sizes or target values do not fit the pair.
        """
        raw, target = canonical(self.pair, raw_output, raw_target)
        return self.mean(raw, self.encode(target, raw.shape[-1]))

    def predictions(self, raw_output: Tensor) -> Predictions:
        """Return label, probability, score and value of each row."""
        raw = raw_output.unsqueeze(-1) if raw_output.ndim == 1 else raw_output
        return self.pair.predictions(raw, self.shift, self.scale, **self._keywords())

    def predict(self, raw_output: Tensor) -> Tensor:
        """Return the class index (N,), or the value in original units, (N,) for one output."""
        found = self.predictions(raw_output)
        if found.label is not None:
            return found.label
        assert found.value is not None
        return found.value.squeeze(-1)

    def predict_proba(self, raw_output: Tensor) -> Tensor:
        """Return class probabilities, (N, C).

        Raises:
            InputError: the pair gives a score or a value, no probability.
        """
        p = self.predictions(raw_output).probability
        if p is None:
            raise InputError(f"{self.pair.name} gives no probabilities: its minimiser is not one.")
        return p if self.pair.kind == "multiclass" else torch.stack([1 - p, p], dim=-1)

    def extra_repr(self) -> str:
        return ", ".join([self.pair.name, *(f"{k}={v}" for k, v in self.params.items())])


def canonical(pair: Pair, raw_output: Tensor, raw_target: Tensor) -> tuple[Tensor, Tensor]:
    """Return output (N, n_out) and target in the shape and type the encoding reads, both checked.

    Half-precision output is lifted to float32. Raises InputError, naming what came.
    """
    raw = raw_output.unsqueeze(-1) if raw_output.ndim == 1 else raw_output
    if raw.dtype in (torch.float16, torch.bfloat16):
        raw = raw.float()
    if raw.ndim != 2 or not raw.is_floating_point():
        raise InputError(f"{pair.name} takes float output of shape (N, n_out); got {_shape(raw_output)}.")
    return raw, canonical_target(pair.kind, raw_target, len(raw), raw.shape[-1], pair.name)


def canonical_target(kind: str, target: Tensor, rows: int, n_out: int, who: str) -> Tensor:
    """Return a target checked against the number of rows and outputs, in canonical shape.

    Regression (N, T) float; binary (N, 1) of 0/1; multiclass (N,) class indices.
    """
    if kind == "multiclass":
        return _class_indices(target, rows, n_out, who)
    if target.ndim == 1 and n_out == 1:
        target = target.unsqueeze(-1)
    if tuple(target.shape) != (rows, n_out):
        raise InputError(
            f"{who} met output of shape ({rows}, {n_out}) and target of shape {tuple(target.shape)}; "
            "they must agree row by row and output by output."
        )
    if kind == "regression":
        return target if target.is_floating_point() else target.float()
    if n_out != 1:
        raise InputError(f"{who} needs one output; the network gives {n_out}.")
    values = set(torch.unique(target.detach()).tolist())
    if not (values <= {0, 1} or values <= {-1, 1}):
        shown = ", ".join(f"{v:g}" for v in sorted(values)[:5])
        raise InputError(f"{who} takes binary targets 0/1 or -1/+1; got {shown}.")
    return target.clamp(min=0) if -1 in values else target


def _class_indices(target: Tensor, rows: int, n_out: int, who: str) -> Tensor:
    if n_out < 2:
        raise InputError(f"{who} needs one output a class (at least 2); the network gives {n_out}.")
    if target.ndim == 2 and tuple(target.shape) == (rows, n_out):
        one_hot = ((target == 0) | (target == 1)).all() and (target.sum(-1) == 1).all()
        if not one_hot:
            raise InputError(f"{who} takes class indices or one-hot rows; these rows are not one-hot.")
        return target.argmax(-1)
    if tuple(target.shape) != (rows,):
        raise InputError(f"{who} takes {rows} class indices; got target of shape {tuple(target.shape)}.")
    index = target.long()
    if rows and (bool((index != target).any()) or int(index.min()) < 0 or int(index.max()) >= n_out):
        raise InputError(f"{who} takes class indices from 0 to {n_out - 1}; got others.")
    return index


def _shape(tensor: Tensor) -> str:
    return f"{tuple(tensor.shape)} {str(tensor.dtype).removeprefix('torch.')}"


def criterion(
    name: str,
    *,
    task: str | None = None,
    losses: Sequence[Loss] = (),
    statistics: TargetStatistics | None = None,
    **params: float,
) -> Criterion:
    """Return the criterion of a pair, for use in any training loop.

    Args:
        name: ``loss/activation``, as in ``"focal/sigmoid"``; Keras and torch names are accepted.
        task: the kind of task, where the pair exists for several.
        losses: losses of your own to look the name up in first.
        statistics: location and scale of regression targets; without them targets are taken as they are.
        params: the loss's own hyper-parameters.

    Raises:
        UnknownNameError: no such loss, activation, kind or parameter.
        IllegalPairError: the combination is not legal; the message has the reason and the cure.
    """
    own = {loss.name: loss for loss in losses}
    head = name.partition("/")[0]
    if head in own:
        return Criterion(find_pair(name, own[head].kind, losses=own), params, statistics)
    return Criterion(find_pair(name, task or infer_kind(name)), params, statistics)
