"""Imports point down only, and each library is imported by the part that wraps it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import lossearch
from lossearch import _lazy

PACKAGE = Path(lossearch.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))

LAYERS = (
    ("_urls",),
    ("errors",),
    ("_process", "_draws"),
    ("_lazy",),
    (
        "_registry",
        "_random",
        "_class_axis",
        "_colours",
        "_epochs",
        "_json",
        "_memory",
        "_options",
        "_text",
        "_angles",
        "_moments",
        "_imports",
        "_trust",
        "_numerals",
        "_notation",
        "_places",
    ),
    ("distributions",),
    ("kinds", "config"),
    ("losses",),
    ("pairs",),
    ("space", "checks", "metrics", "data", "networks"),
    ("tasks",),
    ("training",),
    ("records", "model"),
    ("verdict",),
    ("diagnostics",),
    ("report", "study"),
    ("confirm",),
    ("api", "integrations", "testing"),
    ("estimators",),
    ("cli",),
    ("__main__", ""),
)
"""From the ground up: a part imports those of the layers below it. "" is the package's door."""

BESIDE: dict[str, tuple[str, ...]] = {
    "_registry": (),
    "_imports": ("_registry",),
    "_json": ("_text",),
    "_trust": ("_imports", "_options", "_text"),
    "_notation": ("_numerals",),
    "config": ("kinds",),
    "networks": ("data",),
    "model": ("records",),
}
"""Part -> those of its own layer that it may import too."""

READS_RECORDS = ("records", "verdict", "diagnostics", "report")
"""Parts that know of training what it promises, and not how it is done."""


def _below(part: str) -> tuple[str, ...]:
    found: list[str] = []
    for layer in LAYERS:
        if part in layer:
            break
        found += layer
    if part in READS_RECORDS:
        found[found.index("training")] = "training.contract"
    return (*found, *BESIDE.get(part, ()))


MAY_IMPORT: dict[str, tuple[str, ...]] = {part: _below(part) for layer in LAYERS for part in layer}
"""Part of the package -> the parts it may import, itself included always. "" is the package's door."""

ALSO: dict[str, tuple[str, ...]] = {
    "records/mlflow/pyfunc.py": ("model",),
}
"""File -> what it may import besides: it is run by MLflow alone, and nothing in its part imports it."""

BY_NAME: dict[str, tuple[str, ...]] = {
    "losses/__init__.py": ("pairs",),
}
"""Door of a part -> the parts above whose objects it gives when they are asked for by name, and not before: inside
``__getattr__`` and ``__dir__``, and for the type checker."""

ONLY_IN: dict[str, tuple[str, ...]] = {
    "optuna": ("study", "records", "integrations"),
    "optuna_dashboard": ("records",),
    "mlflow": ("records", "integrations"),
    "pytorch_lightning": ("training", "integrations"),
    "lightning": ("training", "integrations"),
    "matplotlib": ("report",),
    "jinja2": ("report",),
    "pydantic": ("config", "records"),
    "click": ("cli",),
}
"""Library -> the parts that may import it."""

NEVER = ("pickle", "cloudpickle", "joblib", "dill", "shelve", "optuna_integration")
"""Libraries no part imports: records hold text and tensors only."""

LIGHT = ("errors", "_registry", "config", "cli")
HEAVY = (
    "torch",
    "mlflow",
    "optuna",
    "pandas",
    "pytorch_lightning",
    "lightning",
    "sklearn",
    "scipy",
    "matplotlib",
)
"""Parts that answer at once do not import these."""


LAZY = {
    name: of.__name__ for name in _lazy.__all__ if isinstance(of := getattr(_lazy, name), _lazy.LazyModule)
}
"""Name in ``_lazy`` -> the library that whoever takes it from there imports."""


@dataclass(frozen=True)
class Import:
    """One imported module, where it stands, and whether it exists for the type checker only, or when a name is asked for."""

    module: str
    line: int
    typing_only: bool
    by_name: bool = False


def _is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)


def _imported(node: ast.AST, package: str) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        base = node.module or ""
        if node.level:
            above = package.split(".")[: len(package.split(".")) - node.level + 1]
            base = ".".join([*above, *([base] if base else [])])
        yield from (f"{base}.{alias.name}" for alias in node.names)
        if base == _lazy.__name__:
            yield from (LAZY[alias.name] for alias in node.names if alias.name in LAZY)
    elif isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in {
        "import_module",
        "__import__",
    }:
        first = node.args[0] if node.args else None
        if isinstance(first, ast.Constant) and isinstance(first.value, str):
            yield first.value


def imports(source: str, package: str) -> list[Import]:
    """Return every import of a file, those inside functions and by name included."""
    found: list[Import] = []

    def walk(node: ast.AST, typing_only: bool, by_name: bool) -> None:
        line = getattr(node, "lineno", 0)
        found.extend(Import(m, line, typing_only, by_name) for m in _imported(node, package))
        if isinstance(node, ast.If) and _is_type_checking(node):
            for child in node.body:
                walk(child, True, by_name)
            for child in node.orelse:
                walk(child, typing_only, by_name)
            return
        for child in ast.iter_child_nodes(node):
            walk(child, typing_only, by_name)

    tree = ast.parse(source)
    for node in tree.body:
        walk(node, False, isinstance(node, ast.FunctionDef) and node.name in ("__getattr__", "__dir__"))
    return found


