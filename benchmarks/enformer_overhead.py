"""What SequencePredictor adds to the bare forward passes of the full-size Enformer, on the CPU.

Writes `enformer_overhead.md` next to this file. Two individuals at one gene, random weights of full size (196,608 bp,
251 million parameters). Each side runs in a separate process, one after the other, so that the peak of
memory (the kernel's count of resident bytes) is its own; rounds alternate, and the smallest time counts. The bare
side runs what enformer-pytorch offers for one head, ``model(one_hot, head="human")``, once for each distinct haplotype,
without gradients, on sequences that were made before. The predictor's side takes the module in hand (and a digest of
its weights), and then works from files: window, haplotypes, passes, readout.

The seconds of both sides include neither import nor the making of the weights. Processor seconds are shown next to
those of the wall, which other programs on the machine disturb.
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pysam

CONTEXT_BP, TSS = 196_608, 150_000
MOST_TIME, MOST_BYTES = 1.05, 2**30


def write_files(folder: Path) -> None:
    """Write a reference of 300 kb and two phased individuals with a variant every kilobase, an indel among them."""
    rng = np.random.default_rng(0)
    bases = rng.choice(np.frombuffer(b"ACGT", dtype=np.uint8), size=300_000)
    (folder / "reference.fa").write_text(f">chr1\n{bases.tobytes().decode()}\n")
    pysam.faidx(str(folder / "reference.fa"))
    other = dict(zip("ACGT", "CTAG", strict=True))
    lines = [
        "##fileformat=VCFv4.2",
        "##contig=<ID=chr1,length=300000>",
        '##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">',
        "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tanna\tbert",
    ]
    for at in range(60_000, 240_000, 1_000):
        ref = chr(bases[at])
        alt = ref + "ACG" if at == 140_000 else other[ref]
        genotypes = "\t".join("|".join(map(str, rng.integers(0, 2, 2))) for _ in range(2))
        lines.append(f"chr1\t{at + 1}\t.\t{ref}\t{alt}\t.\tPASS\t.\tGT\t{genotypes}")
    (folder / "genotypes.vcf").write_text("\n".join(lines) + "\n")
    pysam.tabix_index(str(folder / "genotypes.vcf"), preset="vcf", force=True)


def make_module():
    import torch
    from enformer_pytorch import Enformer

    torch.manual_seed(0)
    return Enformer.from_hparams(use_tf_gamma=True).eval()


def measure(folder: Path, side: str) -> dict[str, float]:
    """Run one side and return its numbers."""
    import torch

    import pgxeval
    from pgxeval.predictors.enformer.predictor import EnformerPredictor

    genome = pgxeval.PersonalGenome(folder / "genotypes.vcf.gz", folder / "reference.fa")
    gene = pgxeval.Gene(gene_id="g", contig="chr1", start=TSS, end=TSS + 9_000, strand="+", tss=TSS)
    module = make_module()
    window = pgxeval.Interval("chr1", TSS - CONTEXT_BP // 2, TSS + CONTEXT_BP // 2)
    if side == "bare":
        from enformer_pytorch import str_to_one_hot

        haplotypes = genome.haplotypes(window, anchor=TSS)
        texts = [row.tobytes().decode() for row in haplotypes.sequences]
        inputs = [str_to_one_hot([text]) for text in texts]
    start, processor = time.perf_counter(), time.process_time()
    if side == "predictor":
        predictor = EnformerPredictor(module, tracks="CAGE:GM12878")
        values = predictor.predict(gene, genome, ["anna", "bert"]).values.tolist()
        passes = predictor.passes
    else:
        with torch.inference_mode():
            made = [float(module(one, head="human")[0, 447:450, 5_110].sum()) for one in inputs]
        values = [float(np.mean([made[row] for row in rows])) for rows in haplotypes.index]
        passes = len(made)
    return {
        "seconds": time.perf_counter() - start,
        "processor_seconds": time.process_time() - processor,
        "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "passes": passes,
        "values": values,
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=2, help="runs of each side (%(default)s)")
    parser.add_argument("--side", choices=("bare", "predictor"), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.side:
        print(json.dumps(measure(arguments.folder, arguments.side)))
        return 0
    runs: dict[str, list[dict[str, float]]] = {"bare": [], "predictor": []}
    with tempfile.TemporaryDirectory() as folder:
        write_files(Path(folder))
        for number in range(arguments.rounds):
            for side in ("bare", "predictor") if number % 2 == 0 else ("predictor", "bare"):
                command = [sys.executable, __file__, "--side", side, "--folder", folder]
                done = subprocess.run(command, capture_output=True, text=True, check=True)
                runs[side].append(json.loads(done.stdout.splitlines()[-1]))
                print(side, {key: value for key, value in runs[side][-1].items() if key != "values"}, flush=True)
    best = {
        side: {key: min(run[key] for run in rows) for key in ("seconds", "processor_seconds", "peak_bytes", "passes")}
        for side, rows in runs.items()
    }
    np.testing.assert_allclose(runs["predictor"][0]["values"], runs["bare"][0]["values"], rtol=1e-5)
    ratio = {key: best["predictor"][key] / best["bare"][key] for key in ("seconds", "processor_seconds")}
    more = best["predictor"]["peak_bytes"] - best["bare"]["peak_bytes"]
    table = pd.DataFrame(
        {
            "": ["bare forward passes", "SequencePredictor"],
            "passes": [best[side]["passes"] for side in best],
            "wall [s]": [f"{best[side]['seconds']:.1f}" for side in best],
            "processor [s]": [f"{best[side]['processor_seconds']:.1f}" for side in best],
            "peak memory [GB]": [f"{best[side]['peak_bytes'] / 1e9:.2f}" for side in best],
        }
    )
    verdict = max(ratio.values()) <= MOST_TIME and more <= MOST_BYTES
    shares = [best[side]["processor_seconds"] / best[side]["seconds"] for side in best]
    disturbed = abs(shares[0] / shares[1] - 1) > 0.1
    note = "Other programs took processors from one side: trust the processor seconds, not the wall. " * disturbed
    lines = [
        "# What the predictor adds to full-size Enformer",
        "",
        table.to_markdown(index=False),
        "",
        f"Wall {100 * (ratio['seconds'] - 1):+.1f} %, processor {100 * (ratio['processor_seconds'] - 1):+.1f} % "
        f"(wanted: at most +5 %); peak memory {more / 1e9:+.2f} GB (wanted: at most +1.07 GB). "
        f"{'Both hold.' if verdict else 'Not both hold.'} {note}Predictions agree to 1e-5.",
        "",
        f"2 individuals, 1 gene, {arguments.rounds} rounds, smallest of each; {platform.machine()}, "
        f"{runs['bare'][0]['threads']} threads, torch {runs['bare'][0]['torch']}, Python {platform.python_version()}.",
    ]
    text = "\n".join(lines) + "\n"
    Path(__file__).with_suffix(".md").write_text(text)
    print(text)
    return 0 if verdict else 1


if __name__ == "__main__":
    sys.exit(main())
