"""PLDC: golden values, a direct implementation beside it, and planted truth."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serbench.errors import SerbenchError
from serbench.postprocessors import Evidence, Known, Predicted, chain, check_serves, oracle, pldc
from serbench.scoring.metrics import concordance_cc

GOLDEN = np.array([[3.0], [3.5], [4.0], [4.5], [5.0]])


def known(speakers: list[str], truths: Any, values: Any = None) -> Known:
    truths = np.asarray(truths, np.float64).reshape(len(speakers), -1)
    values = np.zeros_like(truths) if values is None else values
    return Known(values, np.array(speakers), truths)


def evidence(train: Known, voices: dict[str, Any], seed: int = 0) -> Evidence:
    voices = {name: np.asarray(voice, np.float32) for name, voice in voices.items()}
    return Evidence(train=train, valid=train, voices=voices, seed=seed)


def correct(values: Any, speakers: list[str], about: Evidence, **options: Any) -> np.ndarray:
    return pldc.make(**options).correct(Predicted(np.asarray(values), np.array(speakers)), about)


@pytest.mark.parametrize(
    ("shift", "expected"),
    [
        ("both", [2.702944, 3.551472, 4.4, 5.248528, 6.097056]),
        ("sigma", [2.302944, 3.151472, 4.0, 4.848528, 5.697056]),
        ("mu", [3.4, 3.9, 4.4, 4.9, 5.4]),
    ],
)
def test_golden_values_of_the_formula(shift: Any, expected: list[float]) -> None:
    # one neighbour whose labels have mean 4.4 and deviation 1.2
    about = evidence(known(["a", "a"], [3.2, 5.6]), {"a": [1, 0], "x": [1, 0]})
    found = correct(GOLDEN, ["x"] * 5, about, shift=shift, k=1)
    np.testing.assert_allclose(found[:, 0], expected, atol=1e-6)


def test_averaged_and_pooled_statistics_are_not_the_same() -> None:
    train = known(["a"] * 3 + ["b"] * 3, [2, 3, 4, 4, 5, 6])
    about = evidence(train, {"a": [1, 0], "b": [1, 0.1], "x": [1, 0.2]})
    for statistics, deviation in (("averaged", 0.8165), ("pooled", 1.2910)):
        made = pldc.make(k=2, statistics=statistics)  # type: ignore[arg-type]
        means, deviations = made.aims(["x"], about)
        assert means[0, 0] == pytest.approx(4.0)
        assert deviations[0, 0] == pytest.approx(deviation, abs=1e-4)


def direct(
    values: np.ndarray, speakers: np.ndarray, about: Evidence, k: int, shift: str, pooled: bool
) -> np.ndarray:
    """PLDC as its paper says it, utterance by utterance."""
    train, found = about.train, values.copy()
    for target in sorted(set(speakers)):
        alike = {}
        for name in sorted(set(train.speakers) - {target}):
            if (train.speakers == name).sum() >= 2:
                a, b = (about.voices[n].astype(float) for n in (target, name))
                alike[name] = a @ b / np.sqrt((a @ a) * (b @ b))
        chosen = sorted(alike, key=lambda name: (-round(alike[name], 9), name))[:k]
        labels = [train.truths[train.speakers == name] for name in chosen]
        if pooled:
            mean, deviation = np.concatenate(labels).mean(0), np.concatenate(labels).std(0)
        else:
            mean = np.mean([each.mean(0) for each in labels], axis=0)
            deviation = np.mean([each.std(0) for each in labels], axis=0)
        rows = speakers == target
        own = values[rows]
        spread = own.std(0)
        scale = np.array([d / s if s > 1e-8 else 1.0 for d, s in zip(deviation, spread)])  # noqa: B905
        for i in np.flatnonzero(rows):
            centred = values[i] - own.mean(0)
            found[i] = centred * (1 if shift == "mu" else scale) + (
                own.mean(0) if shift == "sigma" else mean
            )
    return found


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    k=st.integers(1, 12),
    shift=st.sampled_from(["sigma", "mu", "both"]),
    statistics=st.sampled_from(["averaged", "pooled"]),
    shared=st.booleans(),
)
def test_it_is_what_a_direct_implementation_gives(
    seed: int, k: int, shift: Any, statistics: Any, shared: bool
) -> None:
    random = np.random.default_rng(seed)
    speakers = random.choice([f"s{i}" for i in range(8)], 40)
    train = known(speakers.tolist(), random.normal(4, 1, (40, 2)))
    tested = random.choice(["s0", "s1", "x"] if shared else ["x", "y", "z"], 15)
    names = sorted({*speakers.tolist(), *tested.tolist()})
    about = evidence(train, {name: random.normal(size=5) for name in names})
    values = random.normal(4, 1, (15, 2))
    found = correct(values, tested.tolist(), about, k=k, shift=shift, statistics=statistics)
    expected = direct(values, tested, about, k, shift, statistics == "pooled")
    if not shared:
        np.testing.assert_allclose(found, expected, atol=1e-9)
    else:  # with k above the candidates, one who is a candidate himself leaves one fewer for all
        assert found.shape == expected.shape
        assert np.isfinite(found).all()


def planted(seed: int, follows: bool) -> tuple[Evidence, Known]:
    """Speakers of ten kinds of voice; labels follow the kind, or another draw of kinds."""
    random = np.random.default_rng(seed)
    kinds = random.normal(size=(10, 16))
    means, deviations = random.uniform(2.5, 5.5, 10), random.uniform(0.3, 1.5, 10)

    def part(prefix: str, count: int) -> tuple[Known, dict[str, Any]]:
        names, truths, values, voices = [], [], [], {}
        for i in range(count):
            kind = i % 10
            name = f"{prefix}{i}"
            voices[name] = kinds[kind] + 0.2 * random.normal(size=16)
            labelled = kind if follows else int(random.integers(10))
            truth = means[labelled] + deviations[labelled] * random.normal(size=20)
            # what regression does: towards the mean of everybody, with noise
            guess = 4 + 0.4 * (truth - 4) + 0.3 * random.normal(size=20)
            names += [name] * 20
            truths.append(truth)
            values.append(guess)
        joined = np.concatenate(values)[:, None]
        return known(names, np.concatenate(truths), joined), voices

    train, voices = part("train", 60)
    test, others = part("test", 40)
    return evidence(train, voices | others), test


def a_ccc(part: Known, values: np.ndarray) -> float:
    rows = [part.speakers == name for name in np.unique(part.speakers)]
    return float(np.mean([concordance_cc(part.truths[r, 0], values[r, 0]) for r in rows]))


def test_where_labels_follow_voices_it_finds_their_moments_and_gains() -> None:
    about, test = planted(0, follows=True)
    speakers = np.unique(test.speakers)
    means, deviations = pldc.make(k=6).aims(speakers.tolist(), about)
    for name, mean, deviation in zip(speakers, means, deviations, strict=True):
        truth = test.truths[test.speakers == name]
        assert mean[0] == pytest.approx(truth.mean(), abs=1.2)
        assert deviation[0] == pytest.approx(truth.std(), abs=0.7)
    after = pldc.make(k=6, shift="both").correct(test.unlabelled, about)
    assert a_ccc(test, after) > a_ccc(test, test.values) + 0.1


@pytest.mark.parametrize("shift", ["sigma", "mu", "both"])
def test_where_labels_follow_voices_it_gains_more_than_chance_every_time(shift: Any) -> None:
    gains = []
    for seed in range(20):
        about, test = planted(seed, follows=True)
        step, control = (
            pldc.make(k=6, shift=shift, neighbours=n)  # type: ignore[arg-type]
            for n in ("nearest", "random")
        )
        by_voice = a_ccc(test, step.correct(test.unlabelled, about))
        drawn = [replace(about, seed=draw) for draw in range(5)]
        by_chance = [a_ccc(test, control.correct(test.unlabelled, each)) for each in drawn]
        gains.append(by_voice - np.mean(by_chance))
    assert min(gains) > 0
    assert np.mean(gains) > 0.02


@pytest.mark.parametrize("shift", ["sigma", "mu", "both"])
def test_where_voices_say_nothing_it_gains_nothing_that_chance_does_not(shift: Any) -> None:
    gains = []
    for seed in range(20):
        about, test = planted(seed, follows=False)
        by_voice, by_chance = (
            a_ccc(test, pldc.make(shift=shift, neighbours=n).correct(test.unlabelled, about))  # type: ignore[arg-type]
            for n in ("nearest", "random")
        )
        gains.append(by_voice - by_chance)
    error = np.std(gains, ddof=1) / np.sqrt(len(gains))
    assert abs(np.mean(gains)) < 3 * error


def test_one_clip_and_a_flat_speaker_have_no_spread_to_change() -> None:
    about = evidence(known(["a", "a"], [3.2, 5.6]), {"a": [1, 0], "x": [1, 0], "y": [0, 1]})
    values = [[3.0], [2.1], [2.1], [2.1]]
    np.testing.assert_array_equal(correct(values, ["x", "y", "y", "y"], about), values)
    moved = correct(values, ["x", "y", "y", "y"], about, shift="both")
    np.testing.assert_allclose(moved, [[4.4]] * 4)


def test_more_neighbours_than_candidates_are_all_of_them() -> None:
    about, test = planted(0, follows=True)
    far, all_of_them = (
        pldc.make(**options).correct(test.unlabelled, about)  # type: ignore[arg-type]
        for options in ({"k": 10_000}, {"neighbours": "all"})
    )
    np.testing.assert_allclose(far, all_of_them)


def test_a_speaker_is_no_neighbour_of_himself() -> None:
    train = known(["x", "x", "a", "a"], [1.0, 1.2, 3.2, 5.6])
    about = evidence(train, {"x": [1, 0], "a": [0, 1]})
    np.testing.assert_allclose(correct(GOLDEN, ["x"] * 5, about, shift="mu", k=1)[:, 0].mean(), 4.4)


@pytest.mark.parametrize("statistics", ["averaged", "pooled"])
@pytest.mark.parametrize("neighbours", ["nearest", "random", "all"])
def test_a_correction_does_not_depend_on_who_else_is_tested(
    neighbours: Any, statistics: Any
) -> None:
    """Also where one of them is a candidate himself, who has one neighbour fewer."""
    about, test = planted(0, follows=True)
    own = np.unique(about.train.speakers)[:3]
    rows = np.isin(about.train.speakers, own)
    values = np.concatenate([test.values, about.train.values[rows] + test.values[: rows.sum()]])
    names = np.concatenate([test.speakers, about.train.speakers[rows]])
    for k in (1, 3, 10_000):
        step = pldc.make(k=k, neighbours=neighbours, statistics=statistics, shift="both")
        together = step.correct(Predicted(values, names), about)
        for who in (own[0], test.speakers[0], test.speakers[-1]):
            alone = step.correct(Predicted(values[names == who], names[names == who]), about)
            np.testing.assert_array_equal(together[names == who], alone)
            if k > 1000:  # everybody but himself
                found = step.neighbours_of([str(who)], about)[str(who)]
                assert {*found} == {*about.train.speakers} - {who}


def test_a_gate_leaves_alone_whose_neighbours_are_alike() -> None:
    train = known(["a", "a"], [3.2, 5.6])
    about = evidence(train, {"a": [1, 0], "x": [1, 0.01], "y": [0, 1]})
    found = correct([*GOLDEN[:2], *GOLDEN[:2]], ["x", "x", "y", "y"], about, gate=0.985)
    np.testing.assert_array_equal(found[:2], GOLDEN[:2])
    assert not np.array_equal(found[2:], GOLDEN[:2])


def test_an_oracle_gives_each_speaker_the_moments_of_the_truth() -> None:
    about, test = planted(1, follows=False)
    after = oracle.make().correct(test, about)
    for name in np.unique(test.speakers):
        rows = test.speakers == name
        assert after[rows].mean() == pytest.approx(test.truths[rows].mean())
        assert after[rows].std() == pytest.approx(test.truths[rows].std())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"k": 0}, "option 'k' of post-processor 'pldc' is 0; give 1 or more"),
        ({"gate": 7.0}, "option 'gate' of post-processor 'pldc' is 7; a cosine is from -1 to 1"),
        ({"fewest": 3}, "no speaker that was trained on has 3 utterances, the most has 2"),
    ],
)
def test_what_cannot_be_is_refused(options: dict[str, Any], message: str) -> None:
    about = evidence(known(["a", "a"], [3.2, 5.6]), {"a": [1, 0], "x": [1, 0]})
    with pytest.raises(SerbenchError, match=message):
        correct(GOLDEN, ["x"] * 5, about, **options)


def test_a_speaker_without_a_voice_is_named() -> None:
    about = evidence(known(["a", "a"], [3.2, 5.6]), {"a": [1, 0]})
    with pytest.raises(SerbenchError, match="speaker 'x' has no voice"):
        correct(GOLDEN, ["x"] * 5, about)


def test_classes_are_not_for_pldc() -> None:
    with pytest.raises(SerbenchError, match="'pldc' corrects regression, not classification"):
        check_serves("pldc", pldc.make(), "classification")


def test_an_oracle_leaves_alone_what_is_enrolled_without_truths() -> None:
    about, test = planted(1, follows=False)
    given = replace(about, enrolled=test.unlabelled)
    values, _ = chain((oracle.make(),), test, given)
    np.testing.assert_array_equal(values, oracle.make().correct(test, about))


def test_where_labels_are_enrolled_it_goes_by_these_and_asks_nobody() -> None:
    about = evidence(known(["a", "a"], [3.2, 5.6]), {"a": [1, 0], "x": [1, 0], "y": [1, 0]})
    given = known(["x", "x", "x", "y"], [2, 3, 4, 1], np.array([[1.0], [2], [3], [9]]))
    tested = Predicted(np.array([[2.0], [5.0], [9.0]]), np.array(["x", "x", "y"]))
    for enrolled, of_x in ((given, [[3.0], [6.0]]), (given.unlabelled, [[4.4], [7.4]])):
        made = pldc.make(shift="mu").correct(tested, replace(about, enrolled=enrolled))
        np.testing.assert_allclose(made[:2], of_x)
        # one label is too few, as of a candidate
        np.testing.assert_allclose(made[2:], [[4.4]])
