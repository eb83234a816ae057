"""Study `position`: where the speaker embedding of PAPT enters the encoder.

Table 4 of Tran et al. (Interspeech 2023): the loss of masked prediction on the validation part of
the pre-training, and the A-CCC, with the embedding added to the Transformer's output ("last"), to
its input ("first"), as one more input frame ("prefix"), or nowhere ("none"). fairseq, which the
authors' losses are likely to come from, logs bits; ours are nats, with the bits beside them.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args

from serbench.errors import SerbenchError
from serbench.leaderboard import store
from serbench.runs import recipe as recipes
from serbench.runs.adapting import adapt
from serbench.runs.corpus import prepare_for
from serbench.runs.job import Job
from serbench.studies.bench import Bench, about
from serbench.studies.plotting import COLOURS, tidy
from serbench.studies.report import Report, Row
from serbench.studies.speakers import Measured, gain, measured, names

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from serbench.benchmarks import Task
    from serbench.leaderboard.record import Result

Position = Literal["last", "first", "prefix", "none"]
POSITIONS: tuple[Position, ...] = get_args(Position)
UPSTREAM = "papt_hubert"


class _Tried(NamedTuple):
    """A position, and what came of it; the loss in nats a masked frame, or the mean of folds."""

    position: Position
    result: Result
    loss: float
    scores: Measured


def position(bench: Bench, raw: Mapping[str, Any]) -> Report:
    """Run a recipe with each position of the speaker embedding.

    Args:
        bench: where runs are computed.
        raw: of the recipe, as `recipe.resolve` takes it, with `papt_hubert` alone as upstream, or
            with none.

    Raises:
        SerbenchError: another upstream, weights that are adapted already, or what a run says.
    """
    upstream = raw.get("upstream") or {}
    part = {"name": upstream} if isinstance(upstream, str) else upstream
    # options alone are of the one upstream that there can be
    part = {"name": UPSTREAM, **part} if isinstance(part, Mapping) else {}
    if part.get("name") != UPSTREAM:
        msg = f"study 'position' is about {UPSTREAM} and its embeddings; leave --upstream out"
        raise SerbenchError(msg)
    tried = [
        _try(bench, {**raw, "upstream": {**part, "position": each}}, each) for each in POSITIONS
    ]
    task = tried[0].result.benchmark.task
    digests = [each.result.digest for each in tried]
    rows = list(_rows(task, tried))
    return Report(
        study="position",
        about=about(digests),
        caption=_caption(task, tried),
        rows=rows,
        summary=rows,
        runs=digests,
        draw=lambda figure: _draw(figure, task, tried),
    )


def _try(bench: Bench, raw: Mapping[str, Any], place: Position) -> _Tried:
    outcome = bench.run(raw)
    task = outcome.result.benchmark.task
    scores = measured(task, store.load_result(outcome.path).predictions)
    return _Tried(place, outcome.result, _loss(bench, raw), scores)


def _loss(bench: Bench, raw: Mapping[str, Any]) -> float:
    """Return the validation loss of the adaptation, from the cards beside its weights."""
    job = Job.of(recipes.resolve(raw), bench.device, bench.progress, bench.threads)
    (adapted,) = adapt(job, prepare_for(job, bench.data))
    losses = []
    for part in adapted.parts:
        card = Path(part.options["weights"]).expanduser() / "card.json"
        if not card.is_file():
            msg = f"there is no card of the adaptation at '{card}'; give weights to adapt, or none"
            raise SerbenchError(msg)
        losses.append(json.loads(card.read_text(encoding="utf-8"))["stages"][-1]["masked_loss"])
    return float(sum(losses) / len(losses))


def _rows(task: Task, tried: Sequence[_Tried]) -> Iterator[Row]:
    whole, average = names(task)
    nowhere = next(each.scores for each in tried if each.position == "none")
    for each in tried:
        against = gain(each.scores, nowhere)
        yield {
            "position": each.position,
            "loss, nats": each.loss,
            "bits": each.loss / math.log(2),
            whole: each.scores.overall,
            average: each.scores.average.value,
            f"{average} against none": against.average,
        }


def _caption(task: Task, tried: Sequence[_Tried]) -> str:
    first = tried[0].result
    whole, average = names(task)
    adaptation = first.adaptation
    heard = "" if adaptation is None else f", adapted to {adaptation.utterances} utterances"
    return (
        f"{UPSTREAM} {first.labels.weights} + {first.labels.downstream} on {first.benchmark.name}, "
        f"{first.protocol.name}, {len(first.seeds)} seed{'s' * (len(first.seeds) > 1)}{heard}: "
        "where the speaker embedding enters. Loss: cross-entropy of masked prediction on the "
        f"adaptation's own validation part, a masked frame. {whole}: mean of folds; "
        f"{average}: mean of {tried[0].scores.size} "
        "speakers; against none, paired by speaker; brackets and bars are 95 % delete-one-speaker "
        "jackknife intervals (t, k - 1 degrees)."
    )


def _draw(figure: Figure, task: Task, tried: Sequence[_Tried]) -> None:
    figure.set_size_inches(8, 3.4)
    left, right = figure.subplots(1, 2)
    places = [each.position for each in tried]
    left.plot(places, [each.loss for each in tried], "o", color=COLOURS[0])
    left.margins(y=0.5)
    tidy(left, "position", "validation loss of the adaptation, nats")
    for place, each in enumerate(tried):
        value, low, high = each.scores.average
        right.errorbar(
            place, value, [[value - low], [high - value]], fmt="o", color=COLOURS[1], capsize=4
        )
    right.set_xticks(range(len(places)), places)
    tidy(right, "position", names(task)[1])
