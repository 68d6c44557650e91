"""The records of a study, each read to its end: which of them are damaged."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

from lossearch.confirm.judging import read_verdict
from lossearch.errors import DamagedError, LossearchError
from lossearch.model import load_model
from lossearch.model.own_module import CARD as MODULE_CARD
from lossearch.model.own_module import load_module
from lossearch.records.confirmations import read_confirmed
from lossearch.records.curve_files import curve_files, read_file
from lossearch.records.damage import missing
from lossearch.records.mlflow.database import check_database
from lossearch.records.predictions import FILE as PREDICTIONS
from lossearch.records.predictions import read_predictions
from lossearch.records.tensors import read_tensors
from lossearch.records.trial import Stage
from lossearch.records.weights import FOLDER as WEIGHTS
from lossearch.study.fitting import FOLDER as MODELS


def fault(read: Callable[[], object]) -> DamagedError | None:
    """Return what is wrong with the record that is read, None where nothing is."""
    try:
        read()
    except DamagedError as error:
        return error
    except LossearchError:
        return None  # something else stands in the way: a later format, code that is not trusted
    return None


def curve_faults(folder: Path, stage: str) -> list[DamagedError]:
    """Return what is wrong with the files of a stage's curves."""
    return _faults(partial(read_file, path) for path in curve_files(folder, stage))


def table_faults(folder: Path) -> list[DamagedError]:
    """Return what is wrong with the tables of a confirmation, of those that are there: predictions and curves."""
    there = [partial(read_predictions, folder)] if (folder / PREDICTIONS).exists() else []
    return [*_faults(there), *curve_faults(folder, Stage.CONFIRM)]


def run_faults(folder: Path) -> list[DamagedError]:
    """Return what is wrong with the records that going on with a study reads or replaces, of those that are there."""
    return [
        *curve_faults(folder, Stage.SEARCH),
        *_faults([partial(read_confirmed, folder), partial(read_verdict, folder)]),
        *table_faults(folder),
    ]


def weight_faults(folder: Path) -> list[DamagedError]:
    """Return what is wrong with the kept weights of trials."""
    paths = sorted((folder / WEIGHTS).glob("trial-*.safetensors"))
    return _faults(partial(read_tensors, path) for path in paths)


def model_faults(folder: Path) -> list[DamagedError]:
    """Return what is wrong with the kept models of pairs."""
    return _faults(
        partial(_read_model, path) for path in sorted((folder / MODELS).glob("*--*")) if _kept(path)
    )


def _kept(path: Path) -> bool:
    return path.is_dir() and ".damaged-" not in path.name


def _read_model(folder: Path) -> None:
    if (folder / MODULE_CARD).exists():
        load_module(folder)
    elif (folder / "model.json").exists():
        load_model(folder)
    else:
        raise missing(folder / "model.json")


def database_fault(database: Path) -> DamagedError | None:
    """Return what is wrong with the store's MLflow database, None where nothing is, or it is not there."""
    return fault(partial(check_database, database))


def _faults(reads: Iterable[Callable[[], object]]) -> list[DamagedError]:
    return [error for error in map(fault, reads) if error is not None]
