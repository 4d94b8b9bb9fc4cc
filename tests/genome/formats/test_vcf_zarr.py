"""VCF Zarr gives what VCF, BCF and PGEN of the same cohort give; stores come from vcf2zarr and from a writer here."""

from __future__ import annotations

import importlib.util
import pickle
import shutil
import subprocess
import sys
import warnings
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from types import ModuleType
from typing import Literal

import numpy as np
import numpy.typing as npt
import pysam
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pgxeval import InputFileError, Interval, PersonalGenome, PgxevalWarning
from pgxeval.genome.formats.calls import Calls, Field
from pgxeval.genome.formats.opening import open_genotypes

zarr = pytest.importorskip("zarr", minversion="3.1", reason="zarr 3 is not installed (extra zarr)")

NAMES = ["a", "b", "c"]
GP = '##FORMAT=<ID=GP,Number=G,Type=Float,Description="probabilities">'
PS = '##FORMAT=<ID=PS,Number=1,Type=Integer,Description="phase set">'
Version = Literal[2, 3]
has_bio2zarr = importlib.util.find_spec("bio2zarr") is not None
needs_bio2zarr = pytest.mark.skipif(not has_bio2zarr, reason="bio2zarr is not installed")
nan = np.nan


def vcf2zarr(vcf: Path, path: Path, version: Version = 2, chunks: tuple[int, int] = (4, 2)) -> Path:
    """Convert by bio2zarr."""
    import bio2zarr.vcf

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        bio2zarr.vcf.convert(
            [str(vcf)],
            str(path),
            variants_chunk_size=chunks[0],
            samples_chunk_size=chunks[1],
            worker_processes=0,
            zarr_format=version,
        )
    return path


