"""The feature store: encode once, go on after an interruption, keep what is sufficient."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import soundfile
import torch

from serbench import devices
from serbench.digests import digest_json
from serbench.errors import SerbenchError
from serbench.progress import Silent
from serbench.training import store as features
from serbench.training import waves
from serbench.training.settings import Precision
from serbench.upstreams import Clips, Features, TextUpstream, Upstream, fbank, stack

from ..damage import HARM  # noqa: TID252

RATE = 16000


class Counting(Upstream):
    """The real fbank, counting the utterances it encodes, and stopping where it is told."""

    def __init__(self, stop_after: int | None = None) -> None:
        super().__init__()
        self.inner = fbank.make()
        self.sample_rate, self.depth, self.dim = RATE, self.inner.depth, self.inner.dim
        self.encoded = 0
        self.stop_after = stop_after

    def frames(self, samples: int) -> int:
        return self.inner.frames(samples)

    def forward(self, clips: Clips) -> Features:
        if self.stop_after is not None and self.encoded >= self.stop_after:
            raise KeyboardInterrupt
        self.encoded += len(clips.waves)
        return self.inner(clips)


class Scaled(Counting):
    """Features of another size, as large as they are told."""

    def __init__(self, factor: float = 1e6) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, clips: Clips) -> Features:
        layers, lengths = super().forward(clips)
        return Features(layers * self.factor, lengths)


class Told(Silent):
    """Keeps what is told."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def tell(self, text: str) -> None:
        self.lines.append(text)


@pytest.fixture(autouse=True)
def _small_shards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERBENCH_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(features, "_SHARD_SECONDS", 2.0)
    monkeypatch.setattr(features, "_BATCH_SECONDS", {"cpu": 2.5})


@pytest.fixture
def table(tmp_path: Path) -> pd.DataFrame:
    """Twelve utterances of different lengths, out of order, one of them a segment."""
    rng = np.random.default_rng(0)
    rows = []
    for i, seconds in enumerate(rng.uniform(0.3, 1.5, 12)):
        path = tmp_path / f"{i}.wav"
        soundfile.write(path, rng.normal(0, 0.1, int(seconds * RATE)), RATE)
        start, end = (0.1, 0.3) if i == 3 else (np.nan, np.nan)
        length = 0.2 if i == 3 else seconds
        rows.append((f"u{i}", str(path), start, end, f"s{i % 3}", None, f"digest{i}", length))
    columns = ["utterance", "path", "start", "end", "speaker", "text", "recording", "seconds"]
    return pd.DataFrame(rows, columns=columns)


def encode(
    table: pd.DataFrame,
    make: Callable[[], Upstream],
    kept: features.Kept = "frames",
    **options: Any,
) -> features.StoredFeatures:
    return features.encode(table, {"name": "fbank"}, make, kept, Silent(), **options)


def alone(table: pd.DataFrame, row: int) -> torch.Tensor:
    """Return the (L, T, D) features of one utterance, encoded by itself."""
    entry = table.iloc[row]
    wave, _ = soundfile.read(entry["path"], dtype="float32")
    if entry["start"] == entry["start"]:
        wave = wave[int(entry["start"] * RATE) : int(entry["end"] * RATE)]
    return fbank.make()(Clips([torch.from_numpy(wave)], ["s"], [None])).layers[:, 0]


def test_each_utterance_is_encoded_once(table: pd.DataFrame) -> None:
    upstream = Counting()
    encode(table, lambda: upstream)
    assert upstream.encoded == len(table)
    encode(table, lambda: pytest.fail("a stored corpus must not load the upstream"))


@pytest.mark.parametrize(
    "change", [{"recording": "other"}, {"speaker": "other"}, {"text": "other"}]
)
def test_another_corpus_is_another_store(table: pd.DataFrame, change: dict[str, str]) -> None:
    encode(table, Counting)
    column, value = next(iter(change.items()))
    table[column] = table[column].astype(object)
    table.loc[0, column] = value
    upstream = Counting()
    encode(table, lambda: upstream)
    assert upstream.encoded == len(table)


