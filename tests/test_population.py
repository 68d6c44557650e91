"""Populations: what is theirs alone, beside the training contract."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from contracts.problems import (
    batchnorm_mlp,
    dropout_mlp,
    every_pair,
    mlp,
    problem,
    reference_run,
    replicate,
    space_of,
)
from contracts.training_base import (
    SETTINGS,
    VARIANTS,
    conventional,
    equal,
    variant_name,
    with_identity,
)
from torch import nn

from lossearch.losses import loss
from lossearch.pairs import find_pair
from lossearch.space import Point
from lossearch.training.contract import Outcome, Replicate, TrainingCall
from lossearch.training.plain.train import train_plain
from lossearch.training.population.batched_optimizers import supported
from lossearch.training.population.chunks import ChunkSizer, chunks
from lossearch.training.population.divergence_monitor import DivergedReplicate, DivergenceMonitor
from lossearch.training.population.method import Populations, train_population
from lossearch.training.population.module import PopulationModule
from lossearch.training.population.population import Population
from lossearch.training.population.weights import Layout

BEST = replace(SETTINGS, epoch="best")
WILD = 1e6


def train(task, replicates, settings=SETTINGS, **keywords):
    pairs = list({r.point.pair: r.point.definition for r in replicates}.values())
    return list(train_population(task, space_of(task, pairs), replicates, settings, **keywords))


def plain(task, replicates, settings=SETTINGS, **keywords):
    pairs = list({r.point.pair: r.point.definition for r in replicates}.values())
    return list(train_plain(task, space_of(task, pairs), replicates, settings, **keywords))


def weights(results):
    return {r.replicate: torch.cat([w.flatten().double() for w in r.weights.values()]) for r in results}


def grid(task, pairs=3, lrs=(1e-3, 1e-2, 3e-2), seeds=(0, 1, 2)):
    return [replicate(p, lr, s) for p in every_pair(task)[:pairs] for lr in lrs for s in seeds]


@pytest.fixture
def seen(monkeypatch):
    """The modules trained, in order."""
    found = []

    class Watched(PopulationModule):
        def __init__(self, *args, **keywords):
            super().__init__(*args, **keywords)
            found.append(self)

    monkeypatch.setattr("lossearch.training.population.module.PopulationModule", Watched)
    return found


# --- independence ------------------------------------------------------------------------------------


@pytest.mark.parametrize("network", [mlp, dropout_mlp, batchnorm_mlp])
def test_the_order_asked_does_not_change_a_bit(network):
    task = problem("multiclass", network=network)
    ours = grid(task)
    together = weights(train(task, ours, keep_weights=True))
    again = weights(train(task, ours[::-1][7:] + ours[::-1][:7], keep_weights=True))
    assert together.keys() == again.keys()
    assert all(torch.equal(together[r], again[r]) for r in ours)


@pytest.mark.parametrize("network", [mlp, dropout_mlp, batchnorm_mlp])
def test_chunks_seeds_and_neighbours_change_last_bits_at_most(network):
    """Products over all configurations of a seed are computed by other kernels where their number is another."""
    task = problem("multiclass", network=network)
    ours = grid(task)
    together = weights(train(task, ours, keep_weights=True))
    for some, size in ((ours[:6], 1), (ours, 9), (ours[:2], 512), ([r for r in ours if r.seed == 1], 512)):
        for r, cut in weights(train(task, some, keep_weights=True, chunk=size)).items():
            torch.testing.assert_close(cut, together[r], rtol=1e-12, atol=1e-12)


def test_a_diverging_neighbour_does_not_change_a_bit():
    for network in (mlp, dropout_mlp, batchnorm_mlp):
        task = problem("regression", network=network)
        pair = conventional(task)
        tame = [replicate(pair, lr, s) for lr in (1e-3, 1e-2) for s in (0, 1)]
        wild = [replicate(find_pair("mse/exp", "regression"), WILD, s) for s in (0, 1)]
        calm = [replicate(find_pair("mse/exp", "regression"), 1e-3, s) for s in (0, 1)]
        results = train(task, [*tame, *wild], replace(SETTINGS, epochs=1), keep_weights=True)
        with_wild = weights(results[:4])
        with_calm = weights(train(task, [*tame, *calm], replace(SETTINGS, epochs=1), keep_weights=True)[:4])
        assert {r.outcome for r in results[4:]} == {Outcome.DIVERGED}
        assert all(torch.equal(with_wild[r], with_calm[r]) for r in tame)


# --- divergence --------------------------------------------------------------------------------------


@pytest.mark.parametrize("lr", [3.0, 30.0, 1e3, 1e6, 1e200])
@pytest.mark.parametrize("name", ["mse/identity", "mse/exp", "log_cosh/identity", "msle/softplus"])
def test_divergence_has_the_place_that_the_plain_path_gives(name, lr):
    task = problem("regression")
    given = [replicate(find_pair(name, "regression"), lr, s) for s in (0, 1)] + [
        replicate(conventional(task))
    ]
    settings = replace(SETTINGS, epochs=12)
    for ours, theirs in zip(train(task, given, settings), plain(task, given, settings), strict=True):
        assert ours.outcome == theirs.outcome
        if theirs.divergence is not None:
            assert ours.divergence is not None
            place = (theirs.divergence.what, theirs.divergence.step, theirs.divergence.epoch)
            assert (ours.divergence.what, ours.divergence.step, ours.divergence.epoch) == place
            assert not np.isfinite(ours.divergence.value)
        assert {n: len(c) for n, c in ours.curves.items()} == {n: len(c) for n, c in theirs.curves.items()}


def test_where_steps_are_not_waited_for_the_loss_is_the_place():
    monitor = DivergenceMonitor(np.ones((1, 2), dtype=bool))
    monitor.note_late(torch.tensor([[[1.0, 1.0]], [[1.0, torch.inf]], [[1.0, torch.nan]]]), first=8)
    assert monitor.lost == [DivergedReplicate(0, 1, "loss", 9, float("inf"))]
    assert monitor.alive.tolist() == [[True, False]]


@pytest.mark.parametrize("name", ["rmse/identity", "mse/identity"])
def test_what_has_diverged_is_not_asked_about_again(name, monkeypatch):
    asked = []
    note = Population._note_lost
    monkeypatch.setattr(
        Population, "_note_lost", lambda self, raw: (asked.append(self.steps), note(self, raw))
    )
    task = problem("regression", rows=400, train=360)
    given = [replicate(find_pair(name, "regression"), lr, s) for lr in (1e-3, 1e200) for s in (0, 1)]
    results = train(task, given, replace(SETTINGS, epochs=2, batch_size=4))
    assert [r.outcome for r in results] == [Outcome.COMPLETED] * 2 + [Outcome.DIVERGED] * 2
    # of 90 steps an epoch
    assert 0 < len(asked) < 5


@pytest.mark.parametrize("variant", [v for v in VARIANTS if supported(*v)], ids=variant_name)
def test_a_lost_replicate_stands_still_so_that_it_slows_nothing(variant, seen):
    task = problem("regression", network=batchnorm_mlp if variant[0] == "sgd" else mlp)

    def huge_targets_of_one_seed(seed):
        fold = task.fold(seed)
        return replace(fold, train=replace(fold.train, y=fold.train.y * (1e200 if seed else 1)))

    given = [replicate(conventional(task), lr, s) for lr in (1e-3, 1e-2) for s in (0, 1)]
    settings = replace(SETTINGS, epochs=3, optimizer=variant[0], options=variant[1])
    results = train(replace(task, fold=huge_targets_of_one_seed), given, settings)
    assert [r.outcome for r in results] == [Outcome.COMPLETED, Outcome.DIVERGED] * 2
    for module in seen:
        left = module.population
        optimizer = left.optimizer
        lost = [view[2:] for view in (*left.weights.views.values(), *left.weights.buffers.values())]
        assert all(torch.isfinite(t).all() for t in lost)
        assert all((view[2:] == 0).all() for view in left.weights.views.values())
        assert (next(iter(left.weights.layout.views(optimizer.rates).values()))[2:] == 0).all()


class WithOneNumber(nn.Module):
    """With a parameter that is one number."""

    def __init__(self, n_out):
        super().__init__()
        self.linear = nn.Linear(3, n_out)
        self.scale = nn.Parameter(torch.tensor(2.0))

    def forward(self, x):
        return self.scale * self.linear(x)


def test_a_parameter_may_be_a_single_number(seen):
    task = problem("regression", network=WithOneNumber)
    given = [replicate(conventional(task), lr, s) for lr in (1e-3, 1e-2) for s in (0, 1)]
    settings = replace(SETTINGS, clip=1.0)
    for result in train(task, given, settings, keep_weights=True):
        expected = reference_run(task, result.replicate, settings)
        np.testing.assert_allclose(result.curves["val_loss"], expected.val_loss, rtol=1e-8)
    assert [module.shape for module in seen] == [(2, 2)]


@pytest.mark.parametrize("across", [False, True])
def test_a_flat_tensor_holds_every_replicate_wherever_it_lies(across):
    shapes = {"weight": torch.Size([3, 2]), "scale": torch.Size([])}
    layout = Layout(37, shapes, across)
    parts = {name: torch.randn(37, *shape) for name, shape in shapes.items()}
    flat = layout.flat(parts)
    assert all(torch.equal(view, parts[name]) for name, view in layout.views(flat).items())
    each = layout.views(layout.spread(torch.arange(37.0)))
    assert all((view[k] == k).all() for view in each.values() for k in range(37))
    kept = torch.tensor([0, 5, 36])
    for other in (False, True):
        into = Layout(3, shapes, other)
        found = into.views(layout.picked(flat, kept, into))
        assert all(torch.equal(view, parts[name][kept]) for name, view in found.items())
    lines = layout.views(flat)["weight"].stride(2) // 16
    assert not across or lines % 2 == 1


@pytest.mark.parametrize("variant", VARIANTS, ids=variant_name)
def test_a_configuration_that_has_diverged_leaves(variant, seen):
    task = problem("regression", network=batchnorm_mlp if variant[0] == "sgd" else mlp)
    pair = conventional(task)
    wild = with_identity(bursting)
    given = [replicate(p, lr, s) for p, lr in ((pair, 1e-3), (wild, 0.01), (pair, 1e-2)) for s in (0, 1)]
    settings = replace(SETTINGS, epochs=8, optimizer=variant[0], options=variant[1])
    results = train(task, given, settings, keep_weights=True)
    assert [r.outcome for r in results] == [Outcome.COMPLETED] * 2 + [Outcome.DIVERGED] * 2 + [
        Outcome.COMPLETED
    ] * 2
    assert results[2].weights is results[2].kept_epoch is None
    for result in results[:2] + results[4:]:
        expected = reference_run(task, result.replicate, settings)
        for name, tensor in expected.network.state_dict().items():
            torch.testing.assert_close(result.weights[name], tensor, rtol=1e-8, atol=1e-8)
        np.testing.assert_allclose(result.curves["val_loss"], expected.val_loss, rtol=1e-8)
    for module in seen:
        left = module.population
        assert left.n_configurations == len(module.remaining) == len(left.points) == 2
        assert left.weights.flat.numel() == left.optimizer.rates.numel() == left.weights.grad.numel()
        assert all(v.shape[0] == 4 for v in left.weights.views.values())


@loss(task="regression", encoding="raw", source="made to fail")
def bursting(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Squared error that is infinite once outputs come near the targets' mean."""
    return (output - target).square() + torch.where((output.mean() - 0.5).abs() < 10, torch.inf, 0.0)


