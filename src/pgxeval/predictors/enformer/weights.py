"""Enformer from files: the published weights by name, a folder, or a module that is there already.

The files are read by our own code, not by ``from_pretrained``: that one leaves the position features of a local
folder at the wrong setting, and breaks with transformers 5. Nothing in a weights file is ever run.
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
_MOST = 100_000  # no whole number of a real configuration comes near; a damaged one should not take all memory
# the module of `Enformer` that each part of its alias `_trunk` stands for
_ALIASES = {
    "_trunk.1.": "stem.",
    "_trunk.2.": "conv_tower.",
    "_trunk.4.": "transformer.",
    "_trunk.6.": "final_pointwise.",
}


@attrs.frozen(kw_only=True, eq=False)
class LoadedEnformer:
    """An Enformer module and where it came from.

    Parameters
    ----------
    module
        The module, on the CPU, in float32.
    origin
        Hub name with its revision, or folder.
    use_tf_gamma
        What the configuration says of the position features; None where it says nothing.
    """

    module: Enformer = attrs.field(repr=False)
    origin: str
    use_tf_gamma: bool | None


def load_enformer(
    weights: str | os.PathLike[str], *, revision: str | None = None, cache_folder: str | os.PathLike[str] | None = None
) -> LoadedEnformer:
    """Load Enformer from a local folder or, by its name, from the Hugging Face hub.

    Parameters
    ----------
    weights
        Folder with ``config.json`` and ``model.safetensors`` or ``pytorch_model.bin``; or a name such as
        ``"EleutherAI/enformer-official-rough"``. A folder that exists comes first.
    revision
        Commit, tag or branch on the hub; None for its main branch.
    cache_folder
        Where files from the hub are kept; None for the hub's own cache.

    Raises
    ------
    InputFileNotFoundError
        If there is no such folder, or the download fails.
    InputFileError
        If a file is damaged, holds anything but tensors, or weights of another architecture.
    """
    folder = Path(weights)
    if folder.is_dir():
        return _load_folder(folder, str(folder))
    name = os.fspath(weights)
    if folder.exists():
        raise InputFileError(f"{folder}: is a file; give the folder that holds {_CONFIG} and {' or '.join(_WEIGHTS)}")
    if not re.fullmatch(r"[\w-][\w.-]*/[\w-][\w.-]*", name):
        raise InputFileNotFoundError(
            f"{name}: no such folder; a folder with {_CONFIG} and {' or '.join(_WEIGHTS)} is wanted, or a name on the "
            f"hub such as {OFFICIAL}"
        )
    return _load_folder(_download(name, revision, cache_folder), f"{name}@{revision or 'main'}")


def _download(name: str, revision: str | None, cache_folder: str | os.PathLike[str] | None) -> Path:
    import huggingface_hub

    try:
        return Path(
            huggingface_hub.snapshot_download(
                name,
                revision=revision,
                cache_dir=cache_folder,
                allow_patterns=[_CONFIG, *_WEIGHTS],
            )
        )
    except Exception as error:  # the hub's errors differ between its versions
        raise InputFileNotFoundError(
            f"{name}: there is no such folder, and the download from the Hugging Face hub failed "
            f"({type(error).__name__}); fetch {_CONFIG} and {' or '.join(_WEIGHTS)} on a machine with a connection and "
            "give the path of the folder that holds them"
        ) from error


def _load_folder(folder: Path, origin: str) -> LoadedEnformer:
    import torch
    from enformer_pytorch import Enformer

    settings, use_tf_gamma = _read_config(folder / _CONFIG)
    found = [folder / name for name in _WEIGHTS if (folder / name).is_file()]
    if not found:
        raise InputFileNotFoundError(f"{folder}: holds neither {' nor '.join(_WEIGHTS)}")
    file = found[0]
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
        raise InputFileNotFoundError(f"{file}: no such file; it comes with the weights")
    try:
        config = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputFileError(f"{file}: is no JSON: {error}") from error
    if not isinstance(config, dict) or config.get("model_type", "enformer") != "enformer":
        kind = config.get("model_type") if isinstance(config, dict) else type(config).__name__
        raise InputFileError(f"{file}: describes another architecture (model_type {kind!r}); Enformer's is wanted")
    settings = {name: config[name] for name in (*_ARCHITECTURE, "target_length", "output_heads") if name in config}
    heads = settings.get("output_heads", {"human": 1})
    if not isinstance(heads, dict) or not heads:
        raise InputFileError(f"{file}: output_heads must map each head to its number of tracks, got {heads!r}")
    numbers = {name: settings[name] for name in _ARCHITECTURE if name in settings}
    numbers |= {f"output_heads[{name!r}]": tracks for name, tracks in heads.items()}
    for name, number in numbers.items():
        if isinstance(number, bool) or not isinstance(number, int) or not 1 <= number <= _MOST:
            raise InputFileError(f"{file}: {name} must be a whole number from 1 to {_MOST}, got {number!r}")
    target = settings.get("target_length", 896)
    if isinstance(target, bool) or not isinstance(target, int) or not (target == -1 or 1 <= target <= _MOST):
        raise InputFileError(f"{file}: target_length must be a whole number above 0, or -1 for all, got {target!r}")
    gamma = config.get("use_tf_gamma")
    return settings, None if gamma is None else bool(gamma)


def _read_safetensors(file: Path) -> dict[str, torch.Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        tensors: dict[str, torch.Tensor] = load_file(file)
    except (SafetensorError, ValueError, OSError) as error:
        raise InputFileError(f"{file}: cannot be read as safetensors, it may be cut short: {error}") from error
    return tensors


def _read_pickled(file: Path) -> dict[str, torch.Tensor]:
    import torch

    try:
        with warnings.catch_warnings():  # of the pickle's protocol, which says nothing to the reader
            warnings.simplefilter("ignore")
            loaded = torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise InputFileError(
            f"{file}: holds something else than tensors, or is damaged; it was refused and nothing in it was run. "
            "Published weights hold tensors only: fetch the file again, or ask its author for safetensors"
        ) from error
    except Exception as error:  # a damaged archive fails in many ways
        raise InputFileError(
            f"{file}: cannot be read, it may be cut short ({file.stat().st_size:,} bytes): "
            f"{type(error).__name__}: {error}"
        ) from error
    if not isinstance(loaded, Mapping) or not all(
        isinstance(name, str) and isinstance(tensor, torch.Tensor) for name, tensor in loaded.items()
    ):
        raise InputFileError(
            f"{file}: holds a {type(loaded).__name__}, not a mapping of names to tensors (a state_dict)"
        )
    return dict(loaded)


def _canonical(state: Mapping[str, torch.Tensor], file: Path) -> dict[str, torch.Tensor]:
    """Name each tensor once: ``_trunk.*`` holds the same modules a second time, and files keep either or both."""
    import torch

    named: dict[str, torch.Tensor] = {}
    for name, tensor in state.items():
        alias = next((prefix for prefix in _ALIASES if name.startswith(prefix)), None)
        own = name if alias is None else _ALIASES[alias] + name[len(alias) :]
        if own in named and not torch.equal(named[own], tensor):
            raise InputFileError(f"{file}: {name} and {own} should be the same tensor and differ")
        named.setdefault(own, tensor)
    return named


def named_tensors(module: Enformer) -> dict[str, torch.Tensor]:
    """Return parameters and buffers, each once, by its canonical name."""
    return {**dict(module.named_parameters()), **dict(module.named_buffers())}


def _check_state(module: Enformer, state: Mapping[str, torch.Tensor], file: Path) -> None:
    wanted = named_tensors(module)
    missing, unknown = sorted(set(wanted) - set(state)), sorted(set(state) - set(wanted))
    shapes = [
        f"{name} {tuple(state[name].shape)} where {tuple(tensor.shape)} is wanted"
        for name, tensor in wanted.items()
        if name in state and state[name].shape != tensor.shape
    ]
    if missing or unknown or shapes:
        parts = [
            f"{len(names)} {what}, the first: {names[0]}"
            for what, names in (("tensors missing", missing), ("unknown", unknown), ("of another shape", shapes))
            if names
        ]
        raise InputFileError(f"{file}: weights of another architecture than {_CONFIG} says: {'; '.join(parts)}")
    bad = [name for name, tensor in state.items() if tensor.is_floating_point() and not bool(tensor.isfinite().all())]
    if bad:
        raise InputFileError(f"{file}: {len(bad)} tensors hold NaN or infinite values, the first: {bad[0]}")


def weights_digest(module: Enformer) -> str:
    """Return 16 hexadecimal digits that stand for the weights, whatever file, device or memory they are in."""
    import torch

    digest = hashlib.blake2b(digest_size=8)
    for name, tensor in sorted(named_tensors(module).items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)};".encode())
        flat = tensor.detach().cpu().contiguous().reshape(-1)
        digest.update(flat.view(torch.uint8).numpy().data)
    return digest.hexdigest()


def fingerprint(module: Enformer) -> tuple[tuple[int, int], ...]:
    """Return numbers that change when a tensor is replaced or written to in place; quicker than a digest."""
    return tuple(
        (id(tensor), -1 if tensor.is_inference() else tensor._version) for tensor in named_tensors(module).values()
    )


def check_module(module: object) -> None:
    """Refuse what is no Enformer of enformer-pytorch.

    Raises
    ------
    SettingError
        Naming what was given.
    """
    from enformer_pytorch import Enformer

    if not isinstance(module, Enformer):
        hint = "; a fine-tuning wrapper holds one as .enformer" * isinstance(
            getattr(module, "enformer", None), Enformer
        )
        raise SettingError(
            f"weights must be a folder, a name on the hub or an enformer_pytorch.Enformer, got a "
            f"{type(module).__name__}{hint}"
        )
