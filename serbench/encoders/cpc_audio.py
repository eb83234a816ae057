"""Checkpoints of CPC_audio (Riviere et al., ICASSP 2020), which s3prl calls `modified_cpc`.

Such a file holds the tensors of `gEncoder` (five convolutions) and `gAR` (a GRU or an LSTM), below
`weights` with the settings beside them in `config` as they are published, below `gEncoder` as its
training writes them, or alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from serbench.encoders.cpc import Cell, Layout, Network, filled
from serbench.encoders.tensors import read_pickled, read_tensors
from serbench.errors import SerbenchError

_KERNELS, _STRIDES, _PADDINGS = (10, 8, 4, 4, 4), (5, 4, 2, 2, 2), (3, 2, 1, 1, 1)
_GATES: dict[int, Cell] = {3: "gru", 4: "lstm"}
_NAMES = {
    r"gEncoder\.conv(\d)\.": r"convolutions.\1.",
    r"gEncoder\.batchNorm(\d)\.": r"norms.\1.",
    r"gAR\.baseNet\.": "recurrence.",
}


def read(path: Path) -> Network:
    """Return the network of a checkpoint: safetensors, or PyTorch's file, which runs no code here.

    Its criterion and optimiser, if there, are left over.

    Raises:
        SerbenchError: the file cannot be read, or its network is of a kind that looks ahead, has
            no convolutions or no recurrence, or is normalised over a batch or an utterance.
    """
    safe = path.suffix == ".safetensors"
    content: Mapping[str, Any] = read_tensors(path) if safe else _unpickled(path)
    mode = str(content.get("config", {}).get("cpc_mode"))
    if mode in ("reverse", "bert"):
        raise SerbenchError(f"{path} was trained in CPC_audio's mode '{mode}', which looks ahead")
    stored = content.get("weights", content.get("gEncoder", content))
    tensors = {name: t for name, t in stored.items() if name.startswith(("gEncoder.", "gAR."))}
    if not all(isinstance(value, Tensor) for value in tensors.values()):
        raise SerbenchError(f"{path}: the network's entries are not all tensors")
    return filled(str(path), _layout(path, tensors), _renamed(tensors))


def _unpickled(path: Path) -> Mapping[str, Any]:
    try:
        content = read_pickled(path)
    except SerbenchError:
        raise
    except Exception as error:  # a bad pickle can end in an error of any kind
        raise SerbenchError(
            f"{path} is not a PyTorch file of tensors and plain values; save its tensors as "
            "safetensors, under the same names"
        ) from error
    if not isinstance(content, dict):
        raise SerbenchError(f"{path} holds a {type(content).__name__}, not a dict of tensors")
    return content


def _layout(path: Path, tensors: Mapping[str, Tensor]) -> Layout:
    """Read the sizes off the tensors."""
    kernels: list[int] = []
    while (weight := tensors.get(f"gEncoder.conv{len(kernels)}.weight")) is not None:
        kernels.append(weight.shape[-1])
    recurrent = tensors.get("gAR.baseNet.weight_hh_l0")
    if tuple(kernels) != _KERNELS or recurrent is None:
        raise SerbenchError(
            f"{path} is no checkpoint of CPC_audio with a recurrence: kernels {kernels} instead of "
            f"{list(_KERNELS)}, or no gAR.baseNet.weight_hh_l0; weights that serbench "
            "wrote are given as their folder"
        )
    gates = len(recurrent) // recurrent.shape[1]
    norm = tensors.get("gEncoder.batchNorm0.weight")
    if gates not in _GATES or (norm is not None and norm.ndim != 3):
        raise SerbenchError(
            f"{path}: its recurrence is neither GRU nor LSTM, or its norm is not the layer norm"
        )
    return Layout(
        channels=len(tensors["gEncoder.conv0.weight"]),
        hidden=recurrent.shape[1],
        kernels=_KERNELS,
        strides=_STRIDES,
        paddings=_PADDINGS,
        norm=norm is not None,
        cell=_GATES[gates],
        layers=sum(name.startswith("gAR.baseNet.weight_hh_l") for name in tensors),
    )


def _renamed(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors under our names; a norm's (1, channels, 1) are (channels,) here."""
    renamed = {}
    for name, value in tensors.items():
        for pattern, ours in _NAMES.items():
            name = re.sub(f"^{pattern}", ours, name)
        renamed[name] = value.flatten() if name.startswith("norms.") else value
    return renamed
