"""Write ``lossearch/pairs/modules.pyi``: the classes of this package's losses, for editors and type checkers."""

from __future__ import annotations

import ast
import inspect
import re
import sys
from pathlib import Path

from lossearch.losses import BUILT_IN
from lossearch.pairs import Criterion
from lossearch.pairs.making import criterion
from lossearch.pairs.module_classes import module_class

HOME = sys.modules[criterion.__module__]
STUB = Path(str(HOME.__file__)).with_name("modules.pyi")
HEAD = "# Written by tests/loss_stub.py from the losses' declarations.\n"


def annotations() -> dict[str, str]:
    """Return what each argument of a criterion is annotated with, as its source has it."""
    return {a.name: str(a.annotation) for a in inspect.signature(criterion).parameters.values()}


def imports() -> list[str]:
    """Return an import of each name that the classes' annotations use, from where the criterion has it."""
    arguments = inspect.signature(module_class("BCE")).parameters
    given = annotations()
    names = {n for a in arguments for n in re.findall(r"[A-Za-z_]\w*", given.get(a, ""))}
    nodes = [
        node
        for node in ast.parse(Path(str(HOME.__file__)).read_text()).body
        if isinstance(node, ast.ImportFrom)
    ]
    homes = {(str(node.module), alias.name) for node in nodes for alias in node.names if alias.name in names}
    homes |= {(Criterion.__module__, "Criterion")}
    by_home: dict[str, list[str]] = {}
    for home, name in sorted(homes):
        by_home.setdefault(home, []).append(name)
    own, others = (
        [f"from {h} import {', '.join(n)}" for h, n in by_home.items() if h.startswith("lossearch") is ours]
        for ours in (True, False)
    )
    return [*others, *([""] if others else []), *own]


def stub(name: str) -> str:
    """Return the source of one class."""
    given = annotations()
    first, *rest = inspect.signature(module_class(name).__init__).parameters.values()
    lines, by_name = [f"        {first.name},"], False
    for a in rest:
        if a.kind is a.KEYWORD_ONLY and not by_name:
            lines, by_name = [*lines, "        *,"], True
        of = given.get(
            a.name, a.annotation if isinstance(a.annotation, str) else inspect.formatannotation(a.annotation)
        )
        lines.append(f"        {a.name}: {of} = {a.default!r},")
    return "\n".join([f"class {name}(Criterion):", "    def __init__(", *lines, "    ) -> None: ..."])


def text() -> str:
    """Return the whole file."""
    names = sorted({loss.class_name for loss in BUILT_IN}, key=lambda n: (not n.isupper(), n))
    listed = "\n".join(["__all__ = [", *(f"    {n!r},".replace("'", '"') for n in names), "]"])
    return "\n".join([HEAD, *imports(), "", listed, "", *(f"{stub(n)}\n" for n in names)])


if __name__ == "__main__":
    STUB.write_text(text())
