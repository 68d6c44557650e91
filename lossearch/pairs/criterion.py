"""A pair made callable: encode the target, stable value, mean over the batch; and prediction."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from numbers import Integral
from typing import Any, cast, overload

import torch
from torch import Tensor, nn
from torch.serialization import add_safe_globals

from lossearch._registry import unknown_name
from lossearch.errors import InputError, UnknownNameError, refuse
from lossearch.kinds import KINDS, Predictions, TargetStatistics, with_long_label
from lossearch.losses import Loss, as_loss
from lossearch.pairs.legality import find_pair, infer_kind
from lossearch.pairs.pair import Pair, located, named_pair
from lossearch.pairs.shapes import canonical, lifted
from lossearch.pairs.written import read_criterion


def _checked(loss: Loss, given: Mapping[str, float]) -> dict[str, float]:
    known = {p.name: p for p in loss.params}
    unknown = [p for p in given if p not in known]
    if unknown and not known:
        raise UnknownNameError(f"{loss.name} has no parameters; got {', '.join(unknown)}.")
    refuse([unknown_name(f"parameter of {loss.name}", p, known) for p in unknown], UnknownNameError)
    problems = [known[name].problem(value) for name, value in given.items()]
    refuse([f"{loss.name}: {p}" for p in problems if p is not None])
    return {**loss.defaults, **{name: _plain(value) for name, value in given.items()}}


def _plain(value: float) -> float:
    """Return a number as Python's own: checkpoints hold those alone."""
    return int(value) if isinstance(value, Integral) else float(value)


class Criterion(nn.Module):
    """A pair made callable: encode the target, stable value, mean over the batch; and prediction.

    Called with raw network output (N, n_out), or (N,) for one output, and raw targets: class 0/1 (or
    -1/+1) (N,), class index (N,), labels (N, L), or real values (N,) or (N, T) in original units. What it predicts
    is in the numbers that stood for the classes when it was last called with targets, 0 and 1 before that.

    Example:
        >>> import torch, lossearch
        >>> loss = lossearch.criterion("hinge/identity")
        >>> output, target = torch.tensor([0.5, -2.0], requires_grad=True), torch.tensor([1, 0])
        >>> loss(output, target)
        tensor(0.2500, grad_fn=<MeanBackward1>)
        >>> loss.per_sample(output, target).tolist(), loss.predict(output).tolist()
        ([0.5, 0.0], [1, 0])
    """

    def __init__(
        self,
        pair: Pair,
        params: Mapping[str, float] | None = None,
        statistics: TargetStatistics | None = None,
    ) -> None:
        super().__init__()
        self.pair = pair
        self.params = _checked(pair.loss, params or {})
        self.codes: tuple[int, int] | None = None
        statistics = statistics or TargetStatistics()
        # no buffer: a module's half() or to(float32) would take digits that targets far from 0 need
        self.location = pair.encoding.location(statistics)
        """Shift and scale of each output, by which targets are encoded and values brought back."""
        for name in pair.loss.statistics:
            self.register_buffer(f"fitted_{name}", torch.tensor(getattr(statistics, name)), persistent=False)

    def keywords(self) -> dict[str, Any]:
        """Return what the loss is called with beside output and target."""
        fitted = {name: getattr(self, f"fitted_{name}") for name in self.pair.loss.statistics}
        return {**self.params, **fitted}

    def _located(self, like: Tensor) -> tuple[Tensor, Tensor]:
        shift, scale = self.location
        return located(shift, like.device), located(scale, like.device)

    def encode(self, raw_target: Tensor, n_out: int, dtype: torch.dtype) -> Tensor:
        """Return what the loss trains on, numbers of ``dtype`` or indices, from checked targets in canonical shape."""
        return self.pair.encode(raw_target, n_out, *self._located(raw_target), dtype)

    def values(self, raw_output: Tensor, encoded: Tensor) -> Tensor:
        """Return one value a row from raw output and *encoded* target, unchecked: the training path."""
        return self.pair.values(raw_output, encoded, **self.keywords())

    def mean(self, raw_output: Tensor, encoded: Tensor) -> Tensor:
        """Return the batch's loss from raw output and *encoded* target, unchecked: the training path."""
        if raw_output.shape[0] == 0:
            return raw_output.sum() * 0
        return self.pair.reduce(self.values(raw_output, encoded))

    def _ready(self, raw_output: Tensor, raw_target: Tensor) -> tuple[Tensor, Tensor]:
        raw, target = canonical(self.pair, raw_output, raw_target)
        self.codes = KINDS[self.pair.kind].codes_of(raw_target) or self.codes
        return raw, self.encode(target, self.pair.n_out(raw.shape[-1]) or 0, raw.dtype)

    def per_sample(self, raw_output: Tensor, raw_target: Tensor) -> Tensor:
        """Return one value a row, (N,).

        Raises:
            InputError: shapes, sizes or target values do not fit the pair.
        """
        return self.values(*self._ready(raw_output, raw_target))

    def forward(self, raw_output: Tensor, raw_target: Tensor) -> Tensor:
        """Return the mean over the batch, a scalar.

        Raises:
            InputError: shapes, sizes or target values do not fit the pair.
        """
        return self.mean(*self._ready(raw_output, raw_target))

    def predictions(self, raw_output: Tensor) -> Predictions:
        """Return label, probability, score and value of each row."""
        raw = raw_output.unsqueeze(-1) if raw_output.ndim == 1 else raw_output
        found = self.pair.predictions(lifted(raw), *self._located(raw), **self.keywords())
        return with_long_label(found)

    def predict(self, raw_output: Tensor) -> Tensor:
        """Return the class index (N,), labels (N, L), or the value in original units, (N,) for one output.

        Values are float64.
        """
        found = self.predictions(raw_output)
        if found.value is not None:
            return found.value.squeeze(-1)
        label = cast("Tensor", found.label)
        low, high = self.codes or (0, 1)
        return label if (low, high) == (0, 1) else label * (high - low) + low

    def predict_proba(self, raw_output: Tensor) -> Tensor:
        """Return class probabilities, (N, C), or those of each label, (N, L).

        Raises:
            InputError: the pair gives a score or a value, no probability.
        """
        p = self.predictions(raw_output).probability
        if p is None:
            raise InputError(f"{self.pair.name} gives no probabilities: its minimiser is not one.")
        return KINDS[self.pair.kind].class_probabilities(p)

    def extra_repr(self) -> str:
        """Return the pair and its parameters, for print(module)."""
        return ", ".join([self.pair.name, *(f"{k}={v}" for k, v in self.params.items())])


