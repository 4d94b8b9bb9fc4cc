"""Tasks of a contributor: `nox -l` lists them, `nox` runs lint, typing and tests."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import nox

PROJECT = tomllib.loads(Path(__file__).with_name("pyproject.toml").read_text(encoding="utf-8"))["project"]


def _pythons() -> list[str]:
    """Return an interpreter for each Python that pyproject.toml names and this machine has, oldest first."""
    prefix = "Programming Language :: Python :: 3."
    minors = [line.removeprefix(prefix) for line in PROJECT["classifiers"] if line.startswith(prefix)]
    found = []
    for minor in minors:
        candidates = [
            shutil.which(f"python3.{minor}"),
            *map(str, Path.home().glob(f".pyenv/versions/3.{minor}.*/bin/python3.{minor}")),
        ]
        for candidate in candidates:
            # a shim may exist for a version that is not active
            if candidate and subprocess.run([candidate, "-c", ""], capture_output=True, check=False).returncode == 0:
                found.append(candidate)
                break
    return found or [sys.executable]


nox.options.sessions = ["lint", "typing", "tests"]
nox.options.reuse_existing_virtualenvs = True


@nox.session
def lint(session: nox.Session) -> None:
    """Check style and format."""
    session.install("-e", ".", "ruff>=0.6", "import-linter>=2.1")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("lint-imports")


@nox.session
def typing(session: nox.Session) -> None:
    """Check types, strictly."""
    session.install("-e", ".", "mypy>=1.11", "pandas-stubs", "pytest>=8")
    session.run("mypy")


@nox.session(python=_pythons())
def tests(session: nox.Session) -> None:
    """Run the default tests, as the README does; without torch where it has no CPU build for this Python."""
    version = session.run("python", "-c", "import sys; print(sys.version_info[1])", silent=True)
    with_torch = int(str(version).strip()) == 11
    session.install("-c", "constraints.txt", "-e", ".[test]" if with_torch else ".[test-without-torch]")
    session.run("pytest", "-n", "2", "--dist", "worksteal", *session.posargs)


@nox.session
def docs(session: nox.Session) -> None:
    """Build the documentation, notebooks included, and check links, searches and widths; warnings are fatal."""
    session.install("-e", ".[docs]")
    session.run("sphinx-build", "-W", "--keep-going", "-b", "html", "docs", "docs/_build/html")
    session.run("python", "docs/check_site.py", "docs/_build/html", *session.posargs)


@nox.session
def demo(session: nox.Session) -> None:
    """Run the main job on the embedded cohort."""
    session.install(".[demo]")
    session.run("python", "-m", "pgxeval.demo", *session.posargs)


@nox.session
def validation(session: nox.Session) -> None:
    """Run the exhaustive studies and write the tables under validation/."""
    session.install("-c", "constraints.txt", "-e", ".[test]", "tabulate")
    for script in (
        "null_genes",
        "planted_truth",
        "prequential",
        "halves",
        "structure",
        "relatives",
        "haplotypes",
        "alphagenome_plan",
        "alphagenome_faults",
        "alphagenome_kills",
        *session.posargs,
    ):
        session.run("python", f"validation/{script}.py")


@nox.session
def benchmarks(session: nox.Session) -> None:
    """Measure against the obvious alternatives and write the tables under benchmarks/."""
    session.install("-c", "constraints.txt", "-e", ".[test]", "cyvcf2", "tabulate")
    scripts = ["predictors", "evaluator", "import_time", "genotypes", "enformer_overhead"]
    scripts += ["alphagenome_throughput", "alphagenome_memory"]
    for script in scripts:
        session.run("python", f"benchmarks/{script}.py")
    # GenVarLoader pins what we do not: give an interpreter that has it, `nox -s benchmarks -- --genvarloader PYTHON`
    session.run("python", "benchmarks/haplotypes.py", *session.posargs)


@nox.session
def plugin(session: nox.Session) -> None:
    """Install the example of a plugin beside the library, run the checks on it, and a benchmark with it by name."""
    session.install(".[demo]", "./examples/plugin[test]")
    session.chdir("examples/plugin")
    session.run("pytest", *session.posargs)
    session.run("python", "benchmark.py")


@nox.session
def enformer5(session: nox.Session) -> None:
    """Test Enformer with transformers 5, which enformer-pytorch's own loading does not work with."""
    session.install("-c", "constraints.txt", "-e", ".[test,enformer]")
    session.install("transformers>=5,<6", "huggingface_hub>=1")  # against the exact pin of enformer-pytorch
    session.run("python", "-c", "import transformers; assert transformers.__version__.startswith('5.')")
    session.run("pytest", "tests/predictors", "-k", "enformer or precision", *session.posargs)


@nox.session
def build(session: nox.Session) -> None:
    """Build wheel and source archive, install the wheel in this fresh environment, and run the demo with it."""
    session.install("build", "twine")
    shutil.rmtree("dist", ignore_errors=True)
    session.run("python", "-m", "build")
    (wheel,) = Path("dist").glob("*.whl")
    session.run("twine", "check", *map(str, Path("dist").iterdir()))
    session.install(f"{wheel.resolve()}[demo]")
    session.chdir(session.create_tmp())  # so that the installed package is imported, not the checkout
    session.run("python", "-m", "pgxeval.demo", *session.posargs)
