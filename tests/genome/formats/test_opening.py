"""Paths that are not genotypes are answered with what is expected."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from pgxeval import PersonalGenome, SettingError


@pytest.mark.parametrize(
    "genotypes", [None, 5, b"x.vcf.gz", {"a": 1}, [1, 2], [None], SimpleNamespace(path="x"), object()]
)
def test_anything_else_is_a_clear_error(genotypes: object) -> None:
    with pytest.raises(SettingError, match=r"genotypes(: expected| must be)"):
        PersonalGenome(genotypes)  # type: ignore[arg-type]
