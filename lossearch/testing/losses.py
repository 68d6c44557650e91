"""What every loss must hold to, as a test class to subclass."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import pytest

from lossearch.checks.contract import CHECKS, Check
from lossearch.losses import Loss


class LossContract:
    """Every check on every loss in ``losses``.

    Example:
        class TestMyLosses(LossContract):
            losses = (my_loss, my_other_loss)
    """

    losses: ClassVar[Sequence[Loss]] = ()

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Give each test one loss, and the contract's own one check."""
        if "loss" in metafunc.fixturenames:
            metafunc.parametrize("loss", self.losses, ids=lambda x: f"{x.kinds[0]}-{x.name}")
        if "check" in metafunc.fixturenames:
            metafunc.parametrize("check", CHECKS, ids=str)

    def test_losses_are_named(self) -> None:
        """There is something to check."""
        assert self.losses, "set losses = (...) in the class"

    def test_holds(self, loss: Loss, check: Check) -> None:
        """The check finds nothing."""
        finding = check(loss)
        assert finding.ok, finding.detail
