"""A HuBERT that knows its speakers: PAPT (Tran et al., Interspeech 2023)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from serbench.benchmarks import UNKNOWN
from serbench.encoders.speakers import SpeakerModule, Unseen
from serbench.encoders.waveform import WaveformEncoder
from serbench.encoders.weights import SPEAKERS, Weights
from serbench.upstreams import Clips


class PersonalEncoder(WaveformEncoder):
    """A HuBERT of PAPT: the embedding of who speaks stays in the features.

    It enters where it did in the adaptation: `last` is added to the Transformer's output, the last
    of the layers; `first` and `prefix` go into the Transformer and so are in all layers. A speaker
    who was not in the adaptation gets what the rule for unseen ones gives. By `nearest` one who
    was enrolled is judged by what was heard then, once for all his clips; any other, and a
    clip of which nobody knows who speaks, by the clip alone.

    Args:
        weights: with a table of speakers.
        unseen: the rule.
    """

    def __init__(self, weights: Weights, unseen: Unseen) -> None:
        super().__init__(weights)
        self.speakers = SpeakerModule.load(weights.folder / SPEAKERS)
        self.unseen: Unseen = unseen
        named = enumerate(self.speakers.names)
        self._rows = {name: row for row, name in named if name != UNKNOWN}

    def save(self, folder: Path) -> None:
        """Write weights, settings, preprocessor and the table of speakers."""
        super().save(folder)
        self.speakers.save(folder / SPEAKERS)

    def unseen_speakers(self, names: Sequence[str]) -> list[str]:
        """Return those who were not in the adaptation, if the rule is to find the nearest."""
        if self.unseen != "nearest" or self.speakers.position == "none":
            return []
        return [name for name in names if name not in self._rows and name != UNKNOWN]

    def enrol(self, name: str, waves: Sequence[Tensor]) -> None:
        """Choose the adapted speaker who sounds most like one: the mean over his utterances."""
        heard = []
        for wave in waves:
            projected = self.model.feature_projection(self._convolve(wave)[None])
            heard.append(projected[0].mean(0))
        profile = torch.stack(heard).mean(0, keepdim=True)
        self._rows[name] = int(self.speakers.nearest(profile))

    def transform(self, hidden: Tensor, mask: Tensor, clips: Clips) -> Tensor:
        """Run the Transformer with the speakers' vectors (B, D) in it."""
        vectors = self._vectors(hidden, mask, clips)
        entered = self.speakers.enter(hidden, vectors)
        more = entered.shape[1] - hidden.shape[1]  # 1 for a prefix
        seen = torch.cat([mask.new_ones(len(mask), more), mask], dim=1)
        layers = super().transform(entered, seen, clips)
        last = self.speakers.leave(layers[-1], vectors)
        return torch.cat([layers[:-1, :, more:], last[None]])

    def _vectors(self, hidden: Tensor, mask: Tensor, clips: Clips) -> Tensor:
        places = [self._rows.get(name, -1) for name in clips.speakers]
        rows = torch.tensor(places, device=hidden.device)
        known: Tensor = self.speakers(rows.clamp(min=0))
        if min(places) >= 0:
            return known
        frames = mask[..., None].to(hidden.dtype)
        profiles = (hidden * frames).sum(1) / frames.sum(1)
        return torch.where((rows >= 0)[:, None], known, self.speakers.unseen(self.unseen, profiles))
