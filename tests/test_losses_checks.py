"""The checks of a loss find what is wrong with it, and nothing where nothing is."""

from __future__ import annotations

import pytest
import torch

from lossearch.checks.contract import CHECKS, check_loss, facts
from lossearch.losses import BUILT_IN, Contained, Parameter, loss, losses_for

torch.func.vmap(torch.func.grad(torch.sum))(
    torch.zeros(1, 1)
)  # its first call sets an environment variable of torch's own


def declared(fn, **changes):
    given = {
        "task": "binary",
        "encoding": "plus_minus_one",
        "source": "made to fail",
        "example": (0.5, 1.0, 0.5),
    }
    return loss(**(given | changes))(fn)


def hinge_like(output, target):
    return (1 - target * output).clamp(min=0)


def reduced(output, target):
    return hinge_like(output, target).mean()


def batchwise(output, target):
    return hinge_like(output - output.mean(dim=-2, keepdim=True), target)


def in_place(output, target):
    return output.mul_(target).neg_().add_(1).clamp(min=0)


def random(output, target):
    return hinge_like(output, target) + torch.rand(())


def cut_gradient(output, target):
    return hinge_like(output, target) + output.detach() * output


def overflowing(output, target):
    return torch.log1p(torch.exp(-target * output))


def upside_down(output, target):
    return (1 + target * output).clamp(min=0)


def branching(output, target):
    return hinge_like(output, target) if output.sum() > 0 else 2 * hinge_like(output, target)


def scalar_only(output, target, *, scale):
    return float(scale) * hinge_like(output, target)


def scaled_hinge(output, target, *, scale):
    return scale * hinge_like(output, target)


def multiplied(output, target):
    mixed = output @ torch.eye(output.shape[-1], dtype=output.dtype)
    return hinge_like(mixed, target)


def divided(output, target):
    return hinge_like(output, target) / len(output)


def broken(output, target):
    raise RuntimeError("no such luck")