def test_frames_are_those_of_each_clip_alone(table: pd.DataFrame) -> None:
    stored = encode(table, Counting)
    rows = np.array([5, 0, 3, 11])
    layers, lengths = stored.batch(rows)
    assert layers.dtype == torch.float32
    for i, row in enumerate(rows):
        expected = alone(table, row)
        assert lengths[i] == expected.shape[1]
        # half precision has 11 significant bits
        torch.testing.assert_close(layers[:, i, : lengths[i]], expected, rtol=2**-11, atol=1e-4)
        assert (layers[:, i, lengths[i] :] == 0).all()


def test_means_are_kept_in_single_precision(table: pd.DataFrame) -> None:
    stored = encode(table, Counting, "mean")
    layers, lengths = stored.batch(np.arange(len(table)))
    assert layers.shape == (1, len(table), 1, 240)
    assert (lengths == 1).all()
    for row in range(len(table)):
        torch.testing.assert_close(layers[:, row, 0], alone(table, row).mean(1), rtol=0, atol=1e-6)


def test_an_interrupted_encoding_goes_on(table: pd.DataFrame) -> None:
    stopped = Counting(stop_after=6)
    with pytest.raises(KeyboardInterrupt):
        encode(table, lambda: stopped)
    second = Counting()
    stored = encode(table, lambda: second)
    assert 0 < second.encoded < len(table), "finished shards must not be encoded again"
    whole = Counting()
    fresh = features.encode(table, {"name": "afresh"}, lambda: whole, "frames", Silent())
    rows = np.arange(len(table))
    assert torch.equal(stored.batch(rows).layers, fresh.batch(rows).layers)


def test_an_encoding_that_was_begun_on_other_threads_begins_anew(table: pd.DataFrame) -> None:
    with devices.threads(2), pytest.raises(KeyboardInterrupt):
        encode(table, lambda: Counting(stop_after=6))
    for end in (KeyboardInterrupt, None):  # also if that is stopped in its turn
        told, second = Told(), Counting(None if end is None else 3)
        with devices.threads(1), nullcontext() if end is None else pytest.raises(end):
            features.encode(table, {"name": "fbank"}, lambda made=second: made, "frames", told)
        if end is not None:
            assert any("on another device or other threads" in line for line in told.lines)
    assert len(table) - 6 < second.encoded < len(table), "what the second one finished is kept"
    with devices.threads(2):
        encode(table, lambda: pytest.fail("what is whole is taken, whoever made it"))


def test_padding_waste_of_a_plan_is_small() -> None:
    seconds = np.random.default_rng(1).lognormal(1, 0.5, 2000)
    padded = true = 0.0
    for shard in features.plan_shards(seconds):
        for batch in features._batches(shard, seconds, 12.0):
            padded += seconds[batch].max() * len(batch)
            true += seconds[batch].sum()
    assert np.isclose(true, seconds.sum()), "every utterance is in one batch"
    assert padded / true < 1.05


def test_features_beyond_half_precision_are_refused_with_the_remedy(table: pd.DataFrame) -> None:
    with pytest.raises(SerbenchError, match=r"'u\d+' go up to .*float16.*precision=bfloat16"):
        encode(table, Scaled)


def test_features_that_are_no_numbers_blame_the_encoder(table: pd.DataFrame) -> None:
    for kept in ("frames", "mean"):
        with pytest.raises(
            SerbenchError, match=r"'u\d+' are not finite.*though its samples are.*`serbench check"
        ) as caught:
            encode(table, lambda: Scaled(float("nan")), kept)
        assert "data check" not in str(caught.value)


@pytest.mark.parametrize(("precision", "bits"), [("bfloat16", 8), ("float32", 24)])
def test_wider_numbers_are_kept_where_they_are_asked_for(
    table: pd.DataFrame, precision: Precision, bits: int
) -> None:
    stored = encode(table, Scaled, precision=precision)
    rows = np.array([5, 0, 3, 11])
    layers, lengths = stored.batch(rows)
    assert layers.dtype == torch.float32
    for i, row in enumerate(rows):
        expected = alone(table, row) * 1e6
        # frames computed in a batch differ by some 1e-5 of the largest value
        torch.testing.assert_close(
            layers[:, i, : lengths[i]], expected, rtol=2.0**-bits, atol=100.0
        )
        assert (layers[:, i, lengths[i] :] == 0).all()
    exact = encode(table, Scaled, precision="float32").batch(rows).layers
    assert torch.equal(layers, exact.to(getattr(torch, precision)).float())


