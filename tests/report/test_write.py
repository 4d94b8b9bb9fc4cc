"""The page: one complete file, safe to open, clear about what it does not show, and the same bytes each time."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import attrs
import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest

from pgxeval.errors import InputFileError, SettingError, UnknownNameError
from pgxeval.evaluation import Evaluation
from pgxeval.evaluation.tables import STRUCTURE
from pgxeval.report import SECTIONS, write_report
from pgxeval.report.page import write_page
from pgxeval.wording import probability

NASTY = "<script>alert('gene')</script>"
VOID = {"meta", "img", "br"}


class Page(HTMLParser):
    """What a browser would see, as far as these tests care."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))
        assert not self.open

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {key: value or "" for key, value in attributes}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, tag

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] not in ("style", "script"):
            self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", "".join(self.words).replace("\xa0", " "))

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture(scope="module")
def path(evaluation: Evaluation, tmp_path_factory: pytest.TempPathFactory) -> Path:
    before = dict(mpl.rcParams)
    written = write_report(evaluation, tmp_path_factory.mktemp("report") / "report.html")
    assert dict(mpl.rcParams) == before
    return written


@pytest.fixture(scope="module")
def page(path: Path) -> Page:
    return Page(path)


def test_is_one_file_that_asks_for_nothing(path: Path, page: Page) -> None:
    assert [file.name for file in path.parent.iterdir()] == ["report.html"]
    html = path.read_text(encoding="utf-8")
    assert not {tag for tag, _ in page.tags} & {"link", "iframe", "object", "embed", "base", "form"}
    assert len(page.all("script")) == 1
    addresses = [value for _, attributes in page.tags for key, value in attributes.items() if key in ("src", "href")]
    assert addresses
    assert all(address.startswith(("data:image/svg+xml;base64,", "#")) for address in addresses)
    assert "http" not in re.sub(r"data:image/svg\+xml;base64,[A-Za-z0-9+/=]+", "", html).replace("http-equiv", "")
    assert "url(" not in html
    assert "@import" not in html
    assert not [key for _, attributes in page.tags for key in attributes if key.startswith("on")]


def test_identifiers_are_shown_as_text(path: Path, page: Page) -> None:
    assert NASTY in page.text
    assert 'zero "shot" & <b>' in page.text
    assert path.read_text(encoding="utf-8").count("<script") == 1
    assert not page.all("b")


def test_can_be_read_without_seeing_it(page: Page) -> None:
    assert page.all("html") == [{"lang": "en"}]
    assert page.all("title") == [{}]
    assert page.all("img")
    assert all(len(image["alt"]) > 30 for image in page.all("img"))
    assert all(head["scope"] in ("col", "row") for head in page.all("th"))
    assert page.all("th")
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert {link["href"][1:] for link in page.all("a")} <= set(ids)
    assert {attributes["aria-labelledby"] for attributes in page.all("section")} <= set(ids)


def test_sections_stand_in_their_order(page: Page) -> None:
    shown = [attributes["id"] for attributes in page.all("section")]
    assert shown == [name for name in SECTIONS if name not in ("tissues", "structure", "otherwise")]


def test_shows_no_individual_unless_asked(evaluation: Evaluation, path: Path, page: Page, tmp_path: Path) -> None:
    html = path.read_text(encoding="utf-8")
    assert "PERSON" not in html
    assert "LONELY" not in html
    assert "names withheld" in page.text
    assert "Single genes with one point per individual are not on this page" in page.text
    shown = Page(write_report(evaluation, tmp_path / "shown.html", show_individuals_of=True))
    assert "LONELY001" in shown.text
    assert len(shown.all("img")) == len(page.all("img")) + 4
    assert "treat it as you treat the data" in shown.text
    two = Page(write_report(evaluation, tmp_path / "two.html", show_individuals_of=["GENE00001", NASTY]))
    assert len(two.all("img")) == len(page.all("img")) + 2


def test_exclusions_are_counted(evaluation: Evaluation, page: Page) -> None:
    assert "undefined: constant prediction" in page.text
    assert "measured, but without any prediction" in page.text
    assert len(evaluation.exclusions) == 2


def test_says_settings_window_replicates_and_warns(page: Page) -> None:
    for words in (
        "cross-fitted in 5 folds; its cis window is 50,000 bp on either side of its TSS",
        "with 44 variants in the median fit (20 to 90)",
        "2 replicates on permuted expression",
        "Caution. Fewer replicates on permuted expression than the default of 20 for 40 genes",
        "versions.pgxeval",
        "block_bp",
        "Half is the reference of zero-shot predictors only",
        "Naive",
    ):
        assert words in page.text, words
    warned = [attributes for attributes in page.all("div") if attributes.get("class") == "warning"]
    assert len(warned) == 1


