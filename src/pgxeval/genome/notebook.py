"""Tables of names and values for notebooks, escaped."""

from __future__ import annotations

import html
from collections.abc import Iterable


def html_table(title: str, rows: Iterable[tuple[str, str | int]]) -> str:
    """Return a title and a table of two columns as HTML; all texts are escaped."""
    texts = [(name, value if isinstance(value, str) else f"{value:,}") for name, value in rows]
    cells = "".join(f"<tr><td>{html.escape(name)}</td><td>{html.escape(text)}</td></tr>" for name, text in texts)
    return f"<p><b>{html.escape(title)}</b></p><table><tbody>{cells}</tbody></table>"