def test_precision_has_a_store_of_its_own_if_it_changes_what_is_stored(
    table: pd.DataFrame, tmp_path: Path
) -> None:
    for count, kept, precision in (
        (1, "frames", "float16"),
        (2, "frames", "bfloat16"),
        (3, "frames", "float32"),
        (4, "mean", "float16"),
        (4, "mean", "bfloat16"),
    ):
        encode(table, Counting, kept, precision=precision)
        assert len(list((tmp_path / "home" / "features").iterdir())) == count


def test_a_store_of_older_releases_is_read(table: pd.DataFrame, tmp_path: Path) -> None:
    corpus = table[["recording", "speaker", "text"]].fillna("").to_numpy().tolist()
    named = {"upstream": {"name": "fbank"}, "corpus": corpus, "kept": "frames"}
    folder = tmp_path / "home" / "features" / digest_json(named)[:32]
    folder.mkdir(parents=True)
    index = {"depth": 2, "dim": 3, "provenance": {"id": "older"}}
    (folder / "index.json").write_text(json.dumps(index))
    rng = np.random.default_rng(0)
    blocks: dict[int, np.ndarray] = {}
    for shard, rows in enumerate(features.plan_shards(table["seconds"].to_numpy(float))):
        own = [rng.normal(size=(2, rng.integers(1, 9), 3)).astype(np.float16) for _ in rows]
        blocks |= dict(zip(rows.tolist(), own, strict=True))
        np.save(folder / f"{shard:05d}.npy", np.concatenate([block.ravel() for block in own]))
        np.save(folder / f"{shard:05d}.lengths.npy", [block.shape[1] for block in own])
    stored = encode(table, lambda: pytest.fail("it is all there"))
    assert stored.provenance == {"id": "older"}
    layers, lengths = stored.batch(np.arange(len(table)))
    for row, block in blocks.items():
        assert np.array_equal(layers[:, row, : lengths[row]].numpy(), block)


def test_a_store_may_have_more_shards_than_files_may_be_open(tmp_path: Path) -> None:
    code = """
import resource, sys
import numpy as np, pandas as pd, soundfile, torch
from serbench.progress import Silent
from serbench.training import store
from serbench.upstreams import Clips, fbank

rng, rows, waves = np.random.default_rng(0), [], []
for i in range(150):
    waves.append(rng.normal(0, 0.1, 2000 + 16 * i).astype(np.float32))
    path = f"{sys.argv[1]}/{i}.wav"
    soundfile.write(path, waves[-1], 16000, subtype="FLOAT")
    rows.append((f"u{i}", path, np.nan, np.nan, "s", None, f"d{i}", len(waves[-1]) / 16000))
columns = ["utterance", "path", "start", "end", "speaker", "text", "recording", "seconds"]
table = pd.DataFrame(rows, columns=columns)
store._SHARD_SECONDS = 0.1
resource.setrlimit(resource.RLIMIT_NOFILE, (64, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
stored = store.encode(table, {"name": "fbank"}, fbank.make, "frames", Silent())
assert len(stored.blocks.files) > 100, len(stored.blocks.files)
encoder, order = fbank.make(), rng.permutation(len(table))
for rows in np.array_split(order, 10):
    layers, lengths = stored.batch(rows)
    for i, row in enumerate(rows):
        expected = encoder(Clips([torch.from_numpy(waves[row])], ["s"], [None])).layers[:, 0]
        torch.testing.assert_close(layers[:, i, : lengths[i]], expected, rtol=2**-11, atol=1e-4)
"""
    subprocess.run([sys.executable, "-c", code, tmp_path], check=True)


