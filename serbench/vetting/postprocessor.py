"""The contract of a post-processor, tried on predictions that are made up."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from serbench.errors import SerbenchError
from serbench.postprocessors import Evidence, Known, PostProcessor, wrong_values
from serbench.vetting.observing import sentences, watched

if TYPE_CHECKING:
    from serbench.postprocessors import Values

_KINDS = ("classification", "regression")
_OUTPUTS = 3
_ENROLLED = 5
_WIDTH = 6
_SPEAKERS = {"train": 8, "valid": 3, "test": 4}


@dataclass(frozen=True)
class _Case:
    """A step, the predictions of some speakers for it to correct, and what it may look at."""

    step: PostProcessor
    kind: str
    tested: Known
    evidence: Evidence

    def correct(self, tested: Known, evidence: Evidence) -> Values:
        """Return what the step makes of predictions; only an oracle sees their truths."""
        return self.step.correct(tested if self.step.oracle else tested.unlabelled, evidence)


def check_postprocessor(step: PostProcessor, again: PostProcessor) -> list[str]:
    """Return what a post-processor does against its contract (see `serbench.postprocessors`).

    Args:
        step: as its `make` gives it.
        again: the same, made a second time, to be compared.

    Returns:
        One sentence a failure; empty if it passes.
    """
    if not isinstance(step, PostProcessor):
        return ["make() must return a serbench.postprocessors.PostProcessor"]
    served = [kind for kind in _KINDS if kind in step.serves]
    if not served or set(step.serves) - {*_KINDS}:
        return [f"serves is {sorted(step.serves)}; it must name {' or '.join(_KINDS)}"]
    return [f"{kind}: {said}" for kind in served for said in _failures(step, again, kind)]


def corrected(step: PostProcessor) -> list[Values]:
    """Return what a post-processor makes of the predictions of a check."""
    cases = [_Case(step, kind, *_material(kind)) for kind in _KINDS if kind in step.serves]
    return [case.correct(case.tested, case.evidence) for case in cases]


def _failures(step: PostProcessor, again: PostProcessor, kind: str) -> list[str]:
    case = _Case(step, kind, *_material(kind))
    values: list[Values] = []
    failures = sentences("correcting", _first, case, values)
    if failures:
        return failures
    (first,) = values
    with watched() as changed:  # not the first time, which may import what draws
        failures = [
            *sentences("correcting another time", _again, case, again, first),
            *sentences("correcting in another order", _order, case, first),
            *sentences("correcting those who enrolled", _by_enrolment, case),
        ]
    return failures + [
        f"correcting changes the global random state of {library}; draw from one of its own"
        for library in changed
    ]


def _first(case: _Case, kept: list[Values]) -> Iterator[str]:
    """Yield what is wrong with corrected values, which are kept if their form is right."""
    before = pickle.dumps((case.tested, case.evidence))
    try:
        values = case.correct(case.tested, case.evidence)
    except SerbenchError as error:
        yield str(error)
        return
    if not isinstance(values, np.ndarray) or values.shape != case.tested.values.shape:
        yield f"correct() must return an array of shape {case.tested.values.shape}"
        return
    if wrong := wrong_values(values, values.shape, classes=case.kind == "classification"):
        yield wrong
    if pickle.dumps((case.tested, case.evidence)) != before:
        yield "correct() changes what it is given; work on copies"
    kept.append(values)


def _order(case: _Case, first: Values) -> Iterator[str]:
    order = np.random.default_rng(0).permutation(len(first))
    found = case.correct(_rows(case.tested, order), case.evidence)
    if not np.allclose(found, first[order], atol=1e-8):
        yield "what comes out depends on the order of the utterances"


def _again(case: _Case, again: PostProcessor, first: Values) -> Iterator[str]:
    """Correct the same once more, and with a step that has corrected another fold before.

    There, those who are tested here are trained on.
    """
    if not np.array_equal(first, case.correct(case.tested, case.evidence)):
        yield "the same predictions were corrected differently the second time"
        return
    other, evidence = replace(case, step=again), case.evidence
    other.correct(evidence.valid, replace(evidence, train=case.tested, valid=evidence.train))
    if not np.array_equal(first, other.correct(case.tested, evidence)):
        yield (
            "made a second time, and after another fold, it corrects differently; keep nothing of "
            "what it was given: it may have been truths of those who are tested now"
        )


def _by_enrolment(case: _Case) -> Iterator[str]:
    """Yield what goes wrong where speakers are known by some of their utterances, or by none."""
    tested, evidence = case.tested, case.evidence
    own = {*tested.speakers.tolist()}
    for count, labelled in product((_ENROLLED, 0), (False, True)):
        ahead = np.concatenate(
            [np.flatnonzero(tested.speakers == who)[:count] for who in sorted(own)]
        )
        given = _rows(tested, ahead)
        how = f"{count} utterances of each speaker enrolled{' with labels' * labelled}"
        heard = {name: voice for name, voice in evidence.voices.items() if count or name not in own}
        known = given if labelled else given.unlabelled
        try:
            values = case.correct(tested, replace(evidence, enrolled=known, voices=heard))
        except SerbenchError as error:
            yield f"{how}: {error}"
            continue
        if np.shape(values) != tested.values.shape or not np.isfinite(values).all():
            yield f"{how}: no finite values"


def _rows(part: Known, rows: NDArray[np.int64]) -> Known:
    embeddings = None if part.embeddings is None else part.embeddings[rows]
    return Known(part.values[rows], part.speakers[rows], part.truths[rows], embeddings=embeddings)


def _material(kind: str) -> tuple[Known, Evidence]:
    """Return predictions of a test part, and what may be looked at to correct them."""
    random = np.random.default_rng(0)
    parts = {}
    # called as in any corpus, so that nobody is on his best behaviour for these alone
    called = iter(np.random.default_rng(1).permutation(sum(_SPEAKERS.values())) + 1)
    for part, speakers in _SPEAKERS.items():
        names = np.repeat([f"s{next(called):02}" for _ in range(speakers)], 12)
        if kind == "classification":
            values = random.dirichlet(np.ones(_OUTPUTS), len(names))
            seen = random.normal(size=(len(names), _WIDTH)).astype(np.float32)
            labels = random.integers(_OUTPUTS, size=len(names))
            parts[part] = Known(values, names, labels, embeddings=seen)
        else:
            truths = random.normal(4, 1, (len(names), _OUTPUTS))
            parts[part] = Known(truths + random.normal(size=truths.shape), names, truths)
    everybody = {str(name) for part in parts.values() for name in part.speakers}
    voices = {name: random.normal(size=8).astype(np.float32) for name in sorted(everybody)}
    evidence = Evidence(train=parts["train"], valid=parts["valid"], voices=voices, seed=0)
    return parts["test"], evidence
