"""A loss of one's own is named in the same way wherever a loss is named, and is found again by other processes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import optuna
import pytest
import torch

import lossearch
from lossearch import api
from lossearch.cli import invoke
from lossearch.config import load_config
from lossearch.errors import InputError
from lossearch.losses import as_loss, own_loss, reference_of

LOSSES = '''
import torch

import lossearch
from my_helpers import half


@lossearch.loss(
    task="binary", encoding="plus_minus_one", domain="real", source="ours", example=(0.5, 1.0, 0.25)
)
def asymmetric(output, target):
    """max(0, 1 - s f)^2, half for class -1"""
    weight = torch.where(target > 0, 1.0, half)
    return weight * (1 - output * target).clamp(min=0).square()


@lossearch.loss(task="binary", encoding="zero_one", domain="real", source="ours")
def reduced(output, target):
    """mean of squares"""
    return (output - target).square().mean()


@lossearch.loss(task="binary", encoding="zero_one", domain="real", source="ours", example=(0.5, 1.0, 9.0))
def misdeclared(output, target):
    """(f - y)^2"""
    return (output - target).square()


@lossearch.loss(task="regression", encoding="raw", domain="real", source="ours", example=(0.5, 1.0, 0.25))
def for_numbers(output, target):
    """(f - y)^2"""
    return (output - target).square()


def undeclared(output, target):
    return output
'''
QUICK = {"trials": 10, "seeds": 1, "confirm_seeds": 2, "epochs": 2, "mlflow": False}
X = np.random.default_rng(0).normal(size=(80, 2)).astype("float32")
Y = (X[:, 0] > 0).astype(int)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working directory with a module of losses and another that it imports."""
    (tmp_path / "my_losses.py").write_text(LOSSES)
    (tmp_path / "my_helpers.py").write_text("half = 0.5\n")
    rows = "\n".join(f"{a},{b},{c}" for (a, b), c in zip(X.tolist(), Y, strict=True))
    (tmp_path / "rows.csv").write_text(f"a,b,c\n{rows}\n")
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    for name in [m for m in sys.modules if m.rpartition("lossearch_file_")[2] in ("my_losses", "my_helpers")]:
        del sys.modules[name]


@pytest.mark.parametrize("name", ["my_losses:asymmetric", "my_losses.asymmetric", "my_losses.py:asymmetric"])
def test_every_place_takes_it(folder, name):
    assert lossearch.criterion(f"{name}/tanh").pair.name == "asymmetric/tanh"
    assert lossearch.criterion({"pair": f"{name}/tanh"}).pair.name == "asymmetric/tanh"
    study = optuna.create_study()
    point = lossearch.suggest(study.ask(), losses=[name], activations=["tanh"])
    assert point.pair == "asymmetric/tanh"
    assert point.criterion().pair.loss.name == "asymmetric"
    assert lossearch.suggest(study.ask(), pairs=[f"{name}/tanh"], prefix="p").pair == "asymmetric/tanh"
    loss = lossearch.criterion(f"{name}/tanh").pair.loss
    assert float(loss(torch.tensor(0.5), torch.tensor(1.0))) == 0.25


@pytest.mark.parametrize("name", ["my_losses:asymmetric", "my_losses.asymmetric"])
def test_a_search_takes_it(folder, name):
    result = lossearch.search(
        X, Y, losses=["bce", name], activations=["sigmoid", "identity"], store="s", name="own", **QUICK
    )
    assert set(result.leaderboard["pair"]) == {"bce/sigmoid", "asymmetric/identity"}
    assert not [n for n in result.declared.notes if "fails" in n]


