"""The package alphagenome under the module names of its versions 0.9, 0.10 and 2.0, as fake trees, and as installed."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pgxeval.errors import SettingError
from pgxeval.predictors.alphagenome import upstream as upstream_module
from pgxeval.predictors.alphagenome.upstream import require_package, upstream

SHIM = "from alphagenome.{room}.v1.{name} import *\n"
# layout -> files below the package; each module says where it is
OLD = {
    "models/dna_client.py": "where = 'models'",
    "models/track_data_utils.py": "where = 'models'",
    "protos/dna_model_pb2.py": "where = 'protos'",
    "protos/tensor_pb2.py": "where = 'protos'",
    "data/ontology.py": "where = 'data'",
    "tensor_utils.py": "where = 'top'",
}
NEW = {
    "models/v1/dna_client.py": "where = 'models.v1'",
    "models/v1/track_data_utils.py": "where = 'models.v1'",
    "protos/v1/dna_model_pb2.py": "where = 'protos.v1'",
    "protos/tensor_pb2.py": "where = 'protos'",
    "data/ontology.py": "where = 'data'",
    "tensor_utils.py": "where = 'top'",
}
LAYOUTS = {
    "0.9": OLD,
    "0.10": {
        **NEW,
        "models/dna_client.py": SHIM.format(room="models", name="dna_client"),
        "models/track_data_utils.py": SHIM.format(room="models", name="track_data_utils"),
        "protos/dna_model_pb2.py": SHIM.format(room="protos", name="dna_model_pb2"),
    },
    "2.0": {**NEW, "models/v2/dna_client.py": "where = 'models.v2'"},
}


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Return a writer of fake packages; the real one is out of the way."""
    real = {name: sys.modules.pop(name) for name in list(sys.modules) if name.split(".")[0] == "alphagenome"}

    def write(files: dict[str, str]) -> None:
        for name, content in {"__init__.py": "", **files}.items():
            path = tmp_path / "alphagenome" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            for folder in [path.parent, *path.parent.parents]:
                if folder == tmp_path:
                    break
                (folder / "__init__.py").touch()
            path.write_text(content)
        monkeypatch.syspath_prepend(tmp_path)

    yield write
    for name in [name for name in sys.modules if name.split(".")[0] == "alphagenome"]:
        del sys.modules[name]
    sys.modules.update(real)


@pytest.mark.parametrize("version", list(LAYOUTS))
def test_every_layout_is_found(tree: Any, version: str) -> None:
    tree(LAYOUTS[version])
    suffix = "" if version == "0.9" else ".v1"
    assert upstream("models.dna_client").where == f"models{suffix}"
    assert upstream("models.track_data_utils").where == f"models{suffix}"
    assert upstream("protos.dna_model_pb2").where == f"protos{suffix}"
    assert upstream("protos.tensor_pb2").where == "protos"
    assert upstream("data.ontology").where == "data"
    assert upstream("tensor_utils").where == "top"
    if version != "0.9":  # never by way of the shim, which warns or is gone
        assert upstream("models.dna_client").__name__ == "alphagenome.models.v1.dna_client"


def test_a_module_that_lacks_something_is_not_hidden_by_an_older_one(tree: Any) -> None:
    tree({**LAYOUTS["0.10"], "models/v1/dna_client.py": "import a_package_that_does_not_exist"})
    with pytest.raises(ModuleNotFoundError, match="a_package_that_does_not_exist"):
        upstream("models.dna_client")


def test_a_module_that_does_not_exist_is_named(tree: Any) -> None:
    tree(LAYOUTS["2.0"])
    with pytest.raises(ModuleNotFoundError, match=r"alphagenome\.models\.nothing"):
        upstream("models.nothing")


def test_a_missing_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upstream_module.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SettingError, match=r'pip install "pgxeval\[alphagenome\]"'):
        require_package()


@pytest.mark.skipif(importlib.util.find_spec("alphagenome") is None, reason="needs the extra `alphagenome`")
def test_the_installed_version_has_all_that_is_used() -> None:
    client = upstream("models.dna_client")
    assert hasattr(client, "DnaClient")
    assert {"RNA_SEQ", "CAGE"} <= {output.name for output in client.OutputType}
