"""Enformer's weights: from the Hugging Face hub by name, from a local folder, or in a loaded module.

Files are read by our own code instead of ``from_pretrained``, which uses the wrong position features for a local folder
and fails with transformers 5. Nothing in a weights file is ever executed.
"""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from pgxeval.errors import InputFileError, InputFileNotFoundError, SettingError

if TYPE_CHECKING:
    import torch
    from enformer_pytorch import Enformer

OFFICIAL = "EleutherAI/enformer-official-rough"

_CONFIG = "config.json"
_WEIGHTS = ("model.safetensors", "pytorch_model.bin")
_ARCHITECTURE = ("dim", "depth", "heads", "attn_dim_key", "num_downsamples", "dim_divisible_by")
_LARGEST = 100_000  # far above any number in a real configuration; a damaged one must not take all memory
# the module of `Enformer` that each part of its alias `_trunk` refers to
_ALIASES = {
    "_trunk.1.": "stem.",
    "_trunk.2.": "conv_tower.",
    "_trunk.4.": "transformer.",
    "_trunk.6.": "final_pointwise.",
}
# added to all names by torch.compile, by DataParallel and its kin, and by training frameworks
_PREFIXES = ("_orig_mod.", "module.", "model.")


@attrs.frozen(kw_only=True, eq=False)
class LoadedEnformer:
    """An Enformer module and its origin.

    Parameters
    ----------
    module
        The module, on the CPU, in float32.
    origin
        Name on the hub with its revision, or folder.
    use_tf_gamma
        What the configuration declares for the position features; None if it declares nothing.
    """

    module: Enformer = attrs.field(repr=False)
    origin: str
    use_tf_gamma: bool | None


def load_enformer(
    weights: str | os.PathLike[str], *, revision: str | None = None, hub_cache: str | os.PathLike[str] | None = None
) -> LoadedEnformer:
    """Load Enformer from a local folder or, by its name, from the Hugging Face hub.

    Parameters
    ----------
    weights
        Folder with ``config.json`` and ``model.safetensors`` or ``pytorch_model.bin``; or a name such as
        ``"EleutherAI/enformer-official-rough"``. An existing folder takes precedence. Prefixes of tensor names that
        compiling and training add (``_orig_mod.``, ``module.``, ``model.``) are removed.
    revision
        Commit, tag or branch on the hub; None for its main branch.
    hub_cache
        Where files from the hub are stored; None for the default cache of huggingface_hub.

    Raises
    ------
    InputFileNotFoundError
        If the folder does not exist, or the download fails.
    InputFileError
        If a file is damaged, contains anything but tensors, or belongs to another architecture.
    """
    folder = Path(weights).expanduser()
    if folder.is_dir():
        return _load_folder(folder, str(folder))
    name = os.fspath(weights)
    if folder.exists():
        raise InputFileError(f"{folder} is a file; give the folder that contains {_CONFIG} and {' or '.join(_WEIGHTS)}")
    if not re.fullmatch(r"[\w-][\w.-]*/[\w-][\w.-]*", name):
        raise InputFileNotFoundError(
            f"{name}: no such folder; expected a folder with {_CONFIG} and {' or '.join(_WEIGHTS)}, or a name on the "
            f"hub such as {OFFICIAL}"
        )
    return _load_folder(_download(name, revision, hub_cache), f"{name}@{revision or 'main'}")


def _download(name: str, revision: str | None, hub_cache: str | os.PathLike[str] | None) -> Path:
    import huggingface_hub

    try:
        return Path(
            huggingface_hub.snapshot_download(
                name,
                revision=revision,
                cache_dir=hub_cache,
                allow_patterns=[_CONFIG, *_WEIGHTS],
            )
        )
    except Exception as error:  # the errors of huggingface_hub differ between its versions
        raise InputFileNotFoundError(
            f"{name}: no such folder, and the download from the Hugging Face hub failed ({type(error).__name__}); "
            f"download {_CONFIG} and {' or '.join(_WEIGHTS)} on a machine with a connection and give the path of their "
            "folder"
        ) from error


