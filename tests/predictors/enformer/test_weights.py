"""Weights of Enformer: every source gives the same module; what is damaged, hostile or foreign is refused by name."""

from __future__ import annotations

import contextlib
import json
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pgxeval.errors import InputFileError, InputFileNotFoundError

torch = pytest.importorskip("torch", reason="Enformer needs the extra `enformer`")
pytest.importorskip("enformer_pytorch", reason="Enformer needs the extra `enformer`")

from pgxeval.predictors.enformer.weights import (  # noqa: E402 (what is missing is skipped first)
    OFFICIAL,
    LoadedEnformer,
    fingerprint,
    load_enformer,
    named_tensors,
    unwrap,
    weights_digest,
)

Make = Callable[..., Any]
LAYOUTS = ["bin", "safetensors", "safetensors_trunk", "safetensors_both"]


def _same(loaded: Any, made: Any) -> bool:
    theirs, ours = made.state_dict(), loaded.state_dict()
    return set(theirs) == set(ours) and all(torch.equal(theirs[name], ours[name]) for name in theirs)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_each_layout_gives_the_same_module(
    tmp_path: Path, make_enformer: Make, write_enformer: Make, layout: str
) -> None:
    made = make_enformer()
    loaded = load_enformer(write_enformer(tmp_path / "w", made, layout=layout))
    assert _same(loaded.module, made)
    assert not loaded.module.training
    assert all(not part.training for part in loaded.module.modules())
    assert weights_digest(loaded.module) == weights_digest(made)
    assert loaded.origin == str(tmp_path / "w")
    assert loaded.module._trunk[1] is loaded.module.stem
    assert not any(tensor.is_meta for tensor in loaded.module.state_dict().values())


def test_half_precision_weights_are_widened(tmp_path: Path, make_enformer: Make, write_enformer: Make) -> None:
    made = make_enformer()
    folder = write_enformer(tmp_path / "w", made)
    torch.save(
        {name: t.half() if t.is_floating_point() else t for name, t in made.state_dict().items()},
        folder / "pytorch_model.bin",
    )
    loaded = load_enformer(folder)
    assert {t.dtype for t in loaded.module.parameters()} == {torch.float32}
    torch.testing.assert_close(loaded.module.stem[0].weight, made.stem[0].weight, rtol=1e-3, atol=1e-4)


