"""HTML pieces: nothing from data reaches the page unescaped, and equal figures are equal bytes."""

from __future__ import annotations

import base64
import re
from html import unescape
from xml.etree import ElementTree as ET

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgxeval import plots
from pgxeval.evaluation.evaluation import Evaluation
from pgxeval.evaluation.tables import SUMMARY
from pgxeval.report import markup
from pgxeval.view import Column


@given(st.text())
def test_text_comes_back_from_the_page_and_holds_no_markup(words: str) -> None:
    escaped = markup.text(words)
    assert not set(escaped) & set("<>\"'")
    assert unescape(escaped).replace("\xa0", " ") == words.replace("\xa0", " ").replace("\x00", "\ufffd")


@pytest.mark.parametrize("write", [markup.inline, markup.paragraph, lambda w: markup.bullets([w]), markup.warning])
def test_every_piece_escapes(write: object) -> None:
    html = write("<img src=x onerror=alert(1)> & `<b>`")  # type: ignore[operator] # one of four functions
    assert "<img" not in html
    assert "&lt;img src=x onerror=alert(1)&gt; &amp; <code>&lt;b&gt;</code>" in html


def test_table_is_what_it_was_given() -> None:
    html = markup.table(
        [
            Column(title="Gene <id>", cells=["<script>", "b"], numeric=False),
            Column(title="Number", cells=["1.0\n0.5 to 2.0", "–"]),
        ],
        'A "caption"',
    )
    assert "<script>" not in html
    root = ET.fromstring(html.replace("<br>", "<br/>").replace(markup.TABLE_NUMBER, "1"))
    assert [(th.get("scope"), th.text) for th in root.iter("th")] == [
        ("col", "Gene <id>"),
        ("col", "Number"),
        ("row", "<script>"),
        ("row", "b"),
    ]
    assert [list(td.itertext()) for td in root.iter("td")] == [["1.0", "0.5 to 2.0"], ["–"]]
    assert "".join(root.find("p").itertext()) == 'Table 1. A "caption"'  # type: ignore[union-attr] # it has a caption


def test_table_refuses_columns_of_different_length() -> None:
    with pytest.raises(ValueError, match="shorter"):
        markup.table([Column(title="a", cells=["1", "2"]), Column(title="b", cells=["1"])], "")


def _figure(genes: int = 30, predictor: str = "a") -> str:
    per_gene = pd.DataFrame(
        {"predictor": predictor, "gene_id": range(genes), "correlation": [k / genes for k in range(genes)]}
    )
    summary = pd.DataFrame(
        {"predictor": [predictor], "stratum": "all", "share_right": 0.6, "reference_share": 0.5}, columns=list(SUMMARY)
    )
    nothing = pd.DataFrame()
    evaluation = Evaluation(
        summary=summary,
        per_gene=per_gene,
        concordance=nothing,
        comparison=nothing,
        strata=nothing,
        exclusions=nothing,
        settings={},
    )
    return markup.figure(
        plots.correlation_distribution(evaluation), alt='An "alt" <text>', caption="A caption.", title="A <title>"
    )


def test_figure_is_an_inline_image_with_alternative_text() -> None:
    html = _figure()
    assert 'alt="An &quot;alt&quot; &lt;text&gt;"' in html
    assert "A &lt;title&gt;" in html
    found = re.search(r'src="data:image/svg\+xml;base64,([^"]+)"', html)
    assert found is not None
    drawing = ET.fromstring(base64.b64decode(found[1]))
    assert drawing.tag.endswith("svg")
    ids = [element.get("id") for element in drawing.iter() if element.get("id")]
    assert len(ids) == len(set(ids))
    uses = [value[1:] for element in drawing.iter() for key, value in element.items() if key.endswith("href")]
    assert uses
    assert set(uses) <= set(ids)
    clips = re.findall(r"url\(#([^)]+)\)", ET.tostring(drawing, encoding="unicode"))
    assert set(clips) <= set(ids)


def test_equal_figures_are_equal_bytes() -> None:
    assert _figure() == _figure()
    assert _figure() != _figure(31)


def test_characters_that_the_font_lacks_do_no_harm() -> None:
    assert "data:image" in _figure(predictor="模型")
