"""Commands on the records: ``ui``, ``sync``, ``rm``."""

from __future__ import annotations

import re
import sys

import click

from lossearch.cli.options import debug_option, store_option
from lossearch.errors import InputError


@click.command()
@click.argument("directory", default="mlruns", metavar="[DIR]")
@click.option("--port", type=click.IntRange(1, 65535), metavar="N", help="5000, or the next free one.")
@click.option("--host", default="127.0.0.1", show_default=True, metavar="ADDRESS")
@click.option("--allowed-hosts", default="", metavar="A,B", help="Names under which browsers may ask for it.")
@click.option("--no-open", is_flag=True, help="Do not open a browser.")
@debug_option
def ui(directory: str, port: int | None, host: str, allowed_hosts: str, *, no_open: bool) -> None:
    """Open the MLflow UI on a store."""
    from lossearch.records.mlflow.server import serve
    from lossearch.records.store import Store

    hosts = [name.strip() for name in allowed_hosts.split(",") if name.strip()]
    say = click.echo if no_open or not sys.stdout.isatty() else _say_and_open
    code = serve(Store.open(directory, create=False), host=host, port=port, allowed_hosts=hosts, say=say)
    raise click.exceptions.Exit(code)


def _say_and_open(text: str) -> None:
    click.echo(text)
    address = re.match(r"MLflow UI of .*: (https?://\S+)", text)
    if address:
        click.launch(address[1])


@click.command()
@click.argument("name")
@store_option
@debug_option
def sync(name: str, store: str) -> None:
    """Write what MLflow lacks of a study."""
    from lossearch import api

    written = api.sync(name, store)
    click.echo(f"{written} MLflow runs written." if written else "MLflow has every trial of this study.")


@click.command("rm")
@click.argument("name")
@store_option
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@debug_option
def remove(name: str, store: str, *, yes: bool) -> None:
    """Remove a study's records, its MLflow runs included."""
    if not yes and not sys.stdin.isatty():
        raise InputError(f"Nobody to ask whether to remove {name!r}; say --yes.")
    if not yes and not click.confirm(f"Remove every record of study {name!r} in {store}?", err=True):
        click.echo("Nothing removed.", err=True)
        raise click.exceptions.Exit(1)
    from lossearch import api

    api.remove(name, store)
    click.echo(f"Removed {name}.")
