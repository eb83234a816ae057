"""What every training is given, whatever its method; how it begins, and what its card says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from serbench.encoders.pretraining.audio import Audio
from serbench.encoders.pretraining.card import Card, Corpus
from serbench.encoders.pretraining.work import Work, begin, digest_audio
from serbench.encoders.weights import HEARD, RECORDINGS, Weights, named, read_card, seen_by
from serbench.progress import Progress
from serbench.upstreams import Unlabelled


@dataclass(frozen=True)
class Assignment:
    """What every training is given.

    Attributes:
        audio: to learn from; no labels are looked at.
        corpora: what the audio is, for the card.
        folder: for the weights; the work under way lies in it.
        progress: where losses are shown.
        device: a torch device.
        resume: go on with stopped work, to the same end.
        minutes: between two checkpoints.
    """

    audio: Audio
    corpora: Sequence[Corpus]
    folder: Path
    progress: Progress
    device: str
    resume: bool = False
    minutes: float = 5.0

    @classmethod
    def of(
        cls, offered: Unlabelled, folder: Path, words: str, *, progress: Progress, device: str
    ) -> Assignment:
        """Read what a run offers to an upstream, and tell of it.

        Args:
            offered: the audio; work on it that was stopped is gone on with.
            folder: for the weights.
            words: what is going to be done on the audio, such as "trains CPC".
            progress: where the work is shown.
            device: a torch device.
        """
        audio = Audio(offered.recordings)
        corpus = Corpus.of(audio, offered.corpus, offered.licence, offered.citation)
        progress.tell(
            f"{words} on {offered.part} of {offered.corpus}: {len(audio)} utterances, "
            f"{audio.hours:.2f} h, {corpus.speakers} speakers"
        )
        return cls(audio, [corpus], folder, progress, device, resume=True)

    def begin(
        self,
        options: Any,
        base: Weights | None,
        asked: Mapping[str, Any],
        *,
        by: Literal["speaker", "recording"] = "speaker",
    ) -> Work:
        """Split the audio and open the folder for the work under way.

        Args:
            options: of the method: a dataclass of JSON values, with `valid_share` and `seed`.
            base: weights to start from; None: fresh ones.
            asked: what else decides the numbers, as JSON values; `bf16` for mixed precision.
            by: what is drawn for validation, see `Audio.split`.

        Raises:
            SerbenchError: see `Audio.split` and `work.begin`.
        """
        train, valid = self.audio.split(options.valid_share, options.seed, by=by)
        known = asdict(options) | {"audio": digest_audio(self.audio), "weights": digest_of(base)}
        return Work(
            self.audio,
            train,
            valid,
            begin(self.folder, known | dict(asked), resume=self.resume, tell=self.progress.tell),
            options.seed,
            self.device,
            asked.get("bf16", False),
            self.minutes,
            self.progress,
        )

    def card(
        self,
        method: str,
        stages: Sequence[dict[str, Any]],
        options: Any,
        base: Weights | None,
        **more: Any,
    ) -> Card:
        """Return the card of the weights that were made.

        Args:
            method: a line for people.
            stages: in their order.
            options: of the method.
            base: weights that it started from; None: fresh ones, which have serbench's own licence.
            more: what is said beside the options.
        """
        return Card(
            method,
            self.corpora,
            base.provenance.get("licence", "not stated") if base else "Apache-2.0",
            stages,
            options.seed,
            options=asdict(options) | self._known(base) | more,
            base=dict(base.provenance) if base else {},
        )

    def _known(self, base: Weights | None) -> dict[str, list[str]]:
        """Return the recordings that were heard; what the weights before had seen still counts."""
        before = read_card(base.folder) if base else {}
        own = [each.digest for each in self.audio.recordings if each.digest]
        known = {
            RECORDINGS: seen_by(before, RECORDINGS),
            HEARD: named([*own, *seen_by(before, HEARD)]),
        }
        return {what: recordings for what, recordings in known.items() if recordings}


def digest_of(weights: Weights | None) -> str | None:
    """Return the digest of weights that may be none."""
    return weights.provenance["digest"] if weights else None
