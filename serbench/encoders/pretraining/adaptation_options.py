"""How weights are adapted: what is asked, and what stands for a size of HuBERT where nothing is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, get_args

from serbench.encoders.pretraining.schedule import require
from serbench.encoders.pretraining.stages import LARGE
from serbench.encoders.speakers import Position
from serbench.errors import SerbenchError, unknown

if TYPE_CHECKING:
    from transformers import HubertModel

_BASE = 768


@dataclass(frozen=True)
class BySize:
    """What depends on the size of the weights; the fields of `AdaptationOptions` that may be None.

    Attributes:
        peak: learning rate after warm-up; it falls linearly towards 0.
        batch_seconds: of audio an update.
        gradient: factor on the gradient that reaches the convolutions, 0 to 1 (fairseq's
            `feature_grad_mult`); 0 leaves them as they are.
        layer_drop: chance that a layer of the Transformer is skipped in an update, 0 to 1.
        crop_seconds: of a recording in a batch, at most; one n times as long gives n an epoch.
    """

    peak: float
    batch_seconds: float
    gradient: float
    layer_drop: float
    crop_seconds: float


BY_SIZE: Mapping[str, BySize] = {
    "nano": BySize(5e-4, 24.0, gradient=1.0, layer_drop=0.0, crop_seconds=8.0),
    "base": BySize(1e-5, 87.5, gradient=0.1, layer_drop=0.05, crop_seconds=15.625),
    "large": BySize(1e-5, 87.5, gradient=1.0, layer_drop=0.0, crop_seconds=15.625),
}
"""As published, for Base and Large; ours, for nano.

The rate is that of Tran et al. (2023), who do not give the size of a batch: here it is one GPU's of
Base. The others are those of HuBERT's pre-training (fairseq, `hubert_base_librispeech.yaml` and
`hubert_large_librivox.yaml`, the latter's also of XLarge; 15.625 s are 250,000 samples).
"""


def size_of(encoder: HubertModel) -> str:
    """Return "large" for HuBERT Large and what is wider, "base" for Base, "nano" below."""
    width = encoder.config.hidden_size
    return "large" if width >= LARGE else "base" if width >= _BASE else "nano"


@dataclass(frozen=True)
class AdaptationOptions:
    """How weights are adapted; as published for their size, where nothing is asked.

    Attributes:
        position: where the speaker embedding goes in (PAPT); None: no speakers (TAPT).
        epochs: over the audio.
        peak: see `BySize`, as all that may be None; None is what `BY_SIZE` has for the weights.
        warmup: share of the updates.
        batch_seconds: see `BySize`.
        gradient: see `BySize`.
        layer_drop: see `BySize`.
        crop_seconds: see `BySize`.
        width: of the speaker table, not published.
        layer: whose clusters are predicted, where the weights bring no head; None is three
            quarters up.
        clusters: how many then.
        head_updates: of a new head, before anything else is trained.
        valid_share: of the recordings, for validation.
        seed: of everything.
    """

    position: Position | None = None
    epochs: int = 10
    peak: float | None = None
    warmup: float = 0.05
    batch_seconds: float | None = None
    gradient: float | None = None
    layer_drop: float | None = None
    crop_seconds: float | None = None
    width: int = 64
    layer: int | None = None
    clusters: int = 100
    head_updates: int = 500
    valid_share: float = 0.05
    seed: int = 0

    def __post_init__(self) -> None:
        if self.position not in (None, *get_args(Position)):
            raise unknown("speaker position", str(self.position), get_args(Position))
        require(self, epochs=1, peak=0, batch_seconds=2, width=1, clusters=2, head_updates=1)
        require(self, gradient=0, layer_drop=0, crop_seconds=0.5, seed=0)
        for name in ("gradient", "layer_drop"):
            if (value := getattr(self, name) or 0) > 1:
                raise SerbenchError(f"{name} = {value}: give 1 or less")

    def of(self, encoder: HubertModel) -> BySize:
        """Return what was asked, and for the rest what stands for the size of an encoder."""
        known = asdict(BY_SIZE[size_of(encoder)])
        asked = {name: getattr(self, name) for name in known}
        return BySize(**known | {name: v for name, v in asked.items() if v is not None})
