"""w2v-BERT 2.0: a Conformer over log mel frames, of which each sees two at once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torchaudio.compliance import kaldi

from serbench.encoders.transformers import checkpoint, load, save
from serbench.encoders.waveform import inputs_of
from serbench.encoders.weights import Weights
from serbench.errors import SerbenchError
from serbench.upstreams import Clips, Features, Upstream, stack

TYPE = "wav2vec2-bert"
_WINDOW, _SHIFT = 400, 160  # samples, 25 and 10 ms
_FLOOR = 1e-7  # of the variance, as in transformers' SeamlessM4TFeatureExtractor
_FULL_SCALE = 2**15  # Kaldi's samples are integers of 16 bits


class SpeechBert(Upstream):
    """w2v-BERT 2.0 (Barrault et al., Seamless, arXiv:2312.05187), at 50 Hz.

    The layers are the input of each block and the output of the last, N + 1 in all. Clips go
    through one by one.

    Args:
        weights: of model type `TYPE`.
    """

    def __init__(self, weights: Weights) -> None:
        super().__init__()
        self.model: Any = load(weights)
        config, self.settings = self.model.config, weights.preprocessor()
        config.layerdrop = 0.0  # it would leave layers out when the encoder is trained
        self.sample_rate: int = self.settings.get("sampling_rate", 16_000)
        self.stride: int = self.settings.get("stride", 2)
        self.bins: int = config.feature_projection_input_dim // self.stride
        self.depth = config.num_hidden_layers + 1
        self.dim = config.hidden_size
        self.provenance = weights.provenance
        self.eval()

    def frames(self, samples: int) -> int:
        """Return the exact number of frames: one for each `stride` windows of 25 ms."""
        return max(0, 1 + (samples - _WINDOW) // _SHIFT) // self.stride

    def forward(self, clips: Clips) -> Features:
        """Encode a batch."""
        return stack([self._encode(wave) for wave in clips.waves])

    def checkpoint_gradients(self) -> None:
        """Compute activations of the blocks again in the backward pass."""
        checkpoint(self.model.encoder.layers)

    def save(self, folder: Path) -> None:
        """Write weights, settings and preprocessor in the layout of `save_pretrained`."""
        save(self.model, folder)
        text = json.dumps(self.settings, indent=1)
        (folder / "preprocessor_config.json").write_text(text + "\n")

    def _encode(self, wave: Tensor) -> Tensor:
        """Return the (L, T, D) layers of one clip."""
        with inputs_of(self.model.encoder.layers) as layers:
            encoded = self.model.encoder(self.model.feature_projection(self._mels(wave)[None])[0])
        return torch.cat([*layers, encoded.last_hidden_state])

    def _mels(self, wave: Tensor) -> Tensor:
        """Return (T, `stride` times bins) log mel energies, each bin normalised over the clip."""
        frames = self.frames(len(wave))
        if frames < 1:
            least = _WINDOW + (self.stride - 1) * _SHIFT
            msg = f"a clip of {len(wave)} samples is shorter than one frame ({least} samples)"
            raise SerbenchError(msg)
        mels = kaldi.fbank(
            wave[None] * _FULL_SCALE,
            num_mel_bins=self.bins,
            sample_frequency=self.sample_rate,
            dither=0.0,
        )
        variance, mean = torch.var_mean(mels, dim=0)
        scaled: Tensor = (mels - mean) / torch.sqrt(variance + _FLOOR)
        return scaled[: frames * self.stride].reshape(frames, -1)


__all__ = ["TYPE", "SpeechBert"]
