"""Enformer: the numbers of enformer-pytorch to 1e-5, every known trap, and a user's model that comes back as it was."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pgxeval.errors import InputFileError, PgxevalError, PgxevalWarning, SettingError
from pgxeval.predictors.sequence.predictor import SequencePredictor
from pgxeval.predictors.sequence.readout import TssBins
from pgxeval.predictors.sequence.target import Target

torch = pytest.importorskip("torch", reason="Enformer needs the extra `enformer`")
pytest.importorskip("enformer_pytorch", reason="Enformer needs the extra `enformer`")

from enformer_pytorch.modeling_enformer import Attention  # noqa: E402 (what is missing is skipped first)

from pgxeval.predictors.enformer import forward as enformer_pass  # noqa: E402
from pgxeval.predictors.enformer import model as enformer_model  # noqa: E402
from pgxeval.predictors.enformer.predictor import ENFORMER_READOUTS, EnformerModel  # noqa: E402

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


# ---------------------------------------------------------------------------------------------------- numbers


def test_the_mouse_head_and_tracks_in_any_order(
    module: Any, plain_forward: Make, random_dna: Make, device: str
) -> None:
    dna = random_dna(2, seed=1)
    expected = plain_forward(module, dna, head="mouse")
    answer = EnformerModel(module, head="mouse", context_length=512, device=device).predict_tracks(dna, [2, 0, 2])
    np.testing.assert_allclose(answer, expected[:, :, [2, 0, 2]], rtol=1e-5)


def test_targets_are_tracks_reduced(small: EnformerModel, random_dna: Make) -> None:
    dna = random_dna(4)
    offset = small.info.output_offset_bp
    assert (offset, small.info.n_bins(512, [0])) == (128, 32)
    targets = [
        Target(row=0, segments=[(200, 224)], aggregate="sum"),
        Target(row=2, segments=[(130, 141), (300, 303)], aggregate="mean", log_bins=True),
        Target(row=2, segments=[(376, 384)], aggregate="max"),
        Target(row=3, segments=[(128, 384)], aggregate="sum"),
    ]
    answers = list(small.predict_targets(iter([dna[:1], dna[1:3], dna[3:]]), targets, [6, 1]))
    assert [(position, reason) for position, _, reason in answers] == [(0, None), (1, None), (2, None), (3, None)]
    tracks = small.predict_tracks(dna, [6, 1]).astype(np.float64)
    weights = np.zeros(32)
    weights[0], weights[1], weights[21], weights[22] = 6, 5, 3, 0  # bases covered, counted by hand
    expected = [
        tracks[0, 9:12].sum(axis=0),
        (weights[:, None] * np.log1p(tracks[2])).sum(axis=0) / 14,
        tracks[2, 31],
        tracks[3].sum(axis=0),
    ]
    for (_, values, _), wanted in zip(answers, expected, strict=True):
        np.testing.assert_allclose(values, wanted, rtol=1e-5)


def test_only_wanted_tracks_and_bins_of_the_head_are_computed(
    make_enformer: Make, random_dna: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = make_enformer()
    model = EnformerModel(module, context_length=512)
    made: list[tuple[int, ...]] = []
    linear = torch.nn.functional.linear

    def watched(x: Any, weight: Any, bias: Any = None) -> Any:
        answer = linear(x, weight, bias)
        if weight.shape[1] == 96:  # after the trunk
            made.append(tuple(answer.shape))
        return answer

    monkeypatch.setattr(torch.nn.functional, "linear", watched)
    for head in module._heads.values():
        head.register_forward_hook(lambda *_: pytest.fail("a whole head was computed"))
    model.predict_tracks(random_dna(2), [3])
    list(model.predict_targets([random_dna(2)], [Target(row=1, segments=[(200, 224)])], [3, 4]))
    behind_body = [shape for shape in made if shape[-1] < 48]
    assert behind_body == [(2, 32, 1), (1, 3, 2)]


# ------------------------------------------------------------------------------------------- position features


@pytest.fixture(scope="module")
def published(make_enformer: Make) -> Any:
    return make_enformer(**PUBLISHED_POSITIONS)


def test_a_folder_that_says_no_position_features_warns(published: Any, write_enformer: Make, tmp_path: Path) -> None:
    folder = write_enformer(tmp_path / "w", published, use_tf_gamma=False)
    with pytest.warns(PgxevalWarning, match="set use_tf_gamma to True or False"):
        EnformerModel(folder)


# ---------------------------------------------------------------------------------------------------- geometry


@pytest.fixture(scope="module")
def full_size() -> Any:
    from enformer_pytorch import Enformer

    with torch.device("meta"):
        return Enformer.from_hparams().eval()


def test_full_size_geometry(full_size: Any) -> None:
    geometry = enformer_pass.Geometry.of(full_size)
    assert attributes(geometry) == (196_608, 128, 896, 320, True)
    assert enformer_pass.head_outputs(full_size, "human") == 5_313
    assert sum(parameter.numel() for parameter in full_size.parameters()) == pytest.approx(251.22e6, rel=1e-4)
    assert enformer_pass.fitting_batch(full_size, 196_608, "cpu") == 1


def attributes(geometry: Any) -> tuple[Any, ...]:
    return (
        geometry.context_length,
        geometry.bin_width_bp,
        geometry.n_bins,
        geometry.crop,
        geometry.use_tf_gamma,
    )


def test_full_size_pass_without_arithmetic(full_size: Any) -> None:
    from torch.utils.flop_counter import FlopCounterMode

    one_hot = torch.zeros(1, 196_608, 4, device="meta")
    attentions = [part for part in full_size.modules() if isinstance(part, Attention)]
    assert len(attentions) == 11
    positions = torch.arange(320, 320 + 896, device="meta")
    tracks = torch.tensor([5_110, 4_980], device="meta")
    with enformer_pass.borrowed(full_size, device="meta", use_tf_gamma=True), FlopCounterMode(display=False) as flops:
        answer = enformer_pass.forward(full_size, one_hot, "human", tracks, positions)
    assert tuple(answer.shape) == (1, 896, 2)
    # published count of a pass without heads (3.284 TFLOP less 29.2 GFLOP for the human one)
    assert flops.get_total_flops() == pytest.approx(3.284e12 - 29.2e9, rel=2e-3)


def test_published_bins(full_size: Any) -> None:
    from pgxeval.genome.coordinates import CoordinateMap
    from pgxeval.genome.intervals import Gene
    from pgxeval.predictors.sequence.readout import Output

    geometry = enformer_pass.Geometry.of(full_size)
    output = Output(
        length=geometry.context_length,
        anchor_index=geometry.context_length // 2,
        bin_width_bp=128,
        offset_bp=geometry.crop * 128,
    )
    gene = Gene(gene_id="g", contig="chr1", start=10**6, end=10**6 + 1, strand="+", tss=10**6)
    start = 10**6 - 98_304
    identity = CoordinateMap(
        haplotype_starts=np.array([0]),
        reference_starts=np.array([start]),
        lengths=np.array([196_608]),
    )
    bins = {
        name: readout.lift(gene, identity, output).bins(128, output.offset_bp)[0].tolist()  # type: ignore[union-attr]
        for name, readout in ENFORMER_READOUTS.items()
    }
    assert bins["tss_3"] == bins["tss_3_log"] == [447, 448, 449]
    assert bins["centre_10"] == bins["centre_10_sum"] == list(range(443, 453))


def test_uneven_crops_are_refused_where_the_package_loses_a_bin(
    make_enformer: Make, plain_forward: Make, random_dna: Make
) -> None:
    module, dna = make_enformer(target_length=33), random_dna(1)
    assert plain_forward(module, dna).shape[1] == 32  # the trap
    with pytest.raises(SettingError, match="use 32 or 34"):
        EnformerModel(module, context_length=512)
    module.set_target_length(1)
    with pytest.raises(RuntimeError):  # at its worst: no bin is left
        plain_forward(module, dna)
    for target, bins in ((-1, 64), (2, 2), (34, 34), (64, 64)):
        model = EnformerModel(module, context_length=512, target_length=target)
        module.set_target_length(target)
        np.testing.assert_allclose(model.predict_tracks(dna, range(7)), plain_forward(module, dna), rtol=1e-5)
        assert model.info.n_bins(512, [0]) == bins
    for target in (0, 66, -2, 1.5, True):
        with pytest.raises(SettingError, match="target_length must be"):
            EnformerModel(module, context_length=512, target_length=target)  # type: ignore[arg-type]


def test_a_sticky_target_length_is_neither_read_nor_left(make_enformer: Make, random_dna: Make) -> None:
    module, dna = make_enformer(), random_dna(1)
    model = EnformerModel(module, context_length=512)
    expected = model.predict_tracks(dna, [0])
    with torch.no_grad():
        module.eval()(torch.zeros(1, 512, 4), target_length=8)
    np.testing.assert_array_equal(model.predict_tracks(dna, [0]), expected)
    assert module.crop_final.target_length == 8
    assert EnformerModel(module, context_length=512).info.n_bins(512, [0]) == 32


# ---------------------------------------------------------------------------------- the user's model and torch


def test_the_users_model_comes_back_as_it_was(make_enformer: Make, random_dna: Make, device: str) -> None:
    module = make_enformer()
    module.train()
    module.stem.eval()  # a part of it in another mode
    module.stem[0].weight.requires_grad_(False)
    attention = next(part for part in module.modules() if isinstance(part, Attention))
    attention.use_tf_gamma = True  # and a flag that would make a pass fail
    state = {name: tensor.clone() for name, tensor in module.state_dict().items()}

    def look() -> dict[str, Any]:
        return {
            "modes": [part.training for part in module.modules()],
            "grad": [(p.requires_grad, p.grad is None) for p in module.parameters()],
            "identity": [id(parameter) for parameter in module.parameters()],
            "device": {str(parameter.device) for parameter in module.parameters()},
            "crop": module.crop_final.target_length,
            "flags": [part.use_tf_gamma for part in module.modules() if isinstance(part, Attention)],
            "torch": (torch.is_grad_enabled(), torch.is_inference_mode_enabled(), torch.get_default_dtype()),
        }

    before = look()
    EnformerModel(module, context_length=512, device=device).predict_tracks(random_dna(2), [0])
    assert look() == before
    assert all(torch.equal(state[name], tensor) for name, tensor in module.state_dict().items())
    broken = EnformerModel(module, context_length=512, device=device)
    module.final_pointwise.register_forward_hook(lambda *_: (_ for _ in ()).throw(ZeroDivisionError))
    with pytest.raises(ZeroDivisionError):
        broken.predict_tracks(random_dna(1), [0])
    assert look() == before
    module.final_pointwise._forward_hooks.clear()
    attention.use_tf_gamma = False
    module(torch.zeros(1, 512, 4))["human"].sum().backward()  # it can still be trained
    assert module.stem[1].fn[2].weight.grad is not None


def test_dropout_is_off_and_global_generators_stand_still(make_enformer: Make, random_dna: Make) -> None:
    module = make_enformer().train()
    model, dna = EnformerModel(module, context_length=512), random_dna(1)
    states = torch.get_rng_state(), np.random.get_state()[1].tolist()  # type: ignore[index]  # noqa: NPY002 (watched)
    np.testing.assert_array_equal(model.predict_tracks(dna, [0]), model.predict_tracks(dna, [0]))
    assert torch.equal(torch.get_rng_state(), states[0])
    assert np.random.get_state()[1].tolist() == states[1]  # type: ignore[index]  # noqa: NPY002 (watched)


def test_tf32_is_off_within_the_call_and_as_before_after_it(
    make_enformer: Make, random_dna: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not hasattr(torch.backends.cuda.matmul, "fp32_precision"):
        pytest.skip("torch before 2.9 has the old switches alone")
    module = make_enformer()
    seen: list[str] = []
    module.stem.register_forward_hook(lambda *_: seen.append(torch.backends.cudnn.conv.fp32_precision))
    before = torch.backends.cudnn.conv.fp32_precision
    assert before == "tf32"  # torch allows it by itself
    for precision in ("float32", "tf32"):
        EnformerModel(module, context_length=512, precision=precision).predict_tracks(random_dna(1), [0])  # type: ignore[arg-type]
        assert torch.backends.cudnn.conv.fp32_precision == before
    assert seen == ["ieee", "tf32"]


@pytest.mark.gpu
def test_tf32_shows_on_a_gpu(make_enformer: Make, random_dna: Make) -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    module, dna = make_enformer(), random_dna(2)
    exact = EnformerModel(module, context_length=512, device="cpu").predict_tracks(dna, range(7))
    rounded = EnformerModel(module, context_length=512, device="cuda", precision="tf32").predict_tracks(dna, range(7))
    error = np.abs(rounded / exact - 1).max()
    assert 1e-6 < error < 0.05


def test_precision_is_recorded_and_close(module: Any, small: EnformerModel, random_dna: Make, device: str) -> None:
    dna = random_dna(1)
    rough = EnformerModel(module, context_length=512, precision="bfloat16", device=device)
    assert rough.info.settings["precision"] == "bfloat16"
    assert small.info.settings["precision"] == "float32"
    error = np.abs(rough.predict_tracks(dna, range(7)) / small.predict_tracks(dna, range(7)) - 1).max()
    assert 1e-5 < error < 0.2
    assert {parameter.dtype for parameter in module.parameters()} == {torch.float32}
    with pytest.raises(SettingError, match="precision must be one of float32, tf32, bfloat16"):
        EnformerModel(module, context_length=512, precision="float16")  # type: ignore[arg-type]


# ------------------------------------------------------------------------------------------ memory and devices


def test_batches_that_do_not_fit_are_halved_and_nothing_is_lost(
    make_enformer: Make, toys: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = toys.random_genome(tmp_path, seed=3, n_individuals=5)
    sizes: list[int] = []
    real = enformer_pass.run_pass

    def tight(module: Any, sequences: Any, **rest: Any) -> Any:
        sizes.append(len(sequences))
        if len(sequences) > 2:
            raise (
                torch.OutOfMemoryError("CUDA out of memory")
                if len(sizes) % 2
                else RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory")
            )
        return real(module, sequences, **rest)

    def values(batch_size: int) -> list[float]:
        model = EnformerModel(make_enformer(), context_length=512, batch_size=batch_size)
        predictor = SequencePredictor(model, TssBins(), tracks=0)
        return predictor.predict(toys.gene_at(1_500), small.genome, small.individuals).values.tolist()

    expected = values(1)
    monkeypatch.setattr(enformer_model, "run_pass", tight)
    np.testing.assert_allclose(values(8), expected, rtol=1e-5)
    assert sizes[:3] == [8, 4, 2]
    assert set(sizes[3:]) <= {1, 2}


def test_memory_for_not_even_one_is_one_clear_error(
    make_enformer: Make, toys: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(*_: Any, **__: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory")

    small = toys.random_genome(tmp_path, seed=3, n_individuals=2)
    model = EnformerModel(make_enformer(), context_length=512, batch_size=4)
    monkeypatch.setattr(enformer_model, "run_pass", none)
    with pytest.raises(PgxevalError, match="not enough memory for a single sequence of 512 bp"):
        SequencePredictor(model, TssBins(), tracks=0).predict(toys.gene_at(1_500), small.genome, small.individuals)


def test_other_failures_are_not_taken_for_memory(
    make_enformer: Make, random_dna: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise RuntimeError("shapes cannot be multiplied")

    model = EnformerModel(make_enformer(), context_length=512, batch_size=4)
    monkeypatch.setattr(enformer_model, "run_pass", broken)
    with pytest.raises(RuntimeError, match="shapes"):
        model.predict_tracks(random_dna(4), [0])


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_a_gpu_that_is_not_there(module: Any) -> None:
    with pytest.raises(SettingError, match=r'cuda:1 was requested, .* sees no CUDA device; use device="cpu"'):
        EnformerModel(module, context_length=512, device="cuda:1")


@pytest.mark.parametrize("device", ["tpu", "meta", "gpu", ""])
def test_devices_of_another_kind(module: Any, device: str) -> None:
    with pytest.raises(SettingError, match=r'device must be "cpu" or "cuda"'):
        EnformerModel(module, context_length=512, device=device)


# ---------------------------------------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("sequences", "words"),
    [
        (np.full((1, 504), 65, np.uint8), "does not accept sequences of 504 bp; it accepts 512 bp"),
        (np.full((1, 512), ord("R"), np.uint8), "512 letters of 1 sequences are not among ACGTN"),
        (np.full((1, 512), ord("a"), np.uint8), "not among ACGTN, the first in sequence 0 at index 0"),
        (np.full((1, 512), 65, np.int64), "must be uint8 ASCII"),
        (np.full(512, 65, np.uint8), r"must be uint8 ASCII .*, got uint8 \(512,\)"),
        ("A" * 512, "got str"),
    ],
)
def test_sequences_that_are_refused(small: EnformerModel, sequences: Any, words: str) -> None:
    with pytest.raises(SettingError, match=words):
        small.predict_tracks(sequences, [0])


@pytest.mark.parametrize("tracks", [[7], [-1], []])
def test_tracks_that_are_not_there(small: EnformerModel, random_dna: Make, tracks: list[int]) -> None:
    with pytest.raises(SettingError, match="tracks must be numbers from 0 to 6"):
        small.predict_tracks(random_dna(1), tracks)


def test_settings_that_are_refused(module: Any) -> None:
    for settings, words in (
        ({"context_length": 500}, "multiple of 8 bp"),
        ({"head": "fly"}, "unknown head 'fly'; the model has human, mouse"),
        ({"batch_size": 0}, "batch_size must be"),
        ({"batch_size": 1.5}, "batch_size must be"),
        (
            {"track_table": pd.DataFrame({"name": ["a"], "bin_width_bp": [8]})},
            "1 rows, but the head human has 7 outputs",
        ),
    ):
        with pytest.raises(SettingError, match=words):
            EnformerModel(module, **{"context_length": 512, **settings})
    with pytest.raises(SettingError, match="got Linear"):
        EnformerModel(torch.nn.Linear(1, 1))


def test_a_fine_tuning_wrapper_is_told_from_an_enformer(module: Any) -> None:
    class Wrapper:
        enformer = module

    with pytest.raises(SettingError, match=r"got Wrapper; a fine-tuning wrapper has one as \.enformer"):
        EnformerModel(Wrapper())  # type: ignore[arg-type]


def test_a_head_of_another_make(make_enformer: Make) -> None:
    module = make_enformer()
    module._heads["own"] = torch.nn.Linear(96, 2)
    with pytest.raises(SettingError, match="not a linear layer and a softplus"):
        EnformerModel(module, head="own", context_length=512)


def test_nan_from_the_model_has_a_reason(make_enformer: Make, random_dna: Make) -> None:
    module = make_enformer()
    with torch.no_grad():
        module._heads["human"][0].bias[2] = np.nan
    model = EnformerModel(module, context_length=512)
    answers = list(model.predict_targets([random_dna(1)], [Target(row=0, segments=[(200, 300)])], [2]))
    assert np.isnan(answers[0][1]).all()
    assert answers[0][2] == "enformer returned NaN or infinity"


# ------------------------------------------------------------------------------------------------ what it says


def test_info_tells_models_apart(make_enformer: Make, write_enformer: Make, tmp_path: Path) -> None:
    module = make_enformer()
    model = EnformerModel(module, context_length=512)
    version = model.info.version
    assert "enformer-pytorch 0." in version
    assert EnformerModel(write_enformer(tmp_path / "a", module), context_length=512).info.version == version
    assert EnformerModel(make_enformer(seed=3), context_length=512).info.version != version
    with torch.no_grad():
        module.stem[0].bias += 1  # trained further while in hand
    assert model.info.version != version
    assert model.info.citation.startswith("Avsec")
    assert "512" not in repr(model)


def test_pickles_by_its_files(make_enformer: Make, write_enformer: Make, random_dna: Make, tmp_path: Path) -> None:
    module, dna = make_enformer(), random_dna(1)
    folder = write_enformer(tmp_path / "w", module)
    model = EnformerModel(folder, context_length=512)
    pickled = pickle.dumps(model)
    assert len(pickled) < 10_000
    again = pickle.loads(pickled)
    np.testing.assert_array_equal(again.predict_tracks(dna, [0]), model.predict_tracks(dna, [0]))
    in_hand = pickle.loads(pickle.dumps(EnformerModel(module, context_length=512)))
    np.testing.assert_array_equal(in_hand.predict_tracks(dna, [0]), model.predict_tracks(dna, [0]))
    write_enformer(folder, make_enformer(seed=5))
    with pytest.raises(InputFileError, match="the weights have changed since this model was made"):
        pickle.loads(pickled).predict_tracks(dna, [0])


def test_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(enformer_model.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(SettingError, match=r'pip install "pgxeval\[enformer\]"'):
        EnformerModel()


def test_keeps_the_contract(make_enformer: Make, write_enformer: Make, tmp_path: Path, device: str) -> None:
    from pgxeval.testing import Golden, check_sequence_model

    model = EnformerModel(write_enformer(tmp_path / "w", make_enformer()), context_length=512, device=device)
    dna = np.full((1, 512), ord("C"), np.uint8)
    table = check_sequence_model(model, golden=Golden.of(model, dna, [1]), on_failure="raise")
    assert set(table["outcome"]) == {"passed"}
