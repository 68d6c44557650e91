"""``lossearch compare``: several studies over their tasks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from lossearch.cli.completion import study_names
from lossearch.cli.options import debug_option, format_option, storages_option, store_option
from lossearch.cli.output import echo, only_json, show, write_json, writing

if TYPE_CHECKING:
    from lossearch.api.comparison import ComparedStudies


@click.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME NAME ...", shell_complete=study_names)
@store_option
@storages_option
@click.option(
    "--metric",
    metavar="NAME",
    help="Compare by this metric, not by each study's own; my_metrics:cost is one of yours.",
)
@click.option(
    "--direction",
    type=click.Choice(["maximize", "minimize"]),
    help="Which way a metric of yours is better, where its name does not say it.",
)
@click.option(
    "--rope",
    type=click.FloatRange(min=0),
    default=0.01,
    show_default=True,
    metavar="X",
    help="Scores less than this apart are equal in practice; of errors, this share of the error.",
)
@click.option(
    "--level",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.05,
    show_default=True,
    metavar="P",
    help="Chance of finding equal pairs significantly different, over all comparisons.",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    metavar="FILE.html|DIR",
    help="Write one page, to MLflow too where it has the studies; to a directory figures and Markdown.",
)
@format_option
@debug_option
def compare(
    names: tuple[str, ...],
    store: str,
    storage: tuple[str, ...],
    metric: str | None,
    direction: str | None,
    rope: float,
    level: float,
    output: Path | None,
    form: str,
) -> None:
    """Compare the pairs of several studies over their tasks: ranks, tests, diagrams."""
    from lossearch.api import comparison as comparing

    with only_json(form) as answer:
        found = comparing.compare(
            names, store, metric=metric, level=level, rope=rope, direction=direction, storage=storage
        )
        if form == "json":
            write_json(found.as_json(), answer)
        else:
            show(found.render())
        if output is None:
            return
        echo("Drawing the comparison ...", err=True)
        if output.suffix == ".html":
            _write_page(found, output, store)
            return
        with writing(output):
            files = found.save(output)
        show(f"\nWritten: {', '.join(str(path) for path in files)}")


def _write_page(found: ComparedStudies, path: Path, store: str) -> None:
    """Write a comparison as one page, and into the store's MLflow where that has the studies."""
    from lossearch._json import write_text
    from lossearch.api.comparison import log_comparison
    from lossearch.errors import StoreError

    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, found.page())
    show(f"\nWritten: {path}")
    try:
        if log_comparison(found, store) is not None:
            show("In MLflow too: experiment 'lossearch overview'.")
    except StoreError as error:
        show(str(error))
