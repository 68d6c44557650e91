"""A pair made callable: encode the target, stable value, mean over the batch; and prediction."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from numbers import Integral
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.serialization import add_safe_globals

from lossearch._registry import unknown_name
from lossearch.errors import InputError, UnknownNameError, refuse
from lossearch.kinds import (
    EVERY_FIELD,
    KINDS,
    Predictions,
    Table,
    TargetStatistics,
    shifts_probabilities,
    weights_of_rows,
    with_long_label,
)
from lossearch.losses import CATALOGUE, Loss
from lossearch.pairs.pair import Pair, located, named_pair
from lossearch.pairs.shapes import canonical, lifted
from lossearch.pairs.weights import (
    checked_weights,
    require_weightable,
    whole_table,
)


def _checked(loss: Loss, given: Mapping[str, float]) -> dict[str, float]:
    known = {p.name: p for p in loss.params}
    unknown = [p for p in given if p not in known]
    if unknown and not known:
        raise UnknownNameError(f"{loss.name} has no parameters; got {', '.join(unknown)}.")
    refuse([_unknown(loss, p) for p in unknown], UnknownNameError)
    problems = [known[name].problem(value) for name, value in given.items()]
    refuse([f"{loss.name}: {p}" for p in problems if p is not None])
    return {**loss.defaults, **{name: _plain(value) for name, value in given.items()}}


def _unknown(loss: Loss, name: str) -> str:
    """Return that a loss has no such parameter, and for which tasks a loss of its name has it."""
    known = loss.defaults
    having = [k for k, table in CATALOGUE.items() if loss.name in table and name in table[loss.name].defaults]
    if not having:
        return unknown_name(f"parameter of {loss.name}", name, known)
    return (
        f"{loss.name} for {' and '.join(loss.kinds)} tasks has no parameter {name!r}, that for {' and '.join(having)} "
        f"tasks has. It has: {', '.join(known)}."
    )


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
        class_weights: Table | None = None,
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
        self.class_weights = class_weights
        """What rows weigh by their class, as plain numbers."""

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

    def _table(self, n_out: int, device: torch.device) -> Tensor | None:
        """Return what classes weigh, (K, C); None where all weigh the same."""
        if self.class_weights is None:
            return None
        shape = KINDS[self.pair.kind].class_shape(n_out)
        if self.pair.loss.joint and shape[0] > 1:
            raise InputError(
                f"{self.pair.name} takes no weights of labels: it reads a row's labels together, not one by one. Weight "
                "rows, or use another loss."
            )
        return whole_table(self.class_weights, shape, device, self.pair.name)

    def row_weights(
        self, target: Tensor, n_out: int, sample_weight: Tensor | None, dtype: torch.dtype
    ) -> Tensor | None:
        """Return what rows weigh, (N, 1) or of labels (N, L), from checked targets in canonical shape; None without."""
        if self.class_weights is None:
            return None if sample_weight is None else sample_weight.unsqueeze(-1).to(target.device, dtype)
        own = None if sample_weight is None else sample_weight.to(target.device)
        table = cast("Tensor", self._table(n_out, target.device))
        return weights_of_rows(table, KINDS[self.pair.kind].class_codes(target), own).to(dtype)

    def values(self, raw_output: Tensor, encoded: Tensor, weight: Tensor | None = None) -> Tensor:
        """Return one value a row from raw output and *encoded* target, unchecked: the training path."""
        return self.pair.values(raw_output, encoded, weight, **self.keywords())

    def mean(self, raw_output: Tensor, encoded: Tensor, weight: Tensor | None = None) -> Tensor:
        """Return the batch's loss from raw output and *encoded* target, unchecked: the training path.

        ``weight`` is what rows weigh, as :meth:`row_weights` gives it.
        """
        if raw_output.shape[0] == 0:
            return raw_output.sum() * 0
        return self.pair.reduce(self.values(raw_output, encoded, weight), **self.keywords())

    def _canonical(self, raw_output: Tensor, raw_target: Tensor) -> tuple[Tensor, Tensor]:
        """Return output and target in the shape that pairs read, checked."""
        found = canonical(self.pair, raw_output, raw_target)
        self.codes = KINDS[self.pair.kind].codes_of(raw_target) or self.codes
        return found

    def _checked_weights(self, sample_weight: Tensor, rows: int) -> Tensor:
        return checked_weights(sample_weight, rows, self.pair.name)

    def _n_out(self, raw: Tensor) -> int:
        return self.pair.n_out(raw.shape[-1]) or 0

    def per_sample(self, raw_output: Tensor, raw_target: Tensor) -> Tensor:
        """Return one value a row, (N,), not weighted: of a loss of the whole batch, such as dice, of each row alone.

        Raises:
            InputError: shapes, sizes or target values do not fit the pair.
        """
        raw, target = self._canonical(raw_output, raw_target)
        encoded = self.encode(target, self._n_out(raw), raw.dtype)
        return self.pair.of_rows(raw, encoded, **self.keywords())

    def forward(self, raw_output: Tensor, raw_target: Tensor, sample_weight: Tensor | None = None) -> Tensor:
        """Return the mean over the batch, a scalar: of weight times value where rows are weighted.

        Weights are taken as they are, and the sum is divided by the number of rows, as ``BCEWithLogitsLoss`` does;
        ``CrossEntropyLoss(weight=)`` divides by the weights in the batch, see ``tasks.weights`` for why not here.

        Args:
            raw_output: (N, n_out), or (N,) for one output.
            raw_target: see the class.
            sample_weight: what each row weighs, (N,), times what its class weighs.

        Raises:
            InputError: shapes, sizes or values do not fit the pair.
        """
        raw, target = self._canonical(raw_output, raw_target)
        encoded = self.encode(target, self._n_out(raw), raw.dtype)
        if self.class_weights is None and sample_weight is None:
            return self.mean(raw, encoded)
        require_weightable(self.pair)
        own = None if sample_weight is None else self._checked_weights(sample_weight, len(raw))
        return self.mean(raw, encoded, self.row_weights(target, self._n_out(raw), own, raw.dtype))

    def predictions(self, raw_output: Tensor) -> Predictions:
        """Return label, probability, score and value of each row; probabilities of classes as they occur."""
        raw = raw_output.unsqueeze(-1) if raw_output.ndim == 1 else raw_output
        raw = lifted(raw)
        shifted = self.class_weights is not None and shifts_probabilities(self.class_weights)
        table = self._table(self._n_out(raw), raw.device) if shifted else None
        # every row has one
        weights = None if table is None else table.to(raw.dtype).unsqueeze(-3)
        found = self.pair.predictions(raw, *self._located(raw), EVERY_FIELD, weights, **self.keywords())
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

        Where classes are weighted they are those of the unweighted classes: the odds of a class are divided by what it
        weighs. :meth:`predict` goes by the weighted score, so a row may get a label that is not the likeliest.

        Raises:
            InputError: the pair gives a score or a value, no probability.
        """
        p = self.predictions(raw_output).probability
        if p is None:
            raise InputError(f"{self.pair.name} gives no probabilities: its minimiser is not one.")
        return KINDS[self.pair.kind].class_probabilities(p)

    def __getstate__(self) -> dict[str, Any]:
        # hooks are of who watches this one, and nothing that a checkpoint could hold
        return {**self.__dict__, **{name: OrderedDict() for name in self.__dict__ if name.endswith("_hooks")}}

    def extra_repr(self) -> str:
        """Return the pair and its parameters, for print(module)."""
        weighted = [] if self.class_weights is None else [f"class_weights={self.class_weights}"]
        return ", ".join([self.pair.name, *(f"{k}={v}" for k, v in self.params.items()), *weighted])


# What torch.load builds with weights_only=True, its default, is listed by class: a criterion holds names, numbers and
# tensors, so that checkpoints whose hyper-parameters hold one can be read. A pair is found again by its names.
add_safe_globals([Criterion, named_pair])
