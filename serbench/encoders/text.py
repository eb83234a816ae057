"""Text encoders: a tokeniser, then a Transformer over its tokens."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from serbench.encoders.transformers import checkpoint, load, save
from serbench.encoders.weights import VOCABULARY, Weights
from serbench.errors import SerbenchError
from serbench.upstreams import Clips, Features, TextUpstream

# whose attention leaves padding out; all of their layers but the attention look at one token
MASKED = {
    "albert",
    "bert",
    "camembert",
    "deberta",
    "deberta-v2",
    "distilbert",
    "electra",
    "ernie",
    "modernbert",
    "mpnet",
    "roberta",
    "xlm-roberta",
}
_OF_BYTES = "ByT5Tokenizer"  # which has no vocabulary to write
_LONGEST = 512  # bytes of a text that the random encoder takes


class TextEncoder(TextUpstream):
    """An encoder of transformers over the tokens of a transcript, those at its ends included.

    Layers are the embeddings of the tokens and the output of each block, N + 1 in all. A text of
    more tokens than the encoder was made for is cut at its end.

    Args:
        model: of a type in `MASKED`, frozen.
        tokenizer: its own.
        provenance: what the weights are.
    """

    def __init__(self, model: Any, tokenizer: Any, provenance: dict[str, str]) -> None:
        super().__init__()
        self.model = model.requires_grad_(False)
        # makes one vector of a text, which is the head's business here; a checkpoint may lack it
        self.model.pooler = None
        self.tokenizer = tokenizer
        self.longest = min(tokenizer.model_max_length, _positions(model))
        self.depth: int = model.config.num_hidden_layers + 1
        self.dim: int = model.config.hidden_size
        self.provenance = provenance
        self.eval()

    @classmethod
    def read(cls, weights: Weights) -> TextEncoder:
        """Return the encoder in a folder.

        Raises:
            SerbenchError: it holds no whole encoder, or no tokeniser.
        """
        model = load(weights)
        tokenizer = _tokenizer(weights, model.config.vocab_size)
        return cls(model, tokenizer, weights.provenance)

    @classmethod
    def random(cls) -> TextEncoder:
        """Return a tiny random encoder of bytes, always the same: 3 layers of 64."""
        from transformers import BertConfig, BertModel, ByT5Tokenizer

        tokenizer = ByT5Tokenizer(model_max_length=_LONGEST)
        config = BertConfig(
            hidden_size=64,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=128,
            vocab_size=len(tokenizer),
            max_position_embeddings=_LONGEST,
        )
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(0)
            model = BertModel(config, add_pooling_layer=False)
        provenance = {"id": "random, seed 0", "trained_on": "nothing"}
        return cls(model, tokenizer, provenance)

    def tokens(self, text: str) -> int:
        """Return the number of tokens of a text, 0 if it is blank."""
        return len(self._tokens(text)) if text.strip() else 0

    def forward(self, clips: Clips) -> Features:
        """Encode a batch."""
        if not clips.texts:
            msg = "an empty batch has no features; give one clip at least"
            raise SerbenchError(msg)
        numbers = [self._tokens(_required(text)) for text in clips.texts]
        lengths = torch.tensor([len(row) for row in numbers], device=self.model.device)
        longest = max(len(row) for row in numbers)
        mask = torch.arange(longest, device=lengths.device) < lengths[:, None]
        inputs = _padded(numbers, self.tokenizer.pad_token_id).to(lengths.device)
        output = self.model(input_ids=inputs, attention_mask=mask.long(), output_hidden_states=True)
        layers = torch.stack([*output.hidden_states[:-1], output.last_hidden_state])
        return Features(layers.masked_fill(~mask[..., None], 0.0), lengths)

    def checkpoint_gradients(self) -> None:
        """Keep only the inputs of the Transformer's blocks, and compute the rest again.

        Raises:
            SerbenchError: transformers does not say which these are.
        """
        from transformers.modeling_layers import GradientCheckpointingLayer

        blocks = [
            part for part in self.model.modules() if isinstance(part, GradientCheckpointingLayer)
        ]
        if not blocks:  # ALBERT's and MPNet's are not marked
            super().checkpoint_gradients()
        checkpoint(blocks)

    def save(self, folder: Path) -> None:
        """Write weights, settings and tokeniser in the layout of `save_pretrained`."""
        save(self.model, folder)
        self.tokenizer.save_pretrained(folder)

    def _tokens(self, text: str) -> list[int]:
        made = self.tokenizer(text, truncation=True, max_length=self.longest)
        numbers: list[int] = made["input_ids"]
        return numbers


def _positions(model: Any) -> int:
    """Return how many tokens have a position; RoBERTa's begin after that of padding."""
    table = getattr(model.embeddings, "position_embeddings", None)
    skipped = getattr(table, "padding_idx", None)
    count: int = model.config.max_position_embeddings
    return count if skipped is None else count - skipped - 1


def _required(text: str | None) -> str:
    if text is None or not text.strip():
        msg = f"a clip's text is {text!r}; an upstream that reads text needs one for each clip"
        raise SerbenchError(msg)
    return text


def _padded(rows: Sequence[Sequence[int]], filler: int) -> Tensor:
    """Return (B, T) int64."""
    longest = max(map(len, rows))
    return torch.tensor([[*row, *[filler] * (longest - len(row))] for row in rows])


def _tokenizer(weights: Weights, known: int) -> Any:
    """Return the tokeniser in a folder, of no more tokens than the encoder knows."""
    from transformers import AutoTokenizer

    has_words = any((weights.folder / file).is_file() for file in VOCABULARY)
    if not has_words and weights.tokenizer().get("tokenizer_class") != _OF_BYTES:
        # transformers would make one that knows no word
        msg = (
            f"weights '{weights.name}': no tokeniser in {weights.folder}; it belongs beside the "
            f"tensors, as one of {', '.join(VOCABULARY)}"
        )
        raise SerbenchError(msg)
    try:
        made = AutoTokenizer.from_pretrained(
            weights.folder, local_files_only=True, trust_remote_code=False
        )
    except Exception as error:  # the tokenizers library raises nothing more precise
        msg = f"weights '{weights.name}': transformers cannot read the tokeniser: {error}"
        raise SerbenchError(msg) from error
    if len(made) > known:
        msg = (
            f"weights '{weights.name}': the tokeniser has {len(made)} tokens, the encoder knows "
            f"{known}; they do not belong together"
        )
        raise SerbenchError(msg)
    return made
