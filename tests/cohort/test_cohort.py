"""Cohorts: who is in, what is excluded and why; from files and in memory."""

from __future__ import annotations

import html
import pickle
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pysam
import pytest

from pgxeval.cohort.cohort import Cohort
from pgxeval.cohort.exclusions import share_individuals
from pgxeval.cohort.expression import Expression
from pgxeval.errors import (
    InputFileError,
    InputFileNotFoundError,
    PgxevalWarning,
    SettingError,
    TableError,
    UnknownNameError,
)
from pgxeval.genome.dosages import Dosages
from pgxeval.genome.intervals import Gene, Interval

PEOPLE = tuple(f"P{i:02d}" for i in range(30))


def no_dosages(interval: Interval, individuals: Sequence[str]) -> Dosages:
    return Dosages(
        values=np.zeros((len(individuals), 0), dtype=np.int8),
        variants=pd.DataFrame(
            {"contig": [], "position": [], "id": [], "ref": pd.array([], dtype="str"), "alt": pd.array([], dtype="str")}
        ),
        individuals=tuple(individuals),
        counts={},
    )


def genome(individuals: Sequence[str] = PEOPLE, contigs: Sequence[str] = ("chr1", "chr2")) -> Any:
    return SimpleNamespace(
        individuals=tuple(individuals),
        contigs=tuple(contigs),
        dosages=no_dosages,
        source=None,
        reference=None,
        notes=(),
    )


def gene(name: str, contig: str = "chr1", start: int = 1000, end: int = 2000) -> Gene:
    return Gene(gene_id=name, contig=contig, start=start, end=end)


def values(genes: int, individuals: int = 30, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(genes, individuals))


def parts(n_genes: int = 3, **changes: Any) -> dict[str, Any]:
    return {
        "genome": genome(),
        "genes": [gene(f"G{i}") for i in range(n_genes)],
        "expression": values(n_genes),
        "individuals": PEOPLE,
    } | changes


def covariates(individuals: Sequence[str] = PEOPLE, **columns: Any) -> pd.DataFrame:
    random = np.random.default_rng(9)
    base = {"age": random.normal(50, 9, len(individuals)), "sex": np.arange(len(individuals)) % 2}
    return pd.DataFrame(base | columns, index=list(individuals))


def excluded(cohort: Cohort) -> list[tuple[str, str, str]]:
    return [tuple(row) for row in cohort.exclusions.itertuples(index=False)]


# In memory


def test_a_cohort_built_directly() -> None:
    matrix = values(3)
    cohort = Cohort(**parts(expression=matrix, covariates=covariates()))
    matrix[0, 0] = 99
    assert cohort.gene_ids == ("G0", "G1", "G2")
    assert cohort.expression[0, 0] == values(3)[0, 0]
    with pytest.raises(ValueError, match="read-only"):
        cohort.expression[0, 0] = 1
    series = cohort.expression_of("G1")
    assert series.name == "G1"
    assert series.index.tolist() == list(PEOPLE)
    np.testing.assert_array_equal(series, values(3)[1])
    series.iloc[0] = 7
    assert cohort.expression[1, 0] != 7
    assert cohort.gene("G2").gene_id == "G2"
    assert cohort.expression_table.loc["G2", "P05"] == values(3)[2, 5]
    assert cohort.covariates is not None
    assert cohort.covariates.columns.tolist() == ["age", "sex"]
    assert excluded(cohort) == []
    assert list(cohort.exclusions.columns) == ["kind", "name", "reason"]
    with pytest.raises(AttributeError):
        cohort.individuals = ()  # type: ignore[misc]  # frozen: that is the point


def with_values(row: int, columns: slice, value: float) -> np.ndarray:
    matrix = values(3)
    matrix[row, columns] = value
    return matrix


