"""What is written when training is done: weights that transformers loads, the head, and a card."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from serbench.devices import versions
from serbench.durable import seal
from serbench.encoders.pretraining.audio import Audio
from serbench.encoders.pretraining.head import FILE, OwnLabels, save_head
from serbench.encoders.pretraining.masked import MaskedPrediction
from serbench.encoders.tensors import write_tensors
from serbench.encoders.transformers import write_preprocessor
from serbench.encoders.weights import CARD, SPEAKERS
from serbench.errors import SerbenchError


@dataclass(frozen=True)
class Corpus:
    """Audio that weights were trained on.

    Attributes:
        name: as people know it.
        hours: used for training and validation.
        recordings: number of them.
        speakers: number of them.
        licence: of the audio.
        attribution: what the licence wants said.
    """

    name: str
    hours: float
    recordings: int
    speakers: int
    licence: str
    attribution: str = ""

    @classmethod
    def of(cls, audio: Audio, name: str, licence: str, attribution: str = "") -> Corpus:
        """Count what is in some audio."""
        speakers = len({recording.speaker for recording in audio.recordings})
        hours = round(audio.hours, 3)
        return cls(name, hours, len(audio), speakers, licence, attribution)


@dataclass(frozen=True)
class Card:
    """Where weights come from; `card.json` beside them.

    Attributes:
        method: a line for people.
        corpora: what they were trained on.
        licence: of the weights.
        stages: in their order, each with its settings, losses in nats, updates and seconds.
        options: of the objective and the batches.
        seed: of everything.
        base: id and digest of the weights that training started from, if any.
        versions: of Python and the libraries.
    """

    method: str
    corpora: Sequence[Corpus]
    licence: str
    stages: Sequence[dict[str, Any]]
    seed: int
    options: dict[str, Any] = field(default_factory=dict)
    base: dict[str, str] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=versions)

    @property
    def trained_on(self) -> str:
        """The corpora in a line, as tables show it."""
        return ", ".join(f"{corpus.name} ({corpus.hours:.1f} h)" for corpus in self.corpora)

    def write(self, folder: Path, parameters: int) -> None:
        """Write `card.json`, with the encoder's number of parameters, and seal the folder."""
        content = asdict(self) | {"parameters": parameters, "trained_on": self.trained_on}
        (folder / CARD).write_text(json.dumps(content, indent=1) + "\n")
        seal(folder)


def stage(name: str, log: Path, loss: str, **more: Any) -> dict[str, Any]:
    """Return a stage of a card from the trainer's log.

    Args:
        name: of the stage.
        log: `log.jsonl` of the trainer.
        loss: the entry by which the best model was chosen.
        more: what else to say.

    Returns:
        Updates, seconds and hours of audio in all, torch's threads (they decide how it rounds), and
        the validation of the model that was kept.

    Raises:
        SerbenchError: the training has not begun.
    """
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    valid = [line for line in lines if line["kind"] == "valid"]
    if not valid:
        raise SerbenchError(f"{log} has no validation; the training has not begun")
    best = min(valid, key=lambda line: line[loss])
    whole = {"updates": valid[-1]["update"], "seconds": valid[-1]["seconds"]}
    whole |= {"threads": torch.get_num_threads()}
    whole |= {"hours_heard": round(valid[-1]["hours"], 3), "kept_update": best["update"]}
    about = ("kind", "epoch", "update", "seconds", "hours")
    kept = {key: value for key, value in best.items() if key not in about}
    return {"name": name} | whole | kept | more


def write_hubert(
    model: MaskedPrediction,
    folder: Path,
    card: Card,
    *,
    normalize: bool,
    own: OwnLabels | None = None,
    half: bool = False,
) -> None:
    """Write a folder that `HubertModel.from_pretrained` loads and from which training can go on.

    Args:
        model: trained.
        folder: gets config.json, model.safetensors, preprocessor_config.json, head.safetensors,
            speakers.safetensors if there is a speaker table, card.json, and at last SHA256SUMS.
        card: where they come from.
        normalize: whether waveforms were brought to mean 0 and variance 1.
        own: where the labels come from, if they are clusters of this very encoder's frames.
        half: write half precision; it is loaded as single all the same.
    """
    folder.mkdir(parents=True, exist_ok=True)
    config = model.encoder.config
    config.apply_spec_augment = False
    config.dtype = "float32"
    config.architectures = ["HubertModel"]
    config.save_pretrained(folder)
    tensors = _narrowed(model.encoder.state_dict(), half)
    write_tensors(folder / "model.safetensors", tensors, {"format": "pt"})
    save_head(folder / FILE, model, own)
    if model.speakers is not None:
        model.speakers.save(folder / SPEAKERS)
    write_preprocessor(folder, normalize=normalize)
    card.write(folder, sum(value.numel() for value in tensors.values()))


def _narrowed(tensors: dict[str, Tensor], half: bool) -> dict[str, Tensor]:
    return {n: t.half() if half and t.is_floating_point() else t for n, t in tensors.items()}
