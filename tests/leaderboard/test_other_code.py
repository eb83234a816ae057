"""Code of others that has the name of a built-in part is not shown as that part."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from serbench.leaderboard import store
from serbench.leaderboard.identity import corrected_by, digest_of, fused_labels, labels_of
from serbench.leaderboard.naming import misnamed
from serbench.leaderboard.page.flags import of_row
from serbench.leaderboard.reading import BrokenResultError
from serbench.leaderboard.record import Corrected, Labels, Result
from serbench.leaderboard.remembered import standing_of
from serbench.leaderboard.table import boards
from serbench.runs import recipe

from .result_samples import classified, ranked, record, rewrite, scored

PACKAGED = {"id": "serbench/cpc-nano"}
GOOD = classified(1.5)


def run(part: dict[str, Any], key: str = "upstreams", **changes: Any) -> Result:
    """Return a run of which one part is of others."""
    plain = recipe.resolve({"upstream": "cpc", "downstream": "ecapa"}).plain()
    own = plain["downstream"] if key == "downstream" else plain["upstreams"][0]
    made = plain | {key: own | part if key == "downstream" else [own | part]}
    return record(
        **{"recipe": made, "digest": digest_of(made), "labels": labels_of(made)} | changes
    )


@pytest.mark.parametrize(
    ("key", "part", "upstream", "downstream"),
    [
        ("upstreams", {}, "cpc", "ecapa.small"),
        ("upstreams", {"name": "mine.py", "origin": "file"}, "mine", "ecapa.small"),
        ("upstreams", {"name": "mine", "origin": "mine 1.0"}, "mine", "ecapa.small"),
        ("upstreams", {"origin": "wonder 1.0"}, "cpc (other code: wonder 1.0)", "ecapa.small"),
        ("upstreams", {"name": "CPC", "origin": "w 1"}, "CPC (other code: w 1)", "ecapa.small"),
        (
            *("upstreams", {"name": "hubert.py", "origin": "file"}),
            *("hubert (other code: file)", "ecapa.small"),
        ),
        ("upstreams", {"name": "cpc.py"}, "cpc (other code: file)", "ecapa.small"),
        ("downstream", {"origin": "wonder 1.0"}, "cpc", "ecapa.small (other code: wonder 1.0)"),
        # what nobody can tell from a built-in one by its look
        *(
            (
                "upstreams",
                {"name": name, "origin": "w 1"},
                f"{name} (other code: w 1)",
                "ecapa.small",
            )
            for name in ("hubert\u00a0", "hub\u0435rt", "whisper ", "hubert\u3164")
        ),
    ],
)
def test_a_label_shows_whose_code_has_a_name_of_serbench(key, part, upstream, downstream) -> None:
    labels = run(part, key).labels
    assert (labels.upstream, labels.downstream) == (upstream, downstream)


def test_a_file_is_told_from_the_built_in_upstream_of_its_name(tmp_path: Path) -> None:
    path = tmp_path / "fbank.py"
    path.write_text("def make():\n    return None\n")
    made = recipe.resolve({"upstream": str(path), "downstream": "mlp"})
    assert made.labels.upstream == "fbank (other code: file)"


@pytest.mark.parametrize(
    ("origin", "step"),
    [
        ("serbench", "pldc"),
        ("wonder 1.0", "pldc (other code: wonder 1.0)"),
        ("3f" * 32, "pldc (other code: 3f3f3f3f)"),
    ],
)
def test_so_does_that_of_a_post_processor(origin: str, step: str) -> None:
    before = run({})
    plain = corrected_by([{"name": "pldc", "options": {}, "origin": origin}], before.digest)

    def corrected(called: str) -> Result:
        return record(
            recipe=plain,
            digest=digest_of(plain),
            labels=before.labels.model_copy(update={"downstream": f"ecapa.small > {called}"}),
            corrected=Corrected(digest=before.digest, steps=(called,)),
        )

    assert misnamed(corrected(step)) is None
    assert (misnamed(corrected("pldc")) is None) == (step == "pldc")


def test_fused_rows_are_called_by_their_runs() -> None:
    own, other = run({}).labels, run({"origin": "wonder 1.0"}).labels
    assert fused_labels([own, other], "mean").upstream == "cpc & cpc (other code: wonder 1.0)"


def test_marks_of_built_in_weights_are_not_given_to_other_code() -> None:
    changed = run({"origin": "wonder 1.0"}, provenance=PACKAGED)
    fused = record(recipe={"fuse": "mean"}, labels=changed.labels, provenance=PACKAGED)
    (made,) = ranked(
        [
            (run({}, provenance=PACKAGED), GOOD),
            (changed, classified(1.4)),
            (fused, classified(1.3)),
        ]
    )
    marked = {row.result.digest: "packaged" in of_row(row) for row in made.rows}
    assert marked[run({}).digest]
    assert not marked[changed.digest]
    assert not marked[fused.digest]


@pytest.fixture
def older(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a result whose label does not say that its upstream is a file."""
    monkeypatch.setenv("SERBENCH_HOME", str(tmp_path / "home"))
    made = run({"name": "cpc.py", "origin": "file"})
    path = store.save(scored(made, GOOD), GOOD, tmp_path / "results")
    plain = json.loads(path.read_text())
    rewrite(path, plain | {"labels": plain["labels"] | {"upstream": "cpc"}})
    return path


def test_an_older_record_is_called_as_those_of_today(older: Path) -> None:
    assert store.load_result(older).result.labels.upstream == "cpc (other code: file)"
    for _ in ("computed", "remembered"):
        (board,) = boards([standing_of(older)])
        assert board.rows[0].result.labels.upstream == "cpc (other code: file)"


def test_a_record_with_any_other_label_is_refused(older: Path) -> None:
    labels = Labels(upstream="hubert", weights="nano", downstream="ecapa.small")
    rewrite(older, json.loads(older.read_text()) | {"labels": labels.model_dump()})
    with pytest.raises(BrokenResultError, match="its row is called 'hubert nano"):
        store.load_result(older)
