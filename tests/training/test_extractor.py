"""An upstream as a feature extractor gives what a run stores, for any form of speech."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray
from pandas import DataFrame
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import serbench
from serbench import FeatureExtractor, plugins
from serbench.errors import SerbenchError
from serbench.progress import Silent
from serbench.runs import recipe as recipes
from serbench.runs.adapting import Adapted
from serbench.runs.corpus import Prepared, prepare
from serbench.runs.encoding import encode
from serbench.runs.job import Job
from serbench.training.settings import Precision
from serbench.training.store import StoredFeatures

RATE = 16_000


@pytest.fixture(scope="module")
def prepared() -> Prepared:
    """Return the synthetic corpus as a run prepares it."""
    parts = recipes.resolve_data({"benchmark": "demo"})
    benchmark = recipes.make_benchmark(parts[0])
    protocol = recipes.make_protocol(benchmark, parts[1])
    return prepare(benchmark, protocol, data=None, leave_out_broken=False, progress=Silent())


@pytest.fixture
def few(prepared: Prepared) -> DataFrame:
    """Return 24 utterances of it, of all speakers and emotions."""
    return prepared.table.iloc[::19].reset_index(drop=True)


def stored(prepared: Prepared, upstream: Any, downstream: str, **keys: Any) -> StoredFeatures:
    """Return the features that a run with this head learns from."""
    recipe = recipes.resolve({"upstream": upstream, "downstream": downstream} | keys)
    job = Job.of(recipe, "cpu", Silent())
    (features,) = encode(job, [Adapted(recipe.upstreams)], prepared)[0]
    assert isinstance(features, StoredFeatures)
    return features


def test_means_are_bit_for_bit_those_of_a_run(prepared: Prepared) -> None:
    run = stored(prepared, {"name": "fbank", "normalize": False}, "mean_pool")
    assert run.means is not None
    extractor = FeatureExtractor("fbank", normalize=False)
    expected = run.means[:, :, 0].numpy().transpose(1, 0, 2)
    found = extractor.means(prepared.table)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, expected)
    some = prepared.table.iloc[::10]
    # without what only the audit knows
    np.testing.assert_array_equal(extractor.means(some["path"].tolist()), expected[::10])
    np.testing.assert_array_equal(extractor.transform(some), expected[::10].mean(axis=1))


@pytest.mark.parametrize("precision", ["float16", "bfloat16"])
def test_frames_are_bit_for_bit_those_of_a_run(prepared: Prepared, precision: Precision) -> None:
    run = stored(prepared, "mfcc", "ecapa", precision=precision)
    found = FeatureExtractor("mfcc", precision=precision).frames(prepared.table.iloc[::4])
    assert len(run.lengths) == 4 * len(found) == 440
    for row, clip in zip(range(0, 440, 4), found, strict=True):
        assert clip.dtype == np.float32
        np.testing.assert_array_equal(clip, run.batch(np.array([row])).layers[:, 0].numpy())


def test_a_part_of_a_corpus_differs_by_rounding_alone(few: DataFrame) -> None:
    extractor = FeatureExtractor("hubert", weights="nano")
    whole = extractor.means(few)
    assert whole.shape == (len(few), 5, 256)
    part = extractor.means(few.iloc[[3, 17]])
    assert np.abs(part - whole[[3, 17]]).max() <= 1e-4 * np.abs(whole).max()
    assert extractor.provenance["id"] == "serbench/hubert-nano"


def waves(table: DataFrame) -> list[NDArray[np.float32]]:
    return [soundfile.read(path, dtype="float32")[0] for path in table["path"]]


@pytest.mark.parametrize("rate", [RATE, 44_100, 8_000])
def test_arrays_are_resampled_as_files_are(few: DataFrame, tmp_path: Path, rate: int) -> None:
    paths = [tmp_path / f"{name}.wav" for name in few["utterance"]]
    for path, wave in zip(paths, waves(few), strict=True):
        soundfile.write(path, wave, rate)
    arrays = [soundfile.read(path, dtype="float32")[0] for path in paths]
    extractor = FeatureExtractor("mfcc", rate=rate)
    np.testing.assert_array_equal(extractor.means(arrays), extractor.means(paths))
    double = [wave.astype(np.float64) for wave in arrays]
    np.testing.assert_array_equal(extractor.means(double), extractor.means(paths))


def test_segments_of_a_table_are_encoded_alone(few: DataFrame) -> None:
    segments = few.assign(start=0.1, end=0.6)
    cut = [wave[int(0.1 * RATE) : int(0.6 * RATE)] for wave in waves(few)]
    extractor = FeatureExtractor("mfcc", rate=RATE)
    np.testing.assert_array_equal(extractor.means(segments), extractor.means(cut))


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        (None, [0, 1, 2, 3, 4]),
        ("all", [0, 1, 2, 3, 4]),
        ("last", [4]),
        (1, [1]),
        (-2, [3]),
        ([0, -1], [0, 4]),
        (np.int64(2), [2]),
        (np.array([4, 1]), [4, 1]),
    ],
    ids=str,
)
def test_layers_are_chosen_where_features_leave(
    few: DataFrame, layers: Any, expected: list[int]
) -> None:
    all_layers = FeatureExtractor("hubert").frames(few[:3])
    some = FeatureExtractor("hubert", layers=layers)
    for clip, whole in zip(some.frames(few[:3]), all_layers, strict=True):
        np.testing.assert_array_equal(clip, whole[expected])
    vectors = some.means(few[:3])
    assert vectors.shape == (3, len(expected), 256)
    np.testing.assert_allclose(some.transform(few[:3]), vectors.mean(axis=1), rtol=1e-6)


@pytest.mark.parametrize("layers", [5, -6, "first", [0, 9], 1.5, []])
def test_a_layer_that_is_not_there_is_refused(few: DataFrame, layers: Any) -> None:
    with pytest.raises(SerbenchError, match=r"no layer '.*There are: 0, 1, 2, 3, 4"):
        FeatureExtractor("hubert", layers=layers).means(few[:1])


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Count what is made of the upstreams."""
    made: list[str] = []
    make = plugins.make

    def counting(plugin: plugins.Plugin, *args: Any, **options: Any) -> Any:
        made.append(plugin.name)
        return make(plugin, *args, **options)

    monkeypatch.setattr(plugins, "make", counting)
    return iter([made])