def test_numbers_of_the_tables_are_on_the_page(evaluation: Evaluation, page: Page) -> None:
    row = evaluation.summary.iloc[0]
    assert f"{row['mean_correlation']:.3f}" in page.text
    assert f"{100 * row['share_right']:.1f} %" in page.text
    pair = evaluation.concordance.iloc[0]
    assert f"Of {pair['n']} genes" in page.text or str(pair["both_right"]) in page.text
    best = evaluation.per_gene.sort_values("q_value").iloc[0]
    assert f"{best['spearman']:.3f}" in page.text


def test_genes_with_the_smallest_q_stand_first(evaluation: Evaluation, tmp_path: Path) -> None:
    written = Page(write_report(evaluation, tmp_path / "few.html", sections=["genes"], max_genes=5))
    smallest = evaluation.per_gene.groupby("gene_id")["q_value"].min()
    shown = re.findall(r"GENE\d{5}|<script>alert\('gene'\)</script>", written.text)
    assert len(shown) == 5
    assert smallest[shown].tolist() == sorted(smallest)[:5]
    assert "The 5 genes with the smallest q-value under any predictor, of 40" in written.text
    assert "evaluation.per_gene" in written.text


def test_same_evaluation_same_bytes(evaluation: Evaluation, path: Path, tmp_path: Path) -> None:
    again = write_report(evaluation, tmp_path / "again.html")
    assert again.read_bytes() == path.read_bytes()


def test_opens_no_socket(evaluation: Evaluation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object) -> None:
        raise AssertionError("a report opens no connection")

    monkeypatch.setattr(socket, "socket", refuse)
    write_report(evaluation, tmp_path / "report.html")


def test_twenty_thousand_genes_stay_a_small_page(evaluation: Evaluation, tmp_path: Path) -> None:
    copies = 500
    per_gene = pd.concat(
        [evaluation.per_gene.assign(gene_id=evaluation.per_gene["gene_id"] + f".{k}") for k in range(copies)],
        ignore_index=True,
    )
    noise = np.random.default_rng(0).normal(0, 0.1, len(per_gene))
    per_gene["correlation"] = (per_gene["correlation"] + noise).clip(-1, 1)
    strata = pd.concat(
        [evaluation.strata.assign(gene_id=evaluation.strata["gene_id"] + f".{k}") for k in range(copies)],
        ignore_index=True,
    )
    big = attrs.evolve(evaluation, per_gene=per_gene, strata=strata, settings={**evaluation.settings, "block_bp": 0})
    written = write_report(big, tmp_path / "big.html")
    assert written.stat().st_size < 3_000_000


def test_strata_on_the_same_individuals_are_labelled(page: Page) -> None:
    assert "N = naive: the stratum was defined with this predictor; not its performance" in page.text
    assert "S = same individuals: biased towards the definition of the stratum" in page.text
    assert "unpredictable N" in page.text


def test_the_paired_p_is_the_one_over_blocks_and_exact_ones_are_labelled(evaluation: Evaluation, page: Page) -> None:
    text = page.text
    pair = evaluation.concordance.iloc[1]
    shown = text[text.index("McNemar odds ratio of two predictors") : text.index("Other odds ratios, and exact tests")]
    assert probability(pair["mcnemar_over_reference_p"]) in shown
    exact = text.index("tests that assume independent genes")
    assert probability(pair["mcnemar_exact_p"]) in text[exact:]
    assert text.index("Other odds ratios, and exact tests") < exact
    assert "does not show that either has learned anything" in text


def test_attenuation_is_next_to_the_first_odds_ratio(page: Page) -> None:
    shown = page.text[page.text.index("McNemar odds ratio of two predictors") :]
    assert 0 < shown.index("Sampling noise pulls shares") < shown.index("Marginal odds ratio")


def test_odds_ratios_are_above_one_and_name_both_predictors(page: Page) -> None:
    shown = page.text[page.text.index("McNemar odds ratio of two predictors") :]
    assert "Of the genes at which exactly one of random_forest and elastic_net is right" in shown


def test_the_first_screen_has_one_number_per_question(evaluation: Evaluation, page: Page) -> None:
    cards = [attributes for attributes in page.all("article") if attributes.get("class") == "finding"]
    assert len(cards) == 5
    first = page.text[: page.text.index("Figure 1.")]
    assert f"{evaluation.summary['mean_correlation'][:3].max():.3f}" in first


def test_figures_and_tables_are_numbered_without_a_gap(path: Path) -> None:
    html = path.read_text(encoding="utf-8")
    figures = [int(number) for number in re.findall(r">Figure (\d+)\.", html)]
    assert figures == list(range(1, html.count("<figure>") + 1))
    assert len(figures) >= 6
    tables = [int(number) for number in re.findall(r">Table (\d+)\.", html)]
    assert tables == list(range(1, len(tables) + 1))


