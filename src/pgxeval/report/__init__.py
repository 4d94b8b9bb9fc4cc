"""The report: one HTML page from an evaluation, for a reader who was not there when it ran."""

from pgxeval.report.write import SECTIONS, write_report

__all__ = ["SECTIONS", "write_report"]


def __dir__() -> list[str]:
    return sorted(__all__)
