"""Whole trainings, from audio to a folder of weights."""

from __future__ import annotations

import json
import shutil
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from serbench.durable import drop, harm, seal
from serbench.encoders import weights as _weights
from serbench.encoders.pretraining import adaptation, work
from serbench.encoders.pretraining import cpc as cpc_job
from serbench.encoders.pretraining import hubert as hubert_job
from serbench.encoders.pretraining.adaptation import Published, adapt
from serbench.encoders.pretraining.adaptation_options import BY_SIZE, AdaptationOptions
from serbench.encoders.pretraining.assignment import Assignment
from serbench.encoders.pretraining.audio import Audio
from serbench.encoders.pretraining.cpc import CPCOptions
from serbench.encoders.pretraining.head import load_head
from serbench.encoders.pretraining.hubert import HubertOptions
from serbench.encoders.pretraining.offers import accept
from serbench.encoders.pretraining.profiles import profile
from serbench.encoders.pretraining.pseudo_labels import Quantizer
from serbench.encoders.pretraining.sources import (
    Collection,
    find_recordings,
    join,
    read_collections,
)
from serbench.encoders.speakers import SpeakerModule
from serbench.encoders.tensors import read_tensors, write_tensors
from serbench.errors import SerbenchError
from serbench.progress import Silent
from serbench.upstreams import Clips, Recording, Unlabelled, hubert
from serbench.upstreams import cpc as cpc_upstream

from ...damage import HARM  # noqa: TID252

QUICK = HubertOptions(
    clusters=8, updates=30, batch_seconds=8, head_updates=10, valid_share=0.25, unmasked=1.0
)
BRIEF = replace(QUICK, updates=4, head_updates=2)
ADAPTED = AdaptationOptions(
    epochs=12, peak=3e-4, batch_seconds=3, clusters=6, head_updates=5, valid_share=0.2
)


class Killed(Silent):
    """Progress of a training that is killed at an update."""

    def __init__(self, update: int) -> None:
        self.left = update

    @contextmanager
    def step(self, title, total):
        yield self if title == "pre-training" else Nothing()

    def advance(self, amount=1.0):
        self.left -= amount
        if self.left < 0:
            raise KeyboardInterrupt

    def note(self, text):
        pass


class Told(Silent):
    """Keeps what is told."""

    def __init__(self) -> None:
        self.lines = list[str]()

    def tell(self, text):
        self.lines.append(text)


class Nothing:
    def advance(self, amount=1.0):
        pass

    def note(self, text):
        pass


@pytest.fixture(scope="module")
def start(small_hubert, tmp_path_factory) -> _weights.Weights:
    """Return the weights of a small HuBERT, as published ones come: without a head."""
    folder = tmp_path_factory.mktemp("start")
    small_hubert().save_pretrained(folder)
    return _weights.find(str(folder), None, {})


def found(folder: Path) -> _weights.Weights:
    return _weights.find(str(folder), None, {})


def run(job, audio, folder, options, weights, progress=None, *, resume=False, minutes=5.0, **more):
    corpora = join([Collection("Voices", audio.recordings, "CC0-1.0")])[1]
    progress = progress or Silent()
    given = Assignment(audio, corpora, folder, progress, "cpu", resume=resume, minutes=minutes)
    job(given, options, weights=weights, **more)
    return folder


@pytest.fixture(scope="module")
def trained(audio, start, tmp_path_factory) -> Path:
    return run(hubert_job.pretrain, audio, tmp_path_factory.mktemp("out"), QUICK, start)


def test_a_hubert_goes_from_audio_to_weights_that_the_upstream_takes(trained, audio):
    upstream = hubert.make(weights=str(trained))
    wave = audio.wave(5)
    layers = upstream(Clips([wave], ["a"], [None])).layers
    assert layers.shape == (3, 1, upstream.frames(len(wave)), 32)
    card = json.loads((trained / "card.json").read_text())
    encoder, head = card["stages"]
    assert encoder["labels_of"]["layer"] == 2
    assert len(encoder["labels_of"]["digest"]) == 64
    assert (encoder["updates"], head["updates"], head["clusters"]) == (30, 10, 8)
    first = json.loads((trained / "encoder.jsonl").read_text().splitlines()[0])
    assert encoder["masked_loss"] < first["masked_loss"] - 0.2
    assert card["corpora"][0]["recordings"] == 12
    assert {f.name for f in trained.iterdir()} == {
        "config.json",
        "model.safetensors",
        "preprocessor_config.json",
        "head.safetensors",
        "card.json",
        "SHA256SUMS",
        "encoder.jsonl",
        "head.jsonl",
    }


