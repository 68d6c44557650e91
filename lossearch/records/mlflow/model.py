"""An exported model in the MLflow model registry: signature, input example, alias "champion".

MLflow loads it by this package's own code from the exported directory; no network is pickled.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from lossearch._process import left_as_it_was
from lossearch._urls import Url
from lossearch.errors import StoreError
from lossearch.records.mlflow.artifacts import require_inside
from lossearch.records.mlflow.client import connect, quiet, retried, tracking_errors, unpooled
from lossearch.records.store import Store

if TYPE_CHECKING:
    from mlflow.entities import Experiment, LoggedModel
    from mlflow.tracking import MlflowClient

CHAMPION = "champion"
"""The alias of the version that was registered last."""

NEEDS = ("lossearch", "torch", "safetensors", "scikit-learn", "numpy", "pandas")
SCRIPT = Path(__file__).with_name("pyfunc.py")


@dataclass(frozen=True)
class Registered:
    """A version of a registered model."""

    name: str
    version: str

    @property
    def uri(self) -> str:
        """What ``mlflow.pyfunc.load_model`` loads it by."""
        return f"models:/{self.name}@{CHAMPION}"


@dataclass(frozen=True)
class Sample:
    """What says how a model is called: made-up rows, what it predicts of them, and whether it has probabilities."""

    rows: Any
    predictions: Any
    probabilities: bool


def register(
    store: Store,
    folder: Path,
    sample: Sample,
    *,
    name: str,
    run_id: str,
    uri: str | None = None,
    tags: Mapping[str, str] | None = None,
) -> Registered:
    """Register the model in an exported directory as a new version, and make it the champion.

    ``sample`` gives the signature and is the input example; ``run_id`` is the study's parent run. Without a
    tracking URI the store's own database is used.

    Raises:
        StoreError: MLflow cannot be written to, or has no such run.
    """
    client, place = connect(store, uri), Url(uri or store.tracking_uri)
    with quiet(), left_as_it_was(), unpooled(place), TemporaryDirectory() as temporary:
        warnings.simplefilter("ignore")
        local = Path(temporary) / "model"
        _save(local, folder, sample)
        try:
            if uri is None:
                require_inside(store, [_experiment(client, run_id).artifact_location])
            logged = _log(client, local, name, run_id)
            found = _version(client, name, logged, run_id, dict(tags or {}))
            retried(lambda: client.set_registered_model_alias(name, CHAMPION, found))
        except tracking_errors() as error:
            raise StoreError(
                f"The model cannot be registered at {place}: {place.said(error)}"
            ) from place.cause(error)
    return Registered(name, str(found))


def _save(local: Path, folder: Path, sample: Sample) -> None:
    """Write an MLflow model directory around an exported one."""
    import mlflow.pyfunc
    from mlflow.models import infer_signature

    params = {"probabilities": False} if sample.probabilities else None
    mlflow.pyfunc.save_model(
        local,
        python_model=str(SCRIPT),
        artifacts={"model": str(folder)},
        signature=infer_signature(sample.rows, sample.predictions, params),
        input_example=sample.rows,
        pip_requirements=[f"{package}=={version(package).partition('+')[0]}" for package in NEEDS],
    )


def _experiment(client: MlflowClient, run_id: str) -> Experiment:
    return client.get_experiment(client.get_run(run_id).info.experiment_id)


def _log(client: MlflowClient, local: Path, name: str, run_id: str) -> LoggedModel:
    """Log a local model directory under a run."""
    experiment = str(_experiment(client, run_id).experiment_id)
    logged = client.create_logged_model(experiment, name=name, source_run_id=run_id, model_type="lossearch")
    try:
        client.log_model_artifacts(logged.model_id, str(local))
    except BaseException:
        client.finalize_logged_model(logged.model_id, "FAILED")
        raise
    return client.finalize_logged_model(logged.model_id, "READY")


def _version(client: MlflowClient, name: str, logged: LoggedModel, run_id: str, tags: dict[str, str]) -> str:
    if not client.search_registered_models(f"name = '{name}'"):
        client.create_registered_model(name, tags={"lossearch": "winner"})
    # by its place: as models:/ID MLflow would look for it at the process's own tracking URI
    made = client.create_model_version(
        name, logged.artifact_location, run_id, tags=tags, model_id=logged.model_id
    )
    shown = json.dumps([{"name": name, "version": int(made.version)}])
    client.set_logged_model_tags(logged.model_id, {"mlflow.modelVersions": shown})
    return str(made.version)
