"""The contract checks catch what they are for: each broken plugin gets its sentence."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any, ClassVar, Literal

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from serbench.checks import check_downstream, check_upstream
from serbench.downstreams import Downstream
from serbench.errors import SerbenchError
from serbench.upstreams import Clips, Features, TextUpstream, Upstream, stack


class Sound(Upstream):
    """Two layers of 4 numbers a window of 100 samples; each fault below breaks one thing of it."""

    sample_rate = 8_000
    depth = 2
    dim = 4

    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.project = nn.Linear(100, 4).requires_grad_(False)

    def frames(self, samples: int) -> int:
        return samples // 100

    def forward(self, clips: Clips) -> Features:
        return stack([self.encode(wave) for wave in clips.waves])

    def encode(self, wave: Tensor) -> Tensor:
        frames = len(wave) // 100
        if not frames:
            raise SerbenchError("too short")
        hidden = self.project(wave[: frames * 100].view(frames, 100))
        return torch.stack([hidden, hidden.tanh()])


class SeesACrowd(Sound):
    """Depends on the batch only where there are more clips than five."""

    def forward(self, clips: Clips) -> Features:
        layers, lengths = super().forward(clips)
        return Features(layers * max(1, len(clips.waves) - 5), lengths)


class FailsInACrowd(Sound):
    def forward(self, clips: Clips) -> Features:
        layers, lengths = super().forward(clips)
        return Features(layers if len(clips.waves) < 7 else layers * torch.nan, lengths)


class WrongDepth(Sound):
    depth = 3


class WrongDim(Sound):
    dim = 7


class NoRate(Sound):
    sample_rate = 0


class AnyTolerance(Sound):
    tolerance = 1.0


class OneFrameTooMany(Sound):
    def frames(self, samples: int) -> int:
        return samples // 100 + (samples > 3_000)


class FramesByRounding(Sound):
    def frames(self, samples: int) -> int:
        return round(samples / 100)


class FramesOfNothing(Sound):
    def frames(self, samples: int) -> int:
        return 1 + samples // 100


class FractionalFrames(Sound):
    def frames(self, samples: int) -> Any:
        return samples // 100 * 1.0


class Doubled(Sound):
    def forward(self, clips: Clips) -> Features:
        layers, lengths = super().forward(clips)
        return Features(layers.double(), lengths.int())


class Flat(Sound):
    def forward(self, clips: Clips) -> Features:
        layers, lengths = super().forward(clips)
        return Features(layers[0], lengths)


class FirstClipOnly(Sound):
    def forward(self, clips: Clips) -> Features:
        return super().forward(Clips(clips.waves[:1], clips.speakers[:1], clips.texts[:1]))


class MorePadding(Sound):
    def forward(self, clips: Clips) -> Features:
        layers, lengths = super().forward(clips)
        return Features(nn.functional.pad(layers, (0, 0, 0, 3)), lengths)


class DirtyPadding(Sound):
    def forward(self, clips: Clips) -> Features:
        layers, lengths = super().forward(clips)
        beyond = torch.arange(layers.shape[2]) >= lengths[:, None]
        return Features(layers.masked_fill(beyond[..., None], 1.0), lengths)


class NotANumber(Sound):
    def encode(self, wave: Tensor) -> Tensor:
        return super().encode(wave).log()


class NormalisedToNothing(Sound):
    def encode(self, wave: Tensor) -> Tensor:
        return super().encode(wave / wave.abs().max())


class SeesTheBatch(Sound):
    """Normalises by the mean over the batch, padding included."""

    def forward(self, clips: Clips) -> Features:
        layers, lengths = super().forward(clips)
        beyond = torch.arange(layers.shape[2]) >= lengths[:, None]
        shifted = layers - layers.mean(dim=(1, 2), keepdim=True)
        return Features(shifted.masked_fill(beyond[..., None], 0.0), lengths)


class SeesWhatFollows(Sound):
    """Wrong only for a clip that stands before a longer one."""

    def forward(self, clips: Clips) -> Features:
        layers, lengths = super().forward(clips)
        if len(lengths) == 2 and lengths[0] < lengths[1]:
            layers = layers * torch.tensor([1.01, 1.0])[:, None, None]
        return Features(layers, lengths)


class InTraining(Sound):
    def __init__(self) -> None:
        super().__init__()
        self.normalise = nn.BatchNorm1d(4).requires_grad_(False)

    def encode(self, wave: Tensor) -> Tensor:
        frames = super().encode(wave)
        return torch.stack([self.normalise(layer) for layer in frames])


class Drops(Sound):
    def encode(self, wave: Tensor) -> Tensor:
        return nn.functional.dropout(super().encode(wave))


class Seeds(Sound):
    def forward(self, clips: Clips) -> Features:
        torch.manual_seed(0)
        np.random.seed(0)
        random.seed(0)
        return super().forward(clips)


class Trainable(Sound):
    def __init__(self) -> None:
        super().__init__()
        self.requires_grad_(True)


class WritesInPlace(Sound):
    def encode(self, wave: Tensor) -> Tensor:
        wave -= wave.mean()
        return super().encode(wave)


class WrongError(Sound):
    def encode(self, wave: Tensor) -> Tensor:
        if len(wave) < 100:
            raise ValueError("too short")
        return super().encode(wave)


class PadsTheShort(Sound):
    def encode(self, wave: Tensor) -> Tensor:
        return super().encode(nn.functional.pad(wave, (0, max(0, 100 - len(wave)))))


class RefusesTheShortest(Sound):
    def encode(self, wave: Tensor) -> Tensor:
        if len(wave) < 150:
            raise SerbenchError("too short")
        return super().encode(wave)


class TakesNone(Sound):
    def forward(self, clips: Clips) -> Features:
        if not clips.waves:
            return Features(torch.zeros(2, 0, 0, 4), torch.zeros(0, dtype=torch.int64))
        return super().forward(clips)


class Fails(Sound):
    def encode(self, wave: Tensor) -> Tensor:
        raise KeyError("weight")


def test_sound_upstream_passes() -> None:
    assert check_upstream(Sound()) == []


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [
        (WrongDepth, "depth is declared as 3, but there are 2 layers"),
        (WrongDim, "dim is declared as 7, but frames are 4 wide"),
        (NoRate, "sample_rate is 0; it must be a whole number from 1"),
        (AnyTolerance, "tolerance is 1.0; it must be from 0 to 0.01"),
        (OneFrameTooMany, "frames() says [25, 34, 47, 68, 90]"),
        (FramesByRounding, "samples have ["),
        (FramesOfNothing, "frames(0) is 1; nothing has no frames"),
        (FractionalFrames, "it must be a whole number from 1"),
        (Doubled, "layers are torch.float64; they must be torch.float32"),
        (Doubled, "lengths are torch.int32; they must be torch.int64"),
        (Flat, "layers have shape (5, 89, 4); it must be (L, B, T, D)"),
        (FirstClipOnly, "5 clips go in, 1 come out"),
        (MorePadding, "T is 92; it must be the longest length, 89"),
        (DirtyPadding, "frames beyond the length of a clip are not zero"),
        (NotANumber, "features of speech-like sound are not all finite numbers"),
        (NormalisedToNothing, "features of silence are not all finite numbers"),
        (SeesTheBatch, "a clip after a longer one differs from itself alone by"),
        (SeesTheBatch, "a clip before a shorter one differs from itself alone by"),
        (SeesWhatFollows, "a clip before a longer one differs from itself alone by 0.01 of"),
        (SeesACrowd, "in a batch of 20, which is as large as those of a run, differs from itself"),
        (FailsInACrowd, "as large as those of a run, are not all finite numbers"),
        (InTraining, "features are other ones in evaluation mode"),
        (Drops, "the same clips have other features the second time"),
        (Drops, "encoding changes the global random state of torch"),
        (Seeds, "encoding changes the global random state of torch"),
        (Seeds, "encoding changes the global random state of numpy"),
        (Seeds, "encoding changes the global random state of random"),
        (Trainable, "2 parameters are trainable (project.weight); freeze them"),
        (Trainable, "features carry a gradient"),
        (WritesInPlace, "encoding changes the waves that it is given"),
        (WrongError, "a clip of 99 samples, for which frames() says there is none, ends in Value"),
        (WrongError, "a clip of 0 samples, for which frames() says there is none, ends in Value"),
        (PadsTheShort, "a clip of 99 samples, for which frames() says there is none, is encoded"),
        (RefusesTheShortest, "encoding short clips ends in SerbenchError: too short"),
        (TakesNone, "an empty batch is encoded; raise SerbenchError"),
        (Fails, "samples ends in KeyError: 'weight'"),
        (nn.Identity, "make returns a Identity, not an Upstream"),
    ],
)
def test_broken_upstream_gets_its_sentence(kind: type[Any], sentence: str) -> None:
    failures = check_upstream(kind())
    assert any(sentence in failure for failure in failures), failures


class Letters(TextUpstream):
    """Two layers of 4 numbers a letter; each fault below breaks one thing of it."""

    depth = 2
    dim = 4

    def tokens(self, text: str) -> int:
        return len(text.strip())

    def forward(self, clips: Clips) -> Features:
        return stack([self.encode(text) for text in clips.texts])

    def encode(self, text: str | None) -> Tensor:
        if text is None or not text.strip():
            raise SerbenchError("no text")
        codes = torch.tensor([float(ord(letter)) for letter in text.strip()])
        return torch.stack([codes, codes.tanh()])[..., None] * torch.arange(1.0, 5.0)


class OneTokenTooMany(Letters):
    def tokens(self, text: str) -> int:
        return len(text.strip()) + (len(text) > 3)


class TokensOfNothing(Letters):
    def tokens(self, text: str) -> int:
        return len(text) + 1


class TokensOfBlanks(Letters):
    def tokens(self, text: str) -> int:
        return len(text)


class ReadsNothing(Letters):
    def encode(self, text: str | None) -> Tensor:
        return super().encode(text if text and text.strip() else "-")


class FailsOnNone(Letters):
    def encode(self, text: str | None) -> Tensor:
        return super().encode(text) if text is not None else torch.zeros(int(text))


class SeesLongerTexts(Letters):
    def forward(self, clips: Clips) -> Features:
        layers, lengths = super().forward(clips)
        return Features(layers / lengths.max(), lengths)


class OnlySaysText(Sound):
    reads = "text"


class SaysWaves(Letters):
    reads = "waves"


def test_sound_reader_passes() -> None:
    assert check_upstream(Letters()) == []


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [
        (OneTokenTooMany, "frames; tokens() says ["),
        (TokensOfNothing, "tokens('') is 1; it must be 0"),
        (TokensOfBlanks, "tokens(' ') is 1; it must be 0"),
        (ReadsNothing, "a clip with the text None is encoded; raise SerbenchError"),
        (ReadsNothing, "a clip with the text ' ' is encoded; raise SerbenchError"),
        (FailsOnNone, "a clip with the text None ends in TypeError: int() argument must be"),
        (SeesLongerTexts, "a clip before a longer one differs from itself alone by"),
        (OnlySaysText, "reads is 'text'; derive it from TextUpstream"),
        (SaysWaves, "reads is 'waves'; derive it from TextUpstream"),
    ],
)
def test_broken_reader_gets_its_sentence(kind: type[Any], sentence: str) -> None:
    failures = check_upstream(kind())
    assert any(sentence in failure for failure in failures), failures


def test_tolerance_is_the_declared_one() -> None:
    class Wider(SeesWhatFollows):
        tolerance = 0.01

        def forward(self, clips: Clips) -> Features:
            layers, lengths = super().forward(clips)
            return Features(layers * 0.999 if len(lengths) == 2 else layers, lengths)

    class Narrower(Wider):
        tolerance = 0.005

    assert check_upstream(Wider()) == []
    assert "its tolerance is 0.005" in check_upstream(Narrower())[0]


def test_caller_keeps_its_random_state() -> None:
    upstream = Seeds()
    before = torch.get_rng_state(), np.random.get_state()[1].tolist(), random.getstate()
    assert len(check_upstream(upstream)) == 3
    assert torch.equal(torch.get_rng_state(), before[0])
    assert np.random.get_state()[1].tolist() == before[1]
    assert random.getstate() == before[2]


class Head(Downstream):
    """A projected sum over time; each fault below breaks one thing of it."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.embedding_dim = 6
        self.project = nn.Linear(dim, 6)

    def forward(self, frames: Tensor, lengths: Tensor, speakers: Tensor) -> Tensor:
        embedding: Tensor = self.project(self.pool(frames, lengths)).tanh()
        return embedding

    def pool(self, frames: Tensor, lengths: Tensor) -> Tensor:
        return frames.sum(1) / lengths[:, None].sqrt()


