"""What a study has recorded, read with Optuna, MLflow and pandas alone, and how it differs from what it should be."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import optuna
import pandas as pd
from mlflow.tracking import MlflowClient
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend
from optuna.storages.journal._storage import JournalOperation
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError

OF_THE_RUN = {
    "seconds", "training_seconds", "started", "created", "store", "storage", "tracking_uri", "mlflow", "cost",
}  # fmt: skip
"""What differs between two runs of one study: times and places."""
CLOSE = 1e-6
"""How far numbers may differ: those that are trained beside others are summed in another order, and some are kept in 32 bits."""
_LOCKS = re.compile(r"(\.lock|\.running|optuna\.journal)$")
_ID = re.compile(r"[0-9a-f]{32}|-[0-9a-f]{16}")


@dataclass
class Records:
    """What is compared, as plain values by name; ``wrong`` are contradictions within it."""

    trials: dict[str, Any] = field(default_factory=dict)
    runs: dict[str, Any] = field(default_factory=dict)
    tables: dict[str, Any] = field(default_factory=dict)
    documents: dict[str, Any] = field(default_factory=dict)
    files: dict[str, Any] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)


def read_records(root: Path, name: str, storage: str | None, tracking: str | None) -> Records:
    """Read the records of a study that has ended.

    Args:
        root: the store's.
        name: of the study.
        storage: URL of its Optuna storage, None for the journal.
        tracking: URI of its MLflow server or database, None for the store's own.
    """
    found, folder = Records(), root / "studies" / name
    trials = optuna.load_study(study_name=name, storage=_storage(folder, storage)).trials
    found.trials = {str(t.number): _trial(t) for t in trials}
    found.wrong += [f"Optuna trial {t.number} is {t.state.name}" for t in trials if not t.state.is_finished()]
    runs = _runs(MlflowClient(tracking or f"sqlite:///{root / 'mlflow.db'}"), name)
    counted = Counter(key for key, _ in runs)
    found.wrong += [f"MLflow has {n} runs of {key}" for key, n in counted.items() if n > 1]
    found.runs = dict(runs)
    found.wrong += [
        f"MLflow run of {key} is {run['status']}" for key, run in runs if run["status"] != "FINISHED"
    ]
    for table in ("search", "confirm", "predictions"):
        if (path := folder / f"{table}.parquet").exists():
            frame = pd.read_parquet(path)
            found.tables[table] = {c: frame[c].tolist() for c in frame}
            if table == "search":
                ended = [t for t in trials if t.state.is_finished()]
                found.wrong += _contradictions(ended, found.runs, frame)
    for document in ("confirm", "verdict"):
        if (path := folder / f"{document}.json").exists():
            found.documents[document] = settled(json.loads(path.read_text()))
    found.files = {path.replace(name, "NAME"): True for path in _files(root)}
    return found


def count_trials(root: Path, name: str, storage: str | None) -> int:
    """Return how many trials Optuna has of a study that a kill has interrupted; nothing is made where it is half made."""
    if storage is None:
        journal = root / "studies" / name / "optuna.journal"
        # half a line is what a killed writer left
        lines = journal.read_bytes().split(b"\n")[:-1] if journal.exists() else []
        return sum(json.loads(line)["op_code"] == JournalOperation.CREATE_TRIAL for line in lines)
    path = storage.removeprefix("sqlite:///")
    if path != storage and not Path(path).exists():
        return 0
    try:
        with create_engine(storage).connect() as connection:
            return int(connection.execute(text("SELECT count(*) FROM trials")).scalar_one())
    except DBAPIError:
        return 0  # the table is not there yet


def settled(value: Any) -> Any:
    """Return plain values without what differs between two runs of one study."""
    if isinstance(value, Mapping):
        return {k: settled(v) for k, v in value.items() if k not in OF_THE_RUN}
    if isinstance(value, list | tuple):
        return [settled(v) for v in value]
    return value


def differences(found: Records, expected: Records) -> list[str]:
    """Return what contradicts itself, and what is not as in the records of an undisturbed run."""
    told = list(found.wrong)
    for part in (f.name for f in fields(Records) if f.name != "wrong"):
        here, there = getattr(found, part), getattr(expected, part)
        told += [f"{part}: {key} is missing" for key in there.keys() - here.keys()]
        told += [f"{part}: {key} should not be there" for key in here.keys() - there.keys()]
        told += [
            f"{part}: {key} differs at {where}"
            for key in there.keys() & here.keys()
            if (where := first_difference(here[key], there[key]))
        ]
    return sorted(told)


def same(here: Any, there: Any) -> bool:
    """Return whether two plain values are equal, numbers as far as arithmetic in another order leaves them so."""
    if isinstance(here, float) and isinstance(there, float):
        return math.isclose(here, there, rel_tol=CLOSE, abs_tol=CLOSE) or (
            math.isnan(here) and math.isnan(there)
        )
    if isinstance(here, Mapping) and isinstance(there, Mapping):
        return here.keys() == there.keys() and all(same(here[k], there[k]) for k in here)
    if isinstance(here, list) and isinstance(there, list):
        return len(here) == len(there) and all(map(same, here, there))
    return bool(here == there)


def first_difference(here: Any, there: Any, at: str = "") -> str:
    """Return the place of the first difference of two plain values, with both; "" where they are the same."""
    if same(here, there):
        return ""
    if isinstance(here, Mapping) and isinstance(there, Mapping):
        every = (first_difference(here.get(k), there.get(k), f"{at}.{k}") for k in sorted({*here, *there}))
        return next(filter(None, every))
    if isinstance(here, list) and isinstance(there, list) and len(here) == len(there):
        every = (first_difference(*two, f"{at}[{i}]") for i, two in enumerate(zip(here, there, strict=True)))
        return next(filter(None, every))
    return f"{at or 'its value'}: {str(here)[:80]} instead of {str(there)[:80]}"


def _storage(folder: Path, url: str | None) -> BaseStorage:
    if url is not None:
        return RDBStorage(url)
    return JournalStorage(JournalFileBackend(str(folder / "optuna.journal")))


def _trial(trial: optuna.trial.FrozenTrial) -> dict[str, Any]:
    return {
        "state": trial.state.name,
        "values": trial.values,  # noqa: PD011 - no data frame
        "params": trial.params,
        "intermediate": trial.intermediate_values,
        "attrs": settled({**trial.user_attrs, **trial.system_attrs}),
    }


def _runs(client: MlflowClient, name: str) -> list[tuple[str, dict[str, Any]]]:
    experiment = client.get_experiment_by_name(name)
    assert experiment is not None, f"MLflow has no experiment {name}"
    found = []
    for run in client.search_runs([experiment.experiment_id]):
        tags = run.data.tags
        key = " ".join(tags[k] for k in ("lossearch.role", "lossearch.trial", "lossearch.stage") if k in tags)
        values = {"params": run.data.params, "metrics": run.data.metrics}
        kept = {k: tags[k] for k in tags if k.startswith("lossearch.") and k != "lossearch.study"}
        artifacts = sorted(f.path for f in client.list_artifacts(run.info.run_id))
        found.append(
            (key, {"status": run.info.status, "artifacts": artifacts, "tags": kept, **settled(values)})
        )
    return found


def _contradictions(
    trials: list[optuna.trial.FrozenTrial], runs: Mapping[str, Any], curves: pd.DataFrame
) -> Iterator[str]:
    """Compare every trial of Optuna with its run and with its curves: parameters, value, number of replicates."""
    for trial in trials:
        record = trial.system_attrs["record"]
        run = runs.get(f"trial {trial.number} {record['stage']}")
        if run is None:
            yield f"trial {trial.number} has no run in MLflow"
        elif (run["metrics"].get("score"), run["metrics"]["lr"]) != (trial.value, trial.params["lr"]):
            yield f"trial {trial.number} has another value or learning rate in MLflow"
        own = curves[curves["trial"] == trial.number]
        if sorted(own["seed"].unique()) != sorted(record["seeds"]) or own.duplicated(["seed", "epoch"]).any():
            yield f"trial {trial.number} has not one curve a seed in Parquet"
        elif abs(own[own["epoch"] == record["epoch"]]["val_accuracy"].mean() - trial.value) > 1e-12:
            yield f"trial {trial.number} has another value in Parquet"
    strangers = set(curves["trial"].tolist()) - {t.number for t in trials}
    if strangers:
        yield f"Parquet has curves of trials {sorted(strangers)}, which Optuna has not"


def _files(root: Path) -> Iterator[str]:
    # where MLflow is a server, artifacts are elsewhere: those of a run are compared with it
    for path in (root / "studies").rglob("*"):
        if path.is_file() and not _LOCKS.search(path.name):
            yield _ID.sub("ID", str(path.relative_to(root)))
