"""Write ``lossearch/pairs/modules.pyi``: the classes of this package's losses, for editors and type checkers."""

from __future__ import annotations

import inspect
import re
import sys
from pathlib import Path

from lossearch.losses import BUILT_IN
from lossearch.pairs import Criterion
from lossearch.pairs.module_classes import module_class

HOME = sys.modules[Criterion.__module__]
STUB = Path(str(HOME.__file__)).with_name("modules.pyi")
HEAD = "# Written by tests/loss_stub.py from the losses' declarations.\n"


def annotations() -> dict[str, str]:
    """Return what each argument of a criterion is annotated with, as its source has it."""
    every = inspect.signature(Criterion).parameters.values()
    return {a.name: str(a.annotation) for a in every if a.name not in ("pair", "params", "class_weights")}


def imports() -> list[str]:
    """Return an import of each name that those annotations use."""
    names = {n for text in annotations().values() for n in re.findall(r"[A-Za-z_]\w*", text)}
    known = vars(HOME)
    homes = {(known[n].__module__, n) for n in names & known.keys() if hasattr(known[n], "__module__")}
    homes |= {(Criterion.__module__, "Criterion")}
    own, others = (
        [f"from {home} import {name}" for home, name in sorted(homes) if home.startswith("lossearch") is ours]
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