def test_it_is_made_once_and_copies_carry_no_weights(
    few: DataFrame, counted: Iterator[list[str]]
) -> None:
    (made,) = counted
    extractor = FeatureExtractor("hubert", layers="last")
    first = extractor.transform(few)
    np.testing.assert_array_equal(first, extractor.transform(few))
    assert made == ["hubert"]
    assert len(pickle.dumps(extractor)) < 1000
    for copy in (clone(extractor), pickle.loads(pickle.dumps(extractor))):
        assert copy.get_params() == extractor.get_params()
        np.testing.assert_array_equal(copy.transform(few), first)
    extractor.set_params(layers=0)
    assert not np.array_equal(extractor.transform(few), first)


def test_it_is_a_step_of_a_pipeline(few: DataFrame) -> None:
    paths = few["path"].tolist()
    extractor = FeatureExtractor("fbank", normalize=False)
    model = make_pipeline(extractor, StandardScaler(), LogisticRegression())
    cv = serbench.splitter("speaker_folds", k=3)
    inside = cross_val_score(model, paths, few["emotion"], cv=cv, groups=few["speaker"])
    before = cross_val_score(
        model[1:], extractor.transform(paths), few["emotion"], cv=cv, groups=few["speaker"]
    )
    np.testing.assert_array_equal(inside, before)
    assert model[:1].transform(paths).shape == (len(few), 240)
    search = GridSearchCV(model, {"featureextractor__mels": [20, 80]}, cv=cv)
    search.fit(np.array(paths, dtype=object), few["emotion"], groups=few["speaker"].to_numpy())
    assert search.best_estimator_[0].get_params()["mels"] in (20, 80)
    assert search.predict(paths[:3]).shape == (3,)


