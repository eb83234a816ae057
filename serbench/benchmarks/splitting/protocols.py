"""Ways to split a corpus into folds of train, valid and test.

Every protocol is a pure function of the table: the same utterances give the same folds, in
whatever order the rows come. The rows of each part are in the order of the utterance ids.
Nobody who is tested is trained or validated on, and nobody who validates is trained on, unless
the protocol says so in `shares`.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, NonNegativeInt, PositiveInt

from serbench.benchmarks import Protocol
from serbench.benchmarks.splitting import equal_amounts as equal
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
from serbench.benchmarks.splitting.sentences import Knows
from serbench.errors import SerbenchError

if TYPE_CHECKING:
    from pandas import DataFrame

    from serbench.benchmarks import Fold, Task

# one fold each for train, valid and test at least
Count = Annotated[int, Field(ge=3)]
Shared = Literal["speaker", "session", "recording"]
_EVERYTHING = frozenset({"speaker", "session", "recording"})


def _apart(sessions: str) -> frozenset[str]:
    """Return what parts share: sessions, unless these are apart."""
    return frozenset() if sessions == "apart" else frozenset({"session"})


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
    shares = _apart(sessions)
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
    shares = _apart(sessions)
    split = partial(splits.speaker_folds, k=k, balance=balance, sessions=sessions)
    return Protocol("speaker_folds", split, shares)


@factory
def equal_amounts(
    *,
    speakers: PositiveInt = 6,
    clips: PositiveInt | None = None,
    dependent: bool = False,
    k: Count = 5,
    balance: tuple[str, ...] = (),
    sessions: Literal["apart", "shared"] = "apart",
    draw: NonNegativeInt = 0,
) -> Protocol:
    """As many clips of as many speakers to train on, those who are tested among them or not.

    For the gap between speaker-dependent and speaker-independent training at equal amounts of data
    (Tran et al., Interspeech 2023, Figure 1). Folds, validation parts and tested clips are the
    same in both cases and for any number of speakers: those of `speaker_folds`, but for the clips
    of the tested that the dependent case trains on. More speakers are the fewer ones and others.

    Args:
        speakers: who are trained on, in each fold.
        clips: of each of them, drawn with the labels as frequent as he has them; None: half of
            those of the speaker with fewest.
        dependent: whether the tested speakers are the first of them, which every table shows.
        k: as of `speaker_folds`.
        balance: as of `speaker_folds`.
        sessions: as of `speaker_folds`.
        draw: seed of who and what is drawn.
    """
    shares = _EVERYTHING if dependent else _apart(sessions)

    def split(table: DataFrame, task: Task) -> list[Fold]:
        folds = splits.speaker_folds(
            table, task, k=k, balance=balance, sessions=sessions, called="equal_amounts"
        )
        return equal.equal_amounts(
            table,
            task,
            folds,
            speakers=speakers,
            clips=clips,
            dependent=dependent,
            draw=draw,
        )

    return Protocol("equal_amounts", split, shares)


@factory
def sentence_folds(
    *,
    k: Count = 5,
    sentences: Count = 5,
    balance: tuple[str, ...] = (),
    sessions: Literal["apart", "shared"] = "apart",
    knows: Knows = "nothing",
) -> Protocol:
    """Speakers and sentences apart: each of k sets of speakers is tested on each set of sentences.

    The sets of speakers are those of `speaker_folds`; texts that differ in case and punctuation
    alone are one sentence. The next set of speakers validates, saying the next set of
    sentences; training has the speakers and the sentences of neither. So it is small where
    everybody says everything: 36 % of the corpus for 5 x 5 sets. Each utterance is tested once.

    Args:
        k: number of sets of speakers, at least 3.
        sentences: number of sets of sentences, at least 3.
        balance: as of `speaker_folds`.
        sessions: as of `speaker_folds`.
        knows: "nothing" of who and what is tested. To compare with, on the same test and validation
            parts and with as many utterances of each label to train on: "sentences", those that are
            tested are trained on, said by others; "speakers", those who are tested are trained on,
            too, as in random clips. The audit and every table show the last.
    """
    shares = _apart(sessions)
    shares = _EVERYTHING if knows == "speakers" else shares
    apart = frozenset({"text"}) if knows == "nothing" else frozenset[str]()
    split = partial(
        splits.sentence_folds,
        k=k,
        sentences=sentences,
        balance=balance,
        sessions=sessions,
        knows=knows,
    )
    return Protocol("sentence_folds", split, shares, apart)


@factory
def random_clips(*, k: Count = 5, seed: NonNegativeInt = 42) -> Protocol:
    """Leaks by design: utterances at random, as MTEB splits IEMOCAP and CREMA-D (not comparable).

    Speakers, sentences, sessions and doubled recordings are on both sides of every fold. Parts are
    drawn by scikit-learn's `KFold(k, shuffle=True, random_state=seed)` from the utterances in the
    order of their ids; MTEB draws from them in the order of its copy, has no validation part, and
    trains on a few utterances of each class.

    Args:
        k: number of folds, at least 3; each is tested once, the next validates.
        seed: of the draw.
    """
    return Protocol("random_clips", partial(splits.random_clips, k=k, seed=seed), _EVERYTHING)


@factory
def across_corpora(*, tests: tuple[str, ...] = ()) -> Protocol:
    """Some corpora are tested, each by itself, on what is learnt from all others (`--train-on`).

    Of several, each has scores of its own, and the first one ranks. A balanced fifth of the
    speakers that are learnt from validates; nothing of a tested corpus is seen before.

    Args:
        tests: the tested ones, as the column `corpus` calls them.
    """
    return Protocol("across_corpora", partial(splits.across_corpora, tests=tests))


@factory
def leave_one_corpus_out() -> Protocol:
    """Each of several corpora is tested once, on what is learnt from the others.

    A balanced fifth of the speakers that are learnt from validates.
    """
    return Protocol("leave_one_corpus_out", splits.leave_one_corpus_out)


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
    return Protocol("speaker_dependent_random", split, _EVERYTHING)


__all__ = [
    "across_corpora",
    "complete",
    "corpus_split",
    "describe",
    "equal_amounts",
    "find",
    "leave_one_corpus_out",
    "leave_one_session_out",
    "leave_one_speaker_out",
    "make",
    "names",
    "random_clips",
    "sentence_folds",
    "signature",
    "speaker_dependent_random",
    "speaker_folds",
]