def test_the_head_tells_the_encoder_s_own_clusters(trained, audio):
    from serbench.encoders.pretraining.pseudo_labels import layer

    head = load_head(trained / "head.safetensors")
    assert head.own.layer == 2
    encoder, normalize = hubert_job.open_encoder(found(trained))
    frames = layer(encoder, 2, normalize=normalize)(audio.wave(11))
    distances = np.linalg.norm(frames[:, None] - head.own.quantizer.centres, axis=-1)
    spread = np.linalg.norm(frames - frames.mean(0), axis=-1)
    assert distances.min(1).mean() < spread.mean()


@pytest.mark.parametrize("update", [10, 33])
def test_a_killed_training_goes_on_to_the_same_end(trained, audio, start, tmp_path, update):
    with pytest.raises(KeyboardInterrupt):
        run(hubert_job.pretrain, audio, tmp_path, QUICK, start, Killed(update), minutes=0)
    with pytest.raises(SerbenchError, match="--resume goes on with it"):
        run(hubert_job.pretrain, audio, tmp_path, QUICK, start)
    other = HubertOptions(**{**vars(QUICK), "peak": 0.5})
    with pytest.raises(SerbenchError, match=r"begun with peak 0\.001, not 0\.5"):
        run(hubert_job.pretrain, audio, tmp_path, other, start, resume=True)
    run(hubert_job.pretrain, audio, tmp_path, QUICK, start, resume=True)
    for file in ("model.safetensors", "head.safetensors"):
        ours, whole = read_tensors(tmp_path / file), read_tensors(trained / file)
        assert all(torch.equal(ours[name], whole[name]) for name in whole)


def test_finished_weights_are_not_written_over(trained, audio, start):
    with pytest.raises(SerbenchError, match="holds finished weights"):
        run(hubert_job.pretrain, audio, trained, QUICK, start, resume=True)


def test_a_folder_with_other_files_is_left_alone(audio, start):
    before = (start.folder / "model.safetensors").read_bytes()
    with pytest.raises(SerbenchError, match="holds other files"):
        run(hubert_job.pretrain, audio, start.folder, QUICK, start)
    assert (start.folder / "model.safetensors").read_bytes() == before


def test_weights_that_a_kill_left_half_written_are_written_again(brief, audio, start, tmp_path):
    whole, cut = brief
    shutil.copytree(cut, tmp_path, dirs_exist_ok=True)
    (tmp_path / "config.json").write_text("{")
    (tmp_path / "model.safetensors").write_bytes(b"half")
    run(hubert_job.pretrain, audio, tmp_path, BRIEF, start, resume=True)
    assert harm(tmp_path) is None
    ours, theirs = (read_tensors(f / "model.safetensors") for f in (tmp_path, whole))
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


@pytest.fixture(scope="module")
def brief(audio, start, tmp_path_factory) -> tuple[Path, Path]:
    """Return a training of few updates, whole, and the same killed."""
    whole, cut = (tmp_path_factory.mktemp(name) for name in ("whole", "cut"))
    run(hubert_job.pretrain, audio, whole, BRIEF, start)
    with pytest.raises(KeyboardInterrupt):
        run(hubert_job.pretrain, audio, cut, BRIEF, start, Killed(2), minutes=0)
    return whole, cut


@pytest.mark.parametrize("how", HARM)
def test_a_training_under_way_whose_note_is_damaged_begins_anew(brief, audio, start, tmp_path, how):
    whole, cut = brief
    shutil.copytree(cut, tmp_path, dirs_exist_ok=True)
    how(tmp_path / "training" / "asked.json")
    told = Told()
    run(hubert_job.pretrain, audio, tmp_path, BRIEF, start, told, resume=True)
    assert "damaged and made anew: training under way" in told.lines[0]
    ours, theirs = (read_tensors(f / "model.safetensors") for f in (tmp_path, whole))
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_what_was_asked_can_be_mended_before_a_stage_has_begun(audio, start, tmp_path):
    many = HubertOptions(**{**vars(QUICK), "clusters": 5000})
    with pytest.raises(SerbenchError, match="5000 clusters"):
        run(hubert_job.pretrain, audio, tmp_path, many, start)
    few = HubertOptions(**{**vars(QUICK), "updates": 2, "head_updates": 0})
    run(hubert_job.pretrain, audio, tmp_path, few, start)


