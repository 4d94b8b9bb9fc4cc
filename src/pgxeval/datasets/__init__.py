"""Open data in one call: cohorts that need no access form, and a simulated one that needs no network."""

from pgxeval.datasets.download import RemoteFile, default_cache, fetch, fetch_member
from pgxeval.datasets.example import load_example
from pgxeval.datasets.geuvadis import load_geuvadis
from pgxeval.datasets.mage import load_mage
from pgxeval.datasets.panel import Addresses

__all__ = [
    "Addresses",
    "RemoteFile",
    "default_cache",
    "fetch",
    "fetch_member",
    "load_example",
    "load_geuvadis",
    "load_mage",
]


def __dir__() -> list[str]:
    return sorted(__all__)
