"""serbench: a benchmark harness for speech emotion recognition.

What a program needs of it is here by name (docs/python.md shows each at work), and is imported
when it is first asked for: `import serbench` costs nothing, and only what computes pays for torch.
"""

from __future__ import annotations

# what `typing` calls so; its import would take longer than all the rest, and Ctrl-C in it would be
# a traceback
TYPE_CHECKING = False

if TYPE_CHECKING:
    from serbench.benchmarks.splitting.splitter import Splitter, splitter
    from serbench.errors import SerbenchError
    from serbench.leaderboard.frame import load_results
    from serbench.runs.calling import run
    from serbench.runs.fusing import fuse
    from serbench.runs.postprocessing import postprocess
    from serbench.runs.result import Outcome
    from serbench.scoring.metrics import (
        a_ccc,
        concordance_cc,
        macro_f1,
        o_ccc,
        unweighted_accuracy,
        weighted_accuracy,
    )
    from serbench.training.extractor import FeatureExtractor

    __version__: str

_ROOMS = {
    "FeatureExtractor": "training.extractor",
    "Outcome": "runs.result",
    "SerbenchError": "errors",
    "Splitter": "benchmarks.splitting.splitter",
    "a_ccc": "scoring.metrics",
    "concordance_cc": "scoring.metrics",
    "fuse": "runs.fusing",
    "load_results": "leaderboard.frame",
    "macro_f1": "scoring.metrics",
    "o_ccc": "scoring.metrics",
    "postprocess": "runs.postprocessing",
    "run": "runs.calling",
    "splitter": "benchmarks.splitting.splitter",
    "unweighted_accuracy": "scoring.metrics",
    "weighted_accuracy": "scoring.metrics",
}

# hidden from type checkers, who would take any misspelt name for one that is found late
if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        """Import a public name from its room, when it is first asked for."""
        if name == "__version__":
            from importlib.metadata import version

            found = version("serbench")
        elif name in _ROOMS:
            from importlib import import_module

            found = getattr(import_module(f"serbench.{_ROOMS[name]}"), name)
        else:
            raise AttributeError(f"module 'serbench' has no attribute '{name}'")
        globals()[name] = found
        return found


def __dir__() -> list[str]:
    """Return the public names, those too that nobody has asked for yet."""
    return sorted({*globals(), *_ROOMS, "__version__"})


__all__ = [
    "FeatureExtractor",
    "Outcome",
    "SerbenchError",
    "Splitter",
    "a_ccc",
    "concordance_cc",
    "fuse",
    "load_results",
    "macro_f1",
    "o_ccc",
    "postprocess",
    "run",
    "splitter",
    "unweighted_accuracy",
    "weighted_accuracy",
]