def write_vcz(
    vcf: Path,
    path: Path,
    version: Version = 2,
    chunks: tuple[int, int] = (4, 2),
    *,
    index: bool = True,
    lengths: bool = True,
    ploidy: int = 2,
    shards: bool = False,
) -> Path:
    """Write what pysam reads of a VCF as VCF Zarr, array by array as the specification states."""
    with pysam.VariantFile(str(vcf)) as source:
        records = list(source)
        header = source.header
        individuals, contigs = list(header.samples), list(header.contigs)
        filters = ["PASS", *(name for name in header.filters if name != "PASS")]
    n, n_alleles = len(records), max((len(record.alleles) for record in records), default=1)
    genotypes = np.full((n, len(individuals), ploidy), -2, np.int8)
    phased = np.zeros((n, len(individuals)), bool)
    for i, record in enumerate(records):
        for j, call in enumerate(record.samples.values()):
            pair = [-1 if allele is None else allele for allele in call["GT"]]
            genotypes[i, j, : len(pair)] = pair
            phased[i, j] = call.phased
    positions = np.array([record.pos for record in records], np.int32)
    rlen = np.array([len(record.ref) for record in records], np.int32)
    numbers = np.array([contigs.index(record.chrom) for record in records], np.int8)
    root = zarr.create_group(store=str(path), zarr_format=version)
    root.attrs.update({"vcf_zarr_version": "0.4", "source": "tests"})

    def put(name: str, values: npt.ArrayLike, chunk: tuple[int, ...] | None = None) -> None:
        array = np.asarray(values)
        chunk = tuple(max(1, size) for size in (array.shape if chunk is None else chunk))
        kind = "string" if array.dtype.kind in "UO" else array.dtype
        more = {"shards": tuple(2 * size for size in chunk)} if shards and version == 3 and kind != "string" else {}
        made = root.create_array(name, shape=array.shape, dtype=kind, chunks=chunk, **more)
        made[...] = array

    put("sample_id", individuals)
    put("contig_id", contigs)
    put("contig_length", [header.contigs[name].length for name in contigs])
    put("filter_id", filters)
    put("variant_contig", numbers, chunks[:1])
    put("variant_position", positions, chunks[:1])
    put("variant_id", [record.id or "." for record in records], chunks[:1])
    put("variant_allele", [[*record.alleles, *[""] * (n_alleles - len(record.alleles))] for record in records],
        (chunks[0], n_alleles))  # fmt: skip
    put(
        "variant_filter", [[name in record.filter for name in filters] for record in records], (chunks[0], len(filters))
    )
    put("call_genotype", genotypes, (*chunks, ploidy))
    put("call_genotype_mask", genotypes < 0, (*chunks, ploidy))
    put("call_genotype_phased", phased, chunks)
    if lengths:
        put("variant_length", rlen, chunks[:1])
    if index:
        rows = []
        for chunk in range(0, n, chunks[0]):
            for number in dict.fromkeys(numbers[chunk : chunk + chunks[0]].tolist()):
                at = chunk + np.flatnonzero(numbers[chunk : chunk + chunks[0]] == number)
                here = positions[at]
                rows.append([chunk // chunks[0], number, here[0], here[-1], (here + rlen[at] - 1).max(), at.size])
        put("region_index", np.array(rows, np.int32).reshape(-1, 6))
    return path


def same(one: Calls, other: Calls) -> None:
    """Require that two sources give the same calls; phase sets are the same up to their numbers."""
    for name in ("id_bounds", "allele_bounds"):
        assert one.records.strings(getattr(one.records, name)) == other.records.strings(getattr(other.records, name))
    for name in ("starts", "first_allele", "passed", "typed_only"):
        np.testing.assert_array_equal(getattr(one.records, name), getattr(other.records, name))
    np.testing.assert_array_equal(one.alleles, other.alleles)
    np.testing.assert_array_equal(one.phased, other.phased)
    if one.field_values is None:
        assert other.field_values is None
    else:
        np.testing.assert_array_equal(one.field_values, other.field_values)
    none = np.full(one.phased.shape, -1)
    for mine, theirs in zip(
        *(none if calls.phase_sets is None else calls.phase_sets for calls in (one, other)), strict=True
    ):
        assert [mine.tolist().index(x) for x in mine.tolist()] == [theirs.tolist().index(x) for x in theirs.tolist()]
        assert ((mine < 0) == (theirs < 0)).all()


def line(contig: str, position: int, ref: str, alt: str, keys: str, *cells: str, passed: str = "PASS") -> str:
    return "\t".join([contig, str(position), ".", ref, alt, ".", passed, ".", keys, *cells])


HARD = [
    line("1", 5, "A", "C", "GT:PS", "0|1:7", "1|0:7", "0|0:9"),
    line("1", 7, "ACGTACGT", "A,<DEL>", "GT", "1/2", "./.", "0/1", passed="LowQ"),
    line("1", 9, "G", ".", "GT", "0|0", ".", "0|."),
    line("1", 9, "G", "T,*", "GT:PS", ".|2:4", "1|.:4", "0|2:.", passed="."),
    line("1", 30, "G", "T", "GT", "0/1", "1/1", "0/0"),
    line("1", 31, "ACGTACGTACGTACGTACGT", "A", "GT", "0|1", "1|1", "0|0", passed="PASS"),
    line("1", 44, "G", "T", "GT", "0|1", "1|1", "0|0"),
    line("X", 3, "G", "T", "GT", "1", "0|1", "."),
    line("X", 30, "G", "T", "GT", "1", ".", "0"),
    line("X", 31, "G", "T,C,GGG", "GT", "3", "3|2", "./1"),
]


@pytest.fixture(scope="module")
def hard(tmp_path_factory: pytest.TempPathFactory, oracles: ModuleType) -> Path:
    """Haploid, half, missing, unphased, filtered and multi-allelic calls, long deletions, phase sets, two contigs."""
    text = oracles.vcf_text({"1": 1000, "2": 50, "X": 500}, NAMES, HARD, [GP, PS])
    return oracles.write_vcf(tmp_path_factory.mktemp("hard") / "v.vcf.gz", text)


WINDOWS = [(0, 1000), (4, 5), (5, 6), (10, 12), (13, 14), (14, 15), (40, 45), (49, 50), (50, 51), (29, 31), (600, 700)]


@needs_bio2zarr
@pytest.mark.parametrize("version", [2, 3])
def test_stores_of_vcf2zarr_equal_the_vcf(hard: Path, tmp_path: Path, version: Version) -> None:
    vcf, made = open_genotypes(hard), open_genotypes(vcf2zarr(hard, tmp_path / "v.vcz", version))
    assert made.individuals == vcf.individuals
    assert made.contig_names == vcf.contig_names
    assert made.contigs_with_records == vcf.contigs_with_records == ("1", "X")
    assert made.default_field == "GT"
    for contig in vcf.contigs:
        for window in WINDOWS:
            same(vcf.read(contig, *window), made.read(contig, *window))


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize(
    "shape",
    [
        {},
        {"index": False},
        {"index": False, "lengths": False},
        {"chunks": (3, 1)},
        {"chunks": (100, 100)},
        {"ploidy": 3},
        {"shards": True},
    ],
    ids=lambda shape: " ".join(f"{key}={value}" for key, value in shape.items()) or "plain",
)
def test_layouts_equal_the_vcf(hard: Path, tmp_path: Path, version: Version, shape: dict[str, object]) -> None:
    vcf = open_genotypes(hard)
    made = open_genotypes(write_vcz(hard, tmp_path / "v.zarr", version, **shape))  # type: ignore[arg-type]
    assert made.contig_names == vcf.contig_names
    for contig in vcf.contigs:
        for window in WINDOWS:
            one, other = vcf.read(contig, *window), made.read(contig, *window)
            assert np.array_equal(one.alleles, other.alleles)
            assert np.array_equal(one.phased, other.phased)
            assert one.records.starts.tolist() == other.records.starts.tolist()
            assert one.records.passed.tolist() == other.records.passed.tolist()


@st.composite
def cohorts(draw: st.DrawFn) -> list[str]:
    made = []
    for contig in ("c", "d"):
        for position in sorted(draw(st.lists(st.integers(1, 60), min_size=contig == "c", max_size=9))):
            ref = draw(st.text("ACGT", min_size=1, max_size=12))
            alts = draw(st.lists(st.sampled_from(["T", "TT", "GAC", "*", "<DEL>"]), max_size=3, unique=True))
            alts = [alt for alt in alts if alt != ref]
            allele = st.one_of(st.just("."), st.integers(0, len(alts)).map(str))
            cells = []
            for _ in NAMES:
                first, other = draw(allele), draw(allele)
                cells.append(draw(st.sampled_from([first, f"{first}|{other}", f"{first}/{other}"])))
            passed = draw(st.sampled_from(["PASS", ".", "LowQ"]))
            made.append(line(contig, position, ref, ",".join(alts) or ".", "GT", *cells, passed=passed))
    return made


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(lines=cohorts(), start=st.integers(0, 70), length=st.integers(1, 20), version=st.sampled_from([2, 3]))
def test_drawn_cohorts_equal_the_vcf(
    tmp_path_factory: pytest.TempPathFactory,
    oracles: ModuleType,
    lines: list[str],
    start: int,
    length: int,
    version: Version,
) -> None:
    folder = tmp_path_factory.mktemp("z")
    path = oracles.write_vcf(folder / "v.vcf.gz", oracles.vcf_text({"c": 99, "d": 99}, NAMES, lines))
    vcf, made = open_genotypes(path), open_genotypes(write_vcz(path, folder / "v.vcz", version, (3, 2)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PgxevalWarning)  # of chunks without ALT alleles
        for contig in ("c", "d"):
            for window in ((0, 99), (start, start + length)):
                same(vcf.read(contig, *window), made.read(contig, *window))


@needs_bio2zarr
def test_imputed_dosages_equal_the_vcf(tmp_path: Path, oracles: ModuleType) -> None:
    """DS and GP of one and several ALT alleles, haploid, missing; records that are typed only."""
    lines = [
        line("c", 5, "A", "C", "DS:GP", "1.25:0,0.75,0.25", ".:.", "0.5:0.2,0.8"),
        line("c", 6, "A", "C,G", "DS:GP", "0.5,1:0.1,0.2,0.1,0.3,0.2,0.1", ".:.", "2,.:0.5,0.25,0.25"),
        line("c", 7, "A", "C,G", "GT", "0|1", "2|.", "./."),
        line("c", 8, "A", "C", "GT:DS:GP", "0|1:.:.", "1|1:.:0,.,1", "0:.:."),
        line("c", 9, "A", ".", "DS:GP", ".:1", ".:1", ".:."),
        line("c", 10, "A", "T", "DS:GP:GT", "0:0,0,0:0|0", "1:1,0,0:0|1", "2:0.333,0.333,0.333:1|1"),
    ]
    vcf = oracles.write_vcf(tmp_path / "v.vcf.gz", oracles.vcf_text({"c": 99}, NAMES, lines, [GP]))
    one, other = open_genotypes(vcf), open_genotypes(vcf2zarr(vcf, tmp_path / "v.vcz"))
    assert one.default_field == other.default_field == "DS"
    fields: tuple[Field, ...] = ("DS", "GP")
    for field in fields:
        same(one.read("c", 0, 99, field), other.read("c", 0, 99, field))
        for half in ("missing", "reference"):
            mine, theirs = (
                PersonalGenome(path, field=field, half_missing=half).dosages(Interval("c", 0, 99))
                for path in (vcf, tmp_path / "v.vcz")
            )
            np.testing.assert_array_equal(mine.values, theirs.values)
            assert mine.counts == theirs.counts
            assert mine.variants.equals(theirs.variants)


@needs_bio2zarr
@pytest.mark.parametrize(
    ("keys", "cells", "field"),
    [
        ("GT:DS", ("0|1:1.25", "0|0:0.5", "1|1:1.75"), "GT"),
        ("DS", ("1.25", "0.5", "."), "DS"),
        ("GT", ("0|1", "1|1", "."), "GT"),
        ("GT:DS", ("./.:.", "./.:.", "./.:."), "GT"),
    ],
)
def test_the_field_is_chosen_as_in_a_vcf(
    tmp_path: Path, oracles: ModuleType, keys: str, cells: tuple[str, ...], field: Field
) -> None:
    text = oracles.vcf_text({"c": 99}, NAMES, [line("c", 5, "A", "C", keys, *cells)], [GP])
    vcf = oracles.write_vcf(tmp_path / "v.vcf.gz", text)
    genome = PersonalGenome(vcf2zarr(vcf, tmp_path / "v.vcz"))
    assert genome.field == PersonalGenome(vcf).field == field


@needs_bio2zarr
def test_a_real_cohort_equals_vcf_bcf_and_pgen(kgp: Path, tmp_path: Path) -> None:
    """Dosages and haplotypes of 91 phased individuals over 100 kb, from each format."""
    region, vcf = "1:900000-1100000", tmp_path / "v.vcf.gz"
    with (
        pysam.VariantFile(str(kgp / "variants.vcf.gz")) as source,
        pysam.VariantFile(str(vcf), "wz", header=source.header) as out,
    ):
        for record in source.fetch(region=region):
            out.write(record)
    pysam.tabix_index(str(vcf), preset="vcf", force=True)
    paths = [vcf, tmp_path / "v.bcf", vcf2zarr(vcf, tmp_path / "v.vcz", chunks=(1000, 50))]
    with pysam.VariantFile(str(vcf)) as source, pysam.VariantFile(str(paths[1]), "wb", header=source.header) as out:
        for record in source:
            out.write(record)
    pysam.tabix_index(str(paths[1]), preset="bcf", force=True, csi=True)
    if importlib.util.find_spec("pgenlib") is not None and shutil.which("plink2"):
        command = ["plink2", "--vcf", str(vcf), "--make-pgen", "--out", str(tmp_path / "p")]
        subprocess.run(command, check=True, capture_output=True)
        paths.append(tmp_path / "p.pgen")
    fasta = next(kgp.glob("*.fa"))
    genomes = [PersonalGenome(path, fasta) for path in paths]
    for start in (950_000, 1_000_000):
        window = Interval("1", start, start + 60_000)
        dosages = [genome.dosages(window) for genome in genomes]
        haplotypes = [genome.haplotypes(window) for genome in genomes]
        for k in range(1, len(genomes)):
            assert np.array_equal(dosages[0].values, dosages[k].values)
            assert dosages[0].variants.equals(dosages[k].variants)
            assert np.array_equal(haplotypes[0].index, haplotypes[k].index)
            assert np.array_equal(haplotypes[0].sequences, haplotypes[k].sequences)


def test_older_stores_name_contigs_in_attributes(hard: Path, tmp_path: Path) -> None:
    """Versions 0.1 and 0.2 of the specification, as sgkit wrote them."""
    path = write_vcz(hard, tmp_path / "v.vcz", index=False, lengths=False)
    for name in ("contig_id", "contig_length", "filter_id", "variant_id", "call_genotype_phased"):
        shutil.rmtree(path / name)
    header = "##fileformat=VCFv4.2\n##contig=<ID=1,length=1000>\n##contig=<ID=2,length=50>\n##contig=<ID=X,length=500>"
    attributes = {"contigs": ["1", "2", "X"], "filters": ["PASS", "LowQ"], "vcf_header": header}
    zarr.open_group(str(path), mode="r+").attrs.update(attributes)
    vcf, made = open_genotypes(hard), open_genotypes(path)
    assert made.contig_names == vcf.contig_names
    one, other = vcf.read("1", 0, 1000), made.read("1", 0, 1000)
    assert np.array_equal(one.alleles, other.alleles)
    assert one.records.passed.tolist() == other.records.passed.tolist()
    assert other.phased.tolist() == (other.alleles[:, :, 1] == -2).tolist()  # without the array only haploid calls are


# --- where a store lies


def zipped(path: Path, target: Path, top: str = "") -> Path:
    with zipfile.ZipFile(target, "w") as out:
        for file in sorted(path.rglob("*")):
            if file.is_file():
                out.write(file, top + str(file.relative_to(path)))
    return target


def test_a_zip_file_and_a_pattern(hard: Path, tmp_path: Path) -> None:
    folder = write_vcz(hard, tmp_path / "chr1.vcz")
    expected = open_genotypes(hard).read("1", 0, 1000)
    same(open_genotypes(zipped(folder, tmp_path / "v.vcz.zip")).read("1", 0, 1000), without_sets(expected))
    same(open_genotypes(str(tmp_path / "chr{chrom}.vcz")).read("1", 0, 1000), without_sets(expected))
    (tmp_path / "many").mkdir()
    shutil.move(folder, tmp_path / "many")
    same(open_genotypes(tmp_path / "many").read("1", 0, 1000), without_sets(expected))


def without_sets(calls: Calls) -> Calls:
    import attrs

    return attrs.evolve(calls, phase_sets=None)  # the writer here writes none


@pytest.fixture
def served(tmp_path: Path) -> Iterator[str]:
    command = [sys.executable, str(Path(__file__).with_name("range_server.py")), str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        yield f"http://127.0.0.1:{int(server.stdout.readline())}"
        server.kill()


def test_an_address(hard: Path, tmp_path: Path, served: str) -> None:
    pytest.importorskip("fsspec")
    pytest.importorskip("aiohttp", reason="fsspec opens http addresses through aiohttp")
    write_vcz(hard, tmp_path / "v.vcz", 3)
    source = open_genotypes(f"{served}/v.vcz")
    same(source.read("1", 0, 1000), without_sets(open_genotypes(hard).read("1", 0, 1000)))
    assert source.identity()["file"] == {"address": f"{served}/v.vcz"}
    with pytest.raises(InputFileError, match=r"none\.vcz: not a Zarr group"):
        open_genotypes(f"{served}/none.vcz")


def _read_in_child(source: object) -> bytes:
    return source.read("1", 0, 1000).alleles.tobytes()  # type: ignore[attr-defined, no-any-return]


@pytest.mark.parametrize("packed", [False, True])
def test_pickles_and_serves_threads_and_processes(hard: Path, tmp_path: Path, packed: bool) -> None:
    path = write_vcz(hard, tmp_path / "v.vcz")
    source = open_genotypes(zipped(path, tmp_path / "v.vcz.zip") if packed else path)
    expected = open_genotypes(hard).read("1", 0, 1000).alleles.tobytes()
    copy = pickle.loads(pickle.dumps(source))
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(_read_in_child, [copy] * 40)) == [expected] * 40
    with get_context("spawn").Pool(1) as processes:
        assert processes.map(_read_in_child, [source]) == [expected]


def test_identity_tells_versions_apart(hard: Path, tmp_path: Path) -> None:
    path = write_vcz(hard, tmp_path / "v.vcz")
    source = open_genotypes(path)
    shutil.copytree(path, tmp_path / "copy.vcz")
    assert open_genotypes(tmp_path / "copy.vcz").identity() == source.identity()
    array = zarr.open_array(str(path / "call_genotype"), mode="r+")
    array[0, 0] = [1, 1]
    with pytest.raises(InputFileError, match="has changed since it was opened"):
        source.read("1", 0, 10)
    with pytest.raises(InputFileError, match="has changed since it was opened"):
        pickle.loads(pickle.dumps(source))
    assert open_genotypes(path).identity() != open_genotypes(tmp_path / "copy.vcz").identity()


# --- what is wrong with a store


def cut(name: str) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        file = path / name
        file.write_bytes(file.read_bytes()[:-3])

    return change


def removed(name: str) -> Callable[[Path], None]:
    return lambda path: shutil.rmtree(path / name) if (path / name).is_dir() else (path / name).unlink()


def rewritten(name: str, row: int, value: object) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        zarr.open_group(str(path), mode="r+")[name][row] = value

    return change


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (removed(".zgroup"), "not a Zarr group: neither .zgroup nor zarr.json is there"),
        (lambda path: (path / ".zgroup").write_text("{"), "not a Zarr store that can be read"),
        (removed("call_genotype"), "no array call_genotype; expected a VCF Zarr store, as `vcf2zarr"),
        (removed("variant_allele"), "no array variant_allele;"),
        (removed("contig_id"), "no array contig_id and no attribute contigs"),
        (cut("call_genotype/0.0.0"), r"truncated or damaged: rows 0 to 7 of call_genotype cannot be read"),
        (cut("variant_position/0"), r"truncated or damaged: rows 0 to \d of variant_position"),
        (removed("variant_allele/0.0"), r"chunk 0\.0 of variant_allele is missing"),
        (rewritten("variant_position", 1, 44), "not sorted: it follows position 44"),
        (rewritten("region_index", 0, [0, 0, 5, 9, 14, 3]), "region_index belongs to another version"),
        (rewritten("region_index", 0, [0, 0, 31, 31, 31, 4]), "not sorted: the records of contig 1"),
        (rewritten("region_index", 0, [0, 9, 5, 9, 14, 4]), "names a contig that is not among the 3"),
        (rewritten("call_genotype", 0, 2), r"record 1:5: a genotype names an allele beyond its 1 ALT alleles"),
        (rewritten("variant_allele", 0, ["", "A", "C", ""]), r"record 1:5: REF or ALT is empty"),
        (rewritten("sample_id", 0, "b"), "names of individuals are empty or occur twice"),
    ],
)
def test_wrong_stores(hard: Path, tmp_path: Path, change: Callable[[Path], None], complaint: str) -> None:
    path = write_vcz(hard, tmp_path / "v.vcz", 2, (4, 3))
    change(path)
    with pytest.raises(InputFileError, match=complaint):
        open_genotypes(path).read("1", 0, 1000)


def test_a_missing_chunk_of_genotypes_warns_once(hard: Path, tmp_path: Path) -> None:
    """It may be one without ALT alleles, which zarr does not write, or the copy is not complete."""
    path = write_vcz(hard, tmp_path / "v.vcz", 3)
    shutil.rmtree(path / "call_genotype" / "c" / "0")
    source = open_genotypes(path)
    with pytest.warns(
        PgxevalWarning, match=r"chunk c/0/./0 of call_genotype.*is not there and reads as genotypes without ALT"
    ):
        assert (source.read("1", 0, 6).alleles == 0).all()
    source.read("1", 0, 6)


def test_not_a_zip_and_a_zip_of_a_folder(hard: Path, tmp_path: Path) -> None:
    (tmp_path / "x.vcz.zip").write_bytes(b"PK nothing")
    with pytest.raises(InputFileError, match="damaged or not a zip file"):
        open_genotypes(tmp_path / "x.vcz.zip")
    zipped(write_vcz(hard, tmp_path / "v.vcz"), tmp_path / "y.vcz.zip", top="v.vcz/")
    with pytest.raises(InputFileError, match=r"its arrays lie in the folder v\.vcz; run `cd v\.vcz && zip"):
        open_genotypes(tmp_path / "y.vcz.zip")


def test_a_field_that_is_not_there(hard: Path, tmp_path: Path) -> None:
    with pytest.raises(InputFileError, match="no array call_DS for field='DS'; it has GT"):
        open_genotypes(write_vcz(hard, tmp_path / "v.vcz")).read("1", 0, 10, "DS")


def test_without_zarr(hard: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_vcz(hard, tmp_path / "v.vcz")
    monkeypatch.setitem(sys.modules, "pgxeval.genome.formats.zarr_store", None)
    with pytest.raises(InputFileError, match=r"reading VCF Zarr needs zarr 3 .*pgxeval\[zarr\]"):
        open_genotypes(path)