class Average(Head):
    needs: ClassVar[Literal["frames", "mean"]] = "mean"

    def pool(self, frames: Tensor, lengths: Tensor) -> Tensor:
        return frames.sum(1) / lengths[:, None]


class NothingToLearn(Downstream):
    def __init__(self, dim: int) -> None:
        super().__init__()
        self.embedding_dim = dim

    def forward(self, frames: Tensor, lengths: Tensor, speakers: Tensor) -> Tensor:
        return frames.sum(1) / lengths[:, None]


class Detached(Head):
    def forward(self, frames: Tensor, lengths: Tensor, speakers: Tensor) -> Tensor:
        return super().forward(frames, lengths, speakers).detach()


class NotOnlyTheMean(Head):
    needs: ClassVar[Literal["frames", "mean"]] = "mean"


class WrongNeeds(Head):
    needs: ClassVar[Any] = "sums"


class WrongWidth(Head):
    def __init__(self, dim: int) -> None:
        super().__init__(dim)
        self.embedding_dim = 5


class HeadInACrowd(Head):
    def forward(self, frames: Tensor, lengths: Tensor, speakers: Tensor) -> Tensor:
        return super().forward(frames, lengths, speakers) * max(1, len(frames) - 8)


class SeesPadding(Head):
    def pool(self, frames: Tensor, lengths: Tensor) -> Tensor:
        return frames.mean(1)


