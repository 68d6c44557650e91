"""LightningCLI builds criteria from configuration files and arguments, as the documentation shows."""

import importlib
import re
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import lossearch

pytest.importorskip("jsonargparse")

PAGE = (Path(__file__).parents[1] / "docs" / "guides" / "optuna.md").read_text()
SHOWN = re.findall(r"^```yaml\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL)
TRAINER = {
    "accelerator": "cpu",
    "max_epochs": 1,
    "logger": False,
    "enable_progress_bar": False,
    "enable_model_summary": False,
}
PACKAGES = ("pytorch_lightning", "lightning.pytorch")
pytestmark = [
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


def classes(pl, annotation):
    class Net(pl.LightningModule):
        def __init__(self, criterion: annotation = "bce/sigmoid", lr: float = 0.1):
            super().__init__()
            self.save_hyperparameters()
            self.criterion = lossearch.criterion(criterion)
            self.layer = nn.Linear(2, 1)
            self.lr = lr

        def training_step(self, batch):
            x, y = batch
            return self.criterion(self.layer(x), y)

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), self.lr)

    class Rows(pl.LightningDataModule):
        def train_dataloader(self):
            x = torch.randn(16, 2, generator=torch.Generator().manual_seed(0))
            return DataLoader(TensorDataset(x, (x[:, 0] > 0).long()), batch_size=8)

    return Net, Rows


def command_line(package, args, annotation=nn.Module | str, **options):
    """Return LightningCLI after it has parsed its arguments and built everything; nothing is run."""
    pl, cli = importlib.import_module(package), importlib.import_module(f"{package}.cli")
    net, rows = classes(pl, annotation)
    return cli.LightningCLI(
        net,
        rows,
        run=False,
        args=args,
        save_config_callback=None,
        seed_everything_default=False,
        trainer_defaults={**TRAINER, **options},
    )


def test_the_readme_shows_three_ways():
    assert len(SHOWN) == 3


@pytest.mark.parametrize("package", PACKAGES)
@pytest.mark.parametrize("number", range(len(SHOWN)))
def test_a_configuration_of_the_readme_trains_and_its_checkpoint_is_read(package, number, tmp_path):
    (tmp_path / "config.yaml").write_text(SHOWN[number])
    saved = importlib.import_module(f"{package}.callbacks").ModelCheckpoint(tmp_path, filename="last")
    made = command_line(package, ["--config", str(tmp_path / "config.yaml")], callbacks=[saved])
    assert isinstance(made.model.criterion, lossearch.Criterion)
    assert made.model.criterion.extra_repr() in (
        "focal/sigmoid, gamma=2.0, alpha=-1.0",
        "focal/sigmoid, gamma=2, alpha=-1.0",
    )
    made.trainer.fit(made.model, made.datamodule)
    loaded = type(made.model).load_from_checkpoint(saved.best_model_path)
    assert loaded.criterion.extra_repr() == made.model.criterion.extra_repr()


@pytest.mark.parametrize(
    ("args", "annotation", "found"),
    [
        ([], nn.Module | str, "bce/sigmoid"),
        (["--model.criterion=hinge/tanh"], nn.Module | str, "hinge/tanh, margin=1.0"),
        (["--model.criterion=hinge/tanh(margin=2)"], str, "hinge/tanh, margin=2.0"),
        (
            ["--model.criterion=lossearch.losses.Hinge"],
            lossearch.Criterion | str,
            "hinge/identity, margin=1.0",
        ),
        (
            [
                "--model.criterion=lossearch.losses.Hinge",
                "--model.criterion.margin=2",
                "--model.criterion.activation=tanh",
            ],
            lossearch.Criterion | str,
            "hinge/tanh, margin=2.0",
        ),
        (
            ["--model.criterion=lossearch.criterion", "--model.criterion.name=bce/sigmoid"],
            lossearch.Criterion | str,
            "bce/sigmoid",
        ),
        (
            ["--model.criterion=lossearch.losses.Focal", "--model.criterion.task=multiclass"],
            lossearch.Criterion,
            "focal/softmax, gamma=2.0",
        ),
        (
            ['--model.criterion={"pair": "focal/sigmoid", "gamma": 1}'],
            str | dict,
            "focal/sigmoid, gamma=1, alpha=-1.0",
        ),
    ],
)
def test_arguments_name_a_criterion(args, annotation, found):
    assert command_line(PACKAGES[0], args, annotation).model.criterion.extra_repr() == found


@pytest.mark.parametrize("name", ["BCE", "MSE", "PoissonNLL", "CrossEntropyOneHot"])
def test_classes_can_be_named(name):
    made = command_line(PACKAGES[0], [f"--model.criterion=lossearch.losses.{name}"])
    assert type(made.model.criterion) is getattr(lossearch.losses, name)


def test_an_argument_that_is_not_of_the_loss_is_refused(capsys):
    with pytest.raises(SystemExit):
        command_line(
            PACKAGES[0], ["--model.criterion=lossearch.losses.Focal", "--model.criterion.gama=2"], nn.Module
        )
    assert "gama" in capsys.readouterr().err
