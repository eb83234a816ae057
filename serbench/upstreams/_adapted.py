"""HuBERT adapted to a corpus before it encodes: TAPT and PAPT (Tran et al., Interspeech 2023)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from serbench.errors import SerbenchError
from serbench.progress import Progress
from serbench.upstreams import Clips, Unlabelled
from serbench.upstreams._transformers import check_type
from serbench.upstreams._waveform import WaveformEncoder
from serbench.upstreams._weights import SPEAKERS, Weights, find
from serbench.upstreams.hubert import WEIGHTS
from serbench.upstreams.pretraining.adaptation import AdaptationOptions, adapt
from serbench.upstreams.pretraining.audio import Audio
from serbench.upstreams.pretraining.card import Corpus
from serbench.upstreams.pretraining.speakers import SpeakerModule, Unseen
from serbench.upstreams.pretraining.work import finished

_GIVEN = ("epochs", "peak", "batch_seconds", "seed")


def find_hubert(upstream: str, weights: str, revision: str | None) -> Weights:
    """Return weights, adapted or not; `revision` is of the hub alone.

    Raises:
        SerbenchError: they are not there, or not HuBERT's.
    """
    found = find(weights, revision, WEIGHTS)
    check_type(found, upstream, {"hubert"})
    return found


def is_personal(weights: Weights) -> bool:
    """Whether weights are PAPT's: a table of speakers lies beside them."""
    return (weights.folder / SPEAKERS).is_file()


def is_task_adapted(weights: Weights) -> bool:
    """Whether weights are TAPT's, by their card."""
    return weights.provenance.get("method", "").startswith("TAPT")


def not_adapted(upstream: str, weights: Weights) -> SerbenchError:
    """Return the error for weights that an upstream cannot encode with as they are."""
    method = upstream.partition("_")[0]
    return SerbenchError(
        f"upstream '{upstream}': weights '{weights.name}' are not adapted to a corpus; `serbench "
        f"run` does that by itself before it encodes, `serbench pretrain {method}` for any audio"
    )


def how(options: Mapping[str, Any]) -> AdaptationOptions:
    """Return how an upstream's options want weights adapted.

    Raises:
        SerbenchError: a value is out of range.
    """
    given = {key: options[key] for key in _GIVEN}
    return AdaptationOptions(position=options.get("position"), **given)


def tell_of_no_effect(weights: Weights, progress: Progress) -> None:
    """Say that weights which are adapted are not adapted again."""
    method = weights.provenance.get("method", "no card says how")
    progress.tell(
        f"weights '{weights.name}' are adapted already ({method}); "
        f"adapt_on, {', '.join(_GIVEN)} have no effect on them"
    )


def adapted(
    found: Weights,
    options: AdaptationOptions,
    offered: Unlabelled,
    place: Path,
    *,
    progress: Progress,
    device: str,
) -> dict[str, Any]:
    """Adapt weights to audio, unless that was done before; return the options that change.

    Args:
        found: to start from. What is made of them lies in a folder of their digest: a branch of
            the hub or a release of this package can come to mean other weights.
        options: how.
        offered: the audio.
        place: holds that folder.
        progress: where the work is shown.
        device: torch device.
    """
    folder = place / found.provenance["digest"][:16]
    audio = Audio(offered.recordings)
    corpus = Corpus.of(audio, offered.corpus, offered.licence, offered.citation)
    progress.tell(
        f"adapts {found.name} on {offered.part} of {offered.corpus}: {len(audio)} utterances, "
        f"{audio.hours:.2f} h, {corpus.speakers} speakers"
    )
    if finished(folder):
        progress.tell(f"adapted weights found in {folder}")
    else:
        adapt(
            audio,
            folder,
            options,
            corpora=[corpus],
            weights=found,
            progress=progress,
            device=device,
        )
    return {"weights": str(folder), "revision": None}


def warn_of_namesakes(found: Weights, offered: Unlabelled, progress: Progress) -> None:
    """Say if speakers are called like some whom weights know, but from other corpora."""
    known = set(SpeakerModule.load(found.folder / SPEAKERS).names)
    shared = sorted(known & {recording.speaker for recording in offered.recordings})
    corpora = found.provenance.get("trained_on", "")
    if shared and offered.corpus not in corpora:
        progress.tell(
            f"warning: weights '{found.name}', of {corpora or 'unknown audio'}, know {len(shared)} "
            f"speakers by a name that {offered.corpus} has, too, such as {shared[0]}; if these are "
            "other people, they get a stranger's embedding"
        )


class PersonalEncoder(WaveformEncoder):
    """A HuBERT of PAPT: the embedding of who speaks stays in the features.

    It enters where it did in the adaptation: `last` is added to the Transformer's output, the last
    of the layers; `first` and `prefix` go into the Transformer and so are in all layers. A speaker
    who was not in the adaptation gets what the rule for unseen ones gives. By `nearest` one whom
    the encoder has met is judged by what it heard then, once for all his clips; any other by the
    clip alone.

    Args:
        weights: with a table of speakers.
        unseen: the rule.
    """

    def __init__(self, weights: Weights, unseen: Unseen) -> None:
        super().__init__(weights)
        self.speakers = SpeakerModule.load(weights.folder / SPEAKERS)
        self.unseen: Unseen = unseen
        self._rows = {name: row for row, name in enumerate(self.speakers.names)}

    def strangers(self, names: Sequence[str]) -> list[str]:
        """Return those who were not in the adaptation, if the rule is to find the nearest."""
        if self.unseen != "nearest" or self.speakers.position == "none":
            return []
        return [name for name in names if name not in self._rows]

    def meet(self, name: str, waves: Sequence[Tensor]) -> None:
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
        rows = torch.tensor([self._rows.get(name, -1) for name in clips.speakers])
        rows = rows.to(hidden.device)
        known: Tensor = self.speakers(rows.clamp(min=0))
        if (rows >= 0).all():
            return known
        frames = mask[..., None].to(hidden.dtype)
        profiles = (hidden * frames).sum(1) / frames.sum(1)
        return torch.where((rows >= 0)[:, None], known, self.speakers.unseen(self.unseen, profiles))
