"""The parts of a report, each made from the records that are there."""

from lossearch.report.sections.assemble import make_report

__all__ = ["make_report"]
