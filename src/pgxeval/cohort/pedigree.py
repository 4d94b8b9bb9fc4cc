"""Pedigrees: who is the child of whom, the families that follow, and expected relationships."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import attrs
import numpy as np
import pandas as pd

from pgxeval.cohort.relatedness import clusters
from pgxeval.errors import InputFileError, TableError
from pgxeval.lines import numbered_lines
from pgxeval.names import known_names
from pgxeval.signatures import show_defaults

_UNKNOWN = frozenset({"", "0", "NA", "NaN", "nan", ".", "None", "-9"})
_NAMES = {
    "family": ("fid", "familyid", "family", "famid"),
    "individual": ("iid", "individualid", "individual", "sample", "sampleid", "id"),
    "father": ("pat", "paternalid", "father", "fatherid", "dad"),
    "mother": ("mat", "maternalid", "mother", "motherid", "mom"),
}


@show_defaults
@attrs.frozen(kw_only=True, eq=False)
class Pedigree:
    """Families, fathers and mothers of individuals.

    Parameters
    ----------
    individuals
        Individuals that the pedigree lists, in its order.
    families
        Individual -> family; individuals without a family are absent.
    fathers, mothers
        Individual -> parent; individuals without a known parent are absent. A parent need not be listed.
    path
        Where the pedigree was read from, for messages.

    Examples
    --------
    >>> trio = Pedigree(individuals=["child", "m", "f"], fathers={"child": "f"}, mothers={"child": "m"})
    >>> trio.groups(["child", "f", "other"])
    {'child': 'child', 'f': 'child', 'other': 'other'}
    >>> trio.relationship(["child", "f"]).to_numpy().tolist()
    [[1.0, 0.5], [0.5, 1.0]]
    """

    individuals: tuple[str, ...] = attrs.field(converter=tuple[str, ...])
    families: Mapping[str, str] = attrs.field(factory=dict)
    fathers: Mapping[str, str] = attrs.field(factory=dict)
    mothers: Mapping[str, str] = attrs.field(factory=dict)
    path: str = "pedigree"

    def __attrs_post_init__(self) -> None:
        self._generations()

    def _everyone(self) -> list[str]:
        return list(dict.fromkeys([*self.individuals, *self.fathers.values(), *self.mothers.values()]))

    def _parents(self, name: str) -> tuple[str, ...]:
        parents = (self.fathers.get(name), self.mothers.get(name))
        return tuple(parent for parent in parents if parent is not None)

    def _generations(self) -> dict[str, int]:
        """Return the length of the longest line of ancestors of each individual; founders have 0."""
        generation: dict[str, int] = {}
        waiting = self._everyone()
        while waiting:
            later = []
            for name in waiting:
                parents = self._parents(name)
                if all(parent in generation for parent in parents):
                    generation[name] = max((generation[parent] + 1 for parent in parents), default=0)
                else:
                    later.append(name)
            if len(later) == len(waiting):
                raise InputFileError(
                    f"{self.path}: {later[0]} is its own ancestor, or an ancestor of its ancestors; correct the parents"
                )
            waiting = later
        return generation

    def groups(self, individuals: Sequence[str]) -> dict[str, str]:
        """Return the family of each individual: all who share a family identifier or are connected by parents.

        Returns
        -------
        dict of str to str
            Individual -> label: the family identifier (the first in alphabetical order where parents connect
            several), else the first member in alphabetical order. An individual that is alone in the
            pedigree, or not in it, forms a group alone, labelled by its name.
        """
        everyone = self._everyone()
        links = [(name, parent) for name in everyone for parent in self._parents(name)]
        first_of: dict[str, str] = {}
        for name, family in self.families.items():
            links.append((name, first_of.setdefault(family, name)))
        leader = clusters(everyone, links)
        size: dict[str, int] = {}
        label: dict[str, str] = {}
        for name in everyone:
            size[leader[name]] = size.get(leader[name], 0) + 1
            if name in self.families:
                group = label.get(leader[name])
                family = self.families[name]
                label[leader[name]] = family if group is None else min(group, family)
        for top, own in label.items():
            # A family called 7 is not the family of an individual called 7 who belongs elsewhere.
            if own in leader and leader[own] != top:
                label[top] = f"family {own}"
        return {
            name: label.get(leader[name], leader[name]) if size.get(leader.get(name, ""), 0) > 1 else name
            for name in individuals
        }

    def roles(self, individuals: Sequence[str]) -> dict[str, str]:
        """Return the generation of each individual within the family members among `individuals`.

        Families are exchanged in permutations only with families of the same composition of generations.
        """
        present = frozenset(individuals)
        depth: dict[str, int] = {}
        generations = self._generations()
        for name in sorted(self._everyone(), key=lambda name: generations[name]):
            steps = [depth[parent] + (parent in present) for parent in self._parents(name)]
            depth[name] = max(steps, default=0)
        return {name: f"generation {depth.get(name, 0)}" for name in individuals}

    def relationship(self, individuals: Sequence[str]) -> pd.DataFrame:
        """Return expected relationships: twice the kinship coefficient, 0.5 for parent and child or siblings.

        Founders are taken to be unrelated. The diagonal is one plus the inbreeding coefficient.

        Returns
        -------
        pandas.DataFrame
            float64, one row and one column per individual. Individuals that are not in the pedigree are
            related only to themselves.
        """
        generations = self._generations()
        order = sorted(generations, key=lambda name: generations[name])
        order += [name for name in individuals if name not in generations]
        place = {name: i for i, name in enumerate(order)}
        matrix = np.eye(len(order))
        for i, name in enumerate(order):
            parents = [place[parent] for parent in self._parents(name)]
            for parent in parents:
                matrix[i, :i] += matrix[parent, :i] / 2
            matrix[:i, i] = matrix[i, :i]
            if len(parents) == 2:
                matrix[i, i] += matrix[parents[0], parents[1]] / 2
        rows = [place[name] for name in individuals]
        return pd.DataFrame(matrix[np.ix_(rows, rows)], index=list(individuals), columns=list(individuals))


def read_pedigree(path: str | os.PathLike[str]) -> Pedigree:
    """Read a pedigree: PED or FAM without a header, ``.psam``, or a table with named columns.

    Without a header the columns are family, individual, father, mother and anything further, separated by
    tabs or blanks. With a header, columns are found by name (``FID``, ``IID``, ``PAT``, ``MAT``, or ``Family ID``,
    ``Individual ID``, ``Paternal ID``, ``Maternal ID`` as in the 1000 Genomes Project). ``0`` is an unknown
    parent or family.

    Raises
    ------
    InputFileNotFoundError
        If the file does not exist.
    InputFileError
        Naming the line: too few columns, an individual listed twice, an individual who is their own ancestor.
    """
    columns: dict[str, int] | None = None
    width = 0
    individuals: list[str] = []
    families: dict[str, str] = {}
    fathers: dict[str, str] = {}
    mothers: dict[str, str] = {}
    line_of: dict[str, int] = {}
    for number, line in numbered_lines(path, "pedigree"):
        if not line.strip() or line.startswith("##"):
            continue
        fields = [field.strip() for field in (line.split("\t") if "\t" in line else line.split())]
        if columns is None:
            columns, is_header = _columns(fields)
            width = max(columns.values()) + 1
            if is_header:
                continue
        if len(fields) < width:
            raise InputFileError(
                f"pedigree {path}, line {number}: {len(fields)} column(s), expected at least {width} (family, "
                "individual, father, mother)"
            )
        name = fields[columns["individual"]]
        if name in line_of:
            raise InputFileError(
                f"pedigree {path}, line {number}: individual {name} is already on line {line_of[name]}; individual "
                "identifiers must be unique over all families"
            )
        line_of[name] = number
        individuals.append(name)
        for what, table in (("family", families), ("father", fathers), ("mother", mothers)):
            if what in columns and fields[columns[what]] not in _UNKNOWN:
                table[name] = fields[columns[what]]
    if not individuals:
        raise InputFileError(
            f"pedigree {path} lists no individual; expected the columns family, individual, father, mother"
        )
    return Pedigree(
        individuals=individuals, families=families, fathers=fathers, mothers=mothers, path=f"pedigree {path}"
    )


def read_relationship(source: str | os.PathLike[str] | pd.DataFrame, individuals: Sequence[str]) -> pd.DataFrame:
    """Return the relationship matrix of `individuals` from a pedigree file or a DataFrame.

    Raises
    ------
    InputFileNotFoundError, InputFileError
        If the file does not exist or is not a pedigree with parents.
    TableError
        If the DataFrame lacks an individual.
    """
    if isinstance(source, pd.DataFrame):
        table = source.set_axis([str(name) for name in source.index]).set_axis(
            [str(name) for name in source.columns], axis=1
        )
        missing = [name for name in individuals if name not in table.index or name not in table.columns]
        if missing:
            raise TableError(f"relationship lacks {len(missing)} individuals of the cohort: {known_names(missing, 5)}")
        return table.loc[list(individuals), list(individuals)]
    pedigree = read_pedigree(Path(source).expanduser())
    if not pedigree.fathers and not pedigree.mothers:
        raise InputFileError(
            f"{pedigree.path} names no parents, so no relationships follow from it; use it as groups=, or "
            'relationship="estimate"'
        )
    return pedigree.relationship(individuals)


def _columns(fields: Sequence[str]) -> tuple[dict[str, int], bool]:
    """Return the place of each column, and whether `fields` is a header."""
    plain = ["".join(c for c in field.lower() if c.isalnum()) for field in fields]
    named = {
        what: plain.index(next(name for name in names if name in plain))
        for what, names in _NAMES.items()
        if any(name in plain for name in names)
    }
    if "individual" in named and (len(named) > 1 or fields[0].startswith("#")):
        return named, True
    return {"family": 0, "individual": 1, "father": 2, "mother": 3}, False
