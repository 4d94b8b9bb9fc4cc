"""PLINK 2 files give what the VCF of the same cohort gives; ploidy is restored; bad files are refused."""

from __future__ import annotations

import pickle
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from pgxeval import InputFileError, InputFileNotFoundError, Interval, PersonalGenome
from pgxeval.genome.formats.opening import open_genotypes

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
    typed = PersonalGenome(several).dosages(Interval("1", 0, 9), field="DS")
    assert typed.values.tolist() == [[1, 0]] * 4  # several ALT alleles cannot have dosages: their hard calls count
    assert typed.counts["typed_only"] == 1


def test_bad_files(tmp_path: Path) -> None:
    site = ("1", 5, "A", ["C"], [(0, 1)] * 4, [True] * 4)
    path = write_pgen(tmp_path / "p.pgen", [site, ("1", 9, "A", ["C"], [(0, 1)] * 4, [True] * 4)])
    pvar, psam = path.with_suffix(".pvar"), path.with_suffix(".psam")
    variants, people = pvar.read_text(), psam.read_text()

    pvar.write_text("\n".join(variants.split("\n")[:-2]))
    with pytest.raises(InputFileError, match=r"holds 2 variants, and p\.pvar 1: they do not belong together"):
        open_genotypes(path)
    pvar.write_text(variants.replace("\t6\t", "\t60\t"))
    with pytest.raises(InputFileError, match="not sorted: the variants of contig 1"):
        open_genotypes(path)
    pvar.write_text(variants.replace("\t6\t", "\tsix\t"))
    with pytest.raises(InputFileError, match=r"p\.pvar: cannot be read"):
        open_genotypes(path)
    pvar.write_text("1\t6\tx\tA\tC\n")
    with pytest.raises(InputFileError, match=r"p\.pvar: cannot be read \(it has no header line"):
        open_genotypes(path)
    pvar.unlink()
    with pytest.raises(InputFileNotFoundError, match=r"p\.pvar does not exist"):
        open_genotypes(path)
    pvar.write_text(variants)
    psam.write_text(people.replace("\tb\t", "\ta\t"))
    with pytest.raises(InputFileError, match="occur twice, the first: 'a'"):
        open_genotypes(path)
    psam.write_text(people.replace("0\td\t1\n", ""))
    with pytest.raises(InputFileError, match=r"p\.pgen"):
        open_genotypes(path)
    psam.write_text("a\nb\n")
    with pytest.raises(InputFileError, match=r"expected 5 .*no header line begins with #IID or #FID"):
        open_genotypes(path)
    psam.write_text(people)
    path.write_bytes(path.read_bytes()[:20])
    with pytest.raises(InputFileError, match=r"p\.pgen: .*cannot be read"):
        open_genotypes(path).read("1", 0, 99)


# --- what plink2 itself writes


def plink2(*arguments: str | Path) -> None:
    if shutil.which("plink2") is None:
        pytest.skip("plink2 is not installed")
    subprocess.run(["plink2", *map(str, arguments)], check=True, capture_output=True, text=True)


POSITIONS = {"1": [100], "X": [1_000_000, 2_781_000, 5_000_000, 155_800_000], "Y": [7_000_000], "MT": [50]}
PEOPLE = ["m1", "f1", "m2", "f2"]


@pytest.fixture(scope="module")
def sexed(tmp_path_factory: pytest.TempPathFactory, oracles: ModuleType) -> Path:
    """A VCF with males haploid on X outside of the pseudo-autosomal regions (GRCh38), and its sexes."""
    folder = tmp_path_factory.mktemp("sexed")
    lines = []
    for contig, starts in POSITIONS.items():
        for at in starts:
            males = ["1|0", "0|1"] if contig == "1" or not 2_781_479 <= at <= 155_701_382 else ["1", "0"]
            cells = [males[0], "0|1", males[1], "1|1"]
            if contig in ("Y", "MT"):
                cells = ["1", "0", "0", "1"]
            lines.append(oracles.record_line(contig, (at - 1, "A", ["C"]), cells))
    (folder / "sex.txt").write_text("#IID\tSEX\nm1\t1\nf1\t2\nm2\t1\nf2\t2\n")
    return oracles.write_vcf(
        folder / "v.vcf.gz", oracles.vcf_text(dict.fromkeys(POSITIONS, 248_956_422), PEOPLE, lines)
    )


def test_given_by_another_of_its_files_or_its_stem(tmp_path: Path) -> None:
    path = write_pgen(tmp_path / "p.pgen", [("1", 5, "A", ["C"], [(0, 1)] * 4, [True] * 4)])
    for given in (path, path.with_suffix(".pvar"), path.with_suffix(".psam"), path.with_suffix("")):
        assert PersonalGenome(given).source.path == str(path)


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("x.bed", b"\x6c\x1b\x01\xff", r"plink2 --bfile .*/x --fa reference\.fa --ref-from-fa force --make-pgen"),
        ("x.bim", b"1 rs1 0 5 A C\n", r"plink2 --bfile .*/x --fa"),
        ("x.pgen", b"\x6c\x1b\x01\xff", r"PLINK 1 files are not read"),
        ("x.dat", b"\0" * 16 + b"bgen", r"give it a name that ends in \.bgen"),
        ("x.ped", b"1 a 0 0 1 1 A C\n", r"plink2 --pedmap .*/x --make-pgen"),
        ("x.vcf", b"##fileformat=VCFv4.2\n", r"bgzip .*x\.vcf && tabix"),
    ],
)
def test_other_formats_are_answered_with_the_command(tmp_path: Path, name: str, content: bytes, complaint: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputFileError, match=complaint):
        PersonalGenome(tmp_path / name)


def test_the_commands_that_are_named_work(tmp_path: Path, sexed: Path, oracles: ModuleType) -> None:
    plink2("--vcf", sexed, "--chr", "1", "--make-bed", "--out", tmp_path / "b")
    fasta = oracles.write_fasta(tmp_path / "reference.fa", {"1": "A" * 300})
    with pytest.raises(InputFileError) as error:
        PersonalGenome(tmp_path / "b.bed")
    message = str(error.value)
    command = message[message.index("`plink2") + 8 : message.index("` and give")].replace("reference.fa", str(fasta))
    plink2(*command.split())
    assert PersonalGenome(tmp_path / "b.pgen").dosages("1:1-200").values.shape == (4, 1)
