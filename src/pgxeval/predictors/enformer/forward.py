"""One pass of Enformer: geometry, the module borrowed and given back, the wanted bins and tracks alone."""

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
_FEATURES = 192  # position features a head that they are for
_LIVE_TENSORS = 6
_GPU_SHARE = 0.6
_CPU_BYTES = 2**30  # larger batches make nothing faster there
_MOST_SEQUENCES = 64


@attrs.frozen(kw_only=True)
class Geometry:
    """Bases in, bins out.

    Parameters
    ----------
    context_length
        Bases of sequence [bp].
    bin_width_bp
        Bases a bin.
    n_bins
        Bins that come out.
    crop
        Bins left out at either end.
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
        """Work out the geometry of a module; None stands for the published practice.

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
                f"({_POSITIONS * width:,} bp here) and {_FEATURES} features a head; this is {positions} positions and "
                f"{features} features: give use_tf_gamma=False if the model was trained without them"
            )
        if use_tf_gamma is None and features == _FEATURES and not fits:
            raise SettingError(
                f"EnformerModel: the published position features are for {_POSITIONS * width:,} bp, not {length:,} bp; "
                "give use_tf_gamma=False to run without them (published weights then predict otherwise), or leave "
                "context_length away"
            )
        target = module.target_length if target_length is None else target_length
        n_bins = positions if target == -1 else target
        if isinstance(n_bins, bool) or not isinstance(n_bins, int) or not 1 <= n_bins <= positions:
            raise SettingError(
                f"EnformerModel: target_length must be from 1 to {positions} bins, or -1 for all, got {n_bins!r}"
            )
        if (positions - n_bins) % 2:
            raise SettingError(
                f"EnformerModel: target_length {n_bins} cannot be cut from the middle of {positions} bins evenly; "
                f"take {n_bins - 1} or {n_bins + 1}, or -1 for all"
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
    """Have the module in evaluation mode, on `device`, with the right position features; then as it was before."""
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
    """Compute without gradients in `precision`; all switches of torch are put back."""
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

    The body sees the whole sequences; behind it only the wanted positions and tracks are computed.
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
    with torch.autocast(hidden.device.type, enabled=False):  # the head is computed in float32 always
        return functional.softplus(functional.linear(hidden.float(), weight, bias))


def head_outputs(module: Enformer, head: str) -> int:
    """Return the number of outputs of a head.

    Raises
    ------
    SettingError
        If there is no such head, or it is none of the published make.
    """
    from torch import nn

    heads = module._heads
    if head not in heads:
        raise SettingError(f"EnformerModel: there is no head {head!r}; the model has {', '.join(heads)}")
    layers = list(heads[head].children())
    if len(layers) != 2 or not isinstance(layers[0], nn.Linear) or not isinstance(layers[1], nn.Softplus):
        raise SettingError(f"EnformerModel: the head {head} is not a linear layer and a softplus, as published")
    return int(layers[0].out_features)


def says_tf_gamma(module: Enformer) -> bool | None:
    """Return what the attention layers say of their position features; None without any layer."""
    from enformer_pytorch.modeling_enformer import Attention

    flags = [bool(part.use_tf_gamma) for part in module.modules() if isinstance(part, Attention)]
    return all(flags) if flags else None


def choose_device(asked: str | None, default: str | None = None) -> str:
    """Return the device to compute on, by its full name.

    Raises
    ------
    SettingError
        If it is no CPU or CUDA device, or not there.
    """
    import torch

    if asked is None:
        asked = default or ("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(asked)
    except (RuntimeError, TypeError):
        device = None
    if device is None or device.type not in ("cpu", "cuda"):
        raise SettingError(f'EnformerModel: device must be "cpu" or "cuda" (or "cuda:1" and so on), got {asked!r}')
    if device.type == "cpu":
        return "cpu"
    there = torch.cuda.device_count() if torch.cuda.is_available() else 0
    index = device.index if device.index is not None else (torch.cuda.current_device() if there else 0)
    if index >= there:
        seen = f"{there} CUDA devices" if there else "no CUDA device"
        raise SettingError(
            f"EnformerModel: {asked} was asked for, and torch {torch.__version__} sees {seen}; take "
            'device="cpu", or look at the driver and at CUDA_VISIBLE_DEVICES'
        )
    return f"cuda:{index}"


def fitting_batch(module: Enformer, context_length: int, device: str) -> int:
    """Return how many sequences a pass may hold: what fits into the GPU's free memory, or a GB on the CPU."""
    import torch

    # at its peak a pass holds some tensors of the first block's size
    a_sequence = 4 * context_length * module.stem[0].out_channels * _LIVE_TENSORS
    if torch.device(device).type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        budget = int(_GPU_SHARE * free)
    else:
        budget = _CPU_BYTES
    return int(max(1, min(_MOST_SEQUENCES, budget // a_sequence)))


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether an error of torch means that memory did not suffice."""
    import torch

    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return any(words in str(error) for words in ("DefaultCPUAllocator", "out of memory", "not enough memory"))


def release_memory(device: str) -> None:
    """Give back what torch keeps of a GPU's memory for later."""
    import torch

    if torch.device(device).type == "cuda":
        torch.cuda.empty_cache()
