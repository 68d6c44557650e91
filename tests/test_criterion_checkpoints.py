"""A criterion is kept by everything that keeps modules: checkpoints, copies, pickles, exported programs."""

from __future__ import annotations

import copy
import importlib
import pickle
import subprocess
import sys

import optuna
import pytest
import pytorch_lightning as pl
import torch
from counted import counted
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import lossearch
from lossearch.errors import InputError, UnknownNameError
from lossearch.kinds import KINDS, TargetStatistics
from lossearch.losses import ACTIVATIONS, losses_for
from lossearch.pairs import Criterion, legal_pairs

PACKAGES = ("pytorch_lightning", "lightning.pytorch")
FORMS = (
    "focal/sigmoid(gamma=3.5)",
    {"pair": "focal/sigmoid", "gamma": 3.5},
    lossearch.criterion("focal/sigmoid", gamma=3.5),
)
EVERY_PAIR = [
    pair
    for kind in KINDS
    for pair in legal_pairs(losses_for(kind).values(), ACTIVATIONS.values())[0]
    if pair.kind == kind
]


def module_class(pl):
    class Net(pl.LightningModule):
        def __init__(self, criterion, lr=0.1):
            super().__init__()
            self.save_hyperparameters()
            self.criterion = lossearch.criterion(criterion)
            self.layer = nn.Linear(2, 1)

        def training_step(self, batch):
            x, y = batch
            return self.criterion(self.layer(x), y)

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), self.hparams.lr)

    return Net


@pytest.mark.parametrize("package", PACKAGES)
@pytest.mark.parametrize("form", FORMS, ids=["text", "mapping", "module"])
@pytest.mark.filterwarnings("ignore::UserWarning")  # Lightning's advice about modules and few workers
def test_a_checkpoint_gives_the_module_back(package, form, tmp_path):
    pl = importlib.import_module(package)
    saved = importlib.import_module(f"{package}.callbacks").ModelCheckpoint(tmp_path, filename="last")
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(16, 2, generator=generator)
    rows = DataLoader(TensorDataset(x, (x[:, 0] > 0).long()), batch_size=8)
    Net = module_class(pl)
    net = Net(form)
    trainer = pl.Trainer(
        max_epochs=1, logger=False, callbacks=[saved], accelerator="cpu", enable_progress_bar=False
    )
    trainer.fit(net, rows)
    loaded = Net.load_from_checkpoint(saved.best_model_path)
    assert isinstance(loaded.criterion, Criterion)
    assert loaded.criterion.pair.name == "focal/sigmoid"
    assert loaded.criterion.params["gamma"] == 3.5
    assert torch.equal(loaded.training_step((x, x[:, 0] > 0)), net.training_step((x, x[:, 0] > 0)))
    other = Net.load_from_checkpoint(saved.best_model_path, criterion="bce/sigmoid")
    assert other.criterion.pair.name == "bce/sigmoid"


