"""Opening audio files: what is really in them, whatever their headers promise."""

from __future__ import annotations

import io
import mmap
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

from serbench import bounds
from serbench.benchmarks.reading import mp3
from serbench.errors import SerbenchError

# libsndfile's log of a chunk whose header promises more bytes than the file holds.
_PROMISE = re.compile(r"^\s*(?:data|SSND|Data Size)\s*: (\d+) \(should be (\d+)\)", re.MULTILINE)
# Recorders that write to a pipe cannot know the length and promise this many bytes or more.
_UNKNOWN_LENGTH = 0x7FFFF000
# And this many samples, in the words of libsndfile.
_UNKNOWN_FRAMES = 2**62
# Its log where bytes follow that belong to no chunk: samples that the header does not count.
_REST = re.compile(r"Unknown chunk marker \(\w+\) at position (\d+)\. Exiting parser")
# What its log says of an Ogg stream that does not hang together; a page is checked by its CRC.
_LOST = re.compile(
    r"Skipped \d+ bytes looking for the next page|libogg reports a hole|Junk after the last page"
)
_NO_END = "Last page lacks an end-of-stream bit"
_BLOCK = 2**20  # samples of all channels that are decoded at once
_GIT_LFS = b"version https://git-lfs"
_EMPTY = 1024  # bytes of headers without samples, at most


class AudioError(SerbenchError):
    """Audio that cannot be used; the message names the file and the remedy.

    Attributes:
        kind: "missing", "unreadable", "empty", "truncated", "damaged", "segment", "too_long",
            "channel" or "not_finite".
    """

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


