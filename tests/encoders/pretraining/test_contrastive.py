from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
import torch.nn.functional as F
from safetensors.torch import load_file

from serbench.encoders.cpc import Layout, Network
from serbench.encoders.pretraining.audio import Audio
from serbench.encoders.pretraining.card import Card, Corpus, stage
from serbench.encoders.pretraining.contrastive import (
    ContrastiveBatch,
    ContrastiveBatches,
    ContrastivePrediction,
    draw_negatives,
    info_nce,
    paper_settings,
    repeated,
    write_cpc,
)
from serbench.encoders.pretraining.schedule import Settings
from serbench.encoders.pretraining.sources import find_recordings
from serbench.encoders.pretraining.trainer import Trainer
from serbench.errors import SerbenchError
from serbench.upstreams import Clips
from serbench.upstreams.cpc import make

SMALL = Layout(channels=12, hidden=16)


@pytest.fixture(scope="module")
def predictor() -> Callable[..., ContrastivePrediction]:
    """Return a maker of models by their layout, seed and options."""

    def make(layout: Layout = SMALL, seed: int = 0, **options) -> ContrastivePrediction:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return ContrastivePrediction(Network(layout), **options)

    return make


def drawn(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def negatives_of(batch: int, frames: int, model: ContrastivePrediction) -> torch.Tensor:
    generator = torch.Generator().manual_seed(3)
    return draw_negatives(batch, frames, model.steps, model.negatives, generator)


# loss


def test_the_loss_is_that_of_a_plain_loop(predictor):
    model = predictor(steps=3, negatives=4)
    waves = drawn(0, 2, 4000)
    frames, negatives = model.network.convolve(waves), negatives_of(2, 23, model)
    contexts = model.network.contexts(frames)
    matrices = model.predictors.weight.view(3, 12, 16)
    sums = torch.zeros(3)
    for clip in range(2):
        for now in range(23):
            for step in range(1, 4):
                aim = now + step
                if not 3 <= aim < 23:
                    continue
                guess = matrices[step - 1] @ contexts[clip, now]
                others = [frames[clip, n] for n in negatives[clip, aim - 3].tolist()]
                scores = torch.stack([guess @ frame for frame in [frames[clip, aim], *others]])
                sums[step - 1] += F.cross_entropy(scores[None], torch.tensor([0]))
    outcome = model(ContrastiveBatch(waves, negatives))
    expected = sums / (2 * 20)
    found = torch.stack([outcome.report[f"step_{step}"] for step in (1, 2, 3)])
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(outcome.objective, expected.sum())
    torch.testing.assert_close(outcome.report["contrastive_loss"], expected.mean())
    assert outcome.weight == 2 * 20 * 3


def test_a_step_looks_at_nothing_after_its_context(predictor):
    model = predictor(steps=4, negatives=2)
    frames, negatives = drawn(1, 1, 30, 12), negatives_of(1, 30, model)
    before = model.scores(frames, negatives)
    contexts = model.network.contexts(frames)
    for step in range(1, 5):  # the target 20 is scored from the context 20 - step
        guess = model.predictors(contexts[0, 20 - step]).view(4, 12)[step - 1]
        torch.testing.assert_close(before[0, 16, step - 1, 0], guess @ frames[0, 20])


def test_the_loss_of_knowing_nothing_is_that_of_chance(predictor):
    scores = torch.zeros(2, 5, 12, 51)
    torch.testing.assert_close(info_nce(scores), torch.full((2, 5, 12), math.log(51)))
    model = predictor(Layout())
    assert model.chance == pytest.approx(3.932, abs=1e-3)
    waves = 0.1 * drawn(2, 2, 16000)
    report = model(ContrastiveBatch(waves, negatives_of(2, 98, model))).report
    assert float(report["contrastive_loss"].detach()) == pytest.approx(math.log(51), abs=0.02)
    assert float(report["chance"]) == pytest.approx(math.log(51))


def test_equal_scores_are_not_right(predictor):
    model = predictor(steps=2, negatives=3)
    torch.nn.init.zeros_(model.predictors.weight)
    report = model(ContrastiveBatch(drawn(0, 1, 4000), negatives_of(1, 23, model))).report
    assert report["accuracy"] == 0


def test_the_gradient_reaches_all_parameters(predictor):
    model = predictor()
    model(ContrastiveBatch(drawn(0, 2, 8000), negatives_of(2, 48, model))).objective.backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name
    assert (model.predictors.weight.grad.view(12, -1).abs().sum(1) > 0).all()


# negatives


@pytest.mark.parametrize(("frames", "steps"), [(13, 12), (14, 12), (40, 12), (2, 1)])
def test_a_negative_is_never_the_target(frames, steps):
    drawn = draw_negatives(5, frames, steps, 50, torch.Generator().manual_seed(0))
    assert drawn.shape == (5, frames - steps, 50)
    assert ((drawn >= 0) & (drawn < frames)).all()
    assert not (drawn == torch.arange(steps, frames)[:, None]).any()


def test_all_other_frames_are_equally_likely():
    drawn = draw_negatives(400, 16, 12, 50, torch.Generator().manual_seed(0))
    for at, target in enumerate(range(12, 16)):
        counts = torch.bincount(drawn[:, at].flatten(), minlength=16).double()
        assert counts[target] == 0
        others = counts[torch.arange(16) != target]
        expected = 400 * 50 / 15
        statistic = float(((others - expected) ** 2 / expected).sum())
        assert statistic < 36.1  # chi-square with 14 degrees of freedom at 0.001


def test_negatives_are_of_the_same_sequence(predictor):
    model = predictor(steps=3)
    frames, negatives = drawn(0, 3, 30, 12), negatives_of(3, 30, model)
    together = model.scores(frames, negatives)
    for clip in range(3):
        one = slice(clip, clip + 1)
        torch.testing.assert_close(together[one], model.scores(frames[one], negatives[one]))


def test_one_seed_draws_the_same():
    seeds = [torch.Generator().manual_seed(seed) for seed in (1, 1, 2)]
    first, second, third = (draw_negatives(2, 30, 12, 50, seed) for seed in seeds)
    assert torch.equal(first, second)
    assert not torch.equal(first, third)


# clips


def test_a_short_wave_repeats_itself():
    wave = torch.arange(3.0)
    assert repeated(wave, 8).tolist() == [0, 1, 2, 0, 1, 2, 0, 1]
    assert repeated(wave, 6).tolist() == [0, 1, 2] * 2
    assert repeated(wave, 3).tolist() == [0, 1, 2]
    assert repeated(wave, 2).tolist() == [0, 1]


def test_clips_are_cut_or_repeated(audio, predictor):
    model = predictor()
    source = ContrastiveBatches(audio, np.arange(len(audio)), model, seed=0, batch=5, length=20_001)
    seen, places = [], set()
    for cut in source.epoch(0):
        waves, negatives = source.batch(cut, torch.Generator().manual_seed(0))
        assert waves.shape == (len(cut.rows), 20_001)
        assert negatives.shape == (len(cut.rows), SMALL.frames(20_001) - 12, 50)
        for row, start, wave in zip(cut.rows.tolist(), cut.starts.tolist(), waves, strict=True):
            length = int(audio.lengths[row])
            if length < 20_001:
                assert torch.equal(wave[:length], audio.wave(row))
                assert torch.equal(wave[length:], wave[: 20_001 - length])
            else:
                assert torch.equal(wave, audio.wave(row)[start : start + 20_001])
                places.add(start)
            seen.append(row)
    counts = np.bincount(seen)
    assert counts.tolist() == np.maximum(1, np.round(audio.lengths / 20_001)).tolist()
    assert len(places) > 3


def test_epochs_are_reproducible_and_differ(audio, predictor):
    make = lambda seed: ContrastiveBatches(  # noqa: E731
        audio, np.arange(len(audio)), predictor(), seed=seed, batch=4, length=16_000
    )
    order = lambda source, number: [c.rows.tolist() for c in source.epoch(number)]  # noqa: E731
    assert order(make(0), 1) == order(make(0), 1)
    assert order(make(0), 1) != order(make(0), 2)
    assert order(make(0), 1) != order(make(1), 1)


def test_what_cannot_be_trained_on_is_refused(audio, predictor):
    rows = np.arange(len(audio))
    with pytest.raises(SerbenchError, match="no recording has 200000 samples"):
        ContrastiveBatches(audio, rows, predictor(), seed=0, shortest=200_000)
    with pytest.raises(SerbenchError, match="2000 samples have 10 frames, too few to predict 12"):
        ContrastiveBatches(audio, rows, predictor(), seed=0, length=2_000)


# training


@pytest.fixture(scope="module")
def tones(tmp_path_factory) -> Audio:
    """Return recordings of tones that rise evenly: each frame has a pitch that can be foretold."""
    folder, draw = tmp_path_factory.mktemp("tones"), np.random.default_rng(1)
    time = np.arange(32_000) / 16_000
    for number in range(24):
        hertz = draw.uniform(100, 500) + draw.uniform(1000, 3000) * time
        wave = 0.3 * np.sin(2 * np.pi * np.cumsum(hertz) / 16_000)
        (folder / f"speaker{number % 4}").mkdir(exist_ok=True)
        soundfile.write(folder / f"speaker{number % 4}" / f"{number}.wav", wave, 16_000)
    return Audio(find_recordings(folder))


def trainer(audio: Audio, model: ContrastivePrediction, folder: Path, **options) -> Trainer:
    train, valid = audio.split(0.25, seed=0)
    sources = [
        ContrastiveBatches(audio, rows, model, seed=0, batch=6, length=16_000)
        for rows in (train, valid)
    ]
    settings = Settings(**{"updates": 120, "peak": 5e-3, "validate_every": 40} | options)
    return Trainer(model, *sources, settings, folder, loss="contrastive_loss")


@pytest.fixture(scope="module")
def trained(tones, predictor, tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    model = predictor()
    return model, trainer(tones, model, folder).run(), folder


def test_it_learns_what_can_be_predicted(trained):
    _, report, folder = trained
    log = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    assert log[0]["contrastive_loss"] == pytest.approx(math.log(51), abs=0.02)
    assert report["contrastive_loss"] < math.log(51) - 0.8
    assert report["step_1"] < report["step_12"]
    assert report["chance"] == pytest.approx(math.log(51))


def test_noise_cannot_be_predicted(predictor, tmp_path_factory):
    """What the loss falls to on tones is no leak: frames 3 or more apart share no sample."""
    folder, draw = tmp_path_factory.mktemp("noise"), np.random.default_rng(1)
    for number in range(12):
        (folder / f"speaker{number % 4}").mkdir(exist_ok=True)
        wave = 0.1 * draw.standard_normal(32_000)
        soundfile.write(folder / f"speaker{number % 4}" / f"{number}.wav", wave, 16000)
    run = trainer(Audio(find_recordings(folder)), predictor(), folder / "run", updates=40)
    report = run.run()
    for step in range(3, 13):
        assert report[f"step_{step}"] == pytest.approx(math.log(51), abs=0.05)


@pytest.mark.parametrize("stop", [7, 11])
def test_an_interrupted_run_ends_as_one_that_was_not(tones, predictor, tmp_path, stop):
    options = {"updates": 12, "validate_every": 5, "checkpoint_minutes": 0.0}
    whole = trainer(tones, predictor(), tmp_path / "whole", **options)
    expected = whole.run()
    broken = trainer(tones, predictor(), tmp_path / "parts", **options)
    load, loaded = broken.train.batch, []

    def fails(cut, generator):
        loaded.append(cut)
        if len(loaded) == stop:
            raise KeyboardInterrupt
        return load(cut, generator)

    broken.train.batch = fails
    with pytest.raises(KeyboardInterrupt):
        broken.run()
    resumed = trainer(tones, predictor(seed=9), tmp_path / "parts", **options)
    assert resumed.reached.update == stop - 1
    assert resumed.run() == expected
    for name, value in whole.model.state_dict().items():
        assert torch.equal(value, resumed.model.state_dict()[name]), name


def test_the_papers_settings():
    settings = paper_settings(100, seed=4)
    assert (settings.optimizer, settings.peak, settings.weight_decay) == ("adam", 2e-4, 1e-5)
    assert (settings.updates, settings.seed) == (100, 4)


# files


@pytest.mark.parametrize(("half", "tolerance"), [(False, 0.0), (True, 2e-3)])
def test_the_upstream_loads_what_was_written(trained, tones, tmp_path, half, tolerance):
    model, _, folder = trained
    corpus = Corpus.of(tones, "Tones", "CC0-1.0")
    card = Card(
        "CPC",
        [corpus],
        "Apache-2.0",
        [stage("cpc", folder / "log.jsonl", "contrastive_loss")],
        seed=0,
    )
    write_cpc(model, tmp_path, card, half=half)
    upstream = make(weights=str(tmp_path))
    wave = tones.wave(3)
    with torch.inference_mode():
        ours = model.network.contexts(model.network.convolve(wave[None]))
        theirs = upstream(Clips([wave], ["a"], [None])).layers[0]
    assert theirs.dtype == torch.float32
    assert float((theirs - ours).abs().max()) <= tolerance * float(ours.abs().max())
    assert upstream.provenance["trained_on"] == "Tones (0.0 h)"
    assert upstream.provenance["licence"] == "Apache-2.0"
    written = json.loads((tmp_path / "card.json").read_text())
    assert written["parameters"] == sum(p.numel() for p in model.network.parameters())
    assert written["stages"][0]["chance"] == pytest.approx(math.log(51), rel=1e-5)
    head = load_file(tmp_path / "head.safetensors")
    assert torch.equal(head["predictors.weight"], model.predictors.weight)
