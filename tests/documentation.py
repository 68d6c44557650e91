"""The pages people read, their code blocks, and how these are run: a page in one directory, block after block.

A ``console`` block is run, and so is a ``python`` block; names that a page has made stay. A ``text`` block is what the block
above it prints. ``sh`` blocks are commands that need what a test has not: a server, a cluster, another environment.
"""

from __future__ import annotations

import ast
import contextlib
import io
import re
import shlex
import sys
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from types import ModuleType

from markdown_it import MarkdownIt

from lossearch import cli

ROOT = Path(__file__).parents[1]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
RUN = ("console", "python")
ERROR = re.compile(r"^(\w*Error): ", flags=re.MULTILINE)
ELLIPSIS = "..."


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    page: Path
    line: int
    language: str
    text: str

    @property
    def place(self) -> str:
        """Where it stands, as an editor finds it."""
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    @property
    def commands(self) -> list[str]:
        """The commands of a shell's block, without what is said of them."""
        lines = (line.partition("  #")[0].strip() for line in self.text.splitlines())
        return [line for line in lines if line]


def blocks_of(page: Path) -> list[Block]:
    """Return the fenced blocks of a page."""
    tokens = MarkdownIt().parse(page.read_text())
    return [
        Block(page, token.map[0] + 1, token.info.strip(), token.content)
        for token in tokens
        if token.type == "fence" and token.map
    ]


BLOCKS = tuple(block for page in PAGES for block in blocks_of(page))


def _words(text: str) -> list[str]:
    return re.findall(r"[^\W\d_](?:[\w/'-]*\w)?", text)


def missing(shown: str, printed: str) -> list[str]:
    """Return the lines that are shown and were not printed.

    Errors are compared to the letter, but for line breaks and what ``...`` stands for; of everything else the words, since
    numbers differ a little between machines.
    """
    if ERROR.search(shown):
        pattern = r".*?".join(re.escape(part.strip()) for part in " ".join(shown.split()).split(ELLIPSIS))
        return [] if re.search(pattern, " ".join(printed.split())) else [shown]
    found = [" ".join(_words(line)) for line in printed.splitlines()]
    whole = " ".join(found)
    return [
        line
        for line in shown.splitlines()
        if not re.search(
            r".*?".join(re.escape(" ".join(_words(part))) for part in line.split(ELLIPSIS)), whole
        )
    ]


def studies_of(block: Block) -> Iterator[tuple[str, str]]:
    """Give the name of each study that a block makes, and all else that declares it."""
    if block.language == "console":
        for command in block.commands:
            words = shlex.split(command)
            if words[1] == "run" and "--dry-run" not in words:
                named = dict(pairwise(words))
                budget = {"--trials", "--confirm-seeds", "--name", named.get("--name")}
                name = named.get("--name") or Path(named["--data"]).stem
                yield (
                    name,
                    " ".join(
                        f"{a} {b}" for a, b in pairwise(words[2:]) if a.startswith("--") and a not in budget
                    ),
                )
    elif block.language == "python":
        for call in ast.walk(ast.parse(block.text)):
            if isinstance(call, ast.Call) and ast.unparse(call.func) == "lossearch.search":
                given = {k.arg: ast.unparse(k.value) for k in call.keywords}
                name = ast.literal_eval(given.get("name") or given.get("data") or "'study'")
                yield name, ast.unparse(call)


class Reader:
    """Somebody who does what a page says, in the working directory."""

    def __init__(self, name: str) -> None:
        self.module = ModuleType(name)

    def do(self, block: Block) -> tuple[str, bool]:
        """Run a block; return all that it printed, a traceback included, and whether it went well."""
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
            well = self._python(block) if block.language == "python" else self._commands(block)
        return printed.getvalue(), well

    def _python(self, block: Block) -> bool:
        # as many lines down as it stands in the page, so that a traceback names the page's own
        code = compile("\n" * block.line + block.text, str(block.page), "exec")
        try:
            exec(code, self.module.__dict__)  # noqa: S102 - what is tested
        except Exception as error:  # noqa: BLE001 - whether it was to fail is for the page to say
            lines = (*traceback.format_exception(error), f"{type(error).__name__}: {error}\n")
            sys.stderr.write("".join(lines))
            return False
        return True

    @staticmethod
    def _commands(block: Block) -> bool:
        codes = []
        for command in block.commands:
            name, *arguments = shlex.split(command)
            assert name == "lossearch", f"{block.place}: {name} is no command that is run: say sh"
            codes.append(cli.invoke(arguments))
        return not any(codes)


def failures(page: Path) -> Iterator[str]:
    """Follow a page, and give what does not go as it says."""
    reader = Reader(f"page_{page.stem.replace('-', '_')}")
    last = Block(page, 0, "", "")
    for block, after in pairwise((*blocks_of(page), last)):
        if block.language not in RUN:
            continue
        printed, well = reader.do(block)
        shown = after.text if after.language == "text" else ""
        if well == bool(ERROR.search(shown)):
            yield f"{block.place} {'did not fail' if well else 'failed'}:\n{printed[-3000:]}"
        elif lost := missing(shown, printed):
            yield f"{after.place} shows what was not printed: {lost}\n{printed[-3000:]}"
