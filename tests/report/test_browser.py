"""The page in a real browser: nothing wider than a phone, links that lead somewhere, hostile names that do nothing."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from pgxeval.evaluation.evaluation import Evaluation
from pgxeval.report import write_report

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome") or ""
pytestmark = pytest.mark.skipif(not BROWSER, reason="needs Chromium")

# measures, sorts and filters after the page's own script has run
PROBE = """<script>window.alert = function () { window.alerted = 1; };
addEventListener("load", function () {
  var root = document.documentElement, broken = [], found = [];
  document.querySelectorAll(".contents a").forEach(function (link) {
    if (!document.getElementById(decodeURIComponent(link.hash.slice(1)))) { broken.push(link.hash); }
  });
  found.push("width=" + root.scrollWidth, "window=" + innerWidth);
  found.push("links=" + document.querySelectorAll(".contents a").length, "broken=" + broken.join());
  var table = document.querySelector(".sortable table");
  function rows() {
    return Array.prototype.filter.call(table.tBodies[0].rows, function (row) { return !row.hidden; });
  }
  function number(row) { return row.cells[4].innerText; }
  var head = table.tHead.rows[0].cells[4].querySelector("button");
  head.click();
  found.push("ascending=" + rows().map(number).join(";"));
  head.click();
  found.push("descending=" + rows().map(number).join(";"));
  var filter = document.querySelector(".tools input");
  filter.value = "gene0000";
  filter.dispatchEvent(new Event("input"));
  found.push("filtered=" + rows().length, "alerts=" + (window.alerted || 0));
  parent.postMessage(found.join("|"), "*");
});</script>"""

# a headless window is never narrower than 500 pixels, a frame is
FRAME = """<!DOCTYPE html><title>none</title><body style="margin:0">
<script>addEventListener("message", function (event) { document.title = event.data; });</script>
<iframe src="probe.html" style="border:0;width:%dpx;height:900px"></iframe>"""


def _run(*arguments: str, folder: Path) -> str:
    command = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder / 'profile'}"]
    done = subprocess.run([*command, *arguments], capture_output=True, text=True, timeout=120, check=True)
    return done.stdout


def _measure(page: Path, width: int) -> dict[str, str]:
    html = page.read_text(encoding="utf-8")
    html = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", html)
    (page.parent / "probe.html").write_text(html.replace("<head>", "<head>" + PROBE), encoding="utf-8")
    frame = page.parent / f"frame{width}.html"
    frame.write_text(FRAME % width, encoding="utf-8")
    budget = ("--virtual-time-budget=5000", "--dump-dom", "--window-size=1500,1000")
    title = re.search(r"<title>(.*?)</title>", _run(*budget, frame.as_uri(), folder=page.parent), flags=re.DOTALL)
    assert title is not None
    return dict(part.split("=", 1) for part in title[1].split("|"))


@pytest.fixture(scope="module")
def page(evaluation: Evaluation, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("browser") / "report.html"
    return write_report(evaluation, path, show_individuals_of=["GENE00001"])


@pytest.mark.parametrize("width", [400, 1400])
def test_nothing_is_wider_than_the_window(page: Path, width: int) -> None:
    found = _measure(page, width)
    assert int(found["window"]) == width
    assert int(found["width"]) <= width
    assert int(found["links"]) >= 8
    assert found["broken"] == ""
    assert found["alerts"] == "0"


def test_genes_sort_by_number_and_filter(page: Path) -> None:
    found = _measure(page, 1000)
    ascending = [float(cell) for cell in found["ascending"].split(";") if cell != "–"]
    assert len(ascending) > 30
    assert ascending == sorted(ascending)
    assert [float(cell) for cell in found["descending"].split(";") if cell != "–"] == ascending[::-1]
    assert found["filtered"] == "9"


def test_the_policy_of_the_page_lets_its_own_script_run(page: Path) -> None:
    html = _run("--virtual-time-budget=3000", "--dump-dom", page.as_uri(), folder=page.parent)
    assert "Download TSV" in html
    assert 'class="tools"' in html


def test_a_print_needs_few_pages(page: Path) -> None:
    target = page.parent / "report.pdf"
    _run("--no-pdf-header-footer", f"--print-to-pdf={target}", page.as_uri(), folder=page.parent)
    pages = len(re.findall(rb"/Type\s*/Page\b", target.read_bytes()))
    assert 4 <= pages <= 16


def test_no_printed_page_but_the_last_is_mostly_empty(page: Path) -> None:
    pdfium = pytest.importorskip("pypdfium2", reason="reads the print")
    target = page.parent / "report.pdf"
    _run("--no-pdf-header-footer", f"--print-to-pdf={target}", page.as_uri(), folder=page.parent)
    filled, inked = [], []
    for sheet in pdfium.PdfDocument(target):
        grey = sheet.render(scale=0.4, grayscale=True).to_numpy().squeeze()
        rows, columns = np.flatnonzero((grey < 250).any(axis=1)), np.flatnonzero((grey < 250).any(axis=0))
        filled.append((rows[-1] + 1) / grey.shape[0])
        inked.append((columns[0] / grey.shape[1], (columns[-1] + 1) / grey.shape[1]))
    # a figure that does not fit moves to the next page
    assert min(filled[:-1]) > 0.5
    assert np.mean(filled[:-1]) > 0.75
    # nothing is cut off at the edges of the paper
    assert min(left for left, _ in inked) > 0.02
    assert max(right for _, right in inked) < 0.98
