"""What the site has that is written nowhere: the help of every command, and the keys of the study file."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from lossearch.cli import GROUPS, commands
from lossearch.config import KEYS
from lossearch.config.option import Key

WIDTH = 110
HEAD = ("| key | `lossearch run` | `lossearch.search` | what it is |", "|---|---|---|---|")


def _help(command: click.Command) -> str:
    name = f"lossearch {command.name}"
    context = click.Context(command, info_name=name, terminal_width=WIDTH, max_content_width=WIDTH)
    return f"### {name}\n\n```text\n{command.get_help(context)}\n```"


def every_command() -> str:
    """Return the help of each command, by what it is for."""
    sections = (f"## {title}\n\n" + "\n\n".join(map(_help, group)) for title, group in GROUPS.items())
    return "\n\n".join(
        (f"```text\n{commands.get_help(click.Context(commands, info_name='lossearch'))}\n```", *sections)
    )


def _row(key: Key) -> str:
    flag = key.flag or f"--set {key.path}.NAME=VALUE"
    cells = (f"`{key.name}`", f"`{flag}`", f"`{key.parameter}`", key.description.replace("|", r"\|"))
    return f"| {' | '.join(cells)} |"


def keys_by_table() -> str:
    """Return a table of keys for each table of the study file."""
    lines: list[str] = []
    for table in dict.fromkeys(key.table for key in KEYS):
        lines += ["", f"## [{table}]", "", *HEAD, *(_row(key) for key in KEYS if key.table == table)]
    return "\n".join(lines)


PLACES: dict[str, Callable[[], str]] = {
    "<!-- commands -->": every_command,
    "<!-- keys of the study file -->": keys_by_table,
}


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Fill the places that a page has."""
    for place, make in PLACES.items():
        if place in markdown:
            markdown = markdown.replace(place, make())
    return markdown
