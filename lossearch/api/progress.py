"""Progress of a study on the terminal: a live line where there is one, plain lines elsewhere."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Self

from rich.console import Console, ConsoleOptions, RenderableType
from rich.progress import BarColumn, Progress, TextColumn
from rich.segment import Segment
from rich.text import Text

from lossearch._text import duration, printable
from lossearch.study.progress import Listener

if TYPE_CHECKING:
    from lossearch.records.trial import TrialRecord

LINES = 20
"""Plain progress lines of one study, about."""

WIDE = 160
"""Columns assumed where the output is no terminal, so that nothing is cut."""


def console(*, stderr: bool = False) -> Console:
    """Return a rich console on one of the process's streams as they are now."""
    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else WIDE
    return _Console(file=stream, width=width, markup=False, highlight=False, emoji=False)


class _Console(Console):
    """A console that names cannot steer: of what is printed, only rich's own signs reach the terminal."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterator[Segment]:
        """Give the segments of what is printed."""
        for segment in super().render(renderable, options):
            text = segment.text if segment.control else printable(segment.text)
            yield segment if text == segment.text else Segment(text, segment.style)


def describe(best: TrialRecord | None, failed: int, left: float | None) -> str:
    """Return best so far, failures and time left, in words."""
    parts = []
    if best is not None and best.value is not None:
        parts.append(f"best {best.point.pair} {best.value:.4g} (lr {best.point.lr:.3g})")
    if failed:
        parts.append(f"{failed} diverged or failed")
    if left is not None:
        parts.append(f"about {duration(left)} left")
    return ", ".join(parts)


class _Display(Listener):
    """What both displays have: notes, how far the study is, how long the rest will take, and how it ended.

    ``so_far`` says how far it is, in words. Time is counted from the trials done in this session.
    """

    def __init__(
        self, console: Console, *, every: bool = False, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._console, self._every, self._clock = console, every, clock
        self._began, self._before = clock(), 0
        self.so_far = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return

    def note(self, text: str) -> None:
        """Write one sentence."""
        self._console.print(Text(text))

    def started(self, total: int, resumed: int) -> None:  # noqa: ARG002 - the listener's
        """Begin counting."""
        self._began, self._before = self._clock(), resumed

    def finished(self, reason: str) -> None:
        """Write why it ended, and after how long."""
        words = reason.rstrip(".") or "done"
        self.note(f"{words[0].upper()}{words[1:]} after {duration(self._clock() - self._began)}.")

    def _tell(self, done: int, total: int, best: TrialRecord | None, failed: int) -> str:
        """Return best, failures and time left, in words, and keep how far it is."""
        words = describe(best, failed, None)
        self.so_far = ", ".join(filter(None, [f"{done} of {total} trials done", words]))
        here = done - self._before
        known = here > 0 and done < total
        left = (self._clock() - self._began) / here * (total - done) if known else None
        return describe(best, failed, left)

    def _note_trial(self, record: TrialRecord, indent: str = "") -> None:
        value = "no value" if record.value is None else f"{record.value:.4g}"
        point = f"{record.point.pair} lr {record.point.lr:.3g}"
        self.note(f"{indent}trial {record.number}: {point}: {value} {record.outcome}")


class PlainDisplay(_Display):
    """One line of text now and then: about one for every 5 % of the trials."""

    _step = 1
    _total = 0

    def started(self, total: int, resumed: int) -> None:
        """Write how many trials there will be."""
        super().started(total, resumed)
        self._total = total
        self._step = 1 if self._every else max(1, math.ceil((total - resumed) / LINES))
        self.note(f"{total} trials" + (f", {resumed} of them done before" if resumed else ""))

    def trial_done(
        self, record: TrialRecord, done: int, total: int, best: TrialRecord | None, failed: int
    ) -> None:
        """Write done of total, where it is time to."""
        if total != self._total and not self._every:  # the range was extended
            self._step = max(self._step, math.ceil(total / LINES))
        self._total = total
        detail = self._tell(done, total, best, failed)
        if done % self._step and done < total:
            return
        if self._every:
            self._note_trial(record, "  ")
        self.note(f"[{done}/{total}] {detail}".rstrip())


class LiveDisplay(_Display):
    """A bar with done of total, best, failures and time left; notes scroll above it."""

    def __init__(self, console: Console, **options: Any) -> None:
        super().__init__(console, **options)
        self._progress = Progress(
            TextColumn("{task.completed:.0f}/{task.total:.0f} trials"),
            BarColumn(bar_width=30),
            TextColumn("{task.fields[detail]}", markup=False),
            console=console,
            transient=True,
        )

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def started(self, total: int, resumed: int) -> None:
        """Draw the bar."""
        super().started(total, resumed)
        for task in self._progress.task_ids:
            self._progress.remove_task(task)
        self._progress.add_task("", total=total, completed=resumed, detail="")
        self._progress.start()

    def trial_done(
        self, record: TrialRecord, done: int, total: int, best: TrialRecord | None, failed: int
    ) -> None:
        """Move the bar."""
        if self._every:
            self._note_trial(record)
        detail = self._tell(done, total, best, failed)
        for task in self._progress.task_ids:
            self._progress.update(task, completed=done, total=total, detail=detail)

    def finished(self, reason: str) -> None:
        """Take the bar away and write why it ended, and after how long."""
        self._progress.stop()
        super().finished(reason)


def display(console: Console, *, every: bool = False) -> PlainDisplay | LiveDisplay:
    """Return the display that suits a console; ``every`` also tells of each trial."""
    return LiveDisplay(console, every=every) if console.is_terminal else PlainDisplay(console, every=every)
