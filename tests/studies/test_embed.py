"""Study `embed`: clusters that are there are seen, and a name that says nothing is by chance."""

from __future__ import annotations

import numpy as np
from pandas import DataFrame

from serbench.studies.embed import _mapped, agreement


def clusters() -> tuple[DataFrame, np.ndarray]:
    random = np.random.default_rng(0)
    group = np.arange(90) % 3
    vectors = 4 * np.eye(3, 8)[group] + 0.3 * random.normal(size=(90, 8))
    about = DataFrame({"emotion": np.array(["angry", "calm", "sad"])[group]})
    about["speaker"] = random.permutation([f"s{i % 5}" for i in range(90)])
    return about.assign(arousal=group.astype(float)), vectors.astype(np.float32)


def test_neighbours_share_what_is_planted_and_the_rest_by_chance() -> None:
    about, vectors = clusters()
    emotion, speaker = agreement(about, vectors)
    assert emotion["share"] > 0.98  # type: ignore[operator]
    assert abs(speaker["share"] - speaker["by chance"]) < 0.08  # type: ignore[operator]
    assert speaker["by chance"] == 17 / 89


def test_both_maps_keep_clusters_apart_and_are_the_same_each_time() -> None:
    about, vectors = clusters()
    made, again = _mapped(about, vectors), _mapped(about, vectors)
    assert made.points.equals(again.points)
    assert made.known == ["emotion", "speaker", "arousal"]
    # three dimensions of eight have all that groups differ in, which two components can show
    assert 0.3 < made.explained < 0.5
    for method in ("pca", "t-sne"):
        places = made.points[[f"{method} 1", f"{method} 2"]]
        centres = places.groupby(about["emotion"]).mean()
        apart = np.linalg.norm(places.to_numpy()[:, None] - centres.to_numpy()[None], axis=2)
        nearest = centres.index.to_numpy()[apart.argmin(axis=1)]
        assert (nearest == about["emotion"]).all()