def test_a_kill_before_the_end_is_tidied_up(trained, audio, tmp_path):
    shutil.copytree(trained, tmp_path / "cut")
    (tmp_path / "cut/training/encoder").mkdir(parents=True)
    (tmp_path / "cut/training/encoder/log.jsonl").write_text("{}")
    assert work.finished(tmp_path / "cut")
    assert not (tmp_path / "cut/training").exists()


@pytest.mark.parametrize(
    ("make", "given", "message"),
    [
        (HubertOptions, {"size": "small"}, "no size of HuBERT 'small'"),
        (HubertOptions, {"updates": 0}, "updates = 0: give 1 or more"),
        (CPCOptions, {"clips": 0}, "clips = 0: give 1 or more"),
        (AdaptationOptions, {"epochs": -3}, "epochs = -3: give 1 or more"),
        (AdaptationOptions, {"peak": float("nan")}, "peak = nan"),
        (AdaptationOptions, {"position": "middle"}, "no speaker position 'middle'"),
        (AdaptationOptions, {"gradient": -0.1}, r"gradient = -0\.1: give 0 or more"),
        (AdaptationOptions, {"layer_drop": 1.5}, r"layer_drop = 1\.5: give 1 or less"),
        (AdaptationOptions, {"crop_seconds": 0.1}, r"crop_seconds = 0\.1: give 0\.5 or more"),
    ],
)
def test_options_out_of_range_are_refused(make, given, message):
    with pytest.raises(SerbenchError, match=message):
        make(**given)


def test_fresh_weights_learn_mfcc_clusters(audio, tmp_path):
    quick = HubertOptions(clusters=5, updates=2, batch_seconds=6, head_updates=0, valid_share=0.25)
    folder = run(hubert_job.pretrain, audio, tmp_path, quick, None)
    card = json.loads((folder / "card.json").read_text())
    assert card["stages"][0]["labels_of"] == {"features": "MFCC"}
    assert card["parameters"] == 4_076_800
    assert load_head(folder / "head.safetensors").own is None


def test_a_quantizer_of_another_layer_s_width_is_refused(audio, start, tmp_path):
    path = tmp_path / "centres.safetensors"
    Quantizer(np.zeros((4, 7), np.float32)).save(path)
    with pytest.raises(SerbenchError, match="centres are 7 wide, the frames to label 32"):
        run(hubert_job.pretrain, audio, tmp_path / "out", QUICK, start, quantizer=path)


def test_more_clusters_than_frames_are_refused(audio, start, tmp_path):
    many = HubertOptions(**{**vars(QUICK), "clusters": 5000})
    with pytest.raises(SerbenchError, match="5000 clusters cannot be fitted"):
        run(hubert_job.pretrain, audio, tmp_path, many, start)


# adaptation


@pytest.fixture
def mistaken(trained, tmp_path) -> Path:
    """Return weights whose head says the contrary of what it learnt.

    Adaptation has to unlearn that. What else there is to learn in so small a corpus is less than
    what rounding, which depends on the processor, makes of the validation loss.
    """
    folder = Path(shutil.copytree(trained, tmp_path / "mistaken"))
    file = folder / "head.safetensors"
    head = read_tensors(file)
    write_tensors(file, head | {"embeddings": -head["embeddings"]}, {"layer": "2"})
    seal(folder)
    return folder


def test_tapt_goes_on_with_the_head_of_the_weights(trained, mistaken, audio, tmp_path):
    folder = run(adapt, audio, tmp_path / "out", ADAPTED, found(mistaken))
    card = json.loads((folder / "card.json").read_text())
    (only,) = card["stages"]
    assert only["clusters"] == 8
    assert card["method"].startswith("TAPT")
    assert card["base"]["digest"] == found(trained).provenance["digest"]
    first = json.loads((folder / "encoder.jsonl").read_text().splitlines()[0])
    assert only["masked_loss"] < first["masked_loss"] - 0.1
    before = read_tensors(trained / "model.safetensors")
    after = read_tensors(folder / "model.safetensors")
    assert any(not torch.equal(before[name], after[name]) for name in before)


