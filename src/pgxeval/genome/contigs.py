"""Contig names: the same chromosome under the names that different files give it.

UCSC and GENCODE write ``chr1``, ``chrM``; Ensembl and 1000 Genomes (GRCh37) write ``1``, ``MT``. PLINK numbers the
human X, Y and mitochondrion 23, 24 and 26; in cattle, chromosome 23 is an autosome.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import cached_property

import attrs

from pgxeval.errors import UnknownNameError
from pgxeval.names import known_names, near_names

_NUMBERED = {"23": "X", "24": "Y", "26": "MT"}
_LETTERED = {letters: number for number, letters in _NUMBERED.items()}
_AUTOSOMES = frozenset(str(number) for number in range(1, 23))
_HIGHEST_HUMAN_NUMBER = 26
_PLINK_XY = "25"

# Lengths of chromosomes 1 to 22 in NCBI36 (hg18), GRCh37, GRCh38 and T2T-CHM13v2 [bp].
_HUMAN_LENGTHS = (
    (247249719, 249250621, 248956422, 248387328), (242951149, 243199373, 242193529, 242696752),
    (199501827, 198022430, 198295559, 201105948), (191273063, 191154276, 190214555, 193574945),
    (180857866, 180915260, 181538259, 182045439), (170899992, 171115067, 170805979, 172126628),
    (158821424, 159138663, 159345973, 160567428), (146274826, 146364022, 145138636, 146259331),
    (140273252, 141213431, 138394717, 150617247), (135374737, 135534747, 133797422, 134758134),
    (134452384, 135006516, 135086622, 135127769), (132349534, 133851895, 133275309, 133324548),
    (114142980, 115169878, 114364328, 113566686), (106368585, 107349540, 107043718, 101161492),
    (100338915, 102531392, 101991189, 99753195), (88827254, 90354753, 90338345, 96330374),
    (78774742, 81195210, 83257441, 84276897), (76117153, 78077248, 80373285, 80542538),
    (63811651, 59128983, 58617616, 61707364), (62435964, 63025520, 64444167, 66210255),
    (46944323, 48129895, 46709983, 45090682), (49691432, 51304566, 50818468, 51324926),
)  # fmt: skip


def canonical_contig(name: str) -> str:
    """Return the name without ``chr``, with ``X``, ``Y`` and ``MT`` in upper case and ``MT`` for ``M``."""
    bare = name[3:] if name[:3].lower() == "chr" else name
    upper = bare.upper()
    if upper == "M":
        return "MT"
    return upper if upper in ("X", "Y", "MT") else bare


@attrs.frozen(kw_only=True)
class ContigNames:
    """The contig names of one file, and which of them is meant by a name from another file.

    A name is matched to the same name first, then to one that differs by ``chr`` only, and last, between ``X``, ``Y``,
    ``MT`` and PLINK's 23, 24, 26, where the file shows that it is human.

    Parameters
    ----------
    names
        Names in the file.
    lengths
        Contig lengths [bp] as far as the file declares them.
    plink
        The file is a PLINK file set for human chromosomes, so that 23 is X by definition of the format.

    Examples
    --------
    >>> ContigNames(names=("1", "2", "X")).match("chr1")
    '1'
    >>> ContigNames(names=("chr1", "chrM")).match("MT")
    'chrM'
    >>> cattle = ContigNames(names=tuple(str(number) for number in range(1, 30)))
    >>> cattle.match("X") is None
    True
    >>> ContigNames(names=tuple(str(number) for number in range(1, 24))).match("chrX")
    '23'
    """

    names: tuple[str, ...] = attrs.field(converter=tuple[str, ...])
    lengths: Mapping[str, int] = attrs.field(factory=dict, repr=False)
    plink: bool = False

    @cached_property
    def _by_canonical(self) -> dict[str, list[str]]:
        spellings: dict[str, list[str]] = {}
        for name in dict.fromkeys(self.names):
            spellings.setdefault(canonical_contig(name), []).append(name)
        return spellings

    @cached_property
    def is_human(self) -> bool:
        """Whether names and lengths show 22 pairs of human autosomes.

        They do where a declared length is that of the chromosome in a human genome build, or where all of 1 to 22 are
        named; unless there is a number above 26, the number 25 in a file other than PLINK's, or a chromosome longer
        than in any human build.
        """
        numbers = {name for name in self._by_canonical if name.isascii() and name.isdigit() and len(name) < 9}
        if any(int(number) > _HIGHEST_HUMAN_NUMBER for number in numbers):
            return False
        usual = [
            (self.lengths[name], _HUMAN_LENGTHS[int(number) - 1])
            for number in numbers & _AUTOSOMES
            if str(int(number)) == number
            for name in self._by_canonical[number]
            if name in self.lengths
        ]
        if any(length in human for length, human in usual):
            return True
        if any(length > max(human) for length, human in usual):
            return False
        return self.plink or (numbers >= _AUTOSOMES and _PLINK_XY not in numbers)

    def match(self, name: str) -> str | None:
        """Return the file's name of a contig; None where it has no such contig.

        Raises
        ------
        UnknownNameError
            If several contigs of the file mean the same and none is called `name`.
        """
        names = self.candidates(name)
        if len(names) > 1:
            raise UnknownNameError(
                f"contig {name} may mean any of {', '.join(sorted(names)[:5])}; use one of these names"
            )
        return names[0] if names else None

    def candidates(self, name: str) -> tuple[str, ...]:
        """Return the file's contigs that a name may mean: only itself, where the file has it."""
        if name in self._all:
            return (name,)
        canonical = canonical_contig(name)
        names = self._by_canonical.get(canonical, [])
        if not names and self.is_human:
            names = self._by_canonical.get(_LETTERED.get(canonical, _NUMBERED.get(canonical, "")), [])
        return tuple(names)

    @cached_property
    def _all(self) -> frozenset[str]:
        return frozenset(self.names)

    def unknown(self, name: str, path: str) -> UnknownNameError:
        """Return the error for a contig that the file does not have."""
        canonical = canonical_contig(name)
        other = self._by_canonical.get(_LETTERED.get(canonical, _NUMBERED.get(canonical, "")), [])
        hint = (
            f"; {other[0]} would be the same in a human file with PLINK's numbers, and neither the names nor the "
            "declared lengths of this file show that it is one: rename the contig (`bcftools annotate --rename-chrs`)"
            if other
            else near_names(name, self.names)
        )
        return UnknownNameError(f"contig {name} is not in {path} (it has {known_names(self.names)}){hint}")


def match_contig(name: str, available: Collection[str]) -> str | None:
    """Find the contig that a file may call by another name; see `ContigNames.match`.

    Examples
    --------
    >>> match_contig("chr1", ["1", "2", "X"])
    '1'
    >>> match_contig("chr7", ["1", "2"]) is None
    True
    """
    return ContigNames(names=tuple(available)).match(name)
