"""The example of a plugin keeps the contracts; `nox -s plugin` also installs it and runs it by its name."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

import pytest

from pgxeval.testing import check_predictor, check_sequence_model

PLUGIN = Path(__file__).resolve().parents[2] / "examples" / "plugin"


def test_model_and_predictor_keep_the_contracts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(PLUGIN / "src")
    try:
        import promoter_motifs

        check_sequence_model(promoter_motifs.MotifModel(), equivariant=True, on_failure="raise")
        check_predictor(promoter_motifs.make_predictor(), on_failure="raise")
    finally:
        for name in ("promoter_motifs", "promoter_motifs.model"):
            sys.modules.pop(name, None)


def test_its_entry_point_is_in_the_group_that_is_looked_at() -> None:
    from pgxeval.predictors.registry import ENTRY_POINT_GROUP

    project = tomllib.loads((PLUGIN / "pyproject.toml").read_text())["project"]
    assert project["entry-points"][ENTRY_POINT_GROUP] == {"promoter_motifs": "promoter_motifs:make_predictor"}
