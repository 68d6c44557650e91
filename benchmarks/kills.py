"""Kills in the middle of studies: what is killed, when it is resumed, must not change what is found or recorded.

A small study is run once undisturbed, for its answer and how long it takes. Then, for every kill, it is begun in a
fresh store; at a moment drawn over its whole length SIGKILL goes to the process that runs it, to a worker, to all of
them at once (as if the power went), to a node of a Ray cluster, or to all processes of the PostgreSQL or MLflow server
that it writes to, which are started again up to 8 s later. The same command is called again until it ends well, and
then: no trial that was told is lost, none is trained or recorded twice, nothing is left running, and trials, curves,
predictions, runs, files and the verdict are those of the undisturbed study.

    python benchmarks/kills.py                                   # 200 kills, an hour on two cores
    python benchmarks/kills.py --kills 20 --victim coordinator --storage journal --storage sqlite
    python benchmarks/kills.py --seed 0 --only 17                # kill 17 of that seed again

Exit code 0 where all went right, 1 where something did not.
"""

from __future__ import annotations

import argparse
import os
import random
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")

from _kill_records import differences, first_difference
from _kill_runs import Run, import_first, left
from _kill_servers import Postgres, Server, kill_tree
from _kill_studies import HOW, Bench, Kind, Study, Undisturbed
from rich.console import Console
from rich.table import Table

VICTIMS = ("coordinator", "power", "postgresql", "mlflow", "worker", "node")
STORAGES = ("journal", "sqlite", "postgresql")
AWAY = 8.0
"""Seconds that a killed server stays down at most where nothing is said; a study waits four times as long."""
ATTEMPTS = 3
"""Calls after which a study must have ended well."""


@dataclass(frozen=True)
class Kill:
    """One kill: ``share`` is its moment as a share of the undisturbed study, ``away`` how long a server stays down."""

    number: int
    victim: str
    kind: Kind
    share: float
    away: float


@dataclass
class Outcome:
    """What came of a kill: ``wrong`` is what differs, ``code`` how the disturbed process ended, ``told`` its trials."""

    kill: Kill
    wrong: list[str] = field(default_factory=list)
    code: int | None = None
    told: int = 0
    late: bool = False
    """Whether the study had ended before the moment came."""


def drawn(number: int, options: argparse.Namespace) -> Kill:
    """Draw a kill; it depends on nothing but its number, the seed, and what may be drawn."""
    rng = random.Random(f"{options.seed} {number}")  # noqa: S311 - to be drawn again
    share, away = rng.random(), rng.uniform(0.0, options.away)
    victim = options.victim[number % len(options.victim)]
    kinds = [k for k in every_kind(victim) if k.storage in options.storage and k.on in options.on]
    if not kinds:
        raise SystemExit(
            f"No study of {', '.join(options.storage)} on {', '.join(options.on)} has a {victim} to kill."
        )
    return Kill(number, victim, rng.choice(kinds), share, away)


def every_kind(victim: str) -> Iterator[Kind]:
    """Give the studies in which a victim can be killed."""
    for storage in STORAGES:
        if victim in ("worker", "node"):
            yield Kind(storage, "own", "workers" if victim == "worker" else "ray")
        elif victim == "mlflow":
            yield Kind(storage, "mlflow", "local")
        elif victim != "postgresql" or storage == "postgresql":
            yield Kind(storage, "own", "local")
            if storage == "postgresql":
                yield Kind(storage, "postgresql", "local")
            if victim == "power":
                yield Kind(storage, "own", "workers")


def disturb(kill: Kill, bench: Bench) -> Outcome:
    """Kill, resume, and compare."""
    expected = bench.reference(kill.kind)
    study = bench.study(kill.kind, f"kill-{kill.number}")
    run = study.begin()
    late = strike(kill, run, expected, bench)
    code = run.wait()
    outcome = Outcome(kill, code=code, told=run.told(), late=late)
    lives_on = kill.victim not in ("coordinator", "power") or late
    # without its servers a study is refused, 2, where it has not begun
    refused = code == 2 and not study.begun()
    outcome.wrong += list(badly_ended(run, code)) if lives_on and not refused else []
    outcome.wrong += left(study.name)
    if lives_on and code == 0 and not study.told_to_sync():
        return compared(outcome, study, expected)
    for _ in range(ATTEMPTS):
        before = study.recorded()
        if before < outcome.told:
            outcome.wrong.append(f"{outcome.told} trials were told, and {before} are recorded")
        again = study.begin()
        code = again.wait()
        outcome.wrong += badly_ended(again, code)
        if before and again.first_told() not in (0, before + 1):
            outcome.wrong.append(f"{before} trials were recorded, and trial {again.first_told()} was next")
        if code == 0:
            return compared(outcome, study, expected)
    outcome.wrong.append(f"it did not end well in {ATTEMPTS} further calls")
    return outcome


