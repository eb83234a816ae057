"""Fine-tuning of upstreams with labels, one a fold, before the head learns from the frozen result.

The labelled sibling of adaptation: a folder of weights comes out, which the upstream's `weights`
takes. It is kept in `checkpoints/<digest>`, named by the settings, the upstream and the utterances
with their labels. Only the fold's training part is learnt from, and its validation part chooses;
neither audio nor labels of the test part are read.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from serbench import plugins
from serbench.benchmarks.reading.names import speaker_numbers
from serbench.devices import has_bf16, rounds_as, threads
from serbench.digests import digest_json
from serbench.durable import SUMS, sound
from serbench.editions import FINETUNING, installed
from serbench.encoders.weights import CARD, HEARD, RECORDINGS, named
from serbench.errors import SerbenchError
from serbench.home import home
from serbench.leaderboard import record
from serbench.locks import locked
from serbench.progress import Named, Quiet, Silent
from serbench.remotes import fetch, share
from serbench.runs.adapting import (
    LABELS,
    Adapted,
    fingerprint,
    mend,
    seen,
)
from serbench.runs.chosen import averaged, fit_of
from serbench.runs.encoding import make_upstream, tell_of_precision
from serbench.runs.folds import at_once, several
from serbench.runs.job import Job
from serbench.runs.plugin_part import plugin_of
from serbench.runs.systems import budget_of
from serbench.runs.workers import Task

if TYPE_CHECKING:
    from pandas import DataFrame

    from serbench.benchmarks import Fold
    from serbench.encoders.pretraining.card import Card
    from serbench.progress import Progress, Step
    from serbench.runs.corpus import Prepared
    from serbench.runs.recipe import Part, Recipe
    from serbench.training.fit import Trained
    from serbench.training.settings import Stage
    from serbench.training.trial import Trial
    from serbench.upstreams import Upstream


def finetune(job: Job, adapted: Sequence[Adapted], prepared: Prepared) -> tuple[Adapted, ...]:
    """Fine-tune the upstreams of a run to each fold, if the recipe asks for it.

    Args:
        job: what is run.
        adapted: the upstreams, for all folds or for each of them.
        prepared: the utterances and the folds.

    Raises:
        SerbenchError: an upstream has nothing to train, or cannot be saved.
    """
    stage = job.recipe.finetune
    if stage is None:
        return tuple(adapted)
    tell_of_precision(job, stage)
    epochs = stage.training.most_epochs * len(adapted) * len(prepared.folds)
    with job.progress.step("fine-tune", epochs) as step:
        tuned = []
        for number, each in enumerate(adapted):
            with job.about(number):
                if learns(job, make_upstream(each.parts[0])):
                    tuned.append(_finetune(job, stage, each, prepared, step))
                else:
                    name = each.parts[0].name
                    job.progress.tell(f"upstream '{name}' has no parameters; it is left as it is")
                    tuned.append(each)
        return tuple(tuned)


def learns(job: Job, upstream: Upstream) -> bool:
    """Whether an upstream is fine-tuned: one of several that has no parameters is left as it is."""
    return len(job.recipe.upstreams) == 1 or any(True for _ in upstream.trainable())


def _finetune(job: Job, stage: Stage, adapted: Adapted, prepared: Prepared, step: Step) -> Adapted:
    """Fine-tune an upstream to each fold."""
    folds = prepared.folds
    before = adapted.parts * (len(folds) if len(adapted.parts) == 1 else 1)
    upstream = tunable(before[0])
    works = [
        _Work(job, stage, part, prepared.table, fold, Named(step, fold.name))
        for part, fold in zip(before, folds, strict=True)
    ]
    count = job.threads.get("finetune", 1)
    tasks = [Task(work.fold.name, partial(work.apart, count)) for work in works]
    if at_once(job, tasks, several(job, "finetune"), step):
        # they are there by now, and counted
        job = replace(job, anew=False)
        works = [replace(work, job=job, step=Quiet()) for work in works]
    made, fits = [], []
    for work in works:
        (tuned, fit), part, fold = work.tuned(), work.part, work.fold
        made.append(tuned)
        fits.append(fit)
        job.progress.tell(
            f"{fold.name}: {part.name} fine-tuned, validation {fit.valid_score:.3f}, "
            f"epoch {fit.epoch}{averaged(fit, stage.average)}"
        )
    seconds = [float(prepared.table["seconds"].iloc[fold.train].sum()) for fold in folds]
    known = record.FineTuned(
        on="train",
        utterances=round(sum(len(fold.train) for fold in folds) / len(folds)),
        hours=round(sum(seconds) / len(folds) / 3600, 4),
        checkpoints=tuple(part.contents["weights"] for part in made),
        training=tuple(fits),
    )
    base = adapted.base if adapted.base is not None else upstream.provenance
    return replace(adapted, parts=tuple(made), tuned=known, base=base)


def tunable(part: Part) -> Upstream:
    """Return an upstream that can be trained, saved and found again.

    Raises:
        SerbenchError: it cannot.
    """
    from serbench.training.waves import check_trainable
    from serbench.upstreams import Upstream

    plugin = plugin_of("upstreams", part)
    plain: Upstream = plugins.make(plugin, options=part.options)
    check_trainable(plain)
    if type(plain).save is Upstream.save or "weights" not in plugin.options:
        msg = (
            f"upstream '{part.name}' cannot be fine-tuned before the head: it has no way to save "
            "its weights and take them again (`save`, option `weights`); train both together, "
            "--set training.finetune=true"
        )
        raise SerbenchError(msg)
    return plain


@dataclass(frozen=True)
class _Work:
    """Fine-tuning of one upstream to one fold.

    Attributes:
        job: what is run.
        stage: how.
        part: the upstream before.
        table: the utterances of the corpus.
        fold: of these.
        step: progress; advances by 1 an epoch.
    """

    job: Job
    stage: Stage
    part: Part
    table: DataFrame
    fold: Fold
    step: Step

    def __reduce__(self) -> tuple[Any, ...]:
        """Return how another process gets it."""
        where = self.job.recipe, self.job.device, self.job.anew
        return _sent, (*where, self.stage, self.part, self.table, self.fold)

    def apart(self, count: int, progress: Progress) -> None:
        """Make the weights in another process, on so many threads."""
        epochs = self.stage.training.most_epochs
        with threads(count), self.job.blaming(), progress.step("fine-tune", epochs) as step:
            job, named = replace(self.job, progress=progress), Named(step, self.fold.name)
            replace(self, job=job, step=named).tuned()

    def tuned(self) -> tuple[Part, record.Fit]:
        """Return the upstream with weights of this fold, and what training chose."""
        upstream = make_upstream(self.part)
        place = home() / "checkpoints" / self._digest(upstream)[:32]
        tell = self.job.progress.tell
        with locked(Path(f"{place}.lock"), tell, f"fine-tunes into {place}"):
            if not self.job.anew and not (place / SUMS).is_file():
                fetch(place, SUMS, tell)
            mend(place, self.job)
            if self.job.anew:
                shutil.rmtree(_going(place), ignore_errors=True)
            if (place / SUMS).is_file():
                self.step.advance(self.stage.training.most_epochs)
            else:
                self._train(upstream, place)
                share(place, tell)
            shutil.rmtree(_going(place), ignore_errors=True)
        card = json.loads((place / CARD).read_text(encoding="utf-8"))
        fit = record.Fit.model_validate_json(
            json.dumps(card["stages"][0] | {"fold": self.fold.name})
        )
        given: dict[str, Any] = {"weights": str(place)}
        if "revision" in self.part.options:
            given["revision"] = None
        contents = self.part.contents | {"weights": fingerprint(place)}
        options = self.part.options | given
        return self.part.model_copy(update={"options": options, "contents": contents}), fit

    def _digest(self, upstream: Upstream) -> str:
        """Return the name of what comes out: all that decides it."""
        columns = ["recording", "speaker", *self._labels]
        if upstream.reads == "text":
            columns.append("text")
        rows = {
            name: self.table[columns].iloc[rows].to_numpy().tolist()
            for name, rows in (("train", self.fold.train), ("valid", self.fold.valid))
        }
        known = {
            "finetune": self.stage.model_dump(mode="json"),
            "task": [self.job.benchmark.task.kind, *self.job.benchmark.task.outputs],
            "provenance": dict(upstream.provenance),
            "edition_of_all": FINETUNING,
            "made_with": installed(),
            "bf16": self.stage.mixed and has_bf16(self.job.device),
            "device": rounds_as(self.job.device),
        }
        return digest_json(self.part.identity() | known | rows)

    @property
    def _labels(self) -> list[str]:
        """The columns that are learnt."""
        return list(self.job.benchmark.task.columns)

    def _train(self, upstream: Upstream, place: Path) -> None:
        """Train and write the weights; the folder is sealed last, which says that all is there."""
        from serbench.encoders.tensors import read_tensors
        from serbench.training.course import Keeping
        from serbench.training.fit import train
        from serbench.training.stage import mean_system, tuned

        outputs, tuning = len(self.job.benchmark.task.outputs), self.stage.training.tuning
        trial = self._trial(upstream)
        going = _going(place)
        sound(going, "training under way in", self.job.progress.tell, read_tensors)
        keeping = Keeping.of(going)
        trained = train(trial, lambda: mean_system(upstream, outputs, tuning), self.step, keeping)
        shutil.rmtree(place, ignore_errors=True)
        learnt = tuned(upstream, trained.state)
        learnt.save(place)
        parameters = sum(parameter.numel() for parameter in learnt.parameters())
        self._card(upstream, trained).write(place, parameters)

    def _trial(self, upstream: Upstream) -> Trial:
        """Return what is learnt from and chosen by; the test part is not even there."""
        import numpy as np
        import torch

        from serbench.training.objectives import objective_of
        from serbench.training.trial import Trial
        from serbench.training.waves import decode_to_train

        rows = np.concatenate([self.fold.train, self.fold.valid])
        table, numbers = self.table.iloc[rows].reset_index(drop=True), np.arange(len(rows))
        train, valid = np.split(numbers, [len(self.fold.train)])
        training = self.stage.training
        objective = objective_of(self.job.benchmark.task, training)
        return Trial(
            sources=(decode_to_train(table, upstream, self.job.progress, training.tuning),),
            targets=objective.targets(table),
            speakers=speaker_numbers(table["speaker"]),
            fold=replace(self.fold, train=train, valid=valid, test=numbers[:0]),
            objective=objective,
            training=training,
            seed=self.stage.seed,
            device=torch.device(self.job.device),
            budget=budget_of(training.tuning, [upstream]),
            key="finetune",
        )

    def _card(self, upstream: Upstream, trained: Trained) -> Card:
        """Return what the weights are, and what training chose."""
        from serbench.encoders.pretraining.card import Card, Corpus

        rows, benchmark = self.table.iloc[self.fold.train], self.job.benchmark
        hours, speakers = float(rows["seconds"].sum()) / 3600, rows["speaker"].nunique()
        about = (benchmark.name, round(hours, 3), len(rows), speakers, benchmark.licence)
        before = upstream.provenance.get("method")
        own = self.table["recording"].iloc[[*self.fold.train, *self.fold.valid]]
        told = {LABELS: self._labels, RECORDINGS: named([*own, *seen(self.part, RECORDINGS)])}
        told |= {HEARD: heard} if (heard := seen(self.part, HEARD)) else {}
        method = "fine-tuned on labels with a mean and a linear output"
        return Card(
            f"{before}, {method}" if before else method,
            [Corpus(*about, attribution=benchmark.citation)],
            upstream.provenance.get("licence", "not stated"),
            [fit_of(self.fold.name, self.stage.seed, trained).model_dump(mode="json")],
            self.stage.seed,
            options=self.stage.model_dump(mode="json") | told,
            base=dict(upstream.provenance),
        )


def _sent(
    recipe: Recipe, device: str, anew: bool, stage: Stage, part: Part, table: DataFrame, fold: Fold
) -> _Work:
    job = Job.of(recipe, device, Silent(), anew=anew)
    return _Work(job, stage, part, table, fold, Quiet())


def _going(place: Path) -> Path:
    """Return the folder of the training under way to weights at a place."""
    return place.with_name(f"{place.name}-training")
