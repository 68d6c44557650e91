"""The promises of ``lossearch.training.contract`` as tests, for any training method.

A class that derives from :class:`TrainingContract` and gives ``method`` is tested.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from contracts.problems import (
    OPTIMIZER_CLASSES,
    Factory,
    batchnorm_mlp,
    dropout_mlp,
    network_problem,
    problem,
    replicate,
)
from contracts.training_base import ORACLES, SETTINGS, SEVERAL_ORACLES, VARIANTS, conventional
from contracts.training_numbers import NumbersTests
from contracts.training_outcomes import OutcomeTests
from contracts.training_until import UntilTests
from contracts.training_weights import WeightsTests
from lossearch._epochs import thin
from lossearch._random import seeded_build
from lossearch.kinds import KINDS
from lossearch.metrics.registry import scores
from lossearch.pairs import Criterion, find_pair
from lossearch.pairs.behaviour import MEASURES
from lossearch.training.contract import SCORED_EPOCHS
from lossearch.training.optimizers import OPTIMIZERS


class TrainingContract(NumbersTests, OutcomeTests, UntilTests, WeightsTests):
    """Subclass it and give ``method``; set ``tolerance`` where neighbours may change a curve's last bits."""

    def test_curves_have_a_value_an_epoch(self) -> None:
        task = problem("binary")
        (result,) = self.run(task, [replicate(conventional(task))], replace(SETTINGS, epochs=7))
        expected = {
            "train_loss",
            "val_loss",
            f"train_{task.metric.name}",
            *(f"val_{m.name}" for m in task.metrics),
            *(f"val_{name}" for name in MEASURES),
        }
        assert set(result.curves) == expected
        for curve in result.curves.values():
            assert curve.dtype == np.dtype(np.float64)
            assert curve.shape == (7,)
        assert result.seconds > 0
        assert result.weights is None

    def test_metrics_a_pair_lacks_are_left_out(self) -> None:
        task = problem("binary")
        (result,) = self.run(task, [replicate(find_pair("mse/identity", "binary"))])
        given = self.run(task, [replicate(conventional(task))])[0].curves
        assert set(given) - set(result.curves) <= {"val_log_loss", "val_brier", "val_ece"}

    @pytest.mark.parametrize("network", [dropout_mlp, batchnorm_mlp])
    @pytest.mark.parametrize("kind", KINDS)
    def test_metrics_are_those_of_the_network(self, kind: str, network: Factory) -> None:
        task = problem(kind, network=network)
        given = replicate(conventional(task), lr=0.1)
        (result,) = self.run(task, [given], keep_weights=True)
        assert result.weights is not None
        rebuilt = seeded_build(task.with_head(conventional(task).loss.head).build, 99).double()
        rebuilt.load_state_dict(dict(result.weights))
        fold = task.fold(given.seed)
        criterion = Criterion(conventional(task), None, fold.statistics).double()
        checked = 0
        for part, rows, names in (
            ("val", fold.validation, [m.name for m in task.metrics]),
            ("train", fold.train, [task.metric.name]),
        ):
            with torch.no_grad():
                said = criterion.predictions(rebuilt.eval()(rows.x))
            oracles = SEVERAL_ORACLES.get(kind, ORACLES)
            for name in set(names) & oracles.keys():
                score = oracles[name](
                    rows.y.numpy() if kind in SEVERAL_ORACLES else rows.y.flatten().numpy(), said
                )
                assert result.curves[f"{part}_{name}"][-1] == pytest.approx(score, rel=1e-12, abs=1e-9), name
                checked += 1
        assert checked >= min(5, 1 + len(oracles))

    @pytest.mark.parametrize("kind", KINDS)
    def test_behaviour_is_that_of_the_loss_on_validation_rows(self, kind: str) -> None:
        task = problem(kind)
        given = [replicate(p, lr=0.1) for p in self.pairs(task) if p.loss.head is None]
        for result in self.run(task, given, replace(SETTINGS, epochs=2, batch_size=20), keep_weights=True):
            point, fold = result.replicate.point, task.fold(result.replicate.seed)
            if result.weights is None or point.definition is None:
                continue
            rebuilt = seeded_build(task.build, 99).double()
            rebuilt.load_state_dict(dict(result.weights))
            criterion = Criterion(point.definition, point.params, fold.statistics).double()
            raw = rebuilt.eval()(fold.validation.x.double())
            (gradient,) = torch.autograd.grad(criterion(raw, fold.validation.y) * len(raw), raw)
            output, span = point.definition.activation(raw), point.definition.activation.range
            near = (output <= span.low + 1e-3) | (output >= span.high - 1e-3)
            expected = {
                "output_gradient": gradient.square().sum(1).mean().sqrt(),
                "zero_gradient": (gradient == 0).all(1).double().mean(),
                "logit_scale": raw.abs().mean(),
                "logit_sd": raw.std(correction=0),
                "saturation": near.double().mean(),
            }
            for name, value in expected.items():
                found = result.curves[f"val_{name}"][-1]
                assert found == pytest.approx(float(value.detach()), rel=1e-9, abs=1e-12), (point, name)

    def test_metrics_do_not_depend_on_the_batch_size(self) -> None:
        task = problem("binary")
        still = replicate(conventional(task), lr=1e-300)
        a, b = (self.run(task, [still], replace(SETTINGS, batch_size=n))[0].curves for n in (3, 40))
        assert {k: v.tolist() for k, v in a.items() if k != "train_loss"} == {
            k: v.tolist() for k, v in b.items() if k != "train_loss"
        }
        np.testing.assert_allclose(a["train_loss"], b["train_loss"], rtol=1e-12)

    def test_the_learning_rate_reaches_the_optimiser(self) -> None:
        task = problem("regression")
        pair = conventional(task)
        settings = replace(SETTINGS, epochs=1, batch_size=64, options={})
        moved = []
        for lr in (1e-300, 1e-3, 2e-3):
            (result,) = self.run(task, [replicate(pair, lr=lr)], settings, keep_weights=True)
            assert result.weights is not None
            moved.append(result.weights["0.weight"])
        torch.testing.assert_close(moved[2] - moved[0], 2 * (moved[1] - moved[0]), rtol=1e-9, atol=1e-15)
        assert not torch.equal(moved[1], moved[0])

    def test_every_name_has_an_oracle(self) -> None:
        assert set(OPTIMIZERS) == set(OPTIMIZER_CLASSES) == {name for name, _ in VARIANTS}

    def test_long_curves_are_dense_where_they_must_be(self) -> None:
        task = problem("binary")
        settings = replace(SETTINGS, epochs=60, epoch="best")
        (result,) = self.run(task, [replicate(conventional(task))], settings, keep_weights=True)
        dense = {"train_loss", "val_loss", f"val_{task.metric.name}"}
        assert result.kept_epoch is not None
        at = [e - 1 for e in (*thin(60, SCORED_EPOCHS), result.kept_epoch)]
        seldom = [0, 59, result.kept_epoch - 1]
        for name, curve in result.curves.items():
            assert curve.shape == (60,)
            shown = seldom if name.removeprefix("val_") in MEASURES else at
            assert np.isfinite(curve if name in dense else curve[shown]).all(), name

    @pytest.mark.parametrize("network", ["mlp", "convolution"])
    @pytest.mark.parametrize("epoch", ["best", "last"])
    def test_kept_weights_are_of_the_judged_epoch(self, epoch: str, network: str) -> None:
        task = network_problem("binary", network)
        settings = replace(SETTINGS, epochs=40, epoch=epoch, optimizer="adam", options={})
        given = replicate(conventional(task), lr=0.1)
        (result,) = self.run(task, [given], settings, keep_weights=True)
        judge = result.curves[f"val_{task.metric.name}"]
        assert result.kept_epoch == (40 if epoch == "last" else int(np.argmax(judge)) + 1)
        assert epoch == "last" or result.kept_epoch < 40
        assert result.weights is not None
        rebuilt = seeded_build(task.build, 99).double()
        rebuilt.load_state_dict(dict(result.weights))
        fold = task.fold(given.seed)
        criterion = Criterion(conventional(task), None, fold.statistics).double()
        for part, rows, metrics in (
            ("val", fold.validation, task.metrics),
            ("train", fold.train, task.train_metrics),
        ):
            with torch.no_grad():
                said = criterion.predictions(rebuilt.eval()(rows.x).unsqueeze(0))
            for name, value in scores(metrics, said, rows.y).items():
                recorded = result.curves[f"{part}_{name}"][result.kept_epoch - 1]
                assert recorded == pytest.approx(float(value[0]), abs=1e-6), name
