"""Results of others, from a folder or a zip: taken only when they verify.

Nothing is unpacked where a name says; what is taken is a record and its predictions, by names that
results have, into a folder of our own, within bounds that are checked while reading.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from io import FileIO
from lzma import LZMAError
from pathlib import Path, PurePosixPath
from typing import IO, NamedTuple

from serbench.benchmarks import NAME
from serbench.durable import replacing
from serbench.errors import SerbenchError, shown
from serbench.leaderboard import store
from serbench.leaderboard.comparable import groups
from serbench.leaderboard.remembered import standing_of
from serbench.leaderboard.standing import Standing
from serbench.leaderboard.verifying import Corpora, contradictions, verify
from serbench.remotes import publish

ADDED = ".added"
"""Lies beside a record that somebody sent, and says whether its truths were verified here."""

_FILE = re.compile(r"[0-9a-f]{8,64}(\.json|(\.(valid|train|enrol|voices))?\.parquet)")
_FOLDER = re.compile(NAME)
_FILES = 50_000
_BYTES = 4 * 2**30  # of all files together, unpacked
_PIECE = 2**20
_VERIFIED = "verified\n"
# what zipfile raises where an archive is not whole, is hostile, or is packed as nobody can read
_DAMAGED = (
    *(zipfile.BadZipFile, zlib.error, LZMAError, EOFError, OSError),
    *(NotImplementedError, RuntimeError, UnicodeError),
)


class Added(NamedTuple):
    """What became of one record: its name where it was sent, what is wrong, and its truths."""

    name: str
    problems: tuple[str, ...]
    truth: bool | None = None
    digest: str = ""


def add(source: Path, root: Path, corpora: Corpora) -> list[Added]:
    """Take the results out of a zip or a folder that verify, and contradict none that is here.

    One whose ids and truths are those of the corpus is taken whatever others say.

    Args:
        source: a .zip, or a folder with records at any depth.
        root: the results folder.
        corpora: gives the tables of corpora.

    Raises:
        SerbenchError: there are no results in it, or it is not safe to read.
    """
    with tempfile.TemporaryDirectory(prefix="serbench-") as folder:
        inbox = Path(folder)
        if source.is_dir():
            _from_folder(source, inbox)
        else:
            _from_zip(source, inbox)
        records = sorted(inbox.glob("*/*.json"))
        if not records:
            msg = f"'{source}' has no results: records named by their digest, a folder a benchmark"
            raise SerbenchError(msg)
        here = store.read_all(root, standing_of).entries
        return [_taken(record, root, corpora, here) for record in records]


def marks(root: Path) -> dict[str, str]:
    """Return, by digest, what must be said of rows that were added."""
    return {
        path.stem: f"Added from elsewhere; truth {'' if verified else 'not '}verified here."
        for path in root.glob(f"*/*{ADDED}")
        for verified in [path.is_file() and path.stat().st_size == len(_VERIFIED)]
    }


def _taken(record: Path, root: Path, corpora: Corpora, here: list[Standing]) -> Added:
    """Copy a result to where it belongs, if it verifies, no other is there and none contradicts."""
    name = f"{record.parent.name}/{record.name}"
    found = verify(record, corpora)
    if found.problems or found.standing is None:
        return Added(name, found.problems, found.truth)
    place = root / found.standing.result.benchmark.name / record.name
    beside = [record.with_suffix(".parquet"), *_rest(record)]
    if place.exists():
        same = place.read_bytes() == record.read_bytes()
        said = "it is there already" if same else f"another result is at '{place}'; delete one"
        return Added(name, (said,), found.truth, record.stem)
    if not found.truth and (odds := _at_odds(found.standing, here)):
        return Added(name, odds, found.truth, record.stem)
    here.append(found.standing)
    for file in [*beside, record]:
        with replacing(place.with_name(file.name)) as temporary:
            shutil.copyfile(file, temporary)
    with replacing(place.with_suffix(ADDED)) as temporary:
        temporary.write_text(_VERIFIED if found.truth else f"not {_VERIFIED}", encoding="utf-8")
    publish(place)
    return Added(name, (), found.truth, record.stem)


def _at_odds(new: Standing, here: Sequence[Standing]) -> tuple[str, ...]:
    """Return how a result contradicts those of its benchmark, if it agrees with none of them."""
    name = new.result.benchmark.name
    for group in groups([new, *(each for each in here if each.result.benchmark.name == name)]):
        if any(each is new for each in group.entries) and len(group.entries) == 1:
            return tuple(contradictions(group))
    return ()


def _rest(record: Path) -> list[Path]:
    return sorted(record.parent.glob(f"{record.stem}.*.parquet"))


def _from_folder(source: Path, inbox: Path) -> None:
    budget = _Budget(source)
    for path in _walked(source):
        # a link may lead anywhere, a pipe never ends
        if stat.S_ISREG(path.lstat().st_mode):
            name = path.absolute().relative_to(source.absolute().parent).as_posix()
            _keep(name, inbox, budget, partial(FileIO, path))


def _walked(source: Path) -> Iterator[Path]:
    for folder, folders, files in os.walk(source, followlinks=False):
        folders.sort()
        yield from (Path(folder) / name for name in sorted(files))


def _from_zip(source: Path, inbox: Path) -> None:
    budget = _Budget(source)
    with _opened(source) as archive:
        for member in archive.infolist():
            if not member.is_dir() and not stat.S_ISLNK(member.external_attr >> 16):
                _keep(member.filename, inbox, budget, partial(archive.open, member))


@contextmanager
def _opened(source: Path) -> Iterator[zipfile.ZipFile]:
    try:
        if not source.is_file():
            raise SerbenchError(f"'{source}' is no zip and no folder; give one of the two")
        with zipfile.ZipFile(source) as archive:
            yield archive
    except _DAMAGED as error:
        raise SerbenchError(shown(f"'{source}' is not a whole zip ({error})")) from error


class _Budget:
    """Counts files and bytes, whatever an archive says of itself."""

    def __init__(self, source: Path) -> None:
        self.source, self.files, self.bytes = source, 0, 0

    def spend(self, *, files: int = 0, size: int = 0) -> None:
        """Refuse what is more than results can be."""
        self.files += files
        self.bytes += size
        if self.files > _FILES or self.bytes > _BYTES:
            msg = (
                f"'{self.source}' has more than {_FILES} files or {_BYTES // 2**30} GiB, more than "
                "is read at once; send fewer results"
            )
            raise SerbenchError(msg)


def _keep(
    name: str, inbox: Path, budget: _Budget, opened: Callable[[], IO[bytes] | FileIO]
) -> None:
    """Copy a file that is named as those of a result are, by its last two names alone."""
    budget.spend(files=1)
    *_, folder, last = ("", "", *PurePosixPath(name.replace("\\", "/")).parts)
    if not (_FILE.fullmatch(last) and _FOLDER.fullmatch(folder)):
        return
    place = inbox / folder / last
    if place.exists():
        raise SerbenchError(f"'{budget.source}' has {folder}/{last} twice; send it once")
    place.parent.mkdir(exist_ok=True)
    with place.open("wb") as out:
        for piece in _pieces(opened):
            budget.spend(size=len(piece))
            out.write(piece)


def _pieces(opened: Callable[[], IO[bytes] | FileIO]) -> Iterator[bytes]:
    """Yield a file as far as it can be read: what is cut will not verify."""
    with suppress(*_DAMAGED), opened() as file:
        while piece := file.read(_PIECE):
            yield piece
