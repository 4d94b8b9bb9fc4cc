"""The language of the project: unidiomatic turns that docstrings, messages and pages must not use.

The patterns are those that a review of this library found. A few matches are legitimate uses, so the test
counts matches per 10,000 words and prints each of them.
"""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
MOST_PER_10_000_WORDS = 3.0
TURNS = re.compile(
    "|".join(
        [
            r"\b(?:one|a) (?:row|value|column|line|number|file|name|entry|reason) an? (?!time\b)\w+",
            r"\b(?:one|a) (?:score|index|element|item|byte|bit) an? (?!time\b)\w+",
            r"\bone a (?:core|gene|row|predictor|track|haplotype|sequence|fold)\b",
            r"\b(?:seconds|bases|calls|variants) an? (?:gene|fit|kb|minute|window|call|haplotype|core|day)\b",
            r"\b(?:tokens|genes|passes|fits) an? (?:gene|fit|kb|minute|window|call|haplotype|core|day)\b",
            r"\b(?:is|are|was|were) wanted\b",
            r"\bwanted (?:is|are)\b",
            r"\bhangs? on\b",
            r"\bbehind (?:the|it|its|a)\b",
            r"\b(?:is|are) no (?!longer\b|more\b)\w+",
            r"\bsays? (?:what|why|so|no|whose|which|how|nothing|yes)\b",
            r"\bis (?:said|told)\b",
            r"\bbeside\b",
            r"\bstands? (?:twice|in|beside|there|behind|already|for itself)\b",
            r"\b(?:anew|alike|likewise|amiss|in earnest|for long|so many|of no (?:use|account))\b",
            r"\bnobody(?:'s)?\b",
            r"\bgone on\b|\bgoes on\b",
            r"\bof (?:its|their) own\b",
            r"\bin the manner\b",
            r"\bas (?:it comes|they come)\b",
            r"\bwhatever the\b",
            r"\bin fact\b",
            r"\bthat there will be\b",
            r"\bmade already\b",
            r"\bfor the record\b",
            r"\bholds? against\b|\bheld against\b",
        ]
    ),
    re.IGNORECASE,
)


def _texts(path: Path) -> Iterator[str]:
    if path.suffix == ".md":
        yield path.read_text(encoding="utf-8")
        return
    kinds = {tokenize.COMMENT, tokenize.STRING, getattr(tokenize, "FSTRING_MIDDLE", tokenize.STRING)}
    for token in tokenize.generate_tokens(io.StringIO(path.read_text(encoding="utf-8")).readline):
        if token.type in kinds:
            yield token.string


def _files(place: str) -> list[Path]:
    root = REPOSITORY / place
    if root.is_file():
        return [root]
    return sorted(
        path for kind in ("*.py", "*.md") for path in root.rglob(kind) if not {"_build", "_generated"} & set(path.parts)
    )


@pytest.mark.parametrize(
    "place", ["src", "docs", "README.md", "CHANGELOG.md", "examples", "benchmarks", "validation", "CONTRIBUTING.md"]
)
def test_plain_english(place: str) -> None:
    words, turns = 0, []
    for path in _files(place):
        for text in _texts(path):
            words += len(re.findall(r"[A-Za-z']+", text))
            turns += [f"{path.relative_to(REPOSITORY)}: {match[0]}" for match in TURNS.finditer(text)]
    assert words
    assert 10_000 * len(turns) / words < MOST_PER_10_000_WORDS, "\n".join(turns)


def test_the_list_finds_what_it_is_meant_to_find() -> None:
    assert TURNS.search("float64, one row an individual")
    assert TURNS.search("fold sizes hang; it hangs on the seed")
    assert not TURNS.search("One row per individual; it depends on the seed.")
