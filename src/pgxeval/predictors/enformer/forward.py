"""One forward pass of Enformer: geometry, a module that is returned unchanged, only the requested bins and tracks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import attrs
import numpy as np
import numpy.typing as npt

from pgxeval.errors import SettingError
from pgxeval.genome.encoding import one_hot as encode
from pgxeval.predictors.torch_state import Precision, precision_of

if TYPE_CHECKING:
    import torch
    from enformer_pytorch import Enformer

_POSITIONS = 1536  # positions after downsampling that the published position features are for
_FEATURES = 192  # position features per head that they are for
_LIVE_TENSORS = 6
_GPU_SHARE = 0.6
_CPU_BYTES = 2**30  # larger batches are not faster on a CPU
_MAX_SEQUENCES = 64


@attrs.frozen(kw_only=True)
class Geometry:
    """Bases in, bins out.

    Parameters
    ----------
    context_length
        Bases of sequence [bp].
    bin_width_bp
        Bases per bin [bp].
    n_bins
        Number of bins in the output.
    crop
        Number of bins removed at either end.
    use_tf_gamma
        Whether the position features are those of the TensorFlow original.
    """

    context_length: int
    bin_width_bp: int
    n_bins: int
    crop: int
    use_tf_gamma: bool

    @classmethod
    def of(
        cls,
        module: Enformer,
        *,
        context_length: int | None = None,
        target_length: int | None = None,
        use_tf_gamma: bool | None = None,
    ) -> Geometry:
        """Return the geometry of a module; None means the published practice.

        Raises
        ------
        SettingError
            If the settings contradict each other or the module.
        """
        width = 2 ** (1 + len(module.conv_tower))
        length = _POSITIONS * width if context_length is None else context_length
        if isinstance(length, bool) or not isinstance(length, int) or length < width or length % width:
            raise SettingError(
                f"EnformerModel: context_length must be a multiple of {width} bp (one bin), got {length!r}"
            )
        positions = length // width
        features = module.config.dim // module.config.heads
        fits = positions == _POSITIONS and features == _FEATURES
        if use_tf_gamma and not fits:
            raise SettingError(
                f"EnformerModel: the published position features are for {_POSITIONS} positions "
                f"({_POSITIONS * width:,} bp here) and {_FEATURES} features per head; got {positions} positions and "
                f"{features} features: pass use_tf_gamma=False if the model was trained without them"
            )
        if use_tf_gamma is None and features == _FEATURES and not fits:
            raise SettingError(
                f"EnformerModel: the published position features are for {_POSITIONS * width:,} bp, not {length:,} bp; "
                "pass use_tf_gamma=False to run without them (which changes the predictions of published weights), or "
                "omit context_length"
            )
        target = module.target_length if target_length is None else target_length
        n_bins = positions if target == -1 else target
        if isinstance(n_bins, bool) or not isinstance(n_bins, int) or not 1 <= n_bins <= positions:
            raise SettingError(
                f"EnformerModel: target_length must be from 1 to {positions} bins, or -1 for all, got {n_bins!r}"
            )
        if (positions - n_bins) % 2:
            raise SettingError(
                f"EnformerModel: target_length {n_bins} cannot be cut evenly from the middle of {positions} bins; "
                f"use {n_bins - 1} or {n_bins + 1}, or -1 for all"
            )
        return cls(
            context_length=length,
            bin_width_bp=width,
            n_bins=n_bins,
            crop=(positions - n_bins) // 2,
            use_tf_gamma=fits if use_tf_gamma is None else use_tf_gamma,
        )


@contextmanager
def borrowed(module: Enformer, *, device: str, use_tf_gamma: bool) -> Iterator[Enformer]:
    """Put the module into evaluation mode on `device` with the right position features; restore it afterwards."""
    import torch
    from enformer_pytorch.modeling_enformer import Attention

    modes = [(part, part.training) for part in module.modules()]
    attentions = [(part, part.use_tf_gamma) for part in module.modules() if isinstance(part, Attention)]
    home = device_of(module)
    try:
        for part, _ in modes:
            part.training = False
        for attention, _ in attentions:
            attention.use_tf_gamma = use_tf_gamma
        if torch.device(device) != home:
            module.to(device)
        yield module
    finally:
        for part, training in modes:
            part.training = training
        for attention, before in attentions:
            attention.use_tf_gamma = before
        if device_of(module) != home:
            module.to(home)


def device_of(module: Enformer) -> torch.device:
    """Return the device of the weights."""
    return next(module.parameters()).device


@contextmanager
def arithmetic(precision: Precision, device: str) -> Iterator[None]:
    """Compute without gradients in `precision`; all switches of torch are restored afterwards."""
    import torch

    with ExitStack() as stack:
        stack.enter_context(torch.inference_mode())
        stack.enter_context(precision_of(precision, torch.device(device).type))
        yield


def run_pass(
    module: Enformer,
    sequences: npt.NDArray[np.uint8],
    *,
    head: str,
    tracks: Sequence[int],
    positions: npt.NDArray[np.int64],
) -> npt.NDArray[np.float32]:
    """Return float32 ``(n_sequences, n_positions, n_tracks)`` for some positions, counted before the crop."""
    import torch

    device = device_of(module)
    one_hot = torch.from_numpy(encode(sequences)).to(device)
    values = forward(module, one_hot, head, torch.tensor(list(tracks), device=device), torch.from_numpy(positions))
    answer: npt.NDArray[np.float32] = values.cpu().numpy()
    return answer


def forward(
    module: Enformer, one_hot: torch.Tensor, head: str, tracks: torch.Tensor, positions: torch.Tensor
) -> torch.Tensor:
    """Return float32 ``(n_sequences, n_positions, n_tracks)`` for one-hot ``(n_sequences, length, 4)``.

    The trunk sees the whole sequences; after it only the requested positions and tracks are computed.
    """
    import torch
    from torch.nn import functional

    hidden = module.stem(one_hot.transpose(1, 2))
    del one_hot
    hidden = module.conv_tower(hidden)
    hidden = module.transformer(hidden.transpose(1, 2))
    hidden = module.final_pointwise(hidden[:, positions.to(hidden.device)])
    linear = module._heads[head][0]
    weight, bias = linear.weight[tracks], linear.bias[tracks]
    if hidden.dtype == torch.float32:
        return functional.softplus(functional.linear(hidden, weight, bias))
    with torch.autocast(hidden.device.type, enabled=False):  # the head is always computed in float32
        return functional.softplus(functional.linear(hidden.float(), weight, bias))


def head_outputs(module: Enformer, head: str) -> int:
    """Return the number of outputs of a head.

    Raises
    ------
    SettingError
        If the head does not exist, or does not have the published layers.
    """
    from torch import nn

    heads = module._heads
    if head not in heads:
        raise SettingError(f"EnformerModel: unknown head {head!r}; the model has {', '.join(heads)}")
    layers = list(heads[head].children())
    if len(layers) != 2 or not isinstance(layers[0], nn.Linear) or not isinstance(layers[1], nn.Softplus):
        raise SettingError(f"EnformerModel: the head {head} is not a linear layer and a softplus, as published")
    return int(layers[0].out_features)


def declared_tf_gamma(module: Enformer) -> bool | None:
    """Return what the attention layers declare for their position features; None if there is no layer."""
    from enformer_pytorch.modeling_enformer import Attention

    flags = [bool(part.use_tf_gamma) for part in module.modules() if isinstance(part, Attention)]
    return all(flags) if flags else None


def choose_device(requested: str | None, default: str | None = None) -> str:
    """Return the full name of the device to compute on.

    Raises
    ------
    SettingError
        If it is not a CPU or CUDA device, or does not exist.
    """
    import torch

    if requested is None:
        requested = default or ("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(requested)
    except (RuntimeError, TypeError):
        device = None
    if device is None or device.type not in ("cpu", "cuda"):
        raise SettingError(f'EnformerModel: device must be "cpu" or "cuda" (or "cuda:1" and so on), got {requested!r}')
    if device.type == "cpu":
        return "cpu"
    n_devices = torch.cuda.device_count() if torch.cuda.is_available() else 0
    index = device.index if device.index is not None else (torch.cuda.current_device() if n_devices else 0)
    if index >= n_devices:
        visible = f"{n_devices} CUDA devices" if n_devices else "no CUDA device"
        raise SettingError(
            f"EnformerModel: {requested} was requested, but torch {torch.__version__} sees {visible}; use "
            'device="cpu", or check the driver and CUDA_VISIBLE_DEVICES'
        )
    return f"cuda:{index}"


def fitting_batch(module: Enformer, context_length: int, device: str) -> int:
    """Return the number of sequences per pass that fits into the free memory of the GPU, or into 1 GB on a CPU."""
    import torch

    # at its peak a pass holds several tensors of the size of the first block
    bytes_per_sequence = 4 * context_length * module.stem[0].out_channels * _LIVE_TENSORS
    if torch.device(device).type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        budget = int(_GPU_SHARE * free)
    else:
        budget = _CPU_BYTES
    return int(max(1, min(_MAX_SEQUENCES, budget // bytes_per_sequence)))
