"""``lossearch rerun``: a recorded trial trained again."""

from __future__ import annotations

import click

from lossearch.cli.options import (
    debug_option,
    format_option,
    storage_option,
    store_option,
    study_argument,
    trust_option,
)
from lossearch.cli.output import only_json, show, write_json


@click.command()
@study_argument
@click.argument("trial")
@store_option
@storage_option
@click.option("--keep-weights", is_flag=True, help="Keep the weights of its replicates.")
@trust_option
@format_option
@debug_option
def rerun(
    name: str,
    trial: str,
    store: str,
    storage: str | None,
    trust: tuple[str, ...],
    form: str,
    *,
    keep_weights: bool,
) -> None:
    """Train a recorded trial again; exit code 1 where its value is not reproduced.

    TRIAL is a trial's number, or confirm:PAIR for the confirmation of a pair.
    """
    from lossearch import api

    with only_json(form) as answer:
        found = api.rerun(name, trial, store, keep_weights=keep_weights, storage=storage, trust=trust)
        if form == "json":
            write_json(found.as_json(), answer)
        else:
            show(str(found))
    if not found.reproduced:
        raise click.exceptions.Exit(1)