def test_without_a_head_one_is_trained_first_and_the_encoder_waits(start, audio, tmp_path):
    still = AdaptationOptions(**{**vars(ADAPTED), "peak": 0.0})
    folder = run(adapt, audio, tmp_path, still, start)
    card = json.loads((folder / "card.json").read_text())
    assert [stage["name"] for stage in card["stages"]] == ["head", "encoder"]
    before = read_tensors(start.folder / "model.safetensors")
    after = read_tensors(folder / "model.safetensors")
    assert all(torch.equal(before[name], after[name]) for name in before)


@pytest.mark.parametrize("position", ["last", "first", "prefix", "none"])
def test_papt_learns_a_table_of_all_speakers(mistaken, audio, tmp_path, position):
    options = AdaptationOptions(**{**vars(ADAPTED), "position": position})
    folder = run(adapt, audio, tmp_path / "out", options, found(mistaken))
    table = SpeakerModule.load(folder / "speakers.safetensors")
    assert (table.names, table.position) == ([f"speaker{n}" for n in range(4)], position)
    encoder, normalize = hubert_job.open_encoder(found(folder))
    encoder.eval()
    with torch.inference_mode():
        heard = [
            profile(encoder, audio.wave(row), normalize=normalize)
            for row, recording in enumerate(audio.recordings)
            if recording.speaker == "speaker2"
        ]
    torch.testing.assert_close(table.profiles[2], torch.stack(heard).mean(0))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        fresh = SpeakerModule(table.names, 32, position=position)
    learnt = not torch.equal(fresh.table.weight, table.table.weight)
    assert learnt == (position != "none")


def test_adaptation_for_a_run_is_resumed_without_being_asked(mistaken, audio, tmp_path):
    whole = run(adapt, audio, tmp_path / "whole", ADAPTED, found(mistaken))
    cut = tmp_path / found(mistaken).provenance["digest"][:16]
    with pytest.raises(KeyboardInterrupt):
        run(adapt, audio, cut, ADAPTED, found(mistaken), Killed(3), minutes=0)
    offered = Unlabelled("Voices", "CC0-1.0", "", "all utterances", audio.recordings)
    changed = accept(found(mistaken), ADAPTED, offered, tmp_path, progress=Silent(), device="cpu")
    assert changed == {"weights": str(cut), "revision": None}
    ours, theirs = (read_tensors(f / "model.safetensors") for f in (cut, whole))
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_what_was_not_asked_is_written_with_its_value(mistaken, audio, tmp_path):
    options = AdaptationOptions(clusters=6, head_updates=5, valid_share=0.2, epochs=2)
    with pytest.raises(KeyboardInterrupt):
        run(adapt, audio, tmp_path / "out", options, found(mistaken), Killed(1), minutes=0)
    asked = json.loads((tmp_path / "out/training/asked.json").read_text())
    run(adapt, audio, tmp_path / "out", options, found(mistaken), resume=True)
    told = json.loads((tmp_path / "out/card.json").read_text())["options"]
    for name, value in asdict(BY_SIZE["nano"]).items():
        assert asked[name] == told[name] == value, name
    # norms over time, as Base has them: nothing is normalised
    assert asked["normalized"] is told["normalized"] is None


@pytest.mark.parametrize("job", ["adaptation", "iteration"])
def test_work_of_before_recordings_were_normalised_is_refused(small_hubert, audio, tmp_path, job):
    """Also where its options are the same: it would come to neither end."""
    small_hubert("layer").save_pretrained(tmp_path / "start")
    start = found(tmp_path / "start")
    train, options = (adapt, ADAPTED) if job == "adaptation" else (hubert_job.pretrain, QUICK)
    with pytest.raises(KeyboardInterrupt):
        run(train, audio, tmp_path / "out", options, start, Killed(3), minutes=0)
    note = tmp_path / "out/training/asked.json"
    asked = json.loads(note.read_text())
    assert asked["normalized"] == "recording"
    new = {"normalized"} | ({"gradient", "layer_drop", "crop_seconds"} if train is adapt else set())
    drop(note)  # earlier ones noted no checksums
    note.write_text(json.dumps({key: asked[key] for key in asked.keys() - new}))
    with pytest.raises(SerbenchError, match=r"by an earlier serbench, which did not .*normalized"):
        run(train, audio, tmp_path / "out", options, start, resume=True)
    note.write_text(json.dumps(asked))
    run(train, audio, tmp_path / "out", options, start, resume=True)


