"""The arithmetic of float32 in torch: set during a call and restored after it.

By default torch lets convolutions on CUDA round their input to TF32 (10 bits), and other code in the same process may
have allowed it (or bfloat16) for matrix products as well. The effect of a single variant can be one thousandth of a
prediction, so the arithmetic is chosen and recorded instead of depending on the current state.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, Literal

Precision = Literal["float32", "tf32", "bfloat16"]
PRECISIONS: tuple[Precision, ...] = ("float32", "tf32", "bfloat16")


@contextmanager
def precision_of(precision: Precision, device_type: str) -> Iterator[None]:
    """Compute in `precision` within the block, and restore the switches of torch afterwards.

    Parameters
    ----------
    precision
        ``"float32"``: IEEE arithmetic throughout. ``"tf32"``: convolutions and matrix products on CUDA may round their
        input to TF32; on a CPU the same as float32. ``"bfloat16"``: convolutions and matrix products in bfloat16 by
        autocast, with weights in float32.
    device_type
        ``"cpu"`` or ``"cuda"``.
    """
    import torch

    with ExitStack() as stack:
        stack.enter_context(_float32_products(tf32=precision == "tf32"))
        stack.enter_context(
            torch.autocast(device_type, dtype=torch.bfloat16, enabled=precision == "bfloat16", cache_enabled=False)
        )
        yield


@contextmanager
def _float32_products(*, tf32: bool) -> Iterator[None]:
    import torch

    if hasattr(torch.backends.cuda.matmul, "fp32_precision"):
        cuda, cpu = ("tf32", "ieee") if tf32 else ("ieee", "ieee")
        backends = torch.backends
        switches = [
            (backends.cuda.matmul, "fp32_precision", cuda),
            (backends.cudnn.conv, "fp32_precision", cuda),
            (backends.cudnn.rnn, "fp32_precision", cuda),
            (backends.mkldnn.matmul, "fp32_precision", cpu),
            (backends.mkldnn.conv, "fp32_precision", cpu),
        ]
        with _attributes(switches):
            yield
    else:  # before torch 2.9
        before = torch.get_float32_matmul_precision()
        torch.set_float32_matmul_precision("highest")
        try:
            with _attributes(
                [(torch.backends.cuda.matmul, "allow_tf32", tf32), (torch.backends.cudnn, "allow_tf32", tf32)]
            ):
                yield
        finally:
            torch.set_float32_matmul_precision(before)


@contextmanager
def _attributes(switches: Sequence[tuple[Any, str, object]]) -> Iterator[None]:
    before = [(holder, name, getattr(holder, name)) for holder, name, _ in switches]
    try:
        for holder, name, value in switches:
            setattr(holder, name, value)
        yield
    finally:
        for holder, name, value in before:
            setattr(holder, name, value)