def test_what_reads_a_store_can_be_sent_to_another_process(table: pd.DataFrame) -> None:
    stored = encode(table, Counting)
    rows = np.array([7, 2, 9])
    sent = pickle.dumps(stored)
    assert len(sent) < 10_000, "where the features lie, not what they are"
    assert torch.equal(pickle.loads(sent).batch(rows).layers, stored.batch(rows).layers)


def test_shards_that_are_gone_or_cut_off_are_named(table: pd.DataFrame) -> None:
    stored = encode(table, Counting)
    first, *_ = stored.blocks.files
    first.write_bytes(first.read_bytes()[:-2])
    with pytest.raises(
        SerbenchError, match=r"00000\.npy' cannot be read \(it is cut off\); run again"
    ):
        stored.batch(np.arange(len(table)))
    first.unlink()
    with pytest.raises(SerbenchError, match=r"00000\.npy' cannot be read \(No such file"):
        stored.batch(np.arange(len(table)))


@pytest.mark.parametrize("how", HARM)
@pytest.mark.parametrize("name", ["00001.npy", "00001.lengths.npy", "index.json"])
def test_what_is_damaged_is_encoded_anew_and_said(
    table: pd.DataFrame, name: str, how: Callable[[Path], None]
) -> None:
    rows, told = np.arange(len(table)), Told()
    stored = encode(table, Counting)
    before = stored.batch(rows).layers
    file = stored.blocks.files[0].with_name(name)
    how(file)
    again = Counting()
    anew = features.encode(table, {"name": "fbank"}, lambda: again, "frames", told)
    assert torch.equal(anew.batch(rows).layers, before)
    assert [line for line in told.lines if line.startswith("damaged")] == [
        f"damaged and made anew: features in {file}"
    ]
    one_shard = len(features.plan_shards(table["seconds"].to_numpy(float))[1])
    assert again.encoded == (0 if name == "index.json" else one_shard)


@pytest.mark.parametrize("name", ["00001.npy", "00001.lengths.npy", "index.json"])
def test_what_cannot_be_parsed_and_lost_its_checksum_is_encoded_anew_and_said(
    table: pd.DataFrame, name: str
) -> None:
    rows, told = np.arange(len(table)), Told()
    stored = encode(table, Counting)
    before = stored.batch(rows).layers
    file = stored.blocks.files[0].with_name(name)
    file.with_name(f".{name}.sum").unlink()
    features.encode(table, {"name": "fbank"}, lambda: pytest.fail("it is whole"), "frames", told)
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    anew = features.encode(table, {"name": "fbank"}, Counting, "frames", told)
    assert torch.equal(anew.batch(rows).layers, before)
    assert [line for line in told.lines if line.startswith("damaged")] == [
        f"damaged and made anew: features in {file}"
    ]


def test_a_clip_without_a_frame_is_named(table: pd.DataFrame) -> None:
    table.loc[7, ["start", "end", "seconds"]] = [0.0, 0.01, 0.01]
    with pytest.raises(SerbenchError, match=r"too short for one frame .* 'u7' \(160\)"):
        encode(table, Counting)


def test_a_full_disk_is_told_before_any_work(
    table: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    upstream = Counting()
    monkeypatch.setattr(features.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 1000}))
    with pytest.raises(SerbenchError, match="SERBENCH_HOME to a larger disk"):
        encode(table, lambda: upstream)
    assert upstream.encoded == 0


class Shy(Counting):
    """Has to hear whom it does not know, before anything else."""

    def __init__(self) -> None:
        super().__init__()
        self.enrolled: dict[str, list[int]] = {}

    def unseen_speakers(self, names: Sequence[str]) -> list[str]:
        return [name for name in names if name != "s0"]

    def enrol(self, name: str, waves: Sequence[torch.Tensor]) -> None:
        assert not self.encoded, "enrolled when it was too late"
        self.enrolled[name] = [len(wave) for wave in waves]


