"""Pages made from the code and from the tables of the studies: public names, columns, validation, benchmarks."""

from __future__ import annotations

import importlib
import inspect
import re
from pathlib import Path
from typing import Any

import dictionaries
from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

ROOT = Path(__file__).resolve().parents[2]
GENERATED = "_generated"
ROOMS = re.findall(
    r"automodule:: (\S+)",
    "".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "docs" / "reference").glob("*.md"))),
)


def first_sentence(thing: object) -> str:
    """Return the first sentence of a docstring; for a constant, its kind."""
    if not (inspect.isclass(thing) or inspect.isroutine(thing)):
        return f"A constant ({type(thing).__name__})."
    text = " ".join((inspect.getdoc(thing) or "").split("\n\n", 1)[0].split())
    return re.split(r"(?<=[.!?]) ", text, maxsplit=1)[0]


def names_of(room: str) -> list[tuple[str, str]]:
    """Return the public names of a room, each with its first sentence."""
    module = importlib.import_module(room)
    return [(name, first_sentence(getattr(module, name))) for name in module.__all__ if not name.startswith("__")]


def page_of(room: str, name: str) -> str:
    """Return the name under which a thing is documented: the front door has no page."""
    if room != "pgxeval":
        return f"{room}.{name}"
    thing = getattr(importlib.import_module(room), name)
    for other in ROOMS:
        module = importlib.import_module(other)
        if name in getattr(module, "__all__", vars(module)) and getattr(module, name) is thing:
            return f"{other}.{name}"
    raise LookupError(f"pgxeval.{name} is in no room that has a page")


class _Table(SphinxDirective):
    """A table whose rows are reStructuredText."""

    required_arguments = 1
    final_argument_whitespace = True

    def table(self, heads: list[str], rows: list[list[str]], widths: list[int]) -> list[nodes.Node]:
        lines = [".. list-table::", "   :header-rows: 1", f"   :widths: {' '.join(map(str, widths))}", ""]
        for row in [heads, *rows]:
            lines += [f"   {'* -' if k == 0 else '  -'} {cell}" for k, cell in enumerate(row)]
        parent = nodes.container()
        self.state.nested_parse(StringList(self._rst(lines), "generated"), 0, parent)
        return parent.children

    @staticmethod
    def _rst(lines: list[str]) -> list[str]:
        return ["```{eval-rst}", *lines, "```"]


class PublicNames(_Table):
    """``{public-names} pgxeval.cohort``: the public names of a room with a line each."""

    def run(self) -> list[nodes.Node]:
        """Return the table."""
        room = self.arguments[0]
        rows = [[f":py:obj:`{name} <{page_of(room, name)}>`", line] for name, line in names_of(room)]
        return self.table(["Name", "What it is"], rows, [30, 70])


class Columns(_Table):
    """``{columns} summary``: the columns of a table."""

    def run(self) -> list[nodes.Node]:
        """Return the table."""
        table = dictionaries.TABLES[self.arguments[0]]
        rows = [[f"``{name}``", _escape(meaning), table.unit(name)] for name, meaning in table.columns.items()]
        return self.table(["Column", "Meaning", "Unit"], rows, [25, 60, 15])


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace("*", "\\*").replace("|", "\\|").replace("`", "``")


def copy_evidence(app: Sphinx, config: Any) -> None:
    """Copy the tables of the studies to where Sphinx finds them."""
    for kind in ("validation", "benchmarks"):
        target = Path(app.srcdir) / GENERATED / kind
        target.mkdir(parents=True, exist_ok=True)
        texts = {path.name: path.read_text(encoding="utf-8") for path in sorted((ROOT / kind).glob("*.md"))}
        for old in target.glob("*.md"):
            if old.name not in texts:
                old.unlink()
        for name, text in texts.items():
            script = name.replace(".md", ".py")
            page = f"{text.rstrip()}\n\nMade by `{kind}/{script}` in the repository.\n"
            if not (target / name).is_file() or (target / name).read_text(encoding="utf-8") != page:
                (target / name).write_text(page, encoding="utf-8")


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directives."""
    app.add_directive("public-names", PublicNames)
    app.add_directive("columns", Columns)
    app.connect("config-inited", copy_evidence)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
