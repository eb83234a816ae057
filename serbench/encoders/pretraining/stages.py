"""The stages of masked prediction: pseudo-labels, the encoder, the head alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from serbench.devices import seeded
from serbench.durable import usable
from serbench.encoders.pretraining import pseudo_labels
from serbench.encoders.pretraining.audio import Cutting
from serbench.encoders.pretraining.card import stage
from serbench.encoders.pretraining.head import OwnLabels
from serbench.encoders.pretraining.masked import MaskedBatches, MaskedPrediction, Objective
from serbench.encoders.pretraining.pseudo_labels import Extractor, Labels, Quantizer
from serbench.encoders.pretraining.schedule import Settings
from serbench.encoders.pretraining.trainer import Trainer
from serbench.encoders.pretraining.work import Work
from serbench.encoders.tensors import read_tensors
from serbench.errors import SerbenchError

if TYPE_CHECKING:
    from transformers import HubertModel

_HOURS = 2.0
"""Of audio that k-means is fitted on at most, and a head alone is trained on.

They are 360,000 frames, 1.5 GB at HuBERT Large's width.
"""

_HEAD_RATE = 3e-3

LARGE = 1024
"""Width of HuBERT Large; what is wider is trained as Large is."""


@dataclass(frozen=True)
class Batches:
    """How audio is cut into batches.

    Attributes:
        seconds: in a batch at most.
        normalize: bring every recording to mean 0 and variance 1.
        crop: seconds of a recording in a batch at most.
    """

    seconds: float
    normalize: bool
    crop: float = 8.0

    @property
    def normalized(self) -> str | None:
        """What is brought to mean 0 and variance 1, as cards and `asked.json` say it."""
        return "recording" if self.normalize else None

    def source(
        self, work: Work, model: MaskedPrediction, labels: Labels, part: str
    ) -> MaskedBatches:
        """Return the batches of a part, "train" or "valid"."""
        rate = work.audio.rate
        sizes = (round(seconds * rate) for seconds in (self.seconds, self.crop, 0.5))
        cutting = Cutting(*sizes)
        rows, seed = work.part(part)
        return MaskedBatches(
            work.audio,
            labels,
            rows,
            cutting,
            frames=model.frames,
            seed=seed,
            normalize=self.normalize,
            speakers=model.speakers,
        )


def label(
    work: Work, name: str, extract: Extractor, clusters: int, quantizer: Quantizer | None = None
) -> tuple[Quantizer, Labels]:
    """Return clusters and the cluster of every frame, made once and kept in the work's folder.

    Args:
        work: the audio; clusters are fitted on its training part.
        name: of the stage.
        extract: frames of a waveform.
        clusters: how many there are to be.
        quantizer: given clusters, for which nothing is fitted.

    Raises:
        SerbenchError: more clusters than frames, or given ones of another number or width.
    """
    place = work.folder / name
    centres, codes = place / "centres.safetensors", place / "labels.safetensors"
    tell = work.progress.tell
    fitted = usable(centres, "clusters in", tell, Quantizer.load)
    if not (usable(codes, "labels in", tell, read_tensors) and fitted):
        made = quantizer
        if made is None:
            made = Quantizer.load(centres) if fitted else _fit(work, extract, clusters)
        longest = int(work.audio.lengths.argmax())
        _check(made, clusters, extract(work.audio.wave(longest)).shape[1])
        made.save(centres)
        pseudo_labels.label(work.audio, extract, made, work.progress).save(codes)
    return Quantizer.load(centres), Labels.load(codes)


def _fit(work: Work, extract: Extractor, clusters: int) -> Quantizer:
    part = work.up_to(_HOURS)
    frames = pseudo_labels.gather(part.audio, part.train.tolist(), extract, work.progress)
    work.progress.tell(f"k-means: {clusters} clusters of {len(frames)} frames")
    return pseudo_labels.fit_quantizer(frames, clusters, seed=work.seed)


def _check(quantizer: Quantizer, clusters: int, width: int) -> None:
    count, wanted = quantizer.centres.shape
    if count != clusters:
        raise SerbenchError(
            f"the quantizer has {count} centres, the head tells {clusters} clusters; give a "
            "quantizer and a head that belong together"
        )
    if wanted != width:
        raise SerbenchError(
            f"the quantizer's centres are {wanted} wide, the frames to label {width}; give the "
            "layer and the teacher that it was fitted on"
        )


def train(
    work: Work,
    name: str,
    model: MaskedPrediction,
    labels: Labels,
    settings: Settings,
    batches: Batches,
    **more: Any,
) -> dict[str, Any]:
    """Train a model to its best validation loss; return the stage for a card."""
    folder = work.folder / name
    trainer = Trainer(
        model,
        batches.source(work, model, labels, "train"),
        batches.source(work, model, labels, "valid"),
        settings,
        folder,
        loss="masked_loss",
        progress=work.progress,
    )
    trainer.run()
    entropy = round(labels.entropy(), 4)
    more |= {"clusters": labels.clusters, "label_entropy": entropy}
    more |= {"peak": settings.peak, "batch_seconds": batches.seconds}
    told = stage(name, folder / "log.jsonl", "masked_loss", **more)
    work.progress.tell(
        f"{name}: masked loss {told['masked_loss']:.3f} nats a frame (entropy of the labels "
        f"{entropy:.3f} nats) after {told['hours_heard']:.2f} h of audio"
    )
    if told["kept_update"] == 0:
        work.progress.tell(
            f"warning: {name}: no update lowered the validation loss, so the weights are as before"
        )
    return told


def train_head(
    work: Work, encoder: HubertModel, number: int, clusters: int, updates: int, batches: Batches
) -> tuple[MaskedPrediction, OwnLabels, dict[str, Any]]:
    """Train a head that tells an encoder's own clusters, while the encoder stays as it is.

    With it the masked prediction can go on from these weights alone: a teacher is not needed.

    Args:
        work: audio and folder.
        encoder: not changed.
        number: layer whose frames are clustered.
        clusters: how many.
        updates: of the head.
        batches: how audio is cut.
    """
    work = work.up_to(_HOURS)
    encoder.to(work.device)  # type: ignore[arg-type]
    extract = pseudo_labels.layer(encoder, number, normalize=batches.normalize)
    quantizer, labels = label(work, "head", extract, clusters)
    trainable = [p.requires_grad for p in encoder.parameters()]
    encoder.requires_grad_(False)
    alone = Objective(gradient=0.0)
    with seeded(work.seed):
        model = MaskedPrediction(encoder, clusters, width=head_width(encoder), objective=alone)
    settings = Settings(
        updates, peak=_HEAD_RATE, validate_every=max(1, updates // 4), clip_norm=1.0, **work.running
    )
    told = train(work, "head", model, labels, settings, batches, layer=number)
    for parameter, wanted in zip(encoder.parameters(), trainable, strict=True):
        parameter.requires_grad_(wanted)
    return model, OwnLabels(quantizer, number), told


def head_width(encoder: HubertModel) -> int:
    """Return the width of the space in which cosines are taken: 256 in Base, 768 in Large."""
    return 768 if encoder.config.hidden_size >= LARGE else 256


def own_layer(encoder: HubertModel) -> int:
    """Return the layer that is clustered unless told: three quarters up, 9 of Base's 12."""
    return round(0.75 * encoder.config.num_hidden_layers)
