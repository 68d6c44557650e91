"""In a notebook a study is one output, that changes: notes, and below them how far it is."""

from __future__ import annotations

import io

import pytest

from lossearch.api.progress import LiveDisplay, NotebookDisplay, PlainDisplay, console, display
from lossearch.records.trial import TrialRecord
from lossearch.space import Point
from lossearch.training.contract import Outcome

pytest.importorskip("IPython")


class Shown:
    """What a notebook shows: the data of each output, as they are now, and how often they changed."""

    def __init__(self):
        self.outputs: list[str] = []
        self.changes = 0

    def display(self, data, *, raw, display_id):
        assert raw
        assert display_id
        self.outputs.append(data["text/plain"])
        place = len(self.outputs) - 1

        class Handle:
            def update(_, data, *, raw):  # noqa: N805 - the handle's own self is of no use
                assert raw
                self.outputs[place] = data["text/plain"]
                self.changes += 1

        return Handle()


@pytest.fixture
def shown(monkeypatch):
    found = Shown()
    monkeypatch.setattr("IPython.display.display", found.display)
    return found


def trial(number, value=0.5):
    return TrialRecord(
        number=number, stage="cover", point=Point("bce/sigmoid", 0.1), encoding="zero_one", value=value,
        outcome=Outcome.COMPLETED,
    )  # fmt: skip


def test_a_study_is_one_output(shown):
    now = [0.0]
    with NotebookDisplay(console(), clock=lambda: now[0]) as seen:
        seen.doing("Reading the data")
        assert shown.outputs == ["Reading the data ..."]
        seen.note("binary: \x1b[31mtwo values")
        assert shown.outputs[0].splitlines()[1:] == ["Reading the data ..."]
        assert "\x1b" not in shown.outputs[0]
        seen.started(40, 0)
        seen.time_left(9.0)
        now[0] = 1.0
        seen.trial_done(trial(0), 2, 40, trial(0), 1)
        last = shown.outputs[0].splitlines()[-1]
        assert (
            last
            == "Searching ... [2/40] best so far bce/sigmoid 0.5 (lr 0.1), 1 diverged or failed, about 8 s left"
        )
        seen.finished("all trials done")
        seen.doing("Judging")
        assert shown.outputs[0].splitlines()[-2:] == [
            "All trials done after 1 s.",
            "Judging ... about 8 s left",
        ]
    assert len(shown.outputs) == 1
    assert shown.outputs[0].splitlines()[1:] == ["All trials done after 1 s."]


def test_many_trials_change_it_a_few_times_a_second(shown):
    now = [0.0]
    seen = NotebookDisplay(console(), clock=lambda: now[0])
    seen.started(1000, 0)
    for i in range(1000):
        now[0] += 0.001
        seen.trial_done(trial(i), i + 1, 1000, trial(i), 0)
    assert 3 <= shown.changes <= 5


def test_the_display_suits_where_it_is_shown(monkeypatch):
    monkeypatch.setattr("sys.stdout", io.StringIO())
    screen = console()
    assert isinstance(display(screen), PlainDisplay)
    screen._force_terminal = True
    assert isinstance(display(screen), LiveDisplay)
    screen.is_jupyter = True
    assert isinstance(display(screen), NotebookDisplay)
