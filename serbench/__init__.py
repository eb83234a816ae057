"""serbench: a benchmark harness for speech emotion recognition."""

from __future__ import annotations

from importlib.metadata import version

__version__ = version("serbench")
