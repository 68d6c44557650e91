"""What a family of distributions of one real number is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from torch import Tensor


class Family(ABC):
    """A family of distributions. One stateless object each, named ``FAMILY`` in its file.

    ``params`` are (..., P), ``y`` and what is returned (...), or broadcast with that.
    """

    name: ClassVar[str]
    has_density: ClassVar[bool] = True

    def log_density(self, params: Tensor, y: Tensor) -> Tensor:  # noqa: ARG002 - where there is none
        """Return the logarithm of the density at y.

        Raises:
            TypeError: the family has none.
        """
        raise TypeError(f"{self.name} has no density")

    @abstractmethod
    def cdf(self, params: Tensor, y: Tensor) -> Tensor:
        """Return the probability of y or less."""

    @abstractmethod
    def quantile(self, params: Tensor, levels: Tensor) -> Tensor:
        """Return the values, (..., L), below which lie shares ``levels``, (L,), between 0 and 1."""

    @abstractmethod
    def mean(self, params: Tensor) -> Tensor:
        """Return the mean."""

    @abstractmethod
    def crps(self, params: Tensor, y: Tensor) -> Tensor:
        """Return the continuous ranked probability score, in units of y (Gneiting & Raftery 2007)."""

    @abstractmethod
    def moved(self, params: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
        """Return the parameters of ``scale`` times y plus ``shift``; scale is above 0, both broadcast with (...)."""

    def median(self, params: Tensor) -> Tensor:
        """Return the median."""
        return self.quantile(params, params.new_tensor([0.5])).squeeze(-1)
