"""Public signatures say what they take, without `object` and `Any`, and show the defaults that a call uses."""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest

from pgxeval.signatures import show_defaults

PLACEHOLDERS = ("NOTHING", "Factory(", "object at 0x")
SOURCE = Path(__file__).resolve().parents[1] / "src" / "pgxeval"
ROOMS = sorted(".".join(path.parent.relative_to(SOURCE.parent).parts) for path in SOURCE.rglob("__init__.py"))
# settings and records are values of JSON by name
JSON = re.compile(r"(Mapping|dict)\[str, Any\]")
# objects of packages without types: requests and answers of the official AlphaGenome client, and of the PyTorch port
UNTYPED = {
    "HostedClient.open",
    "PredictsNamedOutputs.predict",
    "PredictsSequence.predict_sequence",
    "AlphaGenomeServer.client",
    "AlphaGenomeServer.channel",
    "LocalAlphaGenome.predict_sequence",
    "LocalAlphaGenome.output_metadata",
    # parameters of a predictor that a plugin brings
    "make_predictor",
}


def functions(name: str, thing: Any) -> Iterator[tuple[str, Any]]:
    """Yield the public functions of a public name."""
    if inspect.isfunction(thing):
        yield name, thing
    if inspect.isclass(thing):
        for key, member in vars(thing).items():
            plain = member.__func__ if isinstance(member, classmethod | staticmethod) else member
            plain = plain.fget if isinstance(plain, property) else plain
            if inspect.isfunction(plain) and (key == "__init__" or not key.startswith("_")):
                yield f"{name}.{key}", plain


@pytest.mark.parametrize("room", ROOMS)
def test_no_object_or_any(room: str) -> None:
    module = importlib.import_module(room)
    vague = [
        f"{name}({argument}: {annotation})"
        for public in getattr(module, "__all__", ())
        for name, function in functions(public, getattr(module, public))
        if name not in UNTYPED
        for argument, annotation in function.__annotations__.items()
        if re.search(r"\b(Any|object)\b", JSON.sub("", str(annotation)))
    ]
    assert not vague


@pytest.mark.parametrize("room", ROOMS)
def test_no_public_signature_shows_a_placeholder(room: str) -> None:
    try:
        module = importlib.import_module(room)
    except ModuleNotFoundError as error:
        pytest.skip(f"needs {error.name}")
    for name in module.__all__:
        thing = getattr(module, name)
        if not callable(thing):
            continue
        try:
            signature = str(inspect.signature(thing))
        except (TypeError, ValueError):  # a type alias, a class of compiled code
            continue
        assert not any(placeholder in signature for placeholder in PLACEHOLDERS), f"{room}.{name}{signature}"


def test_a_default_is_shown_and_used() -> None:
    @show_defaults
    @attrs.frozen(kw_only=True)
    class Settings:
        names: list[str] = attrs.field(factory=lambda: ["a"])
        n: int = attrs.field()

        @n.default
        def _count(self) -> int:
            return len(self.names)

    signature = inspect.signature(Settings)
    assert signature.parameters["names"].default == ["a"]
    assert repr(signature.parameters["n"].default) == "..."
    assert (Settings().names, Settings(names=["b", "c"]).n) == (["a"], 2)
    assert Settings().names is not Settings().names
