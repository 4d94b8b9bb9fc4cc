"""The switches of torch's float32 arithmetic: what is set within a call is gone after it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="torch comes with the extra `enformer`")

from pgxeval.predictors.torch_state import PRECISIONS, Precision, precision_of  # noqa: E402 (skipped first)

new_switches = pytest.mark.skipif(
    not hasattr(torch.backends.cuda.matmul, "fp32_precision"), reason="torch before 2.9 has the old switches alone"
)


def _switches() -> dict[str, Any]:
    backends = torch.backends
    holders = {
        "cuda.matmul": backends.cuda.matmul,
        "cudnn.conv": backends.cudnn.conv,
        "cudnn.rnn": backends.cudnn.rnn,
        "mkldnn.matmul": backends.mkldnn.matmul,
        "mkldnn.conv": backends.mkldnn.conv,
    }
    return {name: holder.fp32_precision for name, holder in holders.items()}


def _old_switches() -> tuple[bool, bool, str]:
    return (
        torch.backends.cuda.matmul.allow_tf32,
        torch.backends.cudnn.allow_tf32,
        torch.get_float32_matmul_precision(),
    )


@pytest.fixture
def _as_new() -> Iterator[None]:
    yield
    torch.set_float32_matmul_precision("highest")
    torch.backends.cudnn.allow_tf32 = True


def _by_name(name: str) -> Callable[[], None]:
    return {
        "as torch comes": lambda: None,
        "matmul high": lambda: torch.set_float32_matmul_precision("high"),
        "matmul medium": lambda: torch.set_float32_matmul_precision("medium"),
        "convolutions exact": lambda: setattr(torch.backends.cudnn, "allow_tf32", False),
    }[name]


@pytest.mark.usefixtures("_as_new")
@pytest.mark.parametrize("before", ["as torch comes", "matmul high", "matmul medium", "convolutions exact"])
@pytest.mark.parametrize("precision", PRECISIONS)
@new_switches
def test_switches_are_set_within_and_put_back(before: str, precision: Precision) -> None:
    _by_name(before)()
    old, new = _old_switches(), _switches()
    within: dict[str, Any] = {}

    def fail_within() -> None:
        with precision_of(precision, "cpu"):
            within.update(_switches(), autocast=torch.is_autocast_enabled("cpu"))
            raise KeyError  # also where the call fails

    with pytest.raises(KeyError):
        fail_within()
    assert within["autocast"] == (precision == "bfloat16")
    assert {within[name] for name in ("cuda.matmul", "cudnn.conv")} == {"tf32" if precision == "tf32" else "ieee"}
    assert {within[name] for name in ("mkldnn.matmul", "mkldnn.conv")} == {"ieee"}
    assert _switches() == new
    assert _old_switches() == old
    assert not torch.is_autocast_enabled("cpu")


@pytest.mark.usefixtures("_as_new")
def test_old_switches_of_torch_before_2_9(monkeypatch: pytest.MonkeyPatch) -> None:
    class Switch:
        allow_tf32 = True

    monkeypatch.setattr(torch.backends.cuda, "matmul", Switch())
    monkeypatch.setattr(torch.backends, "cudnn", Switch())
    torch.set_float32_matmul_precision("high")
    for precision, allowed in (("float32", False), ("tf32", True)):
        with precision_of(precision, "cpu"):  # type: ignore[arg-type]  # both are allowed
            assert torch.backends.cuda.matmul.allow_tf32 is allowed
            assert torch.backends.cudnn.allow_tf32 is allowed
            assert torch.get_float32_matmul_precision() == "highest"
        assert torch.backends.cuda.matmul.allow_tf32
        assert torch.get_float32_matmul_precision() == "high"
    monkeypatch.undo()


@pytest.mark.usefixtures("_as_new")
def test_products_are_those_of_the_precision() -> None:
    values = torch.linspace(0.1, 3.7, 64 * 64).reshape(64, 64)
    exact = (values.double() @ values.double()).float()
    with precision_of("float32", "cpu"):
        torch.testing.assert_close(values @ values, exact, rtol=1e-6, atol=0)
    with precision_of("bfloat16", "cpu"):
        rounded = values @ values
    assert rounded.dtype == torch.bfloat16
