"""How far a study is: told trial by trial, it is what all trials together say."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lossearch.records.trial import TrialRecord, best_of
from lossearch.space import Point
from lossearch.study.history import Progress, last_attempts
from lossearch.training.contract import Outcome

ATTEMPTS = st.lists(
    st.tuples(
        st.sampled_from(("bce/sigmoid", "mse/sigmoid")),
        st.integers(0, 4),
        st.sampled_from(tuple(Outcome)),
        st.none() | st.sampled_from((0.25, 0.5, 0.75)),
    ),
    max_size=20,
)


@given(ATTEMPTS, st.sampled_from((-1, 1)), st.integers(0, 20))
def test_told_one_by_one_it_is_what_all_trials_say(attempts, sign, resumed_at):
    records = [
        TrialRecord(i, "search", Point(pair, 0.1), "zero_one", outcome=outcome, value=value, index=index)
        for i, (pair, index, outcome, value) in enumerate(attempts)
    ]
    progress = Progress.of(records[:resumed_at], sign)
    for record in records[resumed_at:]:
        progress.add(record)
    counted = last_attempts(records)
    assert progress.done == len(counted)
    assert progress.best == best_of(counted, sign)
    assert progress.failed == sum(r.outcome in {Outcome.FAILED, Outcome.DIVERGED} for r in counted)