@dataclass
class AudioFile:
    """An open audio file.

    Attributes:
        path: of the file.
        sound: libsndfile's view of it.
        frames: samples of a channel that are there, or that its header promises.
        doubt: the end of a sentence on what tells that its header is wrong; empty: nothing does.
        at: the sample that is read next.
    """

    path: Path
    sound: soundfile.SoundFile
    frames: int
    doubt: str = ""
    at: int = 0

    @property
    def samplerate(self) -> int:
        """Hz."""
        rate: int = self.sound.samplerate
        return rate

    @property
    def channels(self) -> int:
        """How many."""
        count: int = self.sound.channels
        return count

    def blocks(self, first: int, stop: int) -> Iterator[NDArray[np.float32]]:
        """Yield (samples, channels) float32 from `first` to `stop`, 4 MiB at a time at most.

        Fewer come where the file ends before.

        Raises:
            AudioError: it cannot be decoded, or is damaged.
        """
        size, done = max(1, _BLOCK // self.channels), first
        try:
            self._go_to(first, size)
            while done < stop:
                block = self._read(min(size, stop - done))
                if not len(block):
                    break
                done += len(block)
                yield block
        except soundfile.SoundFileError as error:
            raise unreadable(self.path, error) from error
        check_sync(self)

    def _go_to(self, first: int, size: int) -> None:
        """Stand at a sample.

        An MP3 is decoded from its beginning: a frame needs bits of those before it, so that
        another start gives other samples for a while. So is what cannot be searched.
        """
        if self.sound.seekable():
            self.at = self.sound.seek(first)
        elif self.at > first:
            self._rewind()
        while self.at < first and len(self._read(min(size, first - self.at))):
            pass

    def _rewind(self) -> None:
        self.at = 0
        if self.sound.format == "MP3":
            self.sound.seek(0)
        else:
            self.sound.close()
            self.sound = _onward(self.path)

    def _read(self, count: int) -> NDArray[np.float32]:
        samples: NDArray[np.float32] = self.sound.read(count, dtype="float32", always_2d=True)
        self.at += len(samples)
        return samples


def _onward(file: Path | io.BytesIO) -> soundfile.SoundFile:
    """Open a file to be read on and on, without the search for the present place at each block."""
    sound = soundfile.SoundFile(file)
    sound.seekable = lambda: False
    return sound


@contextmanager
def open_audio(path: Path) -> Iterator[AudioFile]:
    """Open an audio file that holds at least one sample and all that its header promises.

    Raises:
        AudioError: of kind "missing", "unreadable", "empty" or "truncated".
    """
    try:
        size = bounds.regular(path, bounds.AUDIO)
    except FileNotFoundError as error:
        msg = f"audio file '{path}' does not exist; get it again or correct its path"
        raise AudioError("missing", msg) from error
    except IsADirectoryError as error:
        msg = f"'{path}' is a folder, not an audio file; correct its path"
        raise AudioError("missing", msg) from error
    except OSError as error:
        msg = f"audio file '{path}' cannot be opened ({error.strerror}); get leave to read it"
        raise AudioError("missing", msg) from error
    except SerbenchError as error:
        raise AudioError("unreadable", str(error)) from error
    try:
        with _opened(path) as file:
            _check_complete(file, size)
            yield file
    except soundfile.SoundFileError as error:
        raise unreadable(path, error) from error


@contextmanager
def _opened(path: Path) -> Iterator[AudioFile]:
    """Open a file and find out how long it is where its header does not say."""
    with ExitStack() as stack:
        named: Any = path
        if path.suffix.lower() == ".raw":  # the name would mean samples without a header
            named = io.BytesIO(path.read_bytes())
        sound = stack.enter_context(soundfile.SoundFile(named))
        if sound.format == "MP3":
            sound.seekable = lambda: False
            yield stack.enter_context(_whole_mp3(path, sound))
        elif sound.frames < _UNKNOWN_FRAMES:
            yield AudioFile(path, sound, sound.frames, _uncounted(sound))
        else:
            yield AudioFile(path, stack.enter_context(_onward(path)), _counted(path))


def _counted(path: Path) -> int:
    """Return the samples of a stream that does not say how many they are."""
    with _onward(path) as sound:
        most = int(bounds.SAMPLES.most)
        count = 0
        while count <= most and (read := len(sound.read(_BLOCK, dtype="float32", always_2d=True))):
            count += read
    return count


@contextmanager
def _whole_mp3(path: Path, sound: soundfile.SoundFile) -> Iterator[AudioFile]:
    """Give an MP3 the length of its frames: without a header, libsndfile guesses it by the first.

    A decoder stops at the length it believes in. So where there are more frames, it is given a
    header that counts them.
    """
    with path.open("rb") as raw, mmap.mmap(raw.fileno(), 0, access=mmap.ACCESS_READ) as content:
        frames = mp3.count_frames(content)
        if frames is None or (frames.promised is not None and not frames.uncounted):
            yield AudioFile(path, sound, sound.frames)
            return
        if frames.promised is None and frames.samples <= sound.frames:
            yield AudioFile(path, sound, frames.samples)
            return
        whole = io.BytesIO(frames.header() + content[frames.first :])
    doubt = f"has {frames.count} frames where its header counts {frames.promised}; all are read"
    with _onward(whole) as told:
        yield AudioFile(path, told, told.frames, doubt if frames.uncounted else "")


def _uncounted(sound: soundfile.SoundFile) -> str:
    """Return what is said of bytes after the samples that belong to nothing."""
    rest = _REST.search(sound.extra_info)
    if sound.format not in ("WAV", "WAVEX", "AIFF") or rest is None:
        return ""
    return (
        f"goes on after the {sound.frames} samples that its header counts: what lies from byte "
        f"{rest[1]} on is not read"
    )


def _check_complete(file: AudioFile, size: int) -> None:
    promise = _PROMISE.search(file.sound.extra_info)
    promised, there = map(int, promise.groups()) if promise else (0, 0)
    if size < promised < _UNKNOWN_LENGTH:
        msg = (
            f"audio file '{file.path}' is cut short: its header promises {promised} bytes of "
            f"samples, {there} are there; get it again"
        )
        raise AudioError("truncated", msg)
    if there < promised < _UNKNOWN_LENGTH:
        file.doubt = (
            f"has a header that counts {promised - there} bytes too many, as if it were sound "
            "itself; all its samples are read"
        )
    if file.frames == 0:
        what = "no samples" if size < _EMPTY else f"{size} bytes, but no samples by its header"
        msg = f"audio file '{file.path}' is empty ({what}); get it again or take it out"
        raise AudioError("empty", msg)
    check_sync(file)


def check_sync(file: AudioFile) -> None:
    """Refuse a file in which the decoder had to look for where the next piece begins.

    Raises:
        AudioError: of kind "damaged".
    """
    if lost := _LOST.search(file.sound.extra_info):
        msg = f"audio file '{file.path}' is damaged ({lost[0].strip(' .?!')}); get it again"
        raise AudioError("damaged", msg)


def doubts(file: AudioFile) -> str:
    """Return what tells that a file is not as it was made, though it was read to its end.

    Args:
        file: as `open_audio` gives it.

    Returns:
        The end of a sentence about the file, empty if there is nothing.
    """
    if file.doubt:
        return file.doubt
    if _NO_END in file.sound.extra_info:
        return "does not end as an Ogg stream does, so some of it may be lost"
    if file.sound.format == "MP3" and mp3.is_altered(file.path):
        return "holds other frames than those that the checksum in its tag is of"
    return ""


def unreadable(path: Path, error: Exception) -> AudioError:
    """Return the problem of a file that libsndfile refuses, with the cause if it shows."""
    head = b""
    try:
        with path.open("rb") as file:
            head = file.read(len(_GIT_LFS))
    except OSError as denied:
        msg = f"audio file '{path}' cannot be opened ({denied.strerror}); get leave to read it"
        return AudioError("unreadable", msg)
    if not head:
        return AudioError("empty", f"audio file '{path}' is empty (0 bytes); get it again")
    if head == _GIT_LFS:
        msg = f"'{path}' is a Git LFS pointer, not audio; run `git lfs pull` in its repository"
        return AudioError("unreadable", msg)
    reason = getattr(error, "error_string", "") or "not a format with a header"
    msg = f"'{path}' cannot be read as audio ({reason}); get it again or convert it to WAV or FLAC"
    return AudioError("unreadable", msg)
