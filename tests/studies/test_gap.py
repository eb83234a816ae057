"""Study `gap`: its picture."""

from __future__ import annotations

from matplotlib.figure import Figure

from serbench.benchmarks import Classification
from serbench.scoring.intervals import of_speakers
from serbench.studies.gap import _draw, _Pair
from serbench.studies.speakers import Measured


def pair(speakers: int, *values: float) -> _Pair:
    names = [str(number) for number in range(8)]
    own = [of_speakers([value + 0.01 * n for n in range(8)], names) for value in values]
    scores = [Measured(each, each) for each in own]
    return _Pair(speakers, (None, None), (scores[0], scores[1]))  # type: ignore[arg-type]


def test_the_legend_hides_no_data() -> None:
    figure = Figure(layout="constrained")
    pairs = [pair(4, 0.62, 0.70), pair(8, 0.60, 0.66), pair(24, 0.57, 0.58)]
    _draw(figure, Classification(("calm", "sad")), pairs)
    figure.draw_without_rendering()
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == [
        "speaker-independent",
        "speaker-dependent",
    ]
    assert all(axes.get_legend() is None for axes in figure.axes)
    assert legend.get_window_extent().y0 >= max(axes.bbox.y1 for axes in figure.axes)
