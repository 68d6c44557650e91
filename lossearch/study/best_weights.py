"""The weights of every pair's best trial, which are kept whoever trained it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from lossearch._text import listed
from lossearch.errors import RunFailedError
from lossearch.records.store import recording
from lossearch.records.trial import TrialRecord
from lossearch.study.plan import Plan
from lossearch.study.progress import Listener
from lossearch.study.recorder import StudyRecorder
from lossearch.study.rerun import Rerun, compared, keeping_weights, rerun, round_of, trained_again
from lossearch.training.contract import ReplicateResult, TrainingMethod


def keep_best_weights(
    plan: Plan,
    train: TrainingMethod,
    recorder: StudyRecorder,
    best: Iterable[TrialRecord],
    listener: Listener,
) -> None:
    """Train the best trials of pairs again whose weights are not here, and keep them where the value is reproduced.

    Trials taken over from a study that did not keep theirs are such, and those of before weights were asked for.
    """
    if recorder.weights is None:
        return
    lacking = [record for record in best if recorder.weights.lacks(record)]
    if not lacking:
        return
    pairs = listed([record.point.pair for record in lacking], most=5)
    listener.doing(f"Training again, for its weights, the best trial of {pairs}")
    found = trained_again(plan, train, lacking)
    for record in lacking:
        try:
            again, results = _reproduced(plan, train, recorder, record, found[record.number])
        except RunFailedError as error:
            listener.note(f"{_not_kept(plan, record)} {error}")
            continue
        if again.reproduced:
            with recording(recorder.directory):
                recorder.weights.add(record, results)
        else:
            listener.note(f"{_not_kept(plan, record)} {again}")


def _reproduced(
    plan: Plan,
    train: TrainingMethod,
    recorder: StudyRecorder,
    record: TrialRecord,
    results: Sequence[ReplicateResult],
) -> tuple[Rerun, Sequence[ReplicateResult]]:
    """Return what a trial came to, once more with its round where it did not come to its value without."""
    again = compared(plan, record, results)
    if not again.reproduced and (beside := round_of(plan, recorder.records(), record)):
        return rerun(plan, train, record, beside=beside)
    return again, results


def _not_kept(plan: Plan, record: TrialRecord) -> str:
    return (
        f"The weights of trial {record.number}, the best of {record.point.pair}, are not kept; "
        f"{keeping_weights(plan.name, record.number)} tries again."
    )
