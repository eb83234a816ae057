"""The contract of a post-processor: what a trial predicts in, corrected predictions out.

Every public module of this folder is one post-processor with a `make(...)` of keyword options. It
is applied to one fold and seed at a time, after prediction, and trains nothing. It sees the truths
of the training and the validation part; of what it corrects it sees predictions and voices alone.

    >>> import numpy as np
    >>> class Halfway(PostProcessor):  # to the mean of the training part
    ...     serves = frozenset({"regression"})
    ...     def correct(self, predicted, evidence):
    ...         return (predicted.values + evidence.train.truths.mean(axis=0)) / 2
    >>> known = Known(np.zeros((2, 1)), np.array(["a", "b"]), np.array([[2.0], [4.0]]))
    >>> evidence = Evidence(train=known, valid=known, voices={}, seed=0)
    >>> Halfway().correct(Predicted(np.array([[1.0], [5.0]]), np.array(["c", "c"])), evidence)
    array([[2.],
           [4.]])
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar

from serbench.benchmarks import UNKNOWN
from serbench.errors import SerbenchError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Values = NDArray[np.float64]
    Voices = Mapping[str, NDArray[np.float32]]


@dataclass(frozen=True)
class Predicted:
    """What a trial predicts for some utterances.

    Attributes:
        values: (N, C) float64: the probabilities of the classes, each row with the sum 1, or
            dimensions on the benchmark's scale.
        speakers: (N,) text: who speaks.
        embeddings: (N, E) float32, what the output of the trial saw of each, in principal
            components of the training part; of classes alone, else None.
    """

    values: Values
    speakers: NDArray[Any]
    embeddings: NDArray[np.float32] | None = field(default=None, kw_only=True)

    def of(self, rows: NDArray[np.bool_]) -> Self:
        """Return some of the utterances, by a mask."""
        told = {name: value[rows] for name, value in vars(self).items() if value is not None}
        return replace(self, **told)


@dataclass(frozen=True)
class Known(Predicted):
    """The same, with the truths.

    Attributes:
        truths: (N,) int64 places in the labels, or (N, C) float64 dimensions.
    """

    truths: NDArray[Any]

    @property
    def unlabelled(self) -> Predicted:
        """The same without the truths."""
        return Predicted(self.values, self.speakers, embeddings=self.embeddings)


@dataclass(frozen=True)
class Evidence:
    """What may be looked at to correct the predictions of a trial.

    Attributes:
        train: the part that was trained on.
        valid: the part that chose the epoch; predicted by weights that were not trained on it.
        voices: speaker to (E,) float32, the mean over all utterances of the speaker of what heads
            got of them, for the speakers of all three parts; of those who are enrolled, over what
            is enrolled alone.
        seed: of the trial, for what is drawn.
        enrolled: utterances of the test speakers that are not scored, by which these are known; a
            `Known` where their truths are known, too. A speaker with none has no voice either.
            None: speakers are known by what is corrected.
    """

    train: Known
    valid: Known
    voices: Voices
    seed: int
    enrolled: Predicted | None = None

    def heard(self, predicted: Predicted) -> Predicted:
        """Return the utterances by which speakers are known: what is enrolled, or `predicted`."""
        return predicted if self.enrolled is None else self.enrolled

    def after(self, valid: Values, enrolled: Values | None = None) -> Evidence:
        """Return the same with other predictions."""
        changed = replace(self, valid=replace(self.valid, values=valid))
        if self.enrolled is None or enrolled is None:
            return changed
        return replace(changed, enrolled=replace(self.enrolled, values=enrolled))


class PostProcessor(ABC):
    """Corrects the predictions of a trial.

    What is said by unknown speakers is not given to it, and stays as it was predicted.

    Attributes:
        serves: the kinds of task whose predictions it corrects: "classification", "regression".
        oracle: whether it looks at the truths of what it corrects, to show what could be had at
            best; it then gets a `Known`, its result is marked and never ranked.
    """

    serves: ClassVar[frozenset[str]]
    oracle: ClassVar[bool] = False

    @abstractmethod
    def correct(self, predicted: Predicted, evidence: Evidence) -> Values:
        """Return corrected values, (N, C) like those of `predicted`.

        Args:
            predicted: utterances of speakers of one part of the fold, without their truths.
            evidence: what is known.

        Raises:
            SerbenchError: what it needs is not there.
        """

    def neighbours_of(self, speakers: Sequence[str], evidence: Evidence) -> Mapping[str, list[str]]:
        """Return by whose labels each speaker is corrected, the most similar first.

        Whoever is left alone, or is corrected by labels of his own, is not in it.

        Args:
            speakers: each with a voice in the evidence.
            evidence: what is known.
        """
        return {}


def chain(
    steps: tuple[PostProcessor, ...], predicted: Known, evidence: Evidence
) -> tuple[Values, Evidence]:
    """Return the predictions of a part after all steps, and the evidence as these leave it.

    A later step finds the predictions for the validation part and for what is enrolled as the
    earlier ones left them, so that what it fits there fits what it corrects.

    Args:
        steps: at least one.
        predicted: the part to correct; only an oracle sees its truths.
        evidence: as it is before the first step.

    Raises:
        SerbenchError: a step gives something else than corrected values.
    """
    for step in steps:
        # the truths of the validation part are in the evidence, but a step treats its speakers
        # as it treats those of the test part; nobody of them is enrolled
        valid = _corrected(step, evidence.valid, replace(evidence, enrolled=None))
        values = _corrected(step, predicted, evidence)
        given, enrolled = evidence.enrolled, None
        if given is not None and len(given.values):
            enrolled = _corrected(step, given, evidence)
        predicted, evidence = replace(predicted, values=values), evidence.after(valid, enrolled)
    return predicted.values, evidence


def _corrected(step: PostProcessor, part: Predicted, evidence: Evidence) -> Values:
    import numpy as np

    known = part.speakers != UNKNOWN
    if not known.all():
        values = part.values.copy()
        if known.any():
            values[known] = _corrected(step, part.of(known), evidence)
        return values
    shown = part.unlabelled if isinstance(part, Known) and not step.oracle else part
    values = step.correct(_sealed(shown), _all_sealed(evidence))
    classes = evidence.train.truths.ndim == 1
    if reason := wrong_values(values, part.values.shape, classes=classes):
        code = getattr(step.correct, "__code__", None)
        place = f" ({code.co_filename} line {code.co_firstlineno})" if code else ""
        msg = (
            f"post-processor {type(step).__name__}{place}: {reason}; `serbench check "
            "postprocessor` tells what its contract is"
        )
        raise SerbenchError(msg)
    return values.astype(np.float64)


def wrong_values(values: Any, shape: tuple[int, ...], *, classes: bool) -> str | None:
    """Return what is wrong with corrected values, or None.

    Args:
        values: what a post-processor gave.
        shape: of what it was given.
        classes: whether they are probabilities.
    """
    import numpy as np

    if not isinstance(values, np.ndarray) or values.shape != shape or values.dtype.kind not in "fi":
        return f"correct() must return an array of numbers of shape {shape}"
    if not np.isfinite(values).all():
        return "corrected values are not finite"
    if classes and not (np.allclose(values.sum(axis=1), 1, atol=1e-6) and (values >= 0).all()):
        return "each row of probabilities must have the sum 1, and none below 0"
    return None


P = TypeVar("P", bound=Predicted)


def _sealed(part: P) -> P:
    """Return predictions that cannot be changed in place."""
    views = {name: _read_only(own) for name, own in vars(part).items() if own is not None}
    return replace(part, **views)


def _all_sealed(evidence: Evidence) -> Evidence:
    return replace(
        evidence,
        train=_sealed(evidence.train),
        valid=_sealed(evidence.valid),
        voices={name: _read_only(voice) for name, voice in evidence.voices.items()},
        enrolled=None if evidence.enrolled is None else _sealed(evidence.enrolled),
    )


def _read_only(array: NDArray[Any]) -> NDArray[Any]:
    view = array.view()
    view.flags.writeable = False
    return view


def check_serves(name: str, step: PostProcessor, kind: str) -> None:
    """Refuse a post-processor for predictions that it does not understand.

    Args:
        name: of the post-processor.
        step: what it is.
        kind: of the task.

    Raises:
        SerbenchError: it does not serve that kind.
    """
    if kind not in step.serves:
        served = " and ".join(sorted(step.serves))
        msg = f"post-processor '{name}' corrects {served}, not {kind}; leave it out"
        raise SerbenchError(msg)


__all__ = [
    "Evidence",
    "Known",
    "PostProcessor",
    "Predicted",
    "chain",
    "check_serves",
    "wrong_values",
]
