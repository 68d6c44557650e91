"""One legal combination of a loss and an output activation, and what it makes of raw output."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from lossearch._lazy import torch
from lossearch.kinds import EVERY_FIELD, KINDS, Predictions, Readout, TargetForm, TargetStatistics
from lossearch.losses import (
    ACTIVATIONS,
    ENCODINGS,
    Activation,
    Encoding,
    Loss,
    losses_for,
)

if TYPE_CHECKING:
    from torch import Tensor, nn


def located(values: Sequence[float] | Sequence[Sequence[float]], device: torch.device) -> Tensor:
    """Return shifts or scales with all their digits, float64 wherever the device has it."""
    return torch.tensor(values, device=device, dtype=torch.float32 if device.type == "mps" else torch.float64)


@dataclass(frozen=True, repr=False)
class Pair:
    """One legal combination of loss and output activation, with the encoding that follows."""

    loss: Loss
    activation: Activation
    encoding: Encoding
    kind: str

    @property
    def name(self) -> str:
        """``loss/activation``."""
        return f"{self.loss.name}/{self.activation.name}"

    @property
    def equivalent(self) -> str | None:
        """The pair whose gradient this one repeats, if any."""
        same = self.loss.equivalent.get(self.activation.name)
        return same.pair if same else None

    @property
    def caution(self) -> str | None:
        """What to know before using this pair, if anything."""
        return self.loss.caution.get(self.activation.name)

    def gives(self, field: str) -> bool:
        """Return whether its predictions hold a field of :class:`Predictions`."""
        if field == "probability":
            return self.activation.name in self.loss.probability
        stated = self.loss.distribution
        if field in ("distribution", "density"):
            return stated is not None and (field == "distribution" or stated.family.has_density)
        return field in KINDS[self.kind].gives

    def __reduce__(self) -> tuple[Any, ...]:
        if losses_for(self.kind).get(self.loss.name) is self.loss:
            return named_pair, (self.loss.name, self.activation.name, self.encoding.name, self.kind)
        return Pair, (self.loss, self.activation, self.encoding, self.kind)

    def __str__(self) -> str:
        return self.name

    def __repr__(self) -> str:
        return f"Pair({self.name!r})"

    def width(self, n_out: int) -> int:
        """Return how many outputs it reads where so many numbers a row are predicted."""
        return n_out if self.loss.head is None else self.loss.head.width(n_out)

    def body_width(self, n_out: int) -> int:
        """Return how many numbers a network gives before what learnable numbers its loss adds."""
        head = self.loss.head
        return n_out if head is None else (head.inner or head.width)(n_out)

    def ended(self, body: nn.Module, n_out: int) -> nn.Module:
        """Return a network of :meth:`body_width` outputs with what its loss adds."""
        return body if self.loss.head is None else self.loss.head.network(lambda _: body, n_out)

    def n_out(self, width: int) -> int | None:
        """Return how many numbers a row are predicted from ``width`` outputs, None where that cannot be."""
        return width if self.loss.head is None else self.loss.head.n_out(width)

    def fitted(self, name: str, statistics: TargetStatistics) -> Tensor | None:
        """Return a training statistic as the loss is given it; None where nobody has counted the classes.

        Counts are (C,) of the classes of one output, and (L, 2) of labels.
        """
        values = getattr(statistics, name)
        if name != "class_counts":
            return torch.tensor(values)
        if not values:
            return None
        return torch.tensor(values[0] if self.loss.form is TargetForm.INDEX else values)

    def encode(self, target: Tensor, n_out: int, shift: Tensor, scale: Tensor, dtype: torch.dtype) -> Tensor:
        """Return canonical targets as the loss takes them: indices, or numbers of ``dtype``.

        They are shifted and scaled in float64: what ``dtype`` keeps of targets far from 0 is not enough.
        """
        encoded = self.encoding.encode(target, n_out, shift, scale)
        return encoded.to(dtype) if encoded.is_floating_point() else encoded

    def values(self, raw: Tensor, encoded: Tensor, weight: Tensor | None = None, /, **params: Any) -> Tensor:
        """Return one value a row, (..., N), from raw output (..., N, width) and encoded target.

        Values are times ``weight`` where there is one, (..., N, 1) of rows or (..., N, L) of labels. A loss that gathers
        has several a row, (..., N, k).
        """
        fused = self.loss.fused.get(self.activation.name)
        if fused is not None:
            values = fused(raw, encoded, **params)
        else:
            values = self.loss.fn(self.activation(raw), encoded, **params)
        if self.loss.gathers:
            return values if weight is None else values * weight
        if not self.loss.elementwise:
            return values if weight is None else values * weight.squeeze(-1)
        values = values if weight is None else values * weight
        return values.squeeze(-1) if values.shape[-1] == 1 else values.mean(dim=-1)

    @property
    def has_derivative(self) -> bool:
        """Whether :meth:`derivative` is known without autograd."""
        loss, name = self.loss, self.activation.name
        chained = (
            name not in loss.fused and loss.derivative is not None and self.activation.derivative is not None
        )
        return loss.after_mean is None and (chained or name in loss.fused_derivative)

    def derivative(
        self, raw: Tensor, encoded: Tensor, weight: Tensor | None = None, /, **params: Any
    ) -> Tensor:
        """Return the derivative of the batch's loss in raw output (..., N, n_out), where it is known.

        ``weight`` is as in :meth:`values`.

        Raises:
            TypeError: it is not; see ``has_derivative``.
        """
        loss = self.loss
        direct = loss.fused_derivative.get(self.activation.name)
        if direct is not None:
            found = direct(raw, encoded, **params)
        elif loss.derivative is not None and self.activation.derivative is not None:
            output = self.activation(raw)
            found = self.activation.derivative(loss.derivative(output, encoded, **params), output)
        else:
            raise TypeError(f"the derivative of {self.name} is not declared")
        found = found if weight is None else found * weight
        return found / (raw.shape[-2] * encoded.shape[-1] if loss.elementwise else raw.shape[-2])

    def of_rows(self, raw: Tensor, encoded: Tensor, /, **params: Any) -> Tensor:
        """Return the loss of each row, (..., N): of one that gathers, as if the row were alone."""
        values = self.values(raw, encoded, **params)
        return self.reduce(values.unsqueeze(-2), **params) if self.loss.gathers else values

    def reduce(self, values: Tensor, **params: Any) -> Tensor:
        """Return the batch's loss, (...), from what :meth:`values` gives, and the loss's own parameters."""
        return self.loss.reduce(values, **params)

    def predictions(
        self,
        raw: Tensor,
        shift: Tensor,
        scale: Tensor,
        wanted: Collection[str] = EVERY_FIELD,
        class_weights: Tensor | None = None,
        /,
        **params: Any,
    ) -> Predictions:
        """Return what raw output (..., N, n_out) says of each row; fields that are not ``wanted`` may lack.

        ``shift`` and ``scale`` are float64, and so are values in the target's own units. Probabilities are of classes
        as they occur, where ``class_weights`` (..., 1, K, C) say what those weighed in training; labels go by the
        weighted score, as mistakes cost what they weigh.
        """
        distribution = self._distribution(raw, shift, scale, params) if "distribution" in wanted else None
        if self.loss.head is not None:
            raw = self.loss.head.reads(raw, self.n_out(raw.shape[-1]) or 0)
        declared = self.loss.probability.get(self.activation.name)
        believed = None if declared is None else partial(declared, **params)
        readout = Readout(
            activation=self.activation,
            probability=None
            if believed is None or "probability" not in wanted
            else self._as_occurring(believed, class_weights),
            in_units=lambda output: self.encoding.decode(output, shift, scale),
            codes=self.encoding.codes or (0.0, 1.0),
            believed=believed,
            distribution=distribution,
        )
        return KINDS[self.kind].predictions(raw, readout, wanted)

    def _distribution(
        self, raw: Tensor, shift: Tensor, scale: Tensor, params: Mapping[str, Any]
    ) -> tuple[str, Tensor] | None:
        """Return the family and the parameters of the distribution that raw output stands for, in original units."""
        stated = self.loss.distribution
        if stated is None:
            return None
        found = stated.params(raw, self.n_out(raw.shape[-1]) or 0, **params)
        return stated.family.name, stated.family.moved(found.to(scale.dtype), shift, scale)

    def _as_occurring(
        self, probability: Callable[[Tensor], Tensor], class_weights: Tensor | None
    ) -> Callable[[Tensor], Tensor]:
        if class_weights is None:
            return probability
        return lambda raw: KINDS[self.kind].unweighted(probability(raw), class_weights)


def named_pair(loss: str, activation: str, encoding: str, kind: str) -> Pair:
    """Return the pair of these names, as pickles hold it."""
    return Pair(losses_for(kind)[loss], ACTIVATIONS[activation], ENCODINGS[encoding], kind)
