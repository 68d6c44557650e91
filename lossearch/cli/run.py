"""``lossearch run``: make a study from a file and options, run it, tell the answer."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click

from lossearch.cli.options import (
    INTERRUPTED,
    LearningRateType,
    SettingType,
    debug_option,
    format_option,
)
from lossearch.cli.output import only_json, show, write_json
from lossearch.errors import InputError
from lossearch.kinds import KINDS

if TYPE_CHECKING:
    from lossearch.api.result import Result
    from lossearch.config import StudyConfig

_KEYS = {
    "data": "task.data",
    "target": "task.target",
    "task": "task.kind",
    "metric": "task.metric",
    "losses": "space.losses",
    "activations": "space.activations",
    "lr": "space.lr",
    "trials": "budget.trials",
    "seeds": "budget.seeds",
    "confirm_seeds": "budget.confirm_seeds",
    "rope": "budget.rope",
    "race": "budget.race",
    "time": "budget.time",
    "sampler": "budget.sampler",
    "mode": "budget.mode",
    "epochs": "train.epochs",
    "batch_size": "train.batch_size",
    "optimizer": "train.optimizer",
    "workers": "train.workers",
    "memory": "train.memory",
    "name": "records.name",
    "store": "records.store",
    "storage": "records.storage",
    "tracking_uri": "records.tracking_uri",
}
"""Option -> the study file's key it sets."""


@click.command()
@click.argument("study", required=False, metavar="[STUDY.toml]")
@click.option(
    "--data", metavar="DATA", help="CSV or Parquet file, built-in name, openml:ID or module:function."
)
@click.option("--target", metavar="COLUMN", help="Column to predict.")
@click.option(
    "--task", type=click.Choice(list(KINDS)), help="Kind of task; inferred from the target unless given."
)
@click.option(
    "--metric", metavar="NAME[,NAME]", help="What judges a trial; a second one is an objective too."
)
@click.option("--losses", metavar="A,B", help="Losses to search.")
@click.option("--activations", metavar="A,B", help="Output activations to search.")
@click.option(
    "--lr", type=LearningRateType(), metavar="LOW:HIGH", help="Learning rates to search, or one to fix."
)
@click.option("--trials", type=int, metavar="N", help="Search trials in all.")
@click.option("--seeds", type=int, metavar="N", help="Replicates of every trial.")
@click.option(
    "--confirm-seeds", type=int, metavar="N", help="Fresh seeds for the best of every pair; 0: no verdict."
)
@click.option("--rope", type=float, metavar="X", help="Differences up to this are equal in practice.")
@click.option(
    "--race/--no-race", default=None, help="Give pairs that are told worse early no more fresh seeds."
)
@click.option("--time", metavar="10m", help="Stop between rounds after this time.")
@click.option("--sampler", metavar="NAME", help="tpe, gp, random, qmc, grid or brute.")
@click.option(
    "--mode", metavar="NAME", help="equal: the same budget for every pair; adaptive: find one good point."
)
@click.option("--epochs", type=int, metavar="N", help="Epochs of every replicate.")
@click.option("--batch-size", type=int, metavar="N", help="Rows of a training step.")
@click.option("--optimizer", metavar="NAME", help="sgd, adam, adamw, ...")
@click.option(
    "--workers", type=int, metavar="N", help="Processes that train at once, where that pays (cores)."
)
@click.option("--memory", metavar="4GiB", help="Memory that training may use (half of what is free).")
@click.option(
    "--set",
    "settings",
    multiple=True,
    type=SettingType(),
    metavar="KEY=VALUE",
    help="Any key of the study file, as in --set train.options.momentum=0.9. Repeatable.",
)
@click.option("--name", metavar="NAME", help="Name of the study; the file's or the data's otherwise.")
@click.option("--fresh", is_flag=True, help="Begin a new study beside the one of this name.")
@click.option("--store", metavar="DIR", help="Where the records go (mlruns).")
@click.option("--storage", metavar="URL", help="Optuna storage, instead of a journal in the store.")
@click.option("--tracking-uri", metavar="URI", help="MLflow server, instead of a database in the store.")
@click.option("--no-mlflow", is_flag=True, help="Keep no MLflow records.")
@click.option("--dry-run", is_flag=True, help="Say what would be run, and run nothing.")
@format_option
@click.option("--quiet", "-q", is_flag=True, help="Only the answer.")
@click.option("--verbose", "-v", is_flag=True, help="Every trial, and what the libraries have to say.")
@debug_option
def run(study: str | None, form: str, *, dry_run: bool, quiet: bool, verbose: bool, **options: Any) -> None:
    """Search losses, activations and learning rates on one task, and judge which fit it.

    The best of every pair is trained again on fresh seeds and scored on test rows: what is said of the
    pairs rests on that alone.

    The same command again continues a study where it stopped; a larger --trials extends it.

    \b
      lossearch run studies/tutorial_circles.toml
      lossearch run --data churn.csv --target churned
    """  # noqa: D301 - click's mark for lines to be kept
    config = configure(study, options)
    with only_json(form) as answer:
        if dry_run:
            _say_plan(config, form, answer)
        else:
            _run(config, form, answer, quiet=quiet, verbose=verbose)


def configure(study: str | None, options: dict[str, Any]) -> StudyConfig:
    """Return the configuration that a study file and options declare; options go before the file.

    Raises:
        InputError: neither file nor data is named, or something in either is wrong.
    """
    from lossearch.config import StudyConfig, load_config, with_overrides, with_values

    if study is None and options.get("data") is None:
        raise InputError(
            "Nothing to run. Name a study file (lossearch run studies/tutorial_circles.toml) "
            "or data (lossearch run --data FILE.csv --target COLUMN)."
        )
    config = StudyConfig() if study is None else load_config(study)
    values = {key: options[name] for name, key in _KEYS.items() if options.get(name) is not None}
    if options.get("no_mlflow"):
        values["records.mlflow"] = False
    if config.space.pairs is not None and {"space.losses", "space.activations"} & values.keys():
        values["space.pairs"] = None
    if study is not None and options.get("data") is not None and options.get("name") is None:
        values["records.name"] = None
    config = with_overrides(with_values(config, values), dict(options.get("settings") or ()))
    return _renamed(config) if options.get("fresh") else config


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
    from lossearch import api
    from lossearch.api.progress import console, display

    shown = None if quiet else display(console(stderr=True), every=verbose)
    try:
        with shown or nullcontext():
            result = api.run(config, listener=shown)
    except KeyboardInterrupt:
        so_far = f" ({shown.pace.so_far})" if shown and shown.pace.so_far else ""
        click.echo(
            f"\nInterrupted{so_far}. What is done is kept; the same command again continues.", err=True
        )
        raise click.exceptions.Exit(INTERRUPTED) from None
    say_result(result, form, answer)


def say_result(result: Result, form: str, answer: TextIO, notes: Sequence[str] = ()) -> None:
    """Write a study's answer and how to look closer, or all of it as JSON."""
    if form == "json":
        write_json(result.as_json(), answer)
    else:
        show(result.render(), "", *notes, f"Every trial, with its curves: {_where_to_look(result)}")


def _where_to_look(result: Result) -> str:
    from lossearch.records.store import hide_password

    elsewhere = hide_password(result.config.records.tracking_uri or "")
    if result.run_id is None:
        return f"lossearch report {result.name} --store {shlex.quote(str(result.store.root))}"
    return f"MLflow at {elsewhere}" if elsewhere else f"lossearch ui {shlex.quote(str(result.store.root))}"
