"""One file per chromosome: a list, a pattern with {chrom} or a folder gives what one file of all gives."""

from __future__ import annotations

import pickle
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from pgxeval import InputFileError, InputFileNotFoundError, Interval, PersonalGenome, PgxevalWarning, SettingError
from pgxeval.genome.formats.several import SeveralFiles, expand_paths

CONTIGS = [*(f"chr{number}" for number in (1, 2, 10)), "chrX"]
NAMES = ["a", "b", "c", "d"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, oracles: ModuleType) -> Path:
    """Each file declares all contigs, as files that were split by chromosome do; one is BCF."""
    made = tmp_path_factory.mktemp("cohort")
    choose = np.random.default_rng(2)
    everything = []
    for contig in CONTIGS:
        lines = [
            oracles.record_line(
                contig, (at, "A", ["C"]), [f"{a}|{b}" for a, b in choose.integers(0, 2, (4, 2)).tolist()]
            )
            for at in range(5, 900, 30)
        ]
        everything += lines
        suffix = "bcf" if contig == "chr10" else "vcf.gz"
        text = oracles.vcf_text(dict.fromkeys([*CONTIGS, "chrUn"], 999), NAMES, lines)
        oracles.write_vcf(made / f"cohort_{contig}.{suffix}", text)
    (made / "readme.txt").write_text("not genotypes\n")
    (made / "whole").mkdir()
    oracles.write_vcf(made / "whole" / "all.vcf.gz", oracles.vcf_text(dict.fromkeys(CONTIGS, 999), NAMES, everything))
    return made


def test_list_pattern_and_folder_equal_one_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = PersonalGenome(folder / "whole" / "all.vcf.gz")
    listed = [*folder.glob("*.vcf.gz"), *folder.glob("*.bcf")]
    monkeypatch.setenv("HOME", str(folder.parent))
    monkeypatch.chdir(folder)
    for genotypes in (listed, [str(path) for path in reversed(listed)], folder, f"~/{folder.name}", "."):
        genome = PersonalGenome(genotypes)
        assert set(genome.contigs) == {*CONTIGS, "chrUn"}
        for made in (genome, pickle.loads(pickle.dumps(genome))):
            for contig in CONTIGS:
                for interval in (Interval(contig, 0, 999), Interval(contig.removeprefix("chr"), 100, 400)):
                    one, other = made.dosages(interval, ["c", "a"]), whole.dosages(interval, ["c", "a"])
                    assert np.array_equal(one.values, other.values)
                    assert one.variants.equals(other.variants)
        assert genome.dosages(Interval("chrUn", 0, 99)).values.shape == (4, 0)
    assert PersonalGenome(f"{folder}/cohort_chr{{chrom}}.vcf.gz").contigs[:3] == ("chr1", "chr2", "chrX")
    assert PersonalGenome("cohort_chr{chrom}.vcf.gz").contigs[:3] == ("chr1", "chr2", "chrX")
    assert PersonalGenome([f"{folder}/cohort_chr{{chrom}}.vcf.gz", folder / "cohort_chr10.bcf"]).contigs[:4] == (
        "chr1", "chr2", "chrX", "chr10",
    )  # fmt: skip


def test_order_of_files_is_natural(tmp_path: Path) -> None:
    for name in ("c10.vcf.gz", "c2.vcf.gz", "cX.vcf.gz", "c1.vcf.gz", "c1.vcf.gz.tbi", "d1.vcf.gz"):
        (tmp_path / name).touch()
    found = [Path(path).name for path in expand_paths(f"{tmp_path}/c{{chrom}}.vcf.gz")]
    assert found == ["c1.vcf.gz", "c2.vcf.gz", "c10.vcf.gz", "cX.vcf.gz"]
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / "g1.bcf").touch()
    (tmp_path / "1" / "g2.bcf").touch()
    assert [Path(path).name for path in expand_paths(f"{tmp_path}/{{chrom}}/g{{chrom}}.bcf")] == ["g1.bcf"]


