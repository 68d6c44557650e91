"""``lossearch export``: the winner of a study as a directory, and in the MLflow model registry."""

from __future__ import annotations

import click

from lossearch.cli.options import (
    debug_option,
    storage_option,
    store_option,
    study_argument,
    tracking_option,
    trust_option,
)
from lossearch.cli.output import echo

REGISTERED = "NAME"
"""What ``--register`` without a name stands for: the study's name."""


@click.command()
@study_argument
@click.argument("directory", metavar="DIR")
@store_option
@storage_option
@tracking_option
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
@trust_option
@debug_option
def export(
    name: str,
    directory: str,
    store: str,
    storage: str | None,
    tracking_uri: str | None,
    parts: str,
    registered: str | None,
    trust: tuple[str, ...],
) -> None:
    """Write the fitted winner of a study to a directory.

    \b
      lossearch export circles circles-model
      lossearch export circles circles-model --register
    """  # noqa: D301 - click's mark for lines to be kept
    from lossearch import api
    from lossearch.model import FittedModel

    model = api.export(name, directory, store, parts=parts, storage=storage, trust=trust)
    echo(f"{model!r} is in {directory}.")
    how = f"lossearch.load_model({directory!r}); more in" if isinstance(model, FittedModel) else "see"
    echo(f"Load it: {how} {directory}/README.md.")
    if registered is not None:
        model_name = None if registered == REGISTERED else registered
        version = api.register(
            name,
            directory,
            store,
            model=model_name,
            storage=storage,
            tracking_uri=tracking_uri,
            trust=trust,
        )
        echo(f"Registered in MLflow as {version.uri} (version {version.version}).")
