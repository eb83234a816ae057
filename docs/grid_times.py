"""What processes win and what a sweep costs here, on emodb.

`python grid_times.py jobs EPOCHS [BUSY]`: five folds x three seeds of ecapa on log mel, by one
process and by two, beside others that do nothing but keep a core busy. `python grid_times.py sweep
EPOCHS`: runs one after the other, and what each takes beyond its training. Times are those of the
wall: see that nothing else runs.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from statistics import mean, pstdev
from typing import Any

SERBENCH = [sys.executable, "-m", "serbench"]
CORPUS = ["--upstream", "fbank", "--benchmark", "emodb", "--set", "training.learning_rates=[1e-3]"]
ROUNDS, RUNS = 2, 8
GRID = """
downstream = "mean_pool"
[training]
epochs = {epochs}
[grid]
seeds = {seeds}
"""


@contextmanager
def busy(count: int) -> Iterator[None]:
    """Keep cores busy inside."""
    loop = [sys.executable, "-c", "while True: pass"]
    others = [subprocess.Popen(loop) for _ in range(count)]
    try:
        yield
    finally:
        for other in others:
            other.kill()


def called(command: list[str], results: Path) -> list[dict[str, Any]]:
    """Run a command, and return the records that it made, in their order."""
    subprocess.run(
        [*SERBENCH, *command, *CORPUS, "--results", str(results)], check=True, capture_output=True
    )
    records = [json.loads(path.read_text()) for path in results.glob("*/*.json")]
    return sorted(records, key=lambda record: record["created"])


def jobs(folder: Path, epochs: int, count: int) -> None:
    """Compare one process with two; the first round encodes, which is no part of these times."""
    run = ["run", "--downstream", "ecapa", "--seeds", "3", "--set", f"training.epochs={epochs}"]
    for number in range(ROUNDS):
        took, made = [], []
        for many in (1, 2):
            results = folder / f"{number}-{many}"
            with busy(count):
                (record,) = called([*run, "--jobs", str(many)], results)
            took.append(record["seconds"]["train"])
            made.append([path.read_bytes() for path in sorted(results.glob("*/*.parquet"))])
        same = "the same" if made[0] == made[1] else "OTHER"
        one, two = took
        say(f"one process {one:.0f} s, two {two:.0f} s: {one / two:.2f}; {same} predictions")


def sweep(folder: Path, epochs: int) -> None:
    """Say what runs of a sweep take beyond their training."""
    grid = folder / "grid.toml"
    grid.write_text(GRID.format(epochs=epochs, seeds=[[seed] for seed in range(RUNS)]))
    records = called(["sweep", str(grid), "--jobs", "1"], folder / "results")
    ended = [datetime.fromisoformat(record["created"]) for record in records]
    whole = [(end - start).total_seconds() for start, end in pairwise(ended)]
    trained = [record["seconds"]["train"] for record in records[1:]]
    more = [run / train - 1 for run, train in zip(whole, trained, strict=True)]
    say(f"runs of {mean(whole):.1f} s ± {pstdev(whole):.1f}, trained for {mean(trained):.1f} s")
    say(f"beyond the training {100 * mean(more):.1f} % ± {100 * pstdev(more):.1f}")


def say(text: str) -> None:
    """Print a line."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main(what: str, epochs: str, count: str = "0") -> None:
    """Measure."""
    with tempfile.TemporaryDirectory() as folder:
        if what == "jobs":
            jobs(Path(folder), int(epochs), int(count))
        else:
            sweep(Path(folder), int(epochs))


if __name__ == "__main__":
    main(*sys.argv[1:])