ELSEWHERE = """
import sys, lossearch
from lossearch.cli import invoke
run, trust = {run!r}, ["--trust", "my_losses:asymmetric"]
for arguments in (
    [*run, "--trials", "12"],
    ["report", "rows", "--store", "s"],
    ["rerun", "rows", "9", "--store", "s", *trust],
    ["rerun", "rows", "confirm:asymmetric/identity", "--store", "s", *trust],
    ["export", "rows", "out", "--store", "s", *trust],
):
    code = invoke(arguments)
    assert code == 0, (arguments, code)
result = lossearch.load("rows", "s", trust="my_losses:asymmetric")
for confirmation in result.confirmed.confirmations:
    assert result._with_pair(confirmation.point).criterion().pair.name == confirmation.point.pair
assert set(result.leaderboard["pair"]) == {{"bce/sigmoid", "asymmetric/identity"}}
assert len(result.trials) == 12
print(lossearch.load_model("out", trust="my_losses:asymmetric").point.pair)
"""


@pytest.mark.slow
def test_another_process_resumes_reports_reruns_and_exports_it(folder):
    run = ["run", "--data", "rows.csv", "--target", "c", "--pairs", "bce/sigmoid,my_losses:asymmetric/identity",
           "--seeds", "1", "--confirm-seeds", "2", "--epochs", "2", "--store", "s", "--no-mlflow", "-q"]  # fmt: skip
    assert invoke([*run, "--trials", "10"]) == 0
    # as the installed command: the working directory is not on the path
    done = subprocess.run(
        [sys.executable, "-P", "-c", ELSEWHERE.format(run=run)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("reproduced exactly") == 2
    assert done.stdout.splitlines()[-1] in ("bce/sigmoid", "asymmetric/identity")


def test_an_object_of_a_module_is_recorded_by_where_it_is(folder, monkeypatch):
    monkeypatch.syspath_prepend(str(folder))
    import my_losses

    result = lossearch.search(
        X, Y, losses=[my_losses.asymmetric], activations=["identity", "sigmoid"], store="s", name="o", **QUICK
    )
    assert "my_losses:asymmetric" in result.declared.config
    assert {r.point.pair for r in result.trials} == {"asymmetric/identity", "bce/sigmoid"}


def test_code_beside_the_study_file_is_found_from_elsewhere(folder, monkeypatch):
    (folder / "inner").mkdir()
    for name in ("my_losses.py", "my_helpers.py", "rows.csv"):
        (folder / name).rename(folder / "inner" / name)
    (folder / "inner" / "study.toml").write_text(
        '[task]\ndata = "rows.csv"\ntarget = "c"\n[space]\nlosses = ["bce", "my_losses:asymmetric"]\n'
    )
    config = load_config("inner/study.toml")
    assert config.space.losses == ("bce", str(Path("inner", "my_losses.py")) + ":asymmetric")
    plan = api.plan(config)
    assert "asymmetric/identity" in plan.plan.space.names
    monkeypatch.chdir(folder / "inner")
    assert load_config("study.toml").space.losses == ("bce", "my_losses:asymmetric")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("my_losses:nothing", "module 'my_losses' has no 'nothing'"),
        ("my_losses:asymetric", "Did you mean 'asymmetric'?"),
        ("no_such_module:f", "module 'no_such_module' cannot be imported"),
        ("my_losses:half", "my_losses:half is a float, not a declared loss"),
        (
            "my_losses:for_numbers",
            "'for_numbers' is declared for regression, positive and reconstruction tasks; this task is binary",
        ),
        ("my_losses:reduced", "leave out the mean or the sum"),
    ],
)
def test_what_is_no_loss_is_refused_before_anything_is_trained(folder, name, said):
    with pytest.raises(InputError) as error:
        lossearch.search(X, Y, losses=["bce", name], store="s", name="own", **QUICK)
    assert said in str(error.value)
    assert not Path("s").exists()


def test_a_failed_check_is_a_note(folder):
    config = load_config_of(folder, losses='["bce", "my_losses:misdeclared"]')
    notes = "\n".join(api.plan(config).plan.notes)
    assert (
        "Loss 'misdeclared' of yours fails a check: the declared example has the declared value: declared 9.0"
        in notes
    )


