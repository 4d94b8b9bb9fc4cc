"""Predictors by name: built-in ones, plugins, broken plugins, names that clash."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

from pgxeval.errors import PgxevalError, PgxevalWarning, SettingError, UnknownNameError
from pgxeval.predictors.registry import available_predictors, make_predictor
from pgxeval.predictors.trained.elastic_net import ElasticNetPredictor

MODULE = """
class Mean:
    def __init__(self, *, scale=1.0):
        self.name = "mean"
        self.scale = scale

    def predict(self, gene, genome, individuals):
        raise NotImplementedError


def model():
    class Model:
        info = None

        def predict_tracks(self, sequences, tracks):
            raise NotImplementedError

    return Model()


def needs_key(**settings):
    return Mean(scale=settings["key"])


number = 3
"""


class Site:
    """A folder on the path, into which packages with entry points are put as pip would put them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def install(self, package: str, points: dict[str, str], version: str = "1.0") -> None:
        info = self.folder / f"{package}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n")
        lines = [f"{name} = {value}" for name, value in points.items()]
        (info / "entry_points.txt").write_text("\n".join(["[pgxeval.predictors]", *lines]))


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    (tmp_path / "someones_model.py").write_text(MODULE)
    (tmp_path / "broken_model.py").write_text("import a_package_that_is_nowhere\n")
    (tmp_path / "exiting_model.py").write_text("import sys\nsys.exit(3)\n")
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("someones_model", "broken_model", "exiting_model"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return Site(tmp_path)


def test_built_in_predictors_are_there() -> None:
    found = available_predictors()
    assert list(found)[:2] == ["elastic_net", "random_forest"]
    assert ("enformer" in found) == (importlib.util.find_spec("enformer_pytorch") is not None)
    assert make_predictor("elastic_net", l1_ratio=0.25) == ElasticNetPredictor(l1_ratio=0.25)
    assert make_predictor("elastic_net", name="net") == ElasticNetPredictor(name="net")


def test_a_plugin_is_listed_and_made(site: Site) -> None:
    site.install("someones-package", {"mean": "someones_model:Mean"})
    assert available_predictors()["mean"] == "someones-package 1.0 (someones_model:Mean)"
    made = make_predictor("mean", scale=2.5)
    assert made.name == "mean"
    assert made.scale == 2.5  # type: ignore[union-attr]  # the plugin's own field


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("broken_model:Model", "a_package_that_is_nowhere"),
        ("someones_model:Absent", "Absent"),
        ("someones_model:number", "not a class or function"),
        ("no_such_module:Model", "no_such_module"),
        ("exiting_model:Model", "SystemExit: 3"),
    ],
)
def test_a_broken_plugin_warns_and_the_others_remain(site: Site, value: str, problem: str) -> None:
    site.install("broken-package", {"broken": value})
    site.install("someones-package", {"mean": "someones_model:Mean"})
    with pytest.warns(PgxevalWarning, match=rf"broken of broken-package 1\.0 .* is ignored: .*{problem}"):
        found = available_predictors()
    assert "broken" not in found
    assert "mean" in found
    with pytest.raises(PgxevalError, match=problem):
        make_predictor("broken")
    assert make_predictor("mean").name == "mean"


def test_duplicate_names_are_warned_about_and_the_first_by_package_stands(site: Site) -> None:
    site.install("z-package", {"mean": "broken_model:Model"})
    site.install("a-package", {"mean": "someones_model:Mean"})
    with pytest.warns(PgxevalWarning, match=r"mean of z-package 1\.0 .* used by a-package 1\.0"):
        found = available_predictors()
    assert found["mean"].startswith("a-package")
    with pytest.warns(PgxevalWarning, match="z-package"):
        assert make_predictor("mean").name == "mean"


def test_a_plugin_cannot_take_the_name_of_a_built_in(site: Site) -> None:
    site.install("a-package", {"elastic_net": "someones_model:Mean"})
    with pytest.warns(PgxevalWarning, match="used by pgxeval itself"):
        found = available_predictors()
    assert found["elastic_net"] == "pgxeval"
    assert isinstance(make_predictor("elastic_net"), ElasticNetPredictor)


def test_an_unknown_name_lists_the_known_ones_and_near_ones(site: Site) -> None:
    site.install("someones-package", {"mean": "someones_model:Mean"})
    with pytest.raises(UnknownNameError, match=r"'elastic_nett'.*random_forest.*mean; near: elastic_net"):
        make_predictor("elastic_nett")


def test_settings_are_checked_and_named(site: Site) -> None:
    site.install("someones-package", {"mean": "someones_model:Mean", "keyed": "someones_model:needs_key"})
    with pytest.raises(SettingError, match=r"predictor mean: .*'sclae'.*; its settings are scale"):
        make_predictor("mean", sclae=1)
    with pytest.raises(SettingError, match="its settings are name, cis_variants, flank_bp, l1_ratio"):
        make_predictor("elastic_net", ratio=1)
    with pytest.raises(KeyError):  # what goes wrong inside the plugin is the plugin's to say
        make_predictor("keyed")


def test_what_is_made_must_be_a_predictor(site: Site) -> None:
    site.install("someones-package", {"model": "someones_model:model"})
    with pytest.raises(SettingError, match=r"returned a Model, which is not a predictor.*SequencePredictor"):
        make_predictor("model")


def test_enformer_without_its_extra_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == "enformer_pytorch" else real(name, *rest)
    )
    assert "enformer" not in available_predictors()
    with pytest.raises(SettingError, match=r"pgxeval\[enformer\]"):
        make_predictor("enformer")