SCALE = (Parameter("scale", 1.0, 0.5, 2.0),)
MUTANTS = [
    (declared(hinge_like, example=(0.5, 1.0, 0.7)), "the declared example has the declared value"),
    (declared(hinge_like, example=None), "the declared example has the declared value"),
    (declared(hinge_like, domain="simplex"), "some activation may meet it"),
    (declared(hinge_like, params=(Parameter("m", 1.0, 2.0, 2.0),)), "its parameters can be searched"),
    (declared(hinge_like, params=(Parameter("m", 1.0, 0.0, 2.0, log=True),)), "its parameters can be searched"),
    (declared(reduced), "it gives one value a row, unreduced"),
    (declared(batchwise), "a row's value is its own"),
    (declared(in_place), "its inputs are left as they are"),
    (declared(random), "the same input gives the same value, without random numbers"),
    (declared(cut_gradient), "autograd agrees with finite differences"),
    (declared(hinge_like, derivative=hinge_like), "declared derivatives agree with autograd"),
    (declared(hinge_like, fused_derivative={"tanh": hinge_like}), "declared derivatives agree with autograd"),
    (declared(overflowing), "value and gradient are finite far out"),
    (declared(multiplied), "half-precision output is as good as float32"),
    (declared(hinge_like, fused={"tanh": hinge_like}), "the form on raw output is the loss after the activation"),
    (declared(hinge_like, contains=(Contained("hinge", {}, factor=2.0),)), "it becomes every loss it says it contains"),
    (declared(upside_down), "it is least at the target, or on its side of the threshold"),
    (declared(scalar_only, params=SCALE), "a stack of models gives what each gives alone"),
    (declared(scalar_only, params=SCALE), "it works under torch.func.vmap"),
    (declared(branching), "it works under torch.func.vmap"),
    (declared(hinge_like, probability={"identity": torch.sigmoid}), "declared probabilities minimise its expectation"),
    (declared(random), "the criterion never broadcasts rows against rows"),
    (declared(broken), "it gives one value a row, unreduced"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("mutant", "what"), MUTANTS, ids=[f"{m.name}-{i}" for i, (m, _) in enumerate(MUTANTS)]
)
def test_a_defect_is_found(mutant, what):
    findings = {f.what: f for f in check_loss(mutant)}
    assert not findings[what].ok
    assert findings[what].detail


def test_every_check_has_a_defect_that_it_finds():
    assert {what for _, what in MUTANTS} == {c.what for c in CHECKS}


def test_a_sound_loss_of_ones_own_passes():
    sound = declared(hinge_like, kinks=(1.0,))
    assert [str(f) for f in check_loss(sound) if not f.ok] == []


@pytest.mark.parametrize(
    ("contained", "said"),
    [
        (Contained("hing", {}), "No binary loss named 'hing'. Did you mean 'hinge'?"),
        (Contained("hinge", {"scael": 1.0}), "No parameter of scaled named 'scael'. Did you mean 'scale'?"),
        (Contained("hinge", {"scale": 3.0}), "scale = 3 is outside its searched range 0.5 to 2"),
        (Contained("bce", {"scale": 1.0}), "no activation meets both it and bce"),
        (Contained("mse", {"scale": 1.0}), "scaled/identity at scale = 1 is "),
        (Contained("hinge", {"scale": 2.0}), "scaled/identity at scale = 2 is 2.2 away from 1 times hinge/identity"),
    ],
)  # fmt: skip
def test_a_loss_that_is_not_contained_is_told(contained, said):
    scaled = declared(scaled_hinge, params=SCALE, name="scaled", contains=(contained,))
    finding = {f.what: f for f in check_loss(scaled)}["it becomes every loss it says it contains"]
    assert said in finding.detail


def test_a_loss_that_is_contained_up_to_a_factor_passes():
    inner = (Contained("hinge", {"scale": 1.0}), Contained("hinge", {"scale": 2.0}, factor=2.0))
    scaled = declared(scaled_hinge, params=SCALE, name="scaled", contains=inner)
    assert {f.what: f.ok for f in check_loss(scaled)}["it becomes every loss it says it contains"]


def test_an_exception_is_a_finding():
    findings = check_loss(declared(broken))
    line = broken.__code__.co_firstlineno + 1
    assert str(findings[0]) == (
        "FAILED  the declared example has the declared value: raised RuntimeError: no such luck at test_losses_checks.py, "
        f'line {line}: raise RuntimeError("no such luck")'
    )


def test_values_of_a_wrong_shape_are_told_and_nothing_that_follows_from_them():
    failed = [str(f) for f in check_loss(declared(reduced)) if not f.ok]
    assert failed == [
        (
            "FAILED  it gives one value a row, unreduced: it gives one number for all rows: leave out the mean or the sum, "
            "which the criterion takes"
        )
    ]


@pytest.mark.parametrize(
    ("mutant", "said"),
    [
        (divided, "values are divided by the number of rows, which the criterion does"),
        (batchwise, "the value of a row depends on the other rows. A loss of the whole batch declares"),
    ],
)
def test_what_else_a_rows_value_depends_on_is_told(mutant, said):
    assert said in {f.what: f for f in check_loss(declared(mutant))}["a row's value is its own"].detail


def test_what_is_worth_knowing_is_told():
    def far(output, target):
        return 156 * hinge_like(output, target)

    assert facts(losses_for("binary")["dice"])[0].startswith(
        "A batch is divided by its rows: several numbers"
    )
    assert facts(losses_for("regression")["rmse"])[0] == "A batch is divided by its rows, before after_mean."
    divides, starts = facts(declared(far))
    assert divides == "A batch is divided by its rows and outputs."
    assert starts.startswith(
        "Training starts at 158, with a gradient of 156 a row; bce/sigmoid at 0.692 with 0.498. Divide"
    )
    assert facts(declared(broken)) == []


@pytest.mark.parametrize("x", BUILT_IN, ids=lambda x: f"{x.kinds[0]}-{x.name}")
def test_no_loss_of_ours_starts_far_from_the_others(x):
    assert facts(x)[1].count(";") == 0


def test_checks_leave_the_random_state_alone():
    state = torch.get_rng_state()
    check_loss(losses_for("binary")["bce"])
    check_loss(declared(random))
    assert torch.equal(state, torch.get_rng_state())
