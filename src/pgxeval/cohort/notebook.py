"""How a cohort is shown in a notebook."""

from __future__ import annotations

import html
from collections.abc import Sequence

import pandas as pd

from pgxeval.cohort.exclusions import count_exclusions


def cohort_html(size: str, exclusions: pd.DataFrame, notes: Sequence[str]) -> str:
    """Return a cohort as HTML: its size, what was excluded and why, and the notes."""
    rows = "".join(
        f"<tr><td>{html.escape(kind)}</td><td>{html.escape(reason)}</td><td>{count:,}</td></tr>"
        for kind, reason, count in count_exclusions(exclusions)
    )
    table = (
        f"<table><thead><tr><th>excluded</th><th>reason</th><th>count</th></tr></thead><tbody>{rows}</tbody></table>"
        if rows
        else "<p>Nothing was excluded.</p>"
    )
    items = "".join(f"<li>{html.escape(note)}</li>" for note in notes)
    return f"<p><b>Cohort</b>: {html.escape(size)}</p>{table}" + (f"<ul>{items}</ul>" if items else "")
