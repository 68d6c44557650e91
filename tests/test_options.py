"""An option is declared once, at its key: file, --set, command line and search() all reach it."""

from __future__ import annotations

import collections.abc
import inspect
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints
from uuid import uuid4

import pytest
import tomli_w
from click.testing import CliRunner

import lossearch
from lossearch.api import search_study
from lossearch.cli import run as command
from lossearch.cli.study_options import StudyCommand
from lossearch.config import KEYS, Key, SearchOptions, StudyConfig, load_config, make_config, tables_of
from lossearch.config.tables import TABLES, Rows
from lossearch.errors import InputError
from lossearch.study.prepare import prepare
from lossearch.study.progress import Listener

GIVEN = {
    "train.class_weight": ["none", '{"0": 1.0, "1": 5.0}'],
    "train.pos_weight": "3.5",
    "task.data": "circles",
    "task.data_options": {"noise": 0.3},
    "task.kind": "binary",
    "task.metric": "f1",
    "task.metrics": ["brier", "recall"],
    "task.hidden": [8, 4],
    "task.module": "own_modules:Classifier",
    "task.module_args": {"hidden": 8},
    "task.datamodule": "own_modules:Circles",
    "task.datamodule_args": {"rows": 80},
    "train.trainer": {"gradient_clip_val": 1.0},
    "task.rows": {"train": "0:500", "validation": "500:800"},
    "task.test": False,
    "space.losses": ["bce", "hinge"],
    "space.activations": ["sigmoid"],
    "space.pairs": ["bce/sigmoid", "hinge/tanh"],
    "space.lr": [0.001, 1.0],
    "space.params": {"focal": {"gamma": [0.5, 2.0]}},
    "space.settings": {"batch_size": [16, 64]},
    "budget.time": "10m",
    "budget.mode": "adaptive",
    "train.options": {"momentum": 0.9},
    "train.memory": "2GiB",
    "train.on": "ray://head:10001",
    "train.device": "cuda:1",
    "train.on_options": {"slurm_partition": "gpu"},
    "records.weights": "all",
    "records.weights_limit": "1GiB",
}
"""Key -> a value that is not its default, where the type alone does not give one."""

OTHERS = {"budget.prune": {"budget.mode": "adaptive"}, "train.epoch": {}}
"""Key -> what must be set beside it."""

OF_A_MODULE = {
    *(
        "task.module",
        "task.module_args",
        "task.datamodule",
        "task.datamodule_args",
        "task.criterion",
        "task.lr_name",
    ),
    "train.trainer",
}
"""Keys of a study of a user's own module, which brings its data."""

PROMISED = [
    "X",
    "y",
    "task",
    "metric",
    "model",
    "losses",
    "activations",
    "pairs",
    "params",
    "settings",
    "lr",
    "seeds",
    "trials",
    "confirm_seeds",
    "rope",
    "race",
    "timeout",
    "mode",
    "sampler",
    "prune",
    "epochs",
    "batch_size",
    "optimizer",
    "options",
    "validation",
    "test",
    "groups",
    "time",
    "data",
    "target",
    "stream",
    "held_rows",
    "readers",
    "store",
    "storage",
    "tracking_uri",
    "mlflow",
    "weights",
    "name",
    "seed",
    "workers",
    "memory",
    "listener",
]
"""Parameters of search() that keep their names."""

FLAGS = [
    "--data",
    "--target",
    "--task",
    "--metric",
    "--losses",
    "--activations",
    "--lr",
    "--trials",
    "--seeds",
    "--confirm-seeds",
    "--rope",
    "--race",
    "--no-race",
    "--time",
    "--sampler",
    "--mode",
    "--epochs",
    "--batch-size",
    "--optimizer",
    "--workers",
    "--memory",
    "--set",
    "--name",
    "--fresh",
    "--store",
    "--storage",
    "--tracking-uri",
    "--no-mlflow",
    "--dry-run",
    "--format",
    "--quiet",
    "--verbose",
    "--debug",
]
"""Options of ``lossearch run`` that keep their names."""


WIDER: dict[str, Any] = {
    "records.store": Path,
    "train.class_weight": Mapping[Any, float] | Sequence[str | Mapping[Any, float] | None],
    "train.pos_weight": float | Sequence[float | str | None],
}
"""What a parameter takes in Python, beside what its key holds once it is read."""


def value_of(key: Key) -> Any:
    if key.path in GIVEN:
        return GIVEN[key.path]
    kind = key.kinds[-1]
    if isinstance(kind, str):
        return next(k for k in key.kinds if k != key.default)
    return {bool: not key.default, int: 7, float: 0.25, str: "word"}[kind]


def table_with(key: Key) -> dict[str, dict[str, Any]]:
    data = {"module": "own_modules:Classifier"} if key.path in OF_A_MODULE else {"data": "circles"}
    tables: dict[str, dict[str, Any]] = {"task": data, "records": {"name": "x"}}
    for path, value in {**OTHERS.get(key.path, {}), key.path: value_of(key)}.items():
        table, _, name = path.partition(".")
        tables.setdefault(table, {})[name] = value
    return tables


