"""The file of a pre-training head: what a masked frame is compared with, and how labels are made.

`head.safetensors` holds `project.weight` (P, D), `project.bias` (P,), `embeddings` (C, P), and
`centres` (C, F) where the clusters are those of a layer of the encoder beside it; the layer is in
the metadata. Weights are read as single precision whatever they are stored in.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors import safe_open
from torch import Tensor

from serbench.encoders.pretraining.masked import MaskedPrediction
from serbench.encoders.pretraining.pseudo_labels import Quantizer
from serbench.encoders.tensors import read_tensors, require_finite, write_tensors
from serbench.errors import SerbenchError

FILE = "head.safetensors"
_PARTS = ("project.weight", "project.bias", "embeddings")


class OwnLabels(NamedTuple):
    """Clusters of a layer of the encoder that the head belongs to."""

    quantizer: Quantizer
    layer: int


@dataclass(frozen=True)
class Head:
    """What is needed to go on with a training.

    Attributes:
        tensors: `project.weight`, `project.bias` and `embeddings`, single precision.
        own: where the labels come from, if they are clusters of the encoder's own frames.
    """

    tensors: dict[str, Tensor]
    own: OwnLabels | None = None

    @classmethod
    def of(cls, model: MaskedPrediction) -> Head:
        """Return the head of a model."""
        state = model.state_dict()
        return cls({name: state[name] for name in _PARTS})

    @property
    def clusters(self) -> int:
        """C."""
        return len(self.tensors["embeddings"])

    @property
    def width(self) -> int:
        """P."""
        return len(self.tensors["project.bias"])

    def fill(self, model: MaskedPrediction) -> None:
        """Put the head on a model of its sizes.

        Raises:
            SerbenchError: the encoder has another width.
        """
        wanted, given = model.project.weight.shape, self.tensors["project.weight"].shape
        if wanted != given:
            raise SerbenchError(
                f"the head projects from a width of {given[1]}, the encoder's is {wanted[1]}; give "
                "the head that belongs to these weights"
            )
        model.load_state_dict(self.tensors, strict=False)


def save_head(path: Path, model: MaskedPrediction, own: OwnLabels | None) -> None:
    """Write the head of a trained model.

    Args:
        path: replaced.
        model: trained.
        own: where the labels come from, if they are clusters of this very encoder's frames.
    """
    tensors = {name: value.half() for name, value in Head.of(model).tensors.items()}
    about = {}
    if own is not None:
        tensors["centres"] = torch.from_numpy(own.quantizer.centres).half()
        about["layer"] = str(own.layer)
    write_tensors(path, tensors, about)


def load_head(path: Path) -> Head:
    """Return what `save_head` wrote, or what was converted from fairseq.

    Raises:
        SerbenchError: it is no whole safetensors file, not of a head, or not finite.
    """
    tensors = read_tensors(path)
    with safe_open(path, "pt") as file:
        about = file.metadata() or {}
    if lacking := set(_PARTS) - tensors.keys():
        raise SerbenchError(f"{path} is no head of masked prediction: it lacks {sorted(lacking)}")
    require_finite(str(path), tensors)
    own = None
    if "centres" in tensors:
        own = OwnLabels(Quantizer(tensors["centres"].float().numpy()), int(about["layer"]))
    return Head({name: tensors[name].float() for name in _PARTS}, own)