def test_where_all_diverge_training_ends(seen):
    task = problem("regression")
    given = [replicate(conventional(task), lr, s) for lr in (WILD, 2 * WILD) for s in (0, 1)]
    results = train(task, given, replace(SETTINGS, epochs=500))
    assert {r.outcome for r in results} == {Outcome.DIVERGED}
    assert seen[0].trainer.current_epoch < 100


def test_a_seed_that_diverged_has_no_part_in_the_choice_of_epoch():
    """What the study takes for the best epoch is the one that weights are kept of, and scored in full."""

    def stretched(x, y):
        return x * torch.linspace(0.2, 3, len(x)).double()[:, None], y

    task = problem("regression", change=stretched)
    pairs = [find_pair(n, "regression") for n in ("mae/exp", "mse/exp")]
    given = [replicate(p, lr, s) for p in pairs for lr in (0.1, 0.2, 0.3, 0.5, 1.0) for s in range(6)]
    results = train(task, given, replace(BEST, epochs=30), keep_weights=True)
    partly = 0
    for i in range(0, len(results), 6):
        done = [r for r in results[i : i + 6] if r.outcome is Outcome.COMPLETED]
        partly += 0 < len(done) < 6
        for r in done:
            best = int(np.argmin(sum(d.curves["val_rmse"] for d in done))) + 1
            assert r.kept_epoch == best
            assert all(np.isfinite(curve[best - 1]) for curve in r.curves.values())
            expected = reference_run(task, r.replicate, replace(BEST, epochs=best))
            for name, tensor in expected.network.state_dict().items():
                torch.testing.assert_close(r.weights[name], tensor, rtol=1e-6, atol=1e-6)
    assert partly > 2


