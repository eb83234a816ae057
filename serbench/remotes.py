"""Folders of this machine that have a likeness at a URL that fsspec knows: s3://, gs://, file://.

Work is done on files of this machine in any case: an object store has neither locks nor renames. A
folder of results is brought up to date when its URL is named, and each result goes there when it is
written. What is made once for many runs (features, adapted and fine-tuned weights) is fetched from
`SERBENCH_STORE` before it is made, and put there afterwards.
"""

from __future__ import annotations

import glob
import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from serbench.durable import SUMS, replacing
from serbench.errors import SerbenchError, brief
from serbench.home import home
from serbench.locks import locked

SHARED = "SERBENCH_STORE"
"""Environment variable: the URL of what is made once for many runs."""

ADDED = ".added"
"""Lies beside the record of a result that somebody sent, and says what of it was verified here."""

_NOTE = ".remote.json"
_LOCAL = ("file", "local")
_OTHER_RESULTS = "give --results a URL that can be, or a folder of this machine"
_OTHER_STORE = f"give {SHARED} a URL that can be, or unset it to do without"
_KEPT = "what is finished is kept on this machine, and goes there when a command names it again"


class _Seen(NamedTuple):
    """What a file was when both sides were alike: a name of its version there, and what is here."""

    there: str
    here: tuple[int, int]


def results_folder(given: str | Path, tell: Callable[[str], object] = lambda text: None) -> Path:
    """Return the folder of results that `--results` means; of a URL, one that is like it now.

    What is here and not there (any more) is kept, and put there: nothing is lost with a folder that
    is not mounted, or a bucket that was emptied. A result that was written here and could not be
    put there takes the place of what came there meanwhile, unless it was sent in.

    Args:
        given: a path, or a URL.
        tell: shows a line.

    Raises:
        SerbenchError: the URL cannot be reached, or it is neither a path nor a URL.
    """
    if not str(given) or (str(given).partition(":")[0] in _LOCAL and "://" not in str(given)):
        msg = f"--results '{given}' is no folder; give its path, or a URL such as file:///results"
        raise SerbenchError(msg)
    if "://" not in str(given):
        return Path(given)
    url = str(given).rstrip("/")
    root = home() / "results" / hashlib.sha256(url.encode()).hexdigest()[:16]
    remedy = _OTHER_RESULTS
    if (root / _NOTE).is_file():
        remedy += f", such as '{root}', which has what was there last"
    else:
        with _reached(url, remedy):  # nothing is left here of a URL that is none
            _Place.at(url).found()
    with _noted(root, url, remedy) as (place, seen):
        own = _unsent(root, seen)
        if lost := _pull(place, root, seen, own):
            files = (
                "1 file of results is" if len(lost) == 1 else f"{len(lost)} files of results are"
            )
            tell(f"warning: {files} not at '{url}' any more; kept in '{root}', and put there again")
        _push(place, root, seen, _files(root))
        for result in own:
            _clear(place, root, seen, result)
    return root


def check_urls(results: Path) -> None:
    """Refuse URLs, of results and of the shared store, that take no file; nothing is left there.

    Args:
        results: folder of the result files, as `results_folder` gave it.

    Raises:
        SerbenchError: a file cannot be written there, or not be removed.
    """
    note = results / _NOTE
    if note.is_file():
        _try(json.loads(note.read_text())["url"], _OTHER_RESULTS)
    check_store()


def check_store() -> None:
    """Refuse a shared store that takes no file, if one is named.

    Raises:
        SerbenchError: a file cannot be written there, or not be removed.
    """
    if url := _store():
        _try(url, _OTHER_STORE)


def _try(url: str, remedy: str) -> None:
    with _reached(url, remedy, "cannot be used"):
        _Place.at(url).check()


def publish(path: Path) -> None:
    """Put the files of a result where its folder has its likeness, if it has one.

    Args:
        path: of the record, `ROOT/BENCHMARK/DIGEST.json`.

    Raises:
        SerbenchError: the URL cannot be reached; the result is kept here, and goes there as soon
            as any command names the URL again.
    """
    root = path.parent.parent
    if not (root / _NOTE).is_file():
        return
    with _noted(root) as (place, seen):
        _push(place, root, seen, path.parent.glob(f"{path.stem}.*"))
        _clear(place, root, seen, _result(path.relative_to(root).as_posix()))


def fetch(folder: Path, last: str, tell: Callable[[str], object]) -> bool:
    """Fetch a folder of the home from the shared store, if there is one that has it all.

    Args:
        folder: below the home; in no other process' hands.
        last: name of the file that says that all is there.
        tell: shows a line.

    Returns:
        Whether it was there.

    Raises:
        SerbenchError: the store cannot be reached.
    """
    if (url := _shared(folder)) is None:
        return False
    with _reached(url, f"{_OTHER_STORE}; what is finished is kept, the same command goes on"):
        place = _Place.at(url)
        found = place.found()
        whole = any(Path(name).name == last for name in found)
        for name in _last(map(Path, found)) if whole else []:
            _download(place, name.as_posix(), folder)
    if whole:
        tell(f"fetched from {url}")
    return whole


