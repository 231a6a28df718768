"""How fast a fairness audit is: permutations of counts beside Fairlearn's bootstrap of rows, in one run.

python -m benchmarks.fairness [--out docs/results/fairness_speed.md]
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pandas as pd

from benchmarks import pages
from rtl_core.audit.fairness.audit import fairness
from rtl_core.audit.fairness.audit_settings import AuditSettings
from rtl_core.audit.fairness.predictions import from_table
from rtl_core.rng import numpy_generator

ROWS, GROUPS, TICKETS = 50_000, 8, 5
METRICS = ("selection_rate", "accuracy", "tpr", "fpr")
PERMUTATIONS, BOOTSTRAPS = 10_000, 10  # Fairlearn's cost grows with the number of resamples, so ten of them tell
REPEATS = 3


def run() -> dict[str, Any]:
    """Seconds (best of several; Fairlearn, which takes long, once) for the same tickets x groups x metrics.

    The values are compared, so that no ratio is reported between different tables.
    """
    import fairlearn.metrics as fair
    from sklearn.metrics import accuracy_score

    frame = _decisions()
    theirs = {
        "selection_rate": fair.selection_rate,
        "accuracy": accuracy_score,
        "tpr": fair.true_positive_rate,
        "fpr": fair.false_positive_rate,
    }
    seconds = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        mapping = {"y_true": "y", "y_pred": "said", "ticket": "ticket", "groups": ["group"]}
        settings = AuditSettings(metrics=METRICS, permutations=PERMUTATIONS)
        report = fairness(from_table(frame, mapping), ["group"], settings)
        seconds.append(time.perf_counter() - start)
    start = time.perf_counter()
    by_group = fair.MetricFrame(
        metrics=theirs,
        y_true=frame["y"],
        y_pred=frame["said"],
        sensitive_features=frame["group"],
        control_features=frame["ticket"],
        n_boot=BOOTSTRAPS,
        ci_quantiles=[0.025, 0.975],
        random_state=0,
    ).by_group
    fairlearn = time.perf_counter() - start
    for cell in report.cells:
        if cell.place.ticket is not None:
            expected = by_group[cell.place.metric][cell.place.ticket, cell.group.removeprefix("group=")]
            np.testing.assert_allclose(cell.value, expected, rtol=1e-12)
    return {
        "seconds": min(seconds),
        "tests": report.tests,
        "fairlearn_seconds": fairlearn,
        "ratio": (fairlearn / BOOTSTRAPS) / (min(seconds) / PERMUTATIONS),
    }


def _decisions() -> pd.DataFrame:
    generator = numpy_generator(0, "benchmark", "fairness")
    y = generator.integers(0, 2, ROWS)
    return pd.DataFrame(
        {
            "y": y,
            "said": (generator.random(ROWS) < 0.2 + 0.5 * y).astype(int),
            "group": generator.integers(0, GROUPS, ROWS).astype(str),
            "ticket": generator.integers(0, TICKETS, ROWS).astype(str),
        }
    )


def table(figures: dict[str, Any]) -> str:
    """The result as Markdown."""
    return f"""# A fairness audit of {ROWS:,} rows, {GROUPS} groups, {TICKETS} tickets, {len(METRICS)} metrics

| method | resamples | seconds |
|---|---|---|
| `rtl_core.audit.fairness` | {PERMUTATIONS:,} permutations | {figures["seconds"]:.3g} |
| Fairlearn `MetricFrame(n_boot=...)` | {BOOTSTRAPS} bootstraps | {figures["fairlearn_seconds"]:.3g} |

Fairlearn takes **{figures["ratio"]:,.0f} times** as long for a resample: it resamples rows, while the audit draws the
counts of groups from their hypergeometric distribution, and needs no draws for pairs of groups. The resamples serve
different ends (intervals there, {figures["tests"]} tests here); the audit's time includes its own intervals. Both give
the same values.
One process: best of {REPEATS}, Fairlearn once. Remade by `python -m benchmarks.fairness`.
"""


if __name__ == "__main__":
    pages.show(__doc__, lambda: table(run()))