def from_file(key: Key, folder: Path) -> StudyConfig:
    file = folder / "x.toml"
    file.write_text(tomli_w.dumps(table_with(key)))
    return load_config(file)


def ran(*arguments: str, monkeypatch: pytest.MonkeyPatch) -> StudyConfig:
    """Return the configuration that ``lossearch run`` makes of its arguments."""
    found: list[StudyConfig] = []
    monkeypatch.setattr(
        import_module("lossearch.cli.run"), "_run", lambda config, *_, **__: found.append(config)
    )
    done = CliRunner().invoke(command, arguments, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return found[0]


def pairs(content: Any, path: str = "") -> dict[str, Any]:
    """Return tables within tables as dotted keys."""
    if not isinstance(content, dict):
        return {path: content}
    return {
        k: v for name, inner in content.items() for k, v in pairs(inner, f"{path}.{name}".lstrip(".")).items()
    }


def as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.path)
def test_every_key_is_reached_in_every_way(key, tmp_path, monkeypatch):
    expected = from_file(key, tmp_path)
    assert getattr(getattr(expected, key.table), key.name) != key.default

    settings = [f"--set={path}={as_text(v)}" for path, v in pairs(table_with(key)).items()]
    data = [] if key.path in OF_A_MODULE else ["--data", "circles"]
    assert ran(*data, *settings, monkeypatch=monkeypatch) == expected

    flags = []
    for path, value in pairs(table_with(key)).items():
        other = next((k for k in KEYS if k.path == path), None)
        if other is None:  # within a table, which has no flag
            flags.append(f"--set={path}={as_text(value)}")
        elif isinstance(value, bool) and other.kinds == (bool,):
            flags.append(other.flag if value else f"--no-{other.flag[2:]}")
        elif other.path == "space.lr":
            flags.append(f"{other.flag}={':'.join(map(str, value))}")
        else:
            flags.append(f"{other.flag}={as_text(value)}")
    assert ran(*flags, monkeypatch=monkeypatch) == expected

    asked: list[StudyConfig] = []
    monkeypatch.setattr(search_study, "run", lambda config, **_: asked.append(config))
    by_path = {k.path: k.parameter for k in KEYS}
    given = {by_path[f"{t}.{n}"]: v for t, names in table_with(key).items() for n, v in names.items()}
    lossearch.search(**given, listener=Listener())
    assert asked == [expected]


def test_what_was_promised_is_still_there():
    names = inspect.signature(lossearch.search).parameters
    assert set(PROMISED) <= {*names, *EARLIER}
    assert {key.parameter for key in KEYS} <= names.keys()
    assert isinstance(command, StudyCommand)
    params = command.get_params(command.make_context("run", [], resilient_parsing=True))
    assert set(FLAGS) <= {name for p in params for name in (*p.opts, *p.secondary_opts)}


EARLIER = {key.option.also: key for key in KEYS if key.option.also}
VALUES = {"accelerator": "cpu"}


@pytest.mark.parametrize("name", EARLIER)
def test_an_earlier_name_still_works_wherever_the_key_does(name, monkeypatch):
    key, value = EARLIER[name], VALUES[name]
    expected = make_config({"task": {"data": "circles"}, key.table: {key.name: value}})
    assert make_config({"task": {"data": "circles"}, key.table: {name: value}}) == expected
    for way in ([f"--{name}", value], ["--set", f"{name}={value}"], ["--set", f"{key.table}.{name}={value}"]):
        assert ran("--data", "circles", *way, monkeypatch=monkeypatch) == expected
    asked: list[StudyConfig] = []
    monkeypatch.setattr(search_study, "run", lambda config, **_: asked.append(config))
    lossearch.search(data="circles", listener=Listener(), **{name: value})
    assert asked == [expected]
    with pytest.raises(InputError, match=f"gives both {name} and {key.name}"):
        make_config({key.table: {name: value, key.name: value}})


@pytest.mark.parametrize("name", ["auto", "cpu", "gpu", "cuda", "cuda:1", "gpu:0", "mps"])
def test_a_device_is_named_as_torch_or_lightning_names_it(name):
    assert make_config({"train": {"device": name}}).train.device == name


@pytest.mark.parametrize("name", ["cuda:", "cuda:x", "cpu:1", "tpu9"])
def test_what_is_no_device_is_refused_with_those_there_are(name):
    with pytest.raises(
        InputError, match=r"\[train\] device must be auto, cpu, gpu, cuda, cuda:NUMBER or mps; got"
    ):
        make_config({"train": {"device": name}})


def test_no_two_keys_share_a_name():
    flags = [key.flag for key in KEYS if key.flag]
    assert len(set(flags)) == len(flags)
    assert len({key.parameter for key in KEYS}) == len(KEYS)


