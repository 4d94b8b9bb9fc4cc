"""What the timings share: medians of interleaved repeats, and the machine that they were made on."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path

import numpy as np

_LOAD = os.getloadavg()[0]  # of the last minute before anything is run


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def interleaved(work: Mapping[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Return the median seconds of each, run in turn `repeats` times after one run that does not count."""
    spent: dict[str, list[float]] = {name: [] for name in work}
    for repeat in range(repeats + 1):
        for name, run in work.items():
            taken = seconds(run)
            if repeat:
                spent[name].append(taken)
    return {name: float(np.median(values)) for name, values in spent.items()}


def machine(*packages: str) -> str:
    """Describe the machine in a sentence."""
    versions = ", ".join(f"{package} {version(package)}" for package in packages)
    load = f"{_LOAD:.1f} at the start and {os.getloadavg()[0]:.1f} at the end"
    return (
        f"{os.cpu_count()} cores ({platform.machine()}), load average {load}, "
        f"Python {platform.python_version()}, {versions}."
    )


def verdict(ratio: float, bar: float) -> str:
    return "met" if ratio >= bar else "missed"


def peak_memory() -> float:
    """Return the peak resident memory of this process [MB]; Linux.

    `resource.getrusage` would count the process that started this one as well.
    """
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    raise OSError("no VmHWM in /proc/self/status")
