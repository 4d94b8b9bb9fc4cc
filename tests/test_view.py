"""Tables for reading: what is in them comes out in text and in HTML, and nothing else."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pandas as pd
import pytest

from pgxeval.errors import SettingError
from pgxeval.view import Column, TableView, cells

NASTY = "<script>alert(1)</script>"


def _view(names: tuple[str, ...] = ("a", "bb"), legend: tuple[str, ...] = ("a code",)) -> TableView:
    return TableView(
        title="A title",
        columns=(
            Column(title="name", cells=names, numeric=False),
            Column(title="value\n[interval]", cells=["1.0 [0.5, 1.5]", "12"]),
        ),
        legend=legend,
        table=pd.DataFrame({"x": [1, 2], "y": [3, 4]}),
    )


def test_text_is_aligned_and_ends_with_the_legend() -> None:
    assert _view().to_text(80).split("\n") == [
        "A title",
        "",
        "name           value",
        "          [interval]",
        "────  ──────────────",
        "a     1.0 [0.5, 1.5]",
        "bb                12",
        "",
        "a code",
    ]


def test_columns_that_do_not_fit_follow_in_blocks_with_the_first_column() -> None:
    many = TableView(
        title="t",
        columns=tuple(Column(title=f"column {k}", cells=["x" * 20, "y"]) for k in range(5)),
        table=pd.DataFrame(),
    )
    text = many.to_text(50)
    assert max(map(len, text.split("\n"))) <= 50
    assert [line.split("  ")[0].strip() for line in text.split("\n") if "column" in line]
    for k in range(5):
        assert text.count(f"column {k}") == (4 if k == 0 else 1)


def test_long_text_is_wrapped_in_its_cell() -> None:
    view = _view(names=("word " * 30, "bb"), legend=("legend " * 40,))
    assert max(map(len, view.to_text(80).split("\n"))) <= 80
    assert view.to_text(80).count("word") == 30


def test_html_is_escaped_and_has_all_cells() -> None:
    html = _view(names=(NASTY, "bb"), legend=(NASTY,)).to_html()
    assert "<script" not in html
    root = ET.fromstring(f"<div>{html.replace('<br>', ' ')}</div>")
    assert ["".join(cell.itertext()) for cell in root.iter("td")] == [NASTY, "1.0 [0.5, 1.5]", "bb", "12"]
    assert ["".join(head.itertext()) for head in root.iter("th")] == ["name", "value [interval]"]
    assert "style=" in html
    assert "color" not in html  # light and dark pages keep their own


def test_notebooks_and_terminals_display_it() -> None:
    view = _view()
    assert view._repr_html_() == view.to_html()
    assert repr(view) == str(view) == view.to_text()
    assert len(view) == 2
    assert view.table.shape == (2, 2)


def test_more_than_ten_columns_or_columns_of_different_length_are_errors() -> None:
    with pytest.raises(SettingError, match="at most 10 columns, got 11"):
        TableView(title="", columns=tuple(Column(title=str(k), cells=[]) for k in range(11)), table=pd.DataFrame())
    with pytest.raises(SettingError, match="same number of cells, got 'a' 1, 'b' 2"):
        TableView(
            title="",
            columns=(Column(title="a", cells=["1"]), Column(title="b", cells=["1", "2"])),
            table=pd.DataFrame(),
        )


def test_cells_are_written_row_by_row() -> None:
    frame = pd.DataFrame({"a": [1, 2], "b": ["x", "y"]})
    assert cells(frame, lambda a, b: f"{b}{a}", "a", "b") == ["x1", "y2"]
