"""CPC: each frame is told from others by what came before it (Li et al., ICASSP 2021)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from serbench.encoders.cpc import Network, save
from serbench.encoders.pretraining.audio import Audio, Cut
from serbench.encoders.pretraining.card import Card
from serbench.encoders.pretraining.head import FILE as HEAD
from serbench.encoders.pretraining.schedule import Settings, mix
from serbench.encoders.pretraining.trainer import Outcome
from serbench.encoders.tensors import read_tensors, require_finite, write_tensors
from serbench.errors import SerbenchError

_PREDICTORS = "predictors.weight"


class ContrastiveBatch(NamedTuple):
    """What `ContrastivePrediction` trains on: K steps, N negatives.

    waves: (B, S) float32.
    negatives: (B, T - K, N) int64, for each frame from the K-th on the frames to tell it from.
    """

    waves: Tensor
    negatives: Tensor


def draw_negatives(
    batch: int, frames: int, steps: int, count: int, generator: torch.Generator
) -> Tensor:
    """Draw for each target frame the other frames of its own sequence that it is to be told from.

    All frames but the target are equally likely, and may be drawn twice. All steps that aim at a
    target share its negatives.

    Args:
        batch: B, sequences.
        frames: T, of each.
        steps: K; the first target is the frame number K, counted from 0.
        count: N, negatives a target.
        generator: on the CPU.

    Returns:
        (B, T - K, N) int64, frame numbers.
    """
    targets = torch.arange(steps, frames)[:, None]
    distances = torch.randint(1, frames, (batch, frames - steps, count), generator=generator)
    return (targets + distances) % frames


def info_nce(scores: Tensor) -> Tensor:
    """Return the loss in nats, (...), of scores (..., 1 + N) whose first is the true one's."""
    return scores.logsumexp(-1) - scores[..., 0]


class ContrastivePrediction(nn.Module):
    """A CPC network with a linear prediction of the frame for each of the next K steps.

    A score is the dot product of prediction and frame; Li et al. give no temperature.

    Attributes:
        network: what is kept after training.
        predictors: Linear(D, K * channels), one matrix a step, the nearest first.
        steps: K.
        negatives: N.
    """

    def __init__(self, network: Network, *, steps: int = 12, negatives: int = 50) -> None:
        """Put fresh predictors on a network, drawn from torch's current random state.

        Args:
            network: the convolutions and the recurrence.
            steps: K, frames ahead (10 ms each).
            negatives: N, for each target.
        """
        super().__init__()
        self.network, self.steps, self.negatives = network, steps, negatives
        layout = network.layout
        self.predictors = nn.Linear(layout.hidden, steps * layout.channels, bias=False)

    def fill(self, folder: Path) -> None:
        """Take the predictors that lie beside a network, if they look as many steps ahead.

        Args:
            folder: as `write_cpc` wrote it; without a head the predictors stay as they are.
        """
        weight = predictors_of(folder)
        if weight is not None and weight.shape == self.predictors.weight.shape:
            self.predictors.load_state_dict({"weight": weight})

    @property
    def chance(self) -> float:
        """The loss of guessing among the target and its negatives, in nats: ln 51 with 50."""
        return math.log(1 + self.negatives)

    def scores(self, frames: Tensor, negatives: Tensor) -> Tensor:
        """Score each target and its negatives by the predictions that were made of it.

        Args:
            frames: (B, T, channels), the convolutions' output.
            negatives: (B, T - K, N), frame numbers.

        Returns:
            (B, T - K, K, 1 + N), the target's own score first; step k looks at the context k frames
            before the target.
        """
        batch, length, channels = frames.shape
        steps = range(1, self.steps + 1)
        ahead = self.predictors(self.network.contexts(frames)).unflatten(-1, (self.steps, channels))
        each = ahead.unbind(2)  # slices of the whole would each have a gradient of its size
        aimed = torch.stack([each[k - 1][:, self.steps - k : length - k] for k in steps], dim=2)
        targets = torch.arange(self.steps, length, device=frames.device)[:, None]
        numbers = torch.cat([targets.expand(batch, -1, 1), negatives], dim=-1)
        clips = torch.arange(batch, device=frames.device)[:, None, None]
        candidates = frames[clips, numbers]  # (B, T - K, 1 + N, channels)
        return (aimed @ candidates.mT).float()

    def forward(self, batch: ContrastiveBatch) -> Outcome:
        """Return the sum of the steps' losses as objective, and each in nats beside chance."""
        scores = self.scores(self.network.convolve(batch.waves), batch.negatives)
        losses = info_nce(scores).mean((0, 1))
        right = scores[..., 0] > scores[..., 1:].amax(-1)
        report = {
            "contrastive_loss": losses.mean(),
            "chance": losses.new_tensor(self.chance),
            "accuracy": right.float().mean(),
        }
        report |= {f"step_{number}": loss for number, loss in enumerate(losses, 1)}
        return Outcome(losses.sum(), report, right.numel())


