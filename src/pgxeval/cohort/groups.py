"""Groups of individuals that belong together: families, donors of several samples, populations."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import attrs
import pandas as pd

from pgxeval.cohort.pedigree import Pedigree, read_pedigree
from pgxeval.errors import InputFileError, SettingError, TableError
from pgxeval.lines import numbered_lines
from pgxeval.names import known_names

Labels = str | os.PathLike[str] | Mapping[str, str] | pd.Series

_UNKNOWN = frozenset({"", "0", "NA", "N/A", "NaN", "nan", "na", ".", "None", "NULL", "<NA>"})
_FEWEST_GROUPS = 10


@attrs.frozen(kw_only=True, eq=False)
class Grouping:
    """Labels of individuals, and the pedigree that they come from, if any.

    Parameters
    ----------
    labels
        Individual -> label of the group. An individual without a label forms a group alone.
    pedigree
        The pedigree, or None.
    source
        Where the labels come from, for messages.
    """

    labels: Mapping[str, str]
    pedigree: Pedigree | None = None
    source: str


def read_labels(labels: Labels, what: str, columns: pd.DataFrame | None = None) -> Grouping:
    """Return the labels of individuals from a mapping, a Series, a column name or a file.

    Parameters
    ----------
    labels
        A mapping or Series from individual to label; the name of a column of `columns`; or the path of a
        PED, FAM or ``.psam`` file, or of a table with one line per individual and two columns (individual
        and label, with a header).
    what
        Name of the argument, for messages.
    columns
        Table with one row per individual (the covariates) in which a column may be named.

    Raises
    ------
    SettingError
        If `labels` is none of these.
    InputFileNotFoundError, InputFileError
        If a file does not exist or cannot be read.
    """
    if isinstance(labels, pd.Series | Mapping):
        items = labels.items()
        return Grouping(labels={str(name): str(label) for name, label in items if known(label)}, source=f"{what}=")
    if not isinstance(labels, str | os.PathLike):
        raise SettingError(
            f"{what} must be a mapping from individual to label, the name of a covariate column or the path of a "
            f"file, got {type(labels).__name__}"
        )
    if isinstance(labels, str) and columns is not None and labels in columns.columns:
        column = columns[labels]
        return Grouping(
            labels={str(name): str(label) for name, label in column.items() if known(label)},
            source=f"covariate column {labels}",
        )
    path = Path(labels).expanduser()
    if isinstance(labels, str) and not path.exists():
        offered = "no covariates" if columns is None else f"covariates: {known_names(list(columns.columns), 5)}"
        raise SettingError(f"{what}={labels!r} is neither a file that exists nor the name of a covariate ({offered})")
    return _read_file(path, what)


def known(label: object) -> bool:
    """Return whether a label is given: neither missing, empty, ``0`` nor ``NA``."""
    return not (label is None or label is pd.NA or label != label or str(label).strip() in _UNKNOWN)  # noqa: PLR0124


def _read_file(path: Path, what: str) -> Grouping:
    lines = [
        (number, line)
        for number, line in numbered_lines(path, f"{what} file")
        if line.strip() and not line.startswith("##")
    ]
    if not lines:
        raise InputFileError(f"{what} file {path} is empty")
    separator = "\t" if "\t" in lines[0][1] else "," if "," in lines[0][1] else None
    if len(lines[0][1].split(separator)) != 2:
        pedigree = read_pedigree(path)
        return Grouping(labels=pedigree.groups(pedigree.individuals), pedigree=pedigree, source=f"pedigree {path.name}")
    labels: dict[str, str] = {}
    for number, line in lines[1:]:
        fields = [field.strip().strip('"') for field in line.split(separator)]
        if len(fields) != 2:
            raise InputFileError(f"{what} file {path}, line {number}: {len(fields)} columns, expected 2")
        if fields[0] in labels and labels[fields[0]] != fields[1]:
            raise InputFileError(f"{what} file {path}, line {number}: {fields[0]} has two labels")
        if known(fields[1]):
            labels[fields[0]] = fields[1]
    return Grouping(labels=labels, source=f"{what} file {path.name}")


def assign_groups(
    individuals: Sequence[str], groups: Grouping | None, strata: Grouping | None
) -> tuple[tuple[str, ...] | None, tuple[str, ...] | None, list[str]]:
    """Return the group and the stratum of each individual, and notes for the reader.

    Individuals without a group each form one, labelled by their names; individuals without a
    stratum form one stratum. Where groups come from a pedigree, generations are strata too, so that families are
    exchanged only with families of the same composition.

    Raises
    ------
    TableError
        If no individual has a label.
    SettingError
        If there are fewer than 10 groups.
    """
    notes: list[str] = []
    layers: list[str] | None = None
    if strata is not None:
        missing = _check_labelled(strata, individuals)
        layers = [strata.labels.get(name, "") for name in individuals]
        if missing:
            notes.append(
                f"{missing} of {len(individuals)} individuals have no label in {strata.source}; they form one stratum"
            )
    if groups is None:
        return None, None if layers is None else tuple(layers), notes
    missing = _check_labelled(groups, individuals)
    used = frozenset(groups.labels.values())
    # An individual without a label may have the name of a group that it does not belong to.
    labels = tuple(groups.labels.get(name, f"{name} alone" if name in used else name) for name in individuals)
    check_groups(labels)
    notes.append(describe_groups(labels))
    if missing:
        notes.append(
            f"{missing} of {len(individuals)} individuals have no label in {groups.source}; each forms a group alone"
        )
    if groups.pedigree is not None:
        roles = groups.pedigree.roles(individuals)
        if len(set(roles.values())) > 1:
            outer = layers or [""] * len(individuals)
            layers = [f"{layer} {roles[name]}".strip() for layer, name in zip(outer, individuals, strict=True)]
    if fixed := fixed_groups(labels, layers):
        notes.append(
            f"{len(fixed)} group(s) have a composition that no other group has ({known_names(fixed, 5)}); permutations "
            "exchange their members among themselves"
        )
    return labels, None if layers is None else tuple(layers), notes


def _check_labelled(grouping: Grouping, individuals: Sequence[str]) -> int:
    """Return how many individuals have no label; refuse if none has one."""
    missing = sum(name not in grouping.labels for name in individuals)
    if missing == len(individuals):
        raise TableError(
            f"{grouping.source} labels none of the {len(individuals)} individuals: it has "
            f"{known_names(list(grouping.labels), 3)}, the cohort {known_names(individuals, 3)}; individuals are "
            "matched by their exact names"
        )
    return missing


def check_groups(labels: Sequence[str]) -> None:
    """Refuse groups that leave nothing to hold out.

    Raises
    ------
    SettingError
        If there are fewer than 10 groups.
    """
    number = len(set(labels))
    if number < _FEWEST_GROUPS:
        largest, size = Counter(labels).most_common(1)[0]
        raise SettingError(
            f"{len(labels)} individuals form {number} group(s) ({size} are in group {largest}); at least "
            f"{_FEWEST_GROUPS} groups are needed. Groups are families or donors; for populations use strata="
        )


def describe_groups(labels: Sequence[str]) -> str:
    """Describe the sizes of groups in a few words.

    Examples
    --------
    >>> describe_groups(["a", "a", "b", "b", "c"])
    '3 groups of individuals stay together (1 of 1, 2 of 2)'
    """
    sizes = Counter(Counter(labels).values())
    listed = sorted(sizes.items())
    shown = ", ".join(f"{count} of {size}" for size, count in listed[:5])
    more = f", {len(listed) - 5} other sizes" if len(listed) > 5 else ""
    return f"{len(set(labels))} groups of individuals stay together ({shown}{more})"


def fixed_groups(labels: Sequence[str], strata: Sequence[str] | None = None) -> list[str]:
    """Return the groups of several members that no other group can be exchanged with.

    Permutations exchange their members among themselves only (`pgxeval.seeding.permute_individuals`).
    """
    members: dict[str, list[str]] = {}
    for label, stratum in zip(labels, [""] * len(labels) if strata is None else strata, strict=True):
        members.setdefault(label, []).append(stratum)
    compositions = {label: tuple(sorted(composition)) for label, composition in members.items()}
    counts = Counter(compositions.values())
    return [label for label, composition in compositions.items() if len(composition) > 1 and counts[composition] == 1]
