"""The rooms and their walls: imports run downward, without circles, and nothing imports the package root.

The layers are the contracts of import-linter in ``pyproject.toml``; imports inside functions and under
``TYPE_CHECKING`` count as well.
"""

from __future__ import annotations

import graphlib
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

grimp = pytest.importorskip("grimp", reason="needs import-linter")

REPOSITORY = Path(__file__).resolve().parents[1]
SOURCE = REPOSITORY / "src" / "pgxeval"
# reading the names of a room is what its door is for; the parts behind the door import each other directly
LAZY = {("pgxeval.evaluation.evaluation", "pgxeval.report")}
ROOMS = sorted(path.parent.relative_to(SOURCE).as_posix().replace("/", ".") for path in SOURCE.rglob("*/__init__.py"))


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    return grimp.build_graph("pgxeval", cache_dir=None)


def test_the_contracts_hold() -> None:
    linter = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run(
        [str(linter), "--config", "pyproject.toml", "--no-cache"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_no_circles(graph: grimp.ImportGraph) -> None:
    modules = {name for name in graph.modules if not (SOURCE.parent / name.replace(".", "/") / "__init__.py").exists()}
    imports = {
        name: {
            other
            for other in graph.find_modules_directly_imported_by(name)
            if other in modules and (name, other) not in LAZY
        }
        for name in modules
    }
    graphlib.TopologicalSorter(imports).prepare()


def test_nothing_imports_the_package_root_or_the_testing_kit(graph: grimp.ImportGraph) -> None:
    assert graph.find_modules_that_directly_import("pgxeval") == set()
    importers = {
        importer
        for name in graph.find_descendants("pgxeval.testing") | {"pgxeval.testing"}
        for importer in graph.find_modules_that_directly_import(name)
    }
    assert all(importer.startswith("pgxeval.testing") for importer in importers)


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_shows_its_public_names_and_no_others(room: str) -> None:
    module = importlib.import_module(f"pgxeval.{room}")
    assert module.__doc__
    assert list(module.__all__) == sorted(module.__all__, key=_ruff_order)
    assert dir(module) == sorted(module.__all__)
    assert all(hasattr(module, name) for name in module.__all__)


def _ruff_order(name: str) -> tuple[int, str]:
    kind = 0 if name.isupper() else 1 if name[:1].isupper() else 2
    return kind, name


@pytest.mark.parametrize(
    ("question", "file"),
    [
        ("elastic net", "predictors/trained/elastic_net.py"),
        ("the score cache", "predictors/sequence/cache.py"),
        ("the VCF decoder", "genome/formats/vcf.py"),
        ("why is this gene excluded", "cohort/exclusions.py"),
    ],
)
def test_a_newcomer_finds_the_file(question: str, file: str) -> None:
    assert (SOURCE / file).is_file(), question


def test_the_page_about_the_rooms_names_each_room() -> None:
    page = (REPOSITORY / "docs" / "explanation" / "architecture.md").read_text(encoding="utf-8")
    assert [room for room in ROOMS if f"`{room.replace('.', '/')}/`" not in page and room != "testing.checks"] == []