def predictors_of(folder: Path) -> Tensor | None:
    """Return (K * channels, D), the predictors beside a network in a folder, if they are there.

    Raises:
        SerbenchError: it is no whole safetensors file, or not finite.
    """
    path = folder / HEAD
    if not path.is_file():
        return None
    tensors = read_tensors(path)
    require_finite(str(path), tensors)
    return tensors.get(_PREDICTORS)


def save_predictors(model: ContrastivePrediction, folder: Path) -> None:
    """Write the predictors beside a network in a folder."""
    write_tensors(folder / HEAD, {_PREDICTORS: model.predictors.weight.detach().cpu()})


class ContrastiveBatches:
    """Clips of one length with their negatives: a `Source` for the trainer.

    A longer recording is cut, a shorter one repeats itself, so that no sample is padding. Among the
    negatives of a clip that repeats itself are echoes of the target: its loss cannot come as low.
    """

    def __init__(
        self,
        audio: Audio,
        rows: NDArray[np.int64],
        model: ContrastivePrediction,
        *,
        seed: int,
        batch: int = 64,
        length: int = 160_000,
        shortest: int = 1_600,
    ) -> None:
        """Choose the recordings.

        Args:
            audio: N recordings.
            rows: those to use.
            model: whose frames, steps and negatives the batches are for.
            seed: of the order, the crops' places and, with the update's number, the negatives.
            batch: clips in a batch.
            length: samples of a clip.
            shortest: recordings with fewer samples are left out.

        Raises:
            SerbenchError: no recording is long enough, or clips have no frame to predict.
        """
        self.audio, self.model, self.seed = audio, model, seed
        self.size, self.length = batch, length
        self.rows = rows[audio.lengths[rows] >= shortest]
        if not len(self.rows):
            raise SerbenchError(
                f"no recording has {shortest} samples, the shortest that training takes"
            )
        self.frames = model.network.layout.frames(length)
        if self.frames <= model.steps:
            raise SerbenchError(
                f"clips of {length} samples have {self.frames} frames, too few to predict "
                f"{model.steps} steps ahead"
            )

    def epoch(self, number: int) -> Sequence[Cut]:
        """Return the batches of one epoch: every recording once, one n clips long n times."""
        draw = np.random.default_rng(mix(self.seed, number))
        copies = np.maximum(1, np.round(self.audio.lengths[self.rows] / self.length))
        rows = draw.permutation(np.repeat(self.rows, copies.astype(np.int64)))
        starts = draw.integers(np.maximum(0, self.audio.lengths[rows] - self.length) + 1)
        parts = [slice(at, at + self.size) for at in range(0, len(rows), self.size)]
        return [Cut(rows[part], starts[part], self.length) for part in parts]

    def batch(self, cut: Cut, generator: torch.Generator) -> ContrastiveBatch:
        """Load one batch and draw its negatives."""
        where = zip(cut.rows.tolist(), cut.starts.tolist(), strict=True)
        waves = [repeated(self.audio.wave(row, at, cut.length), cut.length) for row, at in where]
        steps, count = self.model.steps, self.model.negatives
        negatives = draw_negatives(len(waves), self.frames, steps, count, generator)
        return ContrastiveBatch(torch.stack(waves), negatives)


def repeated(wave: Tensor, length: int) -> Tensor:
    """Return (length,), a wave (S,) followed by itself as often as it takes."""
    return wave.repeat(math.ceil(length / len(wave)))[:length]


def paper_settings(updates: int, **changes: Any) -> Settings:
    """Return Li et al.'s settings: Adam at 2e-4 with a weight decay of 1e-5.

    Their schedule is not known; the rate falls linearly after the warm-up as everywhere here.

    Args:
        updates: in all; theirs were 50 epochs of 64 clips a batch.
        changes: of other `Settings`.
    """
    theirs = Settings(
        updates,
        peak=2e-4,
        optimizer="adam",
        betas=(0.9, 0.999),
        epsilon=1e-8,
        weight_decay=1e-5,
    )
    return replace(theirs, **changes)


def write_cpc(
    model: ContrastivePrediction, folder: Path, card: Card, *, half: bool = False
) -> None:
    """Write a folder that the upstream `cpc` loads and from which training can go on.

    Args:
        model: trained.
        folder: gets config.json, model.safetensors, head.safetensors (the predictors, in single
            precision), card.json and at last SHA256SUMS.
        card: where the weights come from.
        half: write the network in half precision; it is loaded as single all the same.
    """
    save(model.network, folder, half=half)
    save_predictors(model, folder)
    card.write(folder, sum(parameter.numel() for parameter in model.network.parameters()))
