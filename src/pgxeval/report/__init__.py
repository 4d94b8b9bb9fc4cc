"""The report: an evaluation as one HTML page for a reader who did not run it."""

from pgxeval.report.write import SECTIONS, Content, write_report

__all__ = ["SECTIONS", "Content", "write_report"]


def __dir__() -> list[str]:
    return sorted(__all__)