def _load_folder(folder: Path, origin: str) -> LoadedEnformer:
    import torch
    from enformer_pytorch import Enformer

    settings, use_tf_gamma = _read_config(folder / _CONFIG)
    files = [folder / name for name in _WEIGHTS if (folder / name).is_file()]
    if not files:
        raise InputFileNotFoundError(f"{folder} contains neither {' nor '.join(_WEIGHTS)}")
    file = files[0]
    state = _canonical(_read_safetensors(file) if file.suffix == ".safetensors" else _read_pickled(file), file)
    with torch.device("meta"):
        module = Enformer.from_hparams(**settings)
    _check_state(module, state, file)
    module.load_state_dict(
        {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in state.items()},
        strict=False,
        assign=True,
    )
    return LoadedEnformer(module=module.eval(), origin=origin, use_tf_gamma=use_tf_gamma)


def _read_config(file: Path) -> tuple[dict[str, Any], bool | None]:
    if not file.is_file():
        raise InputFileNotFoundError(f"{file}: no such file; it is part of the weights")
    try:
        config = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputFileError(f"{file}: not valid JSON: {error}") from error
    if not isinstance(config, dict) or config.get("model_type", "enformer") != "enformer":
        kind = config.get("model_type") if isinstance(config, dict) else type(config).__name__
        raise InputFileError(f"{file}: expected model_type 'enformer', got {kind!r}")
    settings = {name: config[name] for name in (*_ARCHITECTURE, "target_length", "output_heads") if name in config}
    heads = settings.get("output_heads", {"human": 1})
    if not isinstance(heads, dict) or not heads:
        raise InputFileError(f"{file}: output_heads must map each head to its number of tracks, got {heads!r}")
    numbers = {name: settings[name] for name in _ARCHITECTURE if name in settings}
    numbers |= {f"output_heads[{name!r}]": tracks for name, tracks in heads.items()}
    for name, number in numbers.items():
        if isinstance(number, bool) or not isinstance(number, int) or not 1 <= number <= _LARGEST:
            raise InputFileError(f"{file}: {name} must be a whole number from 1 to {_LARGEST}, got {number!r}")
    target = settings.get("target_length", 896)
    if isinstance(target, bool) or not isinstance(target, int) or not (target == -1 or 1 <= target <= _LARGEST):
        raise InputFileError(f"{file}: target_length must be a whole number above 0, or -1 for all, got {target!r}")
    gamma = config.get("use_tf_gamma")
    return settings, None if gamma is None else bool(gamma)


