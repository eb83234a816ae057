"""What is predicted: one file a kind of task.

A new kind is a file here and a line in `KINDS`; if it needs a metric or a loss that is not there,
one in `serbench.scoring.metrics` and one in `serbench.training.objectives`.
"""

from __future__ import annotations

from serbench.benchmarks.tasks.classification import Classification
from serbench.benchmarks.tasks.distribution import Distribution
from serbench.benchmarks.tasks.findings import Finding
from serbench.benchmarks.tasks.regression import Regression
from serbench.benchmarks.tasks.task import Figure, Measure, Rows, Task

KINDS = Classification | Regression | Distribution

__all__ = [
    "KINDS",
    "Classification",
    "Distribution",
    "Figure",
    "Finding",
    "Measure",
    "Regression",
    "Rows",
    "Task",
]
