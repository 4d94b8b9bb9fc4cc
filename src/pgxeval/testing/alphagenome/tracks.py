"""AlphaGenomeTracks: the track tables of the local AlphaGenome server, and its values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from importlib.resources import files
from typing import Any

import attrs
import numpy as np
import numpy.typing as npt
import pandas as pd

from pgxeval.checks import whole
from pgxeval.errors import UnknownNameError
from pgxeval.seeding import hash64

RESOLUTION_BP: Mapping[str, int] = {"RNA_SEQ": 1, "CAGE": 1, "ATAC": 1, "DNASE": 1, "CHIP_HISTONE": 128}
PADDING = "Padding"

_RADIUS_BP = 2
_LETTERS = 5  # N, A, C, G, T; N and what lies off the ends weigh nothing
_UNIT = 256  # a power of two, so that every value is exact in float32

_CODE = np.zeros(256, dtype=np.uint8)
for _letters in ("ACGT", "acgt"):
    _CODE[np.frombuffer(_letters.encode(), dtype=np.uint8)] = np.arange(1, 5, dtype=np.uint8)

_GM12878 = {"ontology_curie": "EFO:0002784", "biosample_name": "GM12878", "biosample_type": "cell_line"}
_K562 = {"ontology_curie": "EFO:0002067", "biosample_name": "K562", "biosample_type": "cell_line"}
_BLOOD = {"ontology_curie": "UBERON:0000178", "biosample_name": "blood", "biosample_type": "tissue"}
_BRAIN = {"ontology_curie": "UBERON:0000955", "biosample_name": "brain", "biosample_type": "tissue"}
_LIVER = {"ontology_curie": "UBERON:0001114", "biosample_name": "liver", "biosample_type": "tissue"}
_TYPES = {"Cells_EBV-transformed_lymphocytes": "cell_line", "Cells_Cultured_fibroblasts": "primary_cell"}
_POLYA, _TOTAL = "polyA plus RNA-seq", "total RNA-seq"

# the other 31 GTEx terms also name ENCODE tracks
_GTEX_ALONE = frozenset(
    {
        "Artery_Coronary",
        "Bladder",
        "Brain_Amygdala",
        "Brain_Anterior_cingulate_cortex_BA24",
        "Brain_Caudate_basal_ganglia",
        "Brain_Cerebellar_Hemisphere",
        "Brain_Cortex",
        "Brain_Hippocampus",
        "Brain_Hypothalamus",
        "Brain_Nucleus_accumbens_basal_ganglia",
        "Brain_Putamen_basal_ganglia",
        "Brain_Spinal_cord_cervical_c-1",
        "Brain_Substantia_nigra",
        "Cells_EBV-transformed_lymphocytes",
        "Cervix_Ectocervix",
        "Cervix_Endocervix",
        "Fallopian_Tube",
        "Kidney_Cortex",
        "Kidney_Medulla",
        "Minor_Salivary_Gland",
        "Pituitary",
        "Skin_Not_Sun_Exposed_Suprapubic",
        "Whole_Blood",
    }
)

Row = dict[str, Any]


@attrs.frozen(kw_only=True)
class AlphaGenomeTracks:
    """Tracks similar to those of AlphaGenome: the table of each output type, and values that depend on the sequence.

    The value of a track at a base is ``s * s / 256``, where ``s`` is the sum of five weights, one per letter from two
    bases upstream to two downstream. Weights are whole numbers drawn from `seed`, output type, track name and strand;
    those of A, C, G and T differ at each of the five positions, that of N is 0, and N is assumed outside the sequence.
    A substitution therefore changes the values at five bases, an indel shifts all that follow, and float32 represents
    every value exactly. In bins of 128 bp the value is the mean.

    Parameters
    ----------
    seed
        Seed of the weights.

    Notes
    -----
    The tables have the columns and the pitfalls of the real ones, not their rows: all 54 GTEx tissues are present, 31
    of their terms have further tracks of ENCODE, before or after the one of GTEx; names repeat over strands.

    Examples
    --------
    >>> tracks = AlphaGenomeTracks(seed=0)
    >>> table = tracks.table("RNA_SEQ")
    >>> table.loc[table["ontology_curie"] == "UBERON:0009834", ["strand", "data_source"]].to_numpy().tolist()
    [['+', 'encode'], ['-', 'encode'], ['.', 'gtex']]
    >>> tracks.values("ACGTN", "RNA_SEQ").shape == (5, len(table))
    True
    """

    seed: int = attrs.field(default=0, validator=whole(0))
    _made: dict[str, Any] = attrs.field(factory=dict, init=False, repr=False, eq=False)

    @cached_property
    def padded(self) -> Mapping[str, pd.DataFrame]:
        """Output type -> table as the service lists it, with rows that are not tracks, called ``Padding``."""
        return {output: pd.DataFrame(list(_pad(rows))) for output, rows in _rows().items()}

    def table(self, output: str) -> pd.DataFrame:
        """Return the tracks of an output type, in the order of its values; a copy.

        Raises
        ------
        UnknownNameError
            If the output type does not exist.
        """
        return self.listed(output).reset_index(drop=True)

    def listed(self, output: str) -> pd.DataFrame:
        """Return the same with the row numbers that tracks have among the padding; a copy."""
        if output not in RESOLUTION_BP:
            raise UnknownNameError(f"output type {output!r} is not served; served are {', '.join(RESOLUTION_BP)}")
        padded = self.padded[output]
        return padded[padded["name"] != PADDING].dropna(axis=1, how="all")

    def weights(self, output: str) -> npt.NDArray[np.int64]:
        """Return the weights, int64 ``(n_tracks, 5 places, 5 letters)``; letters are N, A, C, G, T."""
        table = self.table(output)
        weights = np.zeros((len(table), 2 * _RADIUS_BP + 1, _LETTERS), dtype=np.int64)
        for row, (name, strand) in enumerate(zip(table["name"], table["strand"], strict=True)):
            rng = np.random.default_rng(hash64("alphagenome", self.seed, output, name, strand))
            for place in range(weights.shape[1]):
                most = 64 if place == _RADIUS_BP else 24
                weights[row, place, 1:] = rng.choice(np.arange(1, most), size=4, replace=False)
        return weights

    def values(self, sequence: str, output: str) -> npt.NDArray[np.float32]:
        """Return what the formula gives, for tests: float32 ``(len(sequence) // resolution, n_tracks)``."""
        weights = self.weights(output)
        codes = np.pad(_codes(sequence), _RADIUS_BP)
        sums = np.zeros((len(sequence), len(weights)), dtype=np.int64)
        for place in range(weights.shape[1]):
            sums += weights[:, place, codes[place : place + len(sequence)]].T
        return _binned((sums * sums / _UNIT).astype(np.float32), RESOLUTION_BP[output])

    def answer(self, sequence: str, output: str, rows: npt.NDArray[np.intp] | None = None) -> npt.NDArray[np.float32]:
        """Return some columns of `values` fast; by a table of the value of each five letters."""
        fives = self._fives(output) if rows is None else np.ascontiguousarray(self._fives(output)[:, rows])
        codes = np.pad(_codes(sequence), _RADIUS_BP).astype(np.uint16)
        index = np.zeros(len(sequence), dtype=np.uint16)
        for place in range(2 * _RADIUS_BP + 1):
            index *= _LETTERS
            index += codes[place : place + len(sequence)]
        return _binned(np.take(fives, index, axis=0), RESOLUTION_BP[output])

    def _fives(self, output: str) -> npt.NDArray[np.float32]:
        if output not in self._made:
            weights = self.weights(output)
            sums = np.zeros((1, len(weights)), dtype=np.int64)
            for place in range(weights.shape[1]):
                sums = (sums[:, None, :] + weights[:, place, :].T[None]).reshape(-1, len(weights))
            self._made[output] = (sums * sums / _UNIT).astype(np.float32)
        fives: npt.NDArray[np.float32] = self._made[output]
        return fives


def _codes(sequence: str) -> npt.NDArray[np.uint8]:
    return _CODE[np.frombuffer(sequence.encode("ascii"), dtype=np.uint8)]


def _binned(values: npt.NDArray[np.float32], width_bp: int) -> npt.NDArray[np.float32]:
    if width_bp == 1:
        return values
    n_bins, n_tracks = len(values) // width_bp, values.shape[1]
    whole_bins = values[: n_bins * width_bp].reshape(n_bins, width_bp, n_tracks)
    means: npt.NDArray[np.float64] = whole_bins.mean(axis=1, dtype=np.float64)
    return means.astype(np.float32)


def _pad(rows: list[Row]) -> Iterator[Row]:
    yield {"name": PADDING, "strand": "."}
    yield from rows[: len(rows) // 2]
    yield {"name": PADDING, "strand": "."}
    yield from rows[len(rows) // 2 :]


def _rows() -> dict[str, list[Row]]:
    cells = (_K562, _GM12878)
    chip = [
        _row(f"{cell['ontology_curie']} Histone ChIP-seq {mark}", ".", "Histone ChIP-seq", cell, histone_mark=mark)
        for cell in (*cells, _LIVER)
        for mark in ("H3K27ac", "H3K4me3")
    ]
    return {
        "RNA_SEQ": list(_rna()),
        "CAGE": [
            _row(f"hCAGE {cell['ontology_curie']}", strand, "hCAGE", cell, data_source="fantom")
            for cell in (_BLOOD, *cells, _BRAIN)
            for strand in "+-"
        ],
        "ATAC": [_row(f"{cell['ontology_curie']} ATAC-seq", ".", "ATAC-seq", cell) for cell in (*cells, _LIVER)],
        "DNASE": [_row(f"{cell['ontology_curie']} DNase-seq", ".", "DNase-seq", cell) for cell in (*cells, _LIVER)],
        "CHIP_HISTONE": chip,
    }


def _rna() -> Iterator[Row]:
    for strand in "+-":
        yield _rna_row(_K562, _TOTAL, strand)
        yield _rna_row(_K562, _POLYA, strand)
    with files("pgxeval.predictors").joinpath("data", "gtex_tissues.tsv").open(encoding="utf-8") as handle:
        tissues = pd.read_csv(handle, sep="\t", dtype=str, keep_default_na=False)
    shared = 0
    for tissue, term in zip(tissues["gtex_tissue"], tissues["ontology"], strict=True):
        cell = {
            "ontology_curie": term,
            "biosample_name": tissue.replace("_", " ").lower(),
            "biosample_type": _TYPES.get(tissue, "tissue"),
        }
        gtex = _row(
            f"{term} gtex {tissue} {_POLYA}", ".", _POLYA, cell, gtex_tissue=tissue, data_source="gtex", life="adult"
        )
        if tissue in _GTEX_ALONE:
            yield gtex
            continue
        total, polya = [_rna_row(cell, _TOTAL, strand) for strand in "+-"], _rna_row(cell, _POLYA, ".")
        yield from ([polya, gtex, *total], [gtex, *total], [*total, gtex], [*total, gtex, polya])[shared % 4]
        shared += 1
    yield from (_rna_row(_GM12878, _POLYA, strand) for strand in "+-")
    yield from (_rna_row(_GM12878, _TOTAL, strand) for strand in "+-")
    yield _rna_row(_GM12878, _POLYA, ".")


def _rna_row(cell: Mapping[str, str], assay: str, strand: str) -> Row:
    ends = "single" if strand == "." else "paired"
    return _row(f"{cell['ontology_curie']} {assay}", strand, assay, cell, endedness=ends, genetically_modified=False)


def _row(
    name: str,
    strand: str,
    assay: str,
    cell: Mapping[str, str],
    *,
    data_source: str = "encode",
    life: str | None = None,
    **more: object,
) -> Row:
    row: Row = {"name": name, "strand": strand, "Assay title": assay, **cell}
    if life is not None:
        row["biosample_life_stage"] = life
    row |= {**more, "data_source": data_source}
    row["nonzero_mean"] = 0.25 + hash64(name, strand) % 64 / 64  # exact in the float of the protocol
    return row
