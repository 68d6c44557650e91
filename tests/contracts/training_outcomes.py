"""Every way a replicate, or a call, can end."""

from __future__ import annotations

import math
import signal
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from contracts.problems import mlp, problem, reference_run, replicate, space_of
from contracts.training_base import (
    SETTINGS,
    TrainingTests,
    conventional,
    equal,
    raising,
    steep,
    with_identity,
)
from lossearch.errors import InputError
from lossearch.losses import losses_for
from lossearch.training.contract import Outcome, ReplicateResult
from lossearch.training.optimizers import OPTIMIZERS


class OutcomeTests(TrainingTests):
    """Divergence, errors, refusals, stopping."""

    def test_divergence_is_a_result_with_its_place(self) -> None:
        task = problem("regression")
        pair = conventional(task)
        wild, tame = self.run(task, [replicate(pair, lr=1e6), replicate(pair)], replace(SETTINGS, epochs=30))
        expected = reference_run(task, replicate(pair, lr=1e6), replace(SETTINGS, epochs=30))
        assert tame.outcome is Outcome.COMPLETED
        assert expected.bad is not None
        assert wild.outcome is Outcome.DIVERGED
        place = wild.divergence
        assert place is not None
        assert place.what in {"loss", "output", "gradient", "weights"}
        # the loss is the last to notice: an output, gradient or weight may have been first
        assert expected.bad[0] - 1 <= place.step <= expected.bad[0]
        assert place.epoch == math.ceil(place.step / 5)
        assert place.lr == 1e6
        assert not math.isfinite(place.value)
        assert wild.reason == str(place)
        done = {name: len(curve) for name, curve in wild.curves.items()}
        assert set(done.values()) <= {(place.step - 1) // 5}
        assert np.isfinite(wild.curves["train_loss"]).all()

    def test_a_gradient_that_is_not_finite(self) -> None:
        task = problem("regression")
        pair = with_identity(steep)
        bad, good = self.run(task, [replicate(pair), replicate(conventional(task))])
        assert bad.divergence is not None
        assert (bad.outcome, bad.divergence.what, bad.divergence.step) == (Outcome.DIVERGED, "gradient", 1)
        assert good.outcome is Outcome.COMPLETED

    def test_an_error_is_that_replicates_result(self) -> None:
        task = problem("regression")
        before, bad, after = self.run(
            task,
            [replicate(conventional(task)), replicate(with_identity(raising)), replicate(conventional(task))],
        )
        assert (bad.outcome, bad.reason) == (Outcome.FAILED, "ValueError: no such luck")
        assert bad.error.splitlines()[-1] == "ValueError: no such luck"
        assert len(bad.error.splitlines()) <= 12
        assert dict(bad.curves) == {}
        assert before.outcome is after.outcome is Outcome.COMPLETED

    @pytest.mark.parametrize(
        ("where", "value", "words"),
        [(0, math.nan, "features"), (0, math.inf, "features"), (1, math.nan, "targets")],
    )
    def test_numbers_that_are_none_are_refused(self, where: int, value: float, words: str) -> None:
        def spoil(x: torch.Tensor, y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            (x, y)[where].fill_(value)
            return x, y

        task = problem("regression", change=spoil)
        with pytest.raises(InputError) as caught:
            self.run(task, [replicate(with_identity(losses_for("regression")["mse"]))])
        assert (
            f"40 of 40 training rows hold NaN or infinite {words}; fill them in or leave these rows out."
            in str(caught.value)
        )

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"epochs": 0}, "epochs is 0; it must be a whole number from 1 up."),
            ({"batch_size": 0}, "batch_size is 0; it must be a whole number from 1 up."),
            ({"clip": -1.0}, "clip is -1.0; it must be above 0, or left out."),
            (
                {"schedule": "cosin"},
                (
                    "No schedule named 'cosin'. Did you mean 'cosine'? "
                    "Known: constant, step, cosine, linear, warmup, warmup_cosine."
                ),
            ),
            ({"precision": "16"}, "No precision named '16'. Known: 32-true, 64-true, bf16-mixed."),
            (
                {"optimizer": "adamm"},
                "No optimiser named 'adamm'. Did you mean 'adam'? Known: " + ", ".join(OPTIMIZERS) + ".",
            ),
            (
                {"options": {"momentun": 0.9}},
                "No option of sgd named 'momentun'. Did you mean 'momentum'? Known: "
                + ", ".join(OPTIMIZERS["sgd"].options) + ".",
            ),
        ],
    )  # fmt: skip
    def test_settings_that_cannot_be(self, change: dict[str, Any], message: str) -> None:
        task = problem("binary")
        with pytest.raises(InputError) as caught:
            self.run(task, [replicate(conventional(task))], replace(SETTINGS, **change))
        assert str(caught.value) == message

    def test_a_network_of_the_wrong_width(self) -> None:
        task = problem("binary", network=lambda _: mlp(2))
        with pytest.raises(InputError) as caught:
            self.run(task, [replicate(conventional(task))])
        assert str(caught.value) == (
            "The network gives (8, 2) for 8 rows; this task needs (8, 1): end it with a linear layer of "
            "1 output and no activation."
        )

    def test_nothing_to_train(self) -> None:
        assert self.run(problem("binary"), []) == []

    def test_stop_ends_at_once(self) -> None:
        task = problem("binary")
        ours = [replicate(conventional(task), seed=s) for s in range(3)]
        assert self.run(task, ours, stop=lambda: True) == []
        seen: list[ReplicateResult] = []
        for result in self.method()(task, space_of(task), ours, SETTINGS, stop=lambda: bool(seen)):
            seen.append(result)  # noqa: PERF402 - stop looks at it meanwhile
        assert [r.replicate for r in seen] == ours[: len(seen)]
        equal(seen[0], self.run(task, ours[:1])[0], self.tolerance)

    def test_ctrl_c_is_a_keyboard_interrupt(self) -> None:
        task = problem("binary")
        handler, asked = signal.getsignal(signal.SIGINT), 0

        def press() -> bool:
            nonlocal asked
            asked += 1
            if asked == 2:
                raise KeyboardInterrupt
            return False

        with pytest.raises(KeyboardInterrupt):
            self.run(task, [replicate(conventional(task), seed=s) for s in range(3)], stop=press)
        assert signal.getsignal(signal.SIGINT) is handler
