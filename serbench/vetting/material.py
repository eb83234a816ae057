"""What upstreams are checked with: speech-like sounds for those that hear, texts for readers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Generic, TypeVar

import torch
from torch import Tensor

from serbench.training.store import TOKEN_SECONDS, batch_seconds
from serbench.upstreams import Clips, TextUpstream, Upstream

_SECONDS = (0.3, 0.41, 0.57, 0.83, 1.1)  # of the sounds, beyond the shortest that is taken
_LONGEST = 30  # seconds; an upstream that needs more for one frame is of no use here
_FEW = 3  # of the clips, the shorter ones, that fill a batch
_COUNTS = (2, 3, 5, 9, 17)  # words of the texts
_WORDS = "it is seven o'clock, maybe tomorrow the airplane will be ALMOST full of 11 naïve dogs?"

U = TypeVar("U", bound=Upstream)


class Material(ABC, Generic[U]):
    """Clips for one upstream, on a device.

    Attributes:
        name: of what is in the clips.
        counter: the upstream's own count of frames, as its author calls it.
    """

    name: str
    counter: str

    def __init__(self, upstream: U, device: str | None) -> None:
        self.upstream = upstream
        tensors = chain(upstream.parameters(), upstream.buffers())
        self.device = torch.device(device or next(tensors, torch.empty(0)).device)

    @abstractmethod
    def declared(self) -> Iterator[str]:
        """Yield what is wrong with how the upstream counts."""

    @abstractmethod
    def clips(self, seed: int) -> Clips:
        """Return clips of five odd lengths."""

    @abstractmethod
    def shortest(self) -> Clips:
        """Return the shortest clip that is taken."""

    @abstractmethod
    def none(self) -> Iterator[tuple[str, Clips]]:
        """Yield clips in which there is nothing to encode, and what they are."""

    @abstractmethod
    def sizes(self, clips: Clips) -> str:
        """Return how long clips are."""

    @abstractmethod
    def costs(self, clips: Clips) -> list[float]:
        """Return the seconds that clips count for in a batch of a run."""

    def crowd(self, clips: Clips) -> list[int]:
        """Return rows of the shorter clips, as many as go through at once in a run, in no order."""
        few = self.costs(clips)[:_FEW]
        count = int(batch_seconds(self.device.type) / max(few))
        return torch.randint(_FEW, (count,), generator=torch.Generator().manual_seed(0)).tolist()


class Sounds(Material[Upstream]):
    """Waves."""

    name, counter = "speech-like sound", "frames()"

    def declared(self) -> Iterator[str]:
        """Yield what is wrong with `sample_rate` and `frames`."""
        rate = getattr(self.upstream, "sample_rate", None)
        if not isinstance(rate, int) or rate < 1:
            yield f"sample_rate is {rate!r}; it must be a whole number from 1"
            return
        if self.upstream.frames(0) > 0:
            yield f"frames(0) is {self.upstream.frames(0)}; nothing has no frames"
        counted = self.upstream.frames(_LONGEST * rate)
        if not isinstance(counted, int) or counted < 1:
            yield f"frames() of {_LONGEST} s is {counted!r}; it must be a whole number from 1"

    def clips(self, seed: int) -> Clips:
        """Return sounds between 0.3 and 1.1 s longer than the shortest."""
        rate, shortest = self.upstream.sample_rate, self._shortest()
        generator = torch.Generator().manual_seed(seed)
        samples = [(shortest + int(seconds * rate)) | 1 for seconds in _SECONDS]
        return self._of([speech(n, rate, generator) for n in samples])

    def shortest(self) -> Clips:
        """Return a clip of one frame."""
        return self._of([torch.linspace(-0.1, 0.1, self._shortest())])

    def none(self) -> Iterator[tuple[str, Clips]]:
        """Yield clips of too few samples."""
        for count in sorted({0, self._shortest() - 1}):
            what = f"a clip of {count} samples, for which frames() says there is none,"
            yield what, self._of([torch.zeros(count)])
        yield "an empty batch", self._of([])

    def silence(self) -> Clips:
        """Return a clip of zeros, as long as the first of `clips`."""
        return self._of([torch.zeros_like(self.clips(0).waves[0])])

    def sizes(self, clips: Clips) -> str:
        """Return samples."""
        return ", ".join(str(len(wave)) for wave in clips.waves) + " samples"

    def costs(self, clips: Clips) -> list[float]:
        """Return how long they are."""
        return [len(wave) / self.upstream.sample_rate for wave in clips.waves]

    def _shortest(self) -> int:
        every = range(_LONGEST * self.upstream.sample_rate)
        return bisect_left(every, 1, key=self.upstream.frames)

    def _of(self, waves: Sequence[Tensor]) -> Clips:
        placed = [wave.to(self.device) for wave in waves]
        return Clips(placed, _speakers(len(waves)), ["one two"] * len(waves))


class Texts(Material[TextUpstream]):
    """Transcripts of clips without a sample."""

    name, counter = "text", "tokens()"

    def declared(self) -> Iterator[str]:
        """Yield what is wrong with `tokens`."""
        for blank in ("", " "):
            if self.upstream.tokens(blank) != 0:
                yield f"tokens({blank!r}) is {self.upstream.tokens(blank)!r}; it must be 0"
        counted = self.upstream.tokens(_WORDS)
        if not isinstance(counted, int) or counted < 1:
            yield f"tokens({_WORDS!r}) is {counted!r}; it must be a whole number from 1"

    def clips(self, seed: int) -> Clips:
        """Return texts of 2 to 17 words."""
        words, generator = _WORDS.split(), torch.Generator().manual_seed(seed)
        drawn = [torch.randint(len(words), (count,), generator=generator) for count in _COUNTS]
        return self._of([" ".join(words[i] for i in row.tolist()) for row in drawn])

    def shortest(self) -> Clips:
        """Return a text of one letter."""
        return self._of(["a"])

    def none(self) -> Iterator[tuple[str, Clips]]:
        """Yield clips without text."""
        for blank in (None, "", " "):
            yield f"a clip with the text {blank!r}", self._of([blank])
        yield "an empty batch", self._of([])

    def sizes(self, clips: Clips) -> str:
        """Return characters."""
        return ", ".join(str(len(text or "")) for text in clips.texts) + " characters"

    def costs(self, clips: Clips) -> list[float]:
        """Return what their tokens count for."""
        return [count * TOKEN_SECONDS for count in self.upstream.counts(clips)]

    def _of(self, texts: Sequence[str | None]) -> Clips:
        nothing = [torch.zeros(0, device=self.device)] * len(texts)
        return Clips(nothing, _speakers(len(texts)), list(texts))


def material_of(upstream: Upstream, device: str | None) -> Sounds | Texts:
    """Return what an upstream is checked with; its clips are where its parameters are, if None."""
    if isinstance(upstream, TextUpstream):
        return Texts(upstream, device)
    return Sounds(upstream, device)


def speech(samples: int, rate: int, generator: torch.Generator) -> Tensor:
    """Return harmonics of a gliding pitch and noise by turns, as syllables have them."""
    time = torch.arange(samples) / rate
    start, spread = torch.rand(2, generator=generator)
    pitch = 120 + 60 * start + 30 * torch.sin(2 * torch.pi * (time + spread))
    phase = 2 * torch.pi * pitch.cumsum(0) / rate
    voice = sum((torch.sin(k * phase) / k for k in range(1, 20)), torch.zeros(samples))
    noise = torch.randn(samples, generator=generator)
    voiced = torch.sin(2 * torch.pi * 4 * time) > -0.3
    return 0.1 * torch.where(voiced, voice, noise) + 0.001 * noise


def _speakers(count: int) -> list[str]:
    return [f"speaker {i}" for i in range(count)]
