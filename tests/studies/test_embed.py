"""Study `embed`: clusters that are there are seen, and a name that says nothing is by chance."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from pandas import DataFrame
from rich.text import Text

from serbench.cli.render_study import render_study
from serbench.studies.embed import _draw, _mapped, agreement
from serbench.studies.report import Report


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


def test_legends_hide_no_points() -> None:
    figure = Figure(layout="constrained")
    _draw(figure, _mapped(*clusters()))
    figure.draw_without_rendering()
    named = [axes for axes in figure.axes if axes.get_legend() is not None]
    assert len(named) == 4, "by emotion and by speaker, above and below"
    for axes in named:
        assert axes.get_legend().get_window_extent().y1 <= axes.bbox.y0
        assert axes.get_legend().get_window_extent().x1 <= figure.bbox.x1


def test_a_study_without_anything_to_sum_up_shows_its_caption() -> None:
    report = Report("embed", "12345678", "what it is", [], [], [], lambda figure: None)
    assert render_study(report) == Text("what it is", style="dim")
