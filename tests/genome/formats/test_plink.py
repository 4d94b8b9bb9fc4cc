"""PLINK 2 files give what the VCF of the same cohort gives; ploidy is restored; bad files are refused."""

from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from pgxeval import GenotypeError, InputFileError, InputFileNotFoundError, Interval, PersonalGenome
from pgxeval.genome.formats.source import open_genotypes

pgenlib = pytest.importorskip("pgenlib", reason="pgenlib is not installed (extra plink)")

NAMES = ["a", "b", "c", "d"]
Site = tuple[str, int, str, list[str], list[tuple[int, int]], list[bool]]


def write_pgen(stem: Path, sites: list[Site], sex: str = "2121") -> Path:
    """Write alleles (-9 missing) and the phase of each heterozygote."""
    n_alleles = [1 + len(site[3]) for site in sites]
    with pgenlib.PgenWriter(
        str(stem.with_suffix(".pgen")).encode(),
        len(NAMES),
        variant_ct=len(sites),
        nonref_flags=False,
        allele_ct_limit=max(n_alleles, default=2),
        hardcall_phase_present=True,
    ) as writer:
        for _, _, _, alts, calls, phased in sites:
            codes = np.array(calls, np.int32).ravel()
            writer.append_partially_phased(codes, np.array(phased, np.uint8), 1 + len(alts))
    lines = [f"{contig}\t{start + 1}\trs{start}\t{ref}\t{','.join(alts)}" for contig, start, ref, alts, _, _ in sites]
    stem.with_suffix(".pvar").write_text("\n".join(["##source=x", "#CHROM\tPOS\tID\tREF\tALT", *lines, ""]))
    rows = [f"0\t{name}\t{code}" for name, code in zip(NAMES, sex, strict=True)]
    stem.with_suffix(".psam").write_text("\n".join(["#FID\tIID\tSEX", *rows, ""]))
    return stem.with_suffix(".pgen")


@pytest.fixture(scope="module")
def sites() -> list[Site]:
    choose = np.random.default_rng(7)
    made: list[Site] = []
    for contig in ("1", "2"):
        start = 0
        for _ in range(60):
            start += int(choose.integers(0, 15))
            ref = "ACGTACGTAC"[: int(choose.choice([1, 1, 1, 4, 9]))]
            alts = [["C"], ["CCT"], ["C", "CTT", "AG"]][int(choose.integers(0, 3))]
            calls = [tuple(pair) for pair in choose.integers(0, 1 + len(alts), (4, 2)).tolist()]
            calls = [(-9, -9) if choose.random() < 0.1 else pair for pair in calls]
            made.append((contig, start, ref, alts, calls, [True] * 4))
    return made


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory, oracles: ModuleType, sites: list[Site]) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("plink")
    lines = [
        oracles.record_line(
            contig,
            (start, ref, alts),
            [".|." if a == -9 else f"{a}|{b}" for a, b in calls],
            name=f"rs{start}",
        )
        for contig, start, ref, alts, calls, _ in sites
    ]
    vcf = oracles.write_vcf(folder / "v.vcf.gz", oracles.vcf_text({"1": 2000, "2": 2000}, NAMES, lines))
    return vcf, write_pgen(folder / "p.pgen", sites)


def test_calls_equal_those_of_vcf(both: tuple[Path, Path]) -> None:
    vcf, pgen = (open_genotypes(path) for path in both)
    assert pgen.individuals == vcf.individuals
    assert set(pgen.contigs) == {"1", "2"}
    for contig, start, end in [("1", 0, 2000), ("2", 0, 2000), ("1", 100, 300), ("2", 250, 251), ("1", 1999, 2000)]:
        one, other = vcf.read(contig, start, end), pgen.read(contig, start, end)
        assert np.array_equal(one.alleles, other.alleles)
        assert np.array_equal(one.records.starts, other.records.starts)
        for name in ("id_bounds", "allele_bounds"):
            assert one.records.strings(getattr(one.records, name)) == other.records.strings(
                getattr(other.records, name)
            )
        het = one.alleles[:, :, 0] != one.alleles[:, :, 1]
        assert np.array_equal(one.phased[het], other.phased[het])
        assert other.records.passed.all()


def test_dosages_equal_those_of_vcf(both: tuple[Path, Path]) -> None:
    one, other = (PersonalGenome(path).dosages(Interval("chr1", 50, 400)) for path in both)
    assert np.array_equal(one.values, other.values)
    assert one.variants.equals(other.variants)


def test_haplotypes_equal_those_of_vcf(tmp_path: Path, oracles: ModuleType) -> None:
    bases = "ACGTTGCAAC" * 20
    choose = np.random.default_rng(8)
    sites: list[Site] = []
    for start in range(5, 190, 6):
        ref = bases[start : start + int(choose.choice([1, 1, 3, 8]))]
        alts = [alt for alt in ("C", "CC", ref[0] + "TTT") if alt != ref]
        calls = [tuple(pair) for pair in choose.integers(0, 1 + len(alts), (4, 2)).tolist()]
        sites.append(("1", start, ref, alts, calls, [True] * 4))
    fasta = oracles.write_fasta(tmp_path / "r.fa", {"1": bases})
    lines = [
        oracles.record_line(contig, (start, ref, alts), [f"{a}|{b}" for a, b in calls])
        for contig, start, ref, alts, calls, _ in sites
    ]
    vcf = oracles.write_vcf(tmp_path / "v.vcf.gz", oracles.vcf_text({"1": 200}, NAMES, lines))
    window = Interval("chr1", 20, 170)
    one, other = (
        PersonalGenome(path, fasta).haplotypes(window, anchor=90)
        for path in (vcf, write_pgen(tmp_path / "p.pgen", sites))
    )
    assert one.n_distinct == 8
    assert np.array_equal(one.index, other.index)
    assert np.array_equal(one.sequences, other.sequences)
    assert one.counts == other.counts


