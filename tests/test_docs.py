"""The documentation: its code runs, its links lead somewhere, and it has a page for every public module."""

from __future__ import annotations

import ast
import doctest
import re
import warnings
from pathlib import Path

import pytest

import pgxeval

DOCS = Path(__file__).resolve().parents[1] / "docs"
PAGES = sorted(path for path in DOCS.rglob("*.md") if "_build" not in path.parts)
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def _name(path: Path) -> str:
    return path.relative_to(DOCS).as_posix()


def _blocks(path: Path) -> list[str]:
    return BLOCK.findall(path.read_text(encoding="utf-8"))


EXECUTED = [path for path in PAGES if any(">>>" in block for block in _blocks(path))]
SHOWN = [path for path in PAGES if any(">>>" not in block for block in _blocks(path))]


def test_there_is_something_to_test() -> None:
    assert "tutorials/first-evaluation.md" in map(_name, EXECUTED)
    assert len(EXECUTED) >= 4
    assert len(SHOWN) >= 3


@pytest.mark.parametrize("path", EXECUTED, ids=_name)
def test_examples_give_what_the_page_says(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    code = "\n".join(block for block in _blocks(path) if ">>>" in block)
    test = doctest.DocTestParser().get_doctest(code, {}, _name(path), str(path), 0)
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    said: list[str] = []
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        runner.run(test, out=said.append)
    assert runner.tries > 0
    assert not runner.failures, "".join(said)


@pytest.mark.parametrize("path", SHOWN, ids=_name)
def test_code_that_is_only_shown_parses_and_names_what_exists(path: Path) -> None:
    for block in _blocks(path):
        if ">>>" in block:
            continue
        tree = ast.parse(block)
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "pgxeval":
                assert hasattr(pgxeval, node.attr), f"{_name(path)}: pgxeval.{node.attr}"


@pytest.mark.parametrize("path", PAGES, ids=_name)
def test_links_lead_somewhere(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        assert not target.startswith("http"), f"{_name(path)}: {target} needs a network"
        assert (path.parent / target.split("#")[0]).is_file(), f"{_name(path)}: {target}"


def test_every_page_is_in_a_table_of_contents() -> None:
    listed = set()
    for path in PAGES:
        for tree in re.findall(
            r"^```\{toctree\}\n(.*?)^```", path.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
        ):
            entries = [line.strip() for line in tree.splitlines() if line.strip() and not line.startswith(":")]
            listed |= {(path.parent / f"{entry}.md").resolve() for entry in entries}
    assert {path.resolve() for path in PAGES} - listed == {(DOCS / "index.md").resolve()}


def test_names_of_the_front_door_have_a_page() -> None:
    modules = set(re.findall(r"automodule:: (\S+)", "".join(p.read_text(encoding="utf-8") for p in PAGES)))
    for name in pgxeval.__all__:
        if not name.startswith("__"):
            module = getattr(pgxeval, name).__module__
            # an Evaluation is documented with its Evaluator
            assert module in modules | {"pgxeval.evaluation.result"}, f"{name} of {module} has no page"
