"""HuBERT's masked prediction on transformers' `HubertModel` (Hsu et al. 2021, arXiv 2106.07447)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from serbench.encoders.pretraining.audio import Audio, Cut, Cutting, plan
from serbench.encoders.pretraining.pseudo_labels import Labels
from serbench.encoders.pretraining.schedule import mix
from serbench.encoders.pretraining.trainer import Outcome
from serbench.encoders.speakers import SpeakerModule
from serbench.encoders.waveform import Scale
from serbench.errors import SerbenchError

if TYPE_CHECKING:
    from transformers import HubertModel


@dataclass(frozen=True)
class Masking:
    """Spans of `length` frames; `probability` of the frames if none overlapped; `least` spans."""

    probability: float = 0.8
    length: int = 10
    least: int = 2


def mask_spans(batch: int, frames: int, masking: Masking, generator: torch.Generator) -> Tensor:
    """Draw HuBERT's masks for clips of equal length.

    The number of spans is `probability * frames / length + u` rounded down, u uniform in [0, 1) and
    drawn once a batch. Starts are drawn without replacement, spans may overlap, and every row is
    then thinned to the smallest number of masked frames in the batch. About half of the frames end
    up masked (fairseq `compute_mask_indices`, type static).

    Args:
        batch: clips.
        frames: of each clip; more than the fewest spans allowed.
        masking: the rule's numbers.
        generator: on the CPU.

    Returns:
        (B, T) bool, true where masked.
    """
    if frames <= masking.least:
        raise SerbenchError(f"a clip of {frames} frames is too short for {masking.least} masks")
    chance = float(torch.rand((), generator=generator))
    spans = max(masking.least, int(masking.probability * frames / masking.length + chance))
    places = max(frames - masking.length, spans + 1)
    mask = torch.zeros(batch, frames, dtype=torch.bool)
    for row in mask:
        starts = torch.randperm(places, generator=generator)[:spans]
        covered = (starts[:, None] + torch.arange(masking.length)).flatten()
        row[covered[covered < frames]] = True
    return _thin(mask, generator)


def _thin(mask: Tensor, generator: torch.Generator) -> Tensor:
    """Unmask random frames until every row has as many as the row with the fewest."""
    fewest = int(mask.sum(1).min())
    for row in mask:
        masked = row.nonzero().flatten()
        row[masked[torch.randperm(len(masked), generator=generator)[fewest:]]] = False
    return mask


class MaskedBatch(NamedTuple):
    """What `MaskedPrediction` trains on.

    waves: (B, S) float32.
    labels: (B, T) int64.
    mask: (B, T) bool, the frames to predict.
    speakers: (B,) int64, rows of the speaker table; without one nobody looks at them.
    """

    waves: Tensor
    labels: Tensor
    mask: Tensor
    speakers: Tensor


@dataclass(frozen=True)
class Objective:
    """What is minimised, and how much of its gradient reaches the convolutions.

    Attributes:
        penalty: weight of the mean square of the convolutions' output.
        unmasked: weight of the same loss at frames that are not masked. HuBERT's is 0; with
            little training it helps the convolutions to learn what they have to tell.
        gradient: factor on that part of it (0.1 in Base, 1 in Large); 0 leaves them as they are.
        temperature: cosines are divided by it.
    """

    penalty: float = 10.0
    unmasked: float = 0.0
    gradient: float = 1.0
    temperature: float = 0.1


class MaskedPrediction(nn.Module):
    """A HuBERT with its pre-training head: a projection and one embedding a cluster.

    Attributes:
        encoder: transformers' model; takes and keeps any published HuBERT.
        objective: what is minimised.
        speakers: the speaker table, or None.
        project: Linear(D, P).
        embeddings: (C, P), one a cluster.
    """

    def __init__(
        self,
        encoder: HubertModel,
        clusters: int,
        *,
        width: int = 256,
        objective: Objective | None = None,
        layer_drop: float = 0.0,
        speakers: SpeakerModule | None = None,
    ) -> None:
        """Put a fresh head on an encoder, drawn from torch's current random state.

        Args:
            encoder: its own random masking is out of use here; dropout is as its config says.
            clusters: C, classes to predict.
            width: P, of the space in which cosines are taken (256 in Base, 768 in Large).
            objective: the defaults if not given.
            layer_drop: chance that a layer is skipped in training, set in the encoder's config
                (0.05 in Base, 0 in Large; transformers' default of 0.1 is nobody's).
            speakers: makes it personalised training: the loss is of the output with speakers in it.

        Raises:
            SerbenchError: the encoder has no mask vector.
        """
        super().__init__()
        if not hasattr(encoder, "masked_spec_embed"):
            raise SerbenchError(
                "the encoder has no mask vector; its config must have mask_time_prob above 0"
            )
        encoder.config.layerdrop = layer_drop
        self.encoder = encoder
        self.speakers = speakers
        self.project = nn.Linear(encoder.config.hidden_size, width)
        self.embeddings = nn.Parameter(torch.randn(clusters, width))
        self.objective = objective or Objective()

    def frames(self, samples: int) -> int:
        """Return the exact number of frames for a number of samples."""
        return int(self.encoder._get_feat_extract_output_lengths(samples))

    def convolve(self, waves: Tensor) -> Tensor:
        """Return (B, T, K), the convolutions' output, its gradient scaled."""
        with torch.set_grad_enabled(torch.is_grad_enabled() and self.objective.gradient > 0):
            features: Tensor = self.encoder.feature_extractor(waves)
        if features.requires_grad and self.objective.gradient != 1:
            features.register_hook(self._scaled)  # type: ignore[no-untyped-call]
        return features.transpose(1, 2)

    def _scaled(self, gradient: Tensor) -> Tensor:
        return gradient * self.objective.gradient

    def encode(self, features: Tensor, mask: Tensor, speakers: Tensor | None = None) -> Tensor:
        """Return (B, T, D), the Transformer's output when masked frames are the mask vector.

        Args:
            features: (B, T, K), the convolutions' output.
            mask: (B, T) bool.
            speakers: (B,) rows of the speaker table, if there is one.
        """
        hidden = self.encoder.feature_projection(features)
        vector = self.encoder.masked_spec_embed.to(hidden.dtype)
        hidden = torch.where(mask[..., None], vector, hidden)
        if self.speakers is None or speakers is None:
            return self._transform(hidden)
        vectors = self.speakers(speakers)
        output = self._transform(self.speakers.enter(hidden, vectors))
        return self.speakers.leave(output, vectors)

    def _transform(self, hidden: Tensor) -> Tensor:
        output: Tensor = self.encoder.encoder(hidden).last_hidden_state
        return output

    def logits(self, frames: Tensor) -> Tensor:
        """Return (..., C), the cosines of frames (..., D) to every cluster over the temperature."""
        # in single precision: bfloat16 would round a logit of 10 to steps of 0.03
        with torch.autocast(frames.device.type, enabled=False):
            projected = F.normalize(self.project(frames.float()), dim=-1)
            return projected @ F.normalize(self.embeddings, dim=-1).T / self.objective.temperature

    def forward(self, batch: MaskedBatch) -> Outcome:
        """Return the loss a masked frame, in nats, with the feature penalty in the objective.

        fairseq sums cross-entropy over masked frames, multiplies the penalty by their number and
        divides both by it: the objective here. Its logs are in bits: ours times 1.4427.
        """
        features = self.convolve(batch.waves)[:, : batch.labels.shape[1]]
        penalty = features.float().square().mean()
        frames = self.encode(features, batch.mask, batch.speakers)
        masked = batch.mask.nonzero(as_tuple=True)
        logits, truth = self.logits(frames[masked]), batch.labels[masked]
        loss = F.cross_entropy(logits, truth)
        correct = (logits.argmax(-1) == truth).float().mean()
        report = {"masked_loss": loss, "accuracy": correct, "feature_penalty": penalty}
        objective = loss + self.objective.penalty * penalty
        if self.objective.unmasked:
            rest = (~batch.mask).nonzero(as_tuple=True)
            seen = F.cross_entropy(self.logits(frames[rest]), batch.labels[rest])
            report["unmasked_loss"] = seen
            objective = objective + self.objective.unmasked * seen
        return Outcome(objective, report, truth.numel())


