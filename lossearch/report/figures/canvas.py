"""Figures of one or more panels as PNG and SVG; without pyplot, so without global state."""

from __future__ import annotations

import io
import math
import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import escape
from matplotlib import font_manager, style
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from lossearch._colours import BLUE, GREEN, ORANGE, PURPLE, SKY, VERMILLION
from lossearch._text import printable
from lossearch.report.figures.said import said_elements

INK, FAINT, GRID, PAPER = "#1b1b1b", "#757575", "#e4e4e4", "#fefefe"
_LIGHT, _DARK, _DARK_FROM = "#ffffff", "#000000", 0.7
"""Colours of text on matplotlib's "Blues", and the share of that scale from which the light one is more legible."""
COLUMNS = 4
PANEL = (3.1, 2.3)
"""Width and height of one axes, in inches."""

_KEY_LETTERS = 56
"""Letters that two columns of a legend have room for on a phone."""
_LETTERS_PER_INCH, _HANDLE_LETTERS = 14, 6
_MARGINS = (0.68, 0.1, 0.45, 0.36)
"""Inches left, right, below and above the axes of a plain panel."""
_VARIABLES = {
    INK: "currentColor",
    FAINT: "var(--faint)",
    GRID: "var(--grid)",
    PAPER: "var(--paper)",
    BLUE: "var(--blue)",
    ORANGE: "var(--orange)",
    VERMILLION: "var(--vermillion)",
    GREEN: "var(--green)",
    PURPLE: "var(--purple)",
    SKY: "var(--sky)",
}
"""Colour -> what stands for it in a page, so that one figure suits light and dark."""
_FONTS = (
    "DejaVu Sans", "Noto Sans CJK SC", "Noto Sans CJK JP", "Source Han Sans SC", "WenQuanYi Zen Hei",
    "Microsoft YaHei", "PingFang SC", "Hiragino Sans GB", "SimHei", "Arial Unicode MS", "Noto Sans",
)  # fmt: skip


@dataclass(frozen=True)
class Panel:
    """One small figure: ``draw`` is given its axes, upper first, and fills them; ``alt`` says in words what it shows."""

    title: str
    alt: str
    draw: Callable[..., None]


@dataclass(frozen=True)
class Picture:
    """Panels that belong together, each of ``rows`` axes above each other, with one legend.

    ``size`` is width and height of one axes in inches; ``note`` stands with the legend. ``plain`` panels have
    numbers on their ticks and nothing else outside, so that fixed margins do and no layout is computed.
    """

    name: str
    title: str
    panels: tuple[Panel, ...]
    note: str = ""
    rows: int = 1
    size: tuple[float, float] = PANEL
    columns: int = COLUMNS
    plain: bool = False


def whole_figure(picture: Picture) -> Figure:
    """Return all panels on one figure, in rows, with the legend below."""
    columns = min(max(len(picture.panels), 1), picture.columns)
    blocks = math.ceil(len(picture.panels) / columns) or 1
    width = max(columns * picture.size[0], 6.4)
    height = picture.rows * blocks * picture.size[1] + 1.0
    with drawing():
        figure = _figure(width, height)
        figure.suptitle(picture.title, fontsize=11)
        grid = figure.add_gridspec(picture.rows * blocks, columns)
        for i, panel in enumerate(picture.panels):
            block, column = divmod(i, columns)
            axes = [figure.add_subplot(grid[picture.rows * block + r, column]) for r in range(picture.rows)]
            panel.draw(*axes)
            axes[0].set_title("" if panel.title in picture.title else panel.title)
            for ax in axes if column else ():
                ax.set_ylabel("")
            if picture.rows == 1 and i + columns < len(picture.panels) > picture.columns:
                axes[0].set_xlabel("")
        _legend(figure, figure.axes, picture.note)
    return figure


def panel_figure(picture: Picture, panel: Panel) -> Figure:
    """Return one panel on a figure of its own, without the legend."""
    width, height = picture.size
    with drawing():
        figure = _figure(width, picture.rows * height + 0.25, fixed=picture.plain)
        axes = [figure.add_subplot(picture.rows, 1, r + 1) for r in range(picture.rows)]
        panel.draw(*axes)
        if len(picture.panels) > 1:
            axes[0].set_title(panel.title)
    return figure


def legend_figure(figures: Sequence[Figure]) -> Figure | None:
    """Return the legend of figures as a figure of its own; None where nothing has a label."""
    found = _labelled([ax for figure in figures for ax in figure.axes])
    if not found:
        return None
    names = list(found)
    columns = 2 if 2 * max(map(len, names)) <= _KEY_LETTERS else 1
    with drawing():
        figure = Figure(figsize=(3.6, 0.3 * math.ceil(len(found) / columns)))
        figure.legend(
            [found[n] for n in names],
            names,
            loc="center left",
            bbox_to_anchor=(0, 0.5),
            ncols=columns,
            frameon=False,
            borderaxespad=0,
            columnspacing=1.2,
        )
    return figure


