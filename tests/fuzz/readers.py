"""What reads the files of others, each as a function of bytes.

A reader returns, or raises `SerbenchError`; anything else is a fault. So a coverage-guided fuzzer
can be put in front of any of them, as in `atheris.Setup(sys.argv, READERS["table"])`; what it finds
becomes a file in `cases/`, from which hypothesis goes on.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from serbench.benchmarks import Classification, Regression
from serbench.benchmarks.auditing.checksums import check_files
from serbench.benchmarks.reading import custom, custom_table
from serbench.encoders.pretraining.sources import read_collections
from serbench.errors import SerbenchError
from serbench.progress import Silent
from serbench.runs.recipe import read_recipe, resolve

CASES = Path(__file__).parent / "cases"
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
}