class MaskedBatches:
    """Crops of labelled audio with HuBERT's masks: a `Source` for the trainer."""

    def __init__(
        self,
        audio: Audio,
        labels: Labels,
        rows: NDArray[np.int64],
        cutting: Cutting,
        *,
        frames: Callable[[int], int],
        seed: int,
        masking: Masking | None = None,
        normalize: bool = False,
        speakers: SpeakerModule | None = None,
    ) -> None:
        """Join audio and labels.

        Args:
            audio: N recordings.
            labels: of the same N recordings, one a frame.
            rows: those to use.
            cutting: sizes; its grid is the encoder's hop.
            frames: the encoder's frames for a number of samples; labels that go further are cut.
            seed: of the order, the crops' places and, with the update's number, the masks.
            masking: HuBERT's numbers if not given.
            normalize: bring every recording to mean 0 and variance 1, before it is cut, as fairseq
                does for Large; labels are of whole recordings, too.
            speakers: the table, for its rows.

        Raises:
            SerbenchError: a recording's speaker is not in the table.
        """
        self.audio, self.labels, self.rows, self.cutting = audio, labels, rows, cutting
        self.frames, self.seed, self.normalize = frames, seed, normalize
        self.masking = masking or Masking()
        self._scales: dict[int, Scale] = {}
        names = [recording.speaker for recording in audio.recordings]
        self.speakers = torch.zeros(len(audio), dtype=torch.int64)
        if speakers is not None:
            self.speakers[rows] = speakers.rows([names[row] for row in rows.tolist()])

    def epoch(self, number: int) -> Sequence[Cut]:
        """Return the batches of one epoch."""
        return plan(self.audio.lengths, self.rows, self.cutting, mix(self.seed, number))

    def batch(self, cut: Cut, generator: torch.Generator) -> MaskedBatch:
        """Load one batch and draw its masks."""
        where = zip(cut.rows.tolist(), cut.starts.tolist(), strict=True)
        crops = [(row, start) for row, start in where]
        waves = torch.stack([self._wave(row, start, cut.length) for row, start in crops])
        most, hop = self.frames(cut.length), self.cutting.grid
        codes = [self.labels.crop(row, start // hop, most) for row, start in crops]
        frames = min(map(len, codes))
        labels = torch.from_numpy(np.stack([code[:frames] for code in codes]).astype(np.int64))
        mask = mask_spans(len(crops), frames, self.masking, generator)
        return MaskedBatch(waves, labels, mask, self.speakers[cut.rows])

    def _wave(self, row: int, start: int, length: int) -> Tensor:
        wave = self.audio.wave(row, start, length)
        if not self.normalize:
            return wave
        if row not in self._scales:
            self._scales[row] = Scale.of(self.audio.wave(row))
        return self._scales[row](wave)
