"""Reports without their figures, where what those show is not asked: drawing them takes longest of a small study."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any


def draw_nothing(put: Callable[[Any, str, Any], None] = setattr) -> None:
    """Leave the figures of reports empty from now on: in this process, and in those that are forked off it."""
    from matplotlib.figure import Figure

    from lossearch.report import html, markdown

    put(html, "panel_figure", lambda *_: Figure())
    put(html, "svg", lambda *_, **__: "<svg></svg>")
    put(markdown, "whole_figure", lambda _: Figure())
    put(markdown, "save", _empty_file)


def _empty_file(_: object, path: Path) -> Path:
    path.touch()
    return path
