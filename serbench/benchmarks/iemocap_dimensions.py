"""IEMOCAP: English dyads; arousal, valence, dominance; 10 speakers, 10039 turns (Busso, 2008).

All turns of the release (see `iemocap`), each with the mean of its raters on a scale from 1 to 5.
Some means in the EmoEvaluation files lie off that scale; they are put at its end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from serbench.benchmarks import Benchmark, Regression, iemocap
from serbench.benchmarks.splitting import protocols

if TYPE_CHECKING:
    from pathlib import Path

    from pandas import DataFrame

HOLDS = ("iemocap",)
_DIMENSIONS = ("arousal", "valence", "dominance")
_LOW, _HIGH = 1.0, 5.0


def make() -> Benchmark:
    """Return the benchmark."""
    return Benchmark(
        name="iemocap_dimensions",
        version="1",
        task=Regression(_DIMENSIONS, low=_LOW, high=_HIGH),
        read=read,
        protocols={
            "leave_one_session_out": protocols.leave_one_session_out,
            "leave_one_speaker_out": protocols.leave_one_speaker_out,
        },
        folder=iemocap.FOLDER,
        licence=iemocap.LICENCE,
        citation=iemocap.CITATION,
        obtain=iemocap.OBTAIN,
        bibtex=iemocap.BIBTEX,
    )


def read(folder: Path | None) -> DataFrame:
    """Return the table of all turns, by id, with the columns `emotion` and `speech`, too.

    Args:
        folder: the release, as unpacked.

    Raises:
        SerbenchError: files or turns are missing.
    """
    table = iemocap.read_all(folder)
    table[[*_DIMENSIONS]] = table[[*_DIMENSIONS]].clip(_LOW, _HIGH)
    return table
