from __future__ import annotations

import math

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from serbench.encoders.pretraining.audio import Audio, Cutting, plan
from serbench.encoders.pretraining.sources import find_recordings, read_recordings
from serbench.errors import SerbenchError
from serbench.upstreams import Recording


def test_a_folder_gives_its_audio_with_speakers(voices):
    found = find_recordings(voices)
    assert [r.path.name for r in found[:3]] == ["00.wav", "04.wav", "08.wav"]
    assert [r.speaker for r in found[:4]] == ["speaker0"] * 3 + ["speaker1"]
    by_file = find_recordings(voices, r"/(\d)\d\.wav$")
    assert {r.speaker for r in by_file} == {"0", "1"}


def test_a_folder_without_audio_or_with_other_names_is_refused(tmp_path, voices):
    with pytest.raises(SerbenchError, match="no audio below"):
        find_recordings(tmp_path)
    with pytest.raises(SerbenchError, match=rf"no speaker in '{voices.name}/speaker0/00\.wav'"):
        find_recordings(voices, "(nobody)")


def test_a_table_gives_parts_of_files(tmp_path, voices):
    table = tmp_path / "list.csv"
    table.write_text(f"path,speaker,start,end\n{voices}/speaker3/11.wav,a,1.5,2.25\n")
    (recording,) = read_recordings(table)
    audio = Audio([recording])
    whole, _ = soundfile.read(recording.path, dtype="float32")
    assert audio.lengths.tolist() == [12_000]
    np.testing.assert_array_equal(audio.wave(0).numpy(), whole[24_000:36_000])


@pytest.mark.parametrize("text", ["", "path,speaker\n", "file,speaker\nx.wav,a\n"])
def test_a_table_without_its_columns_is_refused(tmp_path, text):
    table = tmp_path / "list.csv"
    table.write_text(text)
    with pytest.raises(SerbenchError, match="columns path,speaker"):
        read_recordings(table)


def test_channels_are_averaged_and_rates_changed(tmp_path):
    time = np.arange(44_100) / 44_100
    tone = 0.5 * np.sin(2 * np.pi * 300 * time)
    path = tmp_path / "stereo.wav"
    soundfile.write(path, np.stack([tone, np.zeros_like(tone)], 1), 44_100)
    wave = Audio([Recording(path, "a")]).wave(0)
    expected = 0.25 * np.sin(2 * np.pi * 300 * np.arange(16_000) / 16_000)
    assert wave.shape == (16_000,)
    np.testing.assert_allclose(wave.numpy()[200:-200], expected[200:-200], atol=1e-3)


@pytest.mark.parametrize("memory", [0, 10**9])
def test_what_does_not_fit_in_memory_is_decoded_again(voices, memory):
    audio = Audio(find_recordings(voices), memory=memory)
    first, second = audio.wave(3), audio.wave(3)
    assert torch.equal(first, second)
    whole, _ = soundfile.read(audio.recordings[3].path, dtype="float32")
    np.testing.assert_array_equal(first.numpy(), whole)
    assert torch.equal(audio.wave(3, 500, 700), first[500:1200])


def test_bad_files_are_named(tmp_path, voices):
    with pytest.raises(SerbenchError, match=r"cannot read .*gone\.wav"):
        Audio([Recording(tmp_path / "gone.wav", "a")])
    with pytest.raises(SerbenchError, match=r"nothing between 9 s and"):
        Audio([Recording(voices / "speaker0" / "00.wav", "a", 9)])
    with pytest.raises(SerbenchError, match="no recordings"):
        Audio([])


def test_validation_speakers_are_not_trained_on(audio):
    train, valid = audio.split(0.25, seed=3)
    speakers = [recording.speaker for recording in audio.recordings]
    assert sorted([*train, *valid]) == list(range(len(audio)))
    assert not {speakers[row] for row in train} & {speakers[row] for row in valid}
    assert len({speakers[row] for row in valid}) == 1
    assert any(audio.split(0.25, seed)[1][0] != valid[0] for seed in range(9))


def test_one_speaker_is_split_by_recording(voices):
    audio = Audio(find_recordings(voices / "speaker0"))
    train, valid = audio.split(0.1, seed=0)
    assert len(valid) == 1
    assert len(train) == len(audio) - 1


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(400, 300_000), min_size=1, max_size=60),
    st.integers(50_000, 700_000),
    st.integers(0, 9),
)
def test_an_epoch_holds_every_recording_without_padding(lengths, batch, seed):
    sizes = np.array([*lengths, 20_000])
    cutting = Cutting(batch=batch, longest=100_000, shortest=8_000)
    cuts = plan(sizes, np.arange(len(sizes)), cutting, seed)
    for cut in cuts:
        assert (cut.starts % cutting.grid == 0).all()
        assert (cut.starts + cut.length <= sizes[cut.rows]).all()
        assert cut.length * len(cut.rows) <= max(batch, cut.length)
    rows = np.concatenate([cut.rows for cut in cuts])
    expected = np.where(sizes < 8_000, 0, np.maximum(1, np.round(sizes / 100_000)))
    np.testing.assert_array_equal(np.bincount(rows, minlength=len(sizes)), expected)


def test_batches_are_full_and_little_is_cut_away():
    lengths = np.random.default_rng(0).gamma(6, 9_000, 5000).astype(np.int64) + 16_000
    cutting = Cutting()
    cuts = plan(lengths, np.arange(len(lengths)), cutting, 0)
    kept = sum(cut.length * len(cut.rows) for cut in cuts)
    wanted = sum(float(np.minimum(lengths[cut.rows], cutting.longest).sum()) for cut in cuts)
    assert 1 - kept / wanted < 0.05
    assert np.median([cut.length * len(cut.rows) for cut in cuts]) > 0.9 * cutting.batch


def test_epochs_differ_and_repeat():
    lengths = np.arange(20_000, 60_000, 100)
    rows = np.arange(len(lengths))
    first, again, other = (plan(lengths, rows, Cutting(), seed) for seed in (1, 1, 2))
    joined = [np.concatenate([cut.rows for cut in cuts]).tolist() for cuts in (first, again, other)]
    assert joined[0] == joined[1]
    assert joined[0] != joined[2]
    assert all((a.starts == b.starts).all() for a, b in zip(first, again, strict=True))


def test_recordings_that_are_all_too_short_are_refused():
    with pytest.raises(SerbenchError, match="no recording has 16000 samples"):
        plan(np.array([500, 15_999]), np.arange(2), Cutting(), 0)


def test_times_are_those_of_the_headers(audio):
    seconds = [soundfile.info(r.path).duration for r in audio.recordings]
    assert audio.hours == pytest.approx(math.fsum(seconds) / 3600)
