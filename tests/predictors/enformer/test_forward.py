"""The forward pass: numbers, position features, precision."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pgxeval.errors import PgxevalWarning, SettingError
from pgxeval.predictors.enformer.predictor import EnformerModel

modeling = pytest.importorskip("enformer_pytorch.modeling_enformer", reason="Enformer needs the extra `enformer`")
torch = pytest.importorskip("torch", reason="Enformer needs the extra `enformer`")

Make = Callable[..., Any]

CUDA = pytest.param("cuda", marks=pytest.mark.gpu)

PUBLISHED_POSITIONS = {"dim": 192, "depth": 1, "heads": 1, "dim_divisible_by": 16, "target_length": 896}


@pytest.fixture(params=["cpu", CUDA])
def device(request: pytest.FixtureRequest) -> str:
    """Return each device in turn; the GPU is skipped where there is none."""
    if request.param == "cuda" and not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    return str(request.param)


@pytest.fixture(scope="module")
def module(make_enformer: Make) -> Any:
    return make_enformer()


@pytest.fixture(scope="module")
def small(module: Any) -> EnformerModel:
    return EnformerModel(module, context_length=512)


def test_numbers_are_those_of_enformer_pytorch(
    make_enformer: Make, plain_forward: Make, random_dna: Make, device: str
) -> None:
    module = make_enformer()
    dna = random_dna(5)
    expected = plain_forward(module, dna)
    answer = EnformerModel(module, context_length=512, device=device, batch_size=2).predict_tracks(dna, range(7))
    assert answer.dtype == np.float32
    np.testing.assert_allclose(answer, expected, rtol=1e-5)
    assert (expected.std(axis=1) / expected.mean(axis=1)).min() > 1e-3


def test_attention_and_sequence_matter_in_the_judged_module(
    make_enformer: Make, plain_forward: Make, random_dna: Make
) -> None:
    module, dna = make_enformer(), random_dna(2)
    before = plain_forward(module, dna)
    assert np.abs(before[0] - before[1]).max() > 0.01
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if "to_out" in name:
                parameter.zero_()
    assert np.abs(plain_forward(module, dna) - before).max() > 0.01


def test_checkpointing_changes_no_number(make_enformer: Make, random_dna: Make, small: EnformerModel) -> None:
    dna = random_dna(1)
    other = EnformerModel(make_enformer(use_checkpointing=True), context_length=512)
    np.testing.assert_array_equal(other.predict_tracks(dna, [1]), small.predict_tracks(dna, [1]))


@pytest.fixture(scope="module")
def published(make_enformer: Make) -> Any:
    return make_enformer(**PUBLISHED_POSITIONS)


@pytest.fixture(scope="module")
def published_expected(published: Any, plain_forward: Make, random_dna: Make) -> tuple[Any, Any, Any]:
    dna = random_dna(1, 12_288)
    return dna, plain_forward(published, dna, use_tf_gamma=True), plain_forward(published, dna)


def test_position_features_of_the_original_change_the_numbers(published_expected: tuple[Any, Any, Any]) -> None:
    _, right, wrong = published_expected
    assert np.abs(right / wrong - 1).max() > 1e-3


@pytest.mark.parametrize("source", ["hub", "bin", "safetensors", "in hand"])
def test_position_features_are_right_from_every_source(
    published: Any,
    published_expected: tuple[Any, Any, Any],
    write_enformer: Make,
    tmp_path: Path,
    source: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import huggingface_hub

    dna, right, _ = published_expected
    if source == "in hand":
        with pytest.warns(PgxevalWarning, match="loaded model declares use_tf_gamma=False"):
            model = EnformerModel(published)
    else:
        folder = write_enformer(tmp_path / "w", published, layout="safetensors" if source == "safetensors" else "bin")
        monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda name, **_: str(folder))
        model = EnformerModel() if source == "hub" else EnformerModel(folder)
        assert model._module is not None
        assert not any(part.use_tf_gamma for part in model._module.modules() if isinstance(part, modeling.Attention))
    assert model.info.settings["use_tf_gamma"] is True
    np.testing.assert_allclose(model.predict_tracks(dna, range(7)), right, rtol=1e-5)


def test_position_features_follow_an_explicit_wish(published: Any, published_expected: tuple[Any, Any, Any]) -> None:
    dna, right, wrong = published_expected
    without = EnformerModel(published, use_tf_gamma=False)
    np.testing.assert_allclose(without.predict_tracks(dna, range(7)), wrong, rtol=1e-5)
    first = next(part for part in published.modules() if isinstance(part, modeling.Attention))
    first.use_tf_gamma = True
    try:
        assert EnformerModel(published).info.settings["use_tf_gamma"]  # declared by the module: no warning
        np.testing.assert_allclose(without.predict_tracks(dna[:, :], [0]), wrong[:, :, :1], rtol=1e-5)
        assert first.use_tf_gamma
    finally:
        first.use_tf_gamma = False
    with_them = EnformerModel(published, use_tf_gamma=True)
    np.testing.assert_allclose(with_them.predict_tracks(dna, [0]), right[:, :, :1], rtol=1e-5)
    assert without.info.settings != with_them.info.settings


def test_position_features_that_do_not_fit(published: Any, module: Any) -> None:
    with pytest.raises(SettingError, match=r"use_tf_gamma=False"):
        EnformerModel(published, context_length=8_192)
    assert EnformerModel(published, context_length=8_192, use_tf_gamma=False).info.context_lengths == (8_192,)
    with pytest.raises(SettingError, match=r"1536 positions.*24 features"):
        EnformerModel(module, context_length=512, use_tf_gamma=True)
