"""What a search takes for a loss, a check takes too; and what neither takes is told what to write."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch

import lossearch
from lossearch.cli import invoke
from lossearch.errors import InputError
from lossearch.losses import CATALOGUE

X = np.random.default_rng(0).normal(size=(120, 2)).astype("float32")
REAL = X @ np.array([1.0, -1.0], dtype="float32")
Y = (REAL > 0).astype(int)
QUICK = {
    "trials": 10,
    "seeds": 1,
    "confirm_seeds": 0,
    "epochs": 1,
    "mlflow": False,
    "store": "s",
    "name": "given",
}
GIVEN = """
import lossearch, torch

def distance(output, target):
    return (output - target).abs()

def by_class(output, target):
    return torch.nn.functional.cross_entropy(output, target, reduction="none")

def mean(output, target):
    return (output - target).abs().mean()

def total(output, target):
    return (output - target).abs().sum()

def class_mean(output, target):
    return torch.nn.functional.cross_entropy(output, target)

def batch_mean(output, target):
    return (output - target).abs().mean(dim=0)

class Distance(torch.nn.Module):
    def forward(self, output, target):
        return (output - target).abs()

module = Distance()
asked_to_reduce = torch.nn.SmoothL1Loss()

@lossearch.loss(task="regression", encoding="standardised", domain="real", source="x", example=(0.0, 1.0, 1.0))
def declared(output, target):
    return (output - target).abs()

@lossearch.loss(task="regression", encoding="standardised", domain="real", source="x", example=(0.0, 1.0, 1.0))
def declared_mean(output, target):
    return (output - target).abs().mean()
"""
TAKEN = {"distance": REAL, "by_class": np.digitize(REAL, [-1.0, 1.0]), "module": REAL, "declared": REAL}
REDUCED = ["mean", "total", "class_mean", "declared_mean"]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "given_losses.py").write_text(GIVEN)
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    sys.modules.pop("given_losses", None)


@pytest.mark.parametrize("name", TAKEN)
def test_what_a_search_takes_a_check_takes(folder, capsys, name):
    result = lossearch.search(X, TAKEN[name], losses=[f"given_losses:{name}"], **QUICK)
    assert result.best is not None
    kind = result.declared.task.kind
    capsys.readouterr()
    assert invoke(["check", f"given_losses:{name}"]) == 0
    said = capsys.readouterr().out
    assert "FAILED" not in said
    assert ("is not declared: checked as a loss for" in said) == (name != "declared")
    if name != "declared":
        assert invoke(["check", f"given_losses:{name}", "--task", kind]) == 0
        assert f"checked as a loss for {kind} tasks." in capsys.readouterr().out


@pytest.mark.parametrize("name", REDUCED)
def test_both_find_one_that_takes_the_mean(folder, capsys, name):
    task = "multiclass" if name == "class_mean" else "regression"
    with pytest.raises(InputError, match="leave out the mean or the sum") as error:
        lossearch.search(X, TAKEN["by_class"], task=task, losses=[f"given_losses:{name}"], **QUICK)
    assert str(error.value).count("leave out") == 1
    arguments = [] if name == "declared_mean" else ["--task", task]
    assert invoke(["check", f"given_losses:{name}", *arguments]) == 1
    assert (
        "FAILED  it gives one value a row, unreduced: it gives one number for all rows"
        in capsys.readouterr().out
    )
    assert invoke(["check", f"given_losses:{name}"]) == 1


def test_a_mean_over_the_batch_alone_is_found_too(folder):
    with pytest.raises(InputError, match="one value a row"):
        lossearch.search(X, REAL, losses=["given_losses:batch_mean"], **QUICK)
    assert invoke(["check", "given_losses:batch_mean"]) == 1


def test_what_says_itself_that_it_reduces_is_told_how_not_to(folder, capsys):
    assert invoke(["check", "given_losses:asked_to_reduce"]) == 2
    assert "reduction='none'" in capsys.readouterr().err
    assert invoke(["check", "given_losses:Distance"]) == 2
    assert "give an object of it, as Distance()." in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (torch.nn.HuberLoss, "losses=['huber']."),
        (torch.nn.HuberLoss(reduction="none"), "losses=['huber']."),
        (torch.nn.HuberLoss(delta=2.0), "losses=['huber'], params={'huber.delta': 2.0}."),
        (torch.nn.MSELoss(), "losses=['mse']."),
        (lossearch.losses.Huber, "losses=['huber']."),
        (lossearch.losses.Huber(delta=3.0), "losses=['huber'], params={'huber.delta': 3.0};"),
        (lossearch.losses.Huber(), "losses=['huber'];"),
        (
            lossearch.criterion("mse/identity", task="regression"),
            "pairs=['mse/identity'] for this activation alone.",
        ),
    ],
)
def test_what_there_is_by_name_is_told_the_name(folder, given, said):
    with pytest.raises(InputError) as error:
        lossearch.search(X, REAL, losses=["mae", given], **QUICK)
    assert said in str(error.value)


def test_what_is_told_to_write_works(folder):
    result = lossearch.search(X, Y, losses=["focal"], params={"focal.gamma": 3}, **QUICK)
    assert {r.point.params["gamma"] for r in result.trials if r.point.loss == "focal"} == {3}
    for loss in {x for table in CATALOGUE.values() for x in table.values()}:
        made = getattr(lossearch.losses, loss.class_name)(task=loss.kinds[0])
        with pytest.raises(InputError, match=rf"losses=\['{loss.name}'\]; pairs="):
            lossearch.search(X, Y, losses=[made], **QUICK)