def load_config_of(folder, **space):
    text = "\n".join(f"{k} = {v}" for k, v in space.items())
    (folder / "study.toml").write_text(f'[task]\ndata = "rows.csv"\ntarget = "c"\n[space]\n{text}\n')
    return load_config(folder / "study.toml")


def test_the_path_is_as_it_was(folder):
    before = list(sys.path)
    lossearch.criterion("my_losses:asymmetric/tanh")
    with pytest.raises(InputError):
        lossearch.criterion("my_losses:none/tanh")
    assert sys.path == before


def test_a_pair_alone_is_searched_alone(folder):
    config = load_config_of(folder, pairs='["my_losses:asymmetric/tanh"]')
    assert set(api.plan(config).plan.space.names) == {"asymmetric/tanh", "bce/sigmoid"}


def per_row(output, target):
    """A function that declares nothing."""
    return (output - target).abs() ** 1.5


class Pinball(torch.nn.Module):
    """A module of one's own."""

    def __init__(self, q=0.5, reduction="none"):
        super().__init__()
        self.q, self.reduction = q, reduction

    def forward(self, output, target):
        apart = target - output
        return torch.maximum(self.q * apart, (self.q - 1) * apart)


def by_class(output, target):
    return torch.nn.functional.cross_entropy(output, target, reduction="none")


REAL = X @ np.array([1.0, -2.0], dtype="float32") + 0.1


class Sloping(torch.nn.SmoothL1Loss):
    """A loss of torch's that goes by a name of the user's."""


@pytest.mark.parametrize(
    ("y", "losses", "pairs", "targets"),
    [
        (Y, ["bce", per_row], {"bce/sigmoid", "per_row/identity"}, "0 or 1"),
        (
            REAL,
            ["mse", Pinball(0.4)],
            {"mse/identity", "Pinball/identity"},
            "real, mean 0 and sd 1 over training rows",
        ),
        (
            np.arange(80) % 3,
            ["cross_entropy", by_class],
            {"cross_entropy/softmax", "by_class/identity"},
            "class index",
        ),
        (REAL, Sloping(reduction="none"), {"mse/identity", "Sloping/identity"}, "real"),
    ],
)
def test_functions_and_modules_that_are_not_declared(tmp_path, y, losses, pairs, targets):
    result = lossearch.search(X, y, losses=losses, store=tmp_path, name="own", **QUICK)
    assert set(result.leaderboard["pair"]) == pairs
    (note,) = [n for n in result.declared.notes if "is not declared" in n]
    assert f"raw output and targets as {targets}" in note
    assert all(np.isfinite(r.value) for r in result.trials)


def test_an_undeclared_loss_trains_as_its_declared_twin(tmp_path):
    declared = lossearch.loss(
        task="binary", encoding="zero_one", source="here", name="per_row", usual=("identity",)
    )(per_row)
    both = [
        lossearch.search(X, Y, losses=[loss, "bce"], store=tmp_path, name=name, **QUICK)
        for loss, name in ((per_row, "plain"), (declared, "twin"))
    ]
    assert [r.value for r in both[0].trials] == [r.value for r in both[1].trials]


def test_an_undeclared_loss_is_found_by_name_too(folder):
    (folder / "my_losses.py").write_text(
        LOSSES + "\n\ndef loose(output, target):\n    return (output - target).abs()\n"
    )
    result = lossearch.search(
        data="rows.csv", target="c", losses=["bce", "my_losses:loose"], store="s", name="o", **QUICK
    )
    assert "loose/identity" in set(result.leaderboard["pair"])
    study = optuna.create_study()
    assert lossearch.suggest(study.ask(), losses=["my_losses:loose"]).pair == "loose/identity"
    assert lossearch.suggest(study.ask(), losses=[per_row], prefix="q").pair == "per_row/identity"
    again = lossearch.load("o", "s", trust="my_losses:loose").rerun(9)
    assert again.exactly


