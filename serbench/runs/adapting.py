"""Adaptation of an upstream to the audio of its benchmark, without labels, before it encodes it.

What an upstream has to have for that is in `serbench.upstreams.Unlabelled`. What it makes is kept
in `checkpoints/<digest>`, named by the options that decide it and by the recordings.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from serbench import plugins
from serbench.devices import has_bf16, rounds_as
from serbench.digests import digest_json, digest_path, local_path
from serbench.durable import SUMS, harm, seal
from serbench.editions import ADAPTATION, installed
from serbench.encoders.weights import HEARD, named, read_card, seen_by
from serbench.home import home
from serbench.leaderboard import hearing, record
from serbench.leaderboard.record import FineTuned
from serbench.locks import locked
from serbench.remotes import fetch, share
from serbench.runs.parts import Part
from serbench.runs.plugin_part import plugin_of

if TYPE_CHECKING:
    from pandas import DataFrame

    from serbench.benchmarks import Benchmark, Fold
    from serbench.runs.corpus import Prepared
    from serbench.runs.job import Job


LABELS = "labels"
"""Option in the card of weights that were trained on labels: the columns these were in."""


@dataclass(frozen=True)
class Adapted:
    """The upstreams that a run encodes with.

    Attributes:
        parts: one for all folds, or one a fold.
        record: how they were adapted; None if they were not.
        base: provenance of the weights before, as far as it is known; None if the run left them
            as they are.
        tuned: how they were fine-tuned with labels after that; None if they were not.
    """

    parts: tuple[Part, ...]
    record: record.Adaptation | None = None
    base: Mapping[str, str] | None = None
    tuned: FineTuned | None = None

    @property
    def idle(self) -> bool:
        """Whether the run itself had nothing to adapt."""
        return self.record is None or self.record.on == "before"


def adapt(job: Job, prepared: Prepared) -> tuple[Adapted, ...]:
    """Adapt the upstreams of a run, each as `adapt_upstream` does."""
    adapted = []
    for number, part in enumerate(job.recipe.upstreams):
        with job.about(number):
            adapted.append(adapt_upstream(job, part, prepared))
    return tuple(adapted)


def adapt_upstream(job: Job, part: Part, prepared: Prepared) -> Adapted:
    """Adapt an upstream to all utterances, or to each training part with what is enrolled.

    Args:
        job: what is run.
        part: the upstream, with all options; `adapt_on` says to which.
        prepared: the utterances and the folds.

    Returns:
        The upstream as it is if it knows no adaptation, or says that its weights need none.

    Raises:
        SerbenchError: whatever the upstream's `adapt` says.
    """
    if not plugins.find("upstreams", part.name).adapted_by:
        return Adapted((part,))
    table, folds = prepared.table, prepared.folds
    on = part.options.get("adapt_on", "all")
    offers = [("all utterances, the test part included,", table)]
    if on == "train":
        offers = [_offer(table, fold) for fold in folds]
    made = [_adapt(job, part, words, rows) for words, rows in offers]
    if made[0] == part:
        return Adapted((part,), _before(part, job.benchmark, prepared))
    sizes = [(len(rows), float(rows["seconds"].sum()) / 3600) for _, rows in offers]
    known = record.Adaptation(
        on=on,
        transductive=on == "all",
        utterances=round(sum(count for count, _ in sizes) / len(sizes)),
        hours=round(sum(hours for _, hours in sizes) / len(sizes), 4),
        unseen=part.options.get("unseen"),
        checkpoints=tuple(_made_of(each, part) for each in made),
    )
    return Adapted(tuple(made), known, _card(made[0]).get("base", {}))


def _offer(table: DataFrame, fold: Fold) -> tuple[str, DataFrame]:
    """Return the utterances that an upstream may hear of a fold, and how they are called."""
    words = f"the training part of fold '{fold.name}'"
    if len(fold.enrol):
        words += " and what is enrolled of those tested"
    return words, table.iloc[[*fold.train, *fold.enrol]]


def _adapt(job: Job, part: Part, words: str, rows: DataFrame) -> Part:
    """Return an upstream with weights adapted to some utterances."""
    from serbench.runs.pretraining_audio import recordings_of
    from serbench.upstreams import Unlabelled

    benchmark = job.benchmark
    plugin = plugin_of("upstreams", part)
    change = plugins.adapter(plugin)
    ordered = rows.sort_values(["recording", "speaker"])
    identity = part.identity()
    identity.pop("layers", None)  # whichever are learnt from, the weights are the same
    # those at their default, too: they may change with an edition
    values = part.options | part.contents
    identity["options"] = {key: values[key] for key in plugin.adapted_by}
    heard = ordered[["recording", "speaker"]].to_numpy().tolist()
    known = {"heard": heard, "bf16": has_bf16(job.device), "device": rounds_as(job.device)}
    code = {"edition_of_all": ADAPTATION, "made_with": installed()}
    digest = digest_json(identity | known | code)
    place = home() / "checkpoints" / digest[:32]
    offered = Unlabelled(
        benchmark.name,
        benchmark.licence,
        benchmark.citation,
        words,
        recordings_of(ordered),
    )
    with locked(Path(f"{place}.lock"), job.progress.tell, f"adapts into {place}"):
        if not job.anew and not place.exists():
            fetch(place, SUMS, job.progress.tell)
        mend(place, job)
        there = any(place.rglob(SUMS))
        changed = change(part.options, offered, place, progress=job.progress, device=job.device)
        for _, path in paths(changed):
            _seal(path if path.is_dir() else path.parent, place)
        if not there:
            share(place, job.progress.tell)
    contents = {key: digest for key, digest in part.contents.items() if key not in changed}
    contents |= {key: fingerprint(path) for key, path in paths(changed)}
    return part.model_copy(update={"options": part.options | changed, "contents": contents})


def mend(place: Path, job: Job) -> None:
    """Remove those of the weights in a folder of a run that were damaged; they are made anew.

    So are all of them where nothing is used that was computed before.
    """
    if job.anew:
        shutil.rmtree(place, ignore_errors=True)
    for sums in sorted(place.rglob(SUMS)):
        if reason := harm(sums.parent):
            job.progress.tell(f"damaged and made anew: weights in {sums.parent} ({reason})")
            shutil.rmtree(sums.parent)


def _seal(folder: Path, place: Path) -> None:
    """Seal what a plugin made for a run and left open."""
    if folder.is_relative_to(place) and not (folder / SUMS).exists():
        seal(folder)


def _made_of(adapted: Part, part: Part) -> str:
    """Return the digest of the adapted weights; of several, all of them."""
    return "+".join(sorted(set(adapted.contents.values()) - set(part.contents.values())))


def paths(options: Mapping[str, Any]) -> Iterator[tuple[str, Path]]:
    """Yield the options that are paths."""
    for key, value in options.items():
        path = local_path(value) if isinstance(value, str) else None
        if path is not None:
            yield key, path


def fingerprint(path: Path) -> str:
    """Return the digest of the weights at a path, without the times that logs and cards tell."""
    files = sorted(path.rglob("*.safetensors"))
    if not files:
        return digest_path(path)
    return digest_json({file.relative_to(path).as_posix(): digest_path(file) for file in files})


def _before(part: Part, benchmark: Benchmark, prepared: Prepared) -> record.Adaptation | None:
    """Return what is known of weights that were given adapted: their card tells of others.

    Training in several goes on the same audio is no adaptation, unless it is the benchmark's, and
    fine-tuning with labels is none in any case. A copy of the benchmark's audio is found whatever
    it is called.
    """
    card = _card(part)
    if LABELS in card.get("options", {}):
        return None
    base, corpora = card.get("base"), card.get("corpora", [])
    if not base:
        return None
    heard = any(hearing.heard(each["name"], benchmark) for each in corpora)
    heard = heard or bool(tested(prepared).intersection(seen(part, HEARD)))
    if not heard and base.get("trained_on", "") == card.get("trained_on"):
        return None
    return record.Adaptation(
        on="before",
        transductive=heard,
        utterances=sum(each["recordings"] for each in corpora),
        hours=round(sum(float(each["hours"]) for each in corpora), 4),
        unseen=part.options.get("unseen"),
        checkpoints=tuple(sorted(part.contents.values())),
    )


def tested(prepared: Prepared) -> set[str]:
    """Return the recordings that some fold tests, as `named` has them."""
    rows = sorted({row for fold in prepared.folds for row in fold.test})
    return {*named(prepared.table["recording"].iloc[rows])}


def seen(part: Part, what: str) -> list[str]:
    """Return what the card of the weights that a part is given names, see `seen_by`."""
    return seen_by(_card(part), what)


def _card(part: Part) -> dict[str, Any]:
    """Return the card beside the weights that a part is given; empty if there is none."""
    for key in part.contents:
        if card := read_card(Path(part.options[key]).expanduser()):
            return card
    return {}
