"""Any model of s3prl's hub, such as APC, TERA or DeCoAR 2 (Yang et al., Interspeech 2021)."""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from typing import Any

import torch
from torch import Tensor, nn

from serbench.encoders import hub as hubs
from serbench.errors import SerbenchError, brief
from serbench.upstreams import Clips, Features, Upstream, stack

PACKAGES = ("espnet-s3prl", "s3prl")
"""Whose version counts as that of the code does."""

_SHORTEST = 800  # samples; s3prl promises nothing below 50 ms
_PROBE = 8_000  # samples
_VERIFIED = (_SHORTEST, 16_001, 40_007, 80_001)  # samples


def make(*, weights: str = "fbank", checkpoint: str | None = None) -> Upstream:
    """Return a model of s3prl's hub, with all its hidden states.

    For Transformers over waveforms these are the input of each block and the output of the whole.
    s3prl's hub itself gives, for "hf_hubert_custom" and "hf_wav2vec2_custom" with Large weights
    (`do_stable_layer_norm`), another last one: the output of the last block, before the final layer
    norm. Here it is after the norm, as in the Large models of s3prl itself and in our `hubert`.

    A model with weights of its own fetches them on first use, into s3prl's cache. s3prl's
    checkpoints are pickles: load only those you trust.

    Args:
        weights: name in the hub, such as "tera" or "wavlm_base_plus".
        checkpoint: for a model that takes one, such as "hubert_local" (a file) or
            "hf_wav2vec2_custom" (a folder or an id).

    Raises:
        SerbenchError: s3prl is not installed, the model is not in its hub, weights are missing or
            would not be used, or the model cannot be built, fetched or read.
    """
    return S3prlUpstream(weights, hubs.build(weights, checkpoint))


class S3prlUpstream(Upstream):
    """A model of s3prl, clip by clip, so that padding cannot reach the features.

    It gives as many frames as the model has, up to the one for each begun `rate` samples that
    s3prl holds to be true. For a model with a fixed stride that is `(samples + offset) // rate`;
    the offset is measured once and verified. For others, as those that work in windows of
    seconds, `frames` runs the model on silence, once a length.
    """

    sample_rate = 16_000

    def __init__(self, name: str, encoder: Any) -> None:
        """Wrap and measure an encoder.

        Args:
            name: of the model, for messages and provenance.
            encoder: a module of s3prl with `get_downsample_rates`.
        """
        super().__init__()
        self._name = name
        self._encoder = encoder.eval().requires_grad_(False)
        self._rate: int = encoder.get_downsample_rates("hidden_states")  # samples a frame
        self._counts: dict[int, int] = {}
        self.depth, _, self.dim = self._encode(self._silence(max(_VERIFIED))).shape
        self._offset = self._measured_offset()
        self.provenance = {"id": f"s3prl/{name}", "revision": hubs.revision()}
        if any(True for _ in encoder.parameters()):
            self.provenance["digest"] = _digest(encoder)

    def frames(self, samples: int) -> int:
        """Return the number of frames, 0 for a clip that is too short for the model."""
        if samples < _SHORTEST:
            return 0
        if self._offset is not None:
            return max(0, (samples + self._offset) // self._rate)
        if samples not in self._counts:
            self._counts[samples] = self._count(samples)
        return self._counts[samples]

    def forward(self, clips: Clips) -> Features:
        """Encode each clip; one shorter than 50 ms, or than the model takes, is refused."""
        return stack([self._verified(wave) for wave in clips.waves])

    def _verified(self, wave: Tensor) -> Tensor:
        samples = len(wave)
        layers = self._encode(wave)
        if self._offset is None:
            self._counts.setdefault(samples, layers.shape[1])
        if layers.shape[1] != self.frames(samples):
            msg = (
                f"s3prl's '{self._name}' gives {layers.shape[1]} frames for a clip of {samples} "
                f"samples, but {self.frames(samples)} for others as long; it cannot be used"
            )
            raise SerbenchError(msg)
        return layers

    def _encode(self, wave: Tensor) -> Tensor:
        """Return (L, T, D), T at least 1."""
        hidden = self._hidden(wave)
        widths = sorted({layer.shape[-1] for layer in hidden})
        if len(widths) > 1:
            msg = f"the layers of s3prl's '{self._name}' are {widths} wide; one width is needed"
            raise SerbenchError(msg)
        begun = -(-len(wave) // self._rate)
        frames = min(begun, *(layer.shape[1] for layer in hidden))
        if not frames:
            msg = f"a clip of {len(wave)} samples is too short for s3prl's '{self._name}'"
            raise SerbenchError(msg)
        return torch.stack([layer[0, :frames].float() for layer in hidden])

    def _hidden(self, wave: Tensor) -> list[Tensor]:
        """Return the hidden states of one clip, (1, T_l, D_l) each."""
        if len(wave) < _SHORTEST:
            msg = f"a clip of {len(wave)} samples is too short; s3prl takes {_SHORTEST} (50 ms)"
            raise SerbenchError(msg)
        trains = any(parameter.requires_grad for parameter in self.parameters())
        try:
            with hubs.contained(), torch.set_grad_enabled(trains and torch.is_grad_enabled()):
                return list(self._encoder([_ending_in_sound(wave)])["hidden_states"])
        except Exception as error:
            msg = f"s3prl's '{self._name}' fails on a clip of {len(wave)} samples"
            raise SerbenchError(f"{msg}: {brief(error)}") from error

    def _measured_offset(self) -> int | None:
        """Return k if the model has (samples + k) // rate frames throughout, else None."""
        following = self._count(_PROBE) + 1
        lengths = range(_PROBE, _PROBE + self._rate)
        first = _PROBE + bisect_left(lengths, following, key=self._count)
        offset = following * self._rate - first
        holds = all(self._count(n) == max(0, (n + offset) // self._rate) for n in _VERIFIED)
        return offset if holds else None

    def _count(self, samples: int) -> int:
        try:
            return self._encode(self._silence(samples)).shape[1]
        except SerbenchError:
            return 0

    def _silence(self, samples: int) -> Tensor:
        device = next(self.parameters(), torch.empty(0)).device
        return torch.zeros(samples, device=device)


def _ending_in_sound(wave: Tensor) -> Tensor:
    """Return the wave with a last sample that is not quite zero.

    s3prl's spectra take zeros at the end of a clip for padding and cut them off.
    """
    if wave[-1]:
        return wave
    tail = wave.new_full((1,), torch.finfo(wave.dtype).tiny)
    return torch.cat([wave[:-1], tail])


def _digest(module: nn.Module) -> str:
    """Return the SHA-256 of all that a module has learnt, name by name."""
    digest = hashlib.sha256()
    for name, value in sorted(module.state_dict().items()):
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        digest.update(value.cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