@pytest.mark.parametrize(
    ("changes", "error", "says"),
    [
        ({"expression": values(2)}, TableError, r"shape \(2, 30\), but there are 3 genes and 30 individuals"),
        ({"individuals": [*PEOPLE[:29], "P00"]}, TableError, "individual P00 occurs more than once"),
        ({"genes": [gene("G0"), gene("G1"), gene("G0")]}, TableError, "gene G0 occurs more than once"),
        (
            {"expression": with_values(1, slice(3, 4), np.inf)},
            TableError,
            "infinite, the first for gene G1, indiv.* P03",
        ),
        ({"expression": with_values(2, slice(None), 4.0)}, TableError, "gene G2 cannot be judged: constant expression"),
        ({"expression": with_values(2, slice(0, 21), np.nan)}, TableError, "G2 .* fewer than 10 measured individuals"),
        ({"genome": genome(PEOPLE[1:])}, UnknownNameError, r"1 individual\(s\) are not in the genotypes: P00; near"),
        (
            {"genome": genome(contigs=["chr7"])},
            UnknownNameError,
            "G0 cannot be judged: contig unknown to the genotypes",
        ),
        ({"genes": [], "expression": values(0)}, SettingError, "at least one gene"),
        ({"individuals": PEOPLE[:9], "expression": values(3, 9)}, SettingError, "at least 10 individuals, got 9"),
        ({"individuals": [0, *PEOPLE[1:]]}, TableError, "identifier 0 is of type int"),
        ({"covariates": covariates(PEOPLE[::-1])}, TableError, "in their order"),
        ({"covariates": covariates(PEOPLE[:-1])}, TableError, r"\(29 individuals\) is not the cohort's"),
        ({"covariates": covariates(flat=1)}, TableError, "covariate flat is the same for all individuals"),
        ({"covariates": covariates(bad=[np.nan] + [0.0] * 29)}, TableError, "bad is missing for 1 individual.* P00"),
        ({"exclusions": pd.DataFrame({"kind": []})}, TableError, "exclusions lacks"),
    ],
)
def test_what_cannot_be_judged_is_refused(changes: dict[str, Any], error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        Cohort(**parts(**changes))


def test_covariates_must_leave_a_degree_of_freedom() -> None:
    random = np.random.default_rng(1)
    many = pd.DataFrame(random.normal(size=(30, 27)), index=list(PEOPLE)).rename(columns=str)
    assert Cohort(**parts(covariates=many)).covariates is not None
    with pytest.raises(SettingError, match="28 independent covariates leave no degree of freedom with 30"):
        Cohort(**parts(covariates=many.assign(one_more=random.normal(size=30))))
    # Collinear covariates cost nothing.
    repeated = pd.concat([many, many.add_prefix("again")], axis=1)
    assert Cohort(**parts(covariates=repeated)).covariates.shape == (30, 54)


def test_parts_are_shared_and_everything_else_is_counted() -> None:
    n = 26
    people = [*PEOPLE[25:3:-1], "only_measured", *PEOPLE[:3]]
    matrix = values(6, n)
    matrix[3] = 5 * (1 + 1e-14 * np.arange(n))
    # Measured in ten, but only nine of them have genotypes and covariates.
    matrix[4] = np.nan
    matrix[4, 14:23] = np.arange(9)
    matrix[4, people.index("only_measured")] = 100
    genes = [gene("A"), gene("B", "1"), gene("NOWHERE", "scaffold_1"), gene("FLAT"), gene("FEW"), gene("C", "2")]
    table = covariates([*PEOPLE[::-1], "only_covariates"][1:], same=3.0)
    cohort = Cohort.from_parts(
        genome=genome(),
        expression=Expression(values=matrix, genes=genes, individuals=people),
        covariates=table,
    )
    assert cohort.individuals == tuple(name for name in people if name in PEOPLE and name in table.index)
    assert cohort.gene_ids == ("A", "B", "C")
    frame = pd.DataFrame(matrix, index=[g.gene_id for g in genes], columns=people)
    np.testing.assert_array_equal(cohort.expression, frame.loc[["A", "B", "C"], list(cohort.individuals)])
    pd.testing.assert_frame_equal(
        cohort.covariates, table.loc[list(cohort.individuals), ["age", "sex"]].astype(float), check_names=False
    )
    rows = excluded(cohort)
    lacking = [name for name in PEOPLE if name not in people]
    assert ("individual", "only_measured", "not in the genotypes and the covariates") in rows
    assert ("individual", "only_covariates", "not in the expression table and the genotypes") in rows
    for name in lacking:
        assert ("individual", name, "not in the expression table" + " and the covariates" * (name == "P29")) in rows
    assert rows[len(lacking) + 2 :] == [
        ("gene", "NOWHERE", "contig unknown to the genotypes"),
        ("gene", "FLAT", "constant expression"),
        ("gene", "FEW", "fewer than 10 measured individuals"),
        ("covariate", "same", "constant covariate"),
    ]
    assert len(rows) == len(lacking) + 2 + 4
    assert cohort.notes[0] == "contigs have other names in the genotypes: 1 is chr1, 2 is chr2"


def test_if_all_covariates_are_constant_none_is_left() -> None:
    cohort = Cohort.from_parts(
        genome=genome(),
        expression=Expression(values=values(1), genes=[gene("G")], individuals=PEOPLE),
        covariates=pd.DataFrame({"same": 1}, index=list(PEOPLE)),
    )
    assert cohort.covariates is None
    assert excluded(cohort) == [("covariate", "same", "constant covariate")]


def test_gene_models_replace_the_positions() -> None:
    genes = [gene("ENSG00000000001.1"), gene("ENSG00000000002.1"), gene("ABSENT")]
    models = {
        name: Gene(gene_id=name, contig="1", start=900, end=2100, strand="-", tss=2099, exons=[(900, 950)], name="ONE")
        for name in ("ENSG00000000001.1", "ENSG00000000002.7", "ENSG00000000009.1")
    }
    cohort = Cohort.from_parts(
        genome=genome(),
        expression=Expression(values=values(3), genes=genes, individuals=PEOPLE),
        models=models,
    )
    assert cohort.gene_ids == ("ENSG00000000001.1", "ENSG00000000002.1")
    assert cohort.gene("ENSG00000000002.1").tss == 2099
    assert cohort.gene("ENSG00000000001.1") == models["ENSG00000000001.1"]
    assert excluded(cohort) == [("gene", "ABSENT", "not in the gene models")]
    assert any("1 gene(s) were found" in note and "ENSG00000000002.1" in note for note in cohort.notes)
    with pytest.raises(UnknownNameError, match="ABSENT is not in the cohort; it was excluded: not in the gene models"):
        cohort.gene("ABSENT")
    with pytest.raises(TableError, match=r"none of the 3 genes .* is in the gene models: ENSG.* there, OTHER here"):
        Cohort.from_parts(
            genome=genome(),
            expression=Expression(values=values(3), genes=genes, individuals=PEOPLE),
            models={"OTHER": gene("OTHER")},
        )


@pytest.mark.parametrize(
    ("model", "apart"),
    [
        (gene("G", "1", 1500, 1600), False),
        (gene("G", "chr1", 11_999, 12_100), False),
        (gene("G", "chr1", 12_000, 12_100), True),
        (gene("G", "chr2", 1000, 2000), True),
    ],
)
def test_another_genome_build_is_noticed(model: Gene, apart: bool) -> None:
    def build() -> Cohort:
        return Cohort.from_parts(
            genome=genome(),
            expression=Expression(values=values(1), genes=[gene("G")], individuals=PEOPLE),
            models={"G": model},
        )

    if not apart:
        assert not any("lie more than" in note for note in build().notes)
        return
    with pytest.warns(PgxevalWarning, match=r"1 of 1 genes lie more than 10,000 bp .*genome build"):
        cohort = build()
    assert any("lie more than" in note for note in cohort.notes)
    assert cohort.genes == (model,)


def names(template: str) -> list[str]:
    return [template.format(i, i) for i in range(20)]


@pytest.mark.parametrize(
    ("ours", "theirs", "hint"),
    [
        (
            "GTEX-11{}F",
            "GTEX-11{}F-0226-SM-5GZZ7",
            "GTEX-110F-0226-SM-5GZZ7 in the genotypes may be GTEX-110F in the exp",
        ),
        ("NA128{}", "NA128{}_NA128{}", "NA1280_NA1280 in the genotypes may be NA1280 in the expression"),
        ("na128{}", "NA128{}", "na1280 in the expression table may be NA1280"),
        ("00{}x", "{}x", "000x in the expression table may be 0x"),
        ("X10{}", "10{}", r"X100 in the expression table may be 100 in the genotypes.*check\.names=FALSE"),
        ("10{}x", "X10{}x", r"X100x in the genotypes may be 100x in the expression table.*check\.names=FALSE"),
        ("HG.{}", "HG-{}", r"HG\.0 in the expression table may be HG-0"),
        ("A{}", "B{}", "check that the files belong to the same cohort$"),
    ],
)
def test_no_shared_individual(ours: str, theirs: str, hint: str) -> None:
    expression = Expression(values=values(1, 20), genes=[gene("G")], individuals=names(ours))
    with pytest.raises(TableError, match="no individual is in all files: the expression table has ") as caught:
        Cohort.from_parts(genome=genome(names(theirs)), expression=expression)
    message = str(caught.value)
    assert re.search(hint, message)
    assert names(ours)[2] in message
    assert names(theirs)[2] in message


def test_too_few_shared_individuals_with_the_likely_cause() -> None:
    theirs = [*PEOPLE[:9], *(f"{name}_rep1" for name in PEOPLE[9:])]
    expression = Expression(values=values(1), genes=[gene("G")], individuals=PEOPLE)
    with pytest.raises(SettingError, match=r"9 individual\(s\) are shared .* at least 10 .*P09_rep1 .*may be P09"):
        Cohort.from_parts(genome=genome(theirs), expression=expression)
    assert len(Cohort.from_parts(genome=genome(PEOPLE[:10]), expression=expression).individuals) == 10


def test_no_usable_gene() -> None:
    expression = Expression(values=values(1), genes=[gene("G", "chrUn")], individuals=PEOPLE)
    with pytest.raises(TableError, match=r"none of the 1 genes .*1 contig unknown.* lie on chrUn; .* have chr1, chr2"):
        Cohort.from_parts(genome=genome(), expression=expression)


def test_sharing_agrees_with_sets() -> None:
    random = np.random.default_rng(4)
    for _ in range(50):
        sources = {key: [str(x) for x in random.permutation(12)[: random.integers(6, 12)]] for key in "abc"}
        common = set.intersection(*map(set, sources.values()))
        if not common:
            continue
        shared, rest = share_individuals(sources)
        assert list(shared) == [name for name in sources["a"] if name in common]
        assert sorted(name for _, name, _ in rest) == sorted(set.union(*map(set, sources.values())) - common)
        for _, name, reason in rest:
            assert reason == "not in the " + " and the ".join(key for key in "abc" if name not in sources[key])


# Parts of a cohort


def test_subset_in_the_order_asked() -> None:
    cohort = Cohort(**parts(covariates=covariates(), exclusions=[("gene", "X", "why")]))
    people = PEOPLE[20:5:-1]
    part = cohort.subset(genes=["G2", "G0"], individuals=people)
    assert part.gene_ids == ("G2", "G0")
    assert part.individuals == people
    frame = pd.DataFrame(values(3), index=["G0", "G1", "G2"], columns=list(PEOPLE))
    np.testing.assert_array_equal(part.expression, frame.loc[["G2", "G0"], list(people)])
    assert part.covariates.index.tolist() == list(people)
    assert excluded(part) == [("gene", "X", "why")]
    assert part.notes == ("subset of a cohort of 3 genes and 30 individuals",)
    everything = cohort.subset()
    assert everything.gene_ids == cohort.gene_ids
    np.testing.assert_array_equal(everything.expression, cohort.expression)


def test_subset_leaves_out_what_says_nothing_there() -> None:
    matrix = values(3)
    matrix[0, :12] = 1.5
    matrix[1, :6] = np.nan
    cohort = Cohort(**parts(expression=matrix, covariates=covariates(late=[0] * 12 + [1] * 18)))
    part = cohort.subset(individuals=PEOPLE[:12])
    assert part.gene_ids == ("G2",)
    assert part.covariates.columns.tolist() == ["age", "sex"]
    assert excluded(part) == [
        ("gene", "G0", "constant expression"),
        ("gene", "G1", "fewer than 10 measured individuals"),
        ("covariate", "late", "constant covariate"),
    ]


@pytest.mark.parametrize(
    ("asked", "error", "says"),
    [
        ({"genes": ["G0", "G9"]}, UnknownNameError, "gene G9 is not in the cohort; genes are named as G0"),
        (
            {"individuals": [*PEOPLE[:12], "P1"]},
            UnknownNameError,
            r"1 individual\(s\) are not in the cohort: P1; near: P",
        ),
        ({"genes": ["GG0"]}, UnknownNameError, "gene GG0 is not in the cohort; near: G0"),
        ({"individuals": [*PEOPLE, "P00"]}, SettingError, "individuals: P00 occurs more than once"),
        ({"genes": ["G0", "G0"]}, SettingError, "genes: G0 occurs more than once"),
        ({"genes": "G0"}, SettingError, "sequence of names, got the one string 'G0'"),
        ({"individuals": PEOPLE[:9]}, SettingError, "at least 10 individuals, got 9"),
        ({"genes": []}, SettingError, "at least one gene, got none"),
    ],
)
def test_subsets_that_cannot_be(asked: dict[str, Any], error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        Cohort(**parts()).subset(**asked)


def test_halves_are_disjoint_and_depend_on_names_only() -> None:
    people = tuple(f"N{i}" for i in range(200))
    cohort = Cohort(**parts(genome=genome(people), individuals=people, expression=values(3, 200)))
    first, second = cohort.halves(seed=1)
    assert sorted(first.individuals + second.individuals) == sorted(people)
    assert abs(len(first.individuals) - 100) < 40
    fewer = cohort.subset(individuals=people[::-1][:120])
    again = fewer.halves(seed=1)
    assert set(again[0].individuals) == set(first.individuals) & set(fewer.individuals)
    assert set(again[1].individuals) == set(second.individuals) & set(fewer.individuals)
    assert set(cohort.halves(seed=2)[0].individuals) != set(first.individuals)


def test_halves_that_are_too_small() -> None:
    cohort = Cohort(**parts(individuals=PEOPLE[:12], expression=values(3, 12)))
    with pytest.raises(SettingError, match=r"halves of \d+ and \d+ individuals \(seed 0\)"):
        cohort.halves(seed=0)


def test_what_is_shown_holds_no_individual() -> None:
    matrix = values(3)
    matrix[0, 0] = 123.456
    rows = [("individual", "SECRET", "not in the genotypes"), ("gene", "X", "a < b"), ("gene", "Y", "a < b")]
    cohort = Cohort(**parts(expression=matrix, exclusions=rows, covariates=covariates(), notes=["1 & 2"]))
    assert repr(cohort) == (
        "Cohort(3 genes, 30 individuals, 2 covariates; excluded: 1 individual(s) not in the genotypes; 2 gene(s) a < b)"
    )
    shown = cohort._repr_html_()
    assert html.escape("a < b") in shown
    assert "<td>2</td>" in shown
    assert "<li>1 &amp; 2</li>" in shown
    for text in (shown, repr(cohort), str(cohort)):
        assert "SECRET" not in text
        assert "P00" not in text
        assert "123" not in text
    assert "Nothing was excluded" in Cohort(**parts())._repr_html_()


def test_a_cohort_travels_to_other_processes() -> None:
    cohort = Cohort(**parts(covariates=covariates(), exclusions=[("gene", "X", "why")]))
    again = pickle.loads(pickle.dumps(cohort))
    assert again.individuals == cohort.individuals
    assert again.genes == cohort.genes
    np.testing.assert_array_equal(again.expression, cohort.expression)
    pd.testing.assert_frame_equal(again.covariates, cohort.covariates)
    pd.testing.assert_frame_equal(again.exclusions, cohort.exclusions)
    assert again.gene("G1") == cohort.gene("G1")


# From files


@pytest.fixture
def files(tmp_path: Path) -> Callable[..., dict[str, Path]]:
    """Write a small cohort's files: GTF with chr names, VCF without."""

    def write(genotyped: Sequence[str] = PEOPLE, contig: str = "1") -> dict[str, Path]:
        calls = "\t".join(f"0|{i % 2}" for i in range(len(genotyped)))
        text = (
            f"##fileformat=VCFv4.2\n##contig=<ID={contig},length=100000>\n"
            '##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">\n'
            + "\t".join(["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT", *genotyped])
            + f"\n{contig}\t1501\t.\tA\tC\t.\tPASS\t.\tGT\t{calls}\n"
        )
        (tmp_path / "genotypes.vcf").write_text(text)
        vcf = Path(pysam.tabix_index(str(tmp_path / "genotypes.vcf"), preset="vcf", force=True))
        rows = ["\t".join(["#chr", "start", "end", "gene_id", *PEOPLE])]
        for i, row in enumerate(values(3)):
            rows.append("\t".join(["chr1", "1999", "2000", f"ENSG0000000000{i}.1", *map(repr, row.tolist())]))
        (tmp_path / "expression.bed").write_text("\n".join(rows) + "\n")
        (tmp_path / "genes.gtf").write_text(
            "".join(
                f'chr1\tX\t{feature}\t1001\t2000\t.\t-\t.\tgene_id "ENSG0000000000{i}.2"; gene_name "N{i}";\n'
                for i in range(2)
                for feature in ("gene", "exon")
            )
        )
        (tmp_path / "covariates.txt").write_text(
            "\t".join(["ID", *PEOPLE[1:]]) + "\n" + "\t".join(["PC1", *map(str, range(29))]) + "\n"
        )
        return {
            "expression": tmp_path / "expression.bed",
            "genotypes": vcf,
            "genes": tmp_path / "genes.gtf",
            "covariates": tmp_path / "covariates.txt",
        }

    return write


def test_files_are_brought_together(files: Callable[..., dict[str, Path]]) -> None:
    cohort = Cohort.from_files(**files(genotyped=PEOPLE[:2:-1]))
    assert cohort.individuals == PEOPLE[3:]
    assert cohort.gene_ids == ("ENSG00000000000.1", "ENSG00000000001.1")
    assert cohort.genes[0].tss == 1999
    assert cohort.genes[0].strand == "-"
    assert cohort.genes[0].exons == ((1000, 2000),)
    np.testing.assert_array_equal(cohort.expression, values(3)[:2, 3:])
    assert cohort.covariates["PC1"].tolist() == list(range(2, 29))
    assert cohort.genome.individuals == PEOPLE[:2:-1]
    assert excluded(cohort) == [
        ("individual", "P00", "not in the genotypes and the covariates"),
        ("individual", "P01", "not in the genotypes"),
        ("individual", "P02", "not in the genotypes"),
        ("gene", "ENSG00000000002.1", "not in the gene models"),
    ]
    assert cohort.notes[:2] == (
        "2 gene(s) were found in the gene models only without their Ensembl version: "
        "ENSG00000000000.1, ENSG00000000001.1",
        "contigs have other names in the genotypes: chr1 is 1",
    )
    assert "relatives were not searched for" in cohort.notes[-1]


def test_without_gene_models_the_bed_positions_stay(files: Callable[..., dict[str, Path]]) -> None:
    paths = files()
    cohort = Cohort.from_files(expression=paths["expression"], genotypes=str(paths["genotypes"]))
    assert len(cohort.genes) == 3
    assert cohort.genes[0].tss == 1999
    assert cohort.genes[0].strand is None
    assert cohort.covariates is None
    assert excluded(cohort) == []


def test_genes_on_unknown_contigs(files: Callable[..., dict[str, Path]]) -> None:
    with pytest.raises(TableError, match=r"none of the 2 genes.* 2 contig unknown.* lie on chr1; .* have 17"):
        Cohort.from_files(**files(contig="17"))


@pytest.mark.parametrize("kind", ["expression", "genotypes", "genes", "covariates"])
def test_missing_and_empty_files_are_named(files: Callable[..., dict[str, Path]], tmp_path: Path, kind: str) -> None:
    paths = files()
    with pytest.raises(InputFileNotFoundError, match=r"absent\.gz"):
        Cohort.from_files(**paths | {kind: tmp_path / "absent.gz"})
    empty = tmp_path / "empty.gz"
    empty.write_bytes(b"")
    with pytest.raises(InputFileError, match=r"empty\.gz"):
        Cohort.from_files(**paths | {kind: empty})


def test_real_cohort(shared_data: Path) -> None:
    folder = shared_data / "geuvadis"
    cohort = Cohort.from_files(expression=folder / "expression.bed.gz", genotypes=folder / "genotypes.vcf.gz")
    assert len(cohort.genes) == 428
    assert len(cohort.individuals) == 90
    assert excluded(cohort) == []
    assert len(cohort.notes) == 1
    assert "population structure was not tested" in cohort.notes[0]
    assert cohort.relatives().empty  # unrelated parents of the CEU trios
    with pysam.VariantFile(str(folder / "genotypes.vcf.gz")) as vcf:
        assert set(cohort.individuals) == set(vcf.header.samples)
    assert pd.Series([gene.contig for gene in cohort.genes]).value_counts().to_dict() == {"1": 294, "2": 134}
    halves = cohort.halves(seed=0)
    assert sum(len(half.individuals) for half in halves) == 90


def test_dosages_are_read_from_the_field_that_there_is_and_half_calls_by_policy(
    files: Callable[..., dict[str, Path]], tmp_path: Path
) -> None:
    paths = files()
    plain = tmp_path / "imputed.vcf"
    text = (tmp_path / "genotypes.vcf").read_text() if (tmp_path / "genotypes.vcf").exists() else ""
    if not text:
        with pysam.BGZFile(str(paths["genotypes"])) as handle:
            text = handle.read().decode()
    head, record = text.rstrip("\n").rsplit("\n", 1)
    columns = record.split("\t")[:8]
    plain.write_text(head + "\n" + "\t".join([*columns, "DS", *(f"{i / 20:.2f}" for i in range(30))]) + "\n")
    imputed = Path(pysam.tabix_index(str(plain), preset="vcf", force=True))
    cohort = Cohort.from_files(**paths | {"genotypes": [imputed]})
    assert any("dosages are read from DS of" in note for note in cohort.notes)
    assert cohort.genome.dosages("1:1-2,000").values.max() == pytest.approx(1.45)
    half = tmp_path / "half.vcf"
    half.write_text(head + "\n" + "\t".join([*columns, "GT", *["1|.", "0|1"] * 15]) + "\n")
    half = Path(pysam.tabix_index(str(half), preset="vcf", force=True))
    for policy, dosage in (("missing", -1), ("reference", 1)):
        genome = Cohort.from_files(**paths | {"genotypes": half}, field="GT", half_missing=policy).genome  # type: ignore[arg-type]
        assert genome.dosages("1:1-2,000").values[:2, 0].tolist() == [dosage, 1]