@pytest.mark.parametrize(
    "named", ["", "lossearch.Criterion"], ids=["text needs nothing", "a module its class"]
)
def test_another_process_loads_it(named, tmp_path):
    given = lossearch.criterion("focal/sigmoid", gamma=3.5) if named else "focal/sigmoid(gamma=3.5)"
    torch.save({"hyper_parameters": {"criterion": given}}, tmp_path / "kept.ckpt")
    code = (
        f"import torch, lossearch\n{named}\n"
        f"kept = torch.load({str(tmp_path / 'kept.ckpt')!r}, weights_only=True)['hyper_parameters']['criterion']\n"
        "print(lossearch.criterion(kept).extra_repr())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == lossearch.criterion(given).extra_repr()


def same(a, b):
    return (
        type(a) is type(b)
        and a.pair == b.pair
        and a.params == b.params
        and a.location == b.location
        and a.codes == b.codes
        and all(map(torch.equal, a.buffers(), b.buffers()))
    )


@pytest.mark.parametrize("pair", EVERY_PAIR, ids=lambda p: f"{p.kind}-{p.name}")
def test_every_pair_is_kept(pair, tmp_path):
    statistics = TargetStatistics((0.5,), (2.0,), (1.5,)) if KINDS[pair.kind].scaled else counted(pair)
    given = {p.name: p.low + (p.high - p.low) / 4 for p in pair.loss.params if not p.integer}
    kept = Criterion(pair, given, statistics).double().eval()
    file = tmp_path / "kept.pt"
    torch.save({"criterion": kept, "state": kept.state_dict()}, file)
    for copied in (
        copy.deepcopy(kept),
        pickle.loads(pickle.dumps(kept)),  # noqa: S301 - what was just written
        torch.load(file, weights_only=True)["criterion"],
        torch.load(file, weights_only=False)["criterion"],
    ):
        assert same(copied, kept)
        assert copied.pair.loss is pair.loss
        assert not copied.training
        copied.load_state_dict(torch.load(file, weights_only=True)["state"])


@lossearch.loss(task="binary", encoding="zero_one", domain="real", source="a test", example=(0.5, 1.0, 0.25))
def squared(output, target):
    """(f - y)^2"""
    return (output - target).square()


def test_a_loss_of_ones_own_is_copied_and_is_no_name_for_a_checkpoint(tmp_path):
    kept = lossearch.criterion("squared/identity", losses=[squared])
    assert same(copy.deepcopy(kept), kept)
    assert pickle.loads(pickle.dumps(kept)).pair.loss is squared  # noqa: S301 - what was just written
    torch.save(kept, tmp_path / "kept.pt")
    with pytest.raises(pickle.UnpicklingError, match="Unsupported global"):
        torch.load(tmp_path / "kept.pt", weights_only=True)  # code of one's own is no data


def test_numbers_of_numpy_are_kept_as_plain_ones(tmp_path):
    np = pytest.importorskip("numpy")
    kept = lossearch.criterion("focal/sigmoid", gamma=np.float64(1.5))
    torch.save(kept, tmp_path / "kept.pt")
    assert torch.load(tmp_path / "kept.pt", weights_only=True).params["gamma"] == 1.5


def test_the_codes_of_the_classes_are_kept():
    kept = lossearch.criterion("hinge/identity", task="binary")
    kept(torch.tensor([0.5, -0.5]), torch.tensor([1, -1]))
    assert copy.deepcopy(kept).predict(torch.tensor([2.0, -2.0])).tolist() == [1, -1]


def test_a_network_that_holds_one_is_exported():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(2, 1)
            self.criterion = lossearch.criterion("focal/sigmoid")

        def forward(self, x):
            return self.layer(x)

    net, x = Net().eval(), torch.randn(4, 2)
    assert torch.equal(torch.export.export(net, (x,)).module()(x), net(x))


@pytest.mark.parametrize(
    ("given", "pair", "params"),
    [
        ("focal/sigmoid", "focal/sigmoid", {"gamma": 2.0, "alpha": -1.0}),
        (" focal/sigmoid ( gamma = 1e0, alpha=0.25 ) ", "focal/sigmoid", {"gamma": 1.0, "alpha": 0.25}),
        ("focal/sigmoid()", "focal/sigmoid", {"gamma": 2.0, "alpha": -1.0}),
        ({"pair": "hinge/tanh", "margin": 2}, "hinge/tanh", {"margin": 2}),
        ({"pair": "focal/sigmoid(gamma=1)", "alpha": 0.5}, "focal/sigmoid", {"gamma": 1, "alpha": 0.5}),
        ({"pair": "mse/sigmoid", "task": "multilabel"}, "mse/sigmoid", {}),
    ],
)
def test_forms(given, pair, params):
    found = lossearch.criterion(given)
    assert (found.pair.name, found.params) == (pair, params)


def test_modules_are_returned_as_they_are():
    for module in (lossearch.criterion("bce/sigmoid"), nn.BCEWithLogitsLoss()):
        assert lossearch.criterion(module) is module


@pytest.mark.parametrize(
    ("given", "beside", "said"),
    [
        ("focal/sigmoid(gamma)", {}, "'gamma' is not of the form name=number"),
        ("focal/sigmoid(gamma=two)", {}, "'two' is not a number"),
        ("focal/sigmoid(gamma=1, gamma=2)", {}, "gives gamma twice"),
        ("focal/sigmoid(gamma=1", {}, "is not a criterion"),
        ("", {}, "is not a criterion"),
        ("focal/sigmoid(gamma=nan)", {}, "finite number"),
        ("focal/sigmoid(gamma=1)", {"gamma": 2}, "Leave out gamma"),
        ({"pair": "focal/sigmoid", "gamma": 1}, {"gamma": 2}, "Leave out gamma"),
        ({"pair": "focal/sigmoid", "task": "binary"}, {"task": "multilabel"}, "Leave out task"),
        ({"loss": "focal/sigmoid"}, {}, "mapping has its pair"),
        (nn.BCEWithLogitsLoss(), {"gamma": 2}, "a BCEWithLogitsLoss is a criterion already"),
        (3, {}, "got a int"),
        (None, {}, "got a NoneType"),
    ],
)
def test_other_forms_are_refused(given, beside, said):
    with pytest.raises(InputError) as error:
        lossearch.criterion(given, **beside)
    assert said in str(error.value)


def test_unknown_parameters_are_named_in_every_form():
    for given in ("focal/sigmoid(gama=2)", {"pair": "focal/sigmoid", "gama": 2}):
        with pytest.raises(UnknownNameError, match="gamma"):
            lossearch.criterion(given)


def test_a_checkpoint_of_a_watched_training_is_read_by_the_safe_default(tmp_path):
    class Kept(pl.LightningModule):
        def __init__(self, criterion, lr=0.1):
            super().__init__()
            self.save_hyperparameters()
            self.criterion, self.lr = criterion, lr
            self.net = torch.nn.Linear(2, 1)

        def training_step(self, batch):
            return self.criterion(self.net(batch[0]), batch[1])

        def validation_step(self, batch):
            self.log("val_margin", self.net(batch[0]).mean())

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), self.lr)

    x = torch.randn(40, 2)
    rows = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x, (x[:, 0] > 0).long()), batch_size=20)
    study = optuna.create_study(direction="maximize")
    watch = lossearch.LossSearchCallback(study.ask(), monitor="val_margin")
    kept = pl.callbacks.ModelCheckpoint(tmp_path, monitor="val_margin")
    trainer = pl.Trainer(
        max_epochs=2, callbacks=[watch, kept], accelerator="cpu", logger=False, enable_progress_bar=False
    )
    trainer.fit(Kept(lossearch.criterion("focal/sigmoid", gamma=1.5)), rows, rows)
    again = Kept.load_from_checkpoint(kept.best_model_path)
    assert again.criterion.params["gamma"] == 1.5
    assert watch.value() is not None
