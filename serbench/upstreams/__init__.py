"""The contract of an upstream: waveforms or transcripts in, layers of frames out.

Every public module of this folder is one upstream with a `make(...)`; `serbench check upstream
NAME` runs the contract on any of them, or on a foreign one.

    >>> class Peaks(Upstream):  # the largest sample of each 20 ms
    ...     sample_rate, depth, dim = 16_000, 1, 1
    ...     def frames(self, samples):
    ...         return samples // 320
    ...     def forward(self, clips):
    ...         if min(map(len, clips.waves), default=0) < 320:
    ...             raise SerbenchError("no clip, or one that is shorter than 320 samples")
    ...         blocks = [w[: len(w) // 320 * 320].view(1, -1, 320) for w in clips.waves]
    ...         return stack([each.amax(2, keepdim=True) for each in blocks])  # (L, T, D) each
    >>> waves = [torch.ones(1000), torch.ones(400)]
    >>> layers, lengths = Peaks()(Clips(waves, speakers=["ann", "bob"], texts=[None, None]))
    >>> layers.shape, lengths  # L, B, T, D
    (torch.Size([1, 2, 3, 1]), tensor([3, 1]))
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from serbench.errors import SerbenchError


class Clips(NamedTuple):
    """What an upstream gets: unpadded utterances.

    waves: (samples,) float32 each, at the upstream's sample rate, full scale is [-1, 1]; without
        samples for an upstream that reads text.
    speakers: one id an utterance.
    texts: the transcript of each utterance, or None.
    """

    waves: list[Tensor]
    speakers: list[str]
    texts: list[str | None]

    def to(self, device: torch.device | str) -> Clips:
        """Return the batch on a device."""
        return self._replace(waves=[wave.to(device) for wave in self.waves])


class Features(NamedTuple):
    """What an upstream gives.

    layers: (L, B, T, D) float32, zero beyond each length.
    lengths: (B,) int64, frames.
    """

    layers: Tensor
    lengths: Tensor

    def to(self, device: torch.device | str) -> Features:
        """Return the batch on a device."""
        return Features(self.layers.to(device), self.lengths.to(device))


class Recording(NamedTuple):
    """One utterance of a corpus to train an encoder on.

    path: an audio file.
    speaker: who speaks; only the validation split and personalised training look at it.
    start: seconds.
    end: seconds; NaN is the end of the file.
    digest: of its samples, by which a card names it; empty: nobody knows.
    """

    path: Path
    speaker: str
    start: float = 0.0
    end: float = math.nan
    digest: str = ""


@dataclass(frozen=True)
class Unlabelled:
    """Audio of a corpus that a run offers an upstream to adapt to, without labels.

    An upstream that takes the offer has in its module the constant `ADAPTED_BY`, names of those
    options of `make` that decide what comes out, and a function

        adapt(options, offered, place, *, progress, device) -> dict

    with all options of `make`, this class, a folder to keep what it makes, which is the same again
    for the same options and recordings, and where progress is shown and on which torch device to
    work. It returns the options that change for `make`, such as `{"weights": path}` with weights as
    safetensors and beside them a `card.json` whose `base` is the provenance of what they were made
    of, if anything; or nothing, if those given are to be taken as they are. An interrupted one is
    called again. Where weights are of no use before that, `make` raises
    `serbench.errors.NotAdaptedError`; whatever else it raises refuses the run before anything is
    adapted. An option `adapt_on` ("all", "train") lets the user say which utterances are offered.

    Attributes:
        corpus: name of the benchmark.
        licence: of its audio.
        citation: of the corpus, for the card.
        part: which of its utterances these are, in words.
        recordings: one an utterance, in an order that does not depend on where they lie.
    """

    corpus: str
    licence: str
    citation: str
    part: str
    recordings: Sequence[Recording]


class Upstream(nn.Module, ABC):
    """An encoder; owns its normalisation, padding and masks; frozen unless told.

    The features of a clip must not depend on the clips beside it. `tolerance` says how far they
    may differ (largest absolute difference over the largest absolute value of the layer).

    Attributes:
        reads: what of a clip it encodes; one that reads "text" is a `TextUpstream`.
        sample_rate: Hz.
        depth: L, layers.
        dim: D, width of a frame.
        tolerance: allowed relative difference between a clip alone and in a batch.
        provenance: what the weights are: `id`, `revision`, `digest`, `licence`, `trained_on`,
            `method`, as far as they exist. Empty for an upstream without weights.
    """

    reads: ClassVar[Literal["waves", "text"]] = "waves"
    sample_rate: int
    depth: int
    dim: int
    tolerance: float = 1e-4
    provenance: dict[str, str]

    def __init__(self) -> None:
        super().__init__()
        self.provenance = {}

    @abstractmethod
    def frames(self, samples: int) -> int:
        """Return the exact number of frames for a clip of `samples` samples."""

    def counts(self, clips: Clips) -> list[int]:
        """Return the exact number of frames of each clip of a batch."""
        return [self.frames(len(wave)) for wave in clips.waves]

    @abstractmethod
    def forward(self, clips: Clips) -> Features:
        """Encode a batch; no clip at all, or one too short for a frame, raises `SerbenchError`."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Tell the author of an older plugin which names have changed."""
        super().__init_subclass__(**kwargs)
        if renamed := [name for name in ("strangers", "meet") if hasattr(cls, name)]:
            msg = (
                f"upstream class {cls.__name__} defines {' and '.join(renamed)}; "
                "`strangers` is now called `unseen_speakers` and `meet` is `enrol`, so rename them"
            )
            raise SerbenchError(msg)

    def unseen_speakers(self, names: Sequence[str]) -> list[str]:
        """Return those of some speakers whom it has to hear before it encodes them: here none."""
        return []

    def enrol(self, name: str, waves: Sequence[Tensor]) -> None:
        """Hear one of the `unseen_speakers`: some of his utterances, (samples,) each."""
        msg = f"{type(self).__name__} names unseen speakers but has no `enrol`; define it"
        raise SerbenchError(msg)

    def trainable(self) -> Iterable[nn.Parameter]:
        """Return the parameters that learn when the upstream is trained with a head: here all."""
        return self.parameters()

    def front_end(self) -> Iterable[nn.Parameter]:
        """Return what `trainable` leaves out, but may learn where that is asked for: here nothing.

        Of most encoders those are the convolutions over the waveform.
        """
        return ()

    def checkpoint_gradients(self) -> None:
        """Keep fewer activations from now on, and compute them again in the backward pass.

        Raises:
            SerbenchError: it cannot do that.
        """
        msg = (
            "this upstream cannot compute activations again; leave checkpointing out, or make "
            "batches smaller"
        )
        raise SerbenchError(msg)

    def save(self, folder: Path) -> None:
        """Write weights that `make(weights=folder)` of its module takes, in single precision.

        Args:
            folder: made if need be.

        Raises:
            SerbenchError: it cannot be saved.
        """
        msg = (
            "this upstream cannot be saved, so it cannot be fine-tuned "
            "before the head; train both together, --set training.finetune=true"
        )
        raise SerbenchError(msg)

    def auxiliary_loss(self, clips: Clips, features: Features) -> Tensor | None:
        """Return what is added to the head's loss when both are trained: here nothing.

        Args:
            clips: a batch of training.
            features: what `forward` made of it, with its graph.

        Returns:
            A scalar, weighted as it shall count; what it draws comes from torch's generator.
        """
        return None


