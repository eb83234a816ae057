"""Tiny encoders in the layout of published ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoConfig,
    AutoModel,
    BertTokenizer,
    SeamlessM4TFeatureExtractor,
    Wav2Vec2FeatureExtractor,
    WhisperFeatureExtractor,
)

from serbench.encoders import cpc as networks
from serbench.encoders.text import MASKED

SMALL = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "conv_dim": (8,) * 7,
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 2,
    "vocab_size": 10,
}
LARGE = SMALL | {"feat_extract_norm": "layer", "do_stable_layer_norm": True, "conv_bias": True}
SQUEEZED = SMALL | {
    "squeeze_factor": 2,
    "conv_kernel": (10, 3, 3, 3, 3, 2, 2),
    "conv_stride": (5, 2, 2, 2, 2, 2, 2),
}
MELS = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "conv_depthwise_kernel_size": 5,
    "vocab_size": 10,
}
WHISPER = {
    "d_model": 16,
    "encoder_layers": 2,
    "encoder_attention_heads": 2,
    "encoder_ffn_dim": 32,
    "decoder_layers": 1,
    "decoder_attention_heads": 2,
    "decoder_ffn_dim": 32,
    "vocab_size": 20,
    # windows of 2 s instead of 30
    "max_source_positions": 100,
    "max_target_positions": 8,
    **dict.fromkeys(["pad_token_id", "bos_token_id", "eos_token_id", "decoder_start_token_id"], 0),
}
TEXT = {
    "hidden_size": 16,
    "embedding_size": 8,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "vocab_size": 100,
    "max_position_embeddings": 64,
}
SPECIAL = ("[CLS]", "[PAD]", "[SEP]", "[UNK]", "[MASK]")  # padding is 1, where RoBERTa's is
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789'?,."
TEXT |= {"pad_token_id": 1, "bos_token_id": 0, "cls_token_id": 0}
TEXT |= {"eos_token_id": 2, "sep_token_id": 2, "mask_token_id": 4}
TYPES = tuple(sorted(MASKED))
# upstream, or upstream.variant, to transformers' model type and settings
ENCODERS: dict[str, tuple[str, dict[str, Any]]] = {
    "wav2vec2": ("wav2vec2", SMALL),
    "wav2vec2.large": ("wav2vec2", LARGE),
    "hubert": ("hubert", SMALL),
    "hubert.large": ("hubert", LARGE),
    "hubert.batch_norm": ("hubert", SMALL | {"conv_pos_batch_norm": True}),
    "wavlm": ("wavlm", SMALL),
    "wavlm.large": ("wavlm", LARGE),
    "whisper": ("whisper", WHISPER),
    "huggingface": ("unispeech-sat", SMALL),
    "huggingface.unispeech": ("unispeech", LARGE),
    "huggingface.data2vec": ("data2vec-audio", SMALL | {"num_conv_pos_embeddings": 3}),
    "huggingface.conformer": ("wav2vec2-conformer", LARGE),
    "huggingface.sew": ("sew", SQUEEZED),
    "huggingface.sew_d": ("sew-d", SQUEEZED),
    "huggingface.w2v_bert": ("wav2vec2-bert", MELS),
    "huggingface.w2v_bert_rotary": ("wav2vec2-bert", MELS | {"position_embeddings_type": "rotary"}),
    "bert": ("bert", TEXT),
    **{f"bert.{kind}": (kind, TEXT) for kind in TYPES},
}


def write_checkpoints(root: Path) -> dict[str, Path]:
    """Write random weights; return their folders by `upstream` or `upstream.variant`."""
    with torch.random.fork_rng(devices=[]):
        for seed, (name, (kind, settings)) in enumerate(ENCODERS.items()):
            torch.manual_seed(seed)
            save_encoder(root / name, kind, settings)
        torch.manual_seed(0)
        networks.save(networks.Network(networks.Layout(channels=12, hidden=16)), root / "cpc")
    return {name: root / name for name in (*ENCODERS, "cpc")}


def save_encoder(folder: Path, kind: str, settings: dict[str, Any]) -> None:
    """Save random weights and their preprocessor the way published ones are."""
    model = AutoModel.from_config(AutoConfig.for_model(kind, **settings))
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm1d):
            # as after training, when it no longer leaves zeros as they are
            module.running_mean.fill_(0.5)
    model.save_pretrained(folder)
    if kind in MASKED:
        save_tokenizer(folder)
    elif kind == "wav2vec2-bert":
        SeamlessM4TFeatureExtractor().save_pretrained(folder)
    elif kind == "whisper":
        WhisperFeatureExtractor(chunk_length=2).save_pretrained(folder)
    else:
        large = getattr(model.config, "feat_extract_norm", "layer") == "layer"
        Wav2Vec2FeatureExtractor(do_normalize=large).save_pretrained(folder)


def save_tokenizer(folder: Path) -> None:
    """Save a tokeniser of letters and digits, in lower case, as a file of BERT's words."""
    words = [*SPECIAL, *LETTERS, *(f"##{letter}" for letter in LETTERS)]
    vocabulary = {word: number for number, word in enumerate(words)}
    BertTokenizer(vocab=vocabulary, model_max_length=40).save_pretrained(folder)
