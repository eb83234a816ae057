"""Numbers that are raised by hand, so that what was made before is found as long as it is the same.

Stored features, adapted and fine-tuned weights are named by the edition of the code that made them
and by the versions of what it calls, not by serbench's. An upstream, a head or a benchmark may have
an edition of its own, a constant `EDITION` in its file, 1 if it is not there: it is raised when its
code or a default of its options gives other numbers than before. `tests/test_editions.py` fails
when code or a default changes and its number does not.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version

FEATURES = 1
ADAPTATION = 1
FINETUNING = 1

CODE = {
    "FEATURES": (
        "upstreams/__init__.py",
        "encoders/*.py",
        "encoders/packaged/*/*",
        "benchmarks/reading/audio.py",
        "benchmarks/reading/mp3.py",
        "benchmarks/reading/opening.py",
        "training/store.py",
        "training/shards.py",
        "training/waves.py",
        "training/waveforms.py",
    ),
    "ADAPTATION": ("encoders/pretraining/*.py",),
    "FINETUNING": tuple(
        f"training/{name}.py"
        for name in (
            *("attempt", "averaging", "batching", "course", "fit", "fusion", "learning", "losses"),
            *("objectives", "optimizing", "stage", "standardising", "streams", "system", "trial"),
        )
    ),
}
"""What each number stands for, in the package."""

PACKAGES = ("numpy", "soundfile", "soxr", "torch", "torchaudio", "transformers")
"""What makes features and weights beside serbench's own code."""


def installed(packages: Iterable[str] = PACKAGES) -> dict[str, str]:
    """Return the versions of those distributions that are installed."""
    found = {}
    for name in packages:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
