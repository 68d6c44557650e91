"""Is the time that a study says is left right? What was said at each tenth of it, by what it then took.

    python benchmarks/time_left.py studies/tutorial_circles.toml studies/diabetes.toml
    python benchmarks/time_left.py studies/diabetes.toml --set workers=2 --set seeds=20 --set trials=80

Prints, for every study, said / taken at each tenth of the time from its first trial to its answer, for what a
listener is told, and beside it for trials alone: seconds so far, by trials done, times those that are not. The last
number is the worst factor by which any of what was said missed, from the first tenth to the last.
"""

from __future__ import annotations

import argparse
import time
from bisect import bisect_right
from dataclasses import dataclass, field
from tempfile import TemporaryDirectory

from lossearch import api
from lossearch.config import load_config, with_overrides
from lossearch.records.trial import TrialRecord
from lossearch.study.progress import Listener

Said = list[tuple[float, float]]


@dataclass
class Notebook(Listener):
    """Keeps what was said of the time left, and when."""

    begun: float = 0.0
    told: Said = field(default_factory=list)
    by_trials: Said = field(default_factory=list)

    def started(self, total: int, resumed: int) -> None:  # noqa: ARG002 - the listener's
        """Begin the clock."""
        self.begun = time.monotonic()

    def time_left(self, seconds: float) -> None:
        """Keep it."""
        self.told.append((time.monotonic() - self.begun, seconds))

    def trial_done(
        self, record: TrialRecord, done: int, total: int, best: TrialRecord | None, failed: int
    ) -> None:
        """Keep what the trials say."""
        del record, best, failed
        now = time.monotonic() - self.begun
        self.by_trials.append((now, now / done * (total - done)))


def ratios(said: Said, whole: float) -> str:
    """Return said / taken at each tenth."""
    times = [at for at, _ in said]
    cells = []
    for tenth in range(1, 10):
        at = whole * tenth / 10
        i = bisect_right(times, at) - 1
        if i < 0:
            cells.append("    -")
        else:
            told_at, seconds = said[i]
            cells.append(f"{max(0.0, seconds - (at - told_at)) / (whole - at):5.2f}")
    return " ".join(cells)


def worst(said: Said, whole: float) -> float:
    """Return the largest factor by which what was said missed, from a tenth to nine tenths of the time."""
    found = [seconds / (whole - at) for at, seconds in said if whole / 10 <= at <= 0.9 * whole]
    return max(max(ratio, 1 / max(ratio, 1e-9)) for ratio in found)


def main() -> None:
    """Run the studies and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("studies", nargs="+", metavar="STUDY.toml")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    given = parser.parse_args()
    settings = dict(text.split("=", 1) for text in given.set)
    print(f"{'said / taken at tenth':34}" + " ".join(f"{i / 10:5}" for i in range(1, 10)) + " worst")
    for path in given.studies:
        with TemporaryDirectory() as store:
            heard = Notebook()
            api.run(with_overrides(load_config(path), {**settings, "records.store": store}), listener=heard)
            whole = time.monotonic() - heard.begun
        name = path.rpartition("/")[2].removesuffix(".toml")
        print(
            f"{f'{name}, {whole:.0f} s: told':34}{ratios(heard.told, whole)} {worst(heard.told, whole):5.2f}"
        )
        print(f"{'  by trials alone':34}{ratios(heard.by_trials, whole)}", flush=True)


if __name__ == "__main__":
    main()
