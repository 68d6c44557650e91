"""Replicates of a user's module: alone, together, and by a loop written by hand."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import own_modules as own
import pytest
import pytorch_lightning as pl
import torch
from second_device import DEVICE, second_device
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from lossearch._random import isolated, seed_draws, seeded_build, stream
from lossearch.pairs import find_pair
from lossearch.pairs.making import criterion
from lossearch.space import Space
from lossearch.training.contract import Outcome, Replicate, TrainingCall, TrainSettings
from lossearch.training.own_module.obstacles import obstacle_to_batching_module
from lossearch.training.own_module.population import ModulePopulation
from lossearch.training.own_module.task import ModuleSpec, probed
from lossearch.training.plain.train import train_one
from lossearch.training.population.chunks import Chunk, Configuration
from lossearch.training.population.train_chunk import train_together

SETTINGS = TrainSettings(epochs=3, batch_size=1, precision="64-true", epoch="last")


def task_of(module, data, kind, settings=SETTINGS, **said):
    told = {
        "module_args": {}, "datamodule_args": {}, "criterion": None, "lr_name": None, "trainer": {}, "metric": None,
        "direction": None, "metrics": (), "standardize_target": True, "test": True, "seed": 0,
    }  # fmt: skip
    spec = ModuleSpec(
        module=module, name=f"own_modules:{module.__name__}", datamodule=data, kind=kind, **{**told, **said}
    )
    return probed(spec, settings)[0]


def space_of(kind, names, lr=(1e-3, 1e-1)):
    return Space(kind, tuple(find_pair(name, kind) for name in names), lr)


def call_of(task, space, **options):
    return TrainingCall(task, space, task.module.random, **{"keep_weights": True, **options})


def points_of(space, rates=(0.01, 0.003)):
    return [space.point(name, {"lr": lr}) for name in space.names for lr in rates]


def both_ways(task, space, points, seeds=(1, 2), settings=SETTINGS, **options):
    call = call_of(task, space, **options)
    together = train_together(call, Chunk(tuple(map(Configuration, points)), seeds, settings))
    return {r: (train_one(call, r, settings), one) for r, one in together.items()}


CASES = {
    "metric objects": (own.Classifier, own.Circles, "binary", ["bce/sigmoid", "hinge/tanh", "focal/sigmoid"]),
    "one-cycle": (own.HardCoded, own.Circles, "binary", ["bce/sigmoid", "mse/identity"]),
    "batch norm, dropout": (own.DigitsNet, None, "multiclass", ["cross_entropy/softmax", "mse/softmax"]),
    "regression": (own.Regressor, own.numbers_loaders(), "regression", ["mse/identity", "huber/identity"]),
}


@pytest.mark.parametrize("case", CASES)
def test_together_is_alone(case):
    module, data, kind, pairs = CASES[case]
    space = space_of(kind, pairs)
    found = both_ways(task_of(module, data, kind), space, points_of(space))
    assert len(found) == 4 * len(pairs)
    for alone, together in found.values():
        assert alone.outcome is together.outcome is Outcome.COMPLETED, alone.error
        assert alone.curves.keys() >= {"train_loss", "val_loss"}
        for name, curve in alone.curves.items():
            both = np.isfinite(curve) & np.isfinite(together.curves[name])
            assert both[-1]
            np.testing.assert_allclose(curve[both], together.curves[name][both], rtol=1e-7, atol=1e-7)
        assert alone.weights.keys() == together.weights.keys()
        for name, weights in alone.weights.items():
            # a bias before a normalisation has no gradient but rounding
            torch.testing.assert_close(weights, together.weights[name], rtol=1e-6, atol=1e-7)


def trained_on(device, task, space):
    call, settings = call_of(task, space), replace(SETTINGS, epochs=2)
    population = ModulePopulation(call, points_of(space), (1, 2), settings, device)
    found = {}
    for epoch in range(2):
        found[f"losses {epoch}"] = (
            population.train_epoch(epoch, population._update, lambda: False).cpu().numpy()
        )
        raw = population.outputs(population.validation)
        population.guard(population.losses(raw, population.validation), raw)
        found |= {
            f"{k} {epoch}": v for k, v in population.scores(raw, population.validation, task.metrics).items()
        }
        found |= {f"{k} {epoch}": v for k, v in population.behaviour(raw).items()}
        found |= {f"{k} {epoch}": v.cpu().numpy() for k, v in population.logged.items()}
    return found


@pytest.mark.parametrize("case", CASES)
def test_a_population_of_modules_computes_on_its_device(case):
    module, data, kind, pairs = CASES[case]
    task, space = task_of(module, data, kind), space_of(kind, sorted(pairs))
    expected = trained_on(torch.device("cpu"), task, space)
    with second_device():
        found = trained_on(DEVICE, task, space)
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, rtol=1e-7, atol=1e-7, err_msg=name)


class Dropped(pl.LightningModule):
    """Random layers and a shuffled loader: everything that a seed is to fix."""

    def __init__(self, criterion, lr):
        super().__init__()
        self.criterion, self.lr = criterion, lr
        self.net = nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Dropout(0.3), nn.Linear(8, 1))

    def training_step(self, batch):
        x, y = batch
        return self.criterion(self.net(x), y)

    def validation_step(self, batch):
        x, y = batch
        self.log("val_loss", self.criterion(self.net(x), y))

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=self.lr, momentum=0.9)


def test_a_replicate_is_what_a_loop_by_hand_makes_of_its_seed():
    task, space = task_of(Dropped, own.Circles, "binary"), space_of("binary", ["bce/sigmoid"])
    point, seed = space.point("bce/sigmoid", {"lr": 0.05}), 7
    result = train_one(call_of(task, space), Replicate(point, seed), SETTINGS)

    data = own.Circles()
    with isolated(stream(0, "data")):
        data.setup("fit")
    crit = criterion("bce/sigmoid", task="binary").double()
    module = seeded_build(lambda: Dropped(crit, 0.05), seed).double().train()
    optimizer = module.configure_optimizers()
    step = 0
    for epoch in range(3):
        with isolated(stream(seed, "batches", 0, epoch)):
            batches = list(data.train_dataloader())
        for x, y in batches:
            with isolated(0):
                seed_draws(stream(seed, "step", step))
                optimizer.zero_grad()
                module.training_step((x.double(), y)).backward()
            optimizer.step()
            step += 1
    for name, weights in result.weights.items():
        torch.testing.assert_close(weights, module.state_dict()[name], rtol=1e-9, atol=1e-10)


def test_a_replicate_does_not_depend_on_what_else_is_drawn():
    task, space = (
        task_of(Dropped, own.Circles, "binary"),
        space_of("binary", ["bce/sigmoid", "hinge/identity"]),
    )
    call, replicate = call_of(task, space), Replicate(points_of(space)[0], 3)
    first = train_one(call, replicate, SETTINGS)
    train_one(call, Replicate(points_of(space)[2], 4), SETTINGS)
    torch.manual_seed(5)
    before = torch.get_rng_state()
    again = train_one(call, replicate, SETTINGS)
    assert torch.equal(before, torch.get_rng_state())
    for name, curve in first.curves.items():
        np.testing.assert_array_equal(curve, again.curves[name])


def test_until_and_pruning_and_divergence_are_alike_both_ways():
    task, space = (
        task_of(own.Classifier, own.Circles, "binary"),
        space_of("binary", ["mse/identity"], (1e-3, 1e12)),
    )
    points = [space.point("mse/identity", {"lr": lr}) for lr in (0.01, 1e9)]
    call = call_of(task, space)
    sgd = replace(SETTINGS, epochs=4)
    configurations = (Configuration(points[0], 2), Configuration(points[1]))
    together = train_together(call, Chunk(configurations, (1, 2), sgd))
    for replicate, one in together.items():
        alone = train_one(call, replicate, sgd)
        assert alone.outcome is one.outcome
        assert alone.kept_epoch == one.kept_epoch
        assert {n: len(c) for n, c in alone.curves.items()} == {n: len(c) for n, c in one.curves.items()}

    def prune(point, epoch, mean):
        return epoch == 2 and point.lr == 0.01

    pruned = train_together(replace(call, prune=prune), Chunk((Configuration(points[0]),), (1, 2), sgd))
    assert {r.outcome for r in pruned.values()} == {Outcome.PRUNED}
    assert all(len(r.curves["val_accuracy"]) == 2 for r in pruned.values())


class Exploding(Dropped):
    """Its loss is not a number once its weights have moved."""

    def training_step(self, batch):
        loss = super().training_step(batch)
        return loss / (1e-30 if self.lr > 0.1 else 1.0) * (float("inf") if self.lr > 0.1 else 1.0)


def test_a_loss_that_is_not_finite_ends_a_replicate_where_it_was():
    task, space = task_of(Exploding, own.Circles, "binary"), space_of("binary", ["bce/sigmoid"], (1e-3, 1.0))
    result = train_one(call_of(task, space), Replicate(space.point("bce/sigmoid", {"lr": 0.5}), 1), SETTINGS)
    assert result.outcome is Outcome.DIVERGED
    assert (result.divergence.what, result.divergence.step, result.divergence.epoch) == ("loss", 1, 1)
    assert result.weights is None


def test_best_epoch_is_kept_with_its_weights():
    settings = replace(SETTINGS, epoch="best", epochs=5)
    task, space = task_of(own.Classifier, own.Circles, "binary"), space_of("binary", ["bce/sigmoid"])
    found = both_ways(task, space, [space.point("bce/sigmoid", {"lr": 0.05})], seeds=(1,), settings=settings)
    for alone, together in found.values():
        assert alone.kept_epoch == together.kept_epoch == 1 + int(np.argmax(alone.curves["val_accuracy"]))
        for name, weights in alone.weights.items():
            torch.testing.assert_close(weights, together.weights[name], rtol=1e-9, atol=1e-9)


class Stateful(Dropped):
    """Counts its steps, and lets its loss go by that."""

    def __init__(self, criterion, lr):
        super().__init__(criterion, lr)
        self.seen = 0

    def training_step(self, batch):
        self.seen += 1
        return super().training_step(batch) * (1 + self.seen)


class Branching(Dropped):
    """Control flow by what it predicts."""

    def training_step(self, batch):
        x, y = batch
        output = self.net(x)
        return self.criterion(output if output.mean() > 0 else -output, y)


class Plateau(Dropped):
    """A scheduler that reads a metric."""

    def configure_optimizers(self):
        optimizer = super().configure_optimizers()
        return {
            "optimizer": optimizer,
            "lr_scheduler": {
                "scheduler": torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer),
                "monitor": "val_loss",
            },
        }


class Averaging(Dropped):
    """A hook that changes what is trained."""

    def on_train_batch_end(self, outputs, batch, batch_idx):
        for p in self.parameters():
            p.data.mul_(0.99)


@pytest.mark.parametrize(
    ("module", "trainer", "reason"),
    [
        (own.Manual, {}, "Manual optimises by hand"),
        (Branching, {}, r"cannot be batched \(RuntimeError"),
        (Plateau, {}, "its scheduler reads a metric"),
        (Averaging, {}, "Averaging overrides on_train_batch_end"),
        (Stateful, {}, "does not come to the same training loss"),
        (
            own.Classifier,
            {"accumulate_grad_batches": 2},
            "trainer_kwargs has accumulate_grad_batches",
        ),
        (own.Classifier, {"precision": "bf16-mixed"}, "its precision is bf16-mixed"),
    ],
)
def test_what_cannot_be_batched_is_said_in_a_line(module, trainer, reason):
    task = task_of(module, own.Circles, "binary", trainer=trainer)
    call = call_of(task, space_of("binary", ["bce/sigmoid", "hinge/identity"]))
    found = obstacle_to_batching_module(call, task.module, (1, 2), replace(SETTINGS, precision="32-true"))
    assert found is not None
    assert re.search(reason, found), found


@pytest.mark.parametrize("case", CASES)
def test_usual_modules_are_batched(case):
    module, data, kind, pairs = CASES[case]
    task = task_of(module, data, kind)
    call = call_of(task, space_of(kind, pairs))
    assert (
        obstacle_to_batching_module(call, task.module, (1, 2), replace(SETTINGS, precision="32-true")) is None
    )


class TwoGroups(Dropped):
    """Two parameter groups, each with a rate and a decay of its own, and a rate that falls to another end."""

    def configure_optimizers(self):
        groups = [
            {"params": self.net[0].parameters(), "lr": self.lr},
            {"params": self.net[3].parameters(), "lr": self.lr / 10},
        ]
        optimizer = torch.optim.AdamW(groups, lr=self.lr, weight_decay=0.1)
        return [optimizer], [torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=3, eta_min=1e-4)]


class Warm(Dropped):
    """Steps of a warm-up from nothing."""

    def configure_optimizers(self):
        optimizer = torch.optim.Adam(self.parameters(), lr=self.lr)
        warm = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: min(1.0, step / 10))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": warm, "interval": "step"}}


class Clipped(Dropped):
    """Nothing of its own: the Trainer clips."""


@pytest.mark.parametrize(
    ("module", "trainer"),
    [
        (TwoGroups, {}),
        (Warm, {}),
        (Clipped, {"gradient_clip_val": 0.1}),
        (Dropped, {"limit_train_batches": 4}),
    ],
)
def test_optimisers_schedules_and_limits_are_those_of_the_module(module, trainer):
    settings = replace(SETTINGS, clip=trainer.get("gradient_clip_val"))
    task, space = task_of(module, own.Circles, "binary", trainer=trainer), space_of("binary", ["bce/sigmoid"])
    for alone, together in both_ways(task, space, points_of(space), settings=settings).values():
        for name, weights in alone.weights.items():
            torch.testing.assert_close(weights, together.weights[name], rtol=1e-8, atol=1e-9)


def test_several_losses_of_one_module_are_all_trained():
    class TwoHeads(Dropped):
        def training_step(self, batch):
            x, y = batch
            hidden = self.net[0](x)
            return self.criterion(self.net(x), y) + 0.1 * nn.functional.mse_loss(hidden[:, :2], x)

    task, space = (
        task_of(TwoHeads, own.Circles, "binary"),
        space_of("binary", ["bce/sigmoid", "hinge/identity"]),
    )
    for alone, together in both_ways(task, space, points_of(space)).values():
        for name, weights in alone.weights.items():
            torch.testing.assert_close(weights, together.weights[name], rtol=1e-9, atol=1e-9)


def test_batches_that_are_mappings_are_batched():
    class Rows(torch.utils.data.Dataset):
        def __init__(self, n):
            self.x = torch.randn(n, 2, generator=torch.Generator().manual_seed(n))

        def __len__(self):
            return len(self.x)

        def __getitem__(self, i):
            return {"x": self.x[i], "y": (self.x[i].sum() > 0).long()}

    class Named(Dropped):
        def training_step(self, batch):
            return super().training_step((batch["x"], batch["y"]))

        def validation_step(self, batch):
            return super().validation_step((batch["x"], batch["y"]))

    loaders = DataLoader(Rows(60), batch_size=16, shuffle=True), DataLoader(Rows(30), batch_size=16)
    task, space = task_of(Named, loaders, "binary"), space_of("binary", ["bce/sigmoid"])
    for alone, together in both_ways(task, space, points_of(space)).values():
        np.testing.assert_allclose(alone.curves["val_loss"], together.curves["val_loss"], rtol=1e-7)


def test_loaders_with_a_generator_of_their_own_follow_the_seed():
    x = torch.randn(64, 2, generator=torch.Generator().manual_seed(0))
    data = TensorDataset(x, (x.norm(dim=1) > 1).long())
    shuffled = DataLoader(data, batch_size=8, shuffle=True, generator=torch.Generator().manual_seed(1))
    task = task_of(Dropped, (shuffled, DataLoader(data, batch_size=64)), "binary")
    space = space_of("binary", ["bce/sigmoid"])
    call, point = call_of(task, space), points_of(space)[0]
    one, two, other = (train_one(call, Replicate(point, seed), SETTINGS) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.curves["train_loss"], two.curves["train_loss"])
    assert not np.array_equal(one.curves["train_loss"], other.curves["train_loss"])


def test_an_operation_without_a_rule_for_shared_batches_is_given_each_its_own():
    class Inked(Dropped):
        def __init__(self, criterion, lr):
            super().__init__(criterion, lr)
            self.net = nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.BatchNorm1d(8), nn.Linear(8, 1))

        def training_step(self, batch):
            x, y = batch
            output = self.net(x)
            return self.criterion(output, y) + 0.1 * nn.functional.mse_loss(output.squeeze(1), x[:, 0])

    task, space = task_of(Inked, own.Circles, "binary"), space_of("binary", ["bce/sigmoid", "focal/sigmoid"])
    assert not task.module.random
    for alone, together in both_ways(task, space, points_of(space)).values():
        for name, curve in alone.curves.items():
            np.testing.assert_allclose(curve, together.curves[name], rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize(
    ("module", "data", "kind", "names", "weighting"),
    [
        (
            own.Classifier,
            own.Circles,
            "binary",
            ["bce/sigmoid", "hinge/identity"],
            {"class_weight": "balanced"},
        ),
        (own.Classifier, own.Circles, "binary", ["bce/sigmoid", "focal/sigmoid"], {"pos_weight": "3.0"}),
        (
            own.DigitsNet,
            None,
            "multiclass",
            ["cross_entropy/softmax"],
            {"class_weight": '{"0": 5.0, "1": 0.5}'},
        ),
    ],
)
def test_classes_are_weighted_alike_both_ways(module, data, kind, names, weighting):
    task, space = task_of(module, data, kind), space_of(kind, names)
    plain = both_ways(task, space, points_of(space)[:1], seeds=(1,))
    weighted = both_ways(task, space, points_of(space), seeds=(1,), settings=replace(SETTINGS, **weighting))
    for alone, together in weighted.values():
        assert alone.outcome is together.outcome is Outcome.COMPLETED, alone.error
        for name, curve in alone.curves.items():
            both = np.isfinite(curve) & np.isfinite(together.curves[name])
            np.testing.assert_allclose(curve[both], together.curves[name][both], rtol=1e-6, atol=1e-7)
    (unweighted, _), *_ = plain.values()
    (first, _), *_ = weighted.values()
    assert abs(unweighted.curves["train_loss"][0] - first.curves["train_loss"][0]) > 1e-4


def test_weighted_loss_of_a_module_is_that_of_its_criterion():
    settings = replace(SETTINGS, class_weight='{"0": 1.0, "1": 5.0}', epochs=1)
    task, space = task_of(own.Classifier, own.Circles, "binary"), space_of("binary", ["bce/sigmoid"])
    result = train_one(call_of(task, space), Replicate(space.point("bce/sigmoid", {"lr": 0.01}), 1), settings)
    y = task.fold(1).train.y
    scale = 1 / (1 + 4 * float(y.double().mean()))  # so that training rows weigh 1 on average
    crit = criterion("bce/sigmoid", task="binary", class_weight={0: scale, 1: 5 * scale}).double()
    data = own.Circles()
    with isolated(stream(0, "data")):
        data.setup("fit")
    (batch,) = list(data.val_dataloader())
    module = own.Classifier(crit, 0.01).double()
    module.load_state_dict(dict(result.weights))
    with torch.no_grad():
        expected = crit(module.eval()(batch[0].double()), batch[1])
    assert result.curves["val_loss"][0] == pytest.approx(float(expected), rel=1e-9)
