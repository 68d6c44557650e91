"""Colours that tell things apart in figures and dashboards."""

from __future__ import annotations

BLUE, ORANGE, VERMILLION, GREEN, PURPLE, SKY = (
    "#0072b2", "#e69f00", "#d55e00", "#009e73", "#cc79a7", "#56b4e9",
)  # fmt: skip
"""Okabe and Ito's colours, which colour-blind readers can tell apart."""
COLOURS = (BLUE, ORANGE, GREEN, VERMILLION, PURPLE, SKY)


def colour(number: int) -> str:
    """Return the colour of the thing of this number, from 0: a new one for each 18, darker and lighter after six."""
    round_, place = divmod(number, len(COLOURS))
    towards = (None, 0, 255)[round_ % 3]
    parts = [int(COLOURS[place][i : i + 2], 16) for i in (1, 3, 5)]
    if towards is not None:
        parts = [round((part + towards) / 2) for part in parts]
    return "#" + "".join(f"{part:02x}" for part in parts)
