"""Write the table of losses in the README, from their declarations."""

from __future__ import annotations

import re
from pathlib import Path

from lossearch.kinds import KINDS
from lossearch.losses import BUILT_IN, FAMILIES, Loss

README = Path(__file__).parents[1] / "README.md"
BEGIN, END = "<!-- losses, written by tests/loss_table.py -->\n", "<!-- /losses -->\n"


def _names(losses: list[Loss]) -> str:
    return " ".join(f"`{loss.name}`" for loss in losses)


def table() -> str:
    """Return the table as it is to be: a row for each kind of task, and for each family."""
    own = {kind: [loss for loss in BUILT_IN if kind in loss.kinds] for kind in KINDS}
    lines = ["| task | searched unless others are named | by name, family or `all` |", "|---|---|---|"]
    lines += [
        f"| {kind} | {_names([x for x in of if not x.on_request])} | {_names([x for x in of if x.on_request])} |"
        for kind, of in own.items()
    ]
    lines += ["", "| family | losses that |", "|---|---|"]
    lines += [f"| `{name}` | {words} |" for name, words in FAMILIES.items()]
    return "\n".join(lines) + "\n"


def text(readme: str) -> str:
    """Return a README with the table in its place."""
    return re.sub(f"(?s)(?<={BEGIN}).*(?={END})", lambda _: table(), readme)


if __name__ == "__main__":
    README.write_text(text(README.read_text()))
