"""The rooms and their walls: imports run downward, without circles, and nothing imports the package root.

The layers are the contracts of import-linter in ``pyproject.toml``; imports inside functions and under
``TYPE_CHECKING`` count as well.
"""

from __future__ import annotations

import ast
import graphlib
import importlib
import re
import subprocess
import sys
import tomllib
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


def test_the_page_about_the_rooms_lists_the_layers_of_the_contract() -> None:
    contract = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"][0]
    page = (REPOSITORY / "docs" / "explanation" / "architecture.md").read_text(encoding="utf-8")
    section = page[page.index("## Imports run downward") :]
    listed = section.split("```")[1].removeprefix("text\n").split("\n")[:-1]
    assert listed == [layer.strip("()") for layer in contract["layers"]]


def test_the_page_about_the_rooms_names_files_that_exist() -> None:
    page = (REPOSITORY / "docs" / "explanation" / "architecture.md").read_text(encoding="utf-8")
    names = set(re.findall(r"`(?:[a-z_]+/)*([a-z_]+\.py)`", page)) - {"__init__.py", "test_architecture.py"}
    assert len(names) > 20
    assert names <= {path.name for path in SOURCE.rglob("*.py")}


# Files whose behaviour is tested through another file, which is named; all others have a test file of the same name.
TESTED_THROUGH = {
    # compiled kernels, through the functions that call them
    "attribution/tree_kernel": "attribution/test_marginal",
    "genome/allele_kernel": "genome/test_assembly",
    "genome/haplotype_kernel": "genome/test_haplotypes",
    "genome/window_kernel": "genome/test_haplotypes",
    "genome/formats/bcf_kernel": "genome/formats/test_source",
    "genome/formats/vcf_kernel": "genome/formats/test_source",
    "genome/formats/vcf_value_kernel": "genome/formats/test_fields",
    "predictors/trained/column_kernel": "predictors/trained/test_distinct_columns",
    "predictors/trained/forest_draws": "predictors/trained/test_forest",
    "predictors/trained/forest_kernel": "predictors/trained/test_forest",
    "predictors/trained/forest_splits": "predictors/trained/test_forest",
    "predictors/trained/forest_sums": "predictors/trained/test_forest",
    "predictors/trained/penalty_gram": "predictors/trained/test_penalty",
    "predictors/trained/penalty_kernel": "predictors/trained/test_penalty",
    # what fitted predictors on dosages share
    "predictors/trained/fitted": "predictors/trained/test_elastic_net",
    "predictors/trained/linear": "predictors/trained/test_elastic_net",
    # the arrays of one store, which only together make a source
    "genome/formats/zarr_calls": "genome/formats/test_vcf_zarr",
    "genome/formats/zarr_index": "genome/formats/test_vcf_zarr",
    "genome/formats/zarr_records": "genome/formats/test_vcf_zarr",
    "genome/formats/zarr_store": "genome/formats/test_vcf_zarr",
    # steps of the evaluator, whose numbers are checked in its tables
    "evaluation/by_tissue": "evaluation/test_tissues",
    "evaluation/conclude": "evaluation/test_evaluator",
    "evaluation/correlate_genes": "evaluation/test_evaluator",
    "evaluation/each_tissue": "evaluation/test_tissues",
    "evaluation/flips": "evaluation/test_gene_comparison",
    "evaluation/gene_batches": "evaluation/test_batched",
    "evaluation/infer": "evaluation/test_evaluator",
    "evaluation/judge": "evaluation/test_evaluator",
    "evaluation/judged_genes": "evaluation/test_evaluator",
    "evaluation/matching": "evaluation/test_evaluator",
    "evaluation/pair_pass": "evaluation/test_evaluator",
    "evaluation/tables": "test_columns",
    "evaluation/tissue_values": "evaluation/test_tissues",
    "evaluation/true_directions_table": "evaluation/test_evaluator",
    # views by table, and what they share, all reached by name of the table
    "evaluation/gene_views": "evaluation/test_views",
    "evaluation/pair_views": "evaluation/test_views",
    "evaluation/predictor_views": "evaluation/test_views",
    "evaluation/view_legends": "evaluation/test_views",
    # parts of a study, which are checked in its results, and of its page
    "study/cis_tests": "study/test_run",
    "study/counts": "study/test_run",
    "study/effects": "study/test_run",
    "study/evaluation": "study/test_run",
    "study/mechanism": "study/test_run",
    "study/pairs": "study/test_run",
    "study/predictions": "study/test_run",
    "study/results": "study/test_run",
    "study/selection": "study/test_run",
    "study/settings": "study/test_run",
    "study/study": "study/test_run",
    "study/finding": "study/test_findings",
    "study/questions/baseline": "study/test_findings",
    "study/questions/ceiling": "study/test_findings",
    "study/questions/direction": "study/test_findings",
    "study/questions/mechanism": "study/test_findings",
    "study/questions/nonlinear": "study/test_findings",
    "study/questions/rows": "study/test_findings",
    "study/methods": "study/test_report",
    "study/report_figures": "study/test_report",
    "study/report_tables": "study/test_report",
    # parts of the page
    "report/appendix": "report/test_write",
    "report/figures": "report/test_write",
    "report/individuals": "report/test_write",
    "report/texts": "report/test_write",
    # open cohorts, whose files a local server serves
    "datasets/geuvadis": "datasets/test_open_cohorts",
    "datasets/mage": "datasets/test_open_cohorts",
    "datasets/panel": "datasets/test_open_cohorts",
    # reached through attribution, figures and runs
    "attribution/shap": "attribution/test_attribute",
    "attribution/substitution": "attribution/test_attribute",
    "plots/calibration": "evaluation/test_direction_curve",
    "prediction/ledger": "prediction/test_tasks",
    "predictors/sequence/progress": "predictors/sequence/test_predictor",
    # what tests themselves are made of
    "simulation/families": "cohort/test_relatedness",
    "testing/tiny_world": "testing/checks/test_predictor",
    "testing/alphagenome/answer": "testing/alphagenome/test_server",
    "testing/alphagenome/local": "testing/alphagenome/test_server",
    "testing/alphagenome/wire": "testing/alphagenome/test_server",
    "testing/checks/golden": "testing/checks/test_sequence_model",
    "testing/checks/model_under_test": "testing/checks/test_sequence_model",
    "testing/checks/suites": "testing/checks/test_sequence_model",
    # without behaviour of their own: constants, protocols, one call
    "__main__": "test_command",
    "bars": "prediction/test_progress",
    "frames": "cohort/test_expression_files",
    "genome/layout": "genome/formats/test_source",
    "tables/batches": "evaluation/test_batched",
}


def test_each_file_has_its_test_file() -> None:
    tests = REPOSITORY / "tests"
    files = {path.relative_to(SOURCE).with_suffix("") for path in SOURCE.rglob("*.py") if path.name != "__init__.py"}
    without = {name.as_posix() for name in files if not (tests / name.parent / f"test_{name.name}.py").is_file()}
    assert without == set(TESTED_THROUGH)


@pytest.mark.parametrize(("file", "test"), TESTED_THROUGH.items())
def test_a_file_that_is_tested_through_another_is_reached_by_its_test(
    graph: grimp.ImportGraph, file: str, test: str
) -> None:
    tree = ast.parse((REPOSITORY / "tests" / f"{test}.py").read_text(encoding="utf-8"))
    imports: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("pgxeval"):
            imports |= {str(node.module)} | {f"{node.module}.{alias.name}" for alias in node.names}
    target = f"pgxeval.{file.replace('/', '.')}"
    modules = {name for name in imports if name in graph.modules}
    reached = target in modules or any(graph.chain_exists(name, target) for name in modules)
    assert reached or file == "__main__"  # nothing imports it
