"""Progress of a study: live on a terminal and in a notebook, in plain lines elsewhere."""

from __future__ import annotations

import math
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Self

from rich.console import Console, ConsoleOptions, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.segment import Segment
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from lossearch._text import duration, printable
from lossearch.study.progress import Listener

if TYPE_CHECKING:
    from lossearch.records.trial import TrialRecord

LINES = 20
"""Plain progress lines of one study, about."""

SILENT_SECONDS = 10.0
"""How long a plain display says nothing while something is trained."""

BETWEEN_SECONDS = 1.0
"""What lies between two plain progress lines at least: trials of one population arrive all at once."""

REDRAWN_SECONDS = 0.25
"""How often a notebook's display changes, at most, but for a note."""

PAIRS = 12
"""Pairs that a live display lists, at most."""

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
        parts.append(f"best so far {best.point.pair} {best.value:.4g} (lr {best.point.lr:.3g})")
    if failed:
        parts.append(f"{failed} diverged or failed")
    if left is not None:
        parts.append(f"about {duration(left)} left")
    return ", ".join(parts)


class _Display(Listener):
    """What both displays have: notes, how far the study is, how long the rest will take, and how it ended.

    ``so_far`` says how far it is, in words.
    """

    def __init__(
        self, console: Console, *, every: bool = False, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._console, self._every, self._clock = console, every, clock
        self._began = clock()
        self._left: tuple[float, float] | None = None
        self._done = self._total = self._failed = 0
        self._best: TrialRecord | None = None
        self.so_far = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return

    def note(self, text: str) -> None:
        """Write one sentence."""
        self._console.print(Text(text))

    def started(self, total: int, resumed: int) -> None:
        """Begin counting."""
        self._began, self._done, self._total = self._clock(), resumed, total

    def time_left(self, seconds: float) -> None:
        """Keep how long the rest takes, and since when that is said."""
        self._left = seconds, self._clock()

    def trial_done(
        self, record: TrialRecord, done: int, total: int, best: TrialRecord | None, failed: int
    ) -> None:
        """Keep how far it is."""
        self._done, self._total, self._best, self._failed = done, total, best, failed
        words = describe(best, failed, None)
        self.so_far = ", ".join(filter(None, [f"{done} of {total} trials done", words]))
        if self._every:
            value = "no value" if record.value is None else f"{record.value:.4g}"
            point = f"{record.point.pair} lr {record.point.lr:.3g}"
            self.note(f"  trial {record.number}: {point}: {value} {record.outcome}")

    def finished(self, reason: str) -> None:
        """Write why it ended, and after how long."""
        words = reason.rstrip(".") or "done"
        self.note(f"{words[0].upper()}{words[1:]} after {duration(self._clock() - self._began)}.")

    def _seconds_left(self) -> float | None:
        """Return how long the rest takes, by what was said last."""
        if self._left is None:
            return None
        seconds, said = self._left
        return max(0.0, seconds - (self._clock() - said))


class PlainDisplay(_Display):
    """A line for everything that takes a while, and one for about every 5 % of the trials, every 10 s at least.

    Of lines on trials that arrive within a second the first is written, and of the last trial in any case.
    """

    _step = 1
    _doing = ""
    _wrote = 0.0
    _counted = -math.inf

    def note(self, text: str) -> None:
        """Write one sentence."""
        self._wrote = self._clock()
        super().note(text)

    def doing(self, what: str) -> None:
        """Write what is being done."""
        self._doing = what
        self.note(f"{what} ...")

    def started(self, total: int, resumed: int) -> None:
        """Write how many trials there will be."""
        super().started(total, resumed)
        self._doing = "training"
        self._step = 1 if self._every else max(1, math.ceil((total - resumed) / LINES))
        self.note(f"{total} trials" + (f", {resumed} of them done before" if resumed else ""))

    def time_left(self, seconds: float) -> None:
        """Write it where nothing was written for a while."""
        super().time_left(seconds)
        if self._clock() - self._wrote > SILENT_SECONDS:
            self.note(f"{self._so_far()}, about {duration(seconds)} left")

    def trial_done(
        self, record: TrialRecord, done: int, total: int, best: TrialRecord | None, failed: int
    ) -> None:
        """Write done of total, where it is time to."""
        if total != self._total and not self._every:  # the range was extended
            self._step = max(self._step, math.ceil(total / LINES))
        super().trial_done(record, done, total, best, failed)
        now = self._clock()
        if done < total and not self._every and (done % self._step or now - self._counted < BETWEEN_SECONDS):
            return
        self._counted = now
        left = self._seconds_left() if done < total else None
        self.note(f"[{done}/{total}] {describe(best, failed, left)}".rstrip())

    def _so_far(self) -> str:
        return f"[{self._done}/{self._total}] training" if self._done < self._total else self._doing


class LiveDisplay(_Display):
    """What is being done, a bar with done of total, time left, and the pairs with their best; notes scroll above."""

    def __init__(self, console: Console, **options: Any) -> None:
        super().__init__(console, **options)
        self._doing = ""
        self._spinner = Spinner("dots")
        self._pairs: dict[str, TrialRecord] = {}
        self._trials: Counter[str] = Counter()
        self._live = Live(get_renderable=self._drawn, console=console, transient=True, refresh_per_second=8)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def doing(self, what: str) -> None:
        """Show what is being done."""
        self._doing = what

    def started(self, total: int, resumed: int) -> None:
        """Show the bar."""
        super().started(total, resumed)
        self._doing = "Searching"

    def improved(self, record: TrialRecord) -> None:
        """Show a pair's new best."""
        self._pairs[record.point.pair] = record

    def trial_done(
        self, record: TrialRecord, done: int, total: int, best: TrialRecord | None, failed: int
    ) -> None:
        """Move the bar."""
        super().trial_done(record, done, total, best, failed)
        self._trials[record.point.pair] += 1

    def _drawn(self) -> RenderableType:
        """Return what is shown now."""
        self._spinner.update(text=Text(f"{self._doing} ..." if self._doing else ""))
        parts: list[RenderableType] = [self._spinner]
        line: list[RenderableType] = []
        if self._total:
            bar = ProgressBar(total=self._total, completed=self._done, width=30)
            line += [bar, Text(f"{self._done}/{self._total} trials")]
        if (left := self._seconds_left()) is not None:
            line.append(Text(f"about {duration(left)} left"))
        if line:
            progress = Table.grid(padding=(0, 2))
            progress.add_row(Text(""), *line)
            parts.append(progress)
        if words := describe(self._best, self._failed, None):
            parts.append(Text(f"  {words}"))
        if len(self._pairs) > 1:
            parts.append(self._table())
        return Group(*parts)

    def _table(self) -> Table:
        """Return the pairs with their best, the best first."""
        values = {pair: r.value for pair, r in self._pairs.items() if r.value is not None}
        best = None if self._best is None else self._best.value
        ranked = sorted(values, key=values.__getitem__, reverse=best == max(values.values(), default=None))
        table = Table(box=None, pad_edge=False, padding=(0, 2), header_style="dim")
        for heading in ("  pair", "best so far", "lr", "trials"):
            table.add_column(heading, justify="left" if heading.strip() == "pair" else "right", no_wrap=True)
        for pair in ranked[:PAIRS]:
            record = self._pairs[pair]
            table.add_row(
                Text(f"  {pair}"),
                f"{values[pair]:.4g}",
                f"{record.point.lr:.3g}",
                str(self._trials[pair]),
            )
        if len(ranked) > PAIRS:
            table.add_row(Text(f"  and {len(ranked) - PAIRS} more"))
        return table


class NotebookDisplay(_Display):
    """One output of a notebook's cell: what was noted, and below it what is being done and how far the study is."""

    def __init__(self, console: Console, **options: Any) -> None:
        super().__init__(console, **options)
        self._doing = ""
        self._lines: list[str] = []
        self._handle: Any = None
        self._shown = -math.inf

    def __exit__(self, *_: object) -> None:
        self._doing, self._left, self._total = "", None, 0
        self._show()

    def finished(self, reason: str) -> None:
        """Add why the search ended; what follows is no longer counted."""
        self._total = 0
        super().finished(reason)

    def note(self, text: str) -> None:
        """Add one sentence."""
        self._lines.append(printable(text))
        self._show()

    def doing(self, what: str) -> None:
        """Show what is being done."""
        self._doing = f"{what} ..."
        self._show()

    def started(self, total: int, resumed: int) -> None:
        """Show how many trials there will be."""
        super().started(total, resumed)
        self._doing = "Searching ..."
        self._show()

    def time_left(self, seconds: float) -> None:
        """Show it."""
        super().time_left(seconds)
        self._show_soon()

    def trial_done(
        self, record: TrialRecord, done: int, total: int, best: TrialRecord | None, failed: int
    ) -> None:
        """Show how far it is."""
        super().trial_done(record, done, total, best, failed)
        self._show_soon()

    def _show_soon(self) -> None:
        if self._clock() - self._shown >= REDRAWN_SECONDS:
            self._show()

    def _show(self) -> None:
        from IPython.display import display as show

        self._shown = self._clock()
        count = f"[{self._done}/{self._total}]" if self._total else ""
        best, failed = (self._best, self._failed) if self._total else (None, 0)
        now = " ".join(filter(None, [self._doing, count, describe(best, failed, self._seconds_left())]))
        data = {"text/plain": "\n".join(filter(None, [*self._lines, now]))}
        if self._handle is None:
            self._handle = show(data, raw=True, display_id=True)  # type: ignore[no-untyped-call]
        else:
            self._handle.update(data, raw=True)


def display(console: Console, *, every: bool = False) -> PlainDisplay | LiveDisplay | NotebookDisplay:
    """Return the display that suits a console; ``every`` also tells of each trial."""
    if console.is_jupyter:
        return NotebookDisplay(console, every=every)
    return LiveDisplay(console, every=every) if console.is_terminal else PlainDisplay(console, every=every)
