"""Commands on the records: ``ui``, ``sync``, ``repair``, ``rm``."""

from __future__ import annotations

import re
import sys
from functools import partial

import click

from lossearch.cli.options import (
    debug_option,
    storage_option,
    store_option,
    studies_argument,
    study_argument,
    tracking_option,
    trust_option,
)
from lossearch.cli.output import echo
from lossearch.errors import InputError


@click.command()
@click.argument("directory", required=False, metavar="[DIR]")
@click.option("--store", metavar="DIR", help="The same as DIR, by the name that other commands have for it.")
@click.option("--port", type=click.IntRange(1, 65535), metavar="N", help="5000, or the next free one.")
@click.option("--host", default="127.0.0.1", show_default=True, metavar="ADDRESS")
@click.option("--allowed-hosts", default="", metavar="A,B", help="Names under which browsers may ask for it.")
@click.option("--no-open", is_flag=True, help="Do not open a browser.")
@click.option(
    "--artifact-location",
    "artifact_locations",
    multiple=True,
    metavar="PLACE",
    help="Show artifacts of this place too, outside of the store. Repeatable.",
)
@debug_option
def ui(
    directory: str | None,
    store: str | None,
    port: int | None,
    host: str,
    allowed_hosts: str,
    artifact_locations: tuple[str, ...],
    *,
    no_open: bool,
) -> None:
    """Open the MLflow UI on a store, mlruns where none is named."""
    if directory is not None and store is not None:
        raise InputError(f"Two stores: {directory} and {store}. Name one.")
    place = directory or store or "mlruns"
    # at once: what follows takes seconds
    echo(f"Starting the MLflow UI of {place} ...", err=True)
    from lossearch.records.mlflow.server import serve
    from lossearch.records.store import Store

    hosts = [name.strip() for name in allowed_hosts.split(",") if name.strip()]
    say = echo if no_open or not sys.stdout.isatty() else _say_and_open
    opened = Store.open(place, create=False)
    code = serve(
        opened, host=host, port=port, allowed_hosts=hosts, say=say, artifact_locations=artifact_locations
    )
    raise click.exceptions.Exit(code)


def _say_and_open(text: str) -> None:
    echo(text)
    address = re.match(r"MLflow UI of .*: (https?://\S+)", text)
    if address:
        click.launch(address[1])


@click.command()
@study_argument
@store_option
@storage_option
@tracking_option
@trust_option
@debug_option
def sync(
    name: str, store: str, storage: str | None, tracking_uri: str | None, trust: tuple[str, ...]
) -> None:
    """Write what MLflow lacks of a study."""
    from lossearch import api

    note = partial(echo, err=True)
    written = api.sync(name, store, storage=storage, tracking_uri=tracking_uri, trust=trust, note=note)
    echo(f"{written} MLflow runs written." if written else "MLflow has every trial of this study.")


@click.command()
@study_argument
@store_option
@storage_option
@click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")
@debug_option
def repair(name: str, store: str, storage: str | None, *, dry_run: bool) -> None:
    """Make damaged records of a study again from the others, as far as those hold enough.

    What is damaged is kept beside what takes its place. Exit code 1 where something is lost.
    """
    from lossearch import api

    found = api.repair(name, store, storage=storage, dry_run=dry_run)
    for one in found:
        echo(str(one))
    if not found:
        echo(f"Every record of study {name!r} is whole.")
    if not all(one.whole for one in found):
        raise click.exceptions.Exit(1)


@click.command("rm")
@studies_argument
@store_option
@storage_option
@tracking_option
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@debug_option
def remove(
    names: tuple[str, ...], store: str, storage: str | None, tracking_uri: str | None, *, yes: bool
) -> None:
    """Remove the records of studies, their MLflow runs included."""
    from lossearch.records.store import Store

    opened = Store.open(store, create=False)
    for name in names:
        opened.read_study(name)  # before anything is asked or removed: it is there
    several = "study" if len(names) == 1 else "studies"
    shown = ", ".join(map(repr, names))
    if not yes and not sys.stdin.isatty():
        raise InputError(f"Nobody to ask whether to remove {shown}; say --yes.")
    if not yes and not click.confirm(f"Remove every record of {several} {shown} in {store}?", err=True):
        echo("Nothing removed.", err=True)
        raise click.exceptions.Exit(1)
    from lossearch import api

    for name in names:
        api.remove(name, store, storage=storage, tracking_uri=tracking_uri)
        echo(f"Removed {name}.")
