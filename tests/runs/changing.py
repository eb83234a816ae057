"""A corpus in a folder of its own, whose data change while the recipe stays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import soundfile

from serbench.leaderboard import store
from serbench.progress import Silent
from serbench.runs import recipe
from serbench.runs.result import Outcome
from serbench.runs.run import run_recipe

PLUGIN = '''
"""A corpus whose labels lie in a file of its folder."""
from functools import partial
from serbench.benchmarks import Benchmark, Regression, protocols
from serbench.errors import SerbenchError

def make() -> Benchmark:
    """Return the benchmark."""
    return Benchmark(
        name="moods", version="1", task=Regression(("valence",), 1.0, 5.0), read=read,
        protocols={"speaker_folds": partial(protocols.speaker_folds, k=3)},
        folder="moods", licence="CC0-1.0", citation="Us", obtain="make it",
    )

def read(root):
    """Read the table."""
    import pandas as pd
    if not root.is_dir():
        raise SerbenchError(f"no moods in {root}; make them")
    text = {name: str for name in ("utterance", "path", "speaker", "text")}
    table = pd.read_csv(root / "table.csv", dtype=text)
    table["path"] = [str(root / path) for path in table["path"]]
    table[["start", "end"]] = float("nan")
    table[["session", "gender", "split"]] = None
    return table
'''
PLAIN: dict[str, Any] = {
    "upstream": {"name": "fbank", "normalize": False},
    "downstream": "mean_pool",
    "training": {"learning_rates": [1e-2], "epochs": 2},
}
RATE, SPEAKERS, CLIPS = 16_000, 6, 4


class Moods:
    """The corpus, its plugin, and runs on it."""

    def __init__(self, folder: Path) -> None:
        self.data, self.results = folder / "data", folder / "results"
        self.root = self.data / "moods"
        self.root.mkdir(parents=True)
        (folder / "moods.py").write_text(PLUGIN)
        self.raw = PLAIN | {"benchmark": str(folder / "moods.py")}
        rng = np.random.default_rng(0)
        rows = []
        for number in range(SPEAKERS * CLIPS):
            rating = 1.0 + 4 * rng.random()
            soundfile.write(
                self.root / f"{number}.wav", rng.normal(0, rating / 50, RATE // 2), RATE
            )
            who = f"s{number % SPEAKERS}"
            rows.append((f"u{number}", f"{number}.wav", who, f"words {number}", rating))
        self.write(pd.DataFrame(rows, columns=["utterance", "path", "speaker", "text", "valence"]))

    def table(self) -> pd.DataFrame:
        """Return the table as it lies in the folder."""
        return pd.read_csv(self.root / "table.csv", dtype={"path": str})

    def write(self, table: pd.DataFrame) -> None:
        """Write the table."""
        table.to_csv(self.root / "table.csv", index=False)

    def run(self, **options: Any) -> Outcome:
        """Run the recipe."""
        given = {"data": self.data, "results": self.results, "progress": Silent()} | options
        raw = self.raw | given.pop("raw", {})
        return run_recipe(recipe.resolve(raw), **given)

    def predictions(self, outcome: Outcome) -> pd.DataFrame:
        """Return what a result holds, in one order."""
        frame = store.load_result(outcome.path).predictions
        return frame.sort_values(["fold", "seed", "utterance"], ignore_index=True)


class Listening(Silent):
    """Keeps what is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def tell(self, text: str) -> None:
        """Keep a line."""
        self.told.append(text)

    def heard(self, words: str) -> bool:
        """Return whether words were in a line."""
        return any(words in line for line in self.told)