def share(folder: Path, tell: Callable[[str], object]) -> None:
    """Put a finished folder of the home into the shared store, if there is one.

    A store that cannot be reached any more costs nobody what was made: it is told.

    Args:
        folder: below the home; complete.
        tell: shows a line.
    """
    if (url := _shared(folder)) is None:
        return
    try:
        # named without the folder, so that what is told of several is the same
        with _reached(_store(), f"what was made is in '{home()}' alone", "takes no files"):
            place = _Place.at(url)
            for path in _last(_files(folder)):
                place.upload(path, path.relative_to(folder).as_posix())
    except SerbenchError as error:
        tell(f"warning: {error}")


def _store() -> str:
    return os.environ.get(SHARED, "").rstrip("/")


def _shared(folder: Path) -> str | None:
    url = _store()
    return f"{url}/{folder.relative_to(home()).as_posix()}" if url else None


class _Place(NamedTuple):
    """A folder at a URL: the file system of fsspec, and the folder's path in it."""

    files: Any
    root: str

    @classmethod
    def at(cls, url: str) -> _Place:
        """Return the place of a URL.

        Raises:
            SerbenchError: it is relative, and so another one in each folder.
        """
        import fsspec

        scheme, _, path = url.rpartition("://")
        if scheme in ("", *_LOCAL) and not Path(path).expanduser().is_absolute():
            whole = (scheme or "file", Path(path).absolute().as_posix())
            msg = f"'{url}' is relative; write the path in full, such as '{'://'.join(whole)}'"
            raise SerbenchError(msg)
        files, root = fsspec.core.url_to_fs(url)
        files.invalidate_cache()
        return cls(files, root.rstrip("/"))

    def found(self) -> dict[str, str]:
        """Return the version of each file, by its name below the folder."""
        try:
            listed = self.files.find(self.root, detail=True)
        except FileNotFoundError:
            return {}
        names = {path[len(self.root) :].lstrip("/"): about for path, about in listed.items()}
        return {name: _version(about) for name, about in names.items() if _plain(name)}

    @property
    def _is_local(self) -> bool:
        return "file" in self.files.protocol

    def check(self) -> None:
        """Write a file there and remove it; a folder of this machine is not made for it."""
        if self._is_local:
            root = Path(self.root)
            there = next(each for each in (root, *root.parents) if each.exists())
            with tempfile.TemporaryFile(dir=there) as probe:
                probe.write(bytes(4096))
            return
        with tempfile.NamedTemporaryFile() as file:
            name = f".try.{Path(file.name).name}"
            self.upload(Path(file.name), name)
        self.files.rm(f"{self.root}/{name}")

    def upload(self, path: Path, name: str) -> None:
        """Put a file there, whole or not at all."""
        there = f"{self.root}/{name}"
        folder, _, last = there.rpartition("/")
        self.files.makedirs(folder, exist_ok=True)
        if not self._is_local:  # an object store has all of a file, or nothing
            self.files.put_file(str(path), there)
            return
        fresh = Path(folder, f".{last}.{os.getpid()}")
        try:
            self.files.put_file(str(path), str(fresh))
            fresh.replace(there)
        except BaseException:
            fresh.unlink(missing_ok=True)
            raise


def _version(about: dict[str, Any]) -> str:
    """Return what tells that a file there was written anew, as far as the file system says."""
    telling = (
        "ETag",
        "etag",
        "crc32c",
        "md5Hash",
        "generation",
        "LastModified",
        "mtime",
        "created",
    )
    known = [about["size"], *(str(about[key]) for key in telling if key in about)]
    return hashlib.sha256(repr(known).encode()).hexdigest()[:16]


def _plain(name: str) -> bool:
    """Whether a name is one that a folder of ours has: no way out of it, nothing under way."""
    *folders, last = name.split("/")
    under_way = last.endswith(".lock") or (last.startswith(".") and not last.endswith(".sum"))
    return bool(last) and ".." not in folders and not under_way


def _files(root: Path) -> list[Path]:
    found = (path for path in root.rglob("*") if path.is_file())
    return [path for path in found if _plain(path.relative_to(root).as_posix())]


def _last(paths: Iterable[Path]) -> list[Path]:
    """Return files in an order in which what says that all is there comes last."""
    return sorted(paths, key=lambda path: (path.name == SUMS, path.suffix == ".json", path))


