"""Comparison of REF alleles with the reference genome, and the likely cause where they disagree."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pgxeval.errors import GenotypeError
from pgxeval.genome.formats.calls import Records
from pgxeval.genome.intervals import Interval
from pgxeval.genome.reference import ReferenceBases
from pgxeval.genome.window_request import Flanks, WindowRequest

_IUPAC = {
    "A": "A", "C": "C", "G": "G", "T": "T", "R": "AG", "Y": "CT", "S": "CG", "W": "AT", "K": "GT", "M": "AC",
    "B": "CGT", "D": "AGT", "H": "ACT", "V": "ACG", "N": "ACGT",
}  # fmt: skip


def _base_codes() -> npt.NDArray[np.uint8]:
    codes = np.zeros(256, np.uint8)
    for letter, bases in _IUPAC.items():
        codes[ord(letter)] = sum(1 << "ACGT".index(base) for base in bases)
    return codes


_CODES = _base_codes()

_FEW_RECORDS = 5


def compare_with_reference(  # noqa: PLR0917 (one step of assemble, called once)
    window: WindowRequest,
    records: Records,
    text: npt.NDArray[np.uint8],
    touched: npt.NDArray[np.bool_],
    first_record: int,
    read: Flanks,
    reference: ReferenceBases,
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_], npt.NDArray[np.uint8], int]:
    """Return which records disagree with the reference, which may agree, and the bases from an origin on."""
    from pgxeval.genome.allele_kernel import check_references

    contig = window.interval.contig
    ends = records.ends
    origin = min(read.low, int(records.starts.min(initial=read.low)))
    high = max(read.high, int(ends.max(initial=read.high)))
    bases = reference.fetch(Interval(contig, origin, high))
    outcome = np.empty(records.n_records, np.int8)
    check_references(text, records.allele_bounds, records.first_allele, records.starts, bases, origin, _CODES, outcome)
    outcome[(records.starts < 0) | (ends > reference.contigs[contig])] = 2
    outcome[~touched] = 0
    outcome[:first_record] = 0
    mismatch = outcome == 2
    if mismatch.any() and window.policies.ref_mismatch == "refuse":
        wrong = np.flatnonzero(mismatch)
        n_checked = int(touched[first_record:].sum())
        cause = _cause(window.path, str(reference.path), records, text, wrong, bases, origin, wrong.size / n_checked)
        raise GenotypeError(
            f"{window.path}: REF is not what {reference.path} has at {wrong.size} of {n_checked} records around "
            f"{window.interval}; the first at (1-based) "
            f"{', '.join(f'{records.contig}:{position + 1}' for position in records.starts[wrong[:3]].tolist())}. "
            f'Likely cause: {cause}. To exclude them, use ref_mismatch="skip"'
        )
    return mismatch, outcome == 1, bases, origin


def _cause(  # noqa: PLR0917 (a part of compare_with_reference)
    path: str,
    fasta: str,
    records: Records,
    text: npt.NDArray[np.uint8],
    wrong: npt.NDArray[np.int64],
    bases: npt.NDArray[np.uint8],
    origin: int,
    share: float,
) -> str:
    """Return the likely cause of records whose REF disagrees with the reference genome."""
    swapped = 0
    for record in wrong.tolist():
        begin = int(records.starts[record]) - origin
        for row in range(int(records.first_allele[record]) + 1, int(records.first_allele[record + 1])):
            allele = text[slice(*records.allele_bounds[row].tolist())]
            there = bases[begin : begin + allele.size] if begin >= 0 else bases[:0]
            if allele.size and np.array_equal(allele, there):
                swapped += 1
                break
    if swapped > 0.8 * wrong.size and (wrong.size >= _FEW_RECORDS or share == 1):
        convert, out = _conversion(path)
        return (
            f"REF and ALT are swapped ({swapped} of them have an ALT that is what the FASTA has), as in files exported "
            f"from PLINK 1, where REF is the major allele; swap them back with `plink2 {convert} --fa {fasta} "
            f"--ref-from-fa force {out} --out fixed`"
        )
    if share > 0.2:
        return "the genotypes and the FASTA are of different genome builds"
    return "these records were called or lifted against another FASTA; `bcftools norm --check-ref` lists them"


def _conversion(path: str) -> tuple[str, str]:
    """Return how plink2 reads a file of genotypes, and how it writes the same kind."""
    if path.endswith(".pgen"):
        return f"--pfile {path.removesuffix('.pgen')}", "--make-pgen"
    if path.endswith(".bcf"):
        return f"--bcf {path}", "--export bcf"
    return f"--vcf {path}", "--export vcf bgz"
