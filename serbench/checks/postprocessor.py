"""The contract of a post-processor, tried on predictions that are made up."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from serbench.errors import SerbenchError
from serbench.postprocessors import Evidence, Known, PostProcessor, Predicted

if TYPE_CHECKING:
    from serbench.postprocessors import Values

_KINDS = ("classification", "regression")
_OUTPUTS = 3
_ENROLLED = 5
_WIDTH = 6
_TESTED = [f"test {number}" for number in range(4)]


def check_postprocessor(step: PostProcessor) -> list[str]:
    """Return what a post-processor does against its contract (see `serbench.postprocessors`).

    Args:
        step: as its `make` gives it.

    Returns:
        One sentence a failure; empty if it passes.
    """
    if not isinstance(step, PostProcessor):
        return ["make() must return a serbench.postprocessors.PostProcessor"]
    served = [kind for kind in _KINDS if kind in step.serves]
    if not served or set(step.serves) - {*_KINDS}:
        return [f"serves is {sorted(step.serves)}; it must name {' or '.join(_KINDS)}"]
    return [failure for kind in served for failure in _failures(step, kind)]


def _failures(step: PostProcessor, kind: str) -> Iterator[str]:
    tested, evidence = _material(kind)
    try:
        first, again = (step.correct(_shown(step, tested), evidence) for _ in range(2))
    except SerbenchError as error:
        yield f"{kind}: {error}"
        return
    if not isinstance(first, np.ndarray) or first.shape != tested.values.shape:
        yield f"{kind}: correct() must return an array of shape {tested.values.shape}"
        return
    if not np.array_equal(first, again):
        yield f"{kind}: the same predictions were corrected differently the second time"
    yield from _numbers(first, kind)
    yield from _order(step, tested, evidence, first, kind)
    yield from _by_enrolment(step, tested, evidence, kind)


def _numbers(values: Values, kind: str) -> Iterator[str]:
    if not np.isfinite(values).all():
        yield f"{kind}: corrected values are not finite"
    elif kind == "classification" and not (
        np.allclose(values.sum(axis=1), 1, atol=1e-6) and (values >= 0).all()
    ):
        yield "classification: each row of probabilities must have the sum 1, and none below 0"


def _order(
    step: PostProcessor, tested: Known, evidence: Evidence, values: Values, kind: str
) -> Iterator[str]:
    order = np.random.default_rng(0).permutation(len(tested.values))
    shuffled = _rows(tested, order)
    found = step.correct(_shown(step, shuffled), evidence)
    if not np.allclose(found, values[order], atol=1e-8):
        yield f"{kind}: what comes out depends on the order of the utterances"


def _by_enrolment(
    step: PostProcessor, tested: Known, evidence: Evidence, kind: str
) -> Iterator[str]:
    """Yield what goes wrong where speakers are known by some of their utterances, or by none."""
    for count, labelled in product((_ENROLLED, 0), (False, True)):
        ahead = np.concatenate([np.flatnonzero(tested.speakers == who)[:count] for who in _TESTED])
        given = _rows(tested, ahead)
        how = f"{kind}, {count} utterances of each speaker enrolled{' with labels' * labelled}"
        heard = {
            name: voice for name, voice in evidence.voices.items() if count or name not in _TESTED
        }
        try:
            values = step.correct(
                _shown(step, tested),
                replace(evidence, enrolled=given if labelled else given.unlabelled, voices=heard),
            )
        except SerbenchError as error:
            yield f"{how}: {error}"
            continue
        if np.shape(values) != tested.values.shape or not np.isfinite(values).all():
            yield f"{how}: no finite values"


def _rows(part: Known, rows: NDArray[np.int64]) -> Known:
    embeddings = None if part.embeddings is None else part.embeddings[rows]
    return Known(part.values[rows], part.speakers[rows], part.truths[rows], embeddings=embeddings)


def _shown(step: PostProcessor, part: Known) -> Predicted:
    return part if step.oracle else part.unlabelled


def _material(kind: str) -> tuple[Known, Evidence]:
    """Return predictions of a test part, and what may be looked at to correct them."""
    random = np.random.default_rng(0)
    parts = {}
    for part, speakers in (("train", 8), ("valid", 3), ("test", 4)):
        names = np.repeat([f"{part} {i}" for i in range(speakers)], 12)
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
