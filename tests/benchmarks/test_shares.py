"""Soft labels through the whole chain: audit, folds, training, scores, boards, fusion."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.spatial.distance import jensenshannon
from scipy.special import softmax
from sklearn.metrics import f1_score

import serbench
from serbench.benchmarks import Distribution, demo
from serbench.benchmarks.reading import custom
from serbench.errors import SerbenchError
from serbench.leaderboard.store import load_result
from serbench.scoring import ensembles
from serbench.scoring.chance import can_only_guess
from serbench.scoring.intervals import interval, taken_apart
from serbench.scoring.metrics import METRICS, jensen_shannon, shares_macro_f1
from serbench.scoring.predictions import problem, tabulate
from serbench.scoring.scores import score
from serbench.scoring.sums import ADDITIVE

LABELS = ("neutral", "happy", "angry", "sad")
SHARES = Distribution(LABELS)


def drawn(rows: int, seed: int, scale: float = 2.0) -> Any:
    """Return (rows, 4) shares of any kind, some of them none."""
    shares = softmax(np.random.default_rng(seed).normal(0, scale, (rows, 4)), axis=1)
    shares[shares < 0.05] = 0
    return shares / shares.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("seed", range(5))
def test_the_metrics_are_those_of_scipy_and_scikit_learn(seed: int) -> None:
    truth, given = drawn(40, seed), drawn(40, seed + 100)
    roots = [jensenshannon(t, p, base=2) for t, p in zip(truth, given, strict=True)]
    assert jensen_shannon(truth, given) == pytest.approx(np.mean(np.square(roots)))
    there = truth > 0.25
    expected = f1_score(there, given > 0.25, average=None, zero_division=0)[there.any(axis=0)]
    assert shares_macro_f1(truth, given) == pytest.approx(expected.mean())


def test_the_truth_itself_scores_best_and_what_is_apart_worst() -> None:
    truth = drawn(30, 0)
    assert shares_macro_f1(truth, truth) == 1
    assert jensen_shannon(truth, truth) == 0
    assert jensen_shannon([[1, 0, 0, 0]], [[0, 0, 1, 0]]) == 1
    assert np.isnan(jensen_shannon([[1, 0]], [[np.nan, 1]]))
    assert np.isnan(shares_macro_f1([[0.5, 0.5]], [[1.0, 0.0]]))  # nothing is above a half


@pytest.mark.parametrize("metric", ["shares_macro_f1", "shares_jsd"])
def test_the_metrics_follow_from_sums_of_speakers(metric: str) -> None:
    truth, given = drawn(60, 3), drawn(60, 4)
    of, value = ADDITIVE[metric]
    sums = of(truth, given, LABELS, np.arange(60) % 7, 7)
    assert value(sums.sum(axis=0)) == pytest.approx(METRICS[metric](truth, given, LABELS))
    without = (np.arange(60) % 7) != 2
    assert value(sums.sum(axis=0) - sums[2]) == pytest.approx(
        METRICS[metric](truth[without], given[without], LABELS)
    )


def votes(emotion: str, clip: int) -> list[float]:
    """Return shares of which the intended emotion has 0.5 to 0.8, and another one the rest."""
    most = 0.5 + clip % 4 / 10
    second = LABELS[(LABELS.index(emotion) + 1) % 4]
    return [most if label == emotion else (1 - most) * (label == second) for label in LABELS]


@pytest.fixture(scope="module")
def described(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a corpus of anyone with shares: clips of the demo, as if people had voted."""
    folder = tmp_path_factory.mktemp("votes")
    table = demo.make().read(None).groupby(["speaker", "emotion"]).head(4).reset_index(drop=True)
    shares = [votes(emotion, clip) for clip, emotion in enumerate(table["emotion"])]
    columns = pd.DataFrame(shares, columns=[f"share:{label}" for label in LABELS])
    table[["path", "speaker"]].join(columns).to_csv(folder / "t.csv", index=False)
    path = folder / "votes.toml"
    path.write_text(
        'name = "votes"\nversion = "1"\ntable = "t.csv"\ntask = "distribution"\n'
        f'labels = {[*LABELS]}\n[protocol]\nname = "speaker_folds"\nk = 3\n'
    )
    return path


