"""Study `gap`: what it is worth to have heard a speaker, at equal amounts of data.

Figure 1 of Tran et al. (Interspeech 2023): models that were trained on the tested speakers, too,
against models that were not, on as many utterances of as many speakers, for more and more speakers;
by O-CCC and A-CCC, here also by UA and the mean of the speakers' own. Protocol `equal_amounts` has
what is trained on and tested.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from serbench.errors import SerbenchError
from serbench.leaderboard import store
from serbench.runs import corpus
from serbench.runs import recipe as recipes
from serbench.studies.bench import Bench, about
from serbench.studies.plotting import COLOURS, line, plain_log, tidy
from serbench.studies.report import Report, Row
from serbench.studies.speakers import Gain, Measured, gain, measured, names

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from serbench.benchmarks import Task
    from serbench.leaderboard.record import Result

PROTOCOL = "equal_amounts"
_OF_FOLDS = ("k", "balance", "sessions")
_ASPECTS = ("whole", "average")


class _Pair(NamedTuple):
    """Two runs with as many training speakers: without those who are tested, and with them."""

    speakers: int
    runs: tuple[Result, Result]
    scores: tuple[Measured, Measured]

    @property
    def gap(self) -> Gain:
        return gain(self.scores[1], self.scores[0])


def gap(bench: Bench, raw: Mapping[str, Any], speakers: Sequence[int] = ()) -> Report:
    """Run a recipe with more and more training speakers, with and without those who are tested.

    Args:
        bench: where runs are computed.
        raw: of the recipe, as `recipe.resolve` takes it; its protocol may have the options of
            `speaker_folds` and of `equal_amounts`.
        speakers: how many, in ascending order; none: as many as a fold tests, and twice as many
            again and again, up to all.

    Raises:
        SerbenchError: the corpus has not as many speakers or utterances, or whatever a run says.
    """
    protocol = _protocol(raw)
    counts = sorted({*speakers}) or _counts(bench, raw, protocol)
    pairs = [_pair(bench, raw, protocol, count) for count in counts]
    task = pairs[0].runs[0].benchmark.task
    digests = [run.digest for pair in pairs for run in pair.runs]
    rows = list(_rows(task, pairs))
    return Report(
        study="gap",
        about=about(digests),
        caption=_caption(task, pairs),
        rows=rows,
        summary=rows,
        runs=digests,
        draw=lambda figure: _draw(figure, task, pairs),
    )


def _protocol(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Return the protocol's name and options, the folds as the benchmark recommends them."""
    given = raw.get("protocol") or {}
    given = {"name": given} if isinstance(given, str) else dict(given)
    if (name := given.pop("name", PROTOCOL)) not in ("speaker_folds", PROTOCOL):
        msg = (
            f"study 'gap' splits by protocol '{PROTOCOL}', not '{name}'; leave --protocol out, and "
            "give options such as --set protocol.k=10"
        )
        raise SerbenchError(msg)
    folds = {key: value for key, value in given.items() if key in _OF_FOLDS}
    _, part = recipes.resolve_data({**raw, "protocol": {"name": "speaker_folds", **folds}})
    usual = {key: part.options[key] for key in _OF_FOLDS}
    return {"name": PROTOCOL, **usual, **given}


def _counts(bench: Bench, raw: Mapping[str, Any], protocol: Mapping[str, Any]) -> list[int]:
    """Return as many speakers as the largest fold tests, doubled up to all that can be had."""
    made = recipes.make_benchmark(recipes.benchmark_part(raw.get("benchmark")))
    folds = {key: protocol[key] for key in _OF_FOLDS}
    part = recipes.Part(name="speaker_folds", options=folds)
    table = corpus.read_corpus(made, bench.data)
    who = table["speaker"].astype(str).to_numpy()
    split = recipes.make_protocol(made, part).split(table, made.task)
    tested = max(len({*who[fold.test]}) for fold in split)
    most = min(len({*who[fold.train]}) for fold in split)
    counts = [tested]
    while counts[-1] * 2 < most:
        counts.append(counts[-1] * 2)
    return [*counts, most] if most > tested else [most]


def _pair(
    bench: Bench, raw: Mapping[str, Any], protocol: Mapping[str, Any], speakers: int
) -> _Pair:
    runs, scores = [], []
    for dependent in (False, True):
        told = {**protocol, "speakers": speakers, "dependent": dependent}
        outcome = bench.run({**raw, "protocol": told})
        task = outcome.result.benchmark.task
        predictions = store.load_result(outcome.path).predictions
        runs.append(outcome.result)
        scores.append(measured(task, predictions))
    return _Pair(speakers, (runs[0], runs[1]), (scores[0], scores[1]))


def _rows(task: Task, pairs: Sequence[_Pair]) -> Iterator[Row]:
    for name, aspect in zip(names(task), _ASPECTS, strict=True):
        for pair in pairs:
            folds = pair.runs[0].split.folds
            without, there = (getattr(scores, aspect).value for scores in pair.scores)
            yield {
                "score": name,
                "speakers": pair.speakers,
                "clips": round(sum(fold.train for fold in folds) / len(folds)),
                "independent": without,
                "dependent": there,
                "gap": getattr(pair.gap, aspect),
            }


def _caption(task: Task, pairs: Sequence[_Pair]) -> str:
    first = pairs[0].runs[0]
    whole, average = names(task)
    tested = sum(fold.test for fold in first.split.folds)
    return (
        f"{first.labels.upstream} {first.labels.weights} + {first.labels.downstream} on "
        f"{first.benchmark.name}, {len(first.split.folds)} folds, {len(first.seeds)} "
        f"seed{'s' * (len(first.seeds) > 1)}: "
        "trained on as many clips of as many speakers, those who are tested among them (dependent) "
        f"or not (independent), the same {tested} clips tested. {whole}: mean of folds; {average}: "
        f"mean of {pairs[0].scores[0].size} speakers. Gap: dependent less independent, paired "
        "by speaker; brackets and bands are 95 % delete-one-speaker jackknife intervals (t, k - 1 "
        "degrees)."
    )


def _draw(figure: Figure, task: Task, pairs: Sequence[_Pair]) -> None:
    figure.set_size_inches(9, 3.6)
    panels = figure.subplots(1, 2)
    counts = [pair.speakers for pair in pairs]
    for axes, name, aspect in zip(panels, names(task), _ASPECTS, strict=True):
        for place, label in enumerate(("speaker-independent", "speaker-dependent")):
            values = [getattr(pair.scores[place], aspect) for pair in pairs]
            line(axes, counts, values, label, COLOURS[place])
        plain_log(axes, counts)
        tidy(axes, "training speakers", name)
    # above, where it hides no line and no band
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=2, frameon=False)
