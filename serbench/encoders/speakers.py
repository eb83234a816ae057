"""The speaker module of personalised pre-training (PAPT: Tran et al., Interspeech 2023)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, Self, get_args

import torch
import torch.nn.functional as F
from safetensors import safe_open
from torch import Tensor, nn

from serbench.encoders.tensors import read_tensors, write_tensors
from serbench.errors import SerbenchError, unknown

Position = Literal["last", "first", "prefix", "none"]
Unseen = Literal["nearest", "mean", "none"]


class SpeakerModule(nn.Module):
    """A table of speaker embeddings and a linear layer to the width of the Transformer.

    The paper adds the result to every frame of the Transformer's output (`last`). Its Table 4
    compares that with adding it to the input (`first`), with one more input frame (`prefix`),
    which is dropped from the output, and with no embedding at all (`none`). The table's width and
    initialisation are not published.

    Attributes:
        names: S speakers, in the order of the table.
        position: where the embedding goes in.
        profiles: (S, P) what each speaker sounds like, to find the nearest; zeros until set.
    """

    profiles: Tensor

    def __init__(
        self,
        names: Sequence[str],
        dim: int,
        *,
        position: Position = "last",
        width: int = 64,
        profile: int | None = None,
    ) -> None:
        """Make a fresh table from torch's current random state.

        Args:
            names: of the speakers, each once.
            dim: D, of the Transformer.
            position: see the class.
            width: of the table.
            profile: P, D if not given.

        Raises:
            SerbenchError: a name twice, or a position that does not exist.
        """
        super().__init__()
        if len(set(names)) != len(names) or not names:
            raise SerbenchError(f"{len(names)} speakers with {len(set(names))} different names")
        if position not in get_args(Position):
            raise unknown("speaker position", position, get_args(Position))
        self.names, self.position = list(names), position
        self._rows = {name: row for row, name in enumerate(names)}
        self.table = nn.Embedding(len(names), width)
        nn.init.normal_(self.table.weight, std=width**-0.5)
        self.linear = nn.Linear(width, dim)
        self.register_buffer("profiles", torch.zeros(len(names), profile or dim))

    def save(self, path: Path) -> None:
        """Write all of it as safetensors, with names and position in the metadata."""
        # one entry: safetensors writes several in any order, and equal tables are equal files
        about = json.dumps({"names": self.names, "position": self.position})
        write_tensors(path, self.state_dict(), {"speakers": about})

    @classmethod
    def load(cls, path: Path) -> Self:
        """Return what `save` wrote, frozen.

        Raises:
            SerbenchError: it is no whole safetensors file, or not of a speaker module.
        """
        tensors = read_tensors(path)
        with safe_open(path, "pt") as file:
            about = file.metadata() or {}
        try:
            profile, (dim, width) = tensors["profiles"].shape[1], tensors["linear.weight"].shape
            given = json.loads(about["speakers"])
            names, position = given["names"], given["position"]
            with torch.random.fork_rng(devices=[]):
                made = cls(names, dim, position=position, width=width, profile=profile)
            made.load_state_dict(tensors)
        except (LookupError, TypeError, ValueError, RuntimeError) as error:
            raise SerbenchError(f"{path} is not of a speaker module ({error})") from error
        return made.requires_grad_(False)

    def rows(self, names: Sequence[str]) -> Tensor:
        """Return (B,) int64, the rows of some speakers.

        Raises:
            SerbenchError: a speaker who is not in the table; `unseen` is for those.
        """
        for name in names:
            if name not in self._rows:
                message = "the table has those of the adaptation; see `unseen` for what else to do"
                raise unknown("adapted speaker", name, self.names, message)
        return torch.tensor([self._rows[name] for name in names])

    def forward(self, rows: Tensor) -> Tensor:
        """Return (B, D), the vectors of speakers by their rows (B,)."""
        vectors: Tensor = self.linear(self.table(rows))
        return vectors

    def enter(self, hidden: Tensor, vectors: Tensor) -> Tensor:
        """Return the Transformer's input: (B, T, D) with (B, D) put in, or (B, T + 1, D)."""
        if self.position == "first":
            return hidden + vectors[:, None].to(hidden.dtype)
        if self.position == "prefix":
            return torch.cat([vectors[:, None].to(hidden.dtype), hidden], dim=1)
        return hidden

    def leave(self, output: Tensor, vectors: Tensor) -> Tensor:
        """Return (B, T, D), the Transformer's output with (B, D) put in, without the prefix."""
        if self.position == "last":
            return output + vectors[:, None].to(output.dtype)
        return output[:, 1:] if self.position == "prefix" else output

    def nearest(self, profiles: Tensor) -> Tensor:
        """Return (B,) the rows whose profiles have the highest cosine with (B, P).

        All are centred on the mean of the table's profiles, as what all voices share is no sign of
        likeness.

        Raises:
            SerbenchError: the table has no profiles.
        """
        if not self.profiles.any():
            raise SerbenchError("the speaker table has no profiles to compare an unseen one with")
        centre = self.profiles.mean(0)
        known = F.normalize(self.profiles - centre, dim=-1)
        return (F.normalize(profiles - centre, dim=-1) @ known.T).argmax(-1)

    def unseen(self, rule: Unseen, profiles: Tensor) -> Tensor:
        """Return (B, D), vectors for speakers who were not in the adaptation, without training.

        Args:
            rule: `nearest` takes the vector of the most similar adapted speaker, `mean` the mean of
                all, `none` zeros.
            profiles: (B, P), what they sound like, made as the table's own.
        """
        if rule == "nearest":
            return self.forward(self.nearest(profiles))
        if rule == "mean":
            rows = torch.arange(len(self.names), device=profiles.device)
            everyone = self.forward(rows).mean(0)
            return everyone.expand(len(profiles), -1)
        if rule == "none":
            return self.linear.bias.new_zeros(len(profiles), len(self.linear.bias))
        raise unknown("rule for unseen speakers", rule, get_args(Unseen))
