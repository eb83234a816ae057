"""TAPT and PAPT: masked prediction goes on, on the audio of a task (Tran et al., Interspeech 2023).

Task-adaptive pre-training (TAPT) goes on as it is; personalised adaptive pre-training (PAPT) adds
an embedding of the speaker. Labels are clusters of a layer of the weights as they were before.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
import torch
from torch import Tensor

from serbench.devices import has_bf16, seeded
from serbench.digests import digest_path
from serbench.encoders.pretraining import pseudo_labels, stages
from serbench.encoders.pretraining.audio import Audio
from serbench.encoders.pretraining.card import Card, Corpus, write_hubert
from serbench.encoders.pretraining.head import FILE, Head, OwnLabels, load_head
from serbench.encoders.pretraining.hubert import open_encoder
from serbench.encoders.pretraining.masked import MaskedPrediction
from serbench.encoders.pretraining.pseudo_labels import Labels, Quantizer
from serbench.encoders.pretraining.schedule import Settings, require
from serbench.encoders.pretraining.stages import Batches
from serbench.encoders.pretraining.work import Work, begin, digest_audio, end
from serbench.encoders.speakers import Position, SpeakerModule
from serbench.encoders.waveform import normalized
from serbench.encoders.weights import SPEAKERS, Weights
from serbench.errors import SerbenchError, unknown
from serbench.progress import Progress

if TYPE_CHECKING:
    from transformers import HubertModel

PROFILE_SECONDS = 60.0
"""Of a speaker's audio that his profile is the mean over, at most."""


@dataclass(frozen=True)
class AdaptationOptions:
    """How weights are adapted; as they stand they are the paper's, where it gives a value.

    Attributes:
        position: where the speaker embedding goes in (PAPT); None: no speakers (TAPT).
        epochs: over the audio.
        peak: learning rate after warm-up; it falls linearly towards 0.
        warmup: share of the updates.
        batch_seconds: of audio an update; the paper's batches are not published.
        width: of the speaker table, not published either.
        layer: whose clusters are predicted, where the weights bring no head; None is three
            quarters up.
        clusters: how many then.
        head_updates: of a new head, before anything else is trained.
        valid_share: of the recordings, for validation.
        seed: of everything.
    """

    position: Position | None = None
    epochs: int = 10
    peak: float = 1e-5
    warmup: float = 0.05
    batch_seconds: float = 87.5
    width: int = 64
    layer: int | None = None
    clusters: int = 100
    head_updates: int = 500
    valid_share: float = 0.05
    seed: int = 0

    def __post_init__(self) -> None:
        if self.position not in (None, *get_args(Position)):
            raise unknown("speaker position", str(self.position), get_args(Position))
        require(self, epochs=1, peak=0, batch_seconds=2, width=1, clusters=2, head_updates=1)


@dataclass(frozen=True)
class Published:
    """Parts of a published pre-training, converted, for weights that bring no head of their own.

    Attributes:
        teacher: whose layer gives the labels.
        quantizer: file of the clusters of that layer.
        head: file of the head that tells them.
    """

    teacher: Weights
    quantizer: Path
    head: Path


def published_of(
    teacher: Weights | None, quantizer: Path | None, head: Path | None
) -> Published | None:
    """Return the parts of a published pre-training, or None if none is given.

    Raises:
        SerbenchError: some of the three are given and some are not.
    """
    if teacher and quantizer and head:
        return Published(teacher, quantizer, head)
    if teacher or quantizer or head:
        raise SerbenchError(
            "labels and head of a published pre-training belong together; give all of --teacher, "
            "--quantizer and --head, or none"
        )
    return None


def adapt(
    audio: Audio,
    folder: Path,
    options: AdaptationOptions,
    *,
    corpora: Sequence[Corpus],
    weights: Weights,
    published: Published | None = None,
    resume: bool = True,
    minutes: float = 5.0,
    progress: Progress,
    device: str,
) -> None:
    """Adapt a HuBERT to audio and write a folder that every `--weights` takes.

    The folder is as `write_hubert` writes it; its card comes last. The recordings of the validation
    part are drawn from all speakers, so that each of them has an embedding.

    Args:
        audio: to adapt to; no labels but the speakers' names are looked at.
        folder: for the weights; the work under way lies in it.
        options: how.
        corpora: what the audio is, for the card.
        weights: to start from.
        published: labels and head of a published pre-training.
        resume: go on with stopped work, to the same end.
        minutes: between two checkpoints.
        progress: where losses are shown.
        device: a torch device.

    Raises:
        SerbenchError: see `begin`, `label`, `Trainer`.
    """
    asked = asdict(options) | {"audio": digest_audio(audio)}
    asked |= {"weights": weights.provenance["digest"], "published": _digests(published)}
    bf16 = asked["bf16"] = has_bf16(device)
    if (weights.folder / SPEAKERS).is_file():
        raise SerbenchError(
            f"weights '{weights.name}' are adapted to speakers, whose embeddings would be lost; "
            "give those that they were made of"
        )
    # a speaker who cannot be heard is told before the work
    heard = _first_recordings(audio) if options.position else {}
    encoder, normalize = open_encoder(weights)
    train, valid = audio.split(options.valid_share, options.seed, by="recording")
    under_way = begin(folder, asked, resume=resume)
    work = Work(audio, train, valid, under_way, options.seed, device, bf16, minutes, progress)
    batches = Batches(options.batch_seconds, normalize)
    head, labels, told = _head(work, weights, encoder, options, batches, published)
    model = _model(encoder, head, audio, options)
    trained = _train(work, model, labels, options, batches)
    if model.speakers is not None:
        rows = [heard[name] for name in model.speakers.names]
        model.speakers.profiles.copy_(_profiles(work, model.encoder, rows, normalize))
    method = "PAPT" if options.position else "TAPT"
    card = Card(
        f"{method} (Tran et al. 2023) of {weights.provenance['id']}",
        corpora,
        weights.provenance.get("licence", "not stated"),
        [*told, trained],
        options.seed,
        options=asdict(options) | {"bf16": bf16, "published": asked["published"]},
        base=dict(weights.provenance),
    )
    write_hubert(model, folder, card, normalize=normalize)
    end(folder)


