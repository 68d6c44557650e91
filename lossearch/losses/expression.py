"""The text of an expression of losses: its syntax tree, and errors that point at a place of it."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from lossearch._places import without_places
from lossearch.errors import UnknownNameError

EXAMPLES = "as in bce + 0.5*dice or smooth(focal(gamma=2), 0.1)"


class UnreadableError(UnknownNameError):
    """An expression that stands for no loss; ``read`` is how much of it could be read, more for more."""

    read: tuple[bool, int] = (False, 0)


def unreadable(message: str, at: int, *, known: bool = True) -> UnreadableError:
    """Return the error that an expression stands for no loss.

    Args:
        message: what it says.
        at: how far it could be read.
        known: whether its names stand for losses.
    """
    found = UnreadableError(message)
    found.read = (known, at)
    return found


@dataclass(frozen=True)
class Expression:
    """An expression as it is written."""

    text: str

    @cached_property
    def _readable(self) -> tuple[str, Mapping[int, str]]:
        """The text with names in place of places, and those by where they begin."""
        return without_places(self.text)

    @property
    def whole(self) -> int:
        """How long it is: how far it could be read where it could be to its end."""
        return len(self.text)

    def tree(self) -> ast.expr:
        """Return its syntax tree.

        Raises:
            UnreadableError: it has none.
        """
        try:
            return ast.parse(self._readable[0], mode="eval").body
        except SyntaxError as error:
            raise self.fault(None, f"this is no sum of losses, {EXAMPLES}", (error.offset or 1) - 1) from None

    def fault(self, node: ast.AST | None, what: str, at: int = 0, *, known: bool = True) -> UnreadableError:
        """Return the error that points at a place of the text."""
        shown = self.text
        start = min(getattr(node, "col_offset", at), max(len(shown) - 1, 0))
        end = max(getattr(node, "end_col_offset", start + 1), start + 1)
        return unreadable(
            f"No loss can be made of this:\n  {shown}\n  {' ' * start}{'^' * (end - start)} {what if what.endswith(('.', '?')) else what + '.'}",
            start,
            known=known,
        )

    def named(self, node: ast.Name) -> str:
        """Return the name or place that stands somewhere."""
        return self._readable[1].get(node.col_offset, node.id)


def called(node: ast.AST) -> str:
    """Return the name of what is called, "" where nothing is."""
    return node.func.id if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else ""