# What torch.load builds with weights_only=True, its default, is listed by class: a criterion holds names, numbers and
# tensors, so that checkpoints whose hyper-parameters hold one can be read. A pair is found again by its names.
add_safe_globals([Criterion, named_pair])

Written = str | Mapping[str, Any]
"""A criterion as text, ``"focal/sigmoid(gamma=2)"``, or as a mapping, ``{"pair": "focal/sigmoid", "gamma": 2}``."""


@overload
def criterion(
    name: Written | Criterion,
    *,
    task: str | None = None,
    losses: Sequence[Loss | Callable[..., Any]] = (),
    statistics: TargetStatistics | None = None,
    **params: float,
) -> Criterion: ...
@overload
def criterion(name: nn.Module) -> nn.Module: ...
def criterion(
    name: Written | nn.Module,
    *,
    task: str | None = None,
    losses: Sequence[Loss | Callable[..., Any]] = (),
    statistics: TargetStatistics | None = None,
    **params: float,
) -> Criterion:
    """Return the criterion of a pair, for use in any training loop.

    A module that writes ``self.criterion = lossearch.criterion(criterion)`` may be given any of the forms below.

    Args:
        name: ``loss/activation``, as in ``"focal/sigmoid"``; Keras and torch names are accepted. Parameters may
            stand behind it, ``"focal/sigmoid(gamma=2)"``; a mapping has the same by name,
            ``{"pair": "focal/sigmoid", "gamma": 2}``. A module is returned as it is.
        task: the kind of task, where the pair exists for several.
        losses: losses of your own to look the name up in first, declared or not.
        statistics: location and scale of regression targets; without them targets are taken as they are.
        params: the loss's own hyper-parameters.

    Raises:
        UnknownNameError: no such loss, activation, kind or parameter.
        IllegalPairError: the combination is not legal; the message has the reason and the cure.
        InputError: ``name`` has none of these forms, or says again what stands beside it.

    Example:
        >>> import lossearch
        >>> lossearch.criterion("focal/sigmoid", gamma=1.5)
        Criterion(focal/sigmoid, gamma=1.5, alpha=-1.0)
        >>> lossearch.criterion("focal/sigmoid(gamma=1.5)").params["gamma"]
        1.5
        >>> lossearch.criterion({"pair": "mse/identity", "task": "regression"})
        Criterion(mse/identity)
    """
    if isinstance(name, nn.Module):
        beside = {
            **params,
            **{k: v for k, v in (("task", task), ("statistics", statistics)) if v is not None},
        }
        _refuse_beside(beside, f"a {type(name).__name__} is a criterion already")
        return cast("Criterion", name)  # LightningCLI reads above that this function gives one
    if isinstance(name, Mapping):
        return _from_mapping(name, task=task, losses=losses, statistics=statistics, **params)
    if not isinstance(name, str):
        raise InputError(
            f"A criterion is given by its pair, as 'focal/sigmoid', by a mapping or as a module; got a {type(name).__name__}."
        )
    pair, written = read_criterion(name)
    _refuse_beside([p for p in params if p in written], f"{name!r} says so itself")
    params = {**written, **params}
    own = {loss.name: loss for loss in (_declared(x, task) for x in losses)}
    head = pair.rpartition("/")[0]
    if head in own:
        return Criterion(find_pair(pair, task or own[head].kinds[0], losses=own), params, statistics)
    return Criterion(find_pair(pair, task or infer_kind(pair)), params, statistics)


def _declared(given: Loss | Callable[..., Any], task: str | None) -> Loss:
    if isinstance(given, Loss):
        return given
    if task is None:
        raise InputError(
            "A loss that is not declared is one for any kind of task: say which, as task='binary'."
        )
    return as_loss(given, task)


def _from_mapping(given: Mapping[str, Any], **beside: Any) -> Criterion:
    if not isinstance(given.get("pair"), str):
        raise InputError(
            f"A criterion's mapping has its pair, as {{'pair': 'focal/sigmoid'}}; got keys {[*given]}."
        )
    said = {k: v for k, v in beside.items() if v is not None and v != ()}
    _refuse_beside([k for k in given if k in said], "the mapping says so itself")
    found: Criterion = criterion(given["pair"], **said, **{k: v for k, v in given.items() if k != "pair"})
    return found


def _refuse_beside(given: Collection[str], why: str) -> None:
    if given:
        raise InputError(f"Leave out {', '.join(given)}: {why}.")
