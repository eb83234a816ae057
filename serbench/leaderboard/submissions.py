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
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import partial
from io import FileIO
from lzma import LZMAError
from pathlib import Path, PurePosixPath
from typing import IO, NamedTuple

from serbench.benchmarks import NAME
from serbench.digests import digest_json
from serbench.durable import replacing, same
from serbench.errors import SerbenchError, shown
from serbench.home import home
from serbench.leaderboard import store
from serbench.leaderboard.beside import TABLES
from serbench.leaderboard.comparable import groups
from serbench.leaderboard.corpora import Corpora
from serbench.leaderboard.marks import mark, truth_is_known, was_sent
from serbench.leaderboard.remembered import standing_of
from serbench.leaderboard.standing import Standing
from serbench.leaderboard.verifying import (
    Asked,
    Remake,
    Verdict,
    contradictions,
    verify,
    verify_all,
)
from serbench.locks import locked
from serbench.remotes import ADDED, publish

_ENDINGS = (".json", *(ending for ending in TABLES if ending.endswith(".parquet")))
_FILE = re.compile(rf"[0-9a-f]{{8,64}}({'|'.join(map(re.escape, _ENDINGS))})")
_FOLDER = re.compile(NAME)
_FILES = 50_000
_BYTES = 4 * 2**30  # of all files together, unpacked
_PIECE = 2**20
_ENCRYPTED = 1  # bit of a member's flags
# what zipfile raises where an archive is not whole, is hostile, or is packed as nobody can read
_DAMAGED = (
    *(zipfile.BadZipFile, zlib.error, LZMAError, EOFError, OSError),
    *(NotImplementedError, RuntimeError, UnicodeError),
)


class Added(NamedTuple):
    """What became of one record: its name where it was sent, the rest as in `Verdict`.

    already: what is to be said if it was here before, to the byte.
    """

    name: str
    problems: tuple[str, ...]
    truth: bool | None = None
    digest: str = ""
    unsure: str = ""
    unknown: str = ""
    unmade: str = ""
    already: str = ""


def add(
    source: Path,
    root: Path,
    corpora: Corpora,
    *,
    remake: Remake | None = None,
    asked: Asked | None = None,
) -> list[Added]:
    """Take the results out of a zip or a folder that verify, and contradict none that is here.

    One whose ids and truths are those of the corpus is taken whatever others say.

    Args:
        source: a .zip, or a folder with records at any depth.
        root: the results folder.
        corpora: gives the tables of corpora.
        remake: as of `verify`.
        asked: likewise.

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
        check = partial(verify, corpora=corpora, remake=remake, asked=asked)
        with _alone(root):
            here = store.read_all(root, standing_of).entries
            return [_taken(record, root, check, here) for record in records]


def _alone(root: Path) -> AbstractContextManager[None]:
    """Let nobody else add to a folder: two that contradict each other would not see that."""
    name = digest_json(str(root.resolve()))[:32]
    return locked(home() / "locks" / f"{name}.lock", lambda _: None, "adds to these results")


def verify_marked(
    root: Path,
    corpora: Corpora,
    *,
    again: bool = False,
    remake: Remake | None = None,
    asked: Asked | None = None,
) -> Iterator[Verdict]:
    """Verify a results folder, and let rows that were added say what is known of them by now.

    Args:
        root: the results folder.
        corpora: gives the tables of corpora.
        again: as of `verify_all`.
        remake: likewise.
        asked: likewise.
    """
    for found in verify_all(root, corpora, again=again, remake=remake, asked=asked):
        if was_sent(found.path):
            mark(found.path, found)
        yield found


def _taken(record: Path, root: Path, check: Callable[..., Verdict], here: list[Standing]) -> Added:
    """Copy a result to where it belongs, if it verifies, no other is there and none contradicts."""
    name = f"{record.parent.name}/{record.name}"
    found = check(record, folders=[root / record.parent.name])
    told = Added(
        name, found.problems, found.truth, record.stem, found.unsure, found.unknown, found.unmade
    )
    if found.problems or found.standing is None:
        return told
    place = root / found.standing.result.benchmark.name / record.name
    if place.exists():
        lost = [table for table in _tables(record) if not _same(table, place)]
        # without checksums in the record nobody knows which of two tables is its own
        unsure = () if found.standing.result.tables else lost
        if not _same(record, place) or any(place.with_name(each.name).exists() for each in unsure):
            return told._replace(problems=(f"another result is at '{place}'; delete one",))
        return told._replace(already=_put_back(lost, place) + _noted(place, found))
    if not found.truth and (odds := _at_odds(found.standing, here)):
        return told._replace(problems=odds)
    here.append(found.standing)
    # marked before the record is there: no kill leaves a row that does not say where it is from
    place.with_suffix(ADDED).unlink(missing_ok=True)  # what was known of another that lay here
    mark(place, found)
    for file in [*_tables(record), record]:
        _copy(file, place)
    publish(place)
    return told


def _put_back(tables: Sequence[Path], place: Path) -> str:
    """Return that a result is there, and whole again if tables of it were lost."""
    for table in tables:
        _copy(table, place)
    if not tables:
        return "it is there already"
    publish(place)
    return "it is there already, and whole again: tables of it were missing or damaged"


def _same(file: Path, place: Path) -> bool:
    """Return whether a file of a result is the same beside the record that is here."""
    return same(place.with_name(file.name), file.read_bytes())


def _copy(file: Path, place: Path) -> None:
    """Copy a file of a result beside its record."""
    with replacing(place.with_name(file.name)) as temporary:
        shutil.copyfile(file, temporary)


def _noted(place: Path, found: Verdict) -> str:
    """Note what is known by now of a result that is there, and return what is new of it.

    One without a mark is a run of one's own, and gets none, wherever it comes back from.
    """
    before = truth_is_known(place)
    if was_sent(place):
        mark(place, found)
    return "; its row now says that its truths are verified" * (truth_is_known(place) > before)


def _at_odds(new: Standing, here: Sequence[Standing]) -> tuple[str, ...]:
    """Return how a result contradicts those of its benchmark, if it agrees with none of them."""
    name = new.result.benchmark.name
    for group in groups([new, *(each for each in here if each.result.benchmark.name == name)]):
        if any(each is new for each in group.entries) and len(group.entries) == 1:
            return tuple(contradictions(group))
    return ()


def _tables(record: Path) -> list[Path]:
    """Return the tables of a result, its predictions first."""
    others = sorted(record.parent.glob(f"{record.stem}.*.parquet"))
    return [record.with_suffix(".parquet"), *others]


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
            if member.flag_bits & _ENCRYPTED:
                raise SerbenchError(f"'{source}' is encrypted; send it without a password")
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
