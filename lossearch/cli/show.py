"""Commands that read and tell: ``losses``, ``report``, ``ls``, ``check``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from lossearch.cli.options import KINDS, debug_option, format_option, store_option
from lossearch.cli.output import only_json, show, table, write_json
from lossearch.errors import InputError


@click.command()
@click.option("--task", type=click.Choice(KINDS), help="Only the losses of this kind of task.")
@format_option
@debug_option
def losses(task: str | None, form: str) -> None:
    """List the losses: formula, domain, encoding, activations, parameters, source."""
    from lossearch.losses import catalogue

    kinds = KINDS if task is None else (task,)
    by_kind = {kind: list(catalogue.rows(kind)) for kind in kinds}
    if form == "json":
        write_json([row for rows in by_kind.values() for row in rows])
        return
    for kind, rows in by_kind.items():
        show(table([_loss_line(row) for row in rows], title=f"{kind} losses"), "")
    show("(in brackets: searched only when asked for.  Aliases, ranges and cautions: --format json)")


@click.command()
@click.argument("name")
@store_option
@format_option
@debug_option
def report(name: str, store: str, form: str) -> None:
    """Show the answer of a study from its records."""
    from lossearch import api
    from lossearch.cli.run import say_result

    with only_json(form) as answer:
        result = api.load(name, store)
        say_result(result, form, answer, [*result.summary, ""])


@click.command("ls")
@store_option
@format_option
@debug_option
def list_studies(store: str, form: str) -> None:
    """List the studies of a store."""
    from lossearch import api

    rows = [dict(row) for row in api.studies(store)]
    if form == "json":
        write_json(rows)
    elif rows:
        show(table(rows))
    else:
        show(f"No studies in {store}. Begin one: lossearch run STUDY.toml --store {store}")


@click.command()
@click.argument("function", metavar="MODULE:FUNCTION")
@debug_option
def check(function: str) -> None:
    """Say whether a loss of yours is safe to search over; exit code 1 where it is not."""
    from lossearch.losses import Loss
    from lossearch.losses.checks import check_loss
    from lossearch.tasks.imports import load_function

    loss = load_function(function, "Loss")
    if not isinstance(loss, Loss):
        raise InputError(
            f"{function} is a {type(loss).__name__}, not a declared loss. "
            "Put @lossearch.loss(task=..., encoding=..., domain=..., source=..., example=...) above the function."
        )
    findings = check_loss(loss)
    show(*map(str, findings))
    if not all(finding.ok for finding in findings):
        raise click.exceptions.Exit(1)


def _loss_line(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a table has room for of a catalogue row."""
    usual = [
        a["name"] if a["usual"] and not row["on_request"] else f"({a['name']})" for a in row["activations"]
    ]
    same = sorted({e["pair"] for e in row["equivalent"].values()})
    return {
        "loss": row["name"],
        "formula": row["formula"],
        "takes": row["domain"],
        "target": row["encodings"],
        "activations": usual,
        "parameters": [f"{p['name']} {p['low']:g} to {p['high']:g}" for p in row["params"] if p["search"]],
        "same as": same,
        "source": row["source"],
    }
