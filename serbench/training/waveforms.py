"""Waveforms of a corpus of any size: decoded when they are asked for, the latest kept in memory."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from serbench.benchmarks.reading.audio import read_audio
from serbench.benchmarks.reading.layout import CHANNEL
from serbench.training.settings import FineTuning

if TYPE_CHECKING:
    from pandas import DataFrame

KEPT_BYTES = 2**29
"""Of waveforms in memory: 2.3 hours at 16 kHz. A smaller corpus is decoded once."""


class Waveforms:
    """(samples,) float32 of each utterance of a table, by its row; for any number of threads.

    Args:
        table: utterances with `path`, `start`, `end`, and perhaps the channel that is heard.
        rate: Hz.
        tuning: says what is kept of long ones.
        kept_bytes: how much stays in memory, at most.
    """

    def __init__(
        self, table: DataFrame, rate: int, tuning: FineTuning, kept_bytes: int = KEPT_BYTES
    ) -> None:
        channel = table[CHANNEL] if CHANNEL in table else [float("nan")] * len(table)
        places = zip(table["path"], table["start"], table["end"], channel, strict=True)
        self._places = list(places)
        self._rate, self._tuning, self._most = rate, tuning, kept_bytes
        self._kept: OrderedDict[int, NDArray[np.float32]] = OrderedDict()
        self._bytes = 0
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, row: int) -> NDArray[np.float32]:
        with self._lock:
            if row in self._kept:
                self._kept.move_to_end(row)
                return self._kept[row]
        path, start, end, channel = self._places[row]
        whole = read_audio(Path(path), start, end, self._rate, channel)
        wave = self._tuning.cut(whole, self._rate)
        if len(wave) < len(whole):
            wave = wave.copy()  # a view would keep the whole
        self._keep(row, wave)
        return wave

    def _keep(self, row: int, wave: NDArray[np.float32]) -> None:
        with self._lock:
            if row in self._kept:
                return
            self._kept[row] = wave
            self._bytes += wave.nbytes
            while self._bytes > self._most:
                _, oldest = self._kept.popitem(last=False)
                self._bytes -= oldest.nbytes