def plain(annotation: Any) -> Any:
    """Return what a caller may give for a key: the widest type of what its table takes."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return plain(inner[0])
    if origin is Literal:
        return str
    if origin is tuple and inner[-1] is Ellipsis:
        return collections.abc.Sequence[plain(inner[0])]
    if origin is dict or annotation is Rows:
        inner = (str, str) if annotation is Rows else inner
        return collections.abc.Mapping[inner[0], Any if plain(inner[1]) is not str else str]
    if origin is tuple:
        return annotation
    if origin is not None:
        found = plain(inner[0])
        for part in inner[1:]:
            found |= plain(part)
        return found
    return annotation


def test_type_checkers_are_told_the_keys_and_types_of_the_tables():
    told = get_type_hints(SearchOptions)
    own = {name for name, p in inspect.signature(search_study.search).parameters.items() if name not in told}
    assert told.keys() | own >= {key.parameter for key in KEYS}
    assert told.keys() <= {key.parameter for key in KEYS} | EARLIER.keys()
    for key in KEYS:
        if key.parameter in told:
            expected = plain(key.annotation) | None
            expected = expected | WIDER.get(key.path, NoneType)
            assert told[key.parameter] == expected, key.path


def test_a_misspelt_parameter_is_an_ordinary_error_with_the_closest_name():
    with pytest.raises(
        TypeError, match=r"unexpected keyword argument 'optimiser'\. Did you mean 'optimizer'\?"
    ):
        lossearch.search(optimiser="sgd")
    assert tables_of({"epochs": None}) == {name: {} for name in TABLES}


def test_the_help_of_search_names_every_option():
    told = inspect.getdoc(lossearch.search)
    for key in KEYS:
        assert f"\n    {key.parameter}: " in told, key.parameter


def test_the_help_of_run_is_in_groups_with_every_key():
    told = CliRunner().invoke(command, ["--help"], terminal_width=200).output
    for table, model in TABLES.items():
        assert f"\n[{table}] {model.__doc__.splitlines()[0].rstrip('.')}:\n" in told
    for key in KEYS:
        assert f"\n  {key.flag or f'--set {key.path}.NAME=VALUE'}" in told, key.path
    assert told.count("--set KEY=VALUE") == 1


def test_rows_of_data_go_with_the_data():
    with pytest.raises(InputError, match="validation holds values of rows, and goes with X and y"):
        lossearch.search(data="circles", validation=([[1.0, 2.0]], [1]), listener=Listener())
    with pytest.raises(InputError, match="groups holds values of rows"):
        lossearch.search(data="circles", groups=[1, 2], listener=Listener())


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("train.optimizer", "sgdd", "No optimiser named 'sgdd'. Did you mean 'sgd'?"),
        ("train.schedule", "cosin", "No schedule named 'cosin'. Did you mean 'cosine'?"),
        ("train.precision", "16", "No precision named '16'."),
        (
            "budget.sampler",
            "tep",
            "No sampler named 'tep'. Did you mean 'tpe'? Known: tpe, gp, random, qmc, grid, brute.",
        ),
    ],
)
def test_a_name_that_no_table_of_components_has(path, value, message):
    table, _, name = path.partition(".")
    with pytest.raises(InputError) as told:
        prepare(StudyConfig.model_validate({"task": {"data": "nowhere.csv"}} | {table: {name: value}}))
    assert str(told.value).startswith(message)


@pytest.mark.slow
def test_user_code_is_checked_by_mypy(tmp_path):
    # a name of its own: mypy's cache would tell of an earlier run's file of the same name
    file = tmp_path / f"user{uuid4().hex}.py"
    file.write_text(
        "import lossearch\n"
        'result = lossearch.search(data="x.csv", epochs=3, lr=(1e-3, 1.0), hidden=[8], clip=1.0, schedule="step")\n'
        "print(result.leaderboard)\n"
        'lossearch.search(epochs="3")\n'
        "lossearch.search(epochz=3)\n"
    )
    # from the repository's root, where `make lint` leaves what mypy knows of the libraries
    checker = [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", str(file)]
    said = subprocess.run(
        checker, check=False, capture_output=True, text=True, cwd=Path(__file__).parents[1]
    ).stdout
    lines = [line for line in said.splitlines() if "error:" in line and line.startswith(str(file))]
    assert len(lines) == 2
    assert ':4: error: Argument "epochs"' in lines[0]
    assert ':5: error: Unexpected keyword argument "epochz"' in lines[1]


@pytest.mark.parametrize("on", ["word", "ray://", "rays", "slurm://x", ""])
def test_an_engine_that_is_none_is_told(on, tmp_path):
    file = tmp_path / "x.toml"
    file.write_text(f'[task]\ndata = "circles"\n[train]\non = "{on}"\n')
    with pytest.raises(
        InputError, match=r"\[train\] on must (be local, ray, ray://HOST:10001 or slurm|not be empty)"
    ):
        load_config(file)
