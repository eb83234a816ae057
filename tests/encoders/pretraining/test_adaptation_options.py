"""What stands for a size of HuBERT where nothing is asked."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import pytest
import torch
from transformers import HubertConfig, HubertModel

from serbench.encoders.pretraining.adaptation_options import AdaptationOptions, size_of
from serbench.encoders.pretraining.hubert import SIZES
from serbench.encoders.pretraining.masked import MaskedPrediction
from serbench.encoders.pretraining.pseudo_labels import Labels
from serbench.encoders.pretraining.stages import Batches
from serbench.encoders.pretraining.work import Work
from serbench.errors import SerbenchError
from serbench.progress import Silent

XLARGE = SIZES["large"] | {"hidden_size": 1280, "num_hidden_layers": 48}

# fairseq, examples/hubert/config/pretrain/hubert_{base_librispeech,large_librivox}.yaml
FAIRSEQ = {
    "base": {"feature_grad_mult": 0.1, "encoder_layerdrop": 0.05, "max_sample_size": 250_000},
    "large": {"feature_grad_mult": 1.0, "encoder_layerdrop": 0.0, "max_sample_size": 250_000},
}


def encoder_of(config: dict[str, object]) -> HubertModel:
    with torch.device("meta"):
        return HubertModel(HubertConfig(**config))


@pytest.mark.parametrize(
    ("config", "size"),
    [(SIZES["base"], "base"), (SIZES["large"], "large"), (XLARGE, "large")],
    ids=["base", "large", "xlarge"],
)
def test_published_sizes_have_the_published_values(config, size):
    encoder = encoder_of(config)
    assert size_of(encoder) == size
    made = AdaptationOptions().of(encoder)
    theirs = FAIRSEQ[size]
    assert made.gradient == theirs["feature_grad_mult"]
    assert made.layer_drop == theirs["encoder_layerdrop"]
    assert made.crop_seconds * 16_000 == theirs["max_sample_size"]
    assert (made.peak, made.batch_seconds) == (1e-5, 87.5)


def test_what_is_asked_stands_also_if_it_is_nothing():
    asked = {"peak": 0.0, "gradient": 0.0, "layer_drop": 0.0, "crop_seconds": 3.0}
    made = asdict(AdaptationOptions(**asked).of(encoder_of(SIZES["base"])))
    assert made == asked | {"batch_seconds": 87.5}


@pytest.mark.parametrize("asked", [{"seed": -1}, {"epochs": 0}, {"layer_drop": 2.0}])
def test_what_cannot_be_is_named(asked):
    ((name, value),) = asked.items()
    with pytest.raises(SerbenchError, match=f"{name} = {value}: give "):
        AdaptationOptions(**asked)


@pytest.mark.parametrize("seconds", [1.0, 15.625])
def test_crops_are_as_long_as_asked(audio, small_hubert, tmp_path, seconds):
    model = MaskedPrediction(small_hubert(), 3)
    labels = Labels.of([np.zeros(model.frames(n), np.uint16) for n in audio.lengths], 3)
    rows = np.arange(len(audio))
    work = Work(audio, rows, rows, tmp_path, 0, "cpu", False, 5.0, Silent())
    source = Batches(2.0, False, seconds).source(work, model, labels, "train")
    assert source.cutting.longest == seconds * 16_000
    assert model.frames(250_000) == 781
    cuts = source.epoch(0)
    longest = int(audio.lengths.max())
    assert max(cut.length for cut in cuts) == min(longest, seconds * 16_000)
    times = sum((cut.rows == audio.lengths.argmax()).sum() for cut in cuts)
    assert times == max(1, round(longest / (seconds * 16_000)))