class TextUpstream(Upstream):
    """An encoder of transcripts: a frame is a token.

    It looks at the texts of clips alone, has no sample rate, and a run decodes no audio for it. A
    clip without text is none that it can encode.
    """

    reads: ClassVar[Literal["waves", "text"]] = "text"

    @abstractmethod
    def tokens(self, text: str) -> int:
        """Return the exact number of frames for a text, 0 if there is nothing to read in it."""

    def frames(self, samples: int) -> int:
        """Refuse: what it encodes is not counted in samples."""
        msg = f"{type(self).__name__} reads text, of which `tokens` counts the frames"
        raise SerbenchError(msg)

    def counts(self, clips: Clips) -> list[int]:
        """Return the number of tokens of each clip; 0 for one without text."""
        return [self.tokens(text or "") for text in clips.texts]


def stack(clips: Sequence[Tensor]) -> Features:
    """Return the clips of a batch, encoded one by one, padded with zeros to the longest.

    Args:
        clips: (L, T_i, D) float32 each.

    Returns:
        Layers (L, B, T, D) with T the largest T_i, and the lengths T_i.

    Raises:
        SerbenchError: `clips` is empty.
    """
    if not clips:
        msg = "an empty batch has no features; give one clip at least"
        raise SerbenchError(msg)
    lengths = torch.tensor([clip.shape[1] for clip in clips], device=clips[0].device)
    by_frame = pad_sequence([clip.transpose(0, 1) for clip in clips])  # (T, B, L, D)
    return Features(by_frame.permute(2, 1, 0, 3).contiguous(), lengths)


__all__ = ["Clips", "Features", "Recording", "TextUpstream", "Unlabelled", "Upstream", "stack"]
