"""Pre-training of CPC from audio alone (Li et al., ICASSP 2021, arXiv 2102.06357)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from serbench.devices import seeded
from serbench.encoders import cpc as networks
from serbench.encoders.pretraining.assignment import Assignment
from serbench.encoders.pretraining.card import stage
from serbench.encoders.pretraining.contrastive import (
    ContrastiveBatches,
    ContrastivePrediction,
    paper_settings,
    write_cpc,
)
from serbench.encoders.pretraining.schedule import require
from serbench.encoders.pretraining.trainer import Trainer
from serbench.encoders.pretraining.work import Work, end
from serbench.encoders.weights import Weights


@dataclass(frozen=True)
class CPCOptions:
    """How a CPC is trained; as they stand they are the paper's, save for length and norm.

    Attributes:
        updates: in all; the paper trains for 50 epochs.
        peak: learning rate after warm-up.
        warmup: share of the updates.
        clips: in a batch.
        clip_seconds: of each; longer recordings are cut, shorter ones repeat themselves.
        steps: predicted ahead, of 10 ms each.
        negatives: frames of the same clip that each true one is told from.
        norm: a fresh network normalises frames over channels before each ReLU, as CPC_audio's does.
            The paper names no norm; without it the loss stays at chance for longer.
        valid_share: of the speakers, for validation.
        seed: of everything.
        half: write half precision.
    """

    updates: int = 1000
    peak: float = 2e-4
    warmup: float = 0.08
    clips: int = 64
    clip_seconds: float = 10.0
    steps: int = 12
    negatives: int = 50
    norm: bool = True
    valid_share: float = 0.04
    seed: int = 0
    half: bool = False

    def __post_init__(self) -> None:
        require(self, updates=1, peak=0, clips=1, clip_seconds=0.5, steps=1, negatives=1, seed=0)


def pretrain(given: Assignment, options: CPCOptions, *, weights: Weights | None = None) -> None:
    """Train a CPC and write a folder that the upstream `cpc` takes.

    Args:
        given: audio and folder.
        options: how.
        weights: to start from; None: fresh ones.

    Raises:
        SerbenchError: see `begin`, `ContrastiveBatches`, `Trainer`.
    """
    # single precision: scores are small differences of large sums, which bfloat16 drowns in noise
    work = given.begin(options, weights, {})
    model = _model(options, weights)
    told = _train(work, model, options)
    method = "CPC, contrastive prediction (Li et al. 2021)"
    write_cpc(model, given.folder, given.card(method, [told], options, weights), half=options.half)
    end(given.folder)


def _model(options: CPCOptions, weights: Weights | None) -> ContrastivePrediction:
    """Return a network with its predictors, fresh or from weights, all of it to be trained."""
    with seeded(options.seed):
        fresh = networks.Layout(norm=options.norm)
        network = networks.Network(fresh) if weights is None else networks.load(weights)
        model = ContrastivePrediction(network, steps=options.steps, negatives=options.negatives)
    if weights is not None:
        model.requires_grad_(True).fill(weights.folder)
    return model


def _train(work: Work, model: ContrastivePrediction, options: CPCOptions) -> dict[str, Any]:
    """Train a model to its best validation loss; return the stage for the card."""
    settings = paper_settings(
        options.updates,
        peak=options.peak,
        warmup=options.warmup,
        validate_every=max(1, options.updates // 20),
        **work.running,
    )
    place = work.folder / "network"
    Trainer(
        model,
        _batches(work, "train", model, options),
        _batches(work, "valid", model, options),
        settings,
        place,
        loss="contrastive_loss",
        progress=work.progress,
    ).run()
    told = stage("network", place / "log.jsonl", "contrastive_loss", peak=options.peak)
    work.progress.tell(
        f"CPC: loss {told['contrastive_loss']:.3f} nats a step (guessing: {model.chance:.3f}) "
        f"after {told['hours_heard']:.2f} h of audio"
    )
    return told


def _batches(
    work: Work, part: str, model: ContrastivePrediction, options: CPCOptions
) -> ContrastiveBatches:
    rows, seed = work.part(part)
    return ContrastiveBatches(
        work.audio,
        rows,
        model,
        seed=seed,
        batch=options.clips,
        length=round(options.clip_seconds * work.audio.rate),
    )