def legible(share: float) -> str:
    """Return the colour of text on a cell of this share of the scale "Blues", the same in light and dark pages."""
    return _LIGHT if share > _DARK_FROM else _DARK


class Shown(Figure):
    """A figure that a notebook shows where pyplot was not imported too."""

    def _repr_png_(self) -> bytes:
        stream = io.BytesIO()
        self.savefig(stream, format="png", dpi=100)
        return stream.getvalue()


def _figure(width: float, height: float, *, fixed: bool = False) -> Figure:
    figure = Shown(figsize=(width, height), layout=None if fixed else "constrained")
    FigureCanvasAgg(figure)
    if fixed:
        left, right, bottom, top = _MARGINS
        figure.subplots_adjust(
            left=left / width,
            right=1 - right / width,
            bottom=bottom / height,
            top=1 - top / height,
            hspace=0.22,
        )
    return figure


def save(figure: Figure, path: Path | str) -> Path:
    """Write a figure as PNG and return its path.

    Labels may be in any script; where no installed font has a character, a box stands for it.
    """
    path = Path(path)
    with drawing():
        figure.set_dpi(130)
        canvas: Any = FigureCanvasAgg(figure)  # it has no annotations
        # not by savefig, which draws twice
        canvas.print_png(path)
    return path


def svg(figure: Figure, name: str, alt: str, *, tight: bool = False) -> str:
    """Return a figure as an SVG element for a page, its text as text, its colours those of the page.

    Args:
        figure: what to draw.
        name: unlike that of every other figure of the page; its elements are named after it.
        alt: what it shows, in words.
        tight: whether to cut off what is empty.
    """
    text = io.StringIO()
    with drawing():
        canvas: Any = FigureCanvasSVG(figure)  # it has no annotations
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        figure.patch.set(facecolor="none", edgecolor="none")
        if tight:
            figure.savefig(text, format="svg", metadata=nothing, bbox_inches="tight", pad_inches=0.02)
        else:
            # not by savefig, which draws twice
            canvas.print_svg(text, metadata=nothing)
    body = printable(text.getvalue())
    body = body[body.index("<svg") :]
    body = re.sub(r"<!--.*?-->|<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    body = re.sub(r"<[^>]*>", lambda tag: _for_page(tag[0], name), body)
    body = re.sub(r"\n\s*", "\n", body)
    body = body.replace("</svg>", f"{said_elements(figure)}</svg>")
    opened, rest = body.split(">", 1)
    (box,) = re.findall(r'viewBox="([^"]*)"', opened)
    width, height = (float(v) for v in box.split()[2:])
    label = escape(printable(alt))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="{box}" '
        f'style="max-width: {width / (72 if tight else 64):.2f}in; aspect-ratio: {width / height:.3f}" role="img" '
        f'aria-label="{label}">{rest}'
    )


def _for_page(tag: str, name: str) -> str:
    """Return a tag whose names are the figure's own, in the page's font and colours."""
    tag = re.sub(r'\bid="', f'id="{name}-', tag)
    tag = re.sub(r"url\(#|href=\"#", rf"\g<0>{name}-", tag)
    tag = re.sub(r"font: ([\d.]+)px [^;\"]*", r"font-size: \1px", tag)
    return re.sub("|".join(_VARIABLES), lambda m: _VARIABLES[m[0]], tag)


@contextmanager
def drawing() -> Iterator[None]:
    """Matplotlib's defaults and ours, whatever the user has set, and only while a figure is made."""
    have = {f.name for f in font_manager.fontManager.ttflist}
    ours = {
        "font.family": [f for f in _FONTS if f in have] or ["sans-serif"],
        "font.size": 9,
        "axes.titlesize": 9,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.facecolor": "none",
        "axes.grid": True,
        "axes.axisbelow": True,
        "axes.unicode_minus": False,
        "axes.linewidth": 0.6,
        "xtick.major.width": 0.6,
        "ytick.major.width": 0.6,
        "grid.color": GRID,
        "grid.linewidth": 0.7,
        "svg.fonttype": "none",
        "svg.hashsalt": "lossearch",
        "text.parse_math": False,
        **dict.fromkeys(
            ("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color"), INK
        ),
    }
    with style.context(["default", ours]), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"Glyph \d+ .* missing", category=UserWarning)
        yield


def _labelled(axes: Sequence[Axes]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for ax in axes:
        for handle, label in zip(*ax.get_legend_handles_labels(), strict=True):
            found.setdefault(label, handle)
    return found


def _legend(figure: Figure, axes: Sequence[Axes], note: str) -> None:
    """Put one legend under the panels, where it covers no data."""
    found = _labelled(axes)
    names = list(found)
    room = figure.get_figwidth() * _LETTERS_PER_INCH / (max(map(len, names), default=0) + _HANDLE_LETTERS)
    figure.legend(
        [found[k] for k in names],
        names,
        loc="outside lower center",
        ncols=max(1, min(5, int(room))),
        frameon=False,
        title=note,
        title_fontsize=9,
    )