def test_from_the_hub_by_its_own_client(
    tmp_path: Path, make_enformer: Make, write_enformer: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    import huggingface_hub

    made = make_enformer()
    folder = write_enformer(tmp_path / "snapshot", made)
    asked: list[dict[str, Any]] = []

    def download(name: str, **options: Any) -> str:
        asked.append({"name": name, **options})
        return str(folder)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    loaded = load_enformer(OFFICIAL, revision="abc", hub_cache=tmp_path / "kept")
    assert _same(loaded.module, made)
    assert loaded.origin == "EleutherAI/enformer-official-rough@abc"
    assert asked == [
        {
            "name": OFFICIAL,
            "revision": "abc",
            "cache_dir": tmp_path / "kept",
            "allow_patterns": ["config.json", "model.safetensors", "pytorch_model.bin"],
        }
    ]


def test_a_failed_download_names_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    def download(name: str, **options: Any) -> str:
        raise ConnectionError("https://token@somewhere")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    with pytest.raises(
        InputFileNotFoundError, match=r"download .* failed \(ConnectionError\).*path of their folder"
    ) as said:
        load_enformer("someone/enformer")
    assert "token" not in str(said.value)


@pytest.mark.parametrize("name", ["nowhere", "/no/such/folder", "../x", "a/b/c"])
def test_what_is_neither_folder_nor_hub_name(name: str) -> None:
    with pytest.raises(InputFileNotFoundError, match="no such folder"):
        load_enformer(name)


def test_a_file_instead_of_its_folder(tmp_path: Path, make_enformer: Make, write_enformer: Make) -> None:
    folder = write_enformer(tmp_path / "w", make_enformer())
    with pytest.raises(InputFileError, match="give the folder"):
        load_enformer(folder / "pytorch_model.bin")
    (folder / "pytorch_model.bin").unlink()
    with pytest.raises(InputFileNotFoundError, match=r"contains neither model.safetensors nor pytorch_model.bin"):
        load_enformer(folder)
    (folder / "config.json").unlink()
    with pytest.raises(InputFileNotFoundError, match=r"config\.json: no such file"):
        load_enformer(folder)


class _Hostile:
    def __init__(self, path: Path) -> None:
        self.path = str(path)

    def __reduce__(self) -> Any:
        return (os.mkdir, (self.path,))


@pytest.mark.parametrize("way", ["pickle", "torch", "in a state"])
def test_a_hostile_file_is_refused_and_nothing_runs(
    tmp_path: Path, make_enformer: Make, write_enformer: Make, way: str
) -> None:
    made = make_enformer()
    folder = write_enformer(tmp_path / "w", made)
    trap = tmp_path / "trap"
    file = folder / "pytorch_model.bin"
    if way == "pickle":
        file.write_bytes(pickle.dumps(_Hostile(trap)))
    else:
        torch.save(_Hostile(trap) if way == "torch" else {**made.state_dict(), "x": _Hostile(trap)}, file)
    with pytest.raises(
        InputFileError, match=r"pytorch_model\.bin: contains something other than tensors.*nothing in it was executed"
    ):
        load_enformer(folder)
    assert not trap.exists()
    with contextlib.suppress(Exception):  # the trap is real: anything but our loader walks into it
        torch.load(file, weights_only=False)
    assert trap.exists()


@pytest.mark.parametrize("layout", ["bin", "safetensors"])
@pytest.mark.parametrize("keep", [0.0, 0.5, 0.999])
def test_a_file_that_was_cut_short(
    tmp_path: Path, make_enformer: Make, write_enformer: Make, layout: str, keep: float
) -> None:
    folder = write_enformer(tmp_path / "w", make_enformer(), layout=layout)
    file = next(path for path in folder.iterdir() if path.name != "config.json")
    whole = file.read_bytes()
    file.write_bytes(whole[: int(len(whole) * keep)])
    with pytest.raises(InputFileError, match=file.name):
        load_enformer(folder)


def test_weights_of_another_architecture(tmp_path: Path, make_enformer: Make, write_enformer: Make) -> None:
    made = make_enformer()
    folder = write_enformer(tmp_path / "w", made, depth=3)
    with pytest.raises(
        InputFileError, match=r"do not match the architecture.*tensors missing, the first: transformer\.2\."
    ):
        load_enformer(folder)
    folder = write_enformer(tmp_path / "w", made, depth=1)
    with pytest.raises(InputFileError, match=r"do not match the architecture.*unknown, the first: transformer\.1\."):
        load_enformer(folder)
    folder = write_enformer(tmp_path / "w", made, attn_dim_key=16)
    with pytest.raises(InputFileError, match=r"of another shape, the first: .*, expected .*, got "):
        load_enformer(folder)
    folder = write_enformer(tmp_path / "w", made, model_type="bert")
    with pytest.raises(InputFileError, match=r"expected model_type 'enformer', got 'bert'"):
        load_enformer(folder)
    torch.save([1, 2], folder / "pytorch_model.bin")
    folder = write_enformer(tmp_path / "v", made)
    torch.save([torch.zeros(1)], folder / "pytorch_model.bin")
    with pytest.raises(InputFileError, match=r"expected a mapping of names to tensors .*, got list"):
        load_enformer(folder)


def test_copies_of_a_tensor_that_differ(tmp_path: Path, make_enformer: Make, write_enformer: Make) -> None:
    made = make_enformer()
    folder = write_enformer(tmp_path / "w", made)
    state = {name: tensor.clone() for name, tensor in made.state_dict().items()}
    state["_trunk.1.0.weight"] += 1
    torch.save(state, folder / "pytorch_model.bin")
    with pytest.raises(InputFileError, match=r"_trunk\.1\.0\.weight and stem\.0\.weight should be the same"):
        load_enformer(folder)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_not_finite(tmp_path: Path, make_enformer: Make, write_enformer: Make, value: float) -> None:
    made = make_enformer()
    with torch.no_grad():
        made.stem[0].bias[3] = value
    with pytest.raises(InputFileError, match=r"1 tensors contain NaN or infinite values, the first: stem\.0\.bias"):
        load_enformer(write_enformer(tmp_path / "w", made, layout="safetensors"))


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ("{", "not valid JSON"),
        ("[]", "expected model_type 'enformer', got 'list'"),
        ('{"depth": 1e9}', "depth must be a whole number"),
        ('{"depth": 1000000000}', "depth must be a whole number from 1 to"),
        ('{"dim": "large"}', "dim must be a whole number"),
        ('{"output_heads": 5313}', "output_heads must map"),
        ('{"output_heads": {"human": -1}}', r"output_heads\['human'\] must be"),
        ('{"target_length": 0}', "target_length must be"),
    ],
)
def test_configurations_that_make_no_sense(tmp_path: Path, config: str, words: str) -> None:
    (tmp_path / "config.json").write_text(config)
    (tmp_path / "pytorch_model.bin").write_bytes(b"")
    with pytest.raises(InputFileError, match=words):
        load_enformer(tmp_path)


