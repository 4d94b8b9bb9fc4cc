"""Pieces of an HTML page: all text that comes from data is escaped here, and only here."""

from __future__ import annotations

import base64
import io
import re
import warnings
from collections.abc import Iterable, Sequence
from html import escape
from importlib import resources
from string import Template
from typing import TYPE_CHECKING, Any, cast

import attrs

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def _strings(cells: Iterable[str]) -> tuple[str, ...]:
    return tuple(cells)


@attrs.frozen(kw_only=True)
class Column:
    """A column of an HTML table.

    Parameters
    ----------
    title
        Heading, plain text.
    cells
        Plain text, one per row; line breaks are kept.
    numeric
        Whether the cells are numbers: aligned to the right and kept on one line.
    """

    title: str
    cells: tuple[str, ...] = attrs.field(converter=_strings)
    numeric: bool = True


def text(value: Any) -> str:
    """Escape plain text for HTML, quotes included; ``5 %`` and ``q < 0.05`` stay on one line."""
    return escape(str(value), quote=True).replace(" %", "&nbsp;%").replace(" &lt; ", "&nbsp;&lt;&nbsp;")


def paragraph(words: str, kind: str | None = None) -> str:
    """Return a paragraph of plain text; text between `backquotes` is set as code."""
    attribute = f' class="{kind}"' if kind else ""
    return f"<p{attribute}>{inline(words)}</p>"


def inline(words: str) -> str:
    """Escape plain text and set text between backquotes as code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", text(words))


def bullets(items: Sequence[str]) -> str:
    """Return a list of plain-text items."""
    return "<ul>" + "".join(f"<li>{inline(item)}</li>" for item in items) + "</ul>"


def warning(words: str) -> str:
    """Return a box that a reader cannot miss."""
    return f'<div class="warning" role="note"><strong>Caution.</strong> {inline(words)}</div>'


def table(columns: Sequence[Column], caption: str) -> str:
    """Return an HTML table; the cells of the first column head their rows."""
    heads = "".join(f'<th scope="col"{_align(column)}>{_head(column.title)}</th>' for column in columns)
    rows = []
    for cells in zip(*(column.cells for column in columns), strict=True):
        first = f'<th scope="row"{_align(columns[0])}>{_cell(cells[0])}</th>'
        rest = "".join(
            f"<td{_align(column)}>{_cell(cell)}</td>" for column, cell in zip(columns[1:], cells[1:], strict=True)
        )
        rows.append(f"<tr>{first}{rest}</tr>")
    return (
        f'<div class="scroll"><table>{_caption(caption)}'
        f"<thead><tr>{heads}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


def _caption(words: str) -> str:
    return f"<caption>{inline(words)}</caption>" if words else ""


def _head(words: str) -> str:
    return inline(words).replace("\n", "<br>")


def _cell(words: str) -> str:
    return text(words).replace("\n", "<br>")


def _align(column: Column) -> str:
    return ' class="n"' if column.numeric else ""


def terms(entries: Sequence[tuple[str, str]]) -> str:
    """Return a list of terms and what they mean."""
    return "<dl>" + "".join(f"<dt>{text(term)}</dt><dd>{inline(words)}</dd>" for term, words in entries) + "</dl>"


def figure(ax: Axes, alt: str, caption: str) -> str:
    """Return the figure of `ax` as an inline SVG image with its alternative text and caption."""
    drawn = cast("Figure", ax.figure)
    data = base64.b64encode(_svg(drawn).encode()).decode()
    width, height = (round(96 * float(inches)) for inches in drawn.get_size_inches())
    return (
        f'<figure><img width="{width}" height="{height}" alt="{text(alt)}" src="data:image/svg+xml;base64,{data}">'
        f"<figcaption>{inline(caption)}</figcaption></figure>"
    )


def _svg(drawn: Figure) -> str:
    buffer = io.StringIO()
    with warnings.catch_warnings():
        # an identifier may contain characters that the font lacks; the box drawn instead is enough
        warnings.filterwarnings("ignore", message="Glyph .* missing", category=UserWarning)
        drawn.savefig(buffer, format="svg", dpi=150, metadata={"Date": None, "Creator": None})
    drawing = buffer.getvalue()
    # matplotlib names repeated shapes at random: number them, so that equal figures are equal bytes
    names: dict[str, str] = {}
    for name in re.findall(r'id="([a-z]?[0-9a-f]{10,})"', drawing):
        names.setdefault(name, f"s{len(names)}")
    return re.sub(
        r'(id="|#)([a-z]?[0-9a-f]{10,})',
        lambda match: match[1] + names.get(match[2], match[2]),
        drawing,
    )


def page(title: str, subtitle: str, sections: Sequence[tuple[str, str, str]], footer: str) -> str:
    """Return the whole page from (anchor, heading, HTML) sections; the first one precedes the table of contents."""
    links = "".join(f'<li><a href="#{anchor}">{text(heading)}</a></li>' for anchor, heading, _ in sections)
    bodies = "".join(
        f'<section id="{anchor}"{_kind(anchor)} aria-labelledby="{anchor}-h">'
        f'<h2 id="{anchor}-h">{text(heading)}</h2>{body}</section>'
        for anchor, heading, body in sections
    )
    room = resources.files("pgxeval.report")
    skeleton = Template((room / "page.html").read_text(encoding="utf-8"))
    return skeleton.substitute(
        title=text(title),
        subtitle=inline(subtitle),
        style=(room / "page.css").read_text(encoding="utf-8"),
        links=links,
        sections=bodies,
        footer=inline(footer),
    )


def _kind(anchor: str) -> str:
    return ' class="answer"' if anchor == "answer" else ""
