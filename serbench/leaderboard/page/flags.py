"""What must be seen of a row or a board before its number is believed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal, NamedTuple

from serbench.leaderboard.columns import contaminated
from serbench.leaderboard.comparable import disowned
from serbench.leaderboard.identity import has_demo_weights
from serbench.leaderboard.notes import trained_together
from serbench.leaderboard.record import Result
from serbench.leaderboard.table import Board, Row


class Flag(NamedTuple):
    """A mark: its words, whether it warns, and what it means."""

    words: str
    tone: Literal["warn", "info"]
    about: str


FLAGS: Mapping[str, Flag] = {
    "synthetic": Flag(
        "synthetic", "warn", "A program made the speech: this says nothing about people."
    ),
    "foreign": Flag(
        "only called so", "warn", "Has the name of a corpus of serbench, but is another one."
    ),
    "dependent": Flag(
        "speaker-dependent", "warn", "The speakers of the test part are also trained on."
    ),
    "transductive": Flag(
        "transductive", "warn", "Something was adapted to the audio of the test part, unlabelled."
    ),
    "contaminated": Flag(
        "trained on test corpus", "warn", "An encoder was trained on the corpus it is tested on."
    ),
    "incomplete": Flag("incomplete", "warn", "Folds or seeds are missing, so it has no rank."),
    "mismatch": Flag(
        "scores disagree", "warn",
        "The record has other scores than its predictions give. Shown is what they give; no rank.",
    ),
    "copied": Flag(
        "same predictions", "warn",
        "Another row of the board predicts the same of every utterance; a note names it.",
    ),
    "oracle": Flag("saw test labels", "warn", "Corrected with labels of the test part: no rank."),
    "partial": Flag(
        "clips left out", "warn",
        "Could not be read where it was computed, so that they are in no part of it.",
    ),
    "unverified": Flag(
        "truth not verified", "warn",
        "Sent in. Its scores were recomputed here; its truths were not compared with the corpus, "
        "and nobody trained it again.",
    ),
    "unnamed": Flag(
        "name not verified", "warn",
        "Sent in. What it is called is its own word: its recipe is of an older format, or the runs "
        "that it was made of are not here.",
    ),
    "unmade": Flag(
        "not made again", "warn",
        "Sent in. It is made of other results, of which its predictions could not be made again.",
    ),
    "wrong": Flag(
        "found wrong", "warn",
        "Sent in, and contradicted since: `serbench leaderboard verify` says by what.",
    ),
    "recomputed": Flag(
        "sent in, recomputed, not trained again", "info",
        "Sent in. Its scores were recomputed here, and its truths are those of the corpus; nobody "
        "trained it again.",
    ),
    "of_sent": Flag(
        "made of what was sent in", "warn",
        "A run that it was made of was sent in: nobody trained that here.",
    ),
    "unsummed": Flag("no checksum", "warn", "An older record: a change would not be noticed."),
    "packaged": Flag(
        "small demo weights", "info",
        "Weights that come with serbench, trained on some hours of speech to show how things "
        "work. No published encoder.",
    ),
    "local": Flag("own weights", "info", "Weights out of a folder, not by a published name."),
    "adapted": Flag("adapted", "info", "An encoder was adapted to unlabelled audio."),
    "finetuned": Flag("fine-tuned", "info", "An encoder was trained with labels, too."),
    "fused": Flag("fused", "info", "Made of the predictions of several runs."),
    "corrected": Flag("post-processed", "info", "Predictions were corrected after the training."),
}  # fmt: skip


def of_board(board: Board) -> list[str]:
    """Return the flags that hold for all rows of a board."""
    result = board.rows[0].result
    said = {
        "synthetic": board.benchmark.synthetic,
        "foreign": disowned(result) is not None,
        "dependent": "speaker" in board.protocol.shares,
        "transductive": result.transductive,
    }
    return [name for name, holds in said.items() if holds]


def of_row(row: Row) -> list[str]:
    """Return the flags of a row."""
    result, mark = row.result, row.mark
    said = {
        "transductive": result.transductive,
        "contaminated": contaminated(result),
        "incomplete": not result.complete,
        "mismatch": row.standing.measured.mismatch is not None,
        "copied": row.copied,
        "oracle": result.saw_truths,
        "partial": bool(result.left_out),
        "unverified": "truth not verified" in mark,
        "unnamed": "its own word" in mark,
        "unmade": "could not be made again" in mark,
        "wrong": "what is wrong with it" in mark,
        "recomputed": bool(mark) and "truth not verified" not in mark,
        "of_sent": row.sent and not mark,
        "unsummed": not result.checksum,
    }
    return [name for name, holds in said.items() if holds] + [*_origins(result)]


def _origins(result: Result) -> Iterator[str]:
    """Yield where the weights are from, and what became of them."""
    said = {
        "packaged": has_demo_weights(result),
        "local": "./" in result.labels.weights,
        "adapted": any(encoder.adaptation for encoder in result.encoders),
        "finetuned": any(e.finetuned for e in result.encoders) or trained_together(result),
        "fused": bool(result.members),
        "corrected": result.corrected is not None,
    }
    yield from (name for name, holds in said.items() if holds)