# --- the epoch whose weights are kept ----------------------------------------------------------------


@pytest.mark.parametrize("kind", ["binary", "regression"])
def test_weights_are_of_the_best_epoch_of_the_mean(kind):
    task = problem(kind, network=batchnorm_mlp)
    settings = replace(BEST, epochs=30, optimizer="adam", options={})
    results = train(task, grid(task, 2, (3e-2, 0.1)), settings, keep_weights=True)
    judge = f"val_{task.metric.name}"
    own = set()
    for i in range(0, len(results), 3):
        trial = results[i : i + 3]
        mean = task.metric.sign * np.stack([r.curves[judge] for r in trial]).mean(axis=0)
        assert {r.kept_epoch for r in trial} == {int(np.argmax(mean)) + 1}
        own |= {int(np.argmax(task.metric.sign * r.curves[judge])) + 1 == r.kept_epoch for r in trial}
        r = trial[i // 3 % 3]
        expected = reference_run(task, r.replicate, replace(settings, epochs=r.kept_epoch))
        for name, tensor in expected.network.state_dict().items():
            if name != "0.bias":  # without effect before a normalisation, and so all rounding
                torch.testing.assert_close(r.weights[name], tensor, rtol=1e-6, atol=1e-6)
    assert False in own


# --- arithmetic --------------------------------------------------------------------------------------


def test_clipping_is_by_replicate_and_that_of_the_trainer():
    task = problem("regression", network=dropout_mlp)
    pair = conventional(task)
    given = [replicate(pair, lr, s) for lr in (1e-3, 1e-1, 0.5) for s in (0, 1)]
    for clip in (1e-3, 0.1, 1e3):
        settings = replace(SETTINGS, clip=clip)
        ours, theirs = (
            train(task, given, settings, keep_weights=True),
            plain(task, given, settings, keep_weights=True),
        )
        for r, w in weights(ours).items():
            torch.testing.assert_close(w, weights(theirs)[r], rtol=1e-10, atol=1e-12)


def test_huge_gradients_are_clipped_not_lost():
    task = problem("regression", change=lambda x, y: (x * 1e22, y))
    settings = replace(SETTINGS, clip=0.1, precision="32-true")
    given = [replicate(conventional(task))]
    ours, theirs = (
        train(task, given, settings, keep_weights=True),
        plain(task, given, settings, keep_weights=True),
    )
    assert ours[0].outcome == theirs[0].outcome
    if theirs[0].weights is not None:
        torch.testing.assert_close(weights(ours)[given[0]], weights(theirs)[given[0]], rtol=1e-4, atol=1e-6)


def test_pairs_with_parameters_of_their_own_by_configuration():
    task = problem("binary")
    pair = find_pair("focal/sigmoid", "binary")
    names = list(pair.loss.defaults)
    points = [Point(pair.name, 0.1, tuple((n, v) for n in names), (), pair) for v in (0.25, 0.5, 0.75)]
    given = [Replicate(p, s) for p in points for s in (0, 1)]
    for r in train(task, given, keep_weights=True):
        for name, tensor in reference_run(task, r.replicate, SETTINGS).network.state_dict().items():
            torch.testing.assert_close(r.weights[name], tensor, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("name", ["rmse/identity", "msle/exp", "msle/softplus", "huber/softplus"])
@pytest.mark.parametrize("precision", ["32-true", "64-true"])
def test_scores_are_those_of_the_plain_path(name, precision):
    task = problem("regression")
    given = [replicate(find_pair(name, "regression"), seed=s) for s in (0, 1, 2)]
    settings = replace(SETTINGS, precision=precision)
    for ours, theirs in zip(train(task, given, settings), plain(task, given, settings), strict=True):
        equal(ours, theirs, 1e-4 if precision == "32-true" else 1e-12)


@pytest.mark.parametrize("kind", ["binary", "multiclass"])
def test_curves_have_the_names_that_the_plain_path_gives(kind):
    task = problem(kind)
    given = [replicate(p, seed=s) for p in every_pair(task) for s in (0, 1)]
    for ours, theirs in zip(train(task, given), plain(task, given), strict=True):
        equal(ours, theirs, 1e-12)


# --- chunks, errors, memory --------------------------------------------------------------------------


def test_a_chunk_holds_whole_trials_of_one_setting():
    task = problem("binary")
    pair = conventional(task)
    given = [
        replicate(pair, lr, s, batch_size=b) for lr in (0.1, 0.2, 0.3) for b in (8, 5) for s in (0, 1, 2)
    ]
    call = TrainingCall(task, space_of(task), random=False)
    cut = chunks(call, SETTINGS, [*given, given[0]], lambda _: 7)
    assert [(len(c.configurations), c.seeds, c.settings.batch_size) for c in cut] == [
        (2, (0, 1, 2), 8),
        (2, (0, 1, 2), 5),
        (1, (0, 1, 2), 8),
        (1, (0, 1, 2), 5),
    ]
    assert {r for c in cut for r in c.replicates} == set(given)


class Greedy(nn.Module):
    """A net that finds no memory for more than so many replicates at once."""

    most = 4
    asked: list[int]

    def __init__(self, n_out):
        super().__init__()
        self.layer = nn.Linear(3, n_out)

    def forward(self, x):
        w = self.layer.weight
        while torch._C._functorch.is_batchedtensor(w):
            w = torch._C._functorch.get_unwrapped(w)
        configurations = w.numel() // self.layer.weight.numel()
        Greedy.asked.append(configurations)
        if configurations > Greedy.most:
            raise torch.OutOfMemoryError("not enough memory")
        return self.layer(x)


@pytest.mark.parametrize("most", [1, 4])
def test_a_population_that_runs_out_of_memory_is_halved(most, monkeypatch):
    monkeypatch.setattr(Greedy, "asked", [], raising=False)
    monkeypatch.setattr(Greedy, "most", most)
    task = problem("binary", network=Greedy)
    given = grid(task, 3, (1e-2, 2e-2, 3e-2, 4e-2), seeds=(0,))
    results = train(task, given, keep_weights=True, chunk=8)
    assert [r.replicate for r in results] == given
    assert {r.outcome for r in results} == {Outcome.COMPLETED}
    for r in results[::4]:
        for name, tensor in reference_run(task, r.replicate, SETTINGS).network.state_dict().items():
            torch.testing.assert_close(r.weights[name], tensor, rtol=1e-10, atol=1e-10)
    # once it is known what fits, nothing larger is tried
    assert [n for n in Greedy.asked if n > most] == ([6] if most == 4 else [6, 3, 2])


def test_only_what_fails_is_failed():
    @loss(task="binary", encoding="zero_one", source="made to fail")
    def picky(output, target):
        """Refuse one of its parameters."""
        raise ValueError("no such luck")

    task = problem("binary")
    bad = with_identity(picky)
    given = [replicate(p, lr, s) for p in (*every_pair(task)[:2], bad) for lr in (0.1, 0.2) for s in (0, 1)]
    results = train(task, given)
    assert [r.outcome for r in results] == [Outcome.COMPLETED] * 8 + [Outcome.FAILED] * 4
    assert {r.reason for r in results[8:]} == {"ValueError: no such luck"}


class Lonely(nn.Module):
    """A net that refuses to be batched, once it has been looked at."""

    def __init__(self, n_out):
        super().__init__()
        self.layer = nn.Linear(3, n_out)

    def forward(self, x):
        if torch._C._functorch.is_batchedtensor(self.layer.weight):
            raise RuntimeError("I train alone. Do not ask again.")
        return self.layer(x)


def test_what_cannot_be_trained_together_after_all_is_said_once():
    task, notes = problem("binary", network=Lonely), []
    given = grid(task, 3, (1e-2, 2e-2), seeds=(0,))
    way = Populations(sizer=ChunkSizer(note=notes.append))
    results = list(way(task, space_of(task, [r.point.definition for r in given]), given, SETTINGS))
    assert {r.outcome for r in results} == {Outcome.COMPLETED}
    assert notes == ["Trained one by one, for as a population it fails: RuntimeError: I train alone."]


def test_optimisers_without_a_batched_form_are_trained_alone(seen):
    task = problem("binary")
    pair = conventional(task)
    given = [replicate(pair), replicate(pair, optimizer="nadam"), replicate(pair, lr=0.2)]
    settings = replace(SETTINGS, options={})
    results = train(task, given, settings, keep_weights=True)
    assert [r.replicate for r in results] == given
    assert [m.shape for m in seen] == [(1, 2)]
    for r in results:
        for name, tensor in reference_run(task, r.replicate, settings).network.state_dict().items():
            torch.testing.assert_close(r.weights[name], tensor, rtol=1e-9, atol=1e-9)


# --- the Trainer -------------------------------------------------------------------------------------


def test_the_trainer_counts_the_steps(seen):
    task = problem("binary")
    train(task, grid(task), replace(SETTINGS, epochs=7))
    (module,) = seen
    assert module.trainer.global_step >= 7
    assert module.trainer.current_epoch == 7
    assert module.population.steps == 7 * len(module.population.sizes)


def test_stop_is_asked_after_every_batch():
    task = problem("binary")
    asked = []

    def after(n):
        asked.append(1)
        return len(asked) >= n

    assert train(task, grid(task), stop=lambda: after(7)) == []
    assert len(asked) == 7
    asked.clear()
    assert len(train(task, grid(task), stop=lambda: after(10**9))) == 27
    assert len(asked) == 3 * 5


def test_threads_are_as_asked_and_as_before():
    seen_threads = set()

    @loss(task="binary", encoding="zero_one", source="made to look")
    def watching(output, target):
        """Note the number of threads."""
        seen_threads.add(torch.get_num_threads())
        return (output - target).square()

    task = problem("binary")
    before = torch.get_num_threads()
    train(task, [replicate(with_identity(watching))], threads=2)
    assert seen_threads == {2}
    assert torch.get_num_threads() == before


def test_a_population_picked_apart_goes_on_as_before():
    """Configurations taken out of a running population change nothing for those that stay."""
    for optimizer, options in VARIANTS:
        if options.get("amsgrad") or "decoupled_weight_decay" in options or optimizer == "nadam":
            continue
        task = problem("multiclass", network=batchnorm_mlp)
        points = sorted((r.point for r in grid(task, seeds=(0,))), key=lambda p: p.pair)
        settings = replace(SETTINGS, optimizer=optimizer, options=options)
        whole, cut = (
            Population(
                TrainingCall(task, space_of(task), random=False),
                points,
                [0, 1],
                settings,
                torch.device("cpu"),
            )
            for _ in range(2)
        )
        kept = [0, 3, 4, 8]
        for epoch in range(4):
            for population in (whole, cut):
                population.train_epoch(epoch, population.optimizer.step, lambda: False)
            if epoch == 1:
                cut.select(kept)
        assert cut.points == tuple(points[a] for a in kept)
        for s in range(2):
            for i, a in enumerate(kept):
                ours, theirs = cut.weights.state(s * 4 + i), whole.weights.state(s * 9 + a)
                for name, tensor in theirs.items():
                    torch.testing.assert_close(ours[name], tensor, rtol=1e-7, atol=1e-7)