def part_of(file: Path) -> str:
    """Return the part of the package a file belongs to."""
    inside = file.relative_to(PACKAGE)
    first = inside.parts[0].removesuffix(".py")
    return "" if first == "__init__" else first


def offences(
    source: str,
    part: str,
    package: str = "lossearch",
    also: tuple[str, ...] = (),
    named: tuple[str, ...] = (),
) -> list[str]:
    """Return a line for each import that a part of the package may not have.

    ``also`` are parts that it may import besides; ``named`` those that it may where a name is asked for.
    """
    wrong = []
    for i in imports(source, package):
        below = (*MAY_IMPORT[part], *also, *(named if i.by_name or i.typing_only else ()))
        library = i.module.split(".")[0]
        if library == "lossearch":
            inner = i.module.partition(".")[2]
            target = inner.split(".")[0]
            allowed = target in (part, *below) or any(inner == m or inner.startswith(f"{m}.") for m in below)
            if target in MAY_IMPORT and target and not allowed:
                wrong.append(f"line {i.line}: {part or 'lossearch'} imports {i.module}")
        elif library in NEVER or (not i.typing_only and part not in ONLY_IN.get(library, (part,))):
            wrong.append(f"line {i.line}: {part or 'lossearch'} imports {library}")
        elif part in LIGHT and library in HEAVY:
            wrong.append(f"line {i.line}: {part} imports {library}")
    return wrong


@pytest.mark.parametrize("file", FILES, ids=lambda f: str(f.relative_to(PACKAGE)))
def test_imports_point_down(file):
    package = ".".join(["lossearch", *file.relative_to(PACKAGE).parts[:-1]])
    name = str(file.relative_to(PACKAGE))
    found = offences(file.read_text(), part_of(file), package, ALSO.get(name, ()), BY_NAME.get(name, ()))
    assert found == []


@pytest.mark.parametrize("name", ALSO)
def test_nothing_in_its_part_imports_an_exception(name):
    part, _, module = name.removesuffix(".py").replace("/", ".").partition(".")
    others = [f for f in (PACKAGE / part).rglob("*.py") if f != PACKAGE / name]
    for other in others:
        found = [i.module for i in imports(other.read_text(), f"lossearch.{part}")]
        assert not [m for m in found if m.startswith(f"lossearch.{part}.{module}")], other


def test_every_part_has_a_place():
    assert {part_of(f) for f in FILES} <= MAY_IMPORT.keys()


def test_no_part_reaches_back_to_itself():
    below = {part: {other.split(".")[0] for other in others} for part, others in MAY_IMPORT.items()}
    TopologicalSorter(below).prepare()  # a circle is an error


@pytest.mark.parametrize(
    ("part", "source"),
    [
        ("losses", "from lossearch.study import plan"),
        ("losses", "def f():\n    import lossearch.tasks"),
        ("training", "from lossearch.records.trial import TrialRecord"),
        ("records", "from lossearch.training.plain.train import train_plain"),
        ("report", "from lossearch import api"),
        ("study", "from ..cli import run"),
        ("training", "import optuna"),
        ("report", "def f():\n    import mlflow.tracking"),
        ("study", "import pytorch_lightning as pl"),
        ("study", "import importlib\nimportlib.import_module('mlflow')"),
        ("tasks", "import pickle"),
        ("cli", "def f():\n    import torch"),
        ("cli", "from lossearch._lazy import torch"),
        ("report", "from lossearch._lazy import pl"),
        ("records", "if TYPE_CHECKING:\n    from lossearch.study.plan import Plan"),
    ],
)
def test_the_walk_sees_a_wrong_import(part, source):
    package = f"lossearch.{part}"
    assert len(offences(source, part, package)) == 1


@pytest.mark.parametrize(
    ("part", "source"),
    [
        ("records", "from lossearch.training.contract import Outcome"),
        ("records", "import mlflow"),
        ("records", "from lossearch._lazy import pd, torch"),
        ("training", "from lossearch._lazy import pl"),
        ("api", "if TYPE_CHECKING:\n    import optuna"),
        ("cli", "def f():\n    from lossearch import api"),
        ("study", "from lossearch.study import cover"),
    ],
)
def test_the_walk_lets_a_right_import_pass(part, source):
    assert offences(source, part) == []


@pytest.mark.parametrize(
    ("source", "wrong"),
    [
        ("def __getattr__(name):\n    from lossearch.pairs import modules", 0),
        ("if TYPE_CHECKING:\n    from lossearch.pairs.modules import *", 0),
        ("from lossearch.pairs import modules", 1),
        ("def other():\n    from lossearch.pairs import modules", 1),
        ("class A:\n    def __getattr__(self, name):\n        from lossearch.pairs import modules", 1),
        ("def __getattr__(name):\n    from lossearch.study import plan", 1),
    ],
)
def test_a_door_gives_what_is_above_by_name_alone(source, wrong):
    assert len(offences(source, "losses", "lossearch.losses", named=("pairs",))) == wrong
