"""What is said of runs that MLflow gets without curves, since the records have these no more."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lossearch._options import either
from lossearch._text import listed
from lossearch.records.mlflow.experiment import key_of
from lossearch.records.mlflow.view import CurvesOf, MlflowView
from lossearch.records.trial import Stage, TrialRecord, ought_to_have_curves


def lost_curves(
    view: MlflowView, folder: Path, records: Sequence[TrialRecord], curves: CurvesOf
) -> str | None:
    """Return what is said of runs that are about to be written without their curves; None where there is no such run.

    Args:
        view: open, and not yet told of these trials.
        folder: the study's directory.
        records: trials, or confirmations, of one stage's file.
        curves: gives those that are recorded.
    """
    without = [r for r in records if key_of(r) not in view.runs and ought_to_have_curves(r) and not curves(r)]
    if not without:
        return None
    sync = either(f"lossearch.api.sync({view.name!r})", view.sync_command)
    if without[0].stage == Stage.CONFIRM:
        what = f"the confirmations of {listed([r.point.pair for r in without])}"
        path = folder / f"{Stage.CONFIRM}.parquet"
        again = either("lossearch.search with the same arguments", "the same `lossearch run`")
        back = f"To have them again: {again} trains these pairs anew"
    else:
        numbers = listed([str(r.number) for r in without])
        what = f"trial {numbers}" if len(without) == 1 else f"trials {numbers}"
        path = folder / f"{Stage.SEARCH}.parquet"
        back = "Where there is a copy of that file, put it back"
    return (
        f"MLflow gets {what} without curves: {path} has them no more. No number of the answer rests on them. {back}; then "
        f"delete these runs in MLflow, and {sync} writes them whole."
    )
