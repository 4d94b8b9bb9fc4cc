"""Small Enformers that take every path of the big one, the judge of their numbers, and writers of weights folders."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import enformer_pytorch
import numpy as np
import numpy.typing as npt
import torch
from enformer_pytorch.modeling_enformer import Attention
from safetensors.torch import save_file

torch.set_num_threads(1)

SMALL = {  # 512 bp -> 64 positions of 8 bp -> 32 bins
    "dim": 48,
    "depth": 2,
    "heads": 2,
    "num_downsamples": 3,
    "dim_divisible_by": 8,
    "attn_dim_key": 8,
    "target_length": 32,
    "output_heads": {"human": 7, "mouse": 3},
}
# 12,288 bp -> 1,536 positions, 192 features a head: the position features of the original fit
PUBLISHED_POSITIONS = {"dim": 192, "depth": 1, "heads": 1, "dim_divisible_by": 16, "target_length": 896}
_KEPT = ("dim", "depth", "heads", "num_downsamples", "dim_divisible_by", "attn_dim_key", "target_length")


def make_enformer(seed: int = 0, **settings: Any) -> Any:
    """Return a random Enformer whose attention, position features and batch norms all shape the answer."""
    torch.manual_seed(seed)
    module = enformer_pytorch.Enformer.from_hparams(**{**SMALL, **settings})
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if "to_out" in name or name.startswith("_heads"):
                parameter.normal_(std=0.5)
            elif "to_rel_k" in name:
                parameter.normal_()
        for name, buffer in module.named_buffers():
            if name.endswith("running_mean"):
                buffer.normal_(std=0.5)
            elif name.endswith("running_var"):
                buffer.uniform_(0.5, 2.0)
    return module


def plain_forward(
    module: Any, sequences: npt.NDArray[np.uint8], *, use_tf_gamma: bool = False, head: str = "human"
) -> Any:
    """Judge: enformer-pytorch as its README calls it, on texts, without any of our code."""
    was_training = module.training
    attentions = [part for part in module.modules() if isinstance(part, Attention)]
    flags = [part.use_tf_gamma for part in attentions]
    for part in attentions:
        part.use_tf_gamma = use_tf_gamma
    module.eval()
    with torch.no_grad():
        values = module([row.tobytes().decode() for row in sequences], head=head).numpy()
    for part, flag in zip(attentions, flags, strict=True):
        part.use_tf_gamma = flag
    module.train(was_training)
    return values


def random_dna(n: int, length: int = 512, seed: int = 0) -> npt.NDArray[np.uint8]:
    """Return random sequences with some N, uint8 ASCII (n, length)."""
    letters = np.frombuffer(b"ACGTN", dtype=np.uint8)
    return np.random.default_rng(seed).choice(letters, size=(n, length), p=[0.24, 0.25, 0.25, 0.25, 0.01])


def write_enformer(folder: Path, module: Any, *, layout: str = "bin", **config: Any) -> Path:
    """Write a weights folder in one of the layouts that are about."""
    folder.mkdir(parents=True, exist_ok=True)
    said = {name: getattr(module.config, name) for name in _KEPT} | {"output_heads": module.config.output_heads}
    (folder / "config.json").write_text(json.dumps({"model_type": "enformer", **said, **config}))
    state = module.state_dict()
    if layout == "bin":  # as on the hub: every tensor twice, once below _trunk
        torch.save(state, folder / "pytorch_model.bin")
        return folder
    if layout == "safetensors":
        state = {name: tensor for name, tensor in state.items() if not name.startswith("_trunk.")}
    elif layout == "safetensors_trunk":
        parts = ("stem.", "conv_tower.", "transformer.", "final_pointwise.")
        state = {name: tensor for name, tensor in state.items() if not name.startswith(parts)}
    else:
        state = {name: tensor.clone() for name, tensor in state.items()}
    save_file(state, folder / "model.safetensors")
    return folder
