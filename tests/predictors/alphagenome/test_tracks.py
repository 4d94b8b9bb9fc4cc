"""The right tracks: by what the metadata say, wherever they stand; columns of an answer by name."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pgxeval.errors import SettingError, TableError, UnknownNameError
from pgxeval.predictors.alphagenome.tracks import (
    BIN_WIDTHS_BP,
    alphagenome_track_table,
    answer_columns,
    check_output,
    choose_tissue,
)
from pgxeval.predictors.hosted.calls import BadAnswerError
from pgxeval.testing.alphagenome.tracks import AlphaGenomeTracks

TRACKS = AlphaGenomeTracks(seed=0)
METADATA = TRACKS.table("RNA_SEQ")
TABLE = alphagenome_track_table(METADATA, "RNA_SEQ")

# as the makers' metadata and GTEx name them; a sample of each kind, written down by hand
TERMS = {
    "Whole_Blood": "UBERON:0013756",
    "Cells_EBV-transformed_lymphocytes": "EFO:0000572",
    "Cells_Cultured_fibroblasts": "EFO:0002009",
    "Brain_Frontal_Cortex_BA9": "UBERON:0009834",
    "Brain_Cerebellum": "UBERON:0002037",
    "Brain_Spinal_cord_cervical_c-1": "UBERON:0006469",
    "Adipose_Visceral_Omentum": "UBERON:0010414",
    "Esophagus_Gastroesophageal_Junction": "UBERON:0004550",
    "Skin_Sun_Exposed_Lower_leg": "UBERON:0004264",
    "Small_Intestine_Terminal_Ileum": "UBERON:0001211",
    "Liver": "UBERON:0001114",
    "Thyroid": "UBERON:0002046",
    "Vagina": "UBERON:0000996",
}
ALL = sorted(set(METADATA["gtex_tissue"].dropna()))


def rows_of(**wanted: str) -> list[int]:
    keep = np.ones(len(METADATA), dtype=bool)
    for column, value in wanted.items():
        keep &= (METADATA[column] == value).to_numpy()
    return np.flatnonzero(keep).tolist()


def test_all_54_tissues_of_gtex_are_there() -> None:
    assert len(ALL) == 54
    for tissue, term in TERMS.items():
        assert rows_of(gtex_tissue=tissue) == rows_of(ontology_curie=term, data_source="gtex")


@pytest.mark.parametrize("shuffled", [None, 1, 2])
def test_each_tissue_is_its_gtex_track_by_name_and_by_term_wherever_it_stands(shuffled: int | None) -> None:
    metadata = METADATA if shuffled is None else METADATA.sample(frac=1, random_state=shuffled)
    table = alphagenome_track_table(metadata, "RNA_SEQ")
    tissues, sources = metadata["gtex_tissue"].tolist(), metadata["data_source"].tolist()
    terms = metadata["ontology_curie"].tolist()
    several = 0
    for tissue in ALL:
        (row,) = [at for at, name in enumerate(tissues) if name == tissue and sources[at] == "gtex"]
        several += terms.count(terms[row]) > 1
        for text in (tissue, tissue.upper(), terms[row], terms[row].lower(), f"RNA_SEQ:{terms[row]}"):
            choice = choose_tissue(table, text)
            assert choice.indices == (row,), text
            assert choice.requested == text
            assert choice.used == [{"index": row, "name": metadata["name"].iloc[row], "strand": "."}]
            assert choice.for_strand("+") == choice.for_strand("-") == (row,)
    assert several == 31  # the trap: a term is not a track


def test_a_table_without_sources_still_knows_gtex() -> None:
    metadata = METADATA.drop(columns="data_source")
    table = alphagenome_track_table(metadata, "RNA_SEQ")
    assert choose_tissue(table, "Brain_Frontal_Cortex_BA9").indices == tuple(
        rows_of(gtex_tissue="Brain_Frontal_Cortex_BA9")
    )


def test_a_cell_line_with_several_tracks_is_refused_with_their_list() -> None:
    rows = rows_of(biosample_name="GM12878")
    assert len(rows) == 5
    with pytest.raises(SettingError, match=r"'GM12878' matches 5 tracks") as refusal:
        choose_tissue(TABLE, "GM12878")
    for row in rows:
        assert f"{row} ({METADATA['name'][row]}, {METADATA['strand'][row]}, encode)" in str(refusal.value)
    for part in ("source=", "assay_title=", "tracks=", 'if_ambiguous="mean"'):
        assert part in str(refusal.value)
    total = choose_tissue(TABLE, "GM12878", assay_title="Total RNA-seq")
    assert sorted(total.indices) == rows_of(biosample_name="GM12878", **{"Assay title": "total RNA-seq"})
    assert total.for_strand("+") == tuple(
        rows_of(biosample_name="GM12878", strand="+", **{"Assay title": "total RNA-seq"})
    )
    mean = choose_tissue(TABLE, "EFO:0002784", if_ambiguous="mean")
    assert sorted(mean.indices) == rows
    assert sorted(mean.for_strand("-")) == [row for row in rows if METADATA["strand"][row] in "-."]


def test_source_and_assay_choose_among_tracks_of_a_term() -> None:
    term = "UBERON:0001114"
    assert len(rows_of(ontology_curie=term)) == 4
    encode = choose_tissue(TABLE, term, source="ENCODE", assay_title="total RNA-seq")
    assert sorted(encode.indices) == rows_of(
        ontology_curie=term, data_source="encode", **{"Assay title": "total RNA-seq"}
    )
    with pytest.raises(SettingError, match="matches 3 tracks"):
        choose_tissue(TABLE, term, source="encode")
    with pytest.raises(UnknownNameError, match=r"source='fantom'.*it has .*gtex"):
        choose_tissue(TABLE, term, source="fantom")
    with pytest.raises(UnknownNameError, match="assay_title='CAGE'"):
        choose_tissue(TABLE, term, assay_title="CAGE")


def test_a_name_of_gtex_finds_the_tracks_that_others_have_of_its_term() -> None:
    settings = {"source": "encode", "assay_title": "total RNA-seq"}
    by_name = choose_tissue(TABLE, "Brain_Frontal_Cortex_BA9", **settings)
    assert by_name.indices == choose_tissue(TABLE, "UBERON:0009834", **settings).indices
    assert by_name.requested == "Brain_Frontal_Cortex_BA9"


def test_k562_is_not_the_lymphoblastoid_line() -> None:
    lymphoblastoid = choose_tissue(TABLE, "Cells_EBV-transformed_lymphocytes")
    leukaemia = choose_tissue(TABLE, "EFO:0002067", if_ambiguous="mean")
    assert sorted(leukaemia.indices) == rows_of(biosample_name="K562")
    assert not set(lymphoblastoid.indices) & set(leukaemia.indices)
    assert choose_tissue(TABLE, "EFO:0000572").indices == lymphoblastoid.indices


def test_cage_is_matched_by_strand() -> None:
    metadata = TRACKS.table("CAGE")
    table = alphagenome_track_table(metadata, "CAGE")
    choice = choose_tissue(table, "EFO:0002784")
    for strand in "+-":
        (row,) = choice.for_strand(strand)
        assert metadata["name"][row] == "hCAGE EFO:0002784"
        assert metadata["strand"][row] == strand
        assert choice.paired([row]) == choice.for_strand("+-".replace(strand, ""))
    with pytest.raises(UnknownNameError):
        choose_tissue(table, "Whole_Blood")  # the blood of CAGE is another term
    with pytest.raises(UnknownNameError):
        choose_tissue(table, "UBERON:0013756")


@pytest.mark.parametrize(
    ("text", "near"), [("Whole_Bloood", "Whole_Blood"), ("Brain_Cortx", "Brain_Cortex"), ("GM12787", "GM12878")]
)
def test_unknown_tissues_are_told_near_names(text: str, near: str) -> None:
    with pytest.raises(UnknownNameError, match=f"'{text}'.*{near}"):
        choose_tissue(TABLE, text)


def test_the_table_says_what_the_metadata_say() -> None:
    assert TABLE["name"].tolist() == METADATA["name"].tolist()
    assert TABLE["strand"].tolist() == METADATA["strand"].tolist()
    assert TABLE["ontology"].tolist() == METADATA["ontology_curie"].tolist()
    assert TABLE["gtex_tissue"].tolist() == METADATA["gtex_tissue"].fillna("").tolist()
    assert TABLE["tissue"].tolist() == METADATA["biosample_name"].tolist()
    assert TABLE["assay_title"].tolist() == METADATA["Assay title"].tolist()
    assert set(TABLE["bin_width_bp"]) == {1}
    assert set(alphagenome_track_table(TRACKS.table("CHIP_HISTONE"), "CHIP_HISTONE")["bin_width_bp"]) == {128}
    for row, (strand, pair) in enumerate(zip(TABLE["strand"], TABLE["pair"], strict=True)):
        assert TABLE["name"][pair] == TABLE["name"][row]
        assert TABLE["strand"][pair] == {"+": "-", "-": "+", ".": "."}[strand]


def test_padding_and_the_index_are_of_no_account() -> None:
    padded = TRACKS.padded["RNA_SEQ"]
    assert (padded["name"].str.casefold() == "padding").sum() == 2
    pd.testing.assert_frame_equal(alphagenome_track_table(padded, "RNA_SEQ"), TABLE)
    moved = METADATA.set_index(np.arange(len(METADATA)) * 3 + 17)
    pd.testing.assert_frame_equal(alphagenome_track_table(moved, "RNA_SEQ"), TABLE)


def test_pairs_that_are_not_certain_are_not_named() -> None:
    metadata = pd.DataFrame({"name": ["a", "a", "b", "b", "b"], "strand": ["+", "-", "+", "+", "-"]})
    assert alphagenome_track_table(metadata, "CAGE")["pair"].tolist() == [1, 0, -1, -1, -1]


@pytest.mark.parametrize(
    ("metadata", "words"),
    [
        (pd.DataFrame({"name": ["a"]}), "must be a table with name and strand, got name"),
        (None, "got NoneType"),
        (["a"], "got list"),
        (pd.DataFrame({"name": ["Padding"], "strand": ["."]}), "name no track"),
        (pd.DataFrame({"name": [], "strand": []}), "name no track"),
    ],
)
def test_metadata_that_cannot_be_used_are_refused(metadata: Any, words: str) -> None:
    with pytest.raises(TableError, match=words):
        alphagenome_track_table(metadata, "RNA_SEQ")


def test_outputs_that_are_not_tracks_along_the_sequence_are_refused() -> None:
    for name in ("CONTACT_MAPS", "SPLICE_JUNCTIONS", "rna_seq", "RNA"):
        with pytest.raises(UnknownNameError, match=f"unknown output '{name}'"):
            check_output(name)
    assert [check_output(name) for name in BIN_WIDTHS_BP] == list(BIN_WIDTHS_BP)


# --- columns of an answer

WANTED = [("b", "+"), ("a", ".")]


def answer(**changed: Any) -> SimpleNamespace:
    """Four bins of 128 bp, three tracks, of which two are requested."""
    metadata = pd.DataFrame({"name": ["a", "b", "b"], "strand": [".", "+", "-"]}, index=[7, 2, 9])
    made = {"values": np.arange(12.0, dtype=np.float32).reshape(4, 3), "metadata": metadata, "resolution": 128}
    return SimpleNamespace(**{**made, **changed})


def test_columns_are_found_by_name_and_strand() -> None:
    found = answer_columns(answer(), WANTED, width_bp=128, length=512)
    assert found.tolist() == [[1, 0], [4, 3], [7, 6], [10, 9]]
    order = [2, 0, 1]
    turned = answer(values=answer().values[:, order], metadata=answer().metadata.iloc[order])
    assert answer_columns(turned, WANTED, width_bp=128, length=512).tolist() == found.tolist()


NAN, INFINITE = answer().values.copy(), answer().values.copy()
NAN[2, 0], INFINITE[0, 1] = np.nan, np.inf
ELSEWHERE = answer().values.copy()
ELSEWHERE[1, 2] = np.nan
TWICE = pd.DataFrame({"name": ["a", "b", "b"], "strand": [".", "+", "+"]})


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (None, "the output is absent"),
        (answer(values=np.zeros((3, 3))), r"expected shape \(4, 3\), got \(3, 3\)"),
        (answer(values=np.zeros((4, 2))), r"expected shape \(4, 3\), got \(4, 2\)"),
        (answer(values=np.zeros((4, 0)), metadata=answer().metadata[:0]), "of 2 tracks 2 are missing and 0 occur more"),
        (answer(values=np.zeros(4)), r"got \(4,\)"),
        (answer(resolution=1), "expected bins of 128 bp, got 1"),
        (answer(metadata=answer().metadata[["name"]]), "its tracks have no names"),
        (answer(metadata=TWICE), "0 are missing and 1 occur more than once"),
        (answer(metadata=answer().metadata.replace("b", "c")), "1 are missing and 0 occur"),
        (answer(values=NAN), "NaN or infinity in 1 places"),
        (answer(values=INFINITE), "NaN or infinity in 1 places"),
    ],
)
def test_answers_that_cannot_be_used_say_why(given: Any, words: str) -> None:
    with pytest.raises(BadAnswerError, match=words):
        answer_columns(given, WANTED, width_bp=128, length=512)


def test_what_is_not_read_may_be_nan() -> None:
    assert np.isfinite(answer_columns(answer(values=ELSEWHERE), WANTED, width_bp=128, length=512)).all()
