"""Penalties: what is added to a loss whatever the target is, as in ``bce + 0.1*confidence``; none is a loss of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from lossearch._class_axis import log_softmax
from lossearch._lazy import functional, torch
from lossearch.kinds import KINDS, TargetForm
from lossearch.losses.activations import ACTIVATIONS
from lossearch.losses.declaration import Loss, LossFunction, loss
from lossearch.losses.encodings import ENCODINGS

if TYPE_CHECKING:
    from torch import Tensor

_Fused = Mapping[str, LossFunction]


def _certainty_of_labels(raw: Tensor, _: Tensor) -> Tensor:
    yes, no = functional.logsigmoid(raw), functional.logsigmoid(-raw)
    return yes.exp() * yes + no.exp() * no


def _certainty_of_classes(raw: Tensor, _: Tensor) -> Tensor:
    logs = log_softmax(raw)
    return (logs.exp() * logs).sum(dim=-1)


def _square(raw: Tensor, _: Tensor) -> Tensor:
    return raw.square()


def _size(raw: Tensor, _: Tensor) -> Tensor:
    return raw.abs()


def _mean_square(raw: Tensor, _: Tensor) -> Tensor:
    return raw.square().mean(dim=-1)


def _mean_size(raw: Tensor, _: Tensor) -> Tensor:
    return raw.abs().mean(dim=-1)


def _nothing(raw: Tensor, _: Tensor) -> Tensor:
    return torch.zeros_like(raw)


def _nothing_of_rows(raw: Tensor, _: Tensor) -> Tensor:
    return torch.zeros_like(raw[..., 0])


def _of_raw(fn: LossFunction) -> _Fused:
    """Return a function of raw output after each activation that is no activation of the target's own scale."""
    return dict.fromkeys(ACTIVATIONS, fn)


def _certainty(probability: Tensor, _: Tensor) -> Tensor:
    return torch.xlogy(probability, probability) + torch.xlogy(1 - probability, 1 - probability)


def _certainty_of_simplex(probability: Tensor, _: Tensor) -> Tensor:
    return torch.xlogy(probability, probability).sum(dim=-1)


def _penalty(name: str, form: TargetForm, fn: LossFunction, fused: _Fused, **declared: Any) -> Loss:
    made = loss(
        task=tuple(k for k, kind in KINDS.items() if kind.form is form),
        encoding=tuple(e for e, encoding in ENCODINGS.items() if encoding.form is form),
        name=name,
        fused=fused,
        usual=tuple(fused) or None,
        on_request=True,
        **declared,
    )
    return made(fn)


def _of(form: TargetForm) -> dict[str, Loss]:
    """Return the penalties of one form of targets, by name."""
    rows = form.by_row
    square, size = (_mean_square, _mean_size) if rows else (_square, _size)
    nothing = _nothing_of_rows if rows else _nothing
    found = [
        _penalty("weights_l1", form, nothing, {}, formula="sum |w|", source="Tibshirani 1996"),
        _penalty("weights_l2", form, nothing, {}, formula="sum w^2 / 2", source="Krogh & Hertz 1991"),
        _penalty("output_l2", form, square, _of_raw(square), formula="z^2", source="Hoerl & Kennard 1970"),
        _penalty("output_l1", form, size, _of_raw(size), formula="|z|", source="Tibshirani 1996"),
    ]
    if form is TargetForm.ZERO_ONE:
        found.append(
            _penalty(
                "confidence", form, _certainty, {"sigmoid": _certainty_of_labels}, domain="unit",
                formula="p log p + (1 - p) log(1 - p)", source="Pereyra et al. 2017",
            )
        )  # fmt: skip
    if rows:
        found.append(
            _penalty(
                "confidence", form, _certainty_of_simplex, {"softmax": _certainty_of_classes}, domain="simplex",
                formula="sum p log p", source="Pereyra et al. 2017",
            )
        )  # fmt: skip
    return {p.name: p for p in found}


PENALTIES: Mapping[TargetForm, Mapping[str, Loss]] = {form: _of(form) for form in TargetForm}
"""Form of targets -> its penalties by name: of the network's weights, of raw output, or of how certain probabilities are."""
L1, L2 = OF_WEIGHTS = ("weights_l1", "weights_l2")
"""Penalties of what a network multiplies by, biases and the like left out: nothing that its output shows."""
PENALTY_NAMES = frozenset(name for penalties in PENALTIES.values() for name in penalties)
"""The names of all penalties."""