def test_no_gradient_leaves_the_convolutions_as_they_are(mistaken, audio, tmp_path):
    before = read_tensors(mistaken / "model.safetensors")
    for gradient in (0.0, 0.1):
        options = replace(ADAPTED, epochs=2, gradient=gradient)
        folder = run(adapt, audio, tmp_path / f"{gradient}", options, found(mistaken))
        after = read_tensors(folder / "model.safetensors")
        same = {name for name in before if torch.equal(before[name], after[name])}
        convolutions = {name for name in before if name.startswith("feature_extractor")}
        assert (convolutions <= same) == (gradient == 0), gradient
        assert (
            not {name for name in before if "attention" in name and "k_proj.b" not in name} & same
        )


def test_dropped_layers_are_the_same_after_a_kill(mistaken, audio, tmp_path):
    ends = []
    for place, layer_drop in (("none", 0.0), ("whole", 0.5), ("cut", 0.5)):
        options = replace(ADAPTED, epochs=2, layer_drop=layer_drop)
        if place == "cut":
            with pytest.raises(KeyboardInterrupt):
                run(adapt, audio, tmp_path / "cut", options, found(mistaken), Killed(3), minutes=0)
        more = {"resume": place == "cut"}
        folder = run(adapt, audio, tmp_path / place, options, found(mistaken), **more)
        ends.append(read_tensors(folder / "model.safetensors"))
    none, whole, cut = ends
    assert all(torch.equal(whole[name], cut[name]) for name in whole)
    assert any(not torch.equal(whole[name], none[name]) for name in whole)


def test_published_labels_and_head_are_gone_on_with(mistaken, start, audio, tmp_path):
    head = load_head(mistaken / "head.safetensors")
    head.own.quantizer.save(tmp_path / "centres.safetensors")
    published = Published(
        found(mistaken), tmp_path / "centres.safetensors", mistaken / "head.safetensors"
    )
    options = AdaptationOptions(**{**vars(ADAPTED), "layer": 2})
    more = {"published": published}
    given = run(adapt, audio, tmp_path / "a", options, found(mistaken), **more)
    own = run(adapt, audio, tmp_path / "b", options, found(mistaken))
    ours, theirs = (read_tensors(f / "model.safetensors") for f in (given, own))
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_parts_of_a_published_training_come_together(start):
    with pytest.raises(SerbenchError, match="give all of --teacher, --quantizer and --head"):
        adaptation.published_of(start, None, None)


def test_speakers_are_not_lost_by_another_adaptation(trained, audio, tmp_path):
    personal = AdaptationOptions(**{**vars(ADAPTED), "epochs": 1, "position": "last"})
    folder = run(adapt, audio, tmp_path / "papt", personal, found(trained))
    with pytest.raises(SerbenchError, match="whose embeddings would be lost"):
        run(adapt, audio, tmp_path / "again", ADAPTED, found(folder))


def test_a_single_speaker_is_adapted_to(trained, voices, tmp_path):
    alone = Audio(find_recordings(voices / "speaker1"))
    personal = AdaptationOptions(**{**vars(ADAPTED), "epochs": 1, "position": "last"})
    folder = run(adapt, alone, tmp_path, personal, found(trained))
    table = SpeakerModule.load(folder / "speakers.safetensors")
    assert table.names == ["speaker1"]
    assert table.nearest(table.profiles).tolist() == [0]


def test_a_speaker_without_a_frame_is_told_before_the_training(trained, audio, tmp_path):
    soundfile.write(tmp_path / "click.wav", np.zeros(399), 16_000)
    click = Recording(tmp_path / "click.wav", "mute")
    more = Audio([*audio.recordings, click])
    personal = AdaptationOptions(**{**vars(ADAPTED), "position": "last"})
    with pytest.raises(SerbenchError, match="speaker 'mute' has no recording as long as a frame"):
        run(adapt, more, tmp_path / "out", personal, found(trained), Killed(0))