@pytest.mark.parametrize(
    ("said", "read"), [({}, None), ({"use_tf_gamma": False}, False), ({"use_tf_gamma": True}, True)]
)
def test_what_the_configuration_says_of_position_features(
    tmp_path: Path, make_enformer: Make, write_enformer: Make, said: dict[str, bool], read: bool | None
) -> None:
    loaded: LoadedEnformer = load_enformer(write_enformer(tmp_path / "w", make_enformer(), **said))
    assert loaded.use_tf_gamma is read


def test_digest_and_fingerprint_follow_the_weights(make_enformer: Make) -> None:
    made = make_enformer()
    digest, before = weights_digest(made), fingerprint(made)
    assert weights_digest(make_enformer()) == digest != weights_digest(make_enformer(seed=1))
    made.train()
    assert (weights_digest(made), fingerprint(made)) == (digest, before)
    with torch.no_grad():
        made.stem[0].bias += 1
    assert weights_digest(made) != digest
    assert fingerprint(made) != before
    assert len(named_tensors(made)) == len({id(tensor) for tensor in made.state_dict(keep_vars=True).values()})
    assert json.dumps(digest)


# --- names that compiling and training change


@pytest.mark.parametrize("prefix", ["_orig_mod.", "module.", "model.", "module._orig_mod.", "model.module."])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_prefixes_of_names_are_removed(
    tmp_path: Path, make_enformer: Make, write_enformer: Make, layout: str, prefix: str
) -> None:
    from safetensors.torch import load_file, save_file

    made = make_enformer()
    folder = write_enformer(tmp_path / "w", made, layout=layout)
    file = folder / ("pytorch_model.bin" if layout == "bin" else "model.safetensors")
    state = torch.load(file) if layout == "bin" else load_file(file)
    prefixed = {f"{prefix}{name}": tensor for name, tensor in state.items()}
    (torch.save if layout == "bin" else save_file)(prefixed, file)
    loaded = load_enformer(folder)
    assert _same(loaded.module, made)
    assert weights_digest(loaded.module) == weights_digest(made)


def test_two_names_of_one_tensor_must_agree(tmp_path: Path, make_enformer: Make, write_enformer: Make) -> None:
    made = make_enformer()
    folder = write_enformer(tmp_path / "w", made)
    state = dict(made.state_dict())
    state["module.stem.0.bias"] = state["stem.0.bias"] + 1
    torch.save(state, folder / "pytorch_model.bin")
    with pytest.raises(InputFileError, match=r"module\.stem\.0\.bias and stem\.0\.bias should be the same tensor"):
        load_enformer(folder)


COMPILING = pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")  # torch's own, while it compiles


@COMPILING
@pytest.mark.parametrize(
    "wrap",
    [
        torch.compile,
        torch.nn.DataParallel,
        lambda module: torch.compile(torch.nn.DataParallel(module)),
    ],
    ids=["compiled", "DataParallel", "compiled DataParallel"],
)
def test_a_wrapped_model_is_unwrapped(make_enformer: Make, wrap: Any) -> None:
    made = make_enformer()
    assert unwrap(wrap(made)) is made
    assert unwrap(made) is made


@COMPILING
def test_a_compiled_model_gives_the_same_numbers(make_enformer: Make, random_dna: Make) -> None:
    from pgxeval.predictors.enformer.model import EnformerModel

    made, dna = make_enformer(), random_dna(2)
    plain = EnformerModel(made, context_length=512)
    compiled = EnformerModel(torch.compile(made), context_length=512)
    assert compiled.info.version == plain.info.version
    np.testing.assert_array_equal(compiled.predict_tracks(dna, [0, 3]), plain.predict_tracks(dna, [0, 3]))
