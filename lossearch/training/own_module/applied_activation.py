"""Does a user's module hand its criterion what an activation gave? Seen in its rows, and tried with other weights.

Rows alone do not tell: raw output may lie between 0 and 1 by chance. With weights drawn anew it leaves that range, and what
a sigmoid or softmax gave does not.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from lossearch.networks.applied_activation import OutputRange, redraw

FEWEST = 20
"""Rows that say anything of a range."""
_GAINS = (3.0, 10.0, 30.0)
"""Deviations of drawn weights, in units of what keeps values as large as they are; in turn."""
_DRAWS = 6
_VARIED, _MUCH = 1e-6, 1e-2
"""Rows closer than this are constant; draws whose rows are further apart than this are evidence."""


@dataclass(frozen=True)
class _Sign:
    """An activation by what it leaves of a range, and how it is written."""

    holds: Callable[[OutputRange], bool]
    gives: str
    layers: tuple[type[nn.Module], ...]
    written: str
    sure: bool = False
    """Whether rows alone tell: chance does not make them so."""


_SIGNS = {
    "a softmax": _Sign(lambda r: r.sums_to_one and r.within(0, 1), "rows that sum to 1", (nn.Softmax,), r"(?<!log_)softmax\(", sure=True),
    "a log_softmax": _Sign(lambda r: r.log_sums_to_zero, "log-probabilities", (nn.LogSoftmax,), r"log_softmax\(", sure=True),
    "a sigmoid": _Sign(lambda r: r.within(0, 1), "values from 0 to 1 alone", (nn.Sigmoid, nn.Hardsigmoid), r"(?<!log)sigmoid\("),
    "a tanh": _Sign(lambda r: r.within(-1, 1), "values from -1 to 1 alone", (nn.Tanh, nn.Hardtanh), r"tanh\("),
}  # fmt: skip


def applied_activation(
    module: nn.Module, parts: Sequence[Tensor], validated: Callable[[], Tensor | None], title: str
) -> str:
    """Return a sentence on the activation that a module applies before its criterion, with the line to leave out; "" for none.

    Args:
        module: trained; its weights are as they were afterwards.
        parts: what its criterion met in an epoch, (N, width) each: of training, of validation.
        validated: validates the module, and returns what its criterion met then; None where it met nothing.
        title: the module's name.
    """
    name = next((name for name, sign in _SIGNS.items() if _seen(sign, parts)), None)
    if name is None or not _stays(module, _SIGNS[name], validated):
        return ""
    sign = _SIGNS[name]
    where = next(_places(module, sign), "")
    return (
        f"The criterion of {title} is given {sign.gives}, as after {name}: the losses searched take raw output, and each "
        f"pair applies its own activation to it. {where or f'Leave {name[2:]} out before the criterion'}, and apply it where "
        "probabilities are wanted: criterion.predict_proba(output)."
    )


def _seen(sign: _Sign, parts: Sequence[Tensor]) -> bool:
    rows = torch.cat([*parts]).double()
    enough = len(rows) >= FEWEST and bool(torch.isfinite(rows).all()) and _spread(rows) > _VARIED
    return enough and sign.holds(OutputRange().seen([rows]))


def _spread(rows: Tensor) -> float:
    """Return how far apart the rows are, in the number in which they are furthest."""
    return float((rows.amax(dim=0) - rows.amin(dim=0)).max())


def _stays(module: nn.Module, sign: _Sign, validated: Callable[[], Tensor | None]) -> bool:
    """Return whether other weights leave the sign as it is."""
    kept = [p.detach().clone() for p in module.parameters()]
    varied = 0
    try:
        for draw in range(_DRAWS):
            redraw(module, _GAINS[draw % len(_GAINS)])
            rows = _finite(validated())
            if len(rows) and not sign.holds(OutputRange().seen([rows])):
                return False
            varied += len(rows) > 1 and _spread(rows) > _MUCH
    finally:
        with torch.no_grad():
            for p, before in zip(module.parameters(), kept, strict=True):
                p.copy_(before)
    return varied > 1 or sign.sure


def _finite(rows: Tensor | None) -> Tensor:
    if rows is None:
        return torch.empty(0, 1)
    found: Tensor = rows.double()[torch.isfinite(rows).all(dim=-1)]
    return found


def _places(module: nn.Module, sign: _Sign) -> Iterator[str]:
    """Yield where a module may apply an activation: in a layer after all weights, else in a line that calls it."""
    layers = [*module.named_modules()]
    weighted = [
        i for i, (_, layer) in enumerate(layers) if next(layer.parameters(recurse=False), None) is not None
    ]
    last = [
        (path, layer) for path, layer in layers[max(weighted, default=0) :] if isinstance(layer, sign.layers)
    ]
    yield from (f"Leave {path} ({type(layer).__name__}) out" for path, layer in last[-1:])
    own = dict.fromkeys(type(layer) for _, layer in layers if not type(layer).__module__.startswith("torch."))
    methods = [getattr(cls, name, None) for name in ("forward", "training_step") for cls in own]
    lines = [line.strip() for method in methods for line in reversed(_source(method).splitlines())]
    yield from (f"Leave it out of the line `{line}`" for line in lines if re.search(sign.written, line))


def _source(method: Any) -> str:
    try:
        return inspect.getsource(method)
    except (OSError, TypeError):
        return ""
