"""A plain re-implementation gives the expected numbers; the tables have the traps of the real ones."""

from __future__ import annotations

import numpy as np
import pytest

from pgxeval.errors import UnknownNameError
from pgxeval.testing.alphagenome.tracks import AlphaGenomeTracks

LENGTH = 16_384
BLOOD, DLPFC, LCL = "UBERON:0013756", "UBERON:0009834", "EFO:0002784"


def random_sequence(seed: int, length: int) -> str:
    return "".join(np.random.default_rng(seed).choice(list("ACGTN"), length))


SEQUENCE = random_sequence(0, LENGTH)


@pytest.fixture(scope="module")
def tracks() -> AlphaGenomeTracks:
    return AlphaGenomeTracks(seed=3)


def by_hand(tracks: AlphaGenomeTracks, sequence: str, output: str, row: int) -> list[float]:
    weights = tracks.weights(output)[row]
    values = []
    for i in range(len(sequence)):
        around = [sequence[j] if 0 <= j < len(sequence) else "N" for j in range(i - 2, i + 3)]
        total = sum(int(weights[place]["NACGT".index(letter)]) for place, letter in enumerate(around))
        values.append(total * total / 256)
    return values


@pytest.mark.parametrize("output", ["RNA_SEQ", "CAGE"])
def test_values_are_what_the_definition_says(output: str) -> None:
    tracks = AlphaGenomeTracks(seed=5)
    sequence = random_sequence(1, 60)
    for row in (0, 7):
        assert tracks.values(sequence, output)[:, row].tolist() == by_hand(tracks, sequence, output, row)


def test_the_fast_way_equals_the_plain_one() -> None:
    tracks = AlphaGenomeTracks(seed=5)
    sequence = random_sequence(2, 1_000) + "acgtn"
    for output in ("RNA_SEQ", "CAGE", "ATAC", "DNASE", "CHIP_HISTONE"):
        plain = tracks.values(sequence, output)
        assert np.array_equal(tracks.answer(sequence, output), plain)
        assert np.array_equal(tracks.answer(sequence, output, np.array([1, 0])), plain[:, [1, 0]])
    assert tracks.values(sequence, "CHIP_HISTONE").shape == (7, 6)
    by_bin = np.reshape(by_hand(tracks, sequence[:896], "CHIP_HISTONE", 2), (7, 128)).mean(axis=1)
    # the bin at the cut sees two bases more than the copy that was cut there
    assert tracks.values(sequence, "CHIP_HISTONE")[:6, 2].tolist() == by_bin[:6].astype(np.float32).tolist()


def test_each_base_is_felt_and_indels_move_what_follows(tracks: AlphaGenomeTracks) -> None:
    rng = np.random.default_rng(0)
    whole = tracks.values(SEQUENCE, "RNA_SEQ")
    assert whole.dtype == np.float32
    assert (whole >= 0).all()
    for at in rng.integers(2, LENGTH - 2, 20):
        other = "ACGT".replace(SEQUENCE[at], "")[int(rng.integers(3))]
        changed = tracks.values(SEQUENCE[:at] + other + SEQUENCE[at + 1 :], "RNA_SEQ")
        assert ((changed != whole).all(axis=1).nonzero()[0] == np.arange(at - 2, at + 3)).all()
        assert ((changed != whole).any(axis=1).nonzero()[0] == np.arange(at - 2, at + 3)).all()
        assert (changed.sum(axis=0, dtype=np.float64) != whole.sum(axis=0, dtype=np.float64)).all()
    deleted = tracks.values(SEQUENCE[:5_000] + SEQUENCE[5_007:], "RNA_SEQ")
    assert np.array_equal(deleted[5_002:], whole[5_009:])
    assert np.array_equal(tracks.values("N" * 100, "RNA_SEQ"), np.zeros((100, whole.shape[1])))


def test_no_two_tracks_are_equal_and_the_seed_matters(tracks: AlphaGenomeTracks) -> None:
    values = tracks.values(SEQUENCE, "RNA_SEQ")
    assert len(np.unique(values.sum(axis=0, dtype=np.float64))) == values.shape[1]
    assert not np.isin(values[9], AlphaGenomeTracks(seed=4).values(SEQUENCE, "RNA_SEQ")[9]).all()


def test_metadata_have_the_traps_of_the_real_ones(tracks: AlphaGenomeTracks) -> None:
    table = tracks.table("RNA_SEQ")
    gtex = table[table["data_source"] == "gtex"]
    assert gtex["gtex_tissue"].nunique() == len(gtex) == 54
    assert set(gtex["strand"]) == {"."}
    assert not table["name"].is_unique
    assert not table.duplicated(["name", "strand"]).any()
    terms = table[table["ontology_curie"].isin(gtex["ontology_curie"])].groupby("ontology_curie")["data_source"]
    sizes = terms.size()
    assert (sizes == 1).sum() == 54 - 31
    assert sizes[BLOOD] == sizes["EFO:0000572"] == 1
    places = terms.agg(lambda sources: sources.tolist().index("gtex"))[sizes > 1]
    assert set(places) == {0, 1, 2}
    dlpfc = table[table["ontology_curie"] == DLPFC]
    assert sorted(zip(dlpfc["data_source"], dlpfc["strand"], strict=True)) == [
        ("encode", "+"),
        ("encode", "-"),
        ("gtex", "."),
    ]
    lcl = table[table["ontology_curie"] == LCL]
    assert sorted(lcl["Assay title"] + lcl["strand"]) == sorted(
        [*(f"polyA plus RNA-seq{strand}" for strand in "+-."), *(f"total RNA-seq{strand}" for strand in "+-")]
    )
    cage = tracks.table("CAGE")
    assert cage.loc[cage["ontology_curie"] == LCL, "strand"].tolist() == ["+", "-"]
    assert {"histone_mark"} <= set(tracks.table("CHIP_HISTONE"))
    with pytest.raises(UnknownNameError, match="PROCAP"):
        tracks.table("PROCAP")
    table.loc[0, "name"] = "changed"
    assert tracks.table("RNA_SEQ").loc[0, "name"] != "changed"


def test_terms_are_the_published_ones(tracks: AlphaGenomeTracks) -> None:
    table = tracks.table("RNA_SEQ").dropna(subset="gtex_tissue").set_index("gtex_tissue")["ontology_curie"]
    assert table["Whole_Blood"] == BLOOD
    assert table["Brain_Frontal_Cortex_BA9"] == DLPFC
    assert table["Cells_EBV-transformed_lymphocytes"] == "EFO:0000572"
    assert table["Cells_Cultured_fibroblasts"] == "EFO:0002009"
    assert table["Liver"] == "UBERON:0001114"