class Spread(Head):
    """Not a number for a single frame."""

    def pool(self, frames: Tensor, lengths: Tensor) -> Tensor:
        rows = zip(frames, lengths.tolist(), strict=True)
        return torch.stack([row[:n].var(0, correction=0) / (n - 1) for row, n in rows])


class Unused(Head):
    def __init__(self, dim: int) -> None:
        super().__init__(dim)
        self.spare = nn.Linear(2, 2)


class SeedsItself(Head):
    def __init__(self, dim: int) -> None:
        torch.manual_seed(0)
        super().__init__(dim)


class DrawsFromNumpy(Head):
    def __init__(self, dim: int) -> None:
        super().__init__(dim)
        self.project.bias.data = torch.from_numpy(np.random.randn(6)).float()


class AlwaysDrops(Head):
    def pool(self, frames: Tensor, lengths: Tensor) -> Tensor:
        return nn.functional.dropout(super().pool(frames, lengths))


class ChangesFrames(Head):
    def pool(self, frames: Tensor, lengths: Tensor) -> Tensor:
        return super().pool(frames.mul_(2), lengths)


class DoubleHead(Head):
    def forward(self, frames: Tensor, lengths: Tensor, speakers: Tensor) -> Tensor:
        return super().forward(frames, lengths, speakers).double()


