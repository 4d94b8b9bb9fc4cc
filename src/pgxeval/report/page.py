"""The page: sections, a table of contents, numbered figures and tables, and the only script that its policy allows."""

from __future__ import annotations

import base64
import hashlib
import itertools
import os
import re
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from string import Template

import attrs

from pgxeval.errors import InputFileError
from pgxeval.report.markup import FIGURE_NUMBER, TABLE_NUMBER, inline, text
from pgxeval.tables.writing import whole_file


@attrs.frozen(kw_only=True)
class Section:
    """A section of a page.

    Parameters
    ----------
    anchor
        Its identifier on the page: letters, digits and hyphens.
    heading
        Plain text.
    body
        HTML, made by `pgxeval.report.markup`.
    appendix
        Whether it is part of the appendix.
    """

    anchor: str = attrs.field(validator=attrs.validators.matches_re(r"[A-Za-z][A-Za-z0-9-]*"))
    heading: str
    body: str
    appendix: bool = False


def page(*, title: str, subtitle: str, sections: Sequence[Section], footer: str) -> str:
    """Return a whole page; equal arguments give equal bytes.

    Parameters
    ----------
    title, subtitle, footer
        Plain text, with code between backquotes in subtitle and footer.
    sections
        In their order on the page. The page has a table of contents with a link to each.

    Returns
    -------
    str
        HTML that refers to no other file and no address. Its policy allows the one script of the page, which sorts,
        filters, copies and saves; without scripts the page is complete.
    """
    room = resources.files("pgxeval.report")
    script = (room / "page.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    bodies = "".join(
        f'<section id="{one.anchor}" aria-labelledby="{one.anchor}-h">'
        f'<h2 id="{one.anchor}-h">{text(one.heading)}</h2>{one.body}</section>'
        for one in sections
    )
    return Template((room / "page.html").read_text(encoding="utf-8")).substitute(
        title=text(title),
        subtitle=inline(subtitle),
        style=(room / "page.css").read_text(encoding="utf-8"),
        script=script,
        digest=f"sha256-{digest}",
        links=_links(sections),
        sections=_number(_number(bodies, FIGURE_NUMBER), TABLE_NUMBER),
        footer=inline(footer),
    )


def _links(sections: Sequence[Section]) -> str:
    first = next((one.anchor for one in sections if one.appendix), None)
    kinds = {one.anchor: ' class="appendix"' if one.anchor == first else "" for one in sections}
    return "".join(f'<li{kinds[one.anchor]}><a href="#{one.anchor}">{text(one.heading)}</a></li>' for one in sections)


def _number(html: str, mark: str) -> str:
    numbers = itertools.count(1)
    return re.sub(re.escape(mark), lambda _: str(next(numbers)), html)


def write_page(path: str | os.PathLike[str], html: str) -> Path:
    """Write a page for its owner alone; it appears complete or not at all, and replaces an existing file.

    Raises
    ------
    InputFileError
        If the page cannot be written there.
    """
    path = Path(path).expanduser()
    try:
        with whole_file(path) as file:
            file.write(html.encode())
    except OSError as error:
        raise InputFileError(
            f"the report cannot be written to {path}: {error.strerror or error}; name a file in a folder that exists"
        ) from error
    return path
