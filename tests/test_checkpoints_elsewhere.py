"""A checkpoint that holds a criterion is read in a process that imported nothing but the user's module."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest
import pytorch_lightning as pl
import torch

import lossearch
from lossearch.space import Point

NET = """
{first}
import lossearch
import pytorch_lightning as pl
import torch


class Net(pl.LightningModule):
    def __init__(self, criterion, lr=0.1):
        super().__init__()
        self.save_hyperparameters()
        self.criterion = lossearch.criterion(criterion)
        self.layer = torch.nn.Linear(2, 1)
"""
LINE = "from lossearch import Criterion"
"""What the guide says to write."""
POINT = Point("focal/sigmoid", 0.1, (("gamma", 3.5),))
READ = """
import kept_net
for name in {names}:
    print(kept_net.Net.load_from_checkpoint(name).criterion.extra_repr())
    kept = kept_net.torch.load(name, weights_only=True)["hyper_parameters"]["criterion"]
    print(kept_net.lossearch.criterion(kept).extra_repr())
"""


@pytest.mark.parametrize(
    ("given", "first"),
    [([POINT.criterion(), lossearch.losses.Focal(gamma=3.5)], LINE), ([POINT.text], "")],
    ids=["a criterion", "text"],
)
@pytest.mark.filterwarnings("ignore:Attribute 'criterion' is an instance of `nn.Module`")
def test_it_is_read_where_the_module_alone_was_imported(given, first, tmp_path, monkeypatch):
    (tmp_path / "kept_net.py").write_text(NET.format(first=first))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "kept_net", raising=False)
    names = [f"{i}.ckpt" for i in range(len(given))]
    for criterion, name in zip(given, names, strict=True):
        trainer = pl.Trainer(logger=False, enable_checkpointing=False, accelerator="cpu")
        trainer.strategy.connect(importlib.import_module("kept_net").Net(criterion))
        trainer.save_checkpoint(tmp_path / name)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", READ.format(names=names)],
        capture_output=True, text=True, check=False, cwd=tmp_path,
    )  # fmt: skip
    assert done.stdout.splitlines() == [POINT.criterion().extra_repr()] * 2 * len(names), done.stderr[-2000:]


def test_without_the_line_a_criterion_is_refused_by_torch(tmp_path):
    torch.save({"criterion": POINT.criterion()}, tmp_path / "kept.pt")
    code = "import lossearch, torch\ntorch.load('kept.pt', weights_only=True)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert "add_safe_globals" in done.stderr, "the guide's line is not needed any more: leave it out"


def test_the_line_is_in_the_guide(pytestconfig):
    assert f"`{LINE}`" in (pytestconfig.rootpath / "docs" / "guides" / "optuna.md").read_text()
