"""A whole study on real data: Geuvadis with four trained predictors, real haplotypes with two sequence models as well.

Run it with the folder that holds ``geuvadis`` and ``kgp_chr1``::

    python examples/geuvadis_study.py ../shared/data

Two studies, because no open data set of this size has phased haplotypes and expression of the same individuals:

* ``geuvadis``: 90 European individuals and 428 genes. Genotypes are unphased and no reference genome is given, so only
  predictors that are trained on these individuals can run: elastic net, random forest, BLUP and the top variant.
* ``haplotypes``: phased haplotypes of 91 individuals on chromosome 1 (1000 Genomes), with **planted** expression in two
  tissues, and two sequence models in addition. A third of the genes follow the output of the first model, a third
  one variant, and a third are noise. The second model shares half of its filters with the first. Both are random
  filters of a few lines of NumPy: they know no biology, and the reference has random bases between the variants.

Each study has its folder with tables, ``methods.md`` and ``report.html``; a second run continues there.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

import pgxeval
from pgxeval.predictors.trained import BlupPredictor, TopVariantPredictor

DATA = Path(os.environ.get("PGXEVAL_SHARED_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))

CONTEXT_BP, BIN_BP = 2_048, 64
FLANK_BP = 10_000  # on either side of the TSS: where trained predictors of the second study look for variants
HERITABILITY = 0.4
KINDS = ("noise", "variant", "model")


class RandomFilters:
    """A sequence model of random filters of 6 bp: a bin is the weighted sum of their rectified outputs.

    Parameters
    ----------
    name
        Name of the model.
    seeds
        One seed per filter; two models share the filters whose seeds they share.
    """

    def __init__(self, name: str, seeds: Sequence[int]) -> None:
        filters = [np.random.default_rng(seed).normal(size=25) for seed in seeds]
        self.weights = np.array([one[:24] for one in filters]).T.astype(np.float32)  # float32 (24, n_filters)
        self.signs = np.array([one[24] for one in filters], dtype=np.float32)
        tracks = pd.DataFrame({"name": ["expression"], "strand": ["."], "bin_width_bp": [BIN_BP]})
        self.info = pgxeval.ModelInfo(
            name=name, version=f"filters {list(seeds)}", context_lengths=CONTEXT_BP, tracks=tracks, remote=False
        )

    def predict_tracks(self, sequences: np.ndarray, tracks: Sequence[int]) -> np.ndarray:
        """Return float32 (n_sequences, n_bins, n_tracks)."""
        one_hot = (sequences[:, :, None] == np.frombuffer(b"ACGT", dtype=np.uint8)).astype(np.float32)
        padded = np.pad(one_hot, ((0, 0), (0, 5), (0, 0)))
        windows = np.lib.stride_tricks.sliding_window_view(padded, 6, axis=1)  # (n, length, 4, 6)
        outputs = np.maximum(windows.reshape(*sequences.shape, 24) @ self.weights, 0) @ self.signs
        bins = outputs.reshape(len(sequences), -1, BIN_BP).sum(axis=2)
        return np.repeat(bins[:, :, None], len(tracks), axis=2)


def sequence_predictor(name: str, seeds: Sequence[int]) -> pgxeval.SequencePredictor:
    """Return a predictor that reads the whole context of a model around the TSS."""
    readout = pgxeval.TssBins(n=CONTEXT_BP // BIN_BP, aggregate="sum", log=None)
    return pgxeval.SequencePredictor(RandomFilters(name, seeds), readout, tracks="expression")


def planted_cohorts(data: Path, *, genes: int, seed: int) -> dict[str, pgxeval.Cohort]:
    """Return two tissues of individuals with real haplotypes and planted expression; the second has 70 of the 91."""
    rng = np.random.default_rng(seed)
    genome = pgxeval.PersonalGenome(data / "variants.vcf.gz", data / "reference.fa")
    positions = genome.dosages(pgxeval.Interval("1", 0, 5_000_000)).variants["position"].to_numpy()
    sites = positions[((np.arange(genes) + 0.5) / genes * len(positions)).astype(int)].tolist()
    model = sequence_predictor("planted", range(8))
    placed, genetic = [], []
    for number, tss in enumerate(sites):
        gene = pgxeval.Gene(
            gene_id=f"REAL{number:03d}",
            contig="1",
            start=tss,
            end=tss + 3_000,
            strand="+",
            tss=tss,
            exons=[(tss, tss + 500), (tss + 2_500, tss + 3_000)],
        )
        kind = KINDS[number % 3]
        values = np.zeros(len(genome.individuals))
        if kind == "model":
            values = model.predict(gene, genome, genome.individuals).values
        elif kind == "variant":
            dosages = genome.dosages(gene.cis_window(FLANK_BP, "tss"), genome.individuals).values
            common = np.flatnonzero(dosages.mean(axis=0) > 0.4)
            values = dosages[:, rng.choice(common)].astype(float) if common.size else values
        spread = values.std()
        placed.append(gene)
        genetic.append(np.zeros(len(values)) if spread == 0 else (values - values.mean()) / spread)
    cohorts = {}
    for tissue, names in (("tissue_a", genome.individuals), ("tissue_b", genome.individuals[:70])):
        noise = rng.normal(size=(len(placed), len(genome.individuals)))
        expression = np.sqrt(HERITABILITY) * np.array(genetic) + np.sqrt(1 - HERITABILITY) * noise
        whole = pgxeval.Cohort(genome=genome, genes=placed, expression=expression, individuals=genome.individuals)
        cohorts[tissue] = whole.subset(individuals=names)
    return cohorts


def trained(variants: pgxeval.CisVariants | None = None) -> list[pgxeval.TrainablePredictor]:
    """Return the four predictors that are trained on the individuals."""
    options = {} if variants is None else {"cis_variants": variants}
    return [
        pgxeval.ElasticNetPredictor(**options),
        pgxeval.RandomForestPredictor(**options),
        BlupPredictor(**options),
        TopVariantPredictor(**options),
    ]


def report(study: pgxeval.Study, folder: Path, title: str, started: float) -> None:
    """Print the answers and write the page."""
    print(f"\n== {title}: {study!r} ==\n")
    for answer in study.answers:
        print(f"{answer.question} {answer.answer}: {answer.number_words()}")
    page = study.to_html(folder / "report.html", title=title)
    print(f"Took {time.monotonic() - started:.0f} s. The report:")
    print(page.resolve())


def main() -> int:
    """Run both studies; the last line printed is the path of the last report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, nargs="?", default=DATA, help="folder of the data (%(default)s)")
    parser.add_argument("--folder", type=Path, default=Path("pgxeval-study"), help="where to write (%(default)s)")
    parser.add_argument("--genes", type=int, default=None, help="use the first genes of Geuvadis only")
    parser.add_argument("--planted", type=int, default=60, help="planted genes (%(default)s)")
    parser.add_argument("--replicates", type=int, default=None, help="runs on permuted expression")
    parser.add_argument("--attributed", type=int, default=20, help="pairs with effects of variants (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="%(default)s")
    parser.add_argument("--workers", type=int, default=None, help="processes (all cores)")
    arguments = parser.parse_args()
    common = {"seed": arguments.seed, "replicates": arguments.replicates, "max_attributed": arguments.attributed}
    try:
        started = time.monotonic()
        files = arguments.data / "geuvadis"
        cohort = pgxeval.Cohort.from_files(expression=files / "expression.bed.gz", genotypes=files / "genotypes.vcf.gz")
        if arguments.genes is not None:
            cohort = cohort.subset(genes=cohort.gene_ids[: arguments.genes])
        folder = arguments.folder / "geuvadis"
        settings = pgxeval.StudySettings(**common)
        study = pgxeval.run_study({"LCL": cohort}, trained(), folder, settings=settings, workers=arguments.workers)
        report(study, folder, "Geuvadis: four trained predictors in 90 individuals", started)

        started = time.monotonic()
        cohorts = planted_cohorts(arguments.data / "kgp_chr1", genes=arguments.planted, seed=arguments.seed)
        variants = pgxeval.CisVariants(flank_bp=FLANK_BP, around="tss")
        models = [sequence_predictor("filters_a", range(8)), sequence_predictor("filters_b", range(4, 12))]
        folder = arguments.folder / "haplotypes"
        settings = pgxeval.StudySettings(
            **common,
            cis_variants=variants,
            evaluation=pgxeval.EvaluationSettings(margin=0.05, block_bp=2 * FLANK_BP),
            attribution=pgxeval.AttributionSettings(flank_bp=CONTEXT_BP // 2),
        )
        study = pgxeval.run_study(
            cohorts, [*trained(variants), *models], folder, settings=settings, workers=arguments.workers
        )
        report(study, folder, "Real haplotypes, planted expression, two sequence models", started)
    except pgxeval.PgxevalError as error:
        print(f"geuvadis_study: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
