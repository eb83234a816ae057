"""The system that is trained: streams -> standardise -> mix -> fusion -> head -> linear output."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from serbench import ranks
from serbench.downstreams import Downstream
from serbench.training.fusion import side_by_side
from serbench.training.streams import Stream
from serbench.upstreams import Clips, Features

Batch = tuple[Features | Clips, ...]
"""Some utterances, as each stream gets them."""


class System(nn.Module):
    """All that is trained: over frozen features, or together with the upstreams they come from.

    Several streams are fused early, when one head gets their frames side by side, or late, when
    each has a head of its own and the embeddings are concatenated.

    Args:
        streams: one an upstream.
        heads: one for all streams, or one for each.
        outputs: C, classes or dimensions.

    Raises:
        ValueError: neither one head nor one a stream.
    """

    def __init__(
        self, streams: Sequence[Stream], heads: Sequence[Downstream], outputs: int
    ) -> None:
        super().__init__()
        if len(heads) not in (1, len(streams)):
            msg = f"{len(heads)} heads for {len(streams)} streams; give one, or one for each"
            raise ValueError(msg)
        self.streams = nn.ModuleList(streams)
        self.heads = nn.ModuleList(heads)
        self.output = nn.Linear(sum(head.embedding_dim for head in heads), outputs)
        if (group := ranks.here()) is not None:
            for place, stream in enumerate(self.each()):
                stream.share(group, place)

    def each(self) -> Iterator[Stream]:
        """Yield the streams."""
        for stream in self.streams:
            assert isinstance(stream, Stream)
            yield stream

    def enrol(self, speakers: int, voices: Tensor | None = None) -> None:
        """Make the heads ready for the speakers of a fold (see `Downstream.enrol`)."""
        for head in self.heads:
            assert isinstance(head, Downstream)
            head.enrol(speakers, voices)

    @property
    def head(self) -> list[nn.Parameter]:
        """All parameters but the upstreams'."""
        mixes = [p for stream in self.each() for p in stream.own]
        return [*mixes, *self.heads.parameters(), *self.output.parameters()]

    @property
    def upstream(self) -> list[nn.Parameter]:
        """The parameters of the upstreams that learn; none if they are frozen."""
        return [parameter for stream in self.each() for parameter in stream.learning]

    def encode(self, batch: Batch) -> tuple[Features, ...]:
        """Return the features of each stream."""
        return tuple(stream.encode(part) for stream, part in zip(self.each(), batch, strict=True))

    def embed(self, features: Sequence[Features], speakers: Tensor) -> Tensor:
        """Return the (B, E) embeddings before the output; the arguments are those of `forward`."""
        inputs = [stream(part) for stream, part in zip(self.streams, features, strict=True)]
        if len(self.heads) < len(inputs):
            inputs = [side_by_side(inputs, [stream.pace for stream in self.each()])]
        embeddings = [
            head(frames, lengths, speakers)
            for head, (frames, lengths) in zip(self.heads, inputs, strict=True)
        ]
        return torch.cat(embeddings, dim=1)

    def means(self, features: Sequence[Features]) -> Tensor:
        """Return (B, E) the mean over time of what heads get, of all streams side by side."""
        inputs = (stream(part) for stream, part in zip(self.streams, features, strict=True))
        # zero beyond each length, so padding adds nothing
        return torch.cat([frames.sum(1) / lengths[:, None] for frames, lengths in inputs], dim=1)

    def forward(self, features: Sequence[Features], speakers: Tensor) -> Tensor:
        """Return (B, C): logits of the classes, or dimensions on the unit interval's scale.

        Args:
            features: of each stream, (L, B, T, D) float32, zero beyond each length.
            speakers: (B,) int64, index of the speaker in the corpus.
        """
        output: Tensor = self.output(self.embed(features, speakers))
        return output

    def backward(self, loss: Tensor) -> None:
        """Add the gradient of a loss to that of all parameters."""
        loss.backward()  # type: ignore[no-untyped-call]
        for stream in self.each():
            stream.learn()

    def auxiliary_losses(self, batch: Batch, features: Sequence[Features]) -> list[Tensor]:
        """Return what upstreams that are trained add to the loss."""
        losses = (
            stream.auxiliary_loss(part, made)
            for stream, part, made in zip(self.each(), batch, features, strict=True)
        )
        return [loss for loss in losses if loss is not None]
