"""The page: numbered, linked, filled in once, and with one script that its own policy allows."""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path

import pytest

from pgxeval.errors import InputFileError
from pgxeval.report import markup
from pgxeval.report.page import Section, page, write_page
from pgxeval.view import Column


def _page(*sections: Section) -> str:
    return page(title="$title & <b>", subtitle="sub `code`", sections=sections, footer="foot")


def test_the_page_is_filled_in_and_nothing_else_is_replaced() -> None:
    html = _page(Section(anchor="answer", heading="An <answer>", body="<p>5 $ of $footer</p>"))
    assert html.count("$title &amp; &lt;b&gt;") == 2
    assert "<p>5 $ of $footer</p>" in html
    assert '<section id="answer" aria-labelledby="answer-h"><h2 id="answer-h">An &lt;answer&gt;</h2>' in html
    assert html.startswith("<!DOCTYPE html>")


def test_figures_and_tables_are_numbered_in_their_order() -> None:
    table = markup.table([Column(title="a", cells=["x"])], "Caption")
    mark = markup.FIGURE_NUMBER
    html = _page(
        Section(anchor="a", heading="A", body=f"<i>Figure {mark}</i>{table}"),
        Section(anchor="b", heading="B", body=f"<i>Figure {mark}</i>{table}<i>Figure {mark}</i>"),
    )
    assert re.findall(r"<i>Figure (\S+)</i>", html) == ["1", "2", "3"]
    assert re.findall(r"Table (\d+)\.", html) == ["1", "2"]
    assert "\x00" not in html


def test_text_from_data_cannot_be_taken_for_a_number() -> None:
    html = _page(Section(anchor="a", heading="A", body=markup.paragraph(markup.FIGURE_NUMBER)))
    assert "\ufffdfigure\ufffd" in html


def test_contents_link_to_every_section_and_set_the_appendix_apart() -> None:
    html = _page(
        Section(anchor="a", heading="A <1>", body=""),
        Section(anchor="b", heading="B", body="", appendix=True),
        Section(anchor="c", heading="C", body="", appendix=True),
    )
    assert '<li><a href="#a">A &lt;1&gt;</a></li><li class="appendix"><a href="#b">B</a></li><li><a href="#c">' in html
    with pytest.raises(ValueError, match="anchor"):
        Section(anchor="a b", heading="", body="")


def test_the_policy_allows_the_script_of_the_page_and_no_other() -> None:
    html = _page()
    scripts = re.findall(r"<script>(.*?)</script>", html, flags=re.DOTALL)
    assert len(scripts) == 1
    digest = base64.b64encode(hashlib.sha256(scripts[0].encode()).digest()).decode()
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', html)
    assert policy is not None
    assert f"script-src 'sha256-{digest}'" in policy[1]
    assert policy[1].startswith("default-src 'none'")
    assert "http" not in scripts[0]


def test_a_page_appears_complete_or_not_at_all(tmp_path: Path) -> None:
    assert write_page(tmp_path / "page.html", "<p>").read_text() == "<p>"
    with pytest.raises(InputFileError, match="folder that exists"):
        write_page(tmp_path / "nowhere" / "page.html", "<p>")
    assert [file.name for file in tmp_path.iterdir()] == ["page.html"]
