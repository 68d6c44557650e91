"""``lossearch run``: make a study from a file and options, run it, tell the answer."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click

from lossearch.cli.options import debug_option, format_option
from lossearch.cli.output import echo, only_json, show, write_json
from lossearch.cli.signals import exit_code
from lossearch.cli.study_options import ParameterType, SettingType, StudyCommand
from lossearch.errors import InputError, TerminatedError

if TYPE_CHECKING:
    from lossearch.api.result import Result
    from lossearch.config import StudyConfig


@click.command(cls=StudyCommand)
@click.argument("study", required=False, metavar="[STUDY.toml]")
@click.option(
    "--set",
    "settings",
    multiple=True,
    type=SettingType(),
    metavar="KEY=VALUE",
    help="Any key of the study file, as in --set train.options.momentum=0.9. Repeatable.",
)
@click.option(
    "--param",
    "params",
    multiple=True,
    type=ParameterType(),
    metavar="LOSS.PARAMETER=LOW:HIGH",
    help="Search a loss's own parameter in this range, or fix it, as --param focal.alpha=0.1:0.9. Repeatable.",
)
@click.option("--fresh", is_flag=True, help="Begin a new study beside the one of this name.")
@click.option("--dry-run", is_flag=True, help="Say what would be run, and run nothing.")
@format_option
@click.option("--quiet", "-q", is_flag=True, help="Only the answer.")
@click.option("--verbose", "-v", is_flag=True, help="Every trial, and what the libraries have to say.")
@debug_option
def run(
    study: str | None,
    values: dict[str, Any],
    settings: Sequence[tuple[str, str]],
    params: Sequence[tuple[str, Any]],
    form: str,
    *,
    fresh: bool,
    dry_run: bool,
    quiet: bool,
    verbose: bool,
) -> None:
    """Search losses, activations and learning rates on one task, and judge which fit it.

    The best of every pair is trained again on fresh seeds and scored on test rows: what is said of the
    pairs rests on that alone.

    The same command again continues a study where it stopped; a larger --trials extends it.

    \b
      lossearch run studies/tutorial_circles.toml
      lossearch run --data churn.csv --target churned
    """  # noqa: D301 - click's mark for lines to be kept
    config = configure(study, {**values, **dict(params)}, settings)
    config = _renamed(config) if fresh else config
    with only_json(form) as answer:
        if dry_run:
            _say_plan(config, form, answer)
        else:
            _run(config, form, answer, quiet=quiet, verbose=verbose)


def configure(
    study: str | None, values: Mapping[str, Any], settings: Sequence[tuple[str, str]] = ()
) -> StudyConfig:
    """Return the configuration that a study file and options declare; options go before the file.

    Args:
        study: path of the study file.
        values: of options, by the keys they set, as in ``{"train.epochs": 5}``.
        settings: key and text of each ``--set``; they go before all.

    Raises:
        InputError: neither file nor data is named, or something in either is wrong.
    """
    from lossearch.config import StudyConfig, load_config, with_overrides, with_values

    if study is None and not {"task.data", "task.module"} & {*values, *(key for key, _ in settings)}:
        raise InputError(
            "Nothing to run. Name a study file (lossearch run studies/tutorial_circles.toml) "
            "or data (lossearch run --data FILE.csv --target COLUMN)."
        )
    config = StudyConfig() if study is None else load_config(study)
    values = dict(values)
    if config.space.pairs is not None and {"space.losses", "space.activations"} & values.keys():
        values.setdefault("space.pairs", None)
    if study is not None and "task.data" in values:
        values.setdefault("records.name", None)
    return with_overrides(with_values(config, values), dict(settings))


def _renamed(config: StudyConfig) -> StudyConfig:
    from lossearch.config import with_values
    from lossearch.records.store import Store

    there = Path(config.records.store).expanduser().is_dir()
    taken = Store.open(config.records.store, create=False).studies() if there else ()
    return with_values(config, {"records.name": fresh_name(config.name, taken)})


def fresh_name(name: str, taken: Collection[str]) -> str:
    """Return ``name``, or the first of name-2, name-3, ... that is not taken."""
    number, free = 1, name
    while free in taken:
        number += 1
        free = f"{name}-{number}"
    return free


def _say_plan(config: StudyConfig, form: str, answer: TextIO) -> None:
    from lossearch import api

    plan = api.plan(config)
    if form == "json":
        write_json(plan.as_json(), answer)
    else:
        from lossearch.cli.dry_run import dry_run_lines

        show(*dry_run_lines(plan))


def _run(config: StudyConfig, form: str, answer: TextIO, *, quiet: bool, verbose: bool) -> None:
    if not quiet:
        echo("Loading PyTorch, Lightning and MLflow ...", err=True)
    from lossearch import api
    from lossearch.api.progress import console, display

    shown = None if quiet else display(console(stderr=True), every=verbose)
    try:
        with shown or nullcontext():
            result = api.run(config, listener=shown)
    except (KeyboardInterrupt, TerminatedError) as ending:
        so_far = f" ({shown.so_far})" if shown and shown.so_far else ""
        told = "What is done is kept; the same command again continues."
        echo(f"\nInterrupted{so_far}. {told}", err=True)
        code = ending.exit_code if isinstance(ending, TerminatedError) else exit_code(ending)
        raise click.exceptions.Exit(code) from None
    say_result(result, form, answer)


def say_result(result: Result, form: str, answer: TextIO, notes: Sequence[str] = ()) -> None:
    """Write a study's answer and how to look closer, or all of it as JSON."""
    if form == "json":
        write_json(result.as_json(), answer)
    else:
        from lossearch.api.closing import dashboard_command

        command = dashboard_command(result)
        beside = () if command is None else (f"In Optuna's dashboard: {command}",)
        show(result.render(), "", *notes, f"Every trial, with its curves: {_where_to_look(result)}", *beside)


def _where_to_look(result: Result) -> str:
    elsewhere = result.config.records.tracking_uri
    if result.run_id is None:
        return f"lossearch report {result.name} --store {shlex.quote(str(result.store.root))}"
    return f"MLflow at {elsewhere}" if elsewhere else f"lossearch ui {shlex.quote(str(result.store.root))}"
