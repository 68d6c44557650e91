"""Replicates that end before the others: what they say is the first part of the whole run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import cycle, product
from typing import Any

import numpy as np
import pytest
import torch

from contracts.problems import network_problem, problem, replicate
from contracts.training_base import (
    SETTINGS,
    VARIANTS,
    TrainingTests,
    conventional,
    equal,
    variant_name,
)
from lossearch.errors import InputError
from lossearch.pairs import find_pair
from lossearch.space import Point
from lossearch.training.contract import Outcome, Replicate, ReplicateResult

LONG = replace(SETTINGS, epochs=25, batch_size=20, schedule="cosine", epoch="best")
ENDS = (1, 3, 24, 25)
"""Epochs to end at: both ends, and of a long curve one at which all metrics are scored and one at which not."""

WITH_STATE = tuple(v for v in VARIANTS if v in (("sgd", {"momentum": 0.9}), ("adam", {}), ("adamax", {})))
"""Optimisers of each form that carry something from step to step."""


def shortened(result: ReplicateResult, until: int) -> ReplicateResult:
    """Return a result with the curves it had after so many epochs."""
    return replace(result, curves={name: curve[:until] for name, curve in result.curves.items()})


class UntilTests(TrainingTests):
    """Replicates with ``until``, and pruned ones.

    ``judges_together`` says of the method under test that it knows the mean over a point's replicates after
    each epoch, and so asks which points to give up.
    """

    judges_together = False

    def _replicates(self, *, until: Sequence[int | None] = (None,)) -> list[Replicate]:
        """Return two pairs at two rates, each point ending at the next of these epochs in turn.

        A second seed can only disturb the first where both are trained together.
        """
        pairs = [find_pair(name, "binary") for name in ("bce/sigmoid", "mse/identity")]
        points = [
            (p, lr, end) for (p, lr), end in zip(product(pairs, (1e-2, 1e-1)), cycle(until), strict=False)
        ]
        seeds = (0, 1) if self.judges_together else (0,)
        return [replace(replicate(p, lr, s), until=end) for p, lr, end in points for s in seeds]

    @pytest.mark.parametrize("network", ["dropout", "convolution"])
    def test_until_is_the_first_part_of_the_whole_run(self, network: str) -> None:
        task = network_problem("binary", network)
        ended = self._replicates(until=ENDS)
        whole = self.run(task, self._replicates(), LONG)
        found = self.run(task, ended, LONG, keep_weights=True)
        assert [r.replicate for r in found] == ended
        for long, short in zip(whole, found, strict=True):
            until = short.replicate.until
            assert until is not None
            assert short.outcome is Outcome.COMPLETED
            assert short.kept_epoch == until
            assert {len(curve) for curve in short.curves.values()} == {until}
            assert all(np.isfinite(curve[-1]) for curve in short.curves.values())
            equal(short, shortened(long, until), self.tolerance)

    @pytest.mark.parametrize("variant", WITH_STATE, ids=variant_name)
    def test_weights_of_the_epoch_are_kept(self, variant: tuple[str, dict[str, Any]]) -> None:
        # a bias before a normalisation has no gradient but rounding, which adaptive optimisers blow up
        task = network_problem("binary", "batchnorm" if variant[0] == "sgd" else "dropout")
        settings = replace(LONG, schedule="constant", optimizer=variant[0], options=variant[1], epochs=6)
        ended = self._replicates(until=(2, 5, 6))
        found = {r.replicate: r for r in self.run(task, ended, settings, keep_weights=True)}
        for until in (2, 5, 6):
            own = [r for r in ended if r.until == until]
            short = replace(settings, epochs=until, epoch="last")
            whole = self.run(task, [replace(r, until=None) for r in own], short, keep_weights=True)
            for given, expected in zip(own, whole, strict=True):
                weights = found[given].weights
                assert weights is not None
                assert expected.weights is not None
                for name, tensor in expected.weights.items():
                    torch.testing.assert_close(weights[name], tensor, rtol=1e-9, atol=1e-9)

    def test_others_do_not_notice(self) -> None:
        task = network_problem("binary", "dropout")
        replicates = self._replicates()
        # in another order than that of their points
        staying = sorted((r for r in replicates if r.point.lr == 1e-2), key=lambda r: r.seed)
        ended = [replace(r, until=4) for r in replicates if r not in staying]
        alone = self.run(task, staying, LONG, keep_weights=True)
        together = self.run(task, [*staying, *ended], LONG, keep_weights=True)
        for a, b in zip(alone, together[: len(staying)], strict=True):
            equal(a, b, self.tolerance)
            assert a.kept_epoch == b.kept_epoch
            assert [np.isnan(c).tolist() for c in a.curves.values()] == [
                np.isnan(c).tolist() for c in b.curves.values()
            ]

    def test_one_point_may_end_at_several_epochs(self) -> None:
        task = problem("binary")
        one = replicate(conventional(task))
        asked = [replace(one, until=3), one, replace(one, until=2, seed=1), replace(one, until=3)]
        found = self.run(task, asked, replace(SETTINGS, epochs=5))
        assert [r.replicate for r in found] == asked
        assert [len(r.curves["val_loss"]) for r in found] == [3, 5, 2, 3]

    def test_a_replicate_that_diverges_first_is_diverged(self) -> None:
        task = problem("regression")
        wild = replace(replicate(conventional(task), lr=1e6), until=25)
        tame = replace(replicate(conventional(task)), until=26)
        found = self.run(task, [wild, tame], replace(SETTINGS, epochs=30), keep_weights=True)
        assert [r.outcome for r in found] == [Outcome.DIVERGED, Outcome.COMPLETED]
        assert found[0].weights is None
        assert found[0].kept_epoch is None
        assert found[1].kept_epoch == 26

    @pytest.mark.parametrize("until", [0, -1, 4])
    def test_an_epoch_that_is_not_there_is_refused(self, until: int) -> None:
        task = problem("binary")
        given = [replicate(conventional(task)), replace(replicate(conventional(task), seed=1), until=until)]
        with pytest.raises(InputError) as caught:
            self.run(task, given)
        assert str(caught.value) == (
            f"A replicate is to be trained until epoch {until}; it must be a whole number from 1 to 3."
        )

    def test_pruned_points_end_and_others_do_not_notice(self) -> None:
        task = network_problem("binary", "dropout")
        replicates = self._replicates()
        judge = f"val_{task.metric.name}"
        asked: list[tuple[Point, int, float]] = []
        ends = {replicates[0].point: 2, replicates[len(replicates) // 2].point: 7}

        def prune(point: Point, epoch: int, mean: float) -> bool:
            asked.append((point, epoch, mean))
            return ends.get(point) == epoch

        whole = self.run(task, replicates, LONG, keep_weights=True)
        found = self.run(task, replicates, LONG, keep_weights=True, prune=prune)
        assert [r.replicate for r in found] == replicates
        for long, short in zip(whole, found, strict=True):
            end = ends.get(short.replicate.point) if self.judges_together else None
            if end is None:
                assert short.outcome is Outcome.COMPLETED
                assert short.kept_epoch == long.kept_epoch
                equal(short, long, self.tolerance)
                continue
            assert short.outcome is Outcome.PRUNED
            assert short.reason == f"pruned after epoch {end}"
            assert short.weights is None
            assert short.kept_epoch is None
            same = replace(short, outcome=Outcome.COMPLETED, reason="")
            equal(same, shortened(long, end), self.tolerance)
        if not self.judges_together:
            assert asked == []
            return
        curves = {r.replicate: r.curves[judge] for r in whole}
        points = dict.fromkeys(r.point for r in replicates)
        expected = {
            (p, e): np.mean([curves[r][e - 1] for r in replicates if r.point == p])
            for p in points
            for e in range(1, ends.get(p, LONG.epochs - 1) + 1)
        }
        assert len(asked) == len(expected)
        for point, epoch, mean in asked:
            assert mean == pytest.approx(expected[point, epoch], abs=max(1e-12, self.tolerance))
