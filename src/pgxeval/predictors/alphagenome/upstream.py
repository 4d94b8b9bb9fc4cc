"""Modules of the package alphagenome, under the names that its versions give them."""

from __future__ import annotations

import importlib
import importlib.util
from types import ModuleType

from pgxeval.errors import SettingError

_VERSIONED = ("models", "protos")  # rooms that have one folder per model version since 0.10


def require_package() -> None:
    """Raise an error if the package alphagenome is not installed.

    Raises
    ------
    SettingError
        With the extra to install.
    """
    if importlib.util.find_spec("alphagenome") is None:
        raise SettingError('AlphaGenome needs the package alphagenome: pip install "pgxeval[alphagenome]"')


def upstream(name: str) -> ModuleType:
    """Import a module of the package alphagenome.

    Version 0.9 has ``alphagenome.models.dna_client``; 0.10 has ``alphagenome.models.v1.dna_client`` and keeps the old
    name as a shim; 2.0 removes the shim. The same holds for ``alphagenome.protos``, of which some modules have no
    version. The versioned name is therefore tried first.

    Parameters
    ----------
    name
        Name without the package and without the version, such as ``"models.dna_client"``.

    Raises
    ------
    ImportError
        If the module does not exist under either name, or cannot be imported.
    """
    room, _, module = name.partition(".")
    names = [f"alphagenome.{room}.v1.{module}"] if room in _VERSIONED else []
    for versioned in names:
        try:
            return importlib.import_module(versioned)
        except ModuleNotFoundError as error:
            if error.name is None or not versioned.startswith(error.name):
                raise  # the module exists, and lacks something that it needs
    return importlib.import_module(f"alphagenome.{name}")
