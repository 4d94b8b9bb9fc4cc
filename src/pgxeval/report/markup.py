"""Pieces of an HTML page: all text that comes from data is escaped here, and only here.

Figures and tables are numbered when the page is put together (`pgxeval.report.page.page`).
"""

from __future__ import annotations

import base64
import io
import re
import warnings
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING, Any, cast

from pgxeval.view import Column, TableView

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FIGURE_NUMBER, TABLE_NUMBER = "\x00figure\x00", "\x00table\x00"
"""Stand for the number of a figure or a table; no escaped text contains them."""

LONG = 25
"""A table with more rows scrolls on the screen."""


def text(value: Any) -> str:
    """Escape plain text for HTML, quotes included; ``5 %`` and ``q < 0.05`` stay on one line."""
    html = escape(str(value).replace("\x00", "\ufffd"), quote=True)
    return html.replace(" %", "&nbsp;%").replace(" &lt; ", "&nbsp;&lt;&nbsp;")


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


def finding(question: str, value: str, sentence: str, more: str) -> str:
    """Return the answer to one question: one number, one sentence, and details on demand."""
    return (
        f'<article class="finding"><h3>{inline(question)}</h3><p class="value">{text(value)}</p>'
        f"<p>{inline(sentence)}</p>{details('Details', paragraph(more)) if more else ''}</article>"
    )


def details(summary: str, body: str) -> str:
    """Return HTML that is shown on demand."""
    return f"<details><summary>{inline(summary)}</summary>{body}</details>"


def pair(*pieces: str) -> str:
    """Return HTML pieces next to each other where the page is wide enough."""
    return f'<div class="pair">{"".join(pieces)}</div>'


def copyable(words: str) -> str:
    """Return plain text that can be copied as a whole."""
    return f'<div class="copyable"><p class="text">{text(words)}</p></div>'


def table(columns: Sequence[Column], caption: str, *, legend: Sequence[str] = (), name: str | None = None) -> str:
    """Return an HTML table; the cells of the first column head their rows.

    Parameters
    ----------
    columns
        Columns, of the same number of cells.
    caption
        One line above the table, which is then numbered; "" gives a table without caption and number.
    legend
        Sentences below the table.
    name
        Name of the file in which readers save the table; with a name, the table can be sorted, filtered and downloaded.
    """
    heads = "".join(f'<th scope="col"{_align(column)}>{_head(column.title)}</th>' for column in columns)
    rows = []
    for cells in zip(*(column.cells for column in columns), strict=True):
        first = f'<th scope="row"{_align(columns[0])}>{_cell(cells[0])}</th>'
        rest = "".join(
            f"<td{_align(column)}>{_cell(cell)}</td>" for column, cell in zip(columns[1:], cells[1:], strict=True)
        )
        rows.append(f"<tr>{first}{rest}</tr>")
    kind = "table" + (" sortable" if name else "") + (" long" if len(rows) > LONG else "")
    attribute = f' data-name="{text(name)}"' if name else ""
    label = (
        f'<p class="caption"><span class="label">Table {TABLE_NUMBER}.</span> {inline(caption)}</p>' if caption else ""
    )
    below = " · ".join(inline(line.rstrip(".")) for line in legend)
    return (
        f'<div class="{kind}"{attribute}>{label}<div class="scroll"><table>'
        f"<thead><tr>{heads}</tr></thead><tbody>{''.join(rows)}</tbody></table></div></div>"
        + (f'<p class="legend">{below}</p>' if below else "")
    )


def view(shown: TableView, *, caption: str | None = None, name: str | None = None) -> str:
    """Return a table for reading as HTML, with its legend but for the name of the full table in Python."""
    legend = [line for line in shown.legend if "full table: " not in line]
    return table(shown.columns, caption or shown.title, legend=legend, name=name)


def _head(words: str) -> str:
    return inline(words).replace("\n", "<br>")


def _cell(words: str) -> str:
    return text(words).replace("\n", "<br>")


def _align(column: Column) -> str:
    return ' class="n"' if column.numeric else ""


def terms(entries: Sequence[tuple[str, str]]) -> str:
    """Return a list of terms and what they mean."""
    return "<dl>" + "".join(f"<dt>{text(term)}</dt><dd>{inline(words)}</dd>" for term, words in entries) + "</dl>"


def figure(ax: Axes, *, alt: str, caption: str, title: str = "") -> str:
    """Return the figure of `ax` as a numbered inline SVG image.

    Parameters
    ----------
    ax
        Its whole figure is shown.
    alt
        What it shows to someone who cannot see it, made from the numbers.
    caption
        How to read it.
    title
        What the figure shows, in a few words.
    """
    canvas = cast("Figure", ax.figure)
    data = base64.b64encode(_svg(canvas).encode()).decode()
    width, height = (round(96 * float(inches)) for inches in canvas.get_size_inches())
    label = f"Figure {FIGURE_NUMBER}.{f' {inline(title)}.' if title else ''}"
    return (
        f'<figure><img width="{width}" height="{height}" alt="{text(alt)}" src="data:image/svg+xml;base64,{data}">'
        f'<figcaption><span class="label">{label}</span> {inline(caption)}</figcaption></figure>'
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
