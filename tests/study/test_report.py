"""The report leads through the five questions, and holds no individual."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pgxeval.errors import InputFileError, SettingError
from pgxeval.study import Study


def test_five_questions_in_their_order(study: Study, tmp_path: Path) -> None:
    text = study.to_html(tmp_path / "report.html", title="A & B").read_text()
    anchors = re.findall(r'<section id="([^"]+)"', text)
    assert anchors[:6] == ["answer", "direction", "nonlinear", "mechanism", "baseline", "ceiling"]
    assert "<h1>A &amp; B</h1>" in text
    for finding in study.answers:
        assert finding.question in text
        assert finding.answer in text.lower()
    assert text.count("<figure>") >= 8
    assert "SIM0012" not in text  # an individual


def test_a_study_that_was_read_gives_the_same_page_but_for_linkage(
    study: Study, study_folder: Path, tmp_path: Path
) -> None:
    again = Study.read(study_folder)
    page = again.to_html(tmp_path / "again.html").read_text()
    whole = study.to_html(tmp_path / "whole.html").read_text()
    without = [re.sub(r'src="data:[^"]*"', "", text) for text in (page, whole)]
    assert re.sub(r' (width|height)="\d+"', "", without[0]) == re.sub(r' (width|height)="\d+"', "", without[1])


def test_arguments(study: Study, tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="max_genes"):
        study.to_html(tmp_path / "report.html", max_genes=-1)
    with pytest.raises(InputFileError, match="folder that exists"):
        study.to_html(tmp_path / "nowhere" / "report.html")


def test_notebook(study: Study) -> None:
    html = study._repr_html_()
    assert "Study(2 tissue(s), 4 predictor(s), 14 gene-tissue pairs)" in html
    assert html.count("<tr>") == 5


def test_methods_cite_what_was_done(study: Study) -> None:
    text = study.methods
    cited = {
        int(number)
        for group in re.findall(r"\[([\d, ]+)\]", text.split("## Counts")[0])
        for number in group.split(", ")
    }
    listed = re.findall(r"^(\d+)\. ", text.split("## References")[1], flags=re.MULTILINE)
    assert cited == {int(number) for number in listed}
    assert "| individuals | brain |  | 45 |" in text
    assert '"permutations": 19' in text
    assert study.settings["tissues"]["blood"]["genome"]["genotypes"]["content"] in text
