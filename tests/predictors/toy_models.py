"""Toy models in NumPy, whose bins depend on all that they should, and small genomes on disk for them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pandas as pd
import pysam

from pgxeval.genome.intervals import Gene
from pgxeval.genome.personal import PersonalGenome
from pgxeval.predictors.sequence.input import check_input
from pgxeval.predictors.sequence.model import ModelInfo

_CODES = np.zeros(256, np.float32)
for _letter, _code in zip(b"ACGTN", (1.0, 2.0, 4.0, 8.0, 0.5), strict=True):
    _CODES[_letter] = _code


def stranded_tracks(bin_width_bp: int) -> pd.DataFrame:
    """Two stranded pairs and an unstranded track."""
    return pd.DataFrame(
        {
            "name": ["rna a plus", "rna a minus", "rna b", "cage plus", "cage minus"],
            "assay": ["RNA", "RNA", "RNA", "CAGE", "CAGE"],
            "tissue": ["a", "a", "b", "a", "a"],
            "strand": ["+", "-", ".", "+", "-"],
            "pair": [1, 0, 2, 4, 3],
            "bin_width_bp": bin_width_bp,
        }
    )


class ToyModel:
    """A bin is the weighted sum of its bases and a little of all others, another for each track.

    `calls` holds the number of sequences of each call, `seen` every sequence, and `locked` whether all were read-only.
    """

    def __init__(self, *, bin_width_bp: int = 8, length: int | tuple[int, ...] = 512, offset_bp: int = 32, **more: Any):
        self.info = ModelInfo(
            name=more.pop("name", "toy"),
            version=more.pop("version", "1"),
            context_lengths=length,
            tracks=more.pop("tracks", stranded_tracks(bin_width_bp)),
            output_offset_bp=offset_bp,
            remote=more.pop("remote", False),
            **more,
        )
        self.calls: list[int] = []
        self.seen: list[bytes] = []
        self.locked = True

    def predict_tracks(self, sequences: np.ndarray, tracks: Sequence[int]) -> np.ndarray:
        check_input(self.info, sequences, tracks)
        self.locked &= not sequences.flags.writeable
        self.calls.append(len(sequences))
        self.seen.extend(sequence.tobytes() for sequence in sequences)
        width, offset = self.info.bin_width_bp(tracks), self.info.output_offset_bp
        codes = _CODES[sequences]
        near = codes + 0.25 * np.roll(codes, 1, axis=1) ** 2 + 0.125 * np.roll(codes, -3, axis=1)
        n_bins = self.info.n_bins(sequences.shape[1], tracks)
        inside = near[:, offset : sequences.shape[1] - offset].reshape(len(sequences), n_bins, width)
        weight = 1 + np.arange(width, dtype=np.float32) / width
        far = (codes * np.linspace(0.5, 1.5, codes.shape[1])).mean(axis=1)[:, None]  # every base counts everywhere
        values = [(inside * (weight + track)).mean(axis=2) + far + track for track in tracks]
        return np.stack(values, axis=2).astype(np.float32)


class PositionModel(ToyModel):
    """A bin is its number of G per base: additive, so that equal bases give equal sums for every bin width."""

    def predict_tracks(self, sequences: np.ndarray, tracks: Sequence[int]) -> np.ndarray:
        check_input(self.info, sequences, tracks)
        self.calls.append(len(sequences))
        width, offset = self.info.bin_width_bp(tracks), self.info.output_offset_bp
        inside = (sequences == ord("G"))[:, offset : sequences.shape[1] - offset]
        sums = inside.reshape(len(sequences), self.info.n_bins(sequences.shape[1], tracks), width).sum(axis=2)
        return np.repeat(sums[:, :, None], len(tracks), axis=2).astype(np.float32)


class ReducingModel(ToyModel):
    """Keeps `PredictsTargets`: answers last first, one sequence at a time."""

    def predict_targets(
        self, batches: Iterable[np.ndarray], targets: Sequence[Any], tracks: Sequence[int]
    ) -> Iterator[tuple[int, np.ndarray, str | None]]:
        sequences = np.concatenate(list(batches))
        sequences.flags.writeable = False
        width, offset = self.info.bin_width_bp(tracks), self.info.output_offset_bp
        for at in reversed(range(len(targets))):
            row = targets[at].row
            values = self.predict_tracks(sequences[row : row + 1], tracks)[0]
            bins, _ = targets[at].bins(width, offset)
            yield at, targets[at].reduce(values[bins], width, offset), None


class ListeningModel(ReducingModel):
    """Notes the bases that it is asked for."""

    def predict_targets(
        self, batches: Iterable[np.ndarray], targets: Sequence[Any], tracks: Sequence[int]
    ) -> Iterator[tuple[int, np.ndarray, str | None]]:
        kept = list(batches)
        sequences = np.concatenate(kept)
        self.read = getattr(self, "read", [])
        for target in targets:
            text = sequences[target.row].tobytes().decode()
            self.read.append("".join(text[start:end] for start, end in target.segments.tolist()))
        yield from super().predict_targets(kept, targets, tracks)


# --- genomes


@attrs.define
class SmallGenome:
    """A genome in strings, and on disk."""

    reference: dict[str, str]
    individuals: tuple[str, ...]
    records: list[tuple[str, int, str, str, list[str]]]
    genome: PersonalGenome
    vcf: Path
    fasta: Path


def write_genome(
    folder: Path,
    reference: dict[str, str],
    individuals: Sequence[str],
    records: Sequence[tuple[str, int, str, str, list[str]]],
) -> SmallGenome:
    """Write records (contig, 0-based start, ref, alt, genotypes) and bases."""
    folder.mkdir(parents=True, exist_ok=True)
    fasta, vcf = folder / "genome.fa", folder / "calls.vcf"
    fasta.write_text("".join(f">{name}\n{bases}\n" for name, bases in reference.items()))
    pysam.faidx(str(fasta))
    lines = ["##fileformat=VCFv4.2"]
    lines += [f"##contig=<ID={name},length={len(bases)}>" for name, bases in reference.items()]
    lines += ['##FORMAT=<ID=GT,Number=1,Type=String,Description="genotype">']
    lines += ["\t".join(["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT", *individuals])]
    records = sorted(records, key=lambda record: (list(reference).index(record[0]), record[1]))
    for contig, start, ref, alt, genotypes in records:
        lines.append("\t".join([contig, str(start + 1), ".", ref, alt, ".", "PASS", ".", "GT", *genotypes]))
    vcf.write_text("\n".join(lines) + "\n")
    pysam.tabix_index(str(vcf), preset="vcf", force=True)
    vcf = vcf.with_name("calls.vcf.gz")
    return SmallGenome(reference, tuple(individuals), list(records), PersonalGenome(vcf, fasta), vcf, fasta)


def random_genome(
    folder: Path,
    seed: int,
    *,
    n_individuals: int = 6,
    length: int = 3_000,
    every_bp: int = 25,
    between: tuple[int, int] | None = None,
) -> SmallGenome:
    """A genome with SNVs, insertions and deletions that do not touch each other."""
    rng = np.random.default_rng(seed)
    bases = "".join(rng.choice(list("ACGT"), length))
    records, at = [], (between or (20, 0))[0]
    while at < (between[1] if between else length - 40):
        kind = rng.integers(4)
        if kind < 2:
            ref = bases[at]
            alt = "ACGT"["ACGT".index(ref) - int(rng.integers(1, 4))]
        elif kind == 2:
            ref = bases[at]
            alt = ref + "".join(rng.choice(list("ACGT"), int(rng.integers(1, 12))))
        else:
            ref = bases[at : at + int(rng.integers(2, 14))]
            alt = ref[0]
        genotypes = [f"{a}|{b}" for a, b in rng.binomial(1, 0.3, (n_individuals, 2)).tolist()]
        records.append(("chr1", at, ref, alt, genotypes))
        at += len(ref) + 1 + int(rng.integers(every_bp))
    return write_genome(folder, {"chr1": bases}, [f"i{number}" for number in range(n_individuals)], records)


def gene_at(
    tss: int, *, gene_id: str = "gene", strand: str | None = "+", exons: Sequence[tuple[int, int]] = ()
) -> Gene:
    exons = exons or ((tss - 20, tss + 35), (tss + 60, tss + 101))
    return Gene(
        gene_id=gene_id, contig="chr1", start=exons[0][0], end=exons[-1][1], strand=strand, tss=tss, exons=exons
    )