def test_genes_can_be_sorted_and_saved(page: Page) -> None:
    boxes = [attributes for attributes in page.all("div") if "sortable" in attributes.get("class", "")]
    assert [box["data-name"] for box in boxes] == ["genes"]


def test_results_with_and_without_components_of_the_genotypes(evaluation: Evaluation, tmp_path: Path) -> None:
    row = dict.fromkeys(STRUCTURE, 0.25) | {"predictor": "elastic_net", "adjustment": "2 components", "components": 2}
    found = attrs.evolve(evaluation, structure=pd.DataFrame([row], columns=list(STRUCTURE)))
    text = Page(write_report(found, tmp_path / "structure.html", sections=["structure", "glossary"])).text
    assert "results with and without components of the genotypes" in text


def test_other_evaluations_are_side_by_side(evaluation: Evaluation, tmp_path: Path) -> None:
    other = attrs.evolve(
        evaluation,
        summary=evaluation.summary.assign(mean_correlation=0.0123, mean_low=np.nan, mean_high=np.nan),
        settings={**evaluation.settings, "covariates": ["PC1", "PC2"]},
    )
    path = write_report(evaluation, tmp_path / "two.html", sections=["otherwise"], otherwise={"2 genotype PCs": other})
    shown = Page(path).text
    assert shown.index("as above") < shown.index("2 genotype PCs")
    assert shown.count("0.012") == 3


def test_an_evaluation_of_which_nothing_is_defined(make_evaluation: Callable[..., Evaluation], tmp_path: Path) -> None:
    whole = make_evaluation(11, 30, 0)
    nothing = attrs.evolve(
        whole,
        per_gene=whole.per_gene.assign(spearman=np.nan, q_value=np.nan),
        summary=whole.summary.assign(mean_correlation=np.nan, share_right=np.nan, median_correlation=np.nan),
    )
    text = Page(write_report(nothing, tmp_path / "report.html")).text
    assert "nothing can be said about any of them" in text


def test_sections_of_the_callers_own(evaluation: Evaluation, tmp_path: Path) -> None:
    truth = pd.DataFrame(
        {"kind": ["null", NASTY], "genes": [3, 20_000], "mean": [0.12345, np.nan], "good": [True, False]}
    )
    written = Page(
        write_report(
            evaluation,
            tmp_path / "report.html",
            title="Mine & <yours>",
            sections=["answer", "summary", "glossary"],
            extra={"Truth": [truth, "A `word` on it."], "Plain": "Only words."},
        )
    )
    assert [attributes["id"] for attributes in written.all("section")] == [
        "answer", "summary", "extra-0", "extra-1", "glossary",
    ]  # fmt: skip
    for words in ("Mine & <yours>", "Truth", NASTY, "20,000", "0.123", "True", "A word on it.", "Only words."):
        assert words in written.text


def test_to_html_of_an_evaluation(evaluation: Evaluation, path: Path, tmp_path: Path) -> None:
    assert evaluation.to_html(tmp_path / "report.html").read_bytes() == path.read_bytes()


def test_refuses_what_it_does_not_know(evaluation: Evaluation, tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=r"unknown section\(s\) sumary; allowed are answer"):
        write_report(evaluation, tmp_path / "report.html", sections=["sumary"])
    with pytest.raises(SettingError, match="max_genes must be 0 or more, got -1"):
        write_report(evaluation, tmp_path / "report.html", max_genes=-1)
    with pytest.raises(UnknownNameError, match="NOPE"):
        write_report(evaluation, tmp_path / "report.html", show_individuals_of=["NOPE"])
    with pytest.raises(InputFileError, match="folder that exists"):
        write_report(evaluation, tmp_path / "nowhere" / "report.html", sections=["glossary"])
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_leaves_the_old_page(
    evaluation: Evaluation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = tmp_path / "report.html"
    old.write_text("old")

    def fail(self: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(InputFileError, match="No space left"):
        write_report(evaluation, old, sections=["glossary"])
    assert old.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["report.html"]


def test_a_planted_link_is_replaced_and_the_page_is_for_its_owner(tmp_path: Path) -> None:
    target = tmp_path / "of_someone_else"
    target.write_text("untouched")
    page = tmp_path / "report.html"
    page.symlink_to(target)
    (tmp_path / ".report.html.partial").symlink_to(target)
    write_page(page, "<html></html>")
    assert target.read_text() == "untouched"
    assert not page.is_symlink()
    assert page.read_text() == "<html></html>"
    assert page.stat().st_mode & 0o777 == 0o600