def mean_of_rows(output, target):
    return (output - target).abs().mean()


def with_more(output, target, weight):
    return weight * (output - target).abs()


@pytest.mark.parametrize(
    ("loss", "said"),
    [
        (mean_of_rows, "leave out the mean or the sum"),
        (Pinball(reduction="mean"), "reduction='none'"),
        (Sloping(), "reduction='none'"),
        (torch.nn.BCEWithLogitsLoss(), "losses=['bce']"),
        (torch.nn.functional.binary_cross_entropy_with_logits, "losses=['bce']"),
        (Sloping, "give an object of it, as Sloping()."),
        (lambda o, t: o - t, "it has no name of its own"),
        (with_more, "it is called with output and target alone"),
        (torch.nn.PReLU(), "it is called with output and target alone|it has learnable numbers"),
        (3, "which is neither a name nor a lossearch.Loss"),
    ],
)
def test_what_cannot_be_a_loss_says_what_to_change(tmp_path, loss, said):
    with pytest.raises(InputError) as error:
        lossearch.search(X, Y, losses=["bce", loss], store=tmp_path / "s", name="own", **QUICK)
    assert any(part in str(error.value) for part in said.split("|"))
    assert not (tmp_path / "s").exists()


def test_the_best_point_of_a_loaded_study_knows_its_kind_of_task(tmp_path):
    lossearch.search(X, Y, pairs=["mse/sigmoid"], store=tmp_path, name="kinds", **QUICK)
    best = lossearch.load("kinds", tmp_path).best
    assert best.criterion().pair.kind == "binary"  # mse/sigmoid alone is one of regression too


def test_models_and_data_are_named_with_dots_too(folder):
    (folder / "my_parts.py").write_text(
        "import numpy, torch\n"
        "def rows():\n    x = numpy.random.default_rng(0).normal(size=(80, 2))\n    return x, x[:, 0] > 0\n"
        "def net(n_in, n_out):\n    return torch.nn.Linear(n_in, n_out)\n"
    )
    for mark in (":", "."):
        result = lossearch.search(
            data=f"my_parts{mark}rows", model=f"my_parts{mark}net", losses=["bce", "mse"], activations=["sigmoid"],
            store="s", name=f"n{ord(mark)}", **QUICK,
        )  # fmt: skip
        assert len(result.trials) == 10
    sys.modules.pop("my_parts")


def test_a_model_of_an_undeclared_module_is_loaded_with_it(tmp_path):
    result = lossearch.search(X, REAL, losses=Pinball(0.4), store=tmp_path / "s", name="own", **QUICK)
    point = next(c.point for c in result.confirmed.confirmations if c.point.loss == "Pinball")
    made = result._again.model(point, 1)
    made.save(tmp_path / "m")
    with pytest.raises(InputError, match=r"load_model\(DIR, losses=\[LOSS\]\)"):
        lossearch.load_model(tmp_path / "m")
    loaded = lossearch.load_model(tmp_path / "m", losses=[Pinball(0.4)])
    assert np.array_equal(loaded.predict(X), made.predict(X))


def test_a_criterion_takes_an_undeclared_one_with_its_kind_of_task():
    found = lossearch.criterion("per_row/identity", losses=[per_row], task="binary")
    output, target = torch.tensor([0.5, -1.0]), torch.tensor([1, 0])
    assert torch.equal(found.per_sample(output, target), per_row(output, target))
    with pytest.raises(InputError, match="task='binary'"):
        lossearch.criterion("per_row/identity", losses=[per_row])


def test_workers_are_told_of_losses_that_they_can_find_alone():
    found = as_loss(per_row, "binary")
    assert own_loss(reference_of(found), "binary") == found
    by_row = as_loss(by_class, "multiclass")
    assert reference_of(by_row) == f"{__name__}:by_class"
    assert reference_of(as_loss(Pinball(), "regression")) is None
