"""The documentation: its code runs, its links lead somewhere, and it has a page for every public module."""

from __future__ import annotations

import ast
import doctest
import importlib
import io
import re
import sys
import tomllib
import warnings
from contextlib import redirect_stdout
from pathlib import Path
from types import ModuleType

import pytest

import pgxeval
from pgxeval import plots

DOCS = Path(__file__).resolve().parents[1] / "docs"
MADE = {"_build", "_generated", "jupyter_execute"}  # by Sphinx
PAGES = sorted(path for path in DOCS.rglob("*.md") if not MADE & set(path.parts))
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def _name(path: Path) -> str:
    return path.relative_to(DOCS).as_posix()


def _blocks(path: Path) -> list[str]:
    return BLOCK.findall(path.read_text(encoding="utf-8"))


# Pages to copy from: plain code, run from top to bottom; what it prints stands below it.
COPIED = [DOCS / "howto" / "add-your-model.md"]
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
EXECUTED = [path for path in PAGES if any(">>>" in block for block in _blocks(path))]
SHOWN = [path for path in PAGES if path not in COPIED and any(">>>" not in block for block in _blocks(path))]


def test_there_is_something_to_test() -> None:
    assert "tutorials/first-evaluation.md" in map(_name, EXECUTED)
    assert len(EXECUTED) >= 4
    assert len(SHOWN) >= 3


@pytest.mark.parametrize("path", EXECUTED, ids=_name)
def test_examples_give_what_the_page_says(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")  # tables are as wide as the terminal
    code = "\n".join(block for block in _blocks(path) if ">>>" in block)
    test = doctest.DocTestParser().get_doctest(code, {}, _name(path), str(path), 0)
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    said: list[str] = []
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        runner.run(test, out=said.append)
    assert runner.tries > 0
    assert not runner.failures, "".join(said)


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Return an empty module, in which classes that pickle can be defined."""
    made = ModuleType("copied_from_a_page")
    monkeypatch.setitem(sys.modules, made.__name__, made)
    return made


def _words(text: str, kind: str) -> list[str]:
    """Return the words; of console output, which hangs on versions of libraries, without the numbers."""
    return (re.sub(r"-?\d+(\.\d+)?", "#", text) if kind == "console" else text).split()


@pytest.mark.parametrize("path", COPIED, ids=_name)
def test_pages_to_copy_from_print_what_they_say(
    path: Path, module: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("msprime", reason="the simulated cohort needs the extra `demo`")
    monkeypatch.chdir(tmp_path)
    printed, seen = "", []
    for kind, block in FENCE.findall(path.read_text(encoding="utf-8")):
        seen.append(kind)
        if kind == "python":
            assert not printed, f"{_name(path)}: what is printed before this is not shown: {printed}"
            out = io.StringIO()
            with redirect_stdout(out):
                exec(compile(block, _name(path), "exec"), module.__dict__)
            printed = out.getvalue()
        elif kind in ("text", "console"):
            assert _words(printed, kind) == _words(block, kind)
            printed = ""
    assert not printed
    assert seen.count("python") >= 8
    assert {"check", "outcome", "detail"} == set(module.__dict__["checks"].columns)


def test_the_entry_point_that_is_shown_is_that_of_the_example() -> None:
    (shown,) = [block for kind, block in FENCE.findall(COPIED[0].read_text(encoding="utf-8")) if kind == "toml"]
    project = tomllib.loads((DOCS.parent / "examples" / "plugin" / "pyproject.toml").read_text(encoding="utf-8"))
    assert tomllib.loads(shown)["project"]["entry-points"] == project["project"]["entry-points"]


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
        if target.startswith("https://"):
            continue
        assert not target.startswith("http"), f"{_name(path)}: {target} is not encrypted"
        name, _, heading = target.partition("#")
        page = path.parent / name if name else path
        page = Path(str(page.resolve()).replace(f"{DOCS}/_generated/", f"{DOCS.parent}/"))  # copied from there
        assert page.is_file(), f"{_name(path)}: {target}"
        headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
        slugs = {re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in headings}
        assert not heading or heading in slugs, f"{_name(path)}: {target}"


def test_every_page_is_in_a_table_of_contents() -> None:
    listed = set()
    for path in PAGES:
        for tree in re.findall(
            r"^```\{toctree\}\n(.*?)^```", path.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
        ):
            entries = [line.strip() for line in tree.splitlines() if line.strip() and not line.startswith(":")]
            listed |= {(path.parent / f"{entry}.md").resolve() for entry in entries}
    assert {path.resolve() for path in PAGES} - listed == {(DOCS / "index.md").resolve()}


def _documented() -> set[str]:
    """Return the public names of all rooms that have a reference page."""
    rooms = re.findall(r"automodule:: (\S+)", "".join(p.read_text(encoding="utf-8") for p in PAGES))
    names: set[str] = set()
    for room in rooms:
        module = importlib.import_module(room)
        names |= set(getattr(module, "__all__", vars(module)))
    return names


def test_names_of_the_front_door_have_a_page() -> None:
    assert {name for name in pgxeval.__all__ if not name.startswith("__")} <= _documented()


def test_every_room_with_a_page_is_on_the_page_of_all_names() -> None:
    pages = "".join(path.read_text(encoding="utf-8") for path in PAGES)
    listed = re.findall(r"public-names\} (\S+)$", pages, re.MULTILINE)
    rooms = [
        room for room in re.findall(r"automodule:: (\S+)", pages) if hasattr(importlib.import_module(room), "__path__")
    ]
    assert sorted(listed) == sorted({"pgxeval", *rooms})


def test_every_figure_is_in_the_gallery() -> None:
    gallery = (DOCS / "notebooks" / "gallery.md").read_text(encoding="utf-8")
    shown = set(re.findall(r"plots\.(\w+)\(", gallery))
    assert shown == {name for name in plots.__all__ if name.islower()}


def test_names_of_the_testing_kit_have_a_page_and_each_check_is_explained() -> None:
    from pgxeval import testing

    page = (DOCS / "reference" / "testing.md").read_text(encoding="utf-8")
    for name in testing.__all__:
        assert f"`{name}`" in page
    sections = page.split("The checks of a ")[1:]
    for checks, section in zip((testing.SEQUENCE_MODEL_CHECKS, testing.PREDICTOR_CHECKS), sections, strict=True):
        table = section.split("|---|---|")[1]
        named = [
            name
            for row in table.splitlines()
            if row.startswith("|")
            for name in re.findall(r"`(\w+)`", row.split("|")[1])
        ]
        assert named == list(checks)
