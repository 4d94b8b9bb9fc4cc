"""Global state of NumPy, Python and torch that a model must not change."""

from __future__ import annotations

import random
import sys
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np


def look() -> Mapping[str, object]:
    """Return global state that a model might change, as comparable values; that of torch only if it is loaded."""
    legacy = np.random.get_state(legacy=False)  # noqa: NPY002 (the global generator is what is watched)
    state: dict[str, object] = {
        "numpy's global random generator": repr(legacy),
        "numpy's floating-point error handling": repr(np.geterr()),
        "python's global random generator": hash(random.getstate()),
        "the warning filters": repr(warnings.filters),
    }
    torch: Any = sys.modules.get("torch")
    if torch is not None and hasattr(torch, "get_rng_state"):
        state |= {
            "torch's global random generator": bytes(torch.get_rng_state().numpy()),
            "torch's gradient mode": (torch.is_grad_enabled(), torch.is_inference_mode_enabled()),
            "torch's default dtype": str(torch.get_default_dtype()),
            "torch's number of threads": torch.get_num_threads(),
            "torch's deterministic mode": torch.are_deterministic_algorithms_enabled(),
            "torch's cudnn switches": (torch.backends.cudnn.enabled, torch.backends.cudnn.benchmark),
            "torch's float32 arithmetic": _float32_arithmetic(torch),
        }
    return state


def _float32_arithmetic(torch: Any) -> tuple[object, ...]:
    backends = torch.backends
    if not hasattr(backends.cuda.matmul, "fp32_precision"):  # before torch 2.9
        return (
            torch.get_float32_matmul_precision(),
            backends.cuda.matmul.allow_tf32,
            backends.cudnn.allow_tf32,
        )
    parts = (backends.cuda.matmul, backends.cudnn.conv, backends.mkldnn.matmul, backends.mkldnn.conv)
    return tuple(part.fp32_precision for part in parts)


def changes(before: Mapping[str, object], after: Mapping[str, object]) -> list[str]:
    """Return the names of what differs."""
    return [name for name, value in before.items() if after.get(name) != value]
