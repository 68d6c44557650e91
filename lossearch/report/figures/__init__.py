"""Figures of a study, as pictures of one or more panels."""

from lossearch.report.figures.canvas import Panel, Picture, key, save, sheet, single, svg
from lossearch.report.figures.training import learning_curves, lr_sensitivity

__all__ = ["Panel", "Picture", "key", "learning_curves", "lr_sensitivity", "save", "sheet", "single", "svg"]
