"""A report as Markdown, with its figures as PNG files beside it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from lossearch._text import escaped, printable
from lossearch.report.figures.canvas import save, whole_figure
from lossearch.report.layout import markdown_table
from lossearch.report.sources import Report, Section


def to_markdown(report: Report, images: Mapping[str, str] | None = None) -> str:
    """Return a report as Markdown.

    ``images``: picture -> the address of its file; a picture without one is described in words.
    """
    lines = [f"# {escaped(report.title)}", "", escaped(report.subtitle), ""]
    lines += [f"{escaped(s)}\n" for s in report.lead]
    lines += [f"- {escaped(label)}: {escaped(value)}" for label, value in report.facts]
    for section in report.sections:
        lines += ["", *_section(section, images or {})]
    return "\n".join(lines).rstrip() + "\n"


def save_pictures(report: Report, folder: Path, names: Collection[str] | None = None) -> dict[str, Path]:
    """Write the pictures of a report as PNG into a directory, and return picture -> file.

    Those of these ``names``, all by default.
    """
    folder.mkdir(parents=True, exist_ok=True)
    pictures = [p for s in report.sections for p in s.pictures if names is None or p.name in names]
    return {p.name: save(whole_figure(p), folder / f"{p.name}.png") for p in pictures}


def _section(section: Section, images: Mapping[str, str]) -> Iterator[str]:
    yield f"## {escaped(section.title)}"
    yield ""
    for sentence in section.text:
        yield f"{escaped(sentence)}\n"
    for picture in section.pictures:
        alt = " ".join(panel.alt for panel in picture.panels)
        name = images.get(picture.name)
        yield f"![{escaped(alt)}](<{name}>)\n" if name else f"{escaped(alt)}\n"
    for table in (*section.tables, *section.details):
        yield from (f"{escaped(table.caption)}:\n", *markdown_table(table.columns), "")
    for caption, text in section.code:
        fence = "```"
        while fence in text:
            fence += "`"
        yield from (f"{escaped(caption)}:\n", fence, printable(text), fence, "")
