"""What rows weigh: in criteria, against other libraries, and in predicted probabilities."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from contracts.problems import every_pair, problem, replicate, space_of
from contracts.training_base import SETTINGS, conventional, of_each_sort
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.utils.class_weight import compute_class_weight
from torch import nn
from torch.nn import functional

import lossearch
from lossearch.errors import InputError
from lossearch.kinds import KINDS, TargetStatistics
from lossearch.pairs import Criterion
from lossearch.tasks.task import Fold, Part
from lossearch.tasks.weights import class_weights, weighting_problems
from lossearch.training.batches import prepare
from lossearch.training.plain.train import train_plain
from lossearch.training.population.method import train_population
from lossearch.training.preflight.batching import obstacle_to_batching

RAW, CPU = torch.Generator().manual_seed(0), torch.device("cpu")


def drawn(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=RAW, dtype=torch.float64)


# --- criteria ----------------------------------------------------------------------------------------


@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(0.01, 100), min_size=4, max_size=4), st.integers(0, 2**16))
def test_cross_entropy_is_torchs_times_what_that_divides_by(weights, seed):
    """torch divides by the weights in the batch, this by its rows."""
    draws = torch.Generator().manual_seed(seed)
    raw = torch.randn(20, 4, generator=draws, dtype=torch.float64)
    y = torch.randint(4, (20,), generator=draws)
    w = torch.tensor(weights, dtype=torch.float64)
    crit = lossearch.criterion("cross_entropy/softmax", class_weight=dict(enumerate(weights)))
    ours = crit(raw, y)
    torch.testing.assert_close(ours, functional.cross_entropy(raw, y, weight=w) * w[y].mean())
    torch.testing.assert_close(ours, functional.cross_entropy(raw, y, weight=w, reduction="sum") / 20)


@settings(max_examples=25, deadline=None)
@given(st.floats(0.01, 100), st.lists(st.floats(0, 10), min_size=12, max_size=12), st.sampled_from([0, -1]))
def test_bce_is_torchs(pos_weight, own, low):
    raw, y = drawn(12), torch.tensor([0.0, 1.0] * 6, dtype=torch.float64)
    w = torch.tensor(own, dtype=torch.float64)
    given = y if low == 0 else 2 * y - 1
    expected = functional.binary_cross_entropy_with_logits(
        raw, y, weight=w, pos_weight=torch.tensor(pos_weight, dtype=torch.float64)
    )
    by_label = lossearch.criterion("bce/sigmoid", class_weight={low: 1, 1: pos_weight})
    of_1 = lossearch.criterion("bce/sigmoid", pos_weight=pos_weight)
    torch.testing.assert_close(by_label(raw, given, sample_weight=w), expected)
    torch.testing.assert_close(of_1(raw, given, sample_weight=w[:, None]), expected)


def test_labels_are_weighted_one_by_one_as_torch_does():
    raw, y = drawn(12, 3), (drawn(12, 3) > 0).double()
    each = torch.tensor([2.0, 5.0, 0.5], dtype=torch.float64)
    for name, weight in (("all", 3.0), ("each", each.tolist())):
        crit = lossearch.criterion("bce/sigmoid", task="multilabel", pos_weight=weight)
        wanted = functional.binary_cross_entropy_with_logits(
            raw, y, pos_weight=each if name == "each" else torch.full((3,), 3.0, dtype=torch.float64)
        )
        torch.testing.assert_close(crit(raw, y), wanted)


@pytest.mark.parametrize("kind", KINDS)
def test_every_pair_gives_the_mean_of_weight_times_value(kind):
    task = problem(kind, weighted=True)
    part, statistics = task.fold(0).train, task.fold(0).statistics
    for pair in every_pair(task):
        if pair.loss.gathers:
            continue  # see test_overlap.py
        crit = Criterion(pair, None, statistics).double()
        raw = drawn(len(part), pair.width(task.n_out)).requires_grad_()
        values = crit.per_sample(raw, part.y) * part.sample_weight
        mean = values.sum() / len(part)
        expected = pair.loss.after_mean(mean) if pair.loss.after_mean else mean
        ours = crit(raw, part.y, sample_weight=part.sample_weight)
        torch.testing.assert_close(ours, expected, msg=pair.name)
        (wanted,) = torch.autograd.grad(expected, raw, retain_graph=True)
        if pair.has_derivative:
            encoded = crit.encode(part.y, task.n_out, torch.float64)
            found = pair.derivative(raw.detach(), encoded, part.sample_weight[:, None], **crit.keywords())
            torch.testing.assert_close(found, wanted, msg=pair.name)


def test_single_values_are_not_weighted():
    raw, y = drawn(6), torch.tensor([0.0, 1.0] * 3)
    plain, weighted = lossearch.criterion("bce/sigmoid"), lossearch.criterion("bce/sigmoid", pos_weight=7.0)
    assert torch.equal(plain.per_sample(raw, y), weighted.per_sample(raw, y))
    assert torch.equal(plain.predict(raw), weighted.predict(raw))
    assert not torch.equal(plain.predict_proba(raw), weighted.predict_proba(raw))


@pytest.mark.parametrize(
    ("name", "given", "words"),
    [
        ("mse/identity", {"class_weight": {0: 1, 1: 2}}, "class_weight has no meaning"),
        ("cross_entropy/softmax", {"pos_weight": 2.0}, "pos_weight has no meaning"),
        ("bce/sigmoid", {"class_weight": "balanced"}, "needs training rows"),
        ("bce/sigmoid", {"class_weight": {0: 1}, "pos_weight": 2.0}, "both weight the classes"),
        ("bce/sigmoid", {"class_weight": {0: 0, 1: 1}}, "above 0"),
        ("bce/sigmoid", {"class_weight": {0: float("nan"), 1: 1}}, "above 0"),
        ("bce/sigmoid", {"class_weight": {0: True, 1: 1}}, "above 0"),
        ("bce/sigmoid", {"class_weight": {"no": 1, "yes": 1}}, "names 'no'"),
        ("bce/sigmoid", {"class_weight": {-1: 1, 0: 2}}, "twice"),
        ("bce/sigmoid", {"class_weight": {}}, "every label once"),
        ("bce/sigmoid", {"class_weight": 3}, "must be"),
        ("cross_entropy/softmax", {"class_weight": {-1: 1}}, "names '-1'"),
    ],
)
def test_a_criterion_refuses_weights_that_mean_nothing(name, given, words):
    with pytest.raises(InputError, match=words):
        lossearch.criterion(name, **({"task": "regression"} if name == "mse/identity" else {}), **given)


@pytest.mark.parametrize(
    "weights",
    [torch.ones(3), torch.ones(4, 2), torch.tensor([1, 1, 1, -1.0]), torch.tensor([1, 1, 1, torch.nan])],
)
def test_weights_of_a_batch_are_checked(weights):
    with pytest.raises(InputError, match="sample_weight"):
        lossearch.criterion("bce/sigmoid")(
            torch.zeros(4), torch.tensor([0.0, 1, 0, 1]), sample_weight=weights
        )


def test_weights_of_more_classes_than_there_are_outputs_are_refused():
    crit = lossearch.criterion("cross_entropy/softmax", class_weight={5: 2})
    with pytest.raises(InputError, match="weights are of"):
        crit(torch.zeros(2, 3), torch.tensor([0, 1]))


def test_a_loss_says_that_its_rows_cannot_be_weighted():
    @lossearch.loss(task="binary", encoding="zero_one", source="ours", weightable=False)
    def ranked(output, target):
        """Compare each row with the mean of its batch."""
        return (output - output.mean() - target).square()

    crit = lossearch.criterion("ranked/identity", losses=[ranked])
    assert crit(torch.zeros(2), torch.tensor([0.0, 1.0])) > 0
    with pytest.raises(InputError, match="cannot be weighted"):
        crit(torch.zeros(2), torch.tensor([0.0, 1.0]), sample_weight=torch.ones(2))
    with pytest.raises(InputError, match="cannot be weighted"):
        lossearch.criterion("ranked/identity", losses=[ranked], pos_weight=2.0)


# --- what training rows weigh ------------------------------------------------------------------------


def test_weights_are_of_training_rows_and_have_a_mean_of_one():
    for kind, by in (
        ("binary", "class_weight"),
        ("multiclass", "class_weight"),
        ("multilabel", "pos_weight"),
    ):
        task = problem(kind, weighted=True)
        found = set()
        for seed in (0, 1):
            fold = task.fold(seed)
            table = class_weights(
                task, fold, *(("balanced", "none") if by == "class_weight" else ("none", "balanced"))
            )
            crit = Criterion(conventional(task), None, fold.statistics, table).double()
            rows = prepare(fold.train, crit, task.n_out, torch.float64, CPU)
            assert rows.weight.mean().item() == pytest.approx(1, abs=1e-12)
            codes = KINDS[kind].class_codes(fold.train.y)
            if kind != "multilabel":
                # every class weighs the same in all
                sums = [float(rows.weight[codes == c].sum()) for c in codes.unique()]
                assert max(sums) == pytest.approx(min(sums), rel=1e-12)
            found.add(table)
        assert len(found) == 2, "each seed has its own rows"


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 2), min_size=4, max_size=60), st.booleans())
def test_balanced_is_scikit_learns(codes, weighted):
    y = torch.tensor(codes)
    own = torch.rand(len(y), generator=RAW, dtype=torch.float64) + 0.1 if weighted else None
    task = replace(problem("multiclass"), weighted=weighted)
    part = Part(torch.zeros(len(y), 3), y, sample_weight=own)
    (found,) = class_weights(task, Fold(0, part, part, TargetStatistics()), "balanced", "none")
    there = np.unique(codes)
    expected = compute_class_weight(
        "balanced", classes=there, y=np.array(codes), sample_weight=None if own is None else own.numpy()
    )
    ratio = np.array(found)[there] / expected
    np.testing.assert_allclose(ratio, ratio[0], rtol=1e-12)


@pytest.mark.parametrize("pair", ["bce/sigmoid", "focal/sigmoid", "squared_hinge/identity"])
def test_whole_weights_are_rows_repeated(pair):
    """In batches of all rows, whatever trains."""
    task, times = problem("binary"), torch.randint(0, 4, (60,), generator=RAW)

    def of(seed: int, *, repeated: bool) -> Fold:
        fold = task.fold(seed)
        parts = []
        for part, n in ((fold.train, times[:40]), (fold.validation, times[40:])):
            x, y = (t.repeat_interleave(n, dim=0) for t in (part.x, part.y))
            parts.append(Part(x, y) if repeated else Part(part.x, part.y, sample_weight=n.double()))
        return replace(fold, train=parts[0], validation=parts[1])

    own = replicate(next(p for p in every_pair(task) if p.name == pair), lr=0.1)
    for train in (train_plain, train_population):
        results = []
        for repeated in (True, False):
            ours = replace(task, fold=lambda seed, r=repeated: of(seed, repeated=r), weighted=not repeated)
            whole = replace(SETTINGS, epochs=5, batch_size=1000)
            space = space_of(ours, [own.point.definition])
            results += train(ours, space, [own], whole, keep_weights=True)
        for name, tensor in results[0].weights.items():
            torch.testing.assert_close(results[1].weights[name], tensor, rtol=1e-9, atol=1e-9)
        # of training rows the scale is that of the mean; of validation rows, of the training rows too
        np.testing.assert_allclose(
            results[0].curves["train_loss"], results[1].curves["train_loss"], rtol=1e-9
        )


@pytest.mark.parametrize("weighting", [{}, {"class_weight": "balanced"}, {"class_weight": {0: 1.0, 1: 8.0}}])
@pytest.mark.parametrize("of_rows", [False, True])
def test_a_linear_network_becomes_scikit_learns_logistic_regression(weighting, of_rows):
    draws = np.random.default_rng(0)
    x = draws.normal(size=(300, 3))
    y = (x @ [1.0, -2.0, 0.5] + draws.logistic(size=300) > 2.0).astype(int)
    w = draws.uniform(0.1, 3, size=300) if of_rows else None
    theirs = LogisticRegression(C=np.inf, tol=1e-10, max_iter=2000, **weighting).fit(x, y, sample_weight=w)
    part = Part(
        torch.from_numpy(x),
        torch.from_numpy(y).double()[:, None],
        sample_weight=None if w is None else torch.from_numpy(w),
    )
    task = replace(
        problem("binary", network=lambda n: nn.Linear(3, n)),
        fold=lambda seed: Fold(seed, part, part, TargetStatistics()),
        weighted=of_rows,
    )
    said = weighting.get("class_weight", "none")
    text = said if isinstance(said, str) else json.dumps({str(k): v for k, v in said.items()})
    pair = conventional(task)
    ours = replicate(pair, lr=2.0)
    whole = replace(SETTINGS, epochs=400, batch_size=300, class_weight=text)
    (result,) = train_population(task, space_of(task, [pair]), [ours], whole, keep_weights=True)
    np.testing.assert_allclose(result.weights["weight"].numpy(), theirs.coef_, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(result.weights["bias"].numpy(), theirs.intercept_, rtol=1e-4, atol=1e-5)


def test_populations_and_lone_replicates_score_the_same_under_weights():
    for kind, way in (
        ("binary", {"class_weight": "balanced"}),
        ("multiclass", {"class_weight": '{"1": 6.0}'}),
        ("multilabel", {"pos_weight": "balanced"}),
    ):
        task = problem(kind, weighted=True)
        # which scores a pair has depends on its activation, how it is weighted on its sort
        every = every_pair(task)
        pairs = list(dict.fromkeys([*of_each_sort(every), *{p.activation.name: p for p in every}.values()]))
        ours = [replicate(p, seed=s, **way) for p in pairs for s in (0, 1)]
        short = replace(SETTINGS, epochs=2, batch_size=20)
        together = train_population(task, space_of(task, pairs), ours, short)
        alone = train_plain(task, space_of(task, pairs), ours, short)
        for a, b in zip(together, alone, strict=True):
            assert a.curves.keys() == b.curves.keys()
            for name in a.curves:
                np.testing.assert_allclose(a.curves[name], b.curves[name], rtol=1e-8, atol=1e-8, err_msg=name)


def test_weighted_studies_can_be_trained_together():
    task = problem("multilabel", weighted=True)
    given = replace(SETTINGS, pos_weight="balanced")
    assert obstacle_to_batching(task, space_of(task), [0, 1], given, random=False) is None


# --- what has no meaning -----------------------------------------------------------------------------


def test_problems_are_told():
    regression, binary, labels = problem("regression"), problem("binary"), problem("multilabel")
    assert "sample_weight weights its rows" in weighting_problems(regression, "balanced", "none")[0]
    assert "pos_weight weights its classes" in weighting_problems(labels, "balanced", "none")[0]
    assert "names '7'" in weighting_problems(binary, '{"7": 2.0}', "none")[0]
    assert "2 numbers" in weighting_problems(labels, "none", "[1.0, 2.0]")[0]
    assert not weighting_problems(labels, "none", "[1.0, 2.0, 3.0]")
    assert not weighting_problems(binary, '{"0": 2.0}', "none")
