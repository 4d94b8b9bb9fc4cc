"""Groups and strata of individuals: every way to give them, and what follows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pgxeval.cohort.groups import assign_groups, describe_groups, fixed_groups, read_labels
from pgxeval.errors import InputFileError, SettingError, TableError

DONORS = {f"d{i}s{k}": f"d{i}" for i in range(12) for k in (1, 2)}


@pytest.mark.parametrize("form", ["mapping", "series", "column", "tsv", "csv", "quoted", "ped"])
def test_every_form_gives_the_same_groups(tmp_path: Path, form: str) -> None:
    path = tmp_path / "groups.txt"
    columns = pd.DataFrame({"donor": DONORS, "age": 1.0})
    rows = list(DONORS.items())
    texts = {
        "tsv": "sample\tdonor\n" + "".join(f"{a}\t{b}\n" for a, b in rows),
        "csv": "sample,donor\n" + "".join(f"{a},{b}\n" for a, b in rows),
        "quoted": '"sample"\t"donor"\n' + "".join(f'"{a}"\t"{b}"\n' for a, b in rows),
        "ped": "".join(f"{b} {a} 0 0 0 0\n" for a, b in rows),
    }
    path.write_text(texts.get(form, ""))
    given = {"mapping": DONORS, "series": pd.Series(DONORS), "column": "donor"}.get(form, path)
    grouping = read_labels(given, "groups", columns)  # type: ignore[arg-type]
    labels, strata, notes = assign_groups(list(DONORS), grouping, None)
    assert labels == tuple(DONORS.values())
    assert strata is None
    assert notes == ["12 groups of individuals stay together (12 of 2)"]


def test_individuals_without_a_label_are_alone_even_if_a_group_has_their_name() -> None:
    labels = {**DONORS, "x": np.nan, "d0": None}
    everyone = [*DONORS, "x", "y", "d0"]
    found, _, notes = assign_groups(everyone, read_labels(labels, "groups"), None)  # type: ignore[arg-type]
    assert found is not None
    assert found[-3:] == ("x", "y", "d0 alone")
    assert "3 of 27 individuals have no label in groups=" in notes[1]


def test_a_pedigree_gives_generations_as_strata(tmp_path: Path) -> None:
    path = tmp_path / "a.ped"
    path.write_text(
        "".join(f"F{i} F{i}dad 0 0\nF{i} F{i}mum 0 0\nF{i} F{i}kid F{i}dad F{i}mum\n" for i in range(10))
        + "S s1 0 0\nS s2 0 0\nS s3 0 0\n"
    )
    everyone = [f"F{i}{who}" for i in range(10) for who in ("dad", "mum", "kid")] + ["s1", "s2", "s3"]
    labels, strata, notes = assign_groups(everyone, read_labels(path, "groups"), None)
    assert labels is not None
    assert strata is not None
    assert strata[:3] == ("generation 0", "generation 0", "generation 1")
    assert fixed_groups(labels, strata) == ["S"]
    assert "1 group(s) have a composition that no other group has (S)" in notes[-1]


@pytest.mark.parametrize(
    ("given", "error", "said"),
    [
        ("nothing.ped", SettingError, "neither a file that exists nor the name of a covariate"),
        (7, SettingError, "got int"),
        ({"other": "x"}, TableError, r"labels none of the 24 individuals: it has other, the cohort d0s1"),
        (dict.fromkeys(DONORS, "CEU"), SettingError, r"24 individuals form 1 group.* use strata="),
    ],
)
def test_groups_that_cannot_be_are_refused(given: object, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        assign_groups(list(DONORS), read_labels(given, "groups"), None)  # type: ignore[arg-type]


def test_bad_group_files_are_named(tmp_path: Path) -> None:
    path = tmp_path / "groups.tsv"
    path.write_text("sample\tdonor\na\tx\na\ty\n")
    with pytest.raises(InputFileError, match="line 3: a has two labels"):
        read_labels(path, "groups")
    path.write_text("")
    with pytest.raises(InputFileError, match="is empty"):
        read_labels(path, "groups")


def test_sizes_are_described_shortly() -> None:
    labels = [f"g{size}" for size in range(1, 9) for _ in range(size)]
    assert describe_groups(labels) == (
        "8 groups of individuals stay together (1 of 1, 1 of 2, 1 of 3, 1 of 4, 1 of 5, 3 other sizes)"
    )
