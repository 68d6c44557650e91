"""Commands that read and tell: ``losses``, ``metrics``, ``report``, ``ls``, ``check``."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click

from lossearch.cli.completion import study_names
from lossearch.cli.options import (
    debug_option,
    format_option,
    storages_option,
    store_option,
    task_option,
    the_task,
    trust_option,
)
from lossearch.cli.output import echo, only_json, show, table, write_json, writing
from lossearch.errors import InputError
from lossearch.kinds import KINDS

if TYPE_CHECKING:
    from lossearch.api.result import Result


@click.command()
@task_option("losses")
@click.option("--family", help="Only the losses of this family, as margin, robust or noisy_labels.")
@click.option(
    "--property",
    "has",
    help="Only the losses with this property, as proper, batch or head.",
)
@format_option
@debug_option
def losses(kind: str | None, task: str | None, family: str | None, has: str | None, form: str) -> None:
    """List the losses: formula, domain, encoding, activations, parameters, source."""
    from lossearch.pairs import catalogue
    from lossearch.pairs.legality import no_such_family

    task = the_task(kind, task)
    kinds = list(KINDS) if task is None else (task,)
    listed = {k: list(catalogue.rows(k, family, has)) for k in kinds}
    by_kind = {k: rows for k, rows in listed.items() if rows}
    if not by_kind:
        if task is not None and family is not None and has is None:
            raise InputError(no_such_family(task, family))
        asked = {f"is of the family {family}": family, f"has the property {has}": has}
        raise InputError(f"No {task or 'such'} loss {' and '.join(s for s, name in asked.items() if name)}.")
    if form == "json":
        write_json([row for rows in by_kind.values() for row in rows])
        return
    for k, rows in by_kind.items():
        show(table([_loss_line(row) for row in rows], title=f"{k} losses"), "")
    show("(in brackets: searched only when asked for.  All that is declared: --format json)")


@click.command()
@task_option("metrics")
@format_option
@debug_option
def metrics(kind: str | None, task: str | None, form: str) -> None:
    """List the metrics that can judge: what each counts, its range, its other names."""
    from lossearch.metrics.registry import metric_rows

    task = the_task(kind, task)
    by_kind = {k: [*metric_rows(k)] for k in (KINDS if task is None else (task,))}
    if form == "json":
        write_json([row for rows in by_kind.values() for row in rows])
        return
    for k, rows in by_kind.items():
        show(table([_metric_line(row) for row in rows], title=f"{k} metrics"), "")
    show(
        "(in brackets: computed only when asked for by --metric, which takes module:function of your own too)"
    )


_ENDINGS = {".html": "html", ".htm": "html", ".md": "markdown"}
"""Format of a report by the ending of its file."""


@click.command()
@click.argument("name", required=False, shell_complete=study_names)
@click.option("--all", "every", is_flag=True, help="Write the page of every study, and an index of them.")
@store_option
@storages_option
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "json", "markdown", "html"]),
    help=(
        "html: one page with every figure. markdown: the same as text. What --output ends in says it too; table otherwise."
    ),
)
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    help=(
        "File to write. html: NAME.html otherwise. markdown: standard output otherwise, without figures. --all: a directory, "
        "reports otherwise."
    ),
)
@trust_option
@debug_option
def report(
    name: str | None,
    every: bool,
    store: str,
    storage: tuple[str, ...],
    form: str | None,
    output: Path | None,
    trust: tuple[str, ...],
) -> None:
    """Show the answer of a study from its records, or write a whole report, or those of all studies."""
    from lossearch import api
    from lossearch.cli.run import say_result

    form = form or _ENDINGS.get("" if output is None else output.suffix.lower(), "table")
    if every:
        _write_all(name, store, storage, form, output or Path("reports"))
        return
    if name is None:
        raise InputError(
            "Name a study, or write the reports of all: lossearch report --all. Studies: lossearch ls."
        )
    if len(storage) > 1:
        raise InputError(f"A study has one storage; got {len(storage)}. Give --storage once.")
    if output is not None and form not in ("html", "markdown"):
        raise InputError(
            f"--output goes with --format html or markdown, not {form}: name the format, or a file in .html or .md."
        )
    if output is not None and output.is_dir():
        raise InputError(f"{output} is a directory. Name a file with --output.")
    if output is not None and not output.absolute().parent.is_dir():
        raise InputError(
            f"{output} cannot be written: there is no directory {output.parent}. Make it, or name another --output."
        )
    with only_json(form) as answer:
        result = api.load(name, store, storage=next(iter(storage), None), trust=trust)
        if form in ("html", "markdown"):
            echo(f"Drawing the report of {name} ...", err=True)
        if form == "html":
            show(f"Report: {_write_page(result, output or Path(f'{name}.html'))}")
        elif form == "markdown":
            _write_markdown(result, output, answer)
        else:
            say_result(result, form, answer, [*result.declared.notes, ""])


def _write_all(name: str | None, store: str, storage: tuple[str, ...], form: str, folder: Path) -> None:
    from lossearch.api.store_report import report_all

    if name is not None:
        raise InputError(f"--all is of every study of a store; got {name!r} too. Leave one out.")
    if form not in ("table", "html"):
        raise InputError(f"--all writes HTML, not {form}. Leave --format out.")
    with writing(folder):
        index, *pages = report_all(folder, store, storage=storage, note=partial(echo, err=True))
    show(f"Index: {index}, with {len(pages)} {'report' if len(pages) == 1 else 'reports'} beside it.")


def _write_page(result: Result, path: Path) -> Path:
    from lossearch._json import write_text
    from lossearch.report.html import to_html

    page = to_html(result.report())
    with writing(path):
        write_text(path, page)
    return path


def _write_markdown(result: Result, path: Path | None, answer: TextIO) -> None:
    from lossearch._json import write_text
    from lossearch.report.markdown import save_pictures, to_markdown

    made = result.report()
    if path is None:
        answer.write(to_markdown(made))
        return
    with writing(path):
        folder = path.with_name(f"{path.stem}-figures")
        files = save_pictures(made, folder)
        images = {picture: f"{folder.name}/{file.name}" for picture, file in files.items()}
        write_text(path, to_markdown(made, images))
    show(f"Report: {path}, its figures in {folder}")


@click.command("ls")
@store_option
@storages_option
@format_option
@debug_option
def list_studies(store: str, storage: tuple[str, ...], form: str) -> None:
    """List the studies of a store."""
    from lossearch import api

    rows = [dict(row) for row in api.studies(store, storage=storage)]
    if form == "json":
        write_json(rows)
    elif rows:
        show(table(rows))
    else:
        show(f"No studies in {store}. Begin one: lossearch run STUDY.toml --store {store}")


@click.command()
@click.argument("function", metavar="LOSS")
@click.option(
    "--task", metavar="KIND", help="Of a function that is not declared; by default what suits it best."
)
@debug_option
def check(function: str, task: str | None) -> None:
    """Say whether a loss of yours is safe to search over; exit code 1 where it is not.

    LOSS is module:function, file.py:function, or a sum with such in it.

    \b
      lossearch check mine.py:loss
      lossearch check "mine.py:loss + 0.5*dice"
    """  # noqa: D301 - click's mark for lines to be kept
    from lossearch._imports import load_object
    from lossearch._places import is_compound
    from lossearch.checks.contract import (
        check_loss,
        check_undeclared,
        checks_of,
        conclusion,
        facts,
        findings,
        told,
    )
    from lossearch.losses import Loss, own_loss

    kind = None if task is None else KINDS[task].name
    found = own_loss(function, kind) if is_compound(function) else load_object(function, "loss")
    if isinstance(found, Loss) or not callable(found):
        loss = found if isinstance(found, Loss) else own_loss(function)
        # a sum declares no example: its parts do
        found_out = findings(loss, checks_of(loss)) if is_compound(function) else check_loss(loss)
    else:
        # of kinds that suit it alike, the one that targets are of where nothing is said
        kinds = sorted(KINDS, key=lambda k: not KINDS[k].fallback) if kind is None else [kind]
        loss, found_out = check_undeclared(found, kinds)
        show(
            f"{function} is not declared: checked as a loss for {loss.kinds[0]} tasks"
            + (" (--task says another)." if task is None else ".")
        )
    checks = len(checks_of(loss))
    show(*told(found_out), *(facts(loss) if len(found_out) >= checks else []))
    show(conclusion(function, found_out, checks))
    if not all(finding.ok for finding in found_out):
        raise click.exceptions.Exit(1)


def _range(low: float | None, high: float | None) -> str:
    if low is None:
        return "any" if high is None else f"up to {high:.3g}"
    return f"from {low:.3g}" if high is None else f"{low:.3g} to {high:.3g}"


def _metric_line(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "metric": f"({row['name']})" if row["on_request"] else row["name"],
        "better": "higher" if row["direction"] == "maximize" else "lower",
        "range": _range(row["low"], row["high"]),
        "reads": row["needs"],
        "what": row["judges"],
        "also named": ", ".join(row["aliases"]),
    }


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
        "properties": [p for p in row["properties"] if p != "parameters"],
        "source": row["source"],
    }
