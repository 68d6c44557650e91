"""Write the table of losses in docs/kinds.md, from their declarations."""

from __future__ import annotations

import re
from pathlib import Path

from lossearch.kinds import KINDS
from lossearch.losses import BUILT_IN, FAMILIES, Loss

PAGE = Path(__file__).parents[1] / "docs" / "kinds.md"
BEGIN, END = "<!-- losses, written by tests/loss_table.py -->\n", "<!-- /losses -->\n"


def _names(losses: list[Loss]) -> str:
    return " ".join(f"`{loss.name}`" for loss in losses)


def _beside(kind: str, *, searched: bool) -> str:
    """Return which losses of the kind that this one is like serve it too."""
    like, usual = KINDS[kind].like, KINDS[kind].usual
    if not like:
        return ""
    which = " that go number by number" if KINDS[kind].like_by_number else ""
    if usual is None:
        return f" and those of {like}{which}"
    named = " ".join(f"`{name}`" for name in usual)
    return f" and, of {like}, {named}" if searched else f" and the others of {like}{which}"


def table() -> str:
    """Return the table as it is to be: a row for each kind of task, and for each family."""
    own = {
        name: [loss for loss in BUILT_IN if name in loss.kinds and kind.like not in loss.kinds]
        for name, kind in KINDS.items()
    }
    lines = ["| task | searched unless others are named | by name, family or `all` |", "|---|---|---|"]
    lines += [
        f"| {kind} | {_names([x for x in of if not x.waits(kind)])}{_beside(kind, searched=True)} | "
        f"{_names([x for x in of if x.waits(kind)])}{_beside(kind, searched=False)} |".replace(
            "|  and", "| and"
        )
        for kind, of in own.items()
    ]
    lines += ["", "| family | losses that |", "|---|---|"]
    lines += [f"| `{name}` | {words} |" for name, words in FAMILIES.items()]
    return "\n".join(lines) + "\n"


def text(page: str) -> str:
    """Return a page with the table in its place."""
    return re.sub(f"(?s)(?<={BEGIN}).*(?={END})", lambda _: table(), page)


if __name__ == "__main__":
    PAGE.write_text(text(PAGE.read_text()))
