"""Commands that read are quick: they import neither what trains nor MLflow."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from pkgutil import iter_modules

import pytest

from lossearch import api
from lossearch._lazy import LazyModule
from lossearch.config import make_config

TRAINS = {"torch", "pytorch_lightning", "lightning", "torchmetrics", "mlflow"}
"""Libraries that training or MLflow needs, each of which takes a second or more to import."""
NAMES = ("one", "two")


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """A store of two finished studies."""
    store = tmp_path_factory.mktemp("quick") / "mlruns"
    for name, data in zip(NAMES, ("circles", "moons"), strict=True):
        tables = {
            "task": {"data": data},
            "space": {"losses": ["bce", "hinge"]},
            "budget": {"trials": 15, "seeds": 2, "confirm_seeds": 3},
            "train": {"epochs": 2},
            "records": {"store": str(store), "name": name, "mlflow": False},
        }
        api.run(make_config(tables))
    return store


def imported(code: str) -> set[str]:
    """Return the libraries that code imports in a process of its own; what it prints is not looked at."""
    last = "print('modules:', *sys.modules, file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", f"import sys\n{code}\n{last}"],
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    return {name.partition(".")[0] for name in done.stderr.rpartition("modules:")[2].split()}


@pytest.mark.parametrize(
    "arguments",
    [
        ["ls"],
        ["ls", "--format", "json"],
        ["report", "one"],
        ["report", "one", "--format", "json"],
        ["compare", *NAMES],
        ["compare", *NAMES, "--format", "json"],
    ],
    ids=" ".join,
)
def test_reading_records_imports_nothing_that_trains(recorded, arguments):
    given = [*arguments, "--store", str(recorded)]
    found = imported(f"from lossearch.cli import invoke\nassert invoke({given!r}) == 0")
    assert "optuna" in found, "the trials were not read"
    assert not found & TRAINS


@pytest.mark.parametrize("form", ["table", "json"])
@pytest.mark.parametrize("command", ["losses", "metrics"])
def test_the_catalogue_is_listed_without_what_computes(command, form):
    given = [command, "--format", form]
    found = imported(f"from lossearch.cli import invoke\nassert invoke({given!r}) == 0")
    assert "numpy" in found, "nothing was listed"
    assert not found & (TRAINS | {"pandas", "scipy", "sklearn", "optuna", "pyarrow"})


def test_importing_the_package_imports_no_library():
    assert not imported("import lossearch") & (TRAINS | {"numpy", "pandas", "scipy", "optuna", "pydantic"})


def test_a_result_is_loaded_without_what_trains(recorded):
    code = f"import lossearch\nresult = lossearch.load('one', {str(recorded)!r})\nassert len(result.leaderboard) > 1"
    assert not imported(code) & TRAINS


def test_what_computes_is_imported_when_it_is_used():
    code = "import lossearch.losses as catalogue\nassert 'torch' not in sys.modules\n"
    assert "torch" in imported(code + "catalogue.Focal")


class TestLazyModule:
    def test_it_gives_what_the_module_has_and_is_not_among_the_imported(self, monkeypatch):
        monkeypatch.delitem(sys.modules, "colorsys", raising=False)
        lazy = LazyModule("colorsys")
        assert "colorsys" not in sys.modules
        found = lazy.rgb_to_hsv
        assert found is sys.modules["colorsys"].rgb_to_hsv
        assert sys.modules["colorsys"] is not lazy
        assert vars(lazy)["rgb_to_hsv"] is found, "looked up again at each use"

    def test_a_name_that_there_is_not_is_an_attribute_error(self):
        with pytest.raises(AttributeError, match="'colorsys' has no attribute 'hue'"):
            _ = LazyModule("colorsys").hue

    def test_importing_leaves_the_process_as_it_was(self, tmp_path, monkeypatch):
        (tmp_path / "loud.py").write_text("import os\nos.environ['LOUD'] = '1'\nvalue = 3\n")
        monkeypatch.syspath_prepend(tmp_path)
        assert LazyModule("loud").value == 3
        assert "LOUD" not in os.environ


DOORS = ["api", "kinds", "pairs", "tasks"]


@pytest.mark.parametrize("package", DOORS)
def test_a_door_gives_all_that_it_names_and_nothing_else(package):
    door = importlib.import_module(f"lossearch.{package}")
    assert all(getattr(door, name) is not None for name in door.__all__)
    with pytest.raises(AttributeError, match=f"'lossearch.{package}' has no attribute 'nothing'"):
        _ = door.nothing


@pytest.mark.parametrize("package", DOORS)
def test_no_name_behind_a_door_is_that_of_a_module_beside_it(package):
    """Importing such a module, by whatever way, would put it in the name's place."""
    door = importlib.import_module(f"lossearch.{package}")
    assert not {m.name for m in iter_modules(door.__path__)} & {*door._HOMES}