def _read_safetensors(file: Path) -> dict[str, torch.Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        tensors: dict[str, torch.Tensor] = load_file(file)
    except (SafetensorError, ValueError, OSError) as error:
        raise InputFileError(f"{file}: cannot be read as safetensors, it may be truncated: {error}") from error
    return tensors


def _read_pickled(file: Path) -> dict[str, torch.Tensor]:
    import torch

    try:
        with warnings.catch_warnings():  # about the pickle protocol, irrelevant here
            warnings.simplefilter("ignore")
            loaded = torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise InputFileError(
            f"{file}: contains something other than tensors, or is damaged; it was refused and nothing in it was "
            "executed. Published weights contain only tensors: download the file again, or ask its author for "
            "safetensors"
        ) from error
    except Exception as error:  # a damaged archive fails in many ways
        raise InputFileError(
            f"{file}: cannot be read, it may be truncated ({file.stat().st_size:,} bytes): "
            f"{type(error).__name__}: {error}"
        ) from error
    if not isinstance(loaded, Mapping) or not all(
        isinstance(name, str) and isinstance(tensor, torch.Tensor) for name, tensor in loaded.items()
    ):
        raise InputFileError(
            f"{file}: expected a mapping of names to tensors (a state_dict), got {type(loaded).__name__}"
        )
    return dict(loaded)


def _canonical(state: Mapping[str, torch.Tensor], file: Path) -> dict[str, torch.Tensor]:
    """Name each tensor once: ``_trunk.*`` refers to the same modules again, and files contain either or both."""
    import torch

    named: dict[str, torch.Tensor] = {}
    for name, tensor in state.items():
        bare = _without_prefixes(name)
        alias = next((prefix for prefix in _ALIASES if bare.startswith(prefix)), None)
        canonical = bare if alias is None else _ALIASES[alias] + bare[len(alias) :]
        if canonical in named and not torch.equal(named[canonical], tensor):
            raise InputFileError(f"{file}: {name} and {canonical} should be the same tensor, but differ")
        named.setdefault(canonical, tensor)
    return named


def _without_prefixes(name: str) -> str:
    while name.startswith(_PREFIXES):
        name = name.partition(".")[2]
    return name


def named_tensors(module: Enformer) -> dict[str, torch.Tensor]:
    """Return parameters and buffers, each once, by its canonical name."""
    return {**dict(module.named_parameters()), **dict(module.named_buffers())}


def _check_state(module: Enformer, state: Mapping[str, torch.Tensor], file: Path) -> None:
    expected = named_tensors(module)
    missing, unknown = sorted(set(expected) - set(state)), sorted(set(state) - set(expected))
    shapes = [
        f"{name}, expected {tuple(tensor.shape)}, got {tuple(state[name].shape)}"
        for name, tensor in expected.items()
        if name in state and state[name].shape != tensor.shape
    ]
    if missing or unknown or shapes:
        parts = [
            f"{len(names)} {problem}, the first: {names[0]}"
            for problem, names in (("tensors missing", missing), ("unknown", unknown), ("of another shape", shapes))
            if names
        ]
        raise InputFileError(f"{file}: the weights do not match the architecture in {_CONFIG}: {'; '.join(parts)}")
    bad = [name for name, tensor in state.items() if tensor.is_floating_point() and not bool(tensor.isfinite().all())]
    if bad:
        raise InputFileError(f"{file}: {len(bad)} tensors contain NaN or infinite values, the first: {bad[0]}")


def weights_digest(module: Enformer) -> str:
    """Return 16 hexadecimal digits that identify the weights, independent of file, device and memory."""
    import torch

    digest = hashlib.blake2b(digest_size=8)
    for name, tensor in sorted(named_tensors(module).items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)};".encode())
        flat = tensor.detach().cpu().contiguous().reshape(-1)
        digest.update(flat.view(torch.uint8).numpy().data)
    return digest.hexdigest()


def fingerprint(module: Enformer) -> tuple[tuple[int, int], ...]:
    """Return numbers that change when a tensor is replaced or changed in place; faster than a digest."""
    return tuple(
        (id(tensor), -1 if tensor.is_inference() else tensor._version) for tensor in named_tensors(module).values()
    )


def unwrap(module: Enformer) -> Enformer:
    """Return the Enformer of enformer-pytorch in a loaded module, which may be compiled or wrapped by DataParallel.

    Raises
    ------
    SettingError
        If there is none.
    """
    from enformer_pytorch import Enformer

    inner: Any = module
    while not isinstance(inner, Enformer):
        # torch.compile and DataParallel hold the original module under these names
        modules = vars(inner).get("_modules", {}) if hasattr(inner, "__dict__") else {}
        wrapped = next((modules[name] for name in ("_orig_mod", "module") if name in modules), None)
        if wrapped is None:
            hint = "; a fine-tuning wrapper has one as .enformer" * isinstance(
                getattr(inner, "enformer", None), Enformer
            )
            raise SettingError(
                "weights must be a folder, a name on the hub or an enformer_pytorch.Enformer, got "
                f"{type(module).__name__}{hint}"
            )
        inner = wrapped
    return inner
