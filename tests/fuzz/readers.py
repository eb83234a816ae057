"""What reads the files of others, each as a function of bytes.

A reader returns, or raises `SerbenchError`; anything else is a fault. hypothesis and the
coverage-guided fuzzer of `guided.py` stand in front of them; what one finds becomes a file in
`cases/`, from which both go on.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from serbench.benchmarks import Classification, Regression
from serbench.benchmarks.auditing.checksums import check_files
from serbench.benchmarks.reading import custom, custom_table
from serbench.encoders.pretraining.sources import read_collections
from serbench.errors import SerbenchError
from serbench.leaderboard import beside
from serbench.leaderboard.export import to_csv, to_markdown
from serbench.leaderboard.reading import read_predictions, read_record
from serbench.leaderboard.record import sum_of
from serbench.leaderboard.table import rank
from serbench.progress import Silent
from serbench.runs.recipe import read_recipe, resolve
from serbench.scoring import predictions as tables
from serbench.scoring.scores import score

CASES = Path(__file__).parent / "cases"
TABLE = CASES / "predictions" / "sound.parquet"
WORDS = [
    *("path", "speaker", "emotion", "start", "end", "name", "table", "labels", "[[corpus]]"),
    *("upstream", "hubert", "seeds", "training", "protocol", "[", "{", '"', "'", ",", ";", "\t"),
    *("\n", "\r", "\0", "=", ".", "nan", "inf", "1e999", "-1", "99999999999999999999", "\ufeff"),
    *("true", "1979-05-27", "..", "/", "\\", "\u202e", "\x1b[31m", "\ud7ff", "#", "(", "*"),
]
"""What turns up in such files, and what hurts."""
_EMOTIONS = Classification(("anger", "happiness", "neutral", "sadness"))
_TASKS = (Classification(("anger", "neutral")), Regression(("emotion",), -1.0, 1.0))


def _benchmark(path: Path) -> None:
    table = CASES / "table" / "all.csv"
    (path.parent / "clips.csv").write_bytes(table.read_bytes())
    custom.read_benchmark(path).read(None)


def _table(path: Path) -> None:
    for task in _TASKS:
        try:
            custom_table.read_table(custom_table.Layout(path, path.parent, {}, task))
        except SerbenchError:
            continue


def _recipe(path: Path) -> None:
    resolve(read_recipe(path))


def _collections(path: Path) -> None:
    read_collections(path)


def _checksums(path: Path) -> None:
    check_files(path, [], Silent())


def _record(path: Path) -> None:
    """Read a record that says the right checksum, and show it with the predictions of the case."""
    try:
        plain = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        plain = None
    if isinstance(plain, dict):
        with suppress(ValueError):  # NaN, which no record has
            path.write_text(json.dumps(plain | {"checksum": sum_of(plain)}))
    result = read_record(path)
    predictions = read_predictions(TABLE, _EMOTIONS, 10_000)
    if beside.unlike(result, predictions) is None:
        boards = rank([(result, predictions)])
        assert to_csv(boards)
        assert to_markdown(boards)


def _predictions(path: Path) -> None:
    """Read a table of predictions, which costs what the bounds say, and look at all of it."""
    predictions = read_predictions(path, _EMOTIONS, 10_000)
    if tables.problem(_EMOTIONS, predictions) is None:
        score(_EMOTIONS, predictions)


def _tried(read: Callable[[Path], None], suffix: str, content: bytes) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / f"file{suffix}"
        path.write_bytes(content)
        try:
            read(path)
        except SerbenchError as error:
            assert str(error).strip()


READERS: dict[str, Callable[[bytes], None]] = {
    "benchmark": partial(_tried, _benchmark, ".toml"),
    "table": partial(_tried, _table, ".csv"),
    "recipe": partial(_tried, _recipe, ".toml"),
    "audio_list": partial(_tried, _collections, ".txt"),
    "audio_table": partial(_tried, _collections, ".csv"),
    "corpora": partial(_tried, _collections, ".toml"),
    "checksums": partial(_tried, _checksums, ""),
    "record": partial(_tried, _record, ".json"),
    "predictions": partial(_tried, _predictions, ".parquet"),
}
