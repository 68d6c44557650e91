"""Figures of a study, each a matplotlib figure to show, change or save."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING

from lossearch._registry import did_you_mean
from lossearch.errors import InputError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from lossearch.report.figures.canvas import Picture
    from lossearch.report.sources import Report


class Plots(Mapping[str, "Figure"]):
    """The figures of a report, by name; the usual ones are methods too.

    Which there are depends on the task: ``list(result.plot)``. Each call draws a new figure, so that one may be changed.

    Example:
        >>> import lossearch
        >>> plot = lossearch.load("circles").plot
        >>> "learning_curves" in plot, "errors" in plot
        (True, False)
        >>> type(plot.curves()).__name__
        'Shown'
    """

    def __init__(self, report: Report) -> None:
        self._report = report

    @cached_property
    def _pictures(self) -> dict[str, Picture]:
        return {p.name: p for section in self._report.sections for p in section.pictures}

    def __getitem__(self, name: str) -> Figure:
        """Draw a figure.

        Raises:
            InputError: the study has none of this name, of which the message lists all.
        """
        from lossearch.report.figures.canvas import whole_figure

        if name not in self._pictures:
            raise InputError(
                f"{self._report.title} has no figure {name!r}.{did_you_mean(name, self._pictures)} "
                f"It has: {', '.join(self._pictures)}."
            )
        return whole_figure(self._pictures[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._pictures)

    def __len__(self) -> int:
        return len(self._pictures)

    def __contains__(self, name: object) -> bool:
        return name in self._pictures

    def leaderboard(self) -> Figure:
        """Draw the score of each pair with its interval."""
        return self["scores"]

    def differences(self) -> Figure:
        """Draw how far the pairs are apart, with intervals."""
        return self["differences"]

    def curves(self) -> Figure:
        """Draw the learning curves of each pair's best trial."""
        return self["learning_curves"]

    def learning_rate(self) -> Figure:
        """Draw the score of all trials against their learning rate, a panel a pair."""
        return self["lr_sensitivity"]

    def confusion(self) -> Figure:
        """Draw the confusion matrices of the confirmed pairs."""
        return self["confusion"]

    def calibration(self) -> Figure:
        """Draw how often what was given a probability came true."""
        return self["calibration"]

    def budget(self) -> Figure:
        """Draw what was found by so many trials."""
        return self["budget"]
