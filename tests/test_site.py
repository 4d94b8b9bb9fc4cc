"""The checks of the built site find what they are for."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest

DOCS = Path(__file__).resolve().parents[1] / "docs"


@pytest.fixture(scope="module")
def check_site() -> ModuleType:
    spec = importlib.util.spec_from_file_location("check_site", DOCS / "check_site.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["check_site"] = module
    spec.loader.exec_module(module)
    return module


def _site(folder: Path, **pages: str) -> Path:
    for name, body in pages.items():
        (folder / f"{name}.html").write_text(f"<!doctype html><html><body>{body}</body></html>", encoding="utf-8")
    return folder


def test_links_that_lead_nowhere_are_found(check_site: ModuleType, tmp_path: Path) -> None:
    site = _site(
        tmp_path,
        a='<h1 id="top">A</h1><a href="b.html">b</a><a href="b.html#there">b</a><a href="https://example.org">x</a>'
        '<a href="#top">up</a><img src="picture.png"><a href="b.html#gone">b</a><a href="c.html">c</a>',
        b='<p id="there">B</p><a href="#nowhere">n</a>',
    )
    assert check_site.broken_links(site) == [
        "a.html: b.html#gone",
        "a.html: c.html",
        "a.html: picture.png",
        "b.html: #nowhere",
    ]


def test_searches_that_do_not_find_their_page_are_found(check_site: ModuleType, tmp_path: Path) -> None:
    names = sorted(set(check_site.SEARCHES.values()))
    number = {name: row for row, name in enumerate(names)}
    terms = {
        "sever": number["notebooks/several-tissues"],
        "tissu": [number["notebooks/several-tissues"], 0],
        "gradient": number["notebooks/scikit-learn"],
    }
    index = {"docnames": names, "terms": terms, "titleterms": {"cite": number["cite"]}}
    (tmp_path / "searchindex.js").write_text(f"Search.setIndex({json.dumps(index)})", encoding="utf-8")
    assert check_site.missing_searches(tmp_path) == ["gradient boosting: notebooks/scikit-learn does not have boosting"]


def test_every_page_that_is_looked_at_exists(check_site: ModuleType) -> None:
    assert len(check_site.PAGES) == 5
    for page in {*check_site.PAGES, *check_site.SEARCHES.values()}:
        assert (DOCS / f"{page}.md").is_file(), page


def test_pages_that_are_too_wide_are_found(check_site: ModuleType, tmp_path: Path) -> None:
    chromium = check_site.find_chromium()
    if chromium is None:
        pytest.skip("needs a Chromium")
    site = _site(
        tmp_path,
        wide='<div style="width:700px">wide</div>',
        scrolls='<div style="overflow-x:auto"><div style="width:700px">wide</div></div>',
    )
    wide = list(check_site.too_wide(site, ["wide", "scrolls"], [400], chromium, tmp_path / "pictures"))
    assert len(wide) == 1
    assert wide[0].startswith("wide at 400 px: 7")
    assert sorted(path.name for path in (tmp_path / "pictures").iterdir()) == ["scrolls-400.png", "wide-400.png"]