def strike(kill: Kill, run: Run, expected: Undisturbed, bench: Bench) -> bool:
    """Wait for the moment and kill; return whether the study had ended before."""
    first, last = expected.workers if kill.victim == "worker" else (0.0, expected.seconds)
    run.wait_until(first + kill.share * (last - first))
    if kill.victim == "worker":
        # on a machine that is busier now they come later
        run.wait_until(1000.0, run.workers)
    if run.ended:
        expected.seconds = min(expected.seconds, time.monotonic() - run.begun)
        return True
    if kill.victim == "coordinator":
        run.process.kill()
    elif kill.victim == "power":
        kill_tree(run.pid)
    elif kill.victim == "worker":
        for worker in run.workers()[:1]:
            worker.kill()
    else:
        servers = {"postgresql": "postgresql", "mlflow": "mlflow", "node": "ray"}
        server: Server = getattr(bench, servers[kill.victim])
        server.kill()
        time.sleep(kill.away)
        server.start()
    return False


def badly_ended(run: Run, code: int | None) -> Iterator[str]:
    """Say what is wrong with how a process ended that nobody killed: 0, or 1 with one message that says what to do."""
    said = run.said()
    errors = [line for line in said.splitlines() if line.startswith("Error: ")]
    if "Traceback" in said or "This was not expected" in said:
        yield f"it showed a traceback: {said[-500:]}"
    if code not in (0, 1):
        yield f"exit code {code}: {said[-300:]}"
    if code == 1 and not (len(errors) == 1 and "again" in errors[0]):
        yield f"exit code 1 without one message that says what to do: {said[-500:]}"


def compared(outcome: Outcome, study: Study, expected: Undisturbed) -> Outcome:
    """Add what differs from the undisturbed study."""
    if where := first_difference(study.answer(), expected.answer):
        outcome.wrong.append(f"the answer differs at {where}")
    outcome.wrong += [*differences(study.records(), expected.records), *left(study.name)]
    return outcome


def command(kill: Kill, options: argparse.Namespace) -> str:
    """Return the command that repeats a kill."""
    named = {"victim": options.victim, "storage": options.storage, "on": options.on}
    every = {"victim": VICTIMS, "storage": STORAGES, "on": tuple(HOW)}
    words = [f"--{n} {v}" for n, values in named.items() if tuple(values) != every[n] for v in values]
    words += [f"--away {options.away}"] if options.away != AWAY else []
    return " ".join(
        ["python benchmarks/kills.py --seed", str(options.seed), *words, "--only", str(kill.number)]
    )


def table(outcomes: Sequence[Outcome]) -> Table:
    """Return how many kills of each sort went right and wrong."""
    found = Table(title="Kills", title_justify="left")
    for name in ("victim", "storage", "MLflow", "on", "kills", "right", "wrong", "too late"):
        found.add_column(name, justify="left" if name in ("victim", "storage", "MLflow", "on") else "right")
    sorts: dict[tuple[str, ...], list[Outcome]] = {}
    for o in outcomes:
        kind = o.kill.kind
        sorts.setdefault((o.kill.victim, kind.storage, kind.tracking, kind.on), []).append(o)
    for sort, group in [*sorted(sorts.items()), (("all", "", "", ""), list(outcomes))]:
        wrong = sum(bool(o.wrong) for o in group)
        late = sum(o.late for o in group)
        found.add_row(*sort, *map(str, (len(group), len(group) - wrong, wrong, late)))
    return found


def asked() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--victim", action="append", choices=VICTIMS, help="repeatable; all by default")
    parser.add_argument("--storage", action="append", choices=STORAGES, help="repeatable; all by default")
    parser.add_argument("--on", action="append", choices=tuple(HOW), help="repeatable; all by default")
    parser.add_argument(
        "--away", type=float, default=AWAY, metavar="SECONDS", help="that servers stay down at most"
    )
    parser.add_argument("--only", type=int, metavar="N", help="this kill alone")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="where stores and what was said stay")
    options = parser.parse_args()
    options.victim = options.victim or VICTIMS
    options.storage = options.storage or STORAGES
    options.on = options.on or tuple(HOW)
    if (why := Postgres.missing()) and "postgresql" in (*options.victim, *options.storage):
        parser.error(f"{why}: leave postgresql out, by --victim and --storage of the others.")
    if "node" in options.victim and find_spec("ray") is None:
        parser.error("Ray is not installed: leave node out, by --victim of the others.")
    return options


def main() -> int:
    """Kill, resume, compare, and print the table."""
    options, console, outcomes = asked(), Console(width=140, highlight=False), []
    import_first()
    with ExitStack() as stack:
        folder = options.keep or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="kills-")))
        folder.mkdir(exist_ok=True)
        bench = Bench(folder.resolve(), stack)
        for number in range(options.kills) if options.only is None else [options.only]:
            kill = drawn(number, options)
            begun = time.monotonic()
            outcome = disturb(kill, bench)
            outcomes.append(outcome)
            kind = kill.kind
            console.print(
                f"{number}: {kill.victim} ({kind.storage}, MLflow {kind.tracking}, {kind.on}) at {kill.share:.2f}, "
                f"{outcome.told} trials told, exit {outcome.code}, {time.monotonic() - begun:.0f} s: "
                + ("wrong" if outcome.wrong else "too late, right" if outcome.late else "right")
            )
            for line in outcome.wrong[:12]:
                console.print(f"    {line}", markup=False, soft_wrap=True)
            if outcome.wrong:
                console.print(f"    {command(kill, options)}", soft_wrap=True)
    console.print(table(outcomes))
    return int(any(o.wrong for o in outcomes))


if __name__ == "__main__":
    raise SystemExit(main())
