"""``lossearch export``: the winner of a study as a directory, and in the MLflow model registry."""

from __future__ import annotations

import click

from lossearch.cli.options import debug_option, store_option

REGISTERED = "NAME"
"""What ``--register`` without a name stands for: the study's name."""


@click.command()
@click.argument("name")
@click.argument("directory", metavar="DIR")
@store_option
@click.option(
    "--refit",
    "parts",
    type=click.Choice(["train", "train+validation"]),
    default="train",
    show_default=True,
    help="The rows the model is fitted on; the test part never is.",
)
@click.option(
    "--register",
    "registered",
    is_flag=False,
    flag_value=REGISTERED,
    metavar="[MODEL]",
    help="Also register it in MLflow, as MODEL or under the study's name, and tag it champion.",
)
@debug_option
def export(name: str, directory: str, store: str, parts: str, registered: str | None) -> None:
    """Write the fitted winner of a study to a directory.

    \b
      lossearch export circles circles-model
      lossearch export circles circles-model --register
    """  # noqa: D301 - click's mark for lines to be kept
    from lossearch import api
    from lossearch.model import FittedModel

    model = api.export(name, directory, store, parts=parts)
    click.echo(f"{model!r} is in {directory}.")
    how = f"lossearch.load_model({directory!r}); more in" if isinstance(model, FittedModel) else "see"
    click.echo(f"Load it: {how} {directory}/README.md.")
    if registered is not None:
        version = api.register(name, directory, store, model=None if registered == REGISTERED else registered)
        click.echo(f"Registered in MLflow as {version.uri} (version {version.version}).")
