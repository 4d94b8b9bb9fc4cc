"""Tracks by meaning, and the shipped names against Basenji's own table."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest

from pgxeval.errors import InputFileError, InputFileNotFoundError, SettingError, UnknownNameError
from pgxeval.predictors.enformer.tracks import enformer_tracks, read_targets
from pgxeval.predictors.sequence.track_table import make_track_table
from pgxeval.predictors.sequence.tracks import find_tracks, read_shipped


@pytest.fixture(scope="module")
def rna() -> pd.DataFrame:
    """Tracks like those of AlphaGenome: one term means several, strands come in pairs."""
    lcl = "Cells_EBV-transformed_lymphocytes"
    return make_track_table(
        pd.DataFrame(
            [
                ("EFO:0000572 gtex polyA", "RNA_SEQ", "lymphoblast", lcl, "EFO:0000572", ".", 0),
                ("EFO:0002784 polyA plus", "RNA_SEQ", "GM12878", "", "EFO:0002784", "+", 2),
                ("EFO:0002784 polyA minus", "RNA_SEQ", "GM12878", "", "EFO:0002784", "-", 1),
                ("hCAGE EFO:0002784", "CAGE", "GM12878", "", "EFO:0002784", "+", 4),
                ("hCAGE EFO:0002784", "CAGE", "GM12878", "", "EFO:0002784", "-", 3),
                ("liver encode", "RNA_SEQ", "liver", "", "UBERON:0001114", ".", 5),
                ("liver gtex", "RNA_SEQ", "liver", "Liver", "UBERON:0001114", ".", 6),
            ],
            columns=["name", "assay", "tissue", "gtex_tissue", "ontology", "strand", "pair"],
        ).assign(bin_width_bp=1)
    )


@pytest.mark.parametrize(
    ("wanted", "indices"),
    [
        ("CAGE:GM12878", (5110,)),
        ("cage:gm12878", (5110,)),
        ("GM12878", (5110,)),
        ("EFO:0002784", (5110,)),
        ("Cells_EBV-transformed_lymphocytes", (5110,)),
        ("EFO:0000572", (5110,)),  # GTEx's term of the same tissue
        ("UBERON:0001114", (4686,)),
        ("CAGE:UBERON:0001114", (4686,)),
        ("Liver", (4686,)),
        ("CAGE:brain", (4980,)),
        ("substantia nigra", (5101,)),
        ("nigra", (5101,)),
        (17, (17,)),
        ([5111, "CAGE:GM12878", 5111], (5111, 5110)),
    ],
)
def test_meanings_in_the_shipped_table(wanted: str, indices: tuple[int, ...]) -> None:
    assert find_tracks(enformer_tracks(), wanted).indices == indices


def test_several_are_refused_or_averaged_as_asked() -> None:
    table = enformer_tracks()
    with pytest.raises(SettingError, match=r"matches 3 tracks: 4805 .*whole blood donation 1.*if_ambiguous=\"mean\""):
        find_tracks(table, "Whole_Blood")
    choice = find_tracks(table, "Whole_Blood", if_ambiguous="mean")
    assert choice.indices == (4805, 4806, 5067)
    assert choice.requested == "Whole_Blood"
    assert choice.used[0] == {"index": 4805, "name": "CAGE:whole blood donation 1", "strand": "."}
    with pytest.raises(SettingError, match=r"matches 638 tracks: .* and 630 more"):
        find_tracks(table.assign(tissue="same"), "CAGE:same")
    with pytest.raises(SettingError, match='if_ambiguous must be "refuse" or "mean"'):
        find_tracks(table, "Liver", if_ambiguous="first")  # type: ignore[arg-type]


def test_strands(rna: pd.DataFrame) -> None:
    choice = find_tracks(rna, "RNA_SEQ:EFO:0002784")
    assert choice.indices == (1, 2)  # one a strand is not several
    assert choice.for_strand("+") == (1,)
    assert choice.for_strand("-") == (2,)
    assert choice.for_strand(None) == ()
    assert choice.paired((1,)) == (2,)
    assert find_tracks(rna, "RNA_SEQ:Cells_EBV-transformed_lymphocytes").for_strand("-") == (0,)


def test_a_gtex_name_takes_the_gtex_track_alone(rna: pd.DataFrame) -> None:
    """A term means the tracks of every project; GTEx's own name of the tissue means that of GTEx."""
    assert find_tracks(rna.assign(tissue=""), "Liver").indices == (6,)
    by_term = find_tracks(rna.assign(tissue="", gtex_tissue="", name="track"), "Liver", if_ambiguous="mean")
    assert by_term.indices == (5, 6)  # a table without GTEx's names is searched by their terms
    with pytest.raises(SettingError, match="matches 2 tracks"):
        find_tracks(rna, "UBERON:0001114")


def test_tracks_of_several_assays_are_not_averaged(rna: pd.DataFrame) -> None:
    with pytest.raises(SettingError, match=r"several assays \(CAGE, RNA_SEQ\).*RNA_SEQ:GM12878"):
        find_tracks(rna, "GM12878", if_ambiguous="mean")
    assert find_tracks(rna, [1, 3]).indices == (1, 3)  # numbers are taken at their word


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ("CAGE:GM12879", "near: .*CAGE:GM12878"),
        ("hipocampus", "near: .*hippocampus"),
        ("Brain_Cortex_xyz", "5313 tracks of the assays CAGE"),
        ("DNASE:GM12878", "no track is called or means 'DNASE:GM12878'"),
        (5313, "track 5313 is not in the table; it has rows 0 to 5312"),
        (-1, "track -1 is not"),
    ],
)
def test_nothing_found_lists_near_names(wanted: str | int, words: str) -> None:
    with pytest.raises(UnknownNameError, match=words):
        find_tracks(enformer_tracks(), wanted)


