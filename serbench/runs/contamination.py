"""Encoders that heard a corpus before it tests them, by what their weights say of themselves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from serbench import plugins
from serbench.encoders.weights import HEARD, RECORDINGS
from serbench.errors import SerbenchError
from serbench.leaderboard.hearing import HEARD_UNLABELLED, LABELLED, heard
from serbench.runs.adapting import seen, tested

if TYPE_CHECKING:
    from serbench.benchmarks import Benchmark
    from serbench.runs.corpus import Prepared
    from serbench.runs.parts import Part


def contaminated(
    benchmark: Benchmark, upstream: str | None, weights: str | None
) -> Iterator[tuple[str, str]]:
    """Yield a word and a sentence for encoders that were trained on a corpus.

    Args:
        benchmark: the corpus.
        upstream: a name or file, of which the weights are read; None: all published sizes of all
            upstreams are looked at, by what is listed of them.
        weights: of that upstream.

    Raises:
        SerbenchError: there is no such upstream, or its weights cannot be loaded.
    """
    told = _made(upstream, weights) if upstream is not None else _listed()
    asked = count = 0
    for name, corpora in told:
        asked += 1
        if heard(corpora, benchmark):
            count += 1
            yield (
                "heard",
                f"{name} was trained on this corpus ({corpora}): its results here say nothing "
                "about speech that it never heard",
            )
    which = upstream or "published weights that serbench lists"
    if not count:
        yield "heard", f"by none of {asked} {which}" if upstream is None else f"not by {which}"


def seen_before(part: Part, prepared: Prepared) -> dict[str, str]:
    """Return what the provenance of given weights has to say of the test parts that they saw.

    Recordings are compared by their samples, so a copy of a corpus is found whatever it is called.

    Args:
        part: an upstream as the run was given it.
        prepared: the corpus and its folds.
    """
    whole = tested(prepared)
    told = {}
    for key, what in ((LABELLED, RECORDINGS), (HEARD_UNLABELLED, HEARD)):
        if count := len(whole.intersection(seen(part, what))):
            told[key] = f"{count} of {len(whole)} recordings that are tested"
    return told


def _made(upstream: str, weights: str | None) -> Iterator[tuple[str, str]]:
    """Yield what the weights of one upstream were trained on, by what they say themselves."""
    options = {} if weights is None else {"weights": weights}
    made = plugins.make(plugins.find("upstreams", upstream), options=options)
    name = f"{upstream} {made.provenance.get('id', weights or '')}".strip()
    yield name, " ".join(made.provenance.get(key, "") for key in ("trained_on", "method"))


def _listed() -> Iterator[tuple[str, str]]:
    for name in plugins.names("upstreams"):
        try:
            sizes = plugins.find("upstreams", name).sizes
        except SerbenchError:  # one that cannot be read has nothing to say
            continue
        for size, entry in sizes.items():
            yield f"{name} {size}", str(entry.get("trained_on", ""))