def test_unseen_speakers_are_enrolled_before_anything_is_encoded(
    table: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waves, "_HEARD_SECONDS", 2.0)
    upstream = Shy()
    encode(table, lambda: upstream)
    assert sorted(upstream.enrolled) == ["s1", "s2"]
    for name, lengths in upstream.enrolled.items():
        own = table[table["speaker"] == name].sort_values("recording")
        samples = [int(seconds * RATE) for seconds in own["seconds"]]
        assert lengths == samples[: len(lengths)], "in the order of the recordings' digests"
        assert sum(lengths) >= 2 * RATE > sum(lengths[:-1])
    other = Shy()
    shuffled = table.sample(frac=1, random_state=0).reset_index(drop=True)
    encode(shuffled, lambda: other)
    assert other.enrolled == upstream.enrolled


def test_who_is_known_is_not_heard_again(table: pd.DataFrame) -> None:
    upstream = Shy()
    encode(table.assign(speaker="s0"), lambda: upstream)
    assert not upstream.enrolled


class Reading(TextUpstream):
    """A frame a letter; keeps which texts were encoded together."""

    depth, dim = 2, 1

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[list[str | None]] = []

    def tokens(self, text: str) -> int:
        return len(text.strip())

    def forward(self, clips: Clips) -> Features:
        assert not any(len(wave) for wave in clips.waves)
        self.batches.append(clips.texts)
        codes = (torch.tensor([float(ord(c)) for c in text or ""]) for text in clips.texts)
        return stack([torch.stack([row, -row])[..., None] for row in codes])


@pytest.fixture
def spoken(table: pd.DataFrame) -> pd.DataFrame:
    """The same utterances without their files; how long a text is does not follow the audio."""
    rng = np.random.default_rng(1)
    texts = ["".join(rng.choice(list("abc"), n)) for n in rng.permutation(np.arange(20, 32))]
    return table.assign(text=texts, path="/nowhere.wav")


@pytest.mark.parametrize("kept", ["frames", "mean"])
def test_texts_are_read_without_their_audio(spoken: pd.DataFrame, kept: features.Kept) -> None:
    stored = encode(spoken, Reading, kept)
    layers, lengths = stored.batch(np.arange(len(spoken)))
    for row, text in enumerate(spoken["text"]):
        codes = torch.tensor([float(ord(letter)) for letter in text])
        if kept == "mean":
            codes = codes.mean(0, keepdim=True)
        assert lengths[row] == len(codes)
        torch.testing.assert_close(layers[0, row, : len(codes), 0], codes)
        torch.testing.assert_close(layers[1], -layers[0])


def test_texts_of_about_one_length_are_encoded_together(
    spoken: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(features, "_SHARD_SECONDS", 60.0)
    monkeypatch.setattr(features, "_BATCH_SECONDS", {"cpu": 2.0})  # of 100 letters
    upstream = Reading()
    encode(spoken, lambda: upstream)
    letters = [[len(text or "") for text in batch] for batch in upstream.batches]
    assert letters == [[31, 30, 29], [28, 27, 26], [25, 24, 23, 22], [21, 20]]


def test_clips_without_text_are_named_before_anything_is_encoded(spoken: pd.DataFrame) -> None:
    upstream = Reading()
    bare = spoken.assign(text=[None, np.nan, "", " ", "a", *spoken["text"][5:]])
    with pytest.raises(
        SerbenchError,
        match=r"4 of 12 utterances have no text \(u0, u1, u2 and 1 more\).*reads nothing else",
    ):
        encode(bare, lambda: upstream)
    with pytest.raises(SerbenchError, match=r"1 of 12 utterances have no text \(u0\), but"):
        encode(spoken.assign(text=[None, *spoken["text"][1:]]), lambda: upstream)
    assert not upstream.batches


def test_texts_that_are_trained_on_are_counted_in_tokens(spoken: pd.DataFrame) -> None:
    class Learning(Reading):
        def __init__(self) -> None:
            super().__init__()
            self.scale = torch.nn.Parameter(torch.ones(1))

    decoded = waves.decode_to_train(spoken, Learning(), Silent())
    assert decoded.lengths.tolist() == spoken["text"].str.len().tolist()
    assert decoded.batch(np.array([3])).texts == [spoken["text"][3]]
    with pytest.raises(SerbenchError, match="no text"):
        waves.decode_to_train(spoken.assign(text=None), Learning(), Silent())
