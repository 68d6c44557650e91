"""Every loss is an ``nn.Module`` with arguments of its own, made from its declaration."""

from __future__ import annotations

import copy
import doctest
import inspect
import os
import pickle
import subprocess
import sys

import loss_stub
import pytest
import torch
from counted import counted
from torch import nn

import lossearch
from lossearch.errors import IllegalPairError, InputError, UnknownNameError
from lossearch.kinds import KINDS
from lossearch.losses import BUILT_IN, losses_for
from lossearch.pairs.module_classes import class_names, module_class

CLASSES = class_names()
EVERY = [(kind, loss) for kind in KINDS for loss in losses_for(kind).values()]


def generator():
    return torch.Generator().manual_seed(0)


def rows(kind, loss):
    """Return raw output and raw targets that fit."""
    score = torch.randn(12, 1 if loss.elementwise else 3, generator=generator())
    target = KINDS[kind].sample(score)
    n = target.shape[1] if loss.joint else score.shape[1]
    width = n if loss.head is None else loss.head.width(n)
    return torch.randn(12, width, generator=generator()) / 2, target


@pytest.mark.parametrize(("kind", "loss"), EVERY, ids=str)
def test_a_class_is_the_criterion_of_its_loss(kind, loss):
    made = getattr(lossearch.losses, loss.class_name)(task=kind)
    assert isinstance(made, lossearch.Criterion)
    assert isinstance(made, nn.Module)
    assert (made.pair.loss, made.pair.kind) == (loss, kind)
    assert made.params == loss.defaults
    output, target = rows(kind, loss)
    statistics = counted(made.pair)
    made = getattr(lossearch.losses, loss.class_name)(task=kind, statistics=statistics)
    plain = lossearch.criterion(made.pair.name, task=kind, statistics=statistics)
    assert torch.equal(made(output, target), plain(output, target))
    assert torch.isfinite(made(output, target))


def test_no_loss_is_without_a_class_and_no_class_without_a_loss():
    assert {loss.class_name for loss in BUILT_IN} <= set(CLASSES)
    assert len(CLASSES) == len({loss.name for _, loss in EVERY})


@pytest.mark.parametrize("name", CLASSES)
def test_arguments_are_those_of_the_declaration(name):
    made = getattr(lossearch.losses, name)
    known = [loss for _, loss in EVERY if loss.class_name == name]
    arguments = inspect.signature(made).parameters
    for loss in known:
        for p in loss.params:
            assert arguments[p.name].default == p.default
            found = made(**{p.name: p.high}, task=loss.kinds[0])
            assert found.params[p.name] == p.high
            with pytest.raises(InputError):
                made(**{p.name: float("nan")}, task=loss.kinds[0])
    assert arguments["activation"].default is arguments["task"].default is None


@pytest.mark.parametrize("name", CLASSES)
def test_documentation_has_what_is_declared_and_its_example_runs(name):
    made = getattr(lossearch.losses, name)
    said = inspect.getdoc(made)
    for loss in {loss for _, loss in EVERY if loss.class_name == name}:
        assert loss.formula in said
        assert f"Source: {loss.source}." in said
        for p in loss.params:
            assert f"{p.low:g} to {p.high:g}" in said
    (test,) = doctest.DocTestFinder().find(made, name, module=False, globs={})[:1]
    assert len(test.examples) > 2
    assert doctest.DocTestRunner().run(test).failed == 0


def test_values_are_those_of_torch():
    output, real = torch.randn(20, generator=generator()), torch.rand(20, generator=generator())
    zero_one = (real > 0.5).float()
    logits, index = torch.randn(20, 3, generator=generator()), torch.arange(20) % 3
    with_torch = [
        (lossearch.losses.BCE(), nn.BCEWithLogitsLoss(), output, zero_one),
        (lossearch.losses.MSE(), nn.MSELoss(), output, real),
        (lossearch.losses.MAE(), nn.L1Loss(), output, real),
        (lossearch.losses.Huber(delta=0.3), nn.HuberLoss(delta=0.3), output, real),
        (lossearch.losses.Huber(0.3), nn.HuberLoss(delta=0.3), output, real),
        (lossearch.losses.CrossEntropy(), nn.CrossEntropyLoss(), logits, index),
        (lossearch.losses.LabelSmoothingCE(0.2), nn.CrossEntropyLoss(label_smoothing=0.2), logits, index),
        (lossearch.losses.PoissonNLL(), nn.PoissonNLLLoss(), output, zero_one),
    ]
    for ours, theirs, raw, target in with_torch:
        assert torch.allclose(ours(raw, target), theirs(raw, target), rtol=1e-5), ours


@pytest.mark.parametrize(
    ("name", "given", "pair", "kind"),
    [
        ("MSE", {}, "mse/identity", "regression"),
        ("MSE", {"task": "binary"}, "mse/sigmoid", "binary"),
        ("MSE", {"activation": "sigmoid"}, "mse/sigmoid", "binary"),
        ("MSE", {"activation": "softmax"}, "mse/softmax", "multiclass"),
        ("MSE", {"activation": "tanh", "task": "regression"}, "mse/tanh", "regression"),
        ("Focal", {}, "focal/sigmoid", "binary"),
        ("Focal", {"task": "multiclass"}, "focal/softmax", "multiclass"),
        ("Focal", {"task": "multiclass", "gamma": 1, "alpha": -1.0}, "focal/softmax", "multiclass"),
        ("Focal", {"activation": "softmax"}, "focal/softmax", "multiclass"),
        ("Huber", {"activation": "identity", "task": None}, "huber/identity", "regression"),
        ("Hinge", {"activation": "tanh"}, "hinge/tanh", "binary"),
    ],
)
def test_activation_and_task_say_which_pair(name, given, pair, kind):
    found = getattr(lossearch.losses, name)(**given).pair
    assert (found.name, found.kind) == (pair, kind)


