"""TableView: a table for reading, with few columns, short headings and a legend, next to the full table."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Callable, Iterable
from html import escape

import attrs
import pandas as pd

from pgxeval.errors import SettingError

MOST_COLUMNS = 10
"""A table with more columns cannot be read."""

_GAP = "  "
_WIDEST_CELL = 44
_HTML_CELL = "padding:.25em .7em;vertical-align:top;white-space:{space};text-align:{align}"


def _strings(cells: Iterable[str]) -> tuple[str, ...]:
    return tuple(cells)


@attrs.frozen(kw_only=True)
class Column:
    """A column of a table for reading.

    Parameters
    ----------
    title
        Heading, plain text; line breaks are kept.
    cells
        Plain text, one per row; line breaks are kept.
    numeric
        Whether the cells are numbers: aligned to the right and kept on one line.
    """

    title: str
    cells: tuple[str, ...] = attrs.field(converter=_strings)
    numeric: bool = True


def cells(frame: pd.DataFrame, write: Callable[..., str], *columns: str) -> list[str]:
    """Write one cell per row of `frame` from the values of `columns`."""
    values = [frame[name].tolist() for name in columns]
    return [write(*row) for row in zip(*values, strict=True)]


def _readable(instance: object, attribute: object, columns: tuple[Column, ...]) -> None:
    if len(columns) > MOST_COLUMNS:
        raise SettingError(f"a table for reading has at most {MOST_COLUMNS} columns, got {len(columns)}")
    if len({len(column.cells) for column in columns}) > 1:
        sizes = ", ".join(f"{column.title!r} {len(column.cells)}" for column in columns)
        raise SettingError(f"columns of a table must have the same number of cells, got {sizes}")


@attrs.frozen(kw_only=True, eq=False, repr=False)
class TableView:
    """A table for reading. It displays itself in notebooks (HTML) and in a terminal (text).

    Parameters
    ----------
    title
        What the table shows, in one line.
    columns
        At most ten, all of the same length.
    legend
        One entry per line below the table: codes and their meaning, what is not shown.
    table
        The full table, with every row, column and digit.
    """

    title: str
    columns: tuple[Column, ...] = attrs.field(validator=_readable)
    legend: tuple[str, ...] = ()
    table: pd.DataFrame

    def __len__(self) -> int:
        return len(self.columns[0].cells) if self.columns else 0

    def to_text(self, width: int | None = None) -> str:
        """Return the table as text.

        Parameters
        ----------
        width
            Characters per line; None takes the width of the terminal, or 120 if there is none. Columns that do not fit
            follow in further blocks, each of which repeats the first column.
        """
        width = width or shutil.get_terminal_size((120, 24)).columns
        columns = [_lines(column) for column in self.columns]
        widths = [max((len(line) for cell in cells for line in cell), default=0) for cells in columns]
        blocks = []
        for block in _blocks(widths, width):
            rows = zip(*(columns[k] for k in block), strict=True)
            sides = [(widths[k], self.columns[k].numeric) for k in block]
            lines = [line for row in rows for line in _row(row, sides)]
            rule = _GAP.join("─" * widths[k] for k in block)
            heads = max(len(columns[k][0]) for k in block)
            blocks.append("\n".join([*lines[:heads], rule, *lines[heads:]]))
        notes = [textwrap.fill(entry, width, subsequent_indent="  ") for entry in self.legend]
        return "\n".join([self.title, "", "\n\n".join(blocks), *([""] if notes else []), *notes])

    def to_html(self) -> str:
        """Return the table as HTML that needs no style sheet and suits light and dark pages."""
        heads = "".join(f'<th scope="col" style="{_style(c)}">{_escaped(c.title)}</th>' for c in self.columns)
        rows = "".join(
            "<tr>"
            + "".join(
                f'<td style="{_style(column)}">{_escaped(cell)}</td>'
                for column, cell in zip(self.columns, row, strict=True)
            )
            + "</tr>"
            for row in zip(*(column.cells for column in self.columns), strict=True)
        )
        legend = "".join(f"<div>{_escaped(entry)}</div>" for entry in self.legend)
        return (
            f'<div style="overflow-x:auto"><table style="border-collapse:collapse"><caption style="caption-side:top;'
            f'text-align:left;padding:.3em .7em"><strong>{_escaped(self.title)}</strong></caption>'
            f"<thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>"
            f'<div style="font-size:smaller;opacity:.8;max-width:60em;padding:.2em .7em">{legend}</div>'
        )

    def __repr__(self) -> str:
        return self.to_text()

    def _repr_html_(self) -> str:
        return self.to_html()


def _lines(column: Column) -> list[list[str]]:
    """Return the lines of the heading and of each cell; long text is wrapped."""
    return [
        [part for line in cell.split("\n") for part in textwrap.wrap(line, _WIDEST_CELL) or [""]]
        for cell in (column.title, *column.cells)
    ]


def _blocks(widths: list[int], width: int) -> list[list[int]]:
    """Split columns into blocks that fit into `width`; each begins with the first column."""
    blocks, total = [[0]] if widths else [], widths[0] if widths else 0
    for k in range(1, len(widths)):
        if total + len(_GAP) + widths[k] > width and len(blocks[-1]) > 1:
            blocks.append([0])
            total = widths[0]
        blocks[-1].append(k)
        total += len(_GAP) + widths[k]
    return blocks


def _row(cells: tuple[list[str], ...], sides: list[tuple[int, bool]]) -> list[str]:
    height = max(map(len, cells))
    lines = []
    for k in range(height):
        parts = [cell[k] if k < len(cell) else "" for cell in cells]
        aligned_cells = [
            part.rjust(width) if right else part.ljust(width) for part, (width, right) in zip(parts, sides, strict=True)
        ]
        lines.append(_GAP.join(aligned_cells).rstrip())
    return lines


def _style(column: Column) -> str:
    return _HTML_CELL.format(
        space="nowrap" if column.numeric else "normal", align="right" if column.numeric else "left"
    )


def _escaped(words: str) -> str:
    return escape(words).replace("\n", "<br>")