def _here(path: Path) -> tuple[int, int]:
    known = path.stat()
    return known.st_size, known.st_mtime_ns


@contextmanager
def _noted(
    root: Path, url: str | None = None, remedy: str = _KEPT
) -> Iterator[tuple[_Place, dict[str, _Seen]]]:
    """Give the likeness of a folder and what both had in common, alone, and note it afterwards."""
    note = root / _NOTE
    with locked(root / ".remote.lock", lambda _: None, "looks at the same results"):
        about = json.loads(note.read_text()) if note.is_file() else {"url": url, "seen": {}}
        seen = {name: _Seen(there, tuple(here)) for name, (there, here) in about["seen"].items()}
        try:
            with _reached(about["url"], remedy):
                yield _Place.at(about["url"]), seen
        finally:
            with replacing(note) as fresh:
                fresh.write_text(json.dumps({"url": about["url"], "seen": seen}))


def _unsent(root: Path, seen: Mapping[str, _Seen]) -> set[str]:
    """Return the runs that were written here since both sides were alike, and are here alone.

    What somebody sent is none of them: it takes the place of nothing.
    """
    records = {
        path.relative_to(root).as_posix(): path for path in _files(root) if path.suffix == ".json"
    }
    return {
        _result(name)
        for name, path in records.items()
        if (name not in seen or seen[name].here != _here(path)) and not _mark(path).exists()
    }


def _mark(record: Path) -> Path:
    """Return what lies beside a record that somebody sent."""
    return record.with_suffix(ADDED)


def _clear(place: _Place, root: Path, seen: dict[str, _Seen], result: str) -> None:
    """Remove there what a result has not here, such as tables of an older one or a mark."""
    for path in place.files.glob(f"{glob.escape(place.root)}/{result}.*"):
        name = path[len(place.root) :].lstrip("/")
        if not (root / name).exists():
            with suppress(FileNotFoundError):
                place.files.rm(path)
            seen.pop(name, None)


def _pull(place: _Place, root: Path, seen: dict[str, _Seen], own: Container[str] = ()) -> list[str]:
    """Fetch what is new or other there; of a result that was replaced there, remove the old files.

    A run that is there is one, also where the same, or another of its recipe, was sent in here.

    Args:
        place: there.
        root: here.
        seen: what both sides had when they were alike; changed.
        own: results that are left as they are here.

    Returns:
        What is here alone although it was there: nobody says that it is not wanted any more.
    """
    found = place.found()
    gone = [name for name in seen if name not in found]
    replaced: set[str] = set()
    for name in [path.as_posix() for path in _last(map(Path, found))]:
        known, version = seen.get(name), found[name]
        if _result(name) in own:
            continue
        if known is None or known.there != version or not (root / name).exists():
            before = _content(root / name)
            if _content(_download(place, name, root)) != before is not None:
                replaced.add(_result(name))
            if name.endswith(".json"):  # which comes last
                record = root / name
                whole = record.parent.glob(f"{record.stem}.*") if _result(name) in replaced else ()
                for old in (*whole, _mark(record)):
                    if old.relative_to(root).as_posix() not in found:
                        old.unlink(missing_ok=True)
            seen[name] = _Seen(version, _here(root / name))
    for name in gone:
        del seen[name]
    return [name for name in gone if (root / name).exists()]


def _result(name: str) -> str:
    """Return what the names of all files of a result begin with."""
    folder, _, file = name.rpartition("/")
    return f"{folder}/{file.split('.')[0]}"


def _content(path: Path) -> str | None:
    """Return a hash of a file, if there is one."""
    if not path.is_file():
        return None
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _download(place: _Place, name: str, root: Path) -> Path:
    with replacing(root / name) as fresh:
        place.files.get_file(f"{place.root}/{name}", str(fresh))
    return root / name


def _push(place: _Place, root: Path, seen: dict[str, _Seen], paths: Iterable[Path]) -> None:
    """Put there what is new or other here, records last."""
    for path in _last(paths):
        name = path.relative_to(root).as_posix()
        if not _plain(name) or (name in seen and seen[name].here == _here(path)):
            continue
        place.upload(path, name)
        place.files.invalidate_cache()
        seen[name] = _Seen(_version(place.files.info(f"{place.root}/{name}")), _here(path))


@contextmanager
def _reached(url: str, remedy: str, what: str = "cannot be reached") -> Iterator[None]:
    """Say in one sentence what is wrong with a URL, whatever its file system raises.

    Args:
        url: is named.
        remedy: closes the sentence.
        what: the URL is or does.
    """
    try:
        yield
    except SerbenchError:
        raise
    except Exception as error:
        raise SerbenchError(f"'{url}' {what} ({_reason(error)}); {remedy}") from error


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno)
    return str(error) if isinstance(error, ImportError | ValueError) else brief(error)
