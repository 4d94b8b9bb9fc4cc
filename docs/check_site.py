"""Check a built site: links lead somewhere, searches find their page, and no page is wider than the screen.

``python docs/check_site.py docs/_build/html [--pictures FOLDER]``; widths need a Chromium and are skipped without one.
"""

from __future__ import annotations

import argparse
import functools
import json
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urldefrag

PAGES = (
    "index",
    "notebooks/first-evaluation",
    "reference/names",
    "reference/columns",
    "explanation/statistics",
)
WIDTHS = (1_400, 400)
SEARCHES = {
    "several tissues": "notebooks/several-tissues",
    "gradient boosting": "notebooks/scikit-learn",
    "cite": "cite",
}
_MEASURE = """<!doctype html><body style="margin:0">
<iframe id="f" src="{page}" style="width:{width}px;height:2400px;border:0"></iframe>
<script>document.getElementById("f").addEventListener("load", () => setTimeout(() => {{
const d = document.getElementById("f").contentDocument, wide = [];
const clipped = e => {{ for (let p = e.parentElement; p; p = p.parentElement) {{
  const o = getComputedStyle(p).overflowX; if (o !== "visible") return true; }} return false; }};
for (const e of d.body.querySelectorAll("*")) {{ const r = e.getBoundingClientRect();
  if (r.width > 1 && r.right > {width} + 1 && !clipped(e) && getComputedStyle(e).position !== "fixed")
    wide.push(e.tagName + "." + e.className); }}
document.title = "MEASURED " + JSON.stringify({{scroll: d.documentElement.scrollWidth, wide: wide.slice(0, 5)}});
}}, 300))</script>"""


class _Page(HTMLParser):
    """Targets and anchors of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.anchors: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Collect what the tag refers to and what may be referred to."""
        for name, value in attrs:
            if value and name == "id":
                self.anchors.add(value)
            if value and ((tag == "a" and name == "href") or (tag in ("img", "script") and name == "src")):
                self.links.append(value)


def broken_links(site: Path) -> list[str]:
    """Return the links between pages of a site that lead nowhere, each as ``page: link``."""
    pages: dict[Path, _Page] = {}
    for path in sorted(site.rglob("*.html")):
        if "_static" in path.parts:
            continue
        page = _Page()
        page.feed(path.read_text(encoding="utf-8"))
        pages[path.resolve()] = page
    broken = []
    for path, page in pages.items():
        for link in page.links:
            if re.match(r"[a-z]+:|//", link):
                continue
            target, anchor = urldefrag(unquote(link))
            goal = (path.parent / target.partition("?")[0]).resolve() if target else path
            if not goal.is_file() or (anchor and goal in pages and anchor not in pages[goal].anchors):
                broken.append(f"{path.relative_to(site.resolve())}: {link}")
    return sorted(set(broken))


def missing_searches(site: Path) -> list[str]:
    """Return the searches that do not find their page: every word must be in its text, title or names."""
    text = (site / "searchindex.js").read_text(encoding="utf-8")
    index = json.loads(text[text.index("{") : text.rindex("}") + 1])
    missing = []
    for words, page in SEARCHES.items():
        number = index["docnames"].index(page)
        for word in words.split():
            stems = [stem for stem in {**index["terms"], **index["titleterms"]} if word.lower().startswith(stem[:5])]
            found: set[int] = set()
            for stem in stems:
                for kind in ("terms", "titleterms"):
                    where = index[kind].get(stem, [])
                    found |= {where} if isinstance(where, int) else set(where)
            if number not in found:
                missing.append(f"{words}: {page} does not have {word}")
    return missing


def find_chromium() -> str | None:
    """Return the path of a Chromium, or None."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    return next((path for name in names if (path := shutil.which(name))), None)


def too_wide(
    site: Path, pages: Sequence[str], widths: Sequence[int], chromium: str, pictures: Path | None = None
) -> Iterator[str]:
    """Yield the pages that scroll sideways at a width [px], with elements that stick out."""

    class _Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            pass

    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch) / "site"
        shutil.copytree(site, copy)
        for page in pages:
            for width in widths:
                name = f"measure-{page.replace('/', '-')}-{width}.html"
                (copy / name).write_text(_MEASURE.format(page=f"{page}.html", width=width), encoding="utf-8")
        server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=str(copy)))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            for page in pages:
                for width in widths:
                    name = f"measure-{page.replace('/', '-')}-{width}.html"
                    address = f"http://127.0.0.1:{server.server_port}/{name}"
                    dom = _browse(chromium, scratch, address, width, "--dump-dom")
                    measured = re.search(r"<title>MEASURED (.*?)</title>", dom)
                    if measured is None:
                        yield f"{page} at {width} px: could not be measured"
                        continue
                    result = json.loads(measured[1].replace("&amp;", "&").replace("&gt;", ">").replace("&lt;", "<"))
                    if result["scroll"] > width or result["wide"]:
                        yield f"{page} at {width} px: {result['scroll']} px wide, {', '.join(result['wide'])}"
                    if pictures is not None:
                        pictures.mkdir(parents=True, exist_ok=True)
                        picture = pictures / f"{page.replace('/', '-')}-{width}.png"
                        _browse(chromium, scratch, address, width, f"--screenshot={picture.resolve()}")
        finally:
            server.shutdown()
            server.server_close()


def _browse(chromium: str, scratch: str, address: str, width: int, what: str) -> str:
    command = [chromium, "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
    command += [f"--user-data-dir={scratch}/profile", f"--window-size={max(width, 500)},2400"]
    command += ["--virtual-time-budget=8000", what, address]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120).stdout


def main() -> int:
    """Print what is wrong; return 1 if anything is."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("site", type=Path)
    parser.add_argument("--pictures", type=Path, help="folder for a picture of each page and width")
    arguments = parser.parse_args()
    wrong = [f"link: {text}" for text in broken_links(arguments.site)]
    wrong += [f"search: {text}" for text in missing_searches(arguments.site)]
    chromium = find_chromium()
    if chromium is None:
        sys.stdout.write("no Chromium was found: the widths of pages are not checked\n")
    else:
        wrong += [f"width: {text}" for text in too_wide(arguments.site, PAGES, WIDTHS, chromium, arguments.pictures)]
    sys.stdout.write("".join(f"{line}\n" for line in wrong) or "links, searches and widths are as they should be\n")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