@pytest.mark.parametrize("wanted", ["", "  ", [], True, None, 1.5])
def test_what_names_no_track_is_refused(wanted: object) -> None:
    with pytest.raises((SettingError, TypeError)):
        find_tracks(enformer_tracks(), wanted)  # type: ignore[arg-type]


# --- Basenji's table


@pytest.fixture(scope="module")
def targets(shared_data: Path) -> Path:
    return shared_data / "enformer_targets" / "targets_human.txt"


def test_shipped_names_agree_with_the_full_table(targets: Path) -> None:
    short, full = enformer_tracks(), enformer_tracks(targets)
    named = short.index[short["tissue"] != ""]
    assert len(named) == 51
    for index in named:
        shown = full["name"].iloc[index].casefold()
        assert shown.startswith("cage:")
        words = set(re.findall(r"[a-z0-9+]+", short["tissue"].iloc[index].casefold())) - {"tissue"}
        for word in words:
            assert word.rstrip("s") in shown.replace("cells", "cell"), (index, word, shown)
        donation = re.search(r"donation ?(\d)", shown)
        if donation:
            assert short["tissue"].iloc[index].endswith(donation[1])
    assert (full["assay"].iloc[4_675:] == "CAGE").all()
    assert not (full["assay"].iloc[:4_675] == "CAGE").any()


def test_full_table_is_searched_by_words(targets: Path) -> None:
    full = enformer_tracks(targets)
    assert find_tracks(full, "CAGE:GM12878").indices == (5110,)
    assert find_tracks(full, "CAGE:brain, adult,").indices == (4980,)
    keratinocyte = find_tracks(full, "CAGE:keratinocyte epidermal").indices
    assert 4799 in keratinocyte
    dnase = find_tracks(full, "DNASE:GM12878", if_ambiguous="mean").indices
    assert [full["name"].iloc[index] for index in dnase] == ["DNASE:GM12878"] * len(dnase)
    with pytest.raises(UnknownNameError, match=r"near: CAGE:Keratinocyte - epidermal, CAGE:Keratinocyte - oral"):
        find_tracks(full, "CAGE:keratinocyte epidermal oral")
    assert find_tracks(full, "Cells_EBV-transformed_lymphocytes").indices == (5110,)


def test_truncated_or_foreign_tables_are_refused(targets: Path, tmp_path: Path) -> None:
    lines = targets.read_text().splitlines(keepends=True)
    cases = {
        "short": (lines[:100], "expected 5,313 targets, .* got 99"),
        "gap": (lines[:50] + lines[51:], "line 51: expected index 49, got '50'"),
        "columns": ([line.replace("description", "what") for line in lines], "lacks description"),
        "nameless": (
            [*lines[:9], lines[9].rsplit("\t", 1)[0] + "\t \n", *lines[10:]],
            "line 10: the description is empty",
        ),
        "nothing": ([], "cannot be read as a tab-separated table"),
    }
    for name, (content, words) in cases.items():
        path = tmp_path / name
        path.write_text("".join(content))
        with pytest.raises(InputFileError, match=words):
            enformer_tracks(path)
    with pytest.raises(InputFileNotFoundError, match="does not exist"):
        read_targets(tmp_path / "none.txt")
    (tmp_path / "binary").write_bytes(bytes(range(256)))
    with pytest.raises(InputFileError):
        read_targets(tmp_path / "binary")


def test_tissues_without_a_track_are_answered_with_the_nearest_names() -> None:
    table = enformer_tracks()
    tissues = read_shipped("gtex_tissues.tsv")
    with_track = {name for names in table["gtex_tissue"] for name in names.split(";") if name}
    without = [name for name in tissues["gtex_tissue"] if name not in with_track]
    assert len(without) == 27
    nearest = {}
    for name in without:
        for query in (name, f"CAGE:{name}", name.lower()):
            with pytest.raises(UnknownNameError) as refusal:
                find_tracks(table, query)
        message = str(refusal.value)
        assert f"the GTEx tissue {name.lower()!r} has no track in this table" in message
        found = re.search(r"; nearest: (.*?); the table has 5313 tracks", message)
        nearest[name] = found.group(1).split(", ") if found else []
    assert nearest["Adipose_Subcutaneous"] == ["CAGE:adipose tissue"]
    assert nearest["Artery_Coronary"] == ["CAGE:aorta"]
    assert nearest["Colon_Sigmoid"] == ["CAGE:colon pool 1", "CAGE:colon"]
    assert nearest["Heart_Atrial_Appendage"][0] == "CAGE:heart"
    assert nearest["Kidney_Cortex"] == ["CAGE:kidney"]
    assert nearest["Skin_Sun_Exposed_Lower_leg"] == ["CAGE:skin"]
    assert all(name.startswith("CAGE:") for name in nearest["Brain_Cortex"])
    assert "CAGE:brain" in nearest["Brain_Hypothalamus"]
    assert nearest["Stomach"] == []
    with pytest.raises(UnknownNameError, match="the GTEx tissue 'UBERON:0000945' has no track"):
        find_tracks(table, "UBERON:0000945")