SHY = '''
"""Levels of blocks, above what was heard of the speaker: the first clip, and how many."""
from serbench.upstreams import Upstream, stack


class Shy(Upstream):
    sample_rate, depth, dim = 16_000, 1, 1

    def __init__(self):
        super().__init__()
        self.heard = {}

    def frames(self, samples):
        return samples // 320

    def unseen_speakers(self, names):
        return [name for name in names if name not in self.heard]

    def enrol(self, name, waves):
        self.heard[name] = float(waves[0].abs().mean()) + len(waves)

    def forward(self, clips):
        blocks = [wave[: len(wave) // 320 * 320].reshape(-1, 320) for wave in clips.waves]
        levels = [block.abs().mean(1)[None, :, None] for block in blocks]
        known = [self.heard.get(speaker, 0.0) for speaker in clips.speakers]
        return stack([level - heard for level, heard in zip(levels, known, strict=True)])


def make():
    return Shy()
'''


def test_unseen_speakers_are_heard_as_in_a_run(prepared: Prepared, tmp_path: Path) -> None:
    plugin = tmp_path / "shy.py"
    plugin.write_text(SHY)
    run = stored(prepared, str(plugin), "mean_pool")
    assert run.means is not None
    expected = run.means[0, :, 0].numpy()
    table = prepared.table.sample(frac=1, random_state=0)
    extractor = FeatureExtractor(str(plugin))
    # whoever was encoded before leaves no trace
    extractor.transform(table.groupby("speaker").tail(2))
    for known in (table, table[["path", "speaker"]]):
        np.testing.assert_allclose(extractor.transform(known), expected[table.index], rtol=1e-6)
    nobody = extractor.transform(table["path"].tolist())
    assert (nobody > 0).all(), "nobody is known, so each clip is taken for itself"
    assert (expected < -10).all(), "more than ten clips of each speaker were heard"


@pytest.mark.parametrize(
    ("speech", "message"),
    [
        ([], "there is nothing to encode"),
        ("one.wav", "give a list of paths"),
        (["none.wav"], "audio file 'none.wav' does not exist"),
        (["one.wav", np.zeros(9)], "both paths and arrays"),
        (DataFrame({"file": ["one.wav"]}), "a table of 1 rows, not each with a path"),
        (DataFrame({"path": ["one.wav", None]}), "a table of 2 rows, not each with a path"),
        ([np.zeros((2, 16_000))], r"clip 0 has shape \(2, 16000\)"),
        ([np.zeros(16_000), np.zeros(16_000, np.int16)], "clip 1 .* type int16"),
        ([np.full(16_000, np.nan)], "clip 0 holds NaN"),
        ([np.zeros(100)], r"too short for one frame .* 'clip 0' \(100\)"),
    ],
)
def test_what_cannot_be_encoded_is_refused(speech: Any, message: str) -> None:
    with pytest.raises(SerbenchError, match=message):
        FeatureExtractor("mfcc", rate=RATE).means(speech)


@pytest.mark.parametrize("rate", [None, 0])
def test_arrays_without_a_rate_are_refused(rate: int | None) -> None:
    with pytest.raises(SerbenchError, match="at which rate are the arrays"):
        FeatureExtractor("mfcc", rate=rate).means([np.zeros(RATE)])


@pytest.mark.parametrize(
    ("upstream", "options", "message"),
    [
        ("hubrt", {}, "did you mean 'hubert'?"),
        ("hubert", {"weight": "nano"}, "did you mean 'weights'?"),
        ("fbank", {"mels": "many"}, "option 'mels' of upstream 'fbank'"),
    ],
)
def test_a_mistake_is_found_before_anything_is_loaded(
    upstream: str, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(SerbenchError) as caught:
        FeatureExtractor(upstream, **options)
    assert message in str(caught.value)


def test_an_upstream_that_a_run_would_adapt_is_refused(few: DataFrame) -> None:
    with pytest.raises(SerbenchError, match="tapt_hubert"):
        FeatureExtractor("tapt_hubert").means(few[:1])


def test_it_is_shown_as_it_is_written() -> None:
    text = "FeatureExtractor('cpc', layers=[1], device='cpu', precision='float16', weights='nano')"
    assert repr(eval(text)) == text
