"""Pieces of an HTML page: every text that comes from data is escaped here, and only here."""

from __future__ import annotations

import base64
import io
import re
import warnings
from collections.abc import Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING, Any, cast

import attrs

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

STYLE = """
:root { color-scheme: light; }
* { box-sizing: border-box; }
body { margin: 0; background: #f4f5f7; color: #1c2530; font: 16px/1.55 system-ui, -apple-system, "Segoe UI",
  "Helvetica Neue", Arial, "Liberation Sans", sans-serif; }
main { max-width: 1080px; margin: 0 auto; padding: 28px 40px 56px; background: #fff; }
h1 { font-size: 1.8rem; line-height: 1.2; margin: 0 0 .2rem; }
h2 { font-size: 1.28rem; margin: 2.4rem 0 .6rem; padding-top: .9rem; border-top: 1px solid #d5dae1; }
h3 { font-size: 1.03rem; margin: 1.5rem 0 .4rem; }
p { margin: .5rem 0; max-width: 76ch; }
a { color: #00558a; }
.subtitle { color: #4a5563; margin: 0 0 1rem; }
nav ul { list-style: none; display: flex; flex-wrap: wrap; gap: .15rem 1.1rem; padding: 0;
  margin: 1rem 0 0; font-size: .92rem; }
.answer { background: #eef4f9; border-left: 5px solid #0072b2; padding: .8rem 1.2rem; margin: 1.2rem 0;
  border-radius: 0 4px 4px 0; }
.answer h2 { border: 0; margin: 0 0 .3rem; padding: 0; }
.answer ul { margin: .2rem 0; padding-left: 1.15rem; }
.answer li { margin: .35rem 0; max-width: 84ch; }
.warning { background: #fff4df; border-left: 5px solid #b45f06; padding: .6rem 1.2rem; margin: 1rem 0;
  border-radius: 0 4px 4px 0; }
.warning strong { color: #7a3e00; }
.note { color: #4a5563; font-size: .92rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; margin: .6rem 0 .4rem; font-size: .88rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; color: #4a5563; padding: 0 0 .35rem; max-width: 90ch; }
th, td { padding: .3rem .6rem; border-bottom: 1px solid #e3e7ec; vertical-align: top; text-align: left; }
thead th { background: #eceff3; border-bottom: 2px solid #b9c2cd; vertical-align: bottom; line-height: 1.25; }
th.n, td.n { text-align: right; } td.n { white-space: nowrap; }
tbody th { font-weight: 600; }
tbody tr:nth-child(even) { background: #fafbfc; }
figure { margin: 1.2rem 0 1.6rem; break-inside: avoid; }
figure img { max-width: 100%; height: auto; display: block; }
figcaption { color: #38424f; font-size: .92rem; max-width: 84ch; margin-top: .3rem; }
.pair { display: flex; flex-wrap: wrap; gap: 0 1.6rem; }
.pair figure { flex: 1 1 430px; max-width: 490px; }
dl { max-width: 84ch; } dt { font-weight: 600; margin-top: .6rem; } dd { margin: .1rem 0 0 1.2rem; }
code { font: .9em ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace;
  background: #f0f2f5; padding: .05em .3em; border-radius: 3px;
  overflow-wrap: anywhere; }
footer { color: #4a5563; font-size: .88rem; margin-top: 2.4rem; border-top: 1px solid #d5dae1; padding-top: .8rem; }
@media print { body { background: #fff; font-size: 11pt; }
  main { padding: 0; max-width: none; } nav { display: none; } }
@media (max-width: 640px) { main { padding: 18px 16px 40px; } }
"""


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
        Plain text, one a row; a line break stays one.
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
    """Return a paragraph of plain text; text in `backquotes` is set as code."""
    attribute = f' class="{kind}"' if kind else ""
    return f"<p{attribute}>{inline(words)}</p>"


def inline(words: str) -> str:
    """Escape plain text and set what stands between backquotes as code."""
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
        # An identifier may hold characters that the font lacks; the box drawn for them is answer enough.
        warnings.filterwarnings("ignore", message="Glyph .* missing", category=UserWarning)
        drawn.savefig(buffer, format="svg", dpi=150, metadata={"Date": None, "Creator": None})
    drawing = buffer.getvalue()
    # matplotlib salts the names of repeated shapes at random: number them, so that equal figures are equal bytes.
    names: dict[str, str] = {}
    for name in re.findall(r'id="([a-z]?[0-9a-f]{10,})"', drawing):
        names.setdefault(name, f"s{len(names)}")
    return re.sub(
        r'(id="|#)([a-z]?[0-9a-f]{10,})',
        lambda match: match[1] + names.get(match[2], match[2]),
        drawing,
    )


def page(title: str, subtitle: str, sections: Sequence[tuple[str, str, str]], footer: str) -> str:
    """Return the whole page from (anchor, heading, HTML) sections; the first section stands above the contents."""
    links = "".join(f'<li><a href="#{anchor}">{text(heading)}</a></li>' for anchor, heading, _ in sections)
    bodies = "".join(
        f'<section id="{anchor}"{_kind(anchor)} aria-labelledby="{anchor}-h">'
        f'<h2 id="{anchor}-h">{text(heading)}</h2>{body}</section>'
        for anchor, heading, body in sections
    )
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; img-src data:; '
        "style-src 'unsafe-inline'\">"
        f"<title>{text(title)}</title><style>{STYLE}</style></head><body><main>"
        f'<header><h1>{text(title)}</h1><p class="subtitle">{inline(subtitle)}</p>'
        f'<nav aria-label="Sections"><ul>{links}</ul></nav></header>'
        f"{bodies}<footer>{inline(footer)}</footer></main></body></html>\n"
    )


def _kind(anchor: str) -> str:
    return ' class="answer"' if anchor == "answer" else ""