@pytest.fixture(scope="module")
def outcomes(described: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    run = partial(
        serbench.run,
        downstream="mean_pool",
        benchmark=str(described),
        training={"epochs": 15, "learning_rates": [3e-3]},
        results=tmp_path_factory.mktemp("results"),
    )
    return [run(upstream="fbank"), run(upstream="mfcc")]


def test_a_run_learns_shares_and_its_record_reads_as_it_was_written(outcomes: list[Any]) -> None:
    stored = load_result(outcomes[0].path)
    scores = score(stored.result.benchmark.task, stored.predictions)
    assert stored.result.benchmark.task == SHARES
    assert scores.rank_name == "macro_f1"
    given = [f"score:{label}" for label in LABELS]
    truth = stored.predictions[[*SHARES.truths]].to_numpy()
    # the same predictions, of other clips
    others = np.random.default_rng(0).permutation(stored.predictions[given].to_numpy())
    assert scores.by_fold["jsd"].pooled < jensen_shannon(truth, others) - 0.03
    assert scores.by_fold["macro_f1"].pooled > shares_macro_f1(truth, others) + 0.03
    assert problem(SHARES, stored.predictions) is None
    assert not can_only_guess(SHARES, stored.predictions)
    flat = stored.predictions.assign(**{f"score:{label}": 0.25 for label in LABELS})
    assert can_only_guess(SHARES, flat)


def test_the_figures_have_intervals_over_speakers(outcomes: list[Any]) -> None:
    stored = load_result(outcomes[0].path)
    scores = score(SHARES, stored.predictions)
    found = taken_apart(SHARES, stored.predictions, scores)
    for key in ("macro_f1", "jsd"):
        ends = interval(found[key])
        assert ends.value == pytest.approx(scores.by_fold[key].mean_of_folds)
        assert ends.low < ends.value < ends.high


def test_two_runs_are_fused_by_their_mean_and_by_a_stack(outcomes: list[Any]) -> None:
    members = [load_result(o.path).predictions for o in outcomes]
    fused = ensembles.mean(SHARES, members)
    assert problem(SHARES, fused) is None
    scores = [f"score:{label}" for label in LABELS]
    halves = (members[0][scores] + members[1][scores]) / 2
    np.testing.assert_allclose(fused[scores], halves)


def test_a_stack_of_shares_believes_the_system_that_knows() -> None:
    truth, guess = drawn(300, 1), drawn(300, 2)
    knows = softmax(np.log(truth + 0.05), axis=1)
    table = pd.DataFrame({"utterance": [f"u{i}" for i in range(300)], "speaker": "s"})
    table[[*SHARES.columns]] = truth
    fold = serbench.benchmarks.Fold("f", *(np.arange(a, a + 100) for a in (0, 100, 200)))
    both = [
        [tabulate(table, fold, 0, SHARES, s[a : a + 100], p) for s in (knows, guess)]
        for a, p in ((100, "valid"), (200, "test"))
    ]
    stacked = ensembles.stack(SHARES, both[1], both[0])
    assert score(SHARES, stacked).by_fold["jsd"].pooled < (
        score(SHARES, ensembles.mean(SHARES, both[1])).by_fold["jsd"].pooled
    )
    np.testing.assert_allclose(stacked[[f"score:{x}" for x in LABELS]].sum(axis=1), 1)


def test_the_audit_finds_shares_that_are_none(described: Path) -> None:
    benchmark = custom.read_benchmark(described)
    table = benchmark.read(None)
    assert list(SHARES.audit(table)) == []
    table.loc[0, "share:happy"] = np.nan
    table.loc[1, "share:happy"] += 0.5
    table.loc[2, ["share:happy", "share:sad"]] += [-1, 1]
    found = list(SHARES.audit(table))
    assert [f.kind for f in found] == ["no_target", "off_scale"]
    assert found[1].message.startswith("shares are negative or their sum is not 1: 2 utterances")
    nobody = table.assign(**{"share:sad": 0.0})
    assert "empty_class" in {f.kind for f in SHARES.audit(nobody)}
    assert "no utterance in test has more than 1/4 of 'angry', 'sad'" in str(
        SHARES.lacks(benchmark.read(None), np.array([0]), "test")
    )


def test_a_post_processor_of_labels_refuses_shares_in_a_sentence(outcomes: list[Any]) -> None:
    from serbench.runs.plugin_part import plugin_part
    from serbench.runs.postprocessing import made_of

    with pytest.raises(SerbenchError, match=r"em_prior.*classification.*distribution"):
        made_of([plugin_part("postprocessors", "em_prior", {})], SHARES)
