"""Enformer, elastic net and random forest on cohorts with known truth, one evaluation per cohort.

Run it from a checkout, with the extras ``demo`` and ``enformer``; it takes about two minutes on two cores::

    python examples/sequence_models.py --out pgxeval-sequence-models

Two cohorts:

* ``simulated``: haplotypes, reference, gene models and expression from `pgxeval.simulate_cohort`.
* ``real``: phased haplotypes of 91 individuals on chromosome 1 (1000 Genomes), with their insertions and deletions;
  expression is planted on real variants. ``--data`` is the folder with ``variants.vcf.gz`` and ``reference.fa``; if it
  does not exist, this cohort is skipped with a message. The reference there has random bases between the variants.

Three kinds of genes are planted in each cohort, the last two with half of their variance:

* ``null``: only noise.
* ``additive``: the sum of the effects of one to three common variants within 10 kb of the TSS.
* ``network``: the output of the network below for the two haplotypes of an individual, computed by a plain call of
  enformer-pytorch, without the batches and readouts of this library.

Enformer is small here and has **random weights**, so it knows no biology. It must find the ``network`` genes, which
tests the path from genotypes to the evaluation. For ``additive`` and ``null`` genes its direction must be right about
half of the time. (Single correlations there are not all close to 0, because its window contains variants that are
linked with the causal ones; their signs are random.) No number below applies to the published Enformer. To run that
model, give ``EnformerPredictor(tracks="CAGE:GM12878")`` a real reference genome.

For each cohort the folder contains ``truth.tsv``, ``expression.tsv``, ``genetic_values.tsv`` (the planted value of each
gene and individual), ``predictions.parquet``, ``recovery.tsv``, ``per_gene.tsv``, ``concordance.tsv`` and
``report.html``, and in ``scores`` the scores of the network's passes: a second run needs none.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pandas as pd

import pgxeval
from pgxeval.predictors.enformer.predictor import ENFORMER_READOUTS, EnformerModel
from pgxeval.simulation.planting import plant

DATA = Path(os.environ.get("PGXEVAL_SHARED_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))

CONTEXT_BP, BINS = 4_096, 96  # of the small network: bins of 32 bp, no output for 512 bp at either end
FLANK_BP = 10_000  # on either side of the TSS: where causal variants are planted and searched for
HERITABILITY = 0.5
KINDS = ("null", "additive", "network")
PLACE = ["gene_id", "contig", "tss"]  # tss: 0-based
ENFORMER = "enformer_random"


def small_enformer(seed: int = 0) -> Any:
    """Return an Enformer of 0.2 million random weights, scaled so that every layer passes signal on."""
    import enformer_pytorch
    import torch

    torch.manual_seed(seed)
    module = enformer_pytorch.Enformer.from_hparams(
        dim=48, depth=2, heads=2, num_downsamples=5, dim_divisible_by=8, attn_dim_key=8, target_length=BINS,
        output_heads={"human": 2},
    )  # fmt: skip
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if "to_out" in name:  # zero in a new Enformer, so attention would have no effect
                parameter.normal_(std=0.1)
        for part in module.modules():
            if isinstance(part, torch.nn.BatchNorm1d):  # else the signal vanishes within a few layers
                part.momentum = 1.0
        module.train()
        module(torch.randint(0, 4, (16, CONTEXT_BP)), head="human")
    return module.eval()


def plain_enformer(module: Any, cohort: pgxeval.Cohort, gene: pgxeval.Gene) -> np.ndarray:
    """Return the sum of the three central bins, averaged over the two haplotypes: float64 (n_individuals,)."""
    import torch
    from enformer_pytorch import str_to_one_hot

    window = pgxeval.Interval.around(gene.contig, gene.tss, CONTEXT_BP)
    haplotypes = cohort.genome.haplotypes(window, cohort.individuals, anchor=gene.tss)
    with torch.inference_mode():
        bins = module(str_to_one_hot([row.tobytes().decode() for row in haplotypes.sequences]), head="human")
    centre = BINS // 2
    scores = bins[:, centre - 1 : centre + 2, 0].sum(dim=1).double().numpy()
    return scores[haplotypes.index].mean(axis=1)


# --- the cohorts


def simulated_cohort(folder: Path, *, individuals: int, genes: int, seed: int) -> tuple[pgxeval.Cohort, pd.DataFrame]:
    """Simulate a cohort; the genes that will follow the network are still null."""
    simulated = pgxeval.simulate_cohort(
        folder / "files",
        individuals=individuals,
        kinds={"null": 2 * genes, "additive": genes},
        heritability=HERITABILITY,
        window_bp=2 * FLANK_BP,
        seed=seed,
    )
    truth = simulated.truth[["gene_id", "kind", "causal_variants", "effects"]].copy()
    network_genes = truth.index[truth["kind"] == "null"][1::2]
    truth.loc[network_genes, "kind"] = "network"
    return pgxeval.Cohort.from_files(**simulated.files), truth


def real_cohort(data: Path, *, genes: int, seed: int) -> tuple[pgxeval.Cohort, pd.DataFrame]:
    """Plant additive genes on real variants; the genes that will follow the network are still noise."""
    rng = np.random.default_rng(seed)
    genome = pgxeval.PersonalGenome(data / "variants.vcf.gz", data / "reference.fa")
    positions = genome.dosages(pgxeval.Interval("1", 0, 5_000_000)).variants["position"].to_numpy()
    # at quantiles of the variants, so that no gene lies in a gap
    sites = positions[((np.arange(3 * genes) + 0.5) / (3 * genes) * len(positions)).astype(int)].tolist()
    genes_on_contig, expression, planted = [], [], []
    for number, tss in enumerate(sites):
        name, strand, kind = f"REAL{number:03d}", "+-"[number % 2], KINDS[number % 3]
        start, end = (tss, tss + 3_000) if strand == "+" else (tss - 2_999, tss + 1)
        exons = [(start, start + 500), (end - 500, end)]
        genes_on_contig.append(
            pgxeval.Gene(gene_id=name, contig="1", start=start, end=end, strand=strand, tss=tss, exons=exons)
        )
        dosages = genome.dosages(genes_on_contig[-1].cis_window(FLANK_BP, "tss"))
        signal = plant(
            dosages.values,
            "additive" if kind == "additive" else "null",
            heritability=HERITABILITY,
            n_causal=1 + number // 3 % 3,
            rng=rng,
        )
        expression.append(signal.values + rng.normal(0, np.sqrt(1 - signal.heritability), len(genome.individuals)))
        causal = ",".join(np.array(variant_names(dosages))[list(signal.causal)])
        planted.append((name, kind, causal, ",".join(f"{term}={value:.12g}" for term, value in signal.effects.items())))
    cohort = pgxeval.Cohort(
        genome=genome, genes=genes_on_contig, expression=np.array(expression), individuals=genome.individuals
    )
    return cohort, pd.DataFrame(planted, columns=["gene_id", "kind", "causal_variants", "effects"])


def variant_names(dosages: Any) -> list[str]:
    """Return contig:position:ref:alt of each column, the position 1-based."""
    return [f"{row.contig}:{row.position}:{row.ref}:{row.alt}" for row in dosages.variants.itertuples()]


def finish_planting(
    cohort: pgxeval.Cohort, truth: pd.DataFrame, module: Any, seed: int
) -> tuple[pgxeval.Cohort, pd.DataFrame]:
    """Plant the genes that follow the network; return the cohort and the planted values, genes x individuals."""
    rng = np.random.default_rng([seed, 1])
    genetic = np.zeros(cohort.expression.shape)
    expression = cohort.expression.copy()
    planted = truth.set_index("gene_id").loc[list(cohort.gene_ids)]
    for row, (gene, kind) in enumerate(zip(cohort.genes, planted["kind"], strict=True)):
        if kind == "additive":
            dosages = cohort.genome.dosages(gene.cis_window(FLANK_BP, "tss"), cohort.individuals)
            column = {name: number for number, name in enumerate(variant_names(dosages))}
            effects = [float(term.partition("=")[2]) for term in planted["effects"].iloc[row].split(",")][1:]
            for variant, effect in zip(planted["causal_variants"].iloc[row].split(","), effects, strict=True):
                genetic[row] += effect * dosages.values[:, column[variant]]
        elif kind == "network":
            scores = plain_enformer(module, cohort, gene)
            genetic[row] = (scores - scores.mean()) / scores.std() * np.sqrt(HERITABILITY)
            expression[row] = genetic[row] + rng.normal(0, np.sqrt(1 - HERITABILITY), len(scores))
    cohort = attrs.evolve(cohort, expression=expression)
    return cohort, pd.DataFrame(genetic, index=list(cohort.gene_ids), columns=list(cohort.individuals))


# --- the run


def evaluate(
    cohort: pgxeval.Cohort,
    truth: pd.DataFrame,
    module: Any,
    *,
    title: str,
    folder: Path,
    arguments: argparse.Namespace,
) -> None:
    """Predict with all three, evaluate them together, and print what was recovered."""
    started = time.monotonic()
    folder.mkdir(parents=True, exist_ok=True)
    cohort, genetic = finish_planting(cohort, truth, module, arguments.seed)
    places = pd.DataFrame([(gene.gene_id, gene.contig, gene.tss) for gene in cohort.genes], columns=PLACE)
    truth.merge(places).to_csv(folder / "truth.tsv", sep="\t", index=False)
    cohort.expression_table.to_csv(folder / "expression.tsv", sep="\t")
    genetic.to_csv(folder / "genetic_values.tsv", sep="\t", index_label="gene_id")
    enformer = pgxeval.SequencePredictor(
        EnformerModel(module, context_length=CONTEXT_BP),
        ENFORMER_READOUTS["tss_3"],
        tracks="human 0",
        name=ENFORMER,
        score_cache=folder / "scores",
    )
    variants = pgxeval.CisVariants(flank_bp=FLANK_BP, around="tss")
    predictions = pgxeval.predict_cohort(
        cohort,
        [
            enformer,
            pgxeval.ElasticNetPredictor(cis_variants=variants),
            pgxeval.RandomForestPredictor(cis_variants=variants),
        ],
        seed=arguments.seed,
        replicates=arguments.replicates,
        workers=arguments.workers,
        progress=arguments.progress,
    )
    predictions.write(folder / "predictions.parquet")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", pgxeval.PgxevalWarning)
        evaluation = pgxeval.Evaluator(cohort).evaluate(
            predictions,
            strata=truth[["gene_id", "kind"]].rename(columns={"kind": "stratum"}),
            settings=pgxeval.EvaluationSettings(seed=arguments.seed, block_bp=2 * FLANK_BP),
        )
    recovered = recovery(evaluation, truth, genetic)
    recovered.to_csv(folder / "recovery.tsv", sep="\t", index=False)
    evaluation.per_gene.to_csv(folder / "per_gene.tsv", sep="\t", index=False)
    evaluation.concordance.to_csv(folder / "concordance.tsv", sep="\t", index=False)
    report = evaluation.to_html(folder / "report.html", title=f"Sequence model with random weights: {title}")

    print(f"\n== {title}: {len(cohort.individuals)} individuals, {len(cohort.genes)} genes ==\n")
    print(
        "One row per kind of gene and predictor. mean_r: Spearman correlation with expression; the true genetic values"
    )
    print("would reach about the ceiling. mean_r_planted: Pearson correlation with these genetic values.\n")
    print(_text(recovered))
    columns = ["predictor_a", "predictor_b", "stratum", "both_right", "only_a", "only_b", "neither"]
    odds = ["mcnemar_or", "mcnemar_or_low", "mcnemar_or_high", "reference_mcnemar_or"]
    print("\nRight directions, two predictors at a time, with the odds ratio from permuted expression as reference:\n")
    print(_text(evaluation.concordance[[*columns, *odds]]))
    print(
        "\nThe rows `all` include the network genes, planted by the network that is evaluated: not a fair comparison."
    )
    haplotypes = 2 * len(cohort.individuals) * len(cohort.genes)
    print(f"\n{enformer.passes:,} passes of the network for {haplotypes:,} haplotypes")
    for warning in caught:
        print(f"Note: {warning.message}.")
    print(f"Took {time.monotonic() - started:.0f} s. The report:")
    print(report.resolve())


def recovery(evaluation: pgxeval.Evaluation, truth: pd.DataFrame, genetic: pd.DataFrame) -> pd.DataFrame:
    """Return one row per kind and predictor: its correlation with expression and with the planted values."""
    table = evaluation.predictions.table
    observed = table[table["replicate"] == 0].astype({"predictor": str, "gene_id": str, "individual": str})
    centred = observed["prediction"] - observed["training_mean"].fillna(0)
    wide = observed.assign(centred=centred).pivot_table(
        index=["predictor", "gene_id"], columns="individual", values="centred"
    )[list(genetic.columns)]
    per_gene = evaluation.per_gene.astype({"predictor": str, "gene_id": str}).merge(truth[["gene_id", "kind"]])
    per_gene["r_planted"] = [
        wide.loc[key].corr(genetic.loc[key[1]]) if wide.loc[key].std() > 0 and genetic.loc[key[1]].std() > 0 else np.nan
        for key in zip(per_gene["predictor"], per_gene["gene_id"], strict=True)
    ]
    rows = []
    for kind in KINDS:
        for predictor in dict.fromkeys(per_gene["predictor"]):
            part = per_gene[(per_gene["kind"] == kind) & (per_gene["predictor"] == predictor)]
            rows.append(
                {
                    "kind": kind,
                    "predictor": predictor,
                    "genes": len(part),
                    "undefined": int(part["spearman"].isna().sum()),
                    "right": int((part["direction"] == 1).sum()),
                    "mean_r": part["spearman"].mean(),
                    "mean_r_planted": part["r_planted"].mean(),
                    "ceiling": 0.0 if kind == "null" else np.sqrt(HERITABILITY),
                }
            )
    return pd.DataFrame(rows)


def _text(table: pd.DataFrame) -> str:
    return table.to_string(index=False, float_format="{:.2f}".format, na_rep="-")


def main() -> int:
    """Run both cohorts; the last line printed is the path of the last report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--out", type=Path, default=Path("pgxeval-sequence-models"), help="where to write (%(default)s)"
    )
    parser.add_argument(
        "--data", type=Path, default=DATA / "kgp_chr1", help="folder of the real haplotypes (%(default)s)"
    )
    parser.add_argument("--genes", type=int, default=10, help="genes of each kind and cohort (%(default)s)")
    parser.add_argument("--individuals", type=int, default=100, help="simulated individuals (%(default)s)")
    parser.add_argument("--replicates", type=int, default=4, help="runs on permuted expression (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="%(default)s")
    parser.add_argument("--workers", type=int, default=None, help="processes (all cores)")
    parser.add_argument("--progress", action="store_true", help="show progress bars")
    arguments = parser.parse_args()
    try:
        module = small_enformer(arguments.seed)
        cohort, truth = simulated_cohort(
            arguments.out / "simulated", individuals=arguments.individuals, genes=arguments.genes, seed=arguments.seed
        )
        evaluate(
            cohort, truth, module, title="simulated haplotypes", folder=arguments.out / "simulated", arguments=arguments
        )
        if arguments.data.is_dir():
            cohort, truth = real_cohort(arguments.data, genes=arguments.genes, seed=arguments.seed)
            evaluate(cohort, truth, module, title="real haplotypes", folder=arguments.out / "real", arguments=arguments)
        else:
            print(f"\nReal haplotypes are skipped: no folder {arguments.data}", file=sys.stderr)
    except ImportError as error:
        print(f'sequence_models: {error.name} is missing: pip install "pgxeval[demo,enformer]"', file=sys.stderr)
        return 1
    except pgxeval.PgxevalError as error:
        print(f"sequence_models: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
