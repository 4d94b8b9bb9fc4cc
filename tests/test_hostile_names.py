"""Names that are HTML or TeX: every object that a notebook shows, and every report, opened in a real browser."""

from __future__ import annotations

import ast
import base64
import json
import re
import shutil
import subprocess
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import attrs
import numpy as np
import pandas as pd
import pytest

from pgxeval import run_study
from pgxeval.cohort import Cohort
from pgxeval.errors import PgxevalWarning
from pgxeval.evaluation import Evaluator, MechanismSettings, NonadditivitySettings
from pgxeval.genome import Gene, Interval, PersonalGenome
from pgxeval.genome.formats.memory import InMemoryGenotypes
from pgxeval.prediction import plan, predict_cohort
from pgxeval.predictors import CisVariants, ElasticNetPredictor
from pgxeval.predictors.sequence.plan import Plan
from pgxeval.seeding import hash64
from pgxeval.study import StudySettings
from pgxeval.view import Column, TableView

ROOT = Path(__file__).resolve().parents[1]
BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome") or ""
pytestmark = pytest.mark.skipif(not BROWSER, reason="needs Chromium")

ALERT = "window.top.alerted=1"
NAMES = (
    f"<script>{ALERT}</script>",
    f'"><img src=x onerror={ALERT}>',
    f"'><svg onload={ALERT}>",
    f"</style></title><script>{ALERT}</script>",
    "&lt;i&gt; {0} %s",
    "$\\frac{x$ _a_ `b` **c** $y$",
    "]]>--><!--",
    "a\u202eb\u2028c",
)
VARIANTS = CisVariants(flank_bp=5_000, around="tss", min_minor_alleles=3)


class Shown(Protocol):
    """What a notebook can show."""

    def _repr_html_(self) -> str: ...


@attrs.frozen
class RandomWeights:
    """A zero-shot predictor that fails at one gene, with a hostile reason."""

    name: str
    failing: str

    def predict(self, gene: Gene, genome: PersonalGenome, individuals: Sequence[str]) -> np.ndarray:
        if gene.gene_id == self.failing:
            raise ValueError(NAMES[0])
        dosages = genome.dosages(gene.cis_window(5_000, "tss"), individuals).values.astype(float)
        return dosages @ np.random.default_rng(hash64(self.name, gene.gene_id) % 2**32).normal(size=dosages.shape[1])


@pytest.fixture(scope="module")
def cohort() -> Cohort:
    """Eight genes, 60 individuals and a contig with hostile names."""
    random = np.random.default_rng(1)
    people = tuple(f"{name} {k}" for k in range(8) for name in NAMES)[:60]
    contig = NAMES[0]
    genes, blocks, expression = [], [], []
    for k, name in enumerate(NAMES):
        tss = 100_000 + 6_000_000 * k
        starts = tss + np.sort(random.choice(np.arange(-4_000, 4_000), 12, replace=False)).astype(np.int64)
        haplotypes = (random.random((12, 60, 2)) < 0.3).astype(np.int8)
        blocks.append((starts, ("A",) * 12, ("C",) * 12, haplotypes))
        genes.append(
            Gene(gene_id=name, name=f"{name} symbol", contig=contig, start=tss, end=tss + 100, strand="+", tss=tss)
        )
        expression.append(haplotypes.sum(axis=2)[5] * (k + 1) / 4 + random.normal(size=60))
    source = InMemoryGenotypes.from_haplotypes(people, {contig: blocks})
    return Cohort(
        genome=PersonalGenome(attrs.evolve(source, path=NAMES[1])),
        genes=tuple(genes),
        expression=np.array(expression),
        individuals=people,
        exclusions=pd.DataFrame({"kind": ["gene"], "name": [NAMES[0]], "reason": [NAMES[1]]}),
        notes=(NAMES[2],),
    )


