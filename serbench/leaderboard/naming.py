"""Whether a result is called what its recipe is, or what the runs are that it was made of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from serbench.leaderboard import identity, implied, notes
from serbench.leaderboard.listing import some
from serbench.leaderboard.reading import BrokenResultError, read_record
from serbench.leaderboard.record import Encoder, Labels, Result


class Named(NamedTuple):
    """What is known of the name of a row.

    Attributes:
        problems: what is not as it says, a sentence each.
        unsure: why the name cannot be verified, in words; empty if it was.
    """

    problems: tuple[str, ...] = ()
    unsure: str = ""


def misnamed(result: Result) -> str | None:
    """Return in what a record differs from what its recipe says, or None.

    Of recipes that an older serbench digested in another way nothing is said; those say no format.
    """
    derived = identity.is_derived(result.recipe)
    if not derived and "format" not in result.recipe:
        return None
    if not derived and result.recipe["format"] != identity.FORMAT:
        said = f"{result.recipe['format']}"[:20]
        return f"its recipe has format {said}; this serbench writes and knows {identity.FORMAT}"
    try:
        digest = identity.digest_of(result.recipe, [each.utterance for each in result.left_out])
        labels = _by_runs(result) if derived else identity.labels_of(result.recipe)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        return f"its recipe is not whole ({type(error).__name__}: {error})"
    if digest != result.digest:
        return f"its recipe has the digest {digest[:8]}, not {result.digest[:8]}"
    return _otherwise(result.labels, labels, "its recipe is")


def unasked(result: Result) -> Iterator[str]:
    """Yield where a record has other seeds than its recipe asks for: the best may be all it has."""
    asked = result.recipe.get("seeds", result.seeds)
    asked = asked if isinstance(asked, list | tuple) else [asked]
    if len(asked) != len(result.seeds) or any(seed not in result.seeds for seed in asked):
        yield f"its recipe asks for the seeds {some(asked)}, but it has {some(result.seeds)}"


def named(result: Result, folders: Sequence[Path]) -> Named:
    """Return what is known of a name that the digest of its recipe does not settle.

    Args:
        result: a record that is not `misnamed`.
        folders: where the records of the runs may lie that it was made of.
    """
    if identity.is_derived(result.recipe):
        return _by_origin(result, folders)
    if "format" in result.recipe:
        return Named()
    try:
        reason = _otherwise(result.labels, identity.labels_of(result.recipe), "its recipe is")
    except (KeyError, TypeError, AttributeError, ValueError):
        reason = None
    return Named((reason,)) if reason else Named(unsure="its recipe is of an older format")


def _by_origin(result: Result, folders: Sequence[Path]) -> Named:
    """Return whether a fused or corrected result is as the runs are that it was made of."""
    origins = origins_of(result)
    found = {digest: _record(_believed(digest, folders)) for digest in origins}
    runs = [run for run in found.values() if run is not None]
    wrong = [
        _otherwise(said, run.labels, f"the run {digest[:8]} that it was made of is")
        for digest, said in origins.items()
        if (run := found[digest]) is not None
    ]
    absent = [digest[:8] for digest, run in found.items() if run is None]
    missing = f"the runs that it was made of are not here ({', '.join(absent)})" if absent else ""
    problems = [*filter(None, wrong), *_unlike(result, runs, whole=not absent)]
    return Named(tuple(problems), missing)


def _unlike(result: Result, runs: Sequence[Result], *, whole: bool) -> Iterator[str]:
    """Yield in what a fused or corrected result is unlike the runs that it was made of.

    Args:
        result: the record.
        runs: those that are here.
        whole: whether these are all.
    """
    for run in runs:
        which = f"the run {run.digest[:8]} that it was made of"
        if (run.benchmark, run.protocol) != (result.benchmark, result.protocol):
            yield f"{which} is on another benchmark or protocol"
        elif (run.split.hash, run.split.listed) != (result.split.hash, result.split.listed):
            yield f"{which} has other folds"
        if {*run.seeds} != {*result.seeds}:
            yield f"{which} has the seeds {some(run.seeds)}, and it has {some(result.seeds)}"
        if run.saw_truths and not result.saw_truths:
            yield f"{which} looked at the truths of the test part, and the record denies it"
        if run.transductive and not result.transductive:
            yield f"{which} heard the test part, and the record denies it"
        if run.conditioning is not None and result.conditioning is None:
            yield f"the head of {which} was told who speaks, and the record denies it"
    # whether a run was sent in, another folder than that of the runs does not know
    must, may = (
        {said for run in runs for said in notes.to_hand_on(run, sent=sent)}
        for sent in (False, True)
    )
    if lacking := must - {*result.noted}:
        yield f"it lacks notes of the runs that it was made of: {some([*lacking])}"
    if whole and (more := {*result.noted} - may):
        yield f"it has notes that no run gives it: {some([*more])}"
    known: list[Encoder] = []
    for run in runs:
        known.extend(each for each in run.encoders if each not in known)
    if whole and known != [*result.encoders]:
        yield "its upstreams are not those of the runs that it was made of"


def run_of(result: Result, folders: Sequence[Path]) -> Result | None:
    """Return a run that a fused or corrected result was made of, however often, if one is here.

    Args:
        result: the record; of a run it is itself.
        folders: where the records of runs may lie.
    """
    if not identity.is_derived(result.recipe):
        return result
    origins = (_record(_believed(digest, folders)) for digest in origins_of(result))
    found = (run_of(each, folders) for each in origins if each is not None)
    return next((run for run in found if run is not None), None)


def believed(result: Result, folders: Sequence[Path]) -> list[Path]:
    """Return the records of all runs that a result was made of; none if one is not to be believed.

    Args:
        result: the record; of a run, which is made of none.
        folders: where they may lie.
    """
    paths = [_believed(digest, folders) for digest in origins_of(result)]
    here = [path for path in paths if path is not None]
    return here if len(here) == len(paths) else []


def origins_of(result: Result) -> Mapping[str, Labels]:
    """Return what a record says the runs are called that it was made of, by their digests."""
    if result.corrected is None:
        return {each.digest: each.labels for each in result.members}
    ending = identity.corrected_labels(Labels(upstream="", downstream=""), result.corrected.steps)
    before = result.labels.downstream.removesuffix(ending.downstream)
    return {result.corrected.digest: result.labels.model_copy(update={"downstream": before})}


def _believed(digest: str, folders: Sequence[Path]) -> Path | None:
    """Return where the record of a digest is, if it is here and all that its recipe implies is so.

    Which one is the first by its folder.
    """
    for folder in folders:
        path = folder / f"{digest}.json"
        try:
            if path.is_file() and _sound(read_record(path), digest, folders):
                return path
        except BrokenResultError:
            continue
    return None


def _record(path: Path | None) -> Result | None:
    return None if path is None else read_record(path)


def _sound(found: Result, digest: str, folders: Sequence[Path]) -> bool:
    if found.digest != digest or misnamed(found) or any(unasked(found)):
        return False
    return not any(implied.unlike(found)) and named(found, folders) == Named()


def _by_runs(result: Result) -> Labels:
    """Return what a fused or corrected result is called, by the runs that its record names."""
    recipe: Mapping[str, Any] = result.recipe
    if identity.CORRECTED in recipe:
        told = result.corrected
        if told is None or told.digest != recipe["of"]["digest"]:
            raise ValueError("it is not of the run that the record names")
        steps = identity.called_steps(recipe[identity.CORRECTED])
        if steps != [*told.steps]:
            raise ValueError("it has other steps than the record names")
        (before,) = origins_of(result).values()
        return identity.corrected_labels(before, steps)
    members = [each["digest"] for each in recipe["members"]]
    if len(members) < 2 or members != [each.digest for each in result.members]:
        raise ValueError("it is not of the runs that the record names")
    return identity.fused_labels([each.labels for each in result.members], recipe[identity.FUSED])


def _otherwise(said: Labels, meant: Labels, what: str) -> str | None:
    if said == meant:
        return None
    names = (" ".join(each.model_dump().values()) for each in (said, meant))
    called, own = names
    return f"its row is called '{called}', but {what} '{own}'"
