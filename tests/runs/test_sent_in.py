"""What somebody sent is no run of one's own, whatever its recipe is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import serbench
from serbench.cli import app
from serbench.errors import SerbenchError
from serbench.leaderboard.marks import marks
from serbench.leaderboard.record import Result, summed
from serbench.leaderboard.submissions import add
from serbench.leaderboard.verifying import verify
from serbench.progress import Keeping, Silent
from serbench.runs import recipe
from serbench.runs.grids import costs
from serbench.runs.grids import grid as grids
from serbench.runs.grids.cells import Where
from serbench.runs.grids.corpora import Corpora, compared
from serbench.runs.grids.local import Local
from serbench.runs.grids.plan import plan
from serbench.runs.grids.sweep import sweep
from serbench.runs.result import Outcome
from serbench.runs.run import run_recipe
from serbench.studies.bench import Bench


def test_a_result_that_was_sent_in_is_no_run_of_ones_own(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SERBENCH_HOME", str(tmp_path / "home"))
    theirs, mine = tmp_path / "theirs", tmp_path / "mine"
    raw = {"upstream": "fbank", "downstream": "mlp", "benchmark": str(corpus)}
    raw |= {"training": {"learning_rates": [1e-3], "epochs": 1}}
    asked = recipe.resolve(raw)

    def again(**how: Any) -> Outcome:
        return run_recipe(asked, data=None, results=mine, progress=Silent(), **how)

    honest = run_recipe(asked, data=None, results=theirs, progress=Silent())
    (taken,) = add(theirs, mine, lambda _: None)
    assert taken.problems == ()
    with pytest.raises(SerbenchError, match="but it was sent in: nobody trained it here") as error:
        again()
    assert "--overwrite always" in str(error.value)
    planned = plan(grids.made(raw, {}), mine)
    told = [*compared(planned, mine, Corpora(None, Silent()))]
    assert told == ["sent in, which counts as failed: 1 result"]
    assert "finished: 0; to do: 0" in costs.told(planned, mine), "nor is it counted twice"
    with Local(Where(None, mine, Path.cwd()), 1) as engine:
        (failed,) = sweep(planned, engine, Silent()).failed
    assert "it was sent in" in failed.reason
    digest = honest.result.digest
    for command in ["show", digest], ["compare", digest, digest], ["speakers", digest]:
        shown = CliRunner().invoke(app, [*command, "--results", str(mine)])
        assert "Added from elsewhere" in shown.stdout
    Bench(mine, kept := Keeping(Silent())).stored(digest)
    assert [line.partition(";")[0] for line in kept.told] == [
        f"run {digest[:8]}: Added from elsewhere"
    ]
    corrected = serbench.postprocess(digest, "prior_shift", results=mine)
    said = f"Of {digest[:8]}: It was sent in, and nobody trained it here."
    assert corrected.result.noted == (said,)
    made = corrected.result.digest
    for command in ["compare", made, digest], ["speakers", made]:
        assert said in CliRunner().invoke(app, [*command, "--results", str(mine)]).stdout
    assert verify(corrected.path, lambda _: None).problems == ()
    plain = json.loads(corrected.path.read_text()) | {"noted": [], "checksum": ""}
    silent = summed(Result.model_validate_json(json.dumps(plain))).model_dump_json()
    corrected.path.write_text(silent)
    (told,) = verify(corrected.path, lambda _: None).problems
    assert told == f"the run {digest[:8]} that it was made of was sent in, and the record denies it"
    assert again(overwrite="never").result == honest.result
    assert again(overwrite="always").scores == honest.scores
    assert again().result.digest == digest
    assert marks(mine) == {}
