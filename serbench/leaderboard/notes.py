"""What must be said beside a number: the sentences under a table."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from serbench.leaderboard.hearing import HEARD_UNLABELLED, LABELLED, heard
from serbench.leaderboard.identity import CORRECTED, has_demo_weights
from serbench.leaderboard.record import Adaptation, Encoder, Fit, Labels, Result

if TYPE_CHECKING:
    from pandas import DataFrame

    from serbench.benchmarks.tasks import Figure
    from serbench.scoring.scores import Scores, SpeakerSummary

NAMED = 3
"""How many utterances, or rows, a sentence names before it only counts."""
SMALL = (
    "Small demo weights, which come with serbench and were trained on some hours of speech, no "
    "published encoder"
)
SENT = "It was sent in, and nobody trained it here."

_MISSING = "nothing"
# Of the scores in every record, and what each metric has in `by_fold` and `by_speaker`.
_ALWAYS = (
    *("rank", "by_fold", "by_speaker", "folds", "speakers", "seeds"),
    *("mean_of_folds", "mean_of_speakers", "pooled"),
)
_CONTROLS = {"random": "drawn at random", "all": "all that there are"}
_LONGEST = 40  # characters of a value in a sentence


def about_setting(result: Result) -> list[str]:
    """Return what holds for every result of the same benchmark and protocol."""
    found = []
    if result.benchmark.synthetic:
        found.append("Synthetic corpus: a program made the speech; this says nothing about people.")
    if "speaker" in result.protocol.shares:
        found.append(
            "Speaker-dependent: the speakers of the test part are also trained on; "
            "not comparable with speaker-independent results."
        )
    apart = [share for share in result.protocol.shares if not share.startswith("valid ")]
    if others := [share for share in apart if share != "speaker"]:
        found.append(f"Training and test parts may share {' and '.join(f'{o}s' for o in others)}.")
    if chosen := [s.removeprefix("valid ") for s in result.protocol.shares if s not in apart]:
        found.append(
            f"Training and validation parts share {' and '.join(f'{c}s' for c in chosen)}, the "
            "test part is apart: validation scores are too good, and may choose what suits nobody "
            "else."
        )
    if "text" in result.protocol.apart:
        found.append("Sentences apart: no part of a fold has a sentence of another, nor a speaker.")
    if (enrolled := result.protocol.enrolled) is not None:
        found.append(
            f"Of each test speaker the first {enrolled.aside:g} {enrolled.unit} are not scored; "
            f"adaptation and post-processors get {enrolled.amount:g} of them"
            f"{', with labels' * enrolled.labelled}."
        )
    if result.known_defects:
        found.append(
            f"{result.known_defects} utterances have known defects: "
            f"`serbench data check {result.benchmark.name}` lists them."
        )
    if result.transductive:
        what = "the upstream was adapted to" if result.weighted is None else "training was led by"
        found.append(
            f"Transductive: {what} the audio of the test part, too, without labels; not "
            "comparable with results for speech that nobody has heard before."
        )
    return found


def about_numbers(result: Result, scores: Scores) -> list[str]:
    """Return what the numbers of a result are averages of."""
    folds, task = len(result.split.folds), result.benchmark.task
    averaged = f"mean of {folds} folds ± standard deviation over folds (ddof 0)"
    if folds == 1:
        averaged = "on the one fold there is, so without spread"
    tests = [test for fold in result.split.folds for test in fold.tests]
    if tests:
        averaged = f"on each of the tests {', '.join(tests)} alone, never averaged"
    titles = list(dict.fromkeys(figure.title for figure in task.figures if figure.over == "folds"))
    ranks = titles[0] if len(titles) > 1 else "it"
    if len(task.scales) > 1:
        ranks = "its mean over dimensions"
    on = f" on {tests[0]}" if tests else ""
    sentences = [f"{', '.join(titles)}: {averaged}; {ranks}{on} ranks."]
    if task.classes:
        sentences.append(f"Classes: {', '.join(task.classes)}.")
    for figure in task.figures:
        if figure.over == "speakers":
            return [*sentences, _about_speakers(figure, scores), *about_constant(result, scores)]
    return sentences


def about_constant(result: Result, scores: Scores) -> list[str]:
    """Return how many speakers have ratings that no prediction can go along with, if any."""
    task = result.benchmark.task
    people = scores.by_speaker[f"a_{task.main}"]
    if not people.constant:
        return []
    where = " in a dimension" if len(task.scales) > 1 else ""
    return [
        f"The ratings of {people.constant} of {_enough(people)} speakers are all equal{where}: "
        f"their {task.called} is 0 or undefined, whatever is predicted."
    ]


def _about_speakers(figure: Figure, scores: Scores) -> str:
    people = scores.by_speaker[figure.key]
    left_out = f", without {people.left_out} with less" if people.left_out else ""
    return (
        f"{figure.title}: mean of {_enough(people)} speakers ± standard deviation over speakers "
        f"(ddof 0), those with {scores.min_utterances} utterances or more{left_out}."
    )


def _enough(people: SpeakerSummary) -> int:
    """Return how many speakers have utterances enough, the same for every row of a board."""
    return people.speakers + len(people.undefined)


def about_predictions(result: Result, predictions: DataFrame) -> list[str]:
    """Return what predictions show without their scores: that they can only be guesses."""
    from serbench.scoring.chance import can_only_guess

    if not can_only_guess(result.benchmark.task, predictions):
        return []
    return [
        "At chance by construction: what the predictions tell apart has nothing to do with the "
        "truth (they are all the same, or the same for each sentence), so no training helps."
    ]


def about_result(result: Result, scores: Scores) -> list[str]:
    """Return what distinguishes a result from a sound and complete one.

    Args:
        result: the record.
        scores: computed from its predictions; those stored in the record should be the same.
    """
    return [*about_record(result, scores), *filter(None, [mismatch(result, scores)])]


def about_record(result: Result, scores: Scores) -> list[str]:
    """Return the same as `about_result` but for scores that are not those of the record."""
    sentences = [
        _incomplete(result, scores),
        _unsummed(result),
        _left_out(result),
        *_fewer_averaged(result),
        *result.noted,
        _fused(result),
        _corrected(result),
        _control(result),
        _warned(result),
        _conditioned(result),
        _small(result),
        *(_contaminated(result, encoder) for encoder in result.encoders),
        *(_labels_seen(encoder) for encoder in result.encoders),
        _undefined(scores),
        _undefinable(result, scores),
    ]
    return [sentence for sentence in sentences if sentence]


def _incomplete(result: Result, scores: Scores) -> str | None:
    if result.complete:
        return None
    planned = len(result.split.folds) * len(result.seeds)
    return f"Incomplete, so not ranked: {len(scores.fold_rows)} of {planned} folds x seeds."


def _unsummed(result: Result) -> str | None:
    if result.checksum:
        return None
    return "Its record has no checksum, as older ones do not: a change of it would not be noticed."


def _fewer_averaged(result: Result) -> Iterator[str]:
    """Yield of how many trainings of a stage fewer epochs were averaged than were asked for."""
    tuned = [fit for each in result.encoders if each.finetuned for fit in each.finetuned.training]
    stages = (("finetune", "fine-tunings", tuned), ("training", "trainings", result.training))
    for key, called, fits in stages:
        settings = result.recipe.get(key)
        asked = settings.get("average") if isinstance(settings, dict) else None
        if not isinstance(asked, int) or asked < 2:
            continue
        fewer = sum(len(fit.averaged) < asked for fit in fits)
        if fewer:
            yield (
                f"{fewer} of {len(fits)} {called} had fewer than the {asked} epochs that were to "
                "be averaged: the mean is of those that there are."
            )


def _left_out(result: Result) -> str | None:
    if not result.left_out:
        return None
    named = [f"{each.utterance} ({each.reason})" for each in result.left_out[:NAMED]]
    if len(result.left_out) > NAMED:
        named.append(f"{len(result.left_out) - NAMED} more")
    plural = "" if len(result.left_out) == 1 else "s"
    return f"{len(result.left_out)} utterance{plural} left out: {', '.join(named)}."


def _fused(result: Result) -> str | None:
    if not result.members:
        return None
    named = ", ".join(called(each.labels, each.digest) for each in result.members)
    said = f"{result.labels.downstream.capitalize()}, fused fold by fold: {named}."
    seen = [member.digest[:8] for member in result.members if member.oracle]
    if seen and result.corrected is None:
        said += f" Labels of the test part are in {' and '.join(seen)}: not ranked."
    return said


def called(labels: Labels, digest: str) -> str:
    """Return how a result is called in a sentence: "hubert nano + ecapa (3f2a9c1d)"."""
    name = f"{labels.upstream} {labels.weights} + {labels.downstream}".replace(" - ", " ")
    return f"{name} ({digest[:8]})"


def _corrected(result: Result) -> str | None:
    if result.corrected is None:
        return None
    made = f"Made of {result.corrected.digest[:8]} by {', then '.join(result.corrected.steps)}"
    if not result.corrected.oracle:
        return f"{made}, fold by fold, without labels of the test part."
    return f"{made}; this, or what it is made of, looks at the labels of the test part: not ranked."


def _control(result: Result) -> str | None:
    """Return that a correction is a control: it takes neighbours who need not sound alike."""
    said = result.recipe.get(CORRECTED)
    steps = [step for step in said if isinstance(step, dict)] if isinstance(said, list) else []
    options = [step.get("options") for step in steps if step.get("origin") == "serbench"]
    taken = [each.get("neighbours") for each in options if isinstance(each, dict)]
    named = [words for choice, words in _CONTROLS.items() if choice in taken]
    if not named:
        return None
    return (
        f"A control: neighbours are {' and '.join(named)}, so that what it gains is not owed to "
        "whom a speaker sounds like."
    )


def _warned(result: Result) -> str | None:
    if not result.warnings:
        return None
    # what is wrong, without what could be done about it
    facts = [warning.partition("; ")[0] for warning in result.warnings]
    return f"Doubts about the corpus or its folds: {'; '.join(facts)}."


def to_hand_on(result: Result, *, sent: bool) -> list[str]:
    """Return what must be said of all that is made of a run, as no other record says it.

    Args:
        result: the run.
        sent: whether somebody sent it.
    """
    own = (*_together(result), *_fewer_averaged(result), _control(result))
    said = [f"Of {result.digest[:8]}: {each}" for each in own if each]
    return [*said, *[sent_in(result.digest)] * sent, *result.noted]


def sent_in(digest: str) -> str:
    """Return what is said of all that is made of a run that was sent in."""
    return f"Of {digest[:8]}: {SENT}"


def about_adaptation(result: Result) -> list[str]:
    """Return what the upstreams were trained on before they encoded the corpus."""
    found = []
    for encoder in result.encoders:
        if encoder.adaptation:
            found.append(_about_adaptation(encoder, encoder.adaptation))
        if encoder.finetuned:
            found.append(_about_finetuning(encoder, len(result.encoders) > 1))
    return [*found, *_together(result)]


def _together(result: Result) -> Iterator[str]:
    """Yield that the upstreams of a run were trained with its head."""
    if trained_together(result):
        which = "Upstream" if len(result.encoders) == 1 else "Upstreams"
        yield f"{which} trained together with the head, with labels, for each fold and seed."


def trained_together(result: Result) -> bool:
    """Return whether the upstreams of a run were trained with its head."""
    training = result.recipe.get("training")
    return isinstance(training, dict) and bool(training.get("finetune"))


def averaged_epochs(fits: Sequence[Fit]) -> str | None:
    """Return in words how many epochs were averaged in each training, and which; None if none."""
    numbers = [epoch for fit in fits for epoch in fit.averaged]
    if not numbers:
        return None
    counts = [len(fit.averaged) for fit in fits]
    noun = "epoch" if max(counts) == 1 else "epochs"
    return f"{_span(counts)} {noun} each, out of {_span(numbers)}"


def _span(numbers: Sequence[int]) -> str:
    low, high = min(numbers), max(numbers)
    return f"{low}" if low == high else f"{low} to {high}"


def _about_finetuning(encoder: Encoder, several: bool) -> str:
    tuned = encoder.finetuned
    assert tuned is not None
    which = f"Upstream {encoder.provenance.get('id', 'unknown')}" if several else "Upstream"
    valid = sum(fit.valid_score for fit in tuned.training) / len(tuned.training)
    mean = f", the mean of {counts}" if (counts := averaged_epochs(tuned.training)) else ""
    return (
        f"{which} fine-tuned with the labels of the training part of each fold "
        f"({tuned.utterances} utterances, {tuned.hours:.2f} h on average), chosen by its "
        f"validation part ({valid:.3f} on average){mean}, then frozen."
    )


def _about_adaptation(encoder: Encoder, adaptation: Adaptation) -> str:
    if adaptation.on == "before":
        known = [encoder.provenance.get(key, "unknown") for key in ("method", "trained_on")]
        amount = f"{adaptation.utterances} utterances, {adaptation.hours:.2f} h"
        return (
            f"Weights came adapted ({amount}), so the recipe's options of adaptation had no "
            f"effect: {known[0]}, trained on {known[1]}."
        )
    part = {"all": "all utterances", "train": "the training part of each fold"}[adaptation.on]
    each = "" if adaptation.on == "all" else " on average"
    amount = f"{adaptation.utterances} utterances, {adaptation.hours:.2f} h{each}"
    found = f"Upstream adapted to {part} ({amount}), without labels"
    if adaptation.unseen is not None and adaptation.on == "train":
        found += f"; the rule for speakers unseen there: {adaptation.unseen}"
        found += ", by a minute of each one's audio" * (adaptation.unseen == "nearest")
    return f"{found}."


def _conditioned(result: Result) -> str | None:
    known = result.conditioning
    if known is None:
        return None
    unseen = f"{known.unseen} of {known.tested} speakers of the test parts were not trained on"
    if not known.tested:
        unseen = "no speaker of the test parts is known by name"
    if known.on == "id":
        share = " and share the row of those whom the head does not know" * bool(known.unseen)
        return f"The head is told who speaks: {unseen}{share}."
    return (
        f"The head is told what each speaker sounds like, so that a prediction depends on the "
        f"speaker's other utterances in the part: {unseen}."
    )


def _small(result: Result) -> str | None:
    if not has_demo_weights(result):
        return None
    return f"{SMALL}."


def _contaminated(result: Result, encoder: Encoder) -> str | None:
    corpora = encoder.provenance.get("trained_on", "")
    if heard(corpora, result.benchmark):
        return f"The upstream was trained on the test corpus; its weights saw {corpora}."
    if audio := encoder.provenance.get(HEARD_UNLABELLED):
        return f"The upstream was trained on audio of {audio}; its weights call it {corpora}."
    return None


def _labels_seen(encoder: Encoder) -> str | None:
    seen = encoder.provenance.get(LABELLED)
    if seen is None:
        return None
    return (
        f"Weights that had seen test labels: they were fine-tuned with those of {seen}, before the "
        "run; the score says nothing about speech that is new to them."
    )


def _undefined(scores: Scores) -> str | None:
    if not scores.undefined:
        return None
    first, *others = scores.undefined
    more = f" (and {len(others)} more)" if others else ""
    return f"Undefined (nan): {first.rstrip('.')}{more}."


def _undefinable(result: Result, scores: Scores) -> str | None:
    """Return who is in no average, as the measure is 0 / 0."""
    task = result.benchmark.task
    names = scores.by_speaker[f"a_{task.main}"].undefined
    if not names:
        return None
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return (
        f"A-{task.called} without {', '.join(names[:NAMED])}{more}: all ratings are one number, "
        f"and nothing else is predicted, for which {task.called} is not defined."
    )


def mismatch(result: Result, scores: Scores) -> str | None:
    """Return how the scores of a record are not those of its predictions, or None."""
    different = next(differences(result, scores), None)
    if different is None:
        return None
    where, stored, computed = different
    return (
        "Not ranked, as the record's scores are not those of its predictions "
        f"({where}: {stored} stored, {computed} recomputed): one of the two was "
        "changed. Shown is what the predictions give."
    )


def differences(result: Result, scores: Scores) -> Iterator[tuple[str, str, str]]:
    """Yield each score of a record that is not that of its predictions: place, stored, computed."""
    for where, stored, computed in _differences(result.scores, scores.to_json()):
        yield where, _shown(stored), _shown(computed)


def _differences(stored: Any, computed: Any, where: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Yield the place and both values of each number that is not the same, or should be stored.

    What is stored alone is no difference, nor are details that older releases did not store.
    """
    if isinstance(stored, dict) and isinstance(computed, dict):
        for key, value in computed.items():
            if key in stored or key in _ALWAYS or where in _ALWAYS:
                here = f"{where}.{key}".strip(".")
                yield from _differences(stored.get(key, _MISSING), value, here)
    elif isinstance(stored, list) and isinstance(computed, list):
        if len(stored) != len(computed):
            yield f"the length of {where}", len(stored), len(computed)
        for i, pair in enumerate(zip(stored, computed, strict=False)):
            yield from _differences(*pair, f"{where}.{i}")
    elif not _equal(stored, computed):
        yield where, stored, computed


def _equal(stored: Any, computed: Any) -> bool:
    if isinstance(stored, float | int) and isinstance(computed, float | int):
        return math.isclose(stored, computed, rel_tol=1e-9, abs_tol=1e-9)
    return bool(stored == computed)


def _shown(value: Any) -> str:
    text = f"{value:.9g}" if isinstance(value, float) else str(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
