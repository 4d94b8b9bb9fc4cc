"""Evaluation: values of individuals as judged, tables as files, and the page in a notebook."""

from __future__ import annotations

import json
from pathlib import Path

import attrs
import numpy as np
import pandas as pd
import pytest

from pgxeval.cohort.expression import Expression
from pgxeval.errors import InputFileError, SettingError, UnknownNameError
from pgxeval.evaluation import Evaluator
from pgxeval.evaluation.evaluation import Evaluation
from pgxeval.evaluation.tables import TABLES
from pgxeval.genome.intervals import Gene

pytestmark = pytest.mark.filterwarnings("ignore:fewer than 5 effective genomic blocks")


@pytest.fixture(scope="module")
def made(top_variant):
    return top_variant(20, 50, replicates=1, seed=4)


@pytest.fixture(scope="module")
def evaluation(made):
    with pytest.warns(UserWarning, match="fewer than 5 effective"):
        return Evaluator(made.expression_table()).evaluate(made.predictions())


def test_observed_and_predicted_are_what_was_judged(made, evaluation) -> None:
    found = evaluation.observed_predicted("G0003", "top").set_index("individual").loc[made.people]
    np.testing.assert_array_equal(found["observed"], made.expression[3])
    np.testing.assert_array_equal(found["prediction"], made.prediction[0, 3])
    np.testing.assert_array_equal(found["predicted"], made.prediction[0, 3] - made.mean[0, 3])
    assert found["fold"].tolist() == made.fold.tolist()


def test_unknown_names_are_errors(evaluation) -> None:
    with pytest.raises(UnknownNameError, match="predictor other is not in the table; it has top"):
        evaluation.observed_predicted("G0003", "other")
    with pytest.raises(UnknownNameError, match="gene G9 is not in the predictions table"):
        evaluation.observed_predicted("G9", "top")


def test_settings_are_json_and_the_page_is_short(evaluation) -> None:
    settings = json.loads(json.dumps(evaluation.settings))
    assert settings["n_genes"] == 20
    assert settings["predictors"]["top"]["kind"] == "crossfit"
    assert repr(evaluation).startswith("Evaluation(20 genes, 50 individuals: top)\n\n")
    assert "<table" in evaluation._repr_html_()


def test_written_tables_come_back(evaluation, tmp_path: Path) -> None:
    folder = evaluation.write(tmp_path / "results" / "blood")
    again = Evaluation.read(folder)
    for name in TABLES:
        pd.testing.assert_frame_equal(getattr(again, name), getattr(evaluation, name))
        text = pd.read_csv(folder / f"{name}.tsv", sep="\t", keep_default_na=False)
        assert text.shape == getattr(evaluation, name).shape
        assert list(text.columns) == list(getattr(evaluation, name).columns)
    assert again.settings == json.loads(json.dumps(evaluation.settings))
    assert repr(again) == repr(evaluation)
    assert again._repr_html_() == evaluation._repr_html_()
    evaluation.to_html(tmp_path / "a.html", sections=["answer", "summary", "genes"])
    again.to_html(tmp_path / "b.html", sections=["answer", "summary", "genes"])
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()
    with pytest.raises(SettingError, match="holds no values of individuals"):
        again.observed_predicted("G0003", "top")
    # a second evaluation replaces the first; nothing else remains
    attrs.evolve(evaluation, per_gene=evaluation.per_gene[:3]).write(folder)
    assert len(Evaluation.read(folder).per_gene) == 3
    assert [path.name for path in folder.parent.iterdir()] == ["blood"]


def test_folders_with_other_files_are_left_alone(evaluation, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(InputFileError, match=r"already holds thesis.txt"):
        evaluation.write(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]
    (tmp_path / "file").write_text("")
    with pytest.raises(InputFileError, match="cannot be written"):
        evaluation.write(tmp_path / "file" / "below")


def test_damaged_folders_are_one_clear_error(evaluation, tmp_path: Path) -> None:
    with pytest.raises(InputFileError, match=r"does not exist; Evaluation.write makes it"):
        Evaluation.read(tmp_path / "nowhere")
    folder = evaluation.write(tmp_path / "kept")
    settings = (folder / "settings.json").read_text()
    (folder / "settings.json").write_text(settings.replace("pgxeval evaluation 1", "pgxeval evaluation 9"))
    with pytest.raises(InputFileError, match="expected the format 'pgxeval evaluation 1', got 'pgxeval evaluation 9'"):
        Evaluation.read(folder)
    (folder / "settings.json").write_text(settings)
    (folder / "summary.parquet").write_bytes(b"PAR1 cut off")
    with pytest.raises(InputFileError, match="not a complete evaluation"):
        Evaluation.read(folder)
    (folder / "settings.json").write_text("[]")
    with pytest.raises(InputFileError, match="not a complete evaluation"):
        Evaluation.read(folder)


def test_names_cannot_break_out_of_the_notebook_page(evaluation) -> None:
    nasty = "<script>alert(1)</script>"
    changed = attrs.evolve(evaluation, summary=evaluation.summary.assign(predictor=nasty, stratum=nasty))
    page = changed._repr_html_()
    assert "<script" not in page
    assert page.count("&lt;script&gt;") == 2 * len(evaluation.summary) + 1


def test_gene_symbols_are_in_the_table(made) -> None:
    genes = [
        Gene(
            gene_id=f"G{k:04d}",
            contig="chr1",
            start=k * 1_000_000,
            end=k * 1_000_000 + 1,
            name="SYMBOL3" if k == 3 else f"G{k:04d}",
        )
        for k in range(20)
    ]
    measured = Expression(genes=genes, individuals=made.people, values=made.expression)
    with pytest.warns(UserWarning, match="fewer than 5"):
        table = Evaluator(measured).evaluate(made.predictions()).per_gene
    assert table.columns.tolist()[:4] == ["predictor", "gene_id", "gene_name", "n"]
    assert table.set_index("gene_id")["gene_name"][["G0002", "G0003"]].tolist() == ["G0002", "SYMBOL3"]
