"""A confirmation in stages: after each, pairs that are told worse than the leader get no more seeds."""

from __future__ import annotations

from lossearch.confirm.confirmation import Confirm
from lossearch.confirm.judging import look
from lossearch.confirm.selection import Finalists
from lossearch.errors import InputError
from lossearch.records.confirmations import Confirmed
from lossearch.verdict.early_stopping import first_analysis, next_analysis


def race(confirm: Confirm, finalists: Finalists, n: int, rope: float | None = None) -> Confirmed | None:
    """Confirm finalists on up to ``n`` fresh seeds, fewer where it is decided earlier who is best.

    Who is dropped follows from the records of the seeds up to then. So a race that was killed goes on as it
    would have, and one for more seeds than before is run again from its start, by looks of its own, though
    nothing is trained twice. Where all finalists have all seeds by an ordinary confirmation nothing is left
    to race for, and nobody is dropped.

    Args:
        confirm: trains and writes down.
        finalists: what is confirmed.
        n: the most seeds that any of them is given.
        rope: differences up to this are equal for practical purposes; None for the metric's default.

    Raises:
        RunFailedError: every pair failed in its confirmation.
    """
    before = confirm.before(finalists)
    n = max(n, len(before.seeds) if before else 0)
    whole = before is not None and not before.raced.looks and not confirm.missing(finalists, n)
    if whole or len(finalists.trials) < 2:
        return confirm(finalists, n)
    raced = first_analysis(n)
    while True:
        if confirm.missing(finalists, raced.at, raced.dropped):
            finalists = _finishers(confirm(finalists, raced.at, raced), finalists)
        if raced.at == n:
            break
        try:
            verdict = look(confirm.folder, confirm.plan, raced, rope=rope)
        except InputError:
            # what cannot be judged cannot be raced: the verdict will say why
            return confirm(finalists, n)
        onward = next_analysis(raced, verdict)
        if onward is None:
            break
        if out := [pair for pair in onward.dropped if pair not in raced.dropped]:
            confirm.listener.note(f"Dropped after {raced.at} seeds, as clearly worse: {', '.join(out)}.")
        raced, rope = onward, verdict.rope
    return confirm(finalists, raced.at, raced)


def _finishers(confirmed: Confirmed | None, finalists: Finalists) -> Finalists:
    """Return the finalists without those whose training failed."""
    if confirmed is None:
        return finalists
    trained = [t for t in finalists.trials if t.point.pair in confirmed.pairs]
    return Finalists(tuple(trained), confirmed.left_out, finalists.of)
