"""Ways to split a corpus into folds of train, valid and test.

Every protocol is a pure function of the table: the same utterances give the same folds, in
whatever order the rows come. The rows of each part are in the order of the utterance ids.
Nobody who is tested is trained or validated on, and nobody who validates is trained on, unless
the protocol says so in `shares`.
"""

from __future__ import annotations

from functools import partial
from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt

from serbench.benchmarks import Protocol
from serbench.benchmarks.splitting import splits

# defined elsewhere, because a module with its own `make` is a benchmark
from serbench.benchmarks.splitting.factories import (
    complete,
    describe,
    factory,
    find,
    make,
    names,
    signature,
)
from serbench.errors import SerbenchError

# one fold each for train, valid and test at least
Count = Annotated[int, Field(ge=3)]
Shared = Literal["speaker", "session", "recording"]


@factory
def leave_one_session_out() -> Protocol:
    """Each session is tested once, the next one validates: the usual five folds of IEMOCAP.

    "Next" is in natural order (2 before 10), and cyclic. Where a speaker is in one session only,
    as in IEMOCAP, speakers are apart as well; elsewhere the audit of the folds refuses it.
    Differs from SUPERB's split in the validation part: SUPERB draws it from the speakers that
    are trained on.
    """
    return Protocol("leave_one_session_out", splits.leave_one_session_out)


@factory
def leave_one_speaker_out(
    *,
    sessions: Literal["apart", "validate", "shared"] = "apart",
    balance: tuple[str, ...] = (),
) -> Protocol:
    """Each speaker is tested once; a balanced fifth of the others validates.

    The speakers are divided into five sets as by `speaker_folds`; the set after that of the
    tested speaker validates.

    Args:
        sessions: what becomes of those who share a session with the tested speaker (the other
            one of a dyad, who may be heard in the same recording). "apart": they are left out
            of the fold, and whole sessions validate. "validate": they are the validation part,
            the usual ten folds of IEMOCAP and MSP-Improv. "shared": sessions are ignored. The
            audit and every table show the latter two as sharing sessions. Without sessions
            "apart" and "shared" are the same.
        balance: columns of the table to balance over the five sets as well, such as "gender".
    """
    shares = frozenset[str]() if sessions == "apart" else frozenset({"session"})
    split = partial(splits.leave_one_speaker_out, sessions=sessions, balance=balance)
    return Protocol("leave_one_speaker_out", split, shares)


@factory
def speaker_folds(
    *,
    k: Count = 5,
    balance: tuple[str, ...] = (),
    sessions: Literal["apart", "shared"] = "apart",
) -> Protocol:
    """K folds of disjoint speakers with balanced labels; each is tested once, the next validates.

    Balanced are the number of speakers and of utterances, the labels (for dimensions: the lower,
    middle and upper third of the corpus' values) and the named columns. Training gets k - 2 of
    the k folds: 60 % of the speakers for k = 5, 80 % for k = 10.

    Args:
        k: number of folds, at least 3.
        balance: columns of the table to balance as well, such as "gender".
        sessions: "apart" keeps all speakers that share a session in one fold; "shared" ignores
            sessions, which the audit and every table show.
    """
    shares = frozenset[str]() if sessions == "apart" else frozenset({"session"})
    split = partial(splits.speaker_folds, k=k, balance=balance, sessions=sessions)
    return Protocol("speaker_folds", split, shares)


@factory
def corpus_split(*, shares: tuple[Shared, ...] = ()) -> Protocol:
    """The corpus's own train, valid and test parts, as its authors gave them: one fold.

    Args:
        shares: what these parts are known to have in common; every table shows it. Anything
            that they share and that is not named here, the audit of the folds refuses.
    """
    return Protocol("corpus_split", splits.corpus_split, frozenset(shares))


@factory
def speaker_dependent_random(
    *, k: Count = 5, fractions: tuple[float, ...] = (), seed: NonNegativeInt = 0
) -> Protocol:
    """Utterances at random, stratified by label: speakers in test are trained on (not comparable).

    Args:
        k: number of folds, at least 3; each is tested once, the next validates.
        fractions: of train, valid and test, with sum 1: one fold instead of k.
        seed: of the draw.
    """
    if fractions and (len(fractions) != 3 or min(fractions) <= 0 or abs(sum(fractions) - 1) > 1e-9):
        msg = (
            f"option 'fractions' of protocol 'speaker_dependent_random' is {fractions}; "
            "give three positive numbers with sum 1 for train, valid and test"
        )
        raise SerbenchError(msg)
    split = partial(splits.speaker_dependent_random, k=k, fractions=fractions, seed=seed)
    shares = frozenset({"speaker", "session", "recording"})
    return Protocol("speaker_dependent_random", split, shares)


__all__ = [
    "complete",
    "corpus_split",
    "describe",
    "find",
    "leave_one_session_out",
    "leave_one_speaker_out",
    "make",
    "names",
    "signature",
    "speaker_dependent_random",
    "speaker_folds",
]
