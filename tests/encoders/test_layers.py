"""A choice of layers is a slice of all of them, everywhere."""

from __future__ import annotations

import pytest
import torch

from serbench import plugins
from serbench.encoders.layers import choose
from serbench.errors import SerbenchError
from serbench.upstreams import Clips, Upstream

CLIPS = Clips([torch.sin(torch.arange(n) / 9) for n in (9000, 7000)], ["a", "b"], [None, None])


@pytest.fixture(scope="module")
def hubert() -> Upstream:
    made: Upstream = plugins.make(plugins.find("upstreams", "hubert"), options={})
    return made


@pytest.mark.parametrize(
    ("layers", "numbers"), [("last", [4]), ((0, 3), [0, 3]), ((3, 0), [3, 0]), ((4,), [4])]
)
def test_a_choice_of_layers_is_a_slice(hubert: Upstream, layers: object, numbers: list) -> None:
    some = choose(hubert, layers)
    with torch.no_grad():
        whole, part = hubert(CLIPS), some(CLIPS)
    assert torch.equal(part.layers, whole.layers[numbers])
    assert torch.equal(part.lengths, whole.lengths)
    assert (some.depth, some.dim) == (len(numbers), hubert.dim)
    assert some.frames(9000) == hubert.frames(9000)
    assert some.provenance == hubert.provenance
    assert [*some.trainable()] == [*hubert.trainable()]


def test_all_layers_are_the_upstream_itself(hubert: Upstream) -> None:
    assert choose(hubert, "all") is choose(hubert, (0, 1, 2, 3, 4)) is hubert


@pytest.mark.parametrize(
    ("layers", "words"),
    [((5,), "has no layer 5; .*0 to 4"), ((1, 1), r"cannot give layers \[1, 1\]"), ((), "cannot")],
)
def test_layers_that_are_not_there_are_refused(hubert: Upstream, layers: tuple, words: str) -> None:
    with pytest.raises(SerbenchError, match=words):
        choose(hubert, layers)


def test_an_upstream_with_a_loss_of_its_own_gives_all_layers() -> None:
    class Costly(Upstream):
        sample_rate, depth, dim = 16_000, 2, 3

        def frames(self, samples: int) -> int:
            return samples

        def forward(self, clips: Clips) -> object:
            raise NotImplementedError

        def auxiliary_loss(self, clips: Clips, features: object) -> torch.Tensor:
            return torch.zeros(())

    with pytest.raises(SerbenchError, match="needs all its layers"):
        choose(Costly(), "last")


def test_layers_of_a_text_encoder_are_those_of_one_that_reads() -> None:
    bert = plugins.make(plugins.find("upstreams", "bert"), options={"weights": "tiny-random"})
    some, clips = choose(bert, "last"), Clips(CLIPS.waves, ["a", "b"], ["oh no", "well"])
    assert some.reads == "text" and some.tokens("oh no") == bert.tokens("oh no")
    with torch.no_grad():
        assert torch.equal(some(clips).layers, bert(clips).layers[-1:])