def test_pickles_and_serves_threads(both: tuple[Path, Path]) -> None:
    source = pickle.loads(pickle.dumps(open_genotypes(both[1])))
    windows = [(i, i + 50) for i in range(0, 800, 20)]
    alone = [source.read("1", *window).alleles.tobytes() for window in windows]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda window: source.read("1", *window).alleles.tobytes(), windows * 5))
    assert together == alone * 5


def test_phase_and_ploidy(tmp_path: Path) -> None:
    pairs = [(0, 1), (1, 1), (0, 0), (1, 0)]
    unphased = [(0, 1), (1, 1), (0, 0), (0, 1)]
    path = write_pgen(
        tmp_path / "p.pgen",
        [
            ("1", 5, "A", ["C"], unphased, [False] * 4),
            ("X", 5, "A", ["C"], pairs, [True] * 4),
            ("MT", 5, "A", ["C"], [(1, 1), (0, 0), (-9, -9), (1, 1)], [True] * 4),
        ],
        sex="2112",
    )
    source = open_genotypes(path)
    assert source.read("1", 0, 9).phased.tolist() == [[False, True, True, False]]
    assert source.read("X", 0, 9).alleles.tolist() == [[[0, 1], [1, -2], [0, -2], [1, 0]]]
    assert source.read("MT", 0, 9).alleles.tolist() == [[[1, -2], [0, -2], [-1, -2], [1, -2]]]


def test_dosage_field(tmp_path: Path) -> None:
    stem = tmp_path / "d"
    path = write_pgen(stem.with_suffix(".pgen"), [("1", 5, "A", ["C"], [(0, 1)] * 4, [False] * 4)])
    with pgenlib.PgenWriter(str(path).encode(), 4, variant_ct=1, nonref_flags=False, dosage_present=True) as writer:
        writer.append_dosages(np.array([0.25, 1.5, -9, 2], np.float32))
    dosages = PersonalGenome(path).dosages(Interval("1", 0, 9), field="DS")
    np.testing.assert_allclose(dosages.values[:, 0], [0.25, 1.5, np.nan, 2], atol=1e-4)
    several = write_pgen(tmp_path / "m.pgen", [("1", 5, "A", ["C", "G"], [(0, 1)] * 4, [True] * 4)])
    with pytest.raises(GenotypeError, match="several ALT alleles"):
        PersonalGenome(several).dosages(Interval("1", 0, 9), field="DS")


def test_bad_files(tmp_path: Path) -> None:
    site = ("1", 5, "A", ["C"], [(0, 1)] * 4, [True] * 4)
    path = write_pgen(tmp_path / "p.pgen", [site, ("1", 9, "A", ["C"], [(0, 1)] * 4, [True] * 4)])
    pvar, psam = path.with_suffix(".pvar"), path.with_suffix(".psam")
    variants, people = pvar.read_text(), psam.read_text()

    pvar.write_text("\n".join(variants.split("\n")[:-2]))
    with pytest.raises(InputFileError, match=r"holds 2 variants, and its \.pvar 1: they do not belong together"):
        open_genotypes(path)
    pvar.write_text(variants.replace("\t6\t", "\t60\t"))
    with pytest.raises(InputFileError, match="not sorted: the variants of contig 1"):
        open_genotypes(path)
    pvar.write_text(variants.replace("\t6\t", "\tsix\t"))
    with pytest.raises(InputFileError, match=r"p\.pvar: cannot be read"):
        open_genotypes(path)
    pvar.write_text("1\t6\tx\tA\tC\n")
    with pytest.raises(InputFileError, match=r"p\.pvar: no header line"):
        open_genotypes(path)
    pvar.unlink()
    with pytest.raises(InputFileNotFoundError, match=r"p\.pvar does not exist"):
        open_genotypes(path)
    pvar.write_text(variants)
    psam.write_text(people.replace("\tb\t", "\ta\t"))
    with pytest.raises(InputFileError, match="individual a stands twice"):
        open_genotypes(path)
    psam.write_text(people.replace("0\td\t1\n", ""))
    with pytest.raises(InputFileError, match=r"p\.pgen"):
        open_genotypes(path)
    psam.write_text("a\nb\n")
    with pytest.raises(InputFileError, match="no header line that begins with #IID or #FID"):
        open_genotypes(path)
    psam.write_text(people)
    path.write_bytes(path.read_bytes()[:20])
    with pytest.raises(InputFileError, match=r"p\.pgen: .*cannot be read"):
        open_genotypes(path).read("1", 0, 99)
