"""A cohort in a notebook: counts of exclusions, and names that are not read as HTML."""

from __future__ import annotations

from html.parser import HTMLParser

from pgxeval.cohort.exclusions import exclusions_table
from pgxeval.cohort.notebook import cohort_html


class Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.cells: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)

    def handle_data(self, data: str) -> None:
        self.cells.append(data)


def test_exclusions_are_counted_and_text_is_escaped() -> None:
    rows = [("gene", "G1", "constant <b>expression</b>"), ("gene", "G2", "constant <b>expression</b>")]
    reader = Reader()
    reader.feed(cohort_html("12 genes", exclusions_table(rows), ["a <script>note</script>"]))
    assert "script" not in reader.tags
    assert {"gene", "constant <b>expression</b>", "2", "a <script>note</script>"} <= set(reader.cells)
    reader = Reader()
    reader.feed(cohort_html("12 genes", exclusions_table(()), []))
    assert "Nothing was excluded." in reader.cells
