"""Dropout under vmap, drawn as a replicate alone would draw it on whatever device.

On a GPU ``dropout`` is one kernel of its own; under vmap torch draws by ``bernoulli_`` instead, and so other bits.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode


class _Mask(torch.autograd.Function):
    """The scaled mask that ``dropout`` would draw for ``like``; ``anchor`` is what vmap is over."""

    @staticmethod
    def forward(like: Tensor, anchor: Tensor, p: float) -> Tensor:
        """Return it."""
        del anchor
        return functional.dropout(torch.ones_like(like), p)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Tensor) -> None:
        """Keep nothing: a mask has no gradient."""
        del inputs
        ctx.mark_non_differentiable(output)

    @staticmethod
    def vmap(
        info: Any, in_dims: tuple[int | None, ...], like: Tensor, anchor: Tensor, p: float
    ) -> tuple[Tensor, None]:
        """Return it for one of what is batched, outside of vmap."""
        del info
        one = like if in_dims[0] is None else like.select(in_dims[0], 0)
        return _Mask.forward(one, anchor, p), None


class SharedDropout(TorchFunctionMode):
    """Draws one mask for all that vmap is over, the very bits that each alone would draw.

    ``anchor`` is a tensor that vmap is over.
    """

    def __init__(self, anchor: Tensor) -> None:
        super().__init__()
        self.anchor = anchor.detach()

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Draw what ``torch.nn.functional.dropout`` would."""
        del types
        if func is functional.dropout:
            return self._dropped(*args, **(kwargs or {}))
        return func(*args, **(kwargs or {}))

    def _dropped(self, input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:  # noqa: A002 - torch's names
        if not training or not 0 < p < 1:
            return functional.dropout(input, p, training, inplace)
        mask: Tensor = _Mask.apply(input.detach(), self.anchor, p)  # type: ignore[no-untyped-call]
        return input.mul_(mask) if inplace else input * mask
