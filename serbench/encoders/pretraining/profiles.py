"""What the speakers of some audio sound like, by which PAPT finds the nearest of an unseen one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from serbench.encoders.pretraining.audio import Audio
from serbench.encoders.pretraining.pseudo_labels import SPAN
from serbench.encoders.waveform import normalized
from serbench.errors import SerbenchError

if TYPE_CHECKING:
    from transformers import HubertModel

PROFILE_SECONDS = 60.0
"""Of a speaker's audio that his profile is the mean over, at most."""


def first_recordings(audio: Audio) -> dict[str, list[int]]:
    """Return the rows of each speaker's first recordings, those without a frame left out.

    Raises:
        SerbenchError: a speaker has none.
    """
    own: dict[str, list[int]] = {recording.speaker: [] for recording in audio.recordings}
    for row, recording in enumerate(audio.recordings):
        if audio.lengths[row] >= SPAN:
            own[recording.speaker].append(row)
    for name, rows in own.items():
        if not rows:
            raise SerbenchError(
                f"speaker '{name}' has no recording as long as a frame of {SPAN} "
                "samples; leave his out"
            )
        seconds = np.cumsum(audio.lengths[rows]) / audio.rate
        own[name] = rows[: max(1, int(np.searchsorted(seconds, PROFILE_SECONDS)))]
    return own


def profiles(
    audio: Audio, speakers: Sequence[Sequence[int]], encoder: HubertModel, *, normalize: bool
) -> Tensor:
    """Return (S, D), the mean profile of each of S speakers' recordings.

    Args:
        audio: the recordings.
        speakers: rows of each speaker's recordings, S times.
        encoder: put into evaluation mode.
        normalize: bring waveforms to mean 0 and variance 1 first.
    """
    encoder.eval()  # type: ignore[no-untyped-call]
    found = []
    for rows in speakers:
        with torch.inference_mode():
            heard = [profile(encoder, audio.wave(row), normalize=normalize) for row in rows]
        found.append(torch.stack(heard).mean(0))
    return torch.stack(found)


def profile(encoder: HubertModel, wave: Tensor, *, normalize: bool) -> Tensor:
    """Return (D,), what a voice sounds like: the mean over time of the Transformer's input.

    Args:
        encoder: in evaluation mode.
        wave: (S,) at 16 kHz.
        normalize: bring it to mean 0 and variance 1 first.
    """
    wave = normalized(wave) if normalize else wave
    features = encoder.feature_extractor(wave[None].to(encoder.device)).transpose(1, 2)
    projected: Tensor = encoder.feature_projection(features)
    return projected[0].mean(0)