@pytest.mark.parametrize(
    ("name", "given", "error", "said"),
    [
        ("MSE", {"activation": "tanh"}, InputError, "say which: task='regression'"),
        (
            "Huber",
            {"task": "binary"},
            InputError,
            "huber is a loss for regression, positive and reconstruction tasks",
        ),
        ("Huber", {"task": "binry"}, UnknownNameError, "binary"),
        ("Focal", {"activation": "identity"}, IllegalPairError, "Use focal/sigmoid"),
        ("Focal", {"activation": "sigmod"}, UnknownNameError, "sigmoid"),
        ("Focal", {"task": "multiclass", "alpha": 0.5}, UnknownNameError, "alpha"),
        ("Focal", {"gama": 1}, TypeError, "gama"),
        ("Focal", {"gamma": -1.0}, InputError, "gamma must lie between"),
    ],
)
def test_what_cannot_be_is_refused(name, given, error, said):
    with pytest.raises(error, match=said):
        getattr(lossearch.losses, name)(**given)


@pytest.mark.parametrize("name", ["Fokal", "focal", "_private", "bce"])
def test_other_names_are_not_there(name):
    with pytest.raises(AttributeError, match=name):
        getattr(lossearch.losses, name)
    assert not hasattr(lossearch.losses, name)


def test_one_class_has_one_identity():
    assert lossearch.losses.Focal is module_class("Focal")
    assert "Focal" in dir(lossearch.losses)
    assert (lossearch.losses.Focal.__module__, lossearch.losses.Focal.__qualname__) == (
        "lossearch.losses",
        "Focal",
    )


class Steeper(lossearch.losses.Focal):
    """A class of one's own."""


@pytest.mark.parametrize("made", [*(module_class(n) for n in CLASSES), Steeper], ids=lambda c: c.__name__)
def test_modules_are_kept(made, tmp_path):
    module = made()
    torch.save({"module": module, "state": module.state_dict()}, tmp_path / "kept.pt")
    copies = [
        copy.deepcopy(module),
        pickle.loads(pickle.dumps(module)),  # noqa: S301 - what was just written
        torch.load(tmp_path / "kept.pt", weights_only=False)["module"],
    ]
    if made is not Steeper:
        copies.append(torch.load(tmp_path / "kept.pt", weights_only=True)["module"])
    for copied in copies:
        assert type(copied) is made
        assert (copied.pair, copied.params, copied.location) == (module.pair, module.params, module.location)


def test_another_process_loads_one_by_the_safe_default(tmp_path):
    torch.save(lossearch.losses.Focal(gamma=3.0), tmp_path / "kept.pt")
    code = f"import torch, lossearch\nlossearch.Criterion\nprint(torch.load({str(tmp_path / 'kept.pt')!r}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "Focal(focal/sigmoid, gamma=3.0, alpha=-1.0)"


def test_it_trains_a_network_without_lightning():
    code = (
        "import sys, torch, lossearch\n"
        "x = torch.randn(64, 2); y = (x[:, 0] > 0).long()\n"
        "net, loss = torch.nn.Linear(2, 1), lossearch.losses.Focal(gamma=1.0)\n"
        "opt = torch.optim.SGD(net.parameters(), 1.0)\n"
        "first = loss(net(x), y).item()\n"
        "for _ in range(50):\n"
        "    opt.zero_grad(); loss(net(x), y).backward(); opt.step()\n"
        "assert loss(net(x), y).item() < first / 2\n"
        "print([m for m in ('pytorch_lightning', 'lightning', 'mlflow', 'optuna') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_list_for_editors_is_what_the_declarations_give():
    assert loss_stub.STUB.read_text() == loss_stub.text(), "run: python tests/loss_stub.py"


PLUGIN = '''
import lossearch

@lossearch.loss(task="binary", encoding="plus_minus_one", source="a test", params=(
    lossearch.losses.Parameter("steepness", 2.0, 0.5, 8.0, words="of the slope"),))
def savage_like(output, target, *, steepness):
    """Return what a plug-in says."""
    return (-steepness * output * target).exp()
'''


def test_a_declared_loss_of_a_plugin_has_its_class_by_that_alone(tmp_path):
    (tmp_path / "acme_losses.py").write_text(PLUGIN)
    info = tmp_path / "acme_losses-0.1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-losses\nVersion: 0.1\n")
    (info / "entry_points.txt").write_text("[lossearch.losses]\none = acme_losses:savage_like\n")
    code = (
        "import pickle, lossearch\nmade = lossearch.losses.SavageLike(3.0)\n"
        "assert 'searched from 0.5 to 8' in made.__doc__\n"
        "print(made, type(pickle.loads(pickle.dumps(made))).__name__)"
    )
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "SavageLike(savage_like/identity, steepness=3.0) SavageLike"
