"""Which loss may meet which activation: every compatibility rule gives the stated action, with its reason."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F  # noqa: N812

from lossearch.errors import IllegalPairError, InputError, UnknownNameError
from lossearch.kinds import TargetFacts
from lossearch.pairs import find_pair
from lossearch.pairs.making import criterion

REAL = TargetFacts("regression", 1, -3.0, 4.0)


def raw_form(pair):
    return f"Use {pair}: it is computed from raw output, so the network's last layer stays linear."


def message(name, kind, facts=None):
    with pytest.raises(InputError) as caught:
        find_pair(name, kind, facts)
    return str(caught.value)


# --- compatibility rules: refused pairs, with the reason and the cure ----------------------------------

UNREACHED = "sigmoid gives a number between 0 and 1; its targets (-1 or +1) lie where sigmoid cannot reach."
SIMPLEX = "softmax gives probabilities that sum to 1, so its margin is out of reach."
MSLE_CURE = (
    "Use mse, mae or huber; or shift the targets to 0 and up; or ask for msle_clamped, Keras's variant, "
    "which does not learn below 0."
)
REFUSED = {
    # raw scores into a loss on probabilities
    ("bce/identity", "binary", None): (
        f"bce takes a number between 0 and 1; identity gives any real number. {raw_form('bce/sigmoid')}"
    ),
    ("binary_crossentropy/linear", "binary", None): (
        f"bce takes a number between 0 and 1; identity gives any real number. {raw_form('bce/sigmoid')}"
    ),
    ("cross_entropy/identity", "multiclass", None): (
        f"cross_entropy takes probabilities that sum to 1; identity gives any real number. {raw_form('cross_entropy/softmax')}"
    ),
    ("categorical_crossentropy/identity", "multiclass", None): (
        "cross_entropy_one_hot takes probabilities that sum to 1; identity gives any real number. "
        f"{raw_form('cross_entropy_one_hot/softmax')}"
    ),
    ("kl_div/identity", "multiclass", None): (
        f"kl_div takes probabilities that sum to 1; identity gives any real number. {raw_form('kl_div/softmax')}"
    ),
    # tanh into BCE: torch stops on the CPU and poisons the process on CUDA
    ("bce/tanh", "binary", None): (
        f"bce takes a number between 0 and 1; tanh gives a number between -1 and 1. {raw_form('bce/sigmoid')}"
    ),
    ("focal/tanh", "binary", None): (
        f"focal takes a number between 0 and 1; tanh gives a number between -1 and 1. {raw_form('focal/sigmoid')}"
    ),
    # margins behind an activation that cannot reach them
    ("hinge/sigmoid", "binary", None): f"{UNREACHED} Use hinge/identity.",
    ("squared_hinge/sigmoid", "binary", None): f"{UNREACHED} Use squared_hinge/identity.",
    ("crammer_singer/softmax", "multiclass", None): (
        f"crammer_singer needs unbounded scores; {SIMPLEX} Use crammer_singer/identity."
    ),
    ("ovr_hinge/softmax", "multiclass", None): f"ovr_hinge needs unbounded scores; {SIMPLEX} Use ovr_hinge/identity.",
    ("ovr_squared_hinge/softmax", "multiclass", None): (
        f"ovr_squared_hinge needs unbounded scores; {SIMPLEX} Use ovr_squared_hinge/identity."
    ),
    ("hinge/softmax", "binary", None): "softmax is not an output activation for binary tasks. Use hinge/identity.",
    # targets the activation cannot reach
    ("mse/sigmoid", "regression", REAL): (
        "sigmoid gives a number between 0 and 1; targets go from -3 to 4. Use mse/identity."
    ),
    ("mse/tanh", "regression", REAL): (
        "tanh gives a number between -1 and 1; targets go from -3 to 4. Use mse/identity."
    ),
    ("mae/softplus", "regression", REAL): (
        "softplus gives a number from 0 up; targets go from -3 to 4. Use mae/identity."
    ),
    ("huber/exp", "regression", REAL): "exp gives a number from 0 up; targets go from -3 to 4. Use huber/identity.",
    ("mse/sigmoid", "regression", TargetFacts("regression", 1, 0.0, 255.0)): (
        "sigmoid gives a number between 0 and 1; targets go from 0 to 255. Use mse/identity."
    ),
    # logarithms of what may be negative
    ("msle/identity", "regression", None): (
        "msle takes a number above -1; identity gives any real number. Use msle/softplus."
    ),
    ("msle/softplus", "regression", REAL): (
        f"each target of msle must be a number above -1; these go from -3 to 4. {MSLE_CURE}"
    ),
    ("msle/exp", "regression", TargetFacts("regression", 1, -1.0, 4.0)): (
        f"each target of msle must be a number above -1; these go from -1 to 4. {MSLE_CURE}"
    ),
    ("msle/softplus", "regression", TargetFacts("regression", 1, -0.5, 4.0)): (
        f"softplus gives a number from 0 up; targets go from -0.5 to 4. {MSLE_CURE}"
    ),
}  # fmt: skip


@pytest.mark.parametrize(
    ("given_pair", "words"), REFUSED.items(), ids=lambda x: x[0] if isinstance(x, tuple) else ""
)
def test_illegal_pairs_are_refused_with_reason_and_cure(given_pair, words):
    name, kind, facts = given_pair
    said = message(name, kind, facts)
    assert said.partition(": ")[2] == words
    with pytest.raises(IllegalPairError):
        find_pair(name, kind, facts)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        (
            "relu",
            "where it is 0 its gradient is 0 too, so such an output never recovers. Use softplus or exp.",
        ),
        ("log_softmax", "losses take log-probabilities from raw output themselves. Use softmax."),
    ],
)
def test_activations_that_are_none_for_outputs(name, words):
    for pair, kind in ((f"msle/{name}", "regression"), (f"kl_div/{name}", "multiclass")):
        with pytest.raises(UnknownNameError) as caught:
            find_pair(pair, kind)
        assert str(caught.value) == f"{name} is not an output activation: {words}"


# --- compatibility rules: legal pairs that need care ---------------------------------------------------

CAUTIONS = {
    ("hinge/tanh", "binary"): "tanh reaches -1 and +1 only in the limit, so gradients fade before the loss is 0.",
    ("squared_hinge/tanh", "binary"): "tanh reaches -1 and +1 only in the limit, so gradients fade before the loss is 0.",
    ("rmse/identity", "regression"): (
        "a root over the batch is not a mean over samples: its gradient depends on the batch size, so keep that fixed."
    ),
    ("msle_clamped/identity", "regression"): (
        "everything below 0 counts as 0: negative targets are not learned, and where the output is negative the gradient is 0."
    ),
}  # fmt: skip


@pytest.mark.parametrize(("name", "kind"), CAUTIONS, ids=str)
def test_cautions(name, kind):
    assert find_pair(name, kind).caution == CAUTIONS[name, kind]


def test_most_pairs_need_no_caution():
    for name in ("bce/sigmoid", "hinge/identity", "mse/sigmoid"):
        assert find_pair(name, "binary").caution is None


@pytest.mark.parametrize(
    ("name", "kind", "encoding"),
    [
        ("mse/sigmoid", "binary", "zero_one"),
        ("mse/tanh", "binary", "plus_minus_one"),
        ("mae/tanh", "binary", "plus_minus_one"),
        ("mse/identity", "binary", "plus_minus_one"),
        ("hinge/identity", "binary", "plus_minus_one"),
        ("bce/sigmoid", "binary", "zero_one"),
        ("mse/softmax", "multiclass", "one_hot"),
        ("mse/identity", "multiclass", "one_hot"),
        ("ovr_hinge/identity", "multiclass", "plus_minus_one_hot"),
        ("cross_entropy/softmax", "multiclass", "index"),
        ("mse/identity", "regression", "standardised"),
        ("mse/softplus", "regression", "nonnegative"),
        ("mse/tanh", "regression", "symmetric_unit"),
        ("mse/sigmoid", "regression", "unit"),
        ("msle/softplus", "regression", "nonnegative"),
        ("msle_clamped/identity", "regression", "standardised"),
    ],
)
def test_the_encoding_follows_from_the_pair(name, kind, encoding):
    assert find_pair(name, kind).encoding.name == encoding


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("mse/sigmoid", 0, 1),
        ("mse/tanh", -1, 1),
        ("mse/tanh", 0, 1),
        ("mse/softplus", 0, 1e6),
        ("msle/exp", 0, 9),
    ],
)
def test_targets_inside_the_range_are_legal(name, low, high):
    assert find_pair(name, "regression", TargetFacts("regression", 1, low, high)).name == name


def test_the_clamped_msle_takes_negative_targets():
    assert find_pair("msle_clamped/identity", "regression", REAL).loss.on_request


def test_bce_on_minus_one_and_one_is_mapped():
    # on -1 the formula itself goes to minus infinity
    raw = torch.linspace(-100, 100, 9)
    labels = torch.tensor([0, 1] * 4 + [0])
    crit = criterion("bce/sigmoid")
    for targets in (2 * labels - 1, (2 * labels - 1).double()):
        assert torch.equal(crit.per_sample(raw, targets), crit.per_sample(raw, labels))
    assert bool((crit.per_sample(raw, 2 * labels - 1) >= 0).all())


@pytest.mark.parametrize(
    "name", ["hinge/identity", "squared_hinge/identity", "hinge/tanh", "soft_margin_loss/sigmoid"]
)
def test_margins_on_zero_and_one_are_mapped(name):
    # unmapped, class 0 has a constant loss and no gradient
    raw = torch.tensor([0.5], requires_grad=True)
    criterion(name, task="binary")(raw, torch.tensor([0])).backward()
    assert float(raw.grad) > 0


def test_nll_and_kl_names_take_the_logarithm():
    raw, target = torch.randn(50, 3), torch.arange(50) % 3
    for name in ("nll_loss/softmax", "kl_div/softmax"):
        values = criterion(name).per_sample(raw, target)
        torch.testing.assert_close(values, F.cross_entropy(raw, target, reduction="none"))
        assert bool((values > 0).all())


def test_sigmoid_and_bce_are_one_function():
    raw = torch.tensor([-50.0, 20.0], requires_grad=True)
    criterion("bce/sigmoid").per_sample(raw, torch.tensor([1, 0])).sum().backward()
    assert raw.grad.tolist() == pytest.approx([-1.0, 1.0])