class KnowsSpeakers(Head):
    """A number for each speaker, which grows with how many there are."""

    conditions_on: Any = "id"

    def enrol(self, speakers: int, voices: Tensor | None = None) -> None:
        self.table = nn.Parameter(torch.randn(speakers + 1, 6))

    def forward(self, frames: Tensor, lengths: Tensor, speakers: Tensor) -> Tensor:
        return super().forward(frames, lengths, speakers) + self.table[speakers]


class HearsSpeakers(Head):
    conditions_on: Any = "mfcc"

    def enrol(self, speakers: int, voices: Tensor | None = None) -> None:
        assert voices is not None and len(voices) == speakers + 1 and not voices[0].any()
        self.hear, self.voices = nn.Linear(voices.shape[1], 6, bias=False), voices

    def forward(self, frames: Tensor, lengths: Tensor, speakers: Tensor) -> Tensor:
        return super().forward(frames, lengths, speakers) + self.hear(self.voices[speakers])


class HidesSpeakers(KnowsSpeakers):
    conditions_on = "nothing"


class WrongConditions(KnowsSpeakers):
    conditions_on = "name"


class FailingHead(Head):
    def pool(self, frames: Tensor, lengths: Tensor) -> Tensor:
        raise IndexError("frame 3")


@pytest.mark.parametrize("kind", [Head, Average, NothingToLearn, KnowsSpeakers, HearsSpeakers])
def test_sound_downstream_passes(kind: Callable[[int], Downstream]) -> None:
    before = torch.get_rng_state()
    assert check_downstream(kind) == []
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [
        (NotOnlyTheMean, "needs is 'mean', but the embedding of the mean over time differs"),
        (WrongNeeds, "needs is 'sums'; it must be 'frames' or 'mean'"),
        (WrongWidth, "embeddings have shape (8, 6); (B, embedding_dim) is (8, 5)"),
        (HeadInACrowd, "in a batch of 45 an utterance differs from itself in one of 8 by"),
        (SeesPadding, "padding must not count"),
        (Spread, "embeddings of utterances of [1] frames are not all finite numbers"),
        (Detached, "no gradient reaches the parameter 'project.weight'"),
        (Unused, "no gradient reaches the parameter 'spare.weight'"),
        (SeedsItself, "two seeds give one head; do not seed in make"),
        (DrawsFromNumpy, "it changes the global random state of numpy"),
        (DrawsFromNumpy, "one seed gives two heads"),
        (AlwaysDrops, "other embeddings the second time, in evaluation mode"),
        (AlwaysDrops, "in evaluation mode it draws from torch's global generator"),
        (ChangesFrames, "embedding changes the tensors that it is given"),
        (DoubleHead, "embeddings are torch.float64; they must be torch.float32"),
        (HidesSpeakers, "the embedding depends on who speaks; say so by conditions_on"),
        (WrongConditions, "conditions_on is 'name'; it must be one of ('nothing', 'id', 'mfcc')"),
        (FailingHead, "embedding a batch ends in IndexError: frame 3"),
        (lambda dim: nn.Linear(dim, 2), "make returns a Linear, not a Downstream"),
    ],
)
def test_broken_downstream_gets_its_sentence(kind: Any, sentence: str) -> None:
    failures = check_downstream(kind)
    assert any(sentence in failure for failure in failures), failures
