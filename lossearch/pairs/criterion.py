"""A pair made callable: encode the target, stable value, mean over the batch; and prediction."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from numbers import Integral
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.serialization import add_safe_globals

from lossearch._registry import unknown_name
from lossearch._text import listed
from lossearch.distributions import DISTRIBUTIONS
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
from lossearch.losses.declaration import PROGRESS
from lossearch.pairs.pair import Pair, located, named_pair
from lossearch.pairs.shapes import canonical, lifted
from lossearch.pairs.weight_penalty import penalty, weights_of
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
        f"{loss.name} for {listed(loss.kinds)} tasks has no parameter {name!r}, that for {listed(having)} "
        f"tasks has. It has: {', '.join(known)}."
    )


def _plain(value: float) -> float:
    """Return a number as Python's own: checkpoints hold those alone."""
    return int(value) if isinstance(value, Integral) else float(value)


class Criterion(nn.Module):
    """A pair made callable: encode the target, stable value, mean over the batch; and prediction.

    Called with raw network output (N, n_out), or (N,) for one output, and raw targets: class 0/1 (or
    -1/+1) (N,), class index (N,), labels (N, L), or real values (N,) or (N, T) in original units. Masks, and what else
    is a picture, may be (N, H, W) or (N, C, H, W), both of them. What it predicts
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
            self.register_buffer(f"fitted_{name}", pair.fitted(name, statistics), persistent=False)
        self.class_weights = class_weights
        """What rows weigh by their class, as plain numbers."""
        self.progress: float | None = None
        """How much of the training is done, from 0 to 1, for a loss that changes over it; who trains says so."""
        self._attached: tuple[nn.Module, tuple[str, ...]] | None = None

    def keywords(self) -> dict[str, Any]:
        """Return what the loss is called with beside output and target.

        Raises:
            InputError: it reads how many rows each class has, and nobody has said.
        """
        fitted = {name: getattr(self, f"fitted_{name}") for name in self.pair.loss.statistics}
        if None in fitted.values():
            raise InputError(
                f"{self.pair.name} reads how many training rows each class has. A study counts them; a criterion is told: "
                "statistics=TargetStatistics(class_counts=((900, 100),)), from lossearch.kinds."
            )
        changing = {PROGRESS: self._progress()} if self.pair.loss.scheduled else {}
        return {**self.params, **fitted, **changing}

    def _progress(self) -> float:
        """Return how much of the training is done: all of it for who only validates or predicts."""
        return 1.0 if self.progress is None or not self.training else self.progress

    def attach(self, network: nn.Module) -> None:
        """Say whose weights a loss with a penalty of weights penalises, in training: those that are trained."""
        named = {n: p for n, p in network.named_parameters() if p.requires_grad}
        # not as a module within this one, which it may be within
        self.__dict__["_attached"] = network, tuple(weights_of(named))

    def penalised(self, loss: Tensor) -> Tensor:
        """Return a batch's loss with what is added for the weights of the network that it is attached to, in training.

        Raises:
            InputError: the loss penalises weights, and it is attached to no network.
        """
        strength = self.pair.loss.weight_penalty
        if strength is None or not self.training:
            return loss
        if self._attached is None:
            raise InputError(
                f"{self.pair.loss.name} penalises the weights of a network, and its criterion is told of none: "
                "criterion.attach(network), once. In a study, and with a LossSearchCallback, that is done for you."
            )
        network, names = self._attached
        # looked up each time: a call for many replicates at once puts others in their places
        own = dict(network.named_parameters())
        return loss + penalty([own[n] for n in names], *strength(**self.keywords()))

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
        if self.pair.loss.joint and KINDS[self.pair.kind].weighs_numbers(n_out):
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
        self._refuse_other_classes(found[0])
        self.codes = KINDS[self.pair.kind].codes_of(raw_target) or self.codes
        return found

    def _refuse_other_classes(self, raw: Tensor) -> None:
        counts = getattr(self, "fitted_class_counts", None)
        if counts is None:
            return
        labels, classes = KINDS[self.pair.kind].class_shape(self._n_out(raw))
        own = (1, len(counts)) if counts.ndim == 1 else tuple(counts.shape)
        if own not in ((labels, classes), (1, classes)):
            raise InputError(
                f"{self.pair.name}: class_counts are of {own[0]} outputs of {own[1]} classes, and the network gives {labels} "
                f"of {classes}."
            )

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

        In training a penalty of weights is added, where the loss has one.

        Weights are taken as they are, and the sum is divided by the number of rows, as ``BCEWithLogitsLoss`` does;
        ``CrossEntropyLoss(weight=)`` divides by the weights in the batch, see ``tasks.weights`` for why not here.

        Args:
            raw_output: (N, n_out), or (N,) for one output.
            raw_target: see the class.
            sample_weight: what each row weighs, (N,), times what its class weighs.

        Raises:
            InputError: shapes, sizes or values do not fit the pair.
        """
        if self.pair.loss.scheduled and self.training and self.progress is None:
            raise InputError(
                f"{self.pair.loss.name} changes over the training: say before each epoch how much of it is done, as "
                "criterion.progress = epoch / (epochs - 1). In a study, and with a LossSearchCallback, that is done for "
                "you; to compute its last form, criterion.eval()."
            )
        raw, target = self._canonical(raw_output, raw_target)
        encoded = self.encode(target, self._n_out(raw), raw.dtype)
        weight = None
        if self.class_weights is not None or sample_weight is not None:
            require_weightable(self.pair)
            own = None if sample_weight is None else self._checked_weights(sample_weight, len(raw))
            weight = self.row_weights(target, self._n_out(raw), own, raw.dtype)
        return self.penalised(self.mean(raw, encoded, weight))

    def predictions(self, raw_output: Tensor) -> Predictions:
        """Return label, probability, score and value of each row; probabilities of classes as they occur."""
        raw = lifted(raw_output.unsqueeze(-1) if raw_output.ndim == 1 else raw_output)
        self._refuse_other_classes(raw)
        shifted = self.class_weights is not None and shifts_probabilities(self.class_weights)
        table = self._table(self._n_out(raw), raw.device) if shifted else None
        # every row has one
        weights = None if table is None else table.to(raw.dtype).unsqueeze(-3)
        found = self.pair.predictions(raw, *self._located(raw), EVERY_FIELD, weights, **self.keywords())
        return with_long_label(found)

    def predict(self, raw_output: Tensor) -> Tensor:
        """Return the class index (N,), labels (N, L), or the value in original units, (N,) for one output.

        Values are float64. Of output that is laid out as pictures, in its shape.
        """
        found = self.predictions(KINDS[self.pair.kind].flat(raw_output))
        if found.value is not None:
            return found.value.reshape(raw_output.shape) if raw_output.ndim > 2 else found.value.squeeze(-1)
        label = cast("Tensor", found.label)
        label = label.reshape(raw_output.shape) if raw_output.ndim > 2 else label
        low, high = self.codes or (0, 1)
        return label if (low, high) == (0, 1) else label * (high - low) + low

    def predict_proba(self, raw_output: Tensor) -> Tensor:
        """Return class probabilities, (N, C), or those of each label, (N, L).

        Where classes are weighted they are those of the unweighted classes: the odds of a class are divided by what it
        weighs. :meth:`predict` goes by the weighted score, so a row may get a label that is not the likeliest.

        Raises:
            InputError: the pair gives a score or a value, no probability.
        """
        p = self.predictions(KINDS[self.pair.kind].flat(raw_output)).probability
        if p is None:
            raise InputError(f"{self.pair.name} gives no probabilities: its minimiser is not one.")
        found = KINDS[self.pair.kind].class_probabilities(p)
        return found.reshape(raw_output.shape) if raw_output.ndim > 2 else found

    def predict_quantiles(self, raw_output: Tensor, levels: float | Sequence[float]) -> Tensor:
        """Return the values below which lie shares ``levels`` of what is predicted, (N, L), or (N, T, L) of T outputs.

        Values are float64 and in original units; of a single level there is no axis L.

        Raises:
            InputError: the pair predicts no distribution, or a level is not between 0 and 1.
        """
        asked = torch.as_tensor(levels, dtype=torch.float64)
        if asked.ndim > 1 or not asked.numel() or not bool(((asked > 0) & (asked < 1)).all()):
            raise InputError(f"levels are numbers between 0 and 1, as [0.05, 0.5, 0.95]; got {levels!r}.")
        said = self.predictions(raw_output)
        if said.distribution is None:
            raise InputError(
                f"{self.pair.name} predicts no distribution, so it has no quantiles. Losses of real targets from the "
                "family 'probabilistic' do, such as gaussian_nll."
            )
        params = said.distribution
        found = DISTRIBUTIONS[str(said.family)].quantile(params, asked.reshape(-1).to(params))
        found = found.squeeze(-2) if found.shape[-2] == 1 else found
        return found if asked.ndim else found.squeeze(-1)

    def predict_interval(self, raw_output: Tensor, coverage: float = 0.9) -> Tensor:
        """Return the two ends between which the middle ``coverage`` of what is predicted lies, (N, 2), or (N, T, 2).

        Raises:
            InputError: the pair predicts no distribution, or coverage is not between 0 and 1.
        """
        if not 0 < coverage < 1:
            raise InputError(f"coverage is a share between 0 and 1, as 0.9; got {coverage!r}.")
        return self.predict_quantiles(raw_output, [(1 - coverage) / 2, (1 + coverage) / 2])

    def __getstate__(self) -> dict[str, Any]:
        # hooks are of who watches this one, and nothing that a checkpoint could hold
        hooks: dict[str, Any] = {name: OrderedDict() for name in self.__dict__ if name.endswith("_hooks")}
        return {**self.__dict__, **hooks, "_attached": None}

    def extra_repr(self) -> str:
        """Return the pair and its parameters, for print(module)."""
        weighted = [] if self.class_weights is None else [f"class_weights={self.class_weights}"]
        return ", ".join([self.pair.name, *(f"{k}={v}" for k, v in self.params.items()), *weighted])


# What torch.load builds with weights_only=True, its default, is listed by class: a criterion holds names, numbers and
# tensors, so that checkpoints whose hyper-parameters hold one can be read. A pair is found again by its names.
add_safe_globals([Criterion, named_pair])
