"""The family of wav2vec 2.0: convolutions over the waveform, then a Transformer over frames."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from serbench.encoders.transformers import (
    checkpoint,
    load,
    save,
    unwarned_of_masks,
    write_preprocessor,
)
from serbench.encoders.weights import CARD, Weights
from serbench.errors import SerbenchError
from serbench.upstreams import Clips, Features, Upstream, stack

# their encoders convolve over frames where a mask of the padding is not applied
UNMASKED = {"data2vec-audio", "wav2vec2-conformer"}
MASKED = {"hubert", "unispeech", "unispeech-sat", "wav2vec2", "wavlm"}
SQUEEZED = {"sew", "sew-d"}
_FLOOR = 1e-7  # of the variance, as in transformers' Wav2Vec2FeatureExtractor


class Scale(NamedTuple):
    """What brings waves to mean 0 and variance 1, as transformers' extractor does.

    Both are (..., 1).
    """

    mean: Tensor
    deviation: Tensor

    @classmethod
    def of(cls, waves: Tensor) -> Scale:
        """Return that of (..., samples)."""
        variance = waves.var(-1, correction=0, keepdim=True)
        return cls(waves.mean(-1, keepdim=True), torch.sqrt(variance + _FLOOR))

    def __call__(self, waves: Tensor) -> Tensor:
        """Return (..., samples), the waves or a part of them, normalised."""
        return (waves - self.mean) / self.deviation


def normalized(waves: Tensor) -> Tensor:
    """Return (..., samples) with mean 0 and variance 1."""
    return Scale.of(waves)(waves)


class WaveformEncoder(Upstream):
    """An encoder of the wav2vec 2.0 family with SUPERB's layers.

    Layers are the input of each Transformer block and the output of the Transformer, N + 1 in all
    (s3prl's hooks on `encoder.layers[i]` and `encoder`). For pre-norm models (the Large ones) the
    last therefore is after the final layer norm, as in transformers 4; `hidden_states[-1]` of
    transformers 5 is before it.

    Clips are normalised and go through the convolutions one by one: the group norm of the Base
    models averages over time, so a batch would show it the padding (and on a CPU a batch is
    slower: 9 against 17 times real time at Base's size, one thread). The Transformer runs on the
    batch with the padding masked, or clip by clip where its convolutions would see it.

    A subclass that changes what goes into the Transformer or comes out of it overrides
    `transform`.

    Args:
        weights: of a model type in `MASKED` or `UNMASKED`.
    """

    def __init__(self, weights: Weights) -> None:
        super().__init__()
        self.model: Any = load(weights)
        config, settings = self.model.config, weights.preprocessor()
        if not settings and (weights.folder / CARD).is_file():
            msg = (
                f"weights '{weights.name}' have a {CARD}, but no preprocessor_config.json, which "
                "is written with it and says whether waves are normalised; copy the whole folder"
            )
            raise SerbenchError(msg)
        # it would leave layers out of the list when the encoder is trained
        config.layerdrop = 0.0
        self.kernels = list(zip(config.conv_kernel, config.conv_stride, strict=True))
        self.sample_rate = settings.get("sampling_rate", 16_000)
        # without a preprocessor: the rule by which fairseq trained these models
        norm = getattr(config, "feat_extract_norm", "layer")
        self.normalize: bool = settings.get("do_normalize", norm == "layer")
        self.batches: bool = config.model_type in MASKED
        self.squeeze: int = getattr(
            config, "squeeze_factor", 1
        )  # frames of the convolutions a frame
        if getattr(config, "conv_pos_batch_norm", False):
            # it lifts the zeros of the padding before they are convolved
            self.batches = False
        self.depth = config.num_hidden_layers + 1
        self.dim = config.hidden_size
        self.provenance = weights.provenance
        self.eval()

    def frames(self, samples: int) -> int:
        """Return the exact number of frames for a clip of `samples` samples."""
        for kernel, stride in self.kernels:
            samples = (samples - kernel) // stride + 1
        return max(samples, 0) // self.squeeze

    def forward(self, clips: Clips) -> Features:
        """Encode a batch."""
        if self.batches:
            return self._encode(clips)
        alone = (self._encode(Clips([w], [s], [t])) for w, s, t in zip(*clips, strict=True))
        return stack([one.layers[:, 0] for one in alone])

    def trainable(self) -> Iterable[nn.Parameter]:
        """Return all but the convolutions' parameters, which usual fine-tuning leaves frozen."""
        frozen = set(self.model.feature_extractor.parameters())
        return (parameter for parameter in self.parameters() if parameter not in frozen)

    def front_end(self) -> Iterable[nn.Parameter]:
        """Return the convolutions' parameters."""
        parameters: Iterable[nn.Parameter] = self.model.feature_extractor.parameters()
        return parameters

    def checkpoint_gradients(self) -> None:
        """Compute activations of the Transformer's blocks again in the backward pass."""
        checkpoint(self.model.encoder.layers)

    def save(self, folder: Path) -> None:
        """Write weights, settings and preprocessor in the layout of `save_pretrained`."""
        save(self.model, folder)
        write_preprocessor(folder, normalize=self.normalize, rate=self.sample_rate)

    def _encode(self, clips: Clips) -> Features:
        convolved, lengths = stack([self._convolve(wave)[None] for wave in clips.waves])
        mask = torch.arange(convolved.shape[2], device=lengths.device) < lengths[:, None]
        projected = self.model.feature_projection(convolved[0])
        hidden = projected if isinstance(projected, Tensor) else projected[0]
        layers = self.transform(hidden, mask, clips)
        return Features(layers.masked_fill(~mask[..., None], 0.0), lengths)

    def _convolve(self, wave: Tensor) -> Tensor:
        """Return the (T, C) output of the convolutions over one clip."""
        convolved: Tensor = self.model.feature_extractor(self._taken(wave)[None])
        return convolved[0].T

    def _taken(self, wave: Tensor) -> Tensor:
        """Return one clip as the model takes it."""
        if self.frames(len(wave)) < 1:
            least = self.squeeze
            for kernel, stride in reversed(self.kernels):
                least = (least - 1) * stride + kernel
            msg = f"a clip of {len(wave)} samples is shorter than one frame ({least} samples)"
            raise SerbenchError(msg)
        return normalized(wave) if self.normalize else wave

    def transform(self, hidden: Tensor, mask: Tensor, clips: Clips) -> Tensor:
        """Run the Transformer.

        Args:
            hidden: (B, T, D) projected output of the convolutions.
            mask: (B, T) bool, True where a frame is not padding.
            clips: the batch, for what else a subclass conditions on.

        Returns:
            (L, B, T, D), of any value in the padding.
        """
        with inputs_of(self.model.encoder.layers) as inputs, unwarned_of_masks():
            output = self.model.encoder(hidden, attention_mask=mask).last_hidden_state
        return torch.stack([*inputs, output])


class SqueezedEncoder(WaveformEncoder):
    """SEW or SEW-D: wav2vec 2.0 whose Transformer sees each two frames as one (Wu et al., 2022).

    Layers are the input of each Transformer block and the output of the last, before they are
    brought back to the rate of the convolutions, so that all have one rate. Clips go through one by
    one: what is squeezed has no mask.

    Args:
        weights: of a model type in `SQUEEZED`.
    """

    def checkpoint_gradients(self) -> None:
        """Compute activations of the Transformer's blocks again in the backward pass."""
        checkpoint(self._blocks())

    def _blocks(self) -> Any:
        inner = getattr(self.model.encoder, "encoder", None)
        return self.model.encoder.layers if inner is None else inner.layer

    def _encode(self, clips: Clips) -> Features:
        (wave,) = clips.waves
        with inputs_of([*self._blocks(), self.model.encoder.upsample]) as inputs:
            self.model(self._taken(wave)[None])
        layers = torch.stack(inputs)
        return Features(layers, torch.tensor([layers.shape[2]], device=layers.device))


@contextmanager
def inputs_of(modules: Iterable[nn.Module]) -> Iterator[list[Tensor]]:
    """Give a list to which each module adds its input when it runs."""
    inputs: list[Tensor] = []
    hooks = [each.register_forward_pre_hook(lambda _, a: inputs.append(a[0])) for each in modules]
    try:
        yield inputs
    finally:
        for hook in hooks:
            hook.remove()