def _head(
    work: Work,
    weights: Weights,
    encoder: HubertModel,
    options: AdaptationOptions,
    batches: Batches,
    published: Published | None,
) -> tuple[Head, Labels, list[dict[str, Any]]]:
    """Return the head to go on with, the labels it tells, and the stage that made it, if any."""
    file, told = weights.folder / FILE, []
    teacher, normalize = copy.deepcopy(encoder), batches.normalize
    head = load_head(file) if file.is_file() else None
    own = head.own if head else None
    if published is not None:
        teacher, normalize = open_encoder(published.teacher)
        head = load_head(published.head)
        own = OwnLabels(Quantizer.load(published.quantizer), _layer(teacher, options))
    elif head is None or own is None:
        model, own, stage = stages.train_head(
            work,
            encoder,
            _layer(encoder, options),
            options.clusters,
            options.head_updates,
            batches,
        )
        head, told = Head.of(model), [stage]
    teacher.to(work.device)  # type: ignore[arg-type]
    extract = pseudo_labels.layer(teacher, own.layer, normalize=normalize)
    _, labels = stages.label(work, "encoder", extract, head.clusters, own.quantizer)
    return head, labels, told


def _layer(encoder: HubertModel, options: AdaptationOptions) -> int:
    return stages.own_layer(encoder) if options.layer is None else options.layer


def _model(
    encoder: HubertModel, head: Head, audio: Audio, options: AdaptationOptions
) -> MaskedPrediction:
    names = sorted({recording.speaker for recording in audio.recordings})
    with seeded(options.seed):
        speakers = None
        if options.position is not None:
            dim = encoder.config.hidden_size
            speakers = SpeakerModule(names, dim, position=options.position, width=options.width)
        model = MaskedPrediction(encoder, head.clusters, width=head.width, speakers=speakers)
    head.fill(model)
    return model


def _train(
    work: Work,
    model: MaskedPrediction,
    labels: Labels,
    options: AdaptationOptions,
    batches: Batches,
) -> dict[str, Any]:
    """Train all of it for some epochs, with a validation after each."""
    an_epoch = len(batches.source(work, model, labels, "train").epoch(0))
    settings = Settings(
        options.epochs * an_epoch,
        options.peak,
        options.warmup,
        optimizer="adam",
        betas=(0.9, 0.999),
        epsilon=1e-8,
        weight_decay=0.0,
        validate_every=an_epoch,
        clip_norm=1.0,
        **work.running,
    )
    return stages.train(work, "encoder", model, labels, settings, batches)


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


def _profiles(
    work: Work, encoder: HubertModel, speakers: Sequence[Sequence[int]], normalize: bool
) -> Tensor:
    """Return (S, D), the mean profile of each of S speakers' recordings, given by their rows."""
    encoder.eval()  # type: ignore[no-untyped-call]
    found = []
    for rows in speakers:
        with torch.inference_mode():
            heard = [profile(encoder, work.audio.wave(r), normalize=normalize) for r in rows]
        found.append(torch.stack(heard).mean(0))
    return torch.stack(found)


def _first_recordings(audio: Audio) -> dict[str, list[int]]:
    """Return the rows of each speaker's first recordings, those without a frame left out."""
    own: dict[str, list[int]] = {recording.speaker: [] for recording in audio.recordings}
    for row, recording in enumerate(audio.recordings):
        if audio.lengths[row] >= pseudo_labels.SPAN:
            own[recording.speaker].append(row)
    for name, rows in own.items():
        if not rows:
            raise SerbenchError(
                f"speaker '{name}' has no recording as long as a frame of {pseudo_labels.SPAN} "
                "samples; leave his out"
            )
        seconds = np.cumsum(audio.lengths[rows]) / audio.rate
        own[name] = rows[: max(1, int(np.searchsorted(seconds, PROFILE_SECONDS)))]
    return own


def _digests(published: Published | None) -> list[str] | None:
    if published is None:
        return None
    files = [digest_path(published.quantizer), digest_path(published.head)]
    return [published.teacher.provenance["digest"], *files]