def _opened(page: Path, folder: Path) -> dict[str, Any]:
    """Open a page in a frame and return whether a script ran, elements with handlers, its text, and its scripts."""
    probe = """<script>addEventListener("load", function () { setTimeout(function () {
      var handlers = [];
      document.querySelectorAll("*").forEach(function (one) {
        for (var k = 0; k < one.attributes.length; k++) {
          if (one.attributes[k].name.slice(0, 2) == "on") { handlers.push(one.outerHTML.slice(0, 200)); }
        }
      });
      parent.postMessage(JSON.stringify({
        handlers: handlers, scripts: document.scripts.length, italics: document.querySelectorAll("i").length,
        text: document.body.textContent,
        broken: Array.prototype.filter.call(document.images, function (i) { return !i.naturalWidth; }).length
      }), "*");
    }, 300); });</script>"""
    html = page.read_text(encoding="utf-8")
    html = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", html)
    (folder / "probe.html").write_text(html.replace("<head>", "<head>" + probe, 1), encoding="utf-8")
    (folder / "frame.html").write_text(
        "<!DOCTYPE html><meta charset=utf-8><pre></pre><script>addEventListener('message', function (event) {"
        "document.querySelector('pre').textContent = btoa(unescape(encodeURIComponent("
        "(window.alerted ? 'alerted' : 'quiet') + event.data))); });"
        '</script><iframe src="probe.html" style="width:900px;height:900px"></iframe>',
        encoding="utf-8",
    )
    done = subprocess.run(
        [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--allow-file-access-from-files",
         f"--user-data-dir={folder / 'profile'}", "--virtual-time-budget=5000", "--dump-dom",
         (folder / "frame.html").as_uri()],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    answer = re.search(r"<pre>(.*?)</pre>", done.stdout, flags=re.DOTALL)
    assert answer is not None
    words = base64.b64decode(answer[1]).decode()
    found: dict[str, Any] = json.loads(words.removeprefix("alerted").removeprefix("quiet"))
    found["alerted"] = words.startswith("alerted")
    found["text"] = found["text"].replace("\xa0", " ")  # what keeps a number and its sign on one line
    return found


def _inert(found: dict[str, Any], scripts: int) -> None:
    assert not found["alerted"]
    assert found["handlers"] == []
    assert found["scripts"] == scripts
    assert found["italics"] == 0
    assert found["broken"] == 0


def _classes_shown() -> set[str]:
    """Names of the classes of the library that define `_repr_html_`."""
    names = set()
    for file in (ROOT / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef) and any(
                isinstance(one, ast.FunctionDef) and one.name == "_repr_html_" for one in node.body
            ):
                names.add(node.name)
    return names


def test_the_probe_notices_what_runs(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text("<html><head></head><body>" + "".join(NAMES[:3]) + "<i>x</i></body></html>", encoding="utf-8")
    found = _opened(page, tmp_path)
    assert found["alerted"]
    assert len(found["handlers"]) == 2
    assert found["italics"] == 1


def test_everything_that_a_notebook_shows_and_both_reports(cohort: Cohort, tmp_path: Path) -> None:
    predictors = [
        ElasticNetPredictor(cis_variants=VARIANTS, inner_folds=3),
        *(RandomWeights(" ".join(names), NAMES[7]) for names in (NAMES[1::4], NAMES[3::4])),
    ]
    settings = StudySettings(
        folds=3, replicates=1, cis_variants=VARIANTS, max_attributed=0, mechanism=MechanismSettings(draws=19),
        nonadditivity=NonadditivitySettings(permutations=19),
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PgxevalWarning)
        study = run_study({NAMES[3]: cohort}, predictors, tmp_path / "study", settings=settings, workers=1)
        stored = predict_cohort(cohort, predictors[1:], store=tmp_path / "store", workers=1, progress=False)
        predictions = stored.load()
        evaluation = Evaluator(cohort, threads=1).evaluate(predictions)
        run_plan = plan(cohort, predictors, timed_genes=0)
    genome = cohort.genome
    window = Interval(NAMES[0], 96_000, 104_000)
    (tmp_path / "r.fa").write_text(f">{NAMES[0]}\n{'A' * 110_000}\n")
    haplotypes = PersonalGenome(genome.source, tmp_path / "r.fa").haplotypes(window)
    sequence_plan = Plan(
        genes=pd.DataFrame({"gene_id": NAMES, "reason": NAMES}).assign(haplotypes=4, distinct=2, cached=0, calls=2),
        individuals=3, calls_per_minute=None, compared=pd.DataFrame({"reason": NAMES}),
    )  # fmt: skip
    shown: list[Shown] = [
        study, stored, predictions, evaluation, run_plan, sequence_plan, cohort, genome, window, *cohort.genes,
        genome.dosages(window), haplotypes,
        TableView(title=NAMES[0], columns=(Column(title=NAMES[1], cells=NAMES),), legend=NAMES, table=pd.DataFrame()),
    ]  # fmt: skip
    defining = (next(kind for kind in type(one).__mro__ if "_repr_html_" in vars(kind)) for one in shown)
    assert {kind.__name__ for kind in defining} == _classes_shown()

    page = tmp_path / "shown.html"
    body = "".join(f"<div>{one._repr_html_()}</div>" for one in shown)
    page.write_text(f"<html><head><meta charset=utf-8></head><body>{body}</body></html>", encoding="utf-8")
    found = _opened(page, tmp_path)
    _inert(found, scripts=1)  # the probe
    for name in NAMES:
        assert name in found["text"], name

    for one in (evaluation, study):
        found = _opened(one.to_html(tmp_path / "report.html", title=NAMES[3]), tmp_path)
        _inert(found, scripts=2)  # that of the page, and the probe
        for name in NAMES:
            assert name in found["text"], name
