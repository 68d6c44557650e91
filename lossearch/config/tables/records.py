"""[records]: where the records go, and whose weights are among them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, TypedDict

from lossearch.config.fields import FilePath, Size, StudyName, Switch, Table, UrlText, parse_size
from lossearch.config.option import Option


class RecordsTable(Table):
    """Where the records go, and whose weights are among them."""

    store: Annotated[FilePath, Option("Directory of the records.", "DIR")] = "mlruns"
    storage: Annotated[
        UrlText | None, Option("Optuna storage, instead of a journal in the store.", "URL")
    ] = None
    tracking_uri: Annotated[
        UrlText | None, Option("MLflow server, instead of a database in the store.", "URI")
    ] = None
    mlflow: Annotated[Switch, Option("Write the MLflow view of the records.")] = True
    name: Annotated[StudyName, Option("Name of the study; the file's or the data's otherwise.", "NAME")] = (
        None
    )
    weights: Annotated[
        Literal["best", "all", "none"],
        Option("Whose weights are kept: those of every pair's best trial, or of all that fit."),
    ] = "best"
    weights_limit: Annotated[Size, Option("Room for weights; others are trained again.", "SIZE")] = "512MiB"

    @property
    def weights_bytes(self) -> int:
        """The limit in bytes."""
        return parse_size(self.weights_limit)


class RecordsOptions(TypedDict, total=False):
    """The same keys, for those who read the call of ``lossearch.search``."""

    store: str | Path | None
    storage: str | None
    tracking_uri: str | None
    mlflow: bool | None
    name: str | None
    weights: str | None
    weights_limit: str | None
