"""CPC: contrastive prediction, its context (van den Oord et al. 2018; Li et al., ICASSP 2021)."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from torch import Tensor

from serbench.digests import digest_path, local_path
from serbench.errors import SerbenchError
from serbench.upstreams import Clips, Features, Upstream, _cpc, _cpc_audio, stack
from serbench.upstreams._weights import find


def make(*, weights: str | None = None) -> Upstream:
    """Return the context of CPC: one layer, 100 Hz; 256 wide in Li et al. and in `modified_cpc`.

    The frames below the context, SUPERB's other layer of `modified_cpc`, are given by the upstream
    `s3prl`.

    Args:
        weights: a folder written by CPC's pre-training, or a checkpoint file of CPC_audio (s3prl's
            `modified_cpc`), as PyTorch file of tensors and plain values or as safetensors.

    Raises:
        SerbenchError: there are no weights, or they are not CPC's.
    """
    path = None if weights is None else local_path(weights)
    if weights is None or path is None or not path.exists():
        given = "no weights are given" if weights is None else f"there are no weights '{weights}'"
        raise SerbenchError(
            f"upstream 'cpc': {given}; give a folder written by CPC's pre-training or a checkpoint "
            "file of CPC_audio (s3prl's modified_cpc, "
            "https://dl.fbaipublicfiles.com/librilight/CPC_checkpoints/60k_epoch4-d0f474de.pt)"
        )
    if path.is_file():
        known = {"id": path.resolve().name, "digest": digest_path(path)}
        return ContextEncoder(_cpc_audio.read(path), known)
    found = find(weights, None, {})
    return ContextEncoder(_cpc.load(found), found.provenance | _card(found.folder))


class ContextEncoder(Upstream):
    """A CPC network, of which the context is the only layer.

    Convolutions run clip by clip: where they pad, they pad at the end of a clip and not of a batch.
    The recurrence looks at nothing that comes later and so runs on the padded batch.
    """

    sample_rate = 16_000
    depth = 1

    def __init__(self, network: _cpc.Network, provenance: dict[str, str]) -> None:
        """Freeze a network and take it as it is.

        Args:
            network: with its weights.
            provenance: what the weights are.
        """
        super().__init__()
        self.network = network.requires_grad_(False)
        self.dim = network.layout.hidden
        self.provenance = provenance
        self.eval()

    def frames(self, samples: int) -> int:
        """Return the exact number of frames for a clip of `samples` samples."""
        return self.network.layout.frames(samples)

    def forward(self, clips: Clips) -> Features:
        """Encode a batch."""
        frames, lengths = stack([self._convolve(wave) for wave in clips.waves])
        contexts = self.network.contexts(frames[0])
        beyond = torch.arange(contexts.shape[1], device=lengths.device) >= lengths[:, None]
        return Features(contexts.masked_fill(beyond[..., None], 0.0)[None], lengths)

    def _convolve(self, wave: Tensor) -> Tensor:
        if self.frames(len(wave)) < 1:
            least = self.network.layout.shortest
            msg = f"a clip of {len(wave)} samples is shorter than one frame ({least} samples)"
            raise SerbenchError(msg)
        return self.network.convolve(wave[None])


def _card(folder: Path) -> dict[str, str]:
    """Return what the card beside the weights says of them, if there is one."""
    path = folder / "card.json"
    if not path.is_file():
        return {}
    card = json.loads(path.read_text())
    return {name: str(card[name]) for name in ("licence", "trained_on") if name in card}
