"""How one loss is another: the same but for a factor, or another where its parameters have certain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Equivalent:
    """A pair with the same gradient up to a constant factor or a rescaled output, and why.

    The loss of raw output z is ``factor`` times the pair's of ``scale`` z, plus what no output changes.
    """

    pair: str
    why: str
    factor: float = 1.0
    scale: float = 1.0


@dataclass(frozen=True)
class Contained:
    """A loss of the same kind that another one becomes where its own parameters have these values.

    The family's values are then ``factor`` times the member's, after every activation both may meet, or where
    ``loss`` names a pair, as ``focal/softmax``, after any of its own. ``shared`` are parameters of the family that stand
    for the member's: own name -> the member's, as gamma_neg and gamma_pos are both the gamma of focal.
    ``near`` is how far they may be apart, as a share of the member's mean, where the limit is only
    approached within the searched range. A search of the family that ends worse than the member was too small.
    """

    loss: str
    params: Mapping[str, float]
    factor: float = 1.0
    near: float = 1e-9
    shared: Mapping[str, str] = field(default_factory=dict)

    def of(self, activation: str) -> str:
        """Return the member's pair that the family's with this activation becomes."""
        return self.loss if "/" in self.loss else f"{self.loss}/{activation}"