# CPC


def test_a_cpc_goes_from_audio_to_weights_that_the_upstream_takes(audio, tmp_path):
    quick = CPCOptions(updates=6, clips=4, clip_seconds=0.8, valid_share=0.25, half=True)
    whole = run(cpc_job.pretrain, audio, tmp_path / "whole", quick, None)
    upstream = cpc_upstream.make(weights=str(whole))
    layers, _ = upstream(Clips([audio.wave(3)], ["a"], [None]))
    assert layers.shape[-1] == 256
    further = run(cpc_job.pretrain, audio, tmp_path / "further", still(quick), found(whole))
    before, after = (read_tensors(f / "head.safetensors") for f in (whole, further))
    assert torch.equal(before["predictors.weight"], after["predictors.weight"])
    card = json.loads((whole / "card.json").read_text())
    assert card["stages"][0]["chance"] == pytest.approx(np.log(51), rel=1e-5)
    with pytest.raises(KeyboardInterrupt):
        run(cpc_job.pretrain, audio, tmp_path / "cut", quick, None, Killed(3), minutes=0)
    cut = run(cpc_job.pretrain, audio, tmp_path / "cut", quick, None, resume=True)
    ours, theirs = (read_tensors(f / "model.safetensors") for f in (cut, whole))
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def still(options: CPCOptions) -> CPCOptions:
    """Return options that leave weights as they are."""
    return CPCOptions(**{**vars(options), "peak": 0.0, "updates": 1})


# sources


def test_corpora_are_described_in_a_file(voices, tmp_path):
    (tmp_path / "list.txt").write_text(f"{voices}/speaker0/00.wav\n\n{voices}/speaker1/01.wav\n")
    (tmp_path / "corpora.toml").write_text(
        f"""
        [[corpus]]
        name = "Folders"
        path = "{voices}"
        licence = "CC BY 4.0"
        attribution = "N. N."
        [[corpus]]
        name = "Listed"
        path = "list.txt"
        speaker = 'speaker(0)|/(\\d+)\\.wav'
        """
    )
    collections = read_collections(tmp_path / "corpora.toml")
    joined, (folders, listed) = join(collections)
    assert isinstance(joined, Audio)
    assert (len(joined), folders.recordings, listed.recordings) == (14, 12, 2)
    assert (folders.licence, folders.attribution, folders.speakers) == ("CC BY 4.0", "N. N.", 4)
    assert [r.speaker for r in collections[1].recordings] == ["0", "01"]
    seconds = soundfile.info(voices / "speaker0" / "00.wav").duration
    seconds += soundfile.info(voices / "speaker1" / "01.wav").duration
    assert listed.hours == pytest.approx(seconds / 3600, abs=1e-3)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[corpus]]\nname = 'a'\nfolder = 'b'", "no key of .* 'folder'"),
        ("[[corpus]]\nname = 'a'", "needs a name and a path"),
        ("name = 'a'", "has no table"),
        ("[[corpus", "cannot be read"),
    ],
)
def test_a_description_that_is_wrong_is_refused(tmp_path, text, message):
    path = tmp_path / "corpora.toml"
    path.write_text(text)
    with pytest.raises(SerbenchError, match=message):
        read_collections(path)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.csv", "path,speaker,start\nx.wav,a,soon\n", "line 2: start and end are seconds"),
        ("a.csv", "path,speaker\nx.wav,\n", "line 2: path or speaker is empty"),
        ("a.txt", "x.wav\n", "finds no speaker in line 1 of"),
        ("a.wav", "RIFF", "is one recording"),
    ],
)
def test_a_list_that_is_wrong_is_refused(tmp_path, name, text, message):
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(SerbenchError, match=message):
        read_collections(path)


def test_an_expression_that_is_none_is_refused(voices):
    with pytest.raises(SerbenchError, match="is not one"):
        read_collections(voices, speaker="(")


def test_a_path_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(SerbenchError, match="neither a folder nor a list"):
        read_collections(tmp_path / "nothing")
