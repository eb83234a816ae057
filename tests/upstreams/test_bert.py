"""Text encoders against transformers' own forward, alone and in a batch, and what is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from serbench.checks import check_upstream
from serbench.errors import SerbenchError
from serbench.training.settings import FineTuning
from serbench.training.streams import Stream
from serbench.upstreams import Clips
from serbench.upstreams.bert import make

TYPES = [
    *("albert", "bert", "camembert", "deberta", "deberta-v2", "distilbert"),
    *("electra", "ernie", "modernbert", "mpnet", "roberta", "xlm-roberta"),
]
SPOKEN = ["It's eleven o'clock.", "no", "THAT is exactly what happened, maybe 7 times?"]


def clips(*texts: str | None) -> Clips:
    return Clips([torch.zeros(0)] * len(texts), ["a"] * len(texts), list(texts))


def layers_of_transformers(folder: Path, text: str) -> Tensor:
    """Return (L, T, D)."""
    from transformers import AutoModel, AutoTokenizer

    inputs = AutoTokenizer.from_pretrained(folder)(text, truncation=True, return_tensors="pt")
    model = AutoModel.from_pretrained(folder).eval()
    with torch.no_grad():
        output = model(inputs["input_ids"], output_hidden_states=True)
    return torch.cat(output.hidden_states)


def test_all_types_are_tried(tiny_checkpoints: dict[str, Path]) -> None:
    assert {f"bert.{kind}" for kind in TYPES} <= tiny_checkpoints.keys()
    with pytest.raises(SerbenchError, match=f"takes {', '.join(TYPES)}"):
        make(weights=str(tiny_checkpoints["hubert"]))


@pytest.mark.parametrize("kind", TYPES)
def test_equals_transformers(kind: str, tiny_checkpoints: dict[str, Path]) -> None:
    folder = tiny_checkpoints[f"bert.{kind}"]
    upstream = make(weights=str(folder))
    for text in SPOKEN:
        expected = layers_of_transformers(folder, text)
        layers, lengths = upstream(clips(text))
        assert lengths.tolist() == [upstream.tokens(text)] == [expected.shape[1]]
        assert layers.shape == (upstream.depth, 1, expected.shape[1], upstream.dim)
        torch.testing.assert_close(layers[:, 0], expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("kind", ["bert", "modernbert", "deberta-v2"])
def test_gradients_are_the_same_when_activations_are_computed_again(
    kind: str, tiny_checkpoints: dict[str, Path]
) -> None:
    gradients, forwards = [], []
    for checkpointing in (False, True):
        upstream = make(weights=str(tiny_checkpoints[f"bert.{kind}"]))
        tuning = FineTuning(checkpointing=checkpointing)
        stream = Stream(upstream.depth, upstream.dim, upstream=upstream, tuning=tuning).train()
        dense = [part for part in upstream.modules() if isinstance(part, torch.nn.Linear)][-1]
        calls: list[int] = []
        dense.register_forward_pre_hook(lambda *_, calls=calls: calls.append(1))
        stream.encode(clips(*SPOKEN)).layers.square().sum().backward()
        gradients.append({n: p.grad for n, p in upstream.named_parameters() if p.grad is not None})
        forwards.append(len(calls))
    plain, again = gradients
    assert plain.keys() == again.keys() != set()
    assert all(torch.equal(plain[name], again[name]) for name in plain)
    assert forwards == [1, 2], "once forward, once to compute it again"


def test_what_cannot_be_computed_again_and_unknown_sizes_are_told(
    tiny_checkpoints: dict[str, Path],
) -> None:
    albert = make(weights=str(tiny_checkpoints["bert.albert"]))
    with pytest.raises(SerbenchError, match=r"cannot compute activations again; leave .*out"):
        albert.checkpoint_gradients()
    with pytest.raises(SerbenchError, match="There are: base, large, tiny-random"):
        make(weights="nano")


@pytest.mark.parametrize("kind", TYPES)
def test_texts_do_not_see_each_other(kind: str, tiny_checkpoints: dict[str, Path]) -> None:
    upstream = make(weights=str(tiny_checkpoints[f"bert.{kind}"]))
    layers, lengths = upstream(clips(*SPOKEN))
    for row, text in enumerate(SPOKEN):
        alone = upstream(clips(text)).layers[:, 0]
        torch.testing.assert_close(layers[:, row, : lengths[row]], alone, rtol=0, atol=1e-5)
        assert not layers[:, row, lengths[row] :].any()


@pytest.mark.parametrize("kind", TYPES)
def test_a_text_that_is_too_long_is_cut_where_the_encoder_ends(
    kind: str, tiny_checkpoints: dict[str, Path], tmp_path: Path
) -> None:
    folder = tiny_checkpoints[f"bert.{kind}"]
    long = "it is eleven o'clock, " * 10
    assert make(weights=str(folder)).tokens(long) == 40, "what the tokeniser says"
    shutil.copytree(folder, tmp_path / "unsaid")
    file = tmp_path / "unsaid" / "tokenizer_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"model_max_length": 10**30}))
    upstream = make(weights=str(tmp_path / "unsaid"))
    # of 64 positions, those at and before that of padding, which is 1, are no token's
    from_padding = kind in {"camembert", "mpnet", "roberta", "xlm-roberta"}
    assert upstream.tokens(long) == (62 if from_padding else 64)
    assert upstream(clips(long)).layers.isfinite().all()


def test_what_is_above_the_frames_may_be_missing(
    tiny_checkpoints: dict[str, Path], tmp_path: Path
) -> None:
    """As in a checkpoint of masked language modelling, which has names of its own, too."""
    folder = tiny_checkpoints["bert"]
    shutil.copytree(folder, tmp_path / "masked")
    tensors = {
        "bert." + name.replace("LayerNorm.weight", "LayerNorm.gamma"): tensor
        for name, tensor in load_file(folder / "model.safetensors").items()
        if not name.startswith("pooler")
    }
    tensors["cls.predictions.bias"] = torch.zeros(100)
    save_file(tensors, tmp_path / "masked" / "model.safetensors", {"format": "pt"})
    found, whole = (make(weights=str(f)) for f in (tmp_path / "masked", folder))
    assert torch.equal(found(clips(*SPOKEN)).layers, whole(clips(*SPOKEN)).layers)
    assert not any("pooler" in name for name, _ in found.named_parameters())


def test_every_parameter_learns_when_it_is_trained(tiny_checkpoints: dict[str, Path]) -> None:
    upstream = make(weights=str(tiny_checkpoints["bert"]))
    for parameter in upstream.trainable():
        parameter.requires_grad_(True)
    upstream(clips(*SPOKEN)).layers.square().sum().backward()
    unreached = {name for name, p in upstream.named_parameters() if p.grad is None}
    assert not unreached


@pytest.mark.parametrize("kind", ["tiny-random", *TYPES])
def test_what_was_trained_is_saved_and_loaded_to_the_bit(
    kind: str, tiny_checkpoints: dict[str, Path], tmp_path: Path
) -> None:
    weights = str(tiny_checkpoints[f"bert.{kind}"]) if kind in TYPES else kind
    upstream, before = make(weights=weights), make(weights=weights)
    for parameter in upstream.parameters():
        parameter.add_(0.01 * torch.sign(parameter))
    upstream.save(tmp_path / "saved")
    again = make(weights=str(tmp_path / "saved"))
    expected = upstream(clips(*SPOKEN))
    assert torch.equal(again(clips(*SPOKEN)).layers, expected.layers)
    assert not torch.equal(before(clips(*SPOKEN)).layers, expected.layers)
    assert (again.depth, again.dim, again.longest) == (
        upstream.depth,
        upstream.dim,
        upstream.longest,
    )


# --- the encoder that is made on the spot ---


def test_tiny_random_keeps_the_contract_and_is_named_for_what_it_is() -> None:
    upstream = make(weights="tiny-random")
    assert check_upstream(upstream) == []
    assert upstream.provenance == {"id": "random, seed 0", "trained_on": "nothing"}


def test_tiny_random_is_always_the_same_and_leaves_no_trace() -> None:
    state = torch.get_rng_state()
    first = make(weights="tiny-random")(clips(*SPOKEN)).layers
    assert torch.equal(torch.get_rng_state(), state)
    torch.rand(3)
    assert torch.equal(make(weights="tiny-random")(clips(*SPOKEN)).layers, first)


def test_tiny_random_has_a_frame_a_byte() -> None:
    upstream = make(weights="tiny-random")
    assert upstream.tokens("naïve") == len("naïve".encode()) + 1, "and one for the end"
    assert upstream.tokens("a" * 2000) == 512


# --- what is refused ---


@pytest.mark.parametrize("text", [None, "", "  \n"])
def test_a_clip_without_text_is_refused(text: str | None) -> None:
    upstream = make(weights="tiny-random")
    assert upstream.counts(clips(text, "no")) == [0, 3]
    with pytest.raises(SerbenchError, match="one for each clip"):
        upstream(clips("It is.", text))


def test_samples_have_no_frames() -> None:
    with pytest.raises(SerbenchError, match="TextEncoder reads text"):
        make(weights="tiny-random").frames(16_000)


def test_a_folder_without_a_vocabulary_is_refused(
    tiny_checkpoints: dict[str, Path], tmp_path: Path
) -> None:
    shutil.copytree(tiny_checkpoints["bert"], tmp_path / "bare")
    (tmp_path / "bare" / "tokenizer.json").unlink()
    with pytest.raises(
        SerbenchError, match=r"no tokeniser in .*bare; .* tokenizer.json, vocab.txt"
    ):
        make(weights=str(tmp_path / "bare"))


def test_a_tokeniser_that_cannot_be_read_or_is_anothers_is_refused(
    tiny_checkpoints: dict[str, Path], tmp_path: Path
) -> None:
    folder = tmp_path / "odd"
    shutil.copytree(tiny_checkpoints["bert"], folder)
    made = json.loads((folder / "tokenizer.json").read_text())
    made["model"]["vocab"] |= {f"word{i}": 100 + i for i in range(50)}
    (folder / "tokenizer.json").write_text(json.dumps(made))
    with pytest.raises(SerbenchError, match="has 135 tokens, the encoder knows 100"):
        make(weights=str(folder))
    (folder / "tokenizer.json").write_text("{")
    with pytest.raises(SerbenchError, match="cannot read the tokeniser"):
        make(weights=str(folder))


def test_tiny_random_has_no_revision() -> None:
    with pytest.raises(SerbenchError, match="no revision 'v2'"):
        make(weights="tiny-random", revision="v2")


def test_the_tokeniser_counts_in_the_digest(
    tiny_checkpoints: dict[str, Path], tmp_path: Path
) -> None:
    shutil.copytree(tiny_checkpoints["bert"], tmp_path / "other")
    file = tmp_path / "other" / "tokenizer_config.json"
    file.write_text(file.read_text().replace('"do_lower_case": true', '"do_lower_case": false'))
    one, other = (make(weights=str(f)) for f in (tiny_checkpoints["bert"], tmp_path / "other"))
    assert one.provenance["digest"] != other.provenance["digest"]
    assert one.tokens("ALMOST") != other.tokens("ALMOST")
