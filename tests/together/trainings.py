"""Small trainings, done by one process or by several that a launcher starts.

`python -m torch.distributed.run --nproc-per-node 2 trainings.py OUT HUBERT VOICES`
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from serbench import ranks
from serbench.benchmarks import Classification, Fold, Regression, Task
from serbench.devices import launched, seeded
from serbench.downstreams import Downstream
from serbench.encoders.pretraining.audio import Audio, Cutting
from serbench.encoders.pretraining.masked import MaskedBatches, MaskedPrediction
from serbench.encoders.pretraining.pseudo_labels import Labels
from serbench.encoders.pretraining.schedule import Settings
from serbench.encoders.pretraining.sources import find_recordings
from serbench.encoders.pretraining.trainer import Trainer
from serbench.progress import Silent
from serbench.sharing import follow
from serbench.training.fit import fit
from serbench.training.objectives import objective_of
from serbench.training.settings import FineTuning, Training
from serbench.training.streams import Stream
from serbench.training.system import System
from serbench.training.trial import Trial
from serbench.training.waves import DecodedClips
from serbench.upstreams import Upstream, cpc, hubert

COUNT = 42
FOLD = Fold("first", np.arange(29), np.arange(29, 34), np.arange(34, 41), enrol=np.arange(41, 42))
CLUSTERS = 5
LOSSES = ("masked_loss", "feature_penalty")


class Fickle(Downstream):
    """A head that looks at the whole batch, and draws: of less than the batch it gives others."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.embedding_dim = dim
        self.layers = nn.Sequential(nn.BatchNorm1d(dim), nn.Dropout(0.3))

    def forward(self, frames: Tensor, lengths: Tensor, speakers: Tensor) -> Tensor:
        embedding: Tensor = self.layers(frames.sum(1) / lengths[:, None])
        return embedding


def finetuned(upstream: Upstream, task: Task, training: Training) -> dict[str, Tensor]:
    """Train an encoder with a head; return all that comes out."""
    draw = np.random.default_rng(0)
    loud = np.arange(COUNT) % 2
    waves = [
        draw.normal(0, 0.1 + 0.2 * high, 4000 + 160 * (number % 9)).astype(np.float32)
        for number, high in enumerate(loud)
    ]
    lengths = np.array([len(wave) for wave in waves])
    clips = DecodedClips(upstream, waves, lengths, ["a"] * COUNT, [None] * COUNT)
    felt = (loud + draw.normal(0, 0.3, COUNT))[:, None]
    trial = Trial(
        sources=(clips,),
        targets=felt if task.correlates else loud,
        speakers=np.zeros(COUNT, np.int64),
        fold=FOLD,
        objective=objective_of(task, training),
        training=training,
        seed=0,
        device=torch.device("cpu"),
    )

    def system() -> System:
        stream = Stream(upstream.depth, upstream.dim, upstream=copy.deepcopy(upstream))
        return System([stream], [Fickle(upstream.dim)], len(task.outputs))

    made = fit(trial, system, Silent().step("", 0).__enter__())
    losses = torch.tensor([epoch.loss for epoch in made.history])
    parts = {name: torch.from_numpy(getattr(made, name)) for name in ("scores", "validation")}
    return parts | {"pooled": torch.from_numpy(made.pooled), "loss of each epoch": losses}


def ccc(weights: Path, accumulate: int = 1) -> dict[str, Tensor]:
    """1 - CCC of batches of 16; in parts of 8 it is another loss."""
    tuning = FineTuning(accumulate=accumulate)
    training = Training(learning_rates=(1e-3,), epochs=3, batch=16, finetune=tuning)
    return finetuned(hubert.make(weights=str(weights)), Regression(("arousal",), -1, 2), training)


def classes() -> dict[str, Tensor]:
    """Cross-entropy beside a loss of the encoder, by an LSTM in training mode, refitted."""
    tuning = FineTuning(accumulate=2)
    training = Training(learning_rates=(1e-4,), epochs=2, batch=7, finetune=tuning, refit=True)
    upstream = cpc.make(contrastive=0.01)
    return finetuned(upstream, Classification(("quiet", "loud")), training)


def masked(folder: Path, voices: Path) -> dict[str, Tensor]:
    """Masked prediction; return the losses, and the weights of the head."""
    from transformers import HubertConfig, HubertModel

    audio = Audio(find_recordings(voices))
    with seeded(0):
        small = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
        dry = dict.fromkeys(
            ["hidden_dropout", "attention_dropout", "activation_dropout", "feat_proj_dropout"], 0.0
        )
        config = HubertConfig(intermediate_size=64, conv_dim=(16,) * 7, **small, **dry)
        model = MaskedPrediction(HubertModel(config), CLUSTERS, width=24)
    draw = np.random.default_rng(0)
    frames = [model.frames(int(samples)) for samples in audio.lengths]
    labels = Labels.of((draw.integers(CLUSTERS, size=n).astype(np.uint16) for n in frames), 5)
    cutting = Cutting(48_000, 32_000, 8_000)
    parts = [
        MaskedBatches(audio, labels, rows, cutting, frames=model.frames, seed=seed)
        for seed, rows in enumerate((np.arange(9), np.arange(9, 12)))
    ]
    settings = Settings(12, 1e-3, validate_every=6)
    trainer = Trainer(model, *parts, settings, folder, loss="masked_loss")
    report = trainer.run()
    found = {f"loss: {name}": torch.tensor(report[name]) for name in LOSSES}
    return found | {
        name: model.state_dict()[name].clone() for name in ("embeddings", "project.weight")
    }


def jobs(out: Path, weights: Path, voices: Path) -> dict[str, Callable[[], dict[str, Tensor]]]:
    """Return the trainings by their names."""
    return {
        "ccc": lambda: ccc(weights),
        "classes": classes,
        "masked": lambda: masked(out / "work", voices),
    }


def main(out: Path, weights: Path, voices: Path) -> None:
    """Do all trainings, and keep what they give."""
    group = ranks.join("cpu") if launched() else None
    if group is not None and group.rank:
        follow(group)
        return
    for name, job in jobs(out, weights, voices).items():
        save_file(job(), out / f"{name}.safetensors")
    if group is not None:
        group.dismiss()


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
