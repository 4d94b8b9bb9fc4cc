"""Text tables: separators, quotes, remarks and the spellings of a missing value."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from pgxeval.cohort.text_tables import is_missing, number_from_text, split_lines


@pytest.mark.parametrize("separator", ["\t", ";", ","])
def test_the_first_separator_of_the_header_divides_all_lines(tmp_path: Path, separator: str) -> None:
    path = tmp_path / "table.txt"
    rows = [["name", "age group", "x"], ["ann", "old, rich" if separator != "," else "old", "1.5"]]
    path.write_text("## made by hand\n# a remark\n" + "\n".join(separator.join(row) for row in rows) + "\n\n")
    assert list(split_lines(path, "table")) == [(3, rows[0]), (4, rows[1])]


def test_blanks_quotes_and_empty_fields_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "table.txt"
    path.write_text('"id"  "sex"\n"ann smith"   1\n')
    assert [fields for _, fields in split_lines(path, "table")] == [["id", "sex"], ["ann smith", "1"]]
    path.write_text("id\tsex\nann\t1\t\t\n")
    assert [fields for _, fields in split_lines(path, "table")] == [["id", "sex"], ["ann", "1"]]


def test_numbers_are_those_of_python_without_underscores() -> None:
    assert number_from_text(" 1e-3 ") == 0.001
    assert all(is_missing(text) and math.isnan(number_from_text(text)) for text in ("", "NA", " n/a ", ".", "NULL"))
    for text in ("1_000", "one", "1,5"):
        with pytest.raises(ValueError, match=text.replace(",", ".")):
            number_from_text(text)
