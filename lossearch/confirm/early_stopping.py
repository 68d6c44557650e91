"""A confirmation with early stopping: after each interim analysis, pairs found worse get no more seeds."""

from __future__ import annotations

from lossearch.confirm.confirmation import Confirmer
from lossearch.confirm.judging import analyse
from lossearch.confirm.selection import Selection
from lossearch.errors import InputError
from lossearch.records.confirmations import Confirmed
from lossearch.verdict.early_stopping import first_analysis, next_analysis


def confirm_with_early_stopping(
    confirm: Confirmer, selection: Selection, n: int, rope: float | None = None
) -> Confirmed | None:
    """Confirm selected trials on up to ``n`` fresh seeds, fewer where it is decided earlier who is best.

    Which pairs are dropped follows from the records of the seeds up to then. So a confirmation that was killed
    goes on as it would have, and one for more seeds than before begins again, with analyses of its own, though
    nothing is trained twice. Where an ordinary confirmation has all seeds of every pair nothing is left to
    save, and no pair is dropped.

    Args:
        confirm: trains and writes down.
        selection: what is confirmed.
        n: the most seeds that any of them is given.
        rope: differences up to this are equal for practical purposes; None for the metric's default.

    Raises:
        RunFailedError: every pair failed in its confirmation.
    """
    before = confirm.before(selection)
    n = max(n, len(before.seeds) if before else 0)
    whole = before is not None and not before.stopping.analyses and not confirm.missing(selection, n)
    if whole or len(selection.trials) < 2:
        return confirm(selection, n)
    stopping = first_analysis(n)
    while True:
        if confirm.missing(selection, stopping.at, stopping.dropped):
            selection = _without_failed(confirm(selection, stopping.at, stopping), selection)
        if stopping.at == n:
            break
        try:
            verdict = analyse(confirm.folder, confirm.plan.question, stopping, rope=rope)
        except InputError:
            # what cannot be judged cannot be stopped either: the verdict will say why
            return confirm(selection, n)
        onward = next_analysis(stopping, verdict)
        if onward is None:
            break
        if out := [pair for pair in onward.dropped if pair not in stopping.dropped]:
            confirm.listener.note(f"Dropped after {stopping.at} seeds, as clearly worse: {', '.join(out)}.")
        stopping, rope = onward, verdict.rope
    return confirm(selection, stopping.at, stopping)


def _without_failed(confirmed: Confirmed | None, selection: Selection) -> Selection:
    """Return the selection without the trials whose training failed."""
    if confirmed is None:
        return selection
    trained = [t for t in selection.trials if t.point.pair in confirmed.pairs]
    return Selection(tuple(trained), confirmed.left_out, selection.of)
