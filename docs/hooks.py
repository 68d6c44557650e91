"""What the site has that is written nowhere: the keys of the study file, as they are declared."""

from __future__ import annotations

from typing import Any

from lossearch.config import KEYS
from lossearch.config.option import Key

PLACE = "<!-- keys of the study file -->"
HEAD = ("| key | `lossearch run` | `lossearch.search` | what it is |", "|---|---|---|---|")


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


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Fill the place of the keys, on the page that has one."""
    return markdown.replace(PLACE, keys_by_table())
