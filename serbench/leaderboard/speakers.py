"""A result speaker by speaker: who is served how well, and what was predicted of whom."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from serbench.leaderboard.figures import number
from serbench.scoring.inequality import gini, worst_decile

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pandas import DataFrame

    from serbench.leaderboard.record import Result
    from serbench.leaderboard.store import Entry

Moments = tuple[float, float]
"""Mean and standard deviation (ddof 0)."""


class SpeakerRow(NamedTuple):
    """One speaker.

    name: of the speaker.
    clips: different utterances.
    moments: of the labels, and of the predictions of all seeds together; None for classes.
    score: the speaker's CCC or UA, averaged over seeds; NaN if it is not defined.
    before: the same before post-processing; None where there was none.
    """

    name: str
    clips: int
    moments: tuple[Moments, Moments] | None
    score: float
    before: float | None


class SpeakerTable(NamedTuple):
    """All test speakers of a result, the worst first.

    title: what the score is: "CCC of arousal".
    rows: one a speaker.
    counting: those who are averaged.
    few: how many of the others have too few clips; for the rest the score is not defined.
    """

    title: str
    rows: tuple[SpeakerRow, ...]
    counting: tuple[SpeakerRow, ...]
    few: int

    @property
    def summary(self) -> str:
        """Mean, worst tenth and Gini coefficient: "91 speakers: mean 0.52, ..."."""
        scores = [row.score for row in self.counting]
        mean = sum(scores) / len(scores) if scores else float("nan")
        few = f" ({self.few} more with too few clips)" if self.few else ""
        rest = len(self.rows) - len(self.counting) - self.few
        few += f" ({rest} more with one rating alone, just so predicted)" if rest else ""
        share = gini(scores)
        unequal = "- (for scores from 0 on, not all 0)" if share is None else number(share)
        return (
            f"{len(scores)} speakers{few}: mean {number(mean)}, worst tenth "
            f"{number(worst_decile(scores))}, Gini coefficient {unequal}."
        )


def speaker_tables(entry: Entry, before: Entry | None = None) -> Iterator[SpeakerTable]:
    """Yield the speakers of a result by each measure that ranks: UA, or the CCC of each dimension.

    Args:
        entry: the result.
        before: the result that it was made of by post-processing.
    """
    from serbench.scoring.scores import score

    task = entry.result.benchmark.task
    names = task.scales or ("",)
    own = score(task, entry.predictions)
    earlier = None if before is None else score(task, before.predictions).speakers
    for name in names:
        key = f"{task.main}:{name}" if name else task.main
        scores = dict(zip(own.speakers["speaker"], own.speakers[key], strict=True))
        past = {} if earlier is None else dict(zip(earlier["speaker"], earlier[key], strict=True))
        clips = dict(zip(own.speakers["speaker"], own.speakers["utterances"], strict=True))
        moments = _moments(entry.predictions, name)
        rows = [
            SpeakerRow(who, int(clips[who]), moments.get(who), value, past.get(who))
            for who, value in scores.items()
        ]
        # what is not defined stands last
        rows.sort(key=lambda row: (row.score != row.score, row.score, row.name))
        averaged = {*own.averaged(f"a_{key}")["speaker"]}
        counting = tuple(row for row in rows if row.name in averaged)
        few = own.by_speaker[f"a_{key}"].left_out
        yield SpeakerTable(_title(entry.result, name), tuple(rows), counting, few)


def _title(result: Result, dimension: str) -> str:
    main = result.benchmark.task.called
    return f"{main} of {dimension}" if dimension else main


def _moments(predictions: DataFrame, dimension: str) -> dict[str, tuple[Moments, Moments]]:
    """Return the moments of truth and prediction of each speaker, for a dimension."""
    if not dimension:
        return {}
    found = {}
    for who, rows in predictions.groupby("speaker", sort=False):
        truth, predicted = (
            rows[f"{side}:{dimension}"].to_numpy(dtype=float) for side in ("truth", "prediction")
        )
        found[str(who)] = (
            (float(truth.mean()), float(truth.std())),
            (float(predicted.mean()), float(predicted.std())),
        )
    return found