def test_individuals_in_another_order_or_missing(tmp_path: Path, oracles: ModuleType) -> None:
    cells = {"a": "0|0", "b": "0|1", "c": "1|1", "d": "1|0"}
    paths = []
    for contig, names in (("1", ["a", "b", "c"]), ("2", ["d", "c", "b", "a"]), ("X", ["b", "a", "c"])):
        lines = [oracles.record_line(contig, (5, "A", ["C"]), [cells[name] for name in names])]
        paths.append(oracles.write_vcf(tmp_path / f"{contig}.vcf.gz", oracles.vcf_text({contig: 9}, names, lines)))
    with pytest.warns(PgxevalWarning, match=r"1 of 4 individuals are not in all 3 files and are excluded: d"):
        genome = PersonalGenome(paths)
    assert genome.individuals == ("a", "b", "c")
    for contig in ("1", "2", "X"):
        assert genome.dosages(Interval(contig, 0, 9)).values.tolist() == [[0], [1], [2]]
    assert SeveralFiles([PersonalGenome(paths[1]).source, PersonalGenome(paths[1]).source][:1]).individuals[0] == "d"


def test_haplotypes(folder: Path, oracles: ModuleType, tmp_path: Path) -> None:
    fasta = oracles.write_fasta(tmp_path / "r.fa", dict.fromkeys(CONTIGS, "A" * 999))
    one, other = (PersonalGenome(path, fasta) for path in (folder, folder / "whole" / "all.vcf.gz"))
    window = Interval("10", 100, 300)
    assert np.array_equal(one.haplotypes(window).sequences, other.haplotypes(window).sequences)
    assert np.array_equal(one.haplotypes(window).index, other.haplotypes(window).index)


def test_identity_covers_every_file(folder: Path) -> None:
    listed = sorted(folder.glob("*.vcf.gz"))
    assert PersonalGenome(listed).identity() == PersonalGenome(listed).identity()
    assert PersonalGenome(listed).identity() != PersonalGenome(listed[:2]).identity()


def test_what_is_refused(folder: Path, tmp_path: Path, oracles: ModuleType) -> None:
    with pytest.raises(InputFileError, match=r"contig chr1 has records in .*_chr1\.vcf\.gz and in .*all\.vcf\.gz"):
        PersonalGenome([folder / "cohort_chr1.vcf.gz", folder / "whole" / "all.vcf.gz"])
    with pytest.raises(InputFileNotFoundError, match=r"no file matches .*chrom"):
        PersonalGenome(f"{tmp_path}/nothing{{chrom}}.vcf.gz")
    with pytest.raises(InputFileNotFoundError, match=r"no\.vcf\.gz does not exist"):
        PersonalGenome([folder / "cohort_chr1.vcf.gz", tmp_path / "no.vcf.gz"])
    others = oracles.write_vcf(tmp_path / "o.vcf.gz", oracles.vcf_text({"c": 9}, ["x"], []))
    with pytest.raises(InputFileError, match=r"no individual is in all 2 files; .* has a, b, c and 1 more"):
        PersonalGenome([folder / "cohort_chr1.vcf.gz", others])
    with pytest.raises(SettingError, match="got an empty list"):
        PersonalGenome([])


def test_reference_of_another_kind() -> None:
    with pytest.raises(SettingError, match="reference must be the path of a FASTA file or a ReferenceGenome, got int"):
        PersonalGenome("x.vcf.gz", reference=5)  # type: ignore[arg-type]


def test_a_field_that_one_file_lacks_is_refused_and_different_fields_are_warned_of(
    tmp_path: Path, oracles: ModuleType
) -> None:
    cells = {
        "genotypes": ("GT", "0|1", "1|1"),
        "both": ("GT:DS", "0|1:0.9", "1|1:1.8"),
        "dosages": ("DS", "0.9", "1.8"),
    }
    for contig, (kind, (key, *values)) in zip(CONTIGS, cells.items(), strict=False):
        line = "\t".join([contig, "5", ".", "A", "C", ".", ".", ".", key, *values])
        text = oracles.vcf_text({contig: 99}, ["a", "b"], [line])
        undeclared = [field for field in ("GT", "DS") if field not in key]
        text = "\n".join(row for row in text.split("\n") if not any(f"<ID={field}," in row for field in undeclared))
        oracles.write_vcf(tmp_path / f"{kind}.vcf.gz", text)
    window = [Interval(contig, 0, 99) for contig in CONTIGS]
    genome = PersonalGenome([tmp_path / "genotypes.vcf.gz", tmp_path / "both.vcf.gz"])
    assert genome.dosages(window[1]).values[:, 0].tolist() == [1, 2]
    with pytest.raises(SettingError, match="no such FORMAT field"):
        genome.dosages(window[1], field="DS")
    with pytest.warns(PgxevalWarning, match=r"DS of dosages.vcf.gz, GT of both.vcf.gz"):
        PersonalGenome([tmp_path / "both.vcf.gz", tmp_path / "dosages.vcf.gz"])
