"""An option is called what whoever asked writes: a parameter from Python, a flag on the command line."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import numpy as np
import pytest

import lossearch
from lossearch._options import either, on_the_command_line, option
from lossearch.cli import invoke
from lossearch.config import KEYS
from lossearch.errors import InputError

PACKAGE = Path(lossearch.__file__).parent
FLAG = re.compile(r"--[a-z]")
OTHERS_COMMANDS = {
    "records/mlflow/server.py": "serves the UI for the command alone",
    "records/mlflow/client.py": "mlflow's command",
    "records/mlflow/experiment.py": "mlflow's command",
    "records/environment.py": "git's",
    "config/__init__.py": "a whole command, for a path that is no study file",
    "config/option.py": "the flags' own declaration",
    "config/tables/task.py": "the flags' own declaration",
    "integrations/ranks.py": "torchrun's command",
    "integrations/tracking.py": "mlflow's command",
}
"""Files that speak of other programs' flags, and why."""
X = np.random.default_rng(0).normal(size=(80, 2))
Y = (X[:, 0] > 0).astype(int)


def _strings(tree):
    """Give every text of a module that is neither a docstring nor an argument of ``either``."""
    left_out = {
        id(text)
        for node in ast.walk(tree)
        for text in (
            *((node.value,) if isinstance(node, ast.Expr) else ()),
            *(
                ast.walk(node)
                if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "either"
                else ()
            ),
        )
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in left_out:
            yield node.value


def test_no_flag_is_written_below_the_command_line():
    found = set()
    for path in PACKAGE.rglob("*.py"):
        name = path.relative_to(PACKAGE).as_posix()
        if not name.startswith(("cli/", "report/")) and name != "_options.py":
            said = [s for s in _strings(ast.parse(path.read_text())) if FLAG.search(s)]
            if said:
                found.add(name)
    assert found <= set(OTHERS_COMMANDS), found - set(OTHERS_COMMANDS)


@pytest.mark.parametrize("key", [k for k in KEYS if k.flag], ids=lambda k: k.path)
def test_an_option_is_spelt_as_it_is_declared(key):
    with on_the_command_line():
        assert option(key.parameter) == key.flag
    assert option(key.parameter) == f"{key.parameter}="
    assert either("a", "b") == "a"


def test_what_is_raised_inside_leaves_nothing_behind():
    with pytest.raises(InputError), on_the_command_line():
        raise InputError(option("trials", 3))
    assert option("trials", 3) == "trials=3"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    rows = "\n".join(f"{a},{b},{c}" for (a, b), c in zip(X.tolist(), Y, strict=True))
    (tmp_path / "rows.csv").write_text(f"a,b,c\n{rows}\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("given", "python", "command"),
    [
        ({"trials": 4, "losses": ["bce", "hinge"]}, "(trials=", "(--trials "),
        ({"store": "what?"}, "store='DIR'", "--store DIR"),
        ({"tracking_uri": "http://127.0.0.1:9"}, "correct tracking_uri=, or run without it (mlflow=False)",
         "correct --tracking-uri, or run without it (--no-mlflow)"),
    ],
    ids=["trials", "store", "tracking"],
)  # fmt: skip
def test_one_error_has_two_spellings(folder, capsys, given, python, command):
    with pytest.raises(InputError) as error:
        lossearch.search(X, Y, **given)
    assert python in str(error.value)
    assert not FLAG.search(str(error.value))
    flags = [f"--{k.replace('_', '-')}={','.join(v) if isinstance(v, list) else v}" for k, v in given.items()]
    assert invoke(["run", "--data", "rows.csv", "--target", "c", "-q", *flags]) == 2
    assert command in capsys.readouterr().err
    assert option("name") == "name="
