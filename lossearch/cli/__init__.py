"""The command line. Nothing heavy is imported before a command needs it."""

from __future__ import annotations

import gc
import logging
import os
import signal
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import StringIO
from typing import Any

import click

from lossearch._options import on_the_command_line
from lossearch._urls import hidden
from lossearch.cli.compare import compare
from lossearch.cli.completion import VARIABLE, complete, completion
from lossearch.cli.export import export
from lossearch.cli.output import echo
from lossearch.cli.records import remove, repair, sync, ui
from lossearch.cli.report import check, list_studies, losses, metrics, report
from lossearch.cli.rerun import rerun
from lossearch.cli.run import run
from lossearch.cli.signals import INTERRUPTED, ended_by_signals, exit_code
from lossearch.cli.workers import workers
from lossearch.errors import LossearchError

_HELP = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


GROUPS: dict[str, tuple[click.Command, ...]] = {
    "Search": (run,),
    "Read the answer": (report, ui, list_studies, compare),
    "Use it": (export, rerun),
    "What there is to choose from": (losses, metrics, check),
    "Look after records": (sync, workers, repair, remove),
    "The shell": (completion,),
}
"""Commands, by what for."""


def _print_version(context: click.Context, _: click.Parameter, asked: bool) -> None:
    if asked and not context.resilient_parsing:
        from importlib.metadata import version

        echo(f"lossearch {version('lossearch')}")
        context.exit()


class _ReaderGoneError(Exception):
    """Whoever read the output has closed it. Not an OSError, of which click makes exit code 1."""


class _Commands(click.Group):
    """Lists commands as declared, and answers a misspelt one with the closest."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            found = super().invoke(ctx)
            sys.stdout.flush()
        except BrokenPipeError as error:
            raise _ReaderGoneError from error
        except SystemExit as ending:
            # rich's answer to it
            if isinstance(ending.__context__, BrokenPipeError):
                raise _ReaderGoneError from ending
            raise
        return found

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(self.commands)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        width = max(map(len, self.commands))
        for title, group in GROUPS.items():
            with formatter.section(title):
                room = formatter.width - width - 6
                rows = [(str(c.name).ljust(width), c.get_short_help_str(room)) for c in group]
                formatter.write_dl(rows)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and not args[0].startswith("-") and args[0] not in self.commands:
            from lossearch._registry import unknown_name

            raise click.UsageError(unknown_name("command", args[0], self.commands), ctx)
        return super().resolve_command(ctx, args)


@click.group(
    cls=_Commands,
    context_settings=_HELP,
    epilog="Try it: lossearch run --data circles (half a minute), then lossearch ui.",
)
@click.option(
    "--version",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=_print_version,
    help="Show the version.",
)
def commands() -> None:
    """Which training loss, with which output activation and learning rate, fits a task best?"""


for _command in (command for group in GROUPS.values() for command in group):
    commands.add_command(_command)


@contextmanager
def _quiet_process(*, verbose: bool) -> Iterator[None]:
    """Keep libraries from reporting to anyone, the terminal included, unless the user says otherwise."""
    telemetry, level = os.environ.get("MLFLOW_DISABLE_TELEMETRY"), logging.root.manager.disable
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    if not verbose:
        logging.disable(logging.INFO)
    try:
        yield
    finally:
        logging.disable(level)
        if telemetry is None:
            os.environ.pop("MLFLOW_DISABLE_TELEMETRY", None)


def invoke(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code.

    0 done, 1 failed, 2 wrong input, 130 interrupted, 143 or 129 ended by SIGTERM or SIGHUP.
    """
    debug = "--debug" in arguments
    verbose = debug or bool({"-v", "--verbose"} & set(arguments))
    try:
        with _quiet_process(verbose=verbose), ended_by_signals(), on_the_command_line():
            code: Any = commands.main(list(arguments), prog_name="lossearch", standalone_mode=False)
        return code if isinstance(code, int) else 0
    except click.ClickException as error:
        shown = StringIO()
        error.show(shown)
        click.echo(hidden(shown.getvalue()), err=True, nl=False)
        return error.exit_code
    except (click.Abort, KeyboardInterrupt) as ending:
        echo("Interrupted.", err=True)
        return exit_code(ending.__cause__ if isinstance(ending, click.Abort) else ending)
    except (_ReaderGoneError, BrokenPipeError):
        return _reader_gone()
    except LossearchError as error:
        return _tell(error, str(error), error.exit_code, debug=debug)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - the last line of defence: one message, no traceback
        more = "" if debug else "\nThis was not expected. Run again with --debug for the traceback."
        return _tell(error, f"{type(error).__name__}: {error}{more}", 1, debug=debug)


def _tell(error: BaseException, message: str, code: int, *, debug: bool) -> int:
    if debug:
        echo(hidden("".join(traceback.format_exception(error))).rstrip("\n"), err=True)
    echo(f"Error: {hidden(message)}", err=True)
    return code


def _reader_gone() -> int:
    """Whoever read the output has closed it: nothing more to say, and nothing failed."""
    with open(os.devnull, "w") as nowhere:  # noqa: PTH123 - a descriptor is wanted, not a path
        os.dup2(nowhere.fileno(), sys.stdout.fileno())
    return 0


def main() -> None:
    """Run the command line of this process, or answer a shell that asks how it may go on."""
    instruction = os.environ.get(VARIABLE)
    code = complete(commands, instruction) if instruction else invoke(sys.argv[1:])
    # at its end the interpreter goes through all objects several times, seconds with torch and MLflow loaded
    gc.freeze()
    if code == INTERRUPTED and hasattr(signal, "pthread_sigmask"):
        # Python ends itself by SIGINT, with another code, where Ctrl-C met code that a library made of text
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    sys.exit(code)


__all__ = ["commands", "invoke", "main"]
